# A room's frames to its people, one packet each: mix-minus to seats, the full mix, bundled, to listeners; in _media.pyx.
#
# Who hears a room stands in the connection, under its lock; the list that a pass goes through is a hint. A pass first
# gathers a block of those who are due, without touching their connections, so that these can be fetched ahead of use.

cdef extern from *:
    """
    #define MEDIA_LINE 64
    /* A connection is 91 lines of memory, and a pass goes through thousands: these are the ones that sealing reads. */
    static inline void media_fetch_lines(const void *from, int n) {
        int i;
        for (i = 0; i < n; i++)
            __builtin_prefetch((const char *)from + i * MEDIA_LINE, 1);
    }
    static inline void media_fetch_head(const conn_t *conn) {
        media_fetch_lines(conn, 4);
        __builtin_prefetch(&conn->n_ranges, 1);
        __builtin_prefetch(&conn->ack_pending, 1);
        __builtin_prefetch(&conn->sent_head, 1);
        media_fetch_lines(&conn->in_flight_bytes, 4);
    }
    /* Without the lock: what is read may be gone already, which a prefetch forgives. */
    static inline void media_fetch_context(const void *const *at) {
        media_fetch_lines(__atomic_load_n(at, __ATOMIC_RELAXED), 3);
    }
    static inline void media_fetch_rest(const conn_t *conn) {
        media_fetch_context((const void *const *)&conn->tx.ctx);
        media_fetch_context((const void *const *)&conn->tx_hp);
        __builtin_prefetch(&conn->sent[conn->sent_tail % PLANE_SENT], 1);
    }
    """
    void fetch_head "media_fetch_head"(const conn_t* conn) noexcept nogil
    void fetch_rest "media_fetch_rest"(const conn_t* conn) noexcept nogil

cdef enum:
    BLOCK = 64                  # entries gathered before their connections are touched
    FETCH_AHEAD = 6
    FETCH_REST_AHEAD = 3
    NOTHING = -1                # for a seat: no packet in this tick
    FRESH_LEAST = 16            # new entries, and half of all, after which the list is looked through
    TRY_AGAIN = 64              # connections whose lock was taken, tried once more after all others

cdef struct pass_t:
    media_t* media
    room_t* room
    int64_t now_us
    bint everyone               # nobody is passed over
    bint new_frame              # the bundle has a frame that nobody has been sent
    uint32_t again[TRY_AGAIN]
    int n_again
    bint stale
    int16_t by_seat[256]        # index of the packet for who sits there, or NOTHING
    uint8_t served[256]


cdef void fanout_tick(media_t* media, room_t* room, int64_t tick_us, int64_t now_us) noexcept nogil:
    cdef out_t* out = media.out
    cdef pass_t turn
    cdef int full
    if room.n_fresh >= FRESH_LEAST and room.n_fresh > room.n_entries / 2:
        _prune(room)
    space_tick(room.space, tick_us, out)
    if room.frames != NULL:
        _publish(media, room)
    turn.media = media
    turn.room = room
    turn.now_us = now_us
    full = _assign(&turn, out)
    if room.waiting and (full == NOTHING or bundle_relation(
            &room.bundle_state, out.packets[full].data, out.packets[full].n_bytes) != BUNDLE_CONTINUES):
        _flush_waiting(&turn)       # what nothing will be joined to goes out as it is
    if full != NOTHING:
        bundle_put(&room.bundle_state, out.packets[full].data, out.packets[full].n_bytes)
        room.passes += 1
    if out.n_packets > 0:
        turn.everyone = full != NOTHING and bundle_paused(&room.bundle_state)
        turn.new_frame = full != NOTHING
        _pass(&turn)
        _count_nobody(&turn, out)
    if out.n_reports > 0:
        _tell_seats(&turn, out)
    if room.told_applied != room.space.applied and media_tell(media, NOTICE_APPLIED, room.index, room.space.applied):
        room.told_applied = room.space.applied
    tell_talk(media, room, out)


