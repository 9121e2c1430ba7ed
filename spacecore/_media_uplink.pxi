# What comes up: packets to connections, datagrams to rooms, reports to sums, acknowledgements in time; in _media.pyx.
#
# A datagram is judged under its connection's lock, on whichever side opened it, as signaling/server/uplink.py does it;
# only the media side puts it into the room. Nothing answers and nothing raises: what is wrong is a counter.

cdef extern from *:
    """
    /* What opening a packet reads of its connection. */
    static inline void media_fetch_receiver(const conn_t *conn) {
        const char *at = (const char *)conn;
        int i;
        __builtin_prefetch(at, 1);
        __builtin_prefetch(at + 64, 1);
        for (i = 0; i < 6; i++)
            __builtin_prefetch((const char *)&conn->rx + 64 * i, 1);
        __builtin_prefetch(&conn->n_ranges, 1);
        __builtin_prefetch(&conn->ack_pending, 1);
        __builtin_prefetch(&conn->sent_head, 1);
        __builtin_prefetch(&conn->in_flight_bytes, 1);
        __builtin_prefetch(&conn->counts, 1);
    }
    static inline void media_fetch_keys(const conn_t *conn) {
        media_fetch_context((const void *const *)&conn->rx.ctx);
        media_fetch_context((const void *const *)&conn->rx_hp);
    }
    static inline void media_count_verdict(plane_t *plane, int verdict, int is_known) {
        if (!is_known)
            COUNT(plane, unknown_cid, 1);
        switch (verdict) {
        case PLANE_DONE: COUNT(plane, done, 1); break;
        case PLANE_SLOW: COUNT(plane, slow, 1); break;
        case PLANE_VIOLATION: COUNT(plane, violations, 1); break;
        case PLANE_BUSY: COUNT(plane, busy, 1); break;
        default: COUNT(plane, dropped, 1);
        }
    }
    """
    void fetch_receiver "media_fetch_receiver"(const conn_t* conn) noexcept nogil
    void fetch_keys "media_fetch_keys"(const conn_t* conn) noexcept nogil
    void count_verdict "media_count_verdict"(plane_t* plane, int verdict, bint is_known) noexcept nogil

cdef enum:
    HEAD_BYTES = 2              # version and kind
    SILENCE_BYTES = 12 + 2      # the header and a frame that says "silence from here": also somebody muted may send it
    LONG_HEADER = 0x80
    ENGINE_ZERO = 48            # in media_counts_t.engine
    ACK_RETRY_US = 2000         # when the connection is held just now
    READ_AHEAD = 4              # packets whose connection is fetched ahead, and …
    KEYS_AHEAD = 2              # … their keys


# --- packets ------------------------------------------------------------------------------------------------------

cdef int media_read(media_t* media, in_batch_t* batch, int64_t now_us, int64_t clock_offset_us) noexcept nogil:
    cdef const uint8_t* packets[PLANE_BATCH]
    cdef conn_t* found[PLANE_BATCH]
    cdef verdict_t verdict
    cdef bint short_header
    cdef int i
    cdef int n = batch_receive(media.plane, batch, media.fd, now_us, clock_offset_us)
    media.counts.reads += 1
    if n <= 0:
        return n
    memset(packets, 0, sizeof(packets))
    for i in range(n):
        packets[i] = batch.packet[i]
    plane_find(media.plane, packets, batch.bytes, n, found)
    for i in range(min(n, <int>READ_AHEAD)):
        if found[i] != NULL:
            fetch_receiver(found[i])
    for i in range(n):
        if i + READ_AHEAD < n and found[i + READ_AHEAD] != NULL:
            fetch_receiver(found[i + READ_AHEAD])
        if i + KEYS_AHEAD < n and found[i + KEYS_AHEAD] != NULL:
            fetch_keys(found[i + KEYS_AHEAD])
        short_header = batch.bytes[i] > 0 and not batch.packet[i][0] & LONG_HEADER
        verdict = _receive(
            media, SIDE_MEDIA, found[i], batch.packet[i], batch.bytes[i], &batch.source[i], batch.arrived_us[i], media.received)
        if verdict == PLANE_SLOW or verdict == PLANE_BUSY:
            # What was not found may have been missed while the table changed.
            media_pass_up(
                media, batch.packet[i], batch.bytes[i], &batch.source[i], batch.arrived_us[i],
                short_header and (verdict == PLANE_BUSY or found[i] == NULL))
    send_acks(media, now_us)
    media_flush(media, media.batch)
    return n


