# The media side's round: commands, the ticks that are due on an absolute grid, acknowledgements; in _media.pyx.
#
# Rooms tick in the order in which they were handed in, and each is fanned out before the next one ticks.

cdef int media_step(media_t* media, int64_t now_us) noexcept nogil:
    cdef int64_t late_us
    cdef int64_t due
    cdef int64_t skipped
    cdef int64_t i
    plane_note_time(media.plane, now_us)
    media_drain(media)
    if not media.started:
        media.started = True
        media.next_us = now_us
    late_us = now_us - media.next_us
    if late_us < -MEDIA_EARLY_US:
        send_acks(media, now_us)
        media_flush(media, media.batch)
        return 0
    due = 1 + max(<int64_t>0, late_us) // MEDIA_TICK_US
    skipped = max(<int64_t>0, due - 1 - MEDIA_CATCH_UP)
    media.next_us += skipped * MEDIA_TICK_US
    _count(media, late_us, due, skipped)
    for i in range(due - skipped):
        _tick(media, media.next_us, now_us)
        media.next_us += MEDIA_TICK_US
    send_acks(media, now_us)
    media_flush(media, media.batch)
    return <int>(due - skipped)


cdef void _count(media_t* media, int64_t late_us, int64_t due, int64_t skipped) noexcept nogil:
    media.counts.ticks += <uint64_t>(due - skipped)
    media.counts.late += <uint64_t>(due - 1 - skipped)
    media.counts.worst_late_us = max(media.counts.worst_late_us, late_us)
    if skipped:
        media.counts.skipped += <uint64_t>skipped
        media.counts.resyncs += 1


cdef void _tick(media_t* media, int64_t tick_us, int64_t now_us) noexcept nogil:
    cdef uint32_t i
    media.counts.late_by[_bucket(now_us - tick_us)] += 1
    for i in range(media.n_live):
        fanout_tick(media, media.live[i], tick_us, now_us)


cdef int64_t media_next_us(const media_t* media) noexcept nogil:
    return min(media.next_us, next_ack_us(media))


# --- lateness -----------------------------------------------------------------------------------------------------

cdef int _bucket(int64_t late_us) noexcept nogil:
    """Exact below 32 µs, then 32 steps for each power of two; all beyond 1 s in the last."""
    cdef int power = 0
    if late_us < 0:
        return 0
    while late_us >= 2 * LATE_STEPS:
        late_us >>= 1
        power += 1
    return min(power * <int>LATE_STEPS + <int>late_us, <int>LATE_BUCKETS - 1)


cdef int64_t late_bucket_us(int bucket) noexcept nogil:
    cdef int power = max(0, bucket // <int>LATE_STEPS - 1)
    return <int64_t>(bucket - power * <int>LATE_STEPS) << power


cdef int64_t late_quantile_us(const media_counts_t* counts, double quantile) noexcept nogil:
    """The lateness that so many of the ticks stay below, at most 1/32 more than measured; 0 before the first tick."""
    cdef uint64_t n = 0
    cdef uint64_t below = 0
    cdef int i
    for i in range(LATE_BUCKETS):
        n += counts.late_by[i]
    for i in range(LATE_BUCKETS):
        below += counts.late_by[i]
        if n > 0 and <double>below >= quantile * <double>n:
            return late_bucket_us(i + 1) - 1 if i >= LATE_STEPS else i
    return 0


# --- commands -----------------------------------------------------------------------------------------------------

cdef void media_drain(media_t* media) noexcept nogil:
    cdef uint32_t n_bytes = 0
    cdef const media_command_t* command = <const media_command_t*>ring_peek(&media.commands, &n_bytes)
    while command != NULL:
        _apply(media, command)
        ring_pop(&media.commands)
        command = <const media_command_t*>ring_peek(&media.commands, &n_bytes)
    drain_puts(media)


cdef void _apply(media_t* media, const media_command_t* command) noexcept nogil:
    cdef room_t* room = command.room
    if command.kind == MEDIA_ADD:
        media.rooms[room.index] = room
        media.live[media.n_live] = room
        media.n_live += 1
    elif command.kind == MEDIA_CLOSE:
        _close(media, room)
    elif command.kind == MEDIA_ENTER:
        _enter(room, command)
    elif command.kind == MEDIA_GROW:
        memcpy(command.memory, room.entries, room.n_entries * sizeof(entry_t))
        room.entries = <entry_t*>command.memory
        room.capacity = command.capacity
        store_u32(&room.grown, room.grown + 1)
    elif command.kind == MEDIA_SUBSCRIBE:
        room.frames = <ring_t*>command.memory
    elif plane_trylock(command.conn):       # MEDIA_ACK; who holds it sends what is owed
        if command.conn.generation == command.generation:
            list_ack(media, command.conn)
        plane_unlock(command.conn)


cdef void _enter(room_t* room, const media_command_t* command) noexcept nogil:
    """The control side has seen to it that there is room in the list."""
    cdef entry_t* entry = &room.entries[room.n_entries]
    entry.conn = command.conn
    entry.generation = command.generation
    entry.stay = command.stay
    entry.slot = command.conn.slot
    entry.seat = command.seat
    entry.last_seq = 0
    entry.has_last = 0
    entry.want = 1
    entry.lossy = 0
    entry.copies = 0
    room.n_entries += 1
    room.n_fresh += 1


cdef void _close(media_t* media, room_t* room) noexcept nogil:
    """Let go of a room: from here the control side may free it."""
    cdef uint32_t i
    add_counts(&media.counts.rooms, &room.counts)
    for i in range(media.n_live):
        if media.live[i] == room:
            media.n_live -= 1
            media.live[i] = media.live[media.n_live]
            break
    media.rooms[room.index] = NULL
    store_u32(&room.closed, 1)


cdef void add_counts(room_counts_t* sum_of, const room_counts_t* counts) noexcept nogil:
    sum_of.sent_full += counts.sent_full
    sum_of.sent_seat += counts.sent_seat
    sum_of.frames += counts.frames
    sum_of.bundled += counts.bundled
    sum_of.refused += counts.refused
    sum_of.held += counts.held
    sum_of.held_dropped += counts.held_dropped
    sum_of.missed += counts.missed
    sum_of.nobody += counts.nobody
    sum_of.stale += counts.stale
    sum_of.told += counts.told
    sum_of.copied += counts.copied