cdef int _assign(pass_t* turn, const out_t* out) noexcept nogil:
    """Which packet is for which seat; returns the index of the full mix."""
    cdef int full = NOTHING
    cdef int i
    for i in range(out.n_packets):
        if out.packets[i].audience == FULL:
            full = i
    for i in range(256):
        turn.by_seat[i] = <int16_t>full
        turn.served[i] = 0
    for i in range(out.n_excluded):
        turn.by_seat[out.excluded[i] & 255] = NOTHING
    for i in range(out.n_packets):
        if out.packets[i].audience != FULL:
            turn.by_seat[out.packets[i].audience & 255] = <int16_t>i
    return full


cdef void _count_nobody(pass_t* turn, const out_t* out) noexcept nogil:
    cdef int i
    for i in range(out.n_packets):
        if out.packets[i].audience != FULL and not turn.served[out.packets[i].audience & 255]:
            turn.room.counts.nobody += 1


cdef void _publish(media_t* media, room_t* room) noexcept nogil:
    """A copy of each packet for outlets: audience, how many are excluded, which, the datagram."""
    cdef out_t* out = media.out
    cdef int i
    cdef int k
    cdef uint8_t* at
    for i in range(out.n_packets):
        at = ring_reserve(room.frames, <uint32_t>(3 + out.n_excluded + out.packets[i].n_bytes))
        if at == NULL:
            continue
        at[0] = out.packets[i].audience != FULL
        at[1] = <uint8_t>(out.packets[i].audience & 255)
        at[2] = <uint8_t>out.n_excluded
        for k in range(out.n_excluded):
            at[3 + k] = <uint8_t>out.excluded[k]
        memcpy(at + 3 + out.n_excluded, out.packets[i].data, out.packets[i].n_bytes)
        ring_commit(room.frames)
        media_ring(media)


# --- one pass through the list ------------------------------------------------------------------------------------

cdef void _flush_waiting(pass_t* turn) noexcept nogil:
    """Send those who were passed over what waits for them, before it becomes unreachable."""
    turn.everyone = True
    turn.new_frame = False
    _pass(turn)


cdef void _pass(pass_t* turn) noexcept nogil:
    """Go through the list once."""
    cdef room_t* room = turn.room
    cdef uint32_t due[BLOCK]
    cdef uint32_t at = 0
    cdef int n
    cdef int i
    cdef bint seats = turn.new_frame or not turn.everyone       # a flush is not for those in seats
    turn.n_again = 0
    turn.stale = False
    room.waiting = False
    room.n_listeners = room.n_lossy = room.n_copied = 0
    for i in range(4):
        room.by_want[i] = 0
    while at < room.n_entries:
        n = 0
        while at < room.n_entries and n < BLOCK:
            if _is_due(turn, &room.entries[at], seats):
                due[n] = at
                n += 1
            at += 1
        for i in range(min(n, <int>FETCH_AHEAD)):
            fetch_head(room.entries[due[i]].conn)
        for i in range(n):
            if i + FETCH_AHEAD < n:
                fetch_head(room.entries[due[i + FETCH_AHEAD]].conn)
            if i + FETCH_REST_AHEAD < n:
                fetch_rest(room.entries[due[i + FETCH_REST_AHEAD]].conn)
            if not _serve(turn, &room.entries[due[i]]):
                _try_later(turn, due[i])
    for i in range(turn.n_again):
        if not _serve(turn, &room.entries[turn.again[i]]):
            _hold(turn, &room.entries[turn.again[i]])
    room.n_audience = room.n_listeners
    if turn.stale:
        _compact(room)


cdef bint _is_due(pass_t* turn, entry_t* entry, bint seats) noexcept nogil:
    """Whether somebody gets something in this pass, by what the list knows. Counts the listeners on the way."""
    cdef room_t* room = turn.room
    if entry.seat >= 0:
        return seats and turn.by_seat[entry.seat] != NOTHING
    room.n_listeners += 1
    room.by_want[entry.want & 3] += 1
    room.n_lossy += entry.lossy
    room.n_copied += entry.copies > 0
    if room.bundle_state.n == 0 or (entry.has_last and entry.last_seq == bundle_seq(&room.bundle_state)):
        return False
    if not entry.has_last:
        return turn.new_frame       # what was said before one came is not for one
    if turn.everyone or entry.want <= 1:
        return True
    # By slot, so that each tick has its share of the packets.
    if (room.passes + entry.slot) % entry.want == 0:
        return True
    room.waiting = True
    return False