cdef verdict_t media_receive(media_t* media, const uint8_t* packet, int n_bytes, const address_t* address, int64_t now_us) noexcept:
    """One packet on the control side. Nothing is queued for the other stack: the verdict says what to do."""
    cdef conn_t* conn = NULL
    cdef verdict_t verdict
    plane_find(media.plane, &packet, &n_bytes, 1, &conn)
    verdict = _receive(media, SIDE_LOOP, conn, packet, n_bytes, address, now_us, media.loop_received)
    media_flush(media, media.loop_batch)
    return verdict


cdef verdict_t _receive(
        media_t* media, int side, conn_t* conn, const uint8_t* packet, int n_bytes, const address_t* address, int64_t arrived_us,
        received_t* received) noexcept nogil:
    cdef verdict_t verdict
    cdef int i
    if conn == NULL:
        count_verdict(media.plane, PLANE_SLOW, bool(packet[0] & LONG_HEADER))
        return PLANE_SLOW
    if not plane_trylock(conn):
        count_verdict(media.plane, PLANE_BUSY, True)
        return PLANE_BUSY
    verdict = conn_receive(conn, packet, n_bytes, address, arrived_us, received)
    count_verdict(media.plane, verdict, True)
    if verdict == PLANE_DONE:
        for i in range(received.n_datagrams):
            media_datagram(media, side, conn, received.datagram[i], received.datagram_bytes[i], arrived_us)
        _acknowledge(media, side, conn, arrived_us)
    elif verdict == PLANE_VIOLATION and side == SIDE_MEDIA:     # the other side is told by the verdict
        media_tell_once(media, conn, NOTICE_VIOLATION, NOTED_VIOLATION)
    elif verdict == PLANE_DROP and side == SIDE_MEDIA and conn.forged >= media.forged_limit:
        media_tell_once(media, conn, NOTICE_FORGED, NOTED_FORGED)
    plane_unlock(conn)
    return verdict


# --- acknowledgements ---------------------------------------------------------------------------------------------

cdef void _acknowledge(media_t* media, int side, conn_t* conn, int64_t now_us) noexcept nogil:
    """At once where it is due, else with the next audio or in time. Under the connection's lock."""
    cdef media_command_t* command
    if conn.ack_due_us == INT64_MAX:
        return
    if conn_ack_due(conn, now_us):
        _seal_ack(media, media.batch if side == SIDE_MEDIA else media.loop_batch, conn, now_us)
    elif side == SIDE_MEDIA:
        list_ack(media, conn)
    elif not conn.notified & LISTED_ACK:
        command = <media_command_t*>ring_reserve(&media.commands, sizeof(media_command_t))
        if command != NULL:
            command.kind = MEDIA_ACK
            command.conn = conn
            command.generation = conn.generation
            ring_commit(&media.commands)


cdef void _seal_ack(media_t* media, out_batch_t* batch, conn_t* conn, int64_t now_us) noexcept nogil:
    if conn.flags & PLANE_TX and batch_seal(media.plane, batch, conn, NULL, 0, MEDIA_ACK_RANGES_ALONE, now_us) > 0:
        media.counts.acks_alone += 1
        if batch.n == PLANE_BATCH:
            media_flush(media, batch)


cdef void list_ack(media_t* media, conn_t* conn) noexcept nogil:
    """Under the connection's lock."""
    cdef ack_t* ack
    if conn.notified & LISTED_ACK or conn.ack_due_us == INT64_MAX:
        return
    if media.n_acks >= media.ack_capacity:
        media.counts.acks_full += 1
        return
    ack = &media.acks[(media.ack_head + media.n_acks) % media.ack_capacity]
    ack.conn = conn
    ack.generation = conn.generation
    ack.due_us = conn.ack_due_us
    media.n_acks += 1
    conn.notified |= LISTED_ACK


cdef int64_t next_ack_us(const media_t* media) noexcept nogil:
    return media.acks[media.ack_head].due_us if media.n_acks > 0 else INT64_MAX


cdef void send_acks(media_t* media, int64_t now_us) noexcept nogil:
    """Those whose time has come: each is looked at once, sent, listed anew or forgotten."""
    cdef ack_t ack
    cdef uint32_t left = media.n_acks
    while left > 0 and media.acks[media.ack_head].due_us <= now_us:
        left -= 1
        ack = media.acks[media.ack_head]
        media.ack_head = (media.ack_head + 1) % media.ack_capacity
        media.n_acks -= 1
        if not plane_trylock(ack.conn):
            ack.due_us = now_us + ACK_RETRY_US
            media.acks[(media.ack_head + media.n_acks) % media.ack_capacity] = ack
            media.n_acks += 1
            continue
        if ack.conn.generation == ack.generation:
            ack.conn.notified &= <uint8_t>~LISTED_ACK
            if conn_ack_due(ack.conn, now_us):
                _seal_ack(media, media.batch, ack.conn, now_us)
            elif ack.conn.ack_due_us != INT64_MAX:
                list_ack(media, ack.conn)
        plane_unlock(ack.conn)