cdef void _try_later(pass_t* turn, uint32_t at) noexcept nogil:
    if turn.n_again < TRY_AGAIN:
        turn.again[turn.n_again] = at
        turn.n_again += 1
    else:
        _hold(turn, &turn.room.entries[at])


cdef inline bint _is_here(const room_t* room, const entry_t* entry) noexcept nogil:
    """Whether this entry is what says where the connection is, just now. Under its lock."""
    cdef uint32_t number = load_u32(&room.number)
    return (number != 0 and entry.conn.generation == entry.generation and entry.conn.listener.room == number
            and entry.conn.listener.room_generation == entry.stay)


cdef void _prune(room_t* room) noexcept nogil:
    """Take out who has left, also while nobody speaks: else a list in which people come and go would only grow."""
    cdef uint32_t i
    cdef bint stays
    for i in range(room.n_entries):
        if plane_trylock(room.entries[i].conn):
            stays = _is_here(room, &room.entries[i])
            plane_unlock(room.entries[i].conn)
            if not stays:
                room.entries[i].conn = NULL
    room.n_fresh = 0
    _compact(room)


cdef void _compact(room_t* room) noexcept nogil:
    """Take out what matched nobody any more, keeping the order."""
    cdef uint32_t kept = 0
    cdef uint32_t i
    for i in range(room.n_entries):
        if room.entries[i].conn != NULL:
            room.entries[kept] = room.entries[i]
            kept += 1
    room.counts.stale += room.n_entries - kept
    store_u32(&room.dropped_entries, room.dropped_entries + room.n_entries - kept)
    room.n_entries = kept


# --- one connection -----------------------------------------------------------------------------------------------

cdef bint _serve(pass_t* turn, entry_t* entry) noexcept nogil:
    """Send a connection what this pass has for it; False: another thread holds it."""
    cdef room_t* room = turn.room
    cdef conn_t* conn = entry.conn
    if not plane_trylock(conn):
        return False
    if not _is_here(room, entry):
        entry.conn = NULL
        turn.stale = True
    elif entry.seat >= 0:
        _send_seat(turn, entry)
    else:
        _send_frames(turn, entry)
    if not conn.wants_key_update:
        conn.notified &= <uint8_t>~NOTED_KEY_UPDATE
    elif conn.flags & PLANE_TX:
        media_tell_once(turn.media, conn, NOTICE_KEY_UPDATE, NOTED_KEY_UPDATE)
    plane_unlock(conn)
    return True


cdef void _send_seat(pass_t* turn, entry_t* entry) noexcept nogil:
    """Always single frames: somebody in a seat is in a conversation."""
    cdef int which = turn.by_seat[entry.seat]
    cdef bint own = turn.media.out.packets[which].audience != FULL
    cdef const uint8_t* data = turn.media.out.packets[which].data
    cdef int n_bytes = turn.media.out.packets[which].n_bytes
    turn.served[entry.seat] = 1
    if not own and _copies(turn, entry) > 0:
        data = _with_copies(turn, entry, data, &n_bytes)
    if _send(turn, entry.conn, data, n_bytes):
        if own:
            turn.room.counts.sent_seat += 1
        else:
            turn.room.counts.sent_full += 1
            turn.room.counts.frames += 1


cdef int _fresh(const room_t* room, const entry_t* entry) noexcept nogil:
    """How many of the contiguous frames are new to a listener; a new one begins with the newest."""
    cdef int n
    if not entry.has_last:
        return 1
    n = seq_distance(bundle_seq(&room.bundle_state), entry.last_seq)
    return min(n, room.bundle_state.n)


cdef int _want(pass_t* turn, conn_t* conn) noexcept nogil:
    """Frames in one datagram for a listener, now. Under its lock."""
    cdef room_t* room = turn.room
    cdef int want = room.bundle
    if conn.listener.lossy and turn.now_us >= conn.listener.lossy_until_us:
        conn.listener.lossy = 0
    if conn.listener.lossy:
        return 1
    if want == 0:
        want = 2 if room.n_audience > room.bundle_above else 1
    return max(1, min(want, <int>conn.listener.bundle))