# --- datagrams ----------------------------------------------------------------------------------------------------

cdef inline bint _may_pass(media_t* media, conn_t* conn, int64_t now_us) noexcept nogil:
    """The connection's bucket, as signaling/server/bucket.py: tokens_us is when it will be full again."""
    if media.cost_us == 0:
        return True
    if conn.listener.tokens_us - now_us > media.burst_us:
        return False
    conn.listener.tokens_us = max(conn.listener.tokens_us, now_us) + media.cost_us
    return True


cdef void media_datagram(media_t* media, int side, conn_t* conn, const uint8_t* data, int n_bytes, int64_t arrived_us) noexcept nogil:
    cdef uplink_counts_t* counts = &media.uplink[side]
    if n_bytes < HEAD_BYTES or n_bytes > DATAGRAM_MAX_BYTES or data[0] != 0:
        counts.malformed += 1
    elif not _may_pass(media, conn, arrived_us):
        counts.flood += 1
    elif data[1] == KIND_AUDIO:
        if conn.listener.room == 0 or conn.listener.seat < 0:
            counts.not_on_stage += 1
        elif conn.listener.muted and n_bytes > SILENCE_BYTES:
            counts.muted += 1
        else:
            counts.frames_in += 1
            if side == SIDE_MEDIA:
                _put(media, conn.listener.room, conn.listener.seat, NO_VOTE, data, n_bytes, arrived_us)
            else:
                queue_put(media, conn.listener.room, conn.listener.seat, NO_VOTE, data, n_bytes, arrived_us)
    elif data[1] != KIND_REPORT:
        counts.unknown_kind += 1
    elif n_bytes < REPORT_LEAST_BYTES:
        counts.malformed += 1
    else:
        counts.reports += 1
        _report(media, side, conn, data, n_bytes, arrived_us)


cdef void _report(media_t* media, int side, conn_t* conn, const uint8_t* data, int n_bytes, int64_t arrived_us) noexcept nogil:
    cdef report_t report
    cdef int64_t vote = conn.listener.vote
    if conn.listener.room == 0 or packet_parse_report(data, n_bytes, &report) != PACKET_OK:
        return
    judge_reception(conn, &report, arrived_us)
    conn.listener.vote = reports_vote(&report, vote, arrived_us)
    if side == SIDE_MEDIA:
        _put(media, conn.listener.room, conn.listener.seat, vote, data, n_bytes, arrived_us)
    else:
        queue_put(media, conn.listener.room, conn.listener.seat, vote, data, n_bytes, arrived_us)


cdef bint queue_put(
        media_t* media, uint32_t room_number, int seat, int64_t vote, const uint8_t* data, int n_bytes, int64_t arrived_us) noexcept nogil:
    cdef put_head_t* head = <put_head_t*>ring_reserve(&media.puts, <uint32_t>(sizeof(put_head_t) + n_bytes))
    if head == NULL:
        return False
    head.room_number = room_number
    head.seat = <int16_t>seat
    head.vote = vote
    head.arrived_us = arrived_us
    memcpy(head + 1, data, n_bytes)
    ring_commit(&media.puts)
    return True


cdef void drain_puts(media_t* media) noexcept nogil:
    cdef uint32_t n_bytes = 0
    cdef const put_head_t* head = <const put_head_t*>ring_peek(&media.puts, &n_bytes)
    while head != NULL:
        _put(
            media, head.room_number, head.seat, head.vote, <const uint8_t*>(head + 1), <int>(n_bytes - sizeof(put_head_t)),
            head.arrived_us)
        ring_pop(&media.puts)
        head = <const put_head_t*>ring_peek(&media.puts, &n_bytes)


cdef void _put(
        media_t* media, uint32_t room_number, int seat, int64_t vote, const uint8_t* data, int n_bytes, int64_t arrived_us) noexcept nogil:
    """Into the room, if it is still the one that was meant. For the media side."""
    cdef uint32_t index = (room_number & ((1 << MEDIA_ROOM_BITS) - 1)) - 1
    cdef room_t* room = media.rooms[index] if index < media.max_rooms else NULL
    cdef report_t report
    if room == NULL or load_u32(&room.number) != room_number:
        media.uplink[SIDE_MEDIA].closed_room += 1
    elif n_bytes < HEAD_BYTES or data[1] != KIND_REPORT:
        media.counts.engine[ENGINE_ZERO + space_put(room.space, seat, data, n_bytes, arrived_us)] += 1
    elif packet_parse_report(data, n_bytes, &report) == PACKET_OK:
        space_report(room.space, seat, &report, vote, arrived_us)