cdef void _send_frames(pass_t* turn, entry_t* entry) noexcept nogil:
    """All frames that a listener has not had: the newest in one datagram, of older ones each in its own."""
    cdef room_t* room = turn.room
    cdef conn_t* conn = entry.conn
    cdef const uint8_t* data
    cdef int n_bytes = 0
    cdef int fresh = _fresh(room, entry)
    cdef int together
    cdef int back
    entry.want = <uint8_t>_want(turn, conn)
    entry.lossy = conn.listener.lossy
    if entry.has_last and seq_distance(bundle_seq(&room.bundle_state), entry.last_seq) > fresh:
        room.counts.missed += seq_distance(bundle_seq(&room.bundle_state), entry.last_seq) - fresh
    entry.last_seq = bundle_seq(&room.bundle_state)
    entry.has_last = 1
    together = min(fresh, <int>entry.want)
    if together > 1:
        data = bundle_newest(&room.bundle_state, together, &n_bytes)
        if data == NULL or n_bytes > conn_largest_payload(conn):
            together = 1
    back = fresh - 1
    while back >= together:
        data = bundle_single(&room.bundle_state, back, &n_bytes)
        _count_full(room, _send(turn, conn, data, n_bytes), 1)
        back -= 1
    if fresh > 0:
        data = bundle_newest(&room.bundle_state, together, &n_bytes)
        if _copies(turn, entry) > 0 and together == 1:
            data = _with_copies(turn, entry, data, &n_bytes)
        _count_full(room, _send(turn, conn, data, n_bytes), together)


cdef inline void _count_full(room_t* room, bint sent, int frames) noexcept nogil:
    if sent:
        room.counts.sent_full += 1
        room.counts.frames += <uint32_t>frames
        if frames > 1:
            room.counts.bundled += <uint32_t>frames


cdef bint _send(pass_t* turn, conn_t* conn, const uint8_t* data, int n_bytes) noexcept nogil:
    """Seal one datagram into the batch, with an acknowledgement where one is owed. Under the connection's lock."""
    cdef media_t* media = turn.media
    cdef int ack_ranges = 0
    cdef int sealed = 0
    if conn.flags & PLANE_TX and n_bytes <= conn_largest_payload(conn) and conn_may_send(
            conn, n_bytes + conn_overhead_bytes(conn), turn.now_us):
        if conn.ack_pending > 0 or conn.received_since_ack >= MEDIA_ACK_AFTER:
            ack_ranges = MEDIA_ACK_RANGES
        sealed = batch_seal(media.plane, media.batch, conn, data, n_bytes, ack_ranges, turn.now_us)
        if media.batch.n == PLANE_BATCH:
            media_flush(media, media.batch)
    if sealed <= 0:
        turn.room.counts.refused += 1
    return sealed > 0


cdef void _hold(pass_t* turn, entry_t* entry) noexcept nogil:
    """Another thread has the connection: what it is owed waits with it, each frame in its own datagram."""
    cdef room_t* room = turn.room
    cdef const uint8_t* data
    cdef int n_bytes = 0
    cdef int back
    # Whether it still hears this room is asked when it is released.
    if entry.seat >= 0:
        turn.served[entry.seat] = 1
        data = turn.media.out.packets[turn.by_seat[entry.seat]].data
        _hold_one(turn, entry, data, turn.media.out.packets[turn.by_seat[entry.seat]].n_bytes)
        return
    for back in range(_fresh(room, entry) - 1, -1, -1):
        data = bundle_single(&room.bundle_state, back, &n_bytes)
        _hold_one(turn, entry, data, n_bytes)
    entry.last_seq = bundle_seq(&room.bundle_state)
    entry.has_last = 1


cdef inline void _hold_one(pass_t* turn, entry_t* entry, const uint8_t* data, int n_bytes) noexcept nogil:
    turn.room.counts.held += 1
    if not plane_hold(
            turn.media.plane, entry.conn, entry.generation, load_u32(&turn.room.number), entry.stay, data, n_bytes,
            turn.media.batch, turn.media.fd, turn.now_us):
        turn.room.counts.held_dropped += 1
    if turn.media.batch.n == PLANE_BATCH:       # it was free after all
        media_flush(turn.media, turn.media.batch)
