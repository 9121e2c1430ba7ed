# What a traced room writes down; in _tick.pyx. A record that finds no room in the ring is dropped and counted there.

cdef enum:
    TRACE_COUNT_TICKS = 50      # between two records of a seat's counters
    TOC_CODE_3 = 3


cdef void trace_arrival(space_t* space, int seat, const uint8_t* data, int n_bytes, int status) noexcept nogil:
    """A datagram as it came: whole where the trace has audio, else its header and the shape of each frame."""
    cdef trace_t* trace = space.trace
    cdef trace_arrival_t* record
    cdef trace_shape_t* shape
    cdef audio_t audio
    cdef int n_shapes = 0
    cdef int n_kept = min(n_bytes, <int>AUDIO_HEADER_BYTES)
    cdef int i
    n_bytes = min(n_bytes, DATAGRAM_MAX_BYTES + 1)
    if not trace.audio and packet_parse_audio(data, n_bytes, False, &audio) == PACKET_OK:
        n_shapes = audio.n_redundant + audio.n_prime + audio.n_new
    record = <trace_arrival_t*>ring_reserve(
        &trace.ring,
        sizeof(trace_arrival_t) + <uint32_t>(n_bytes if trace.audio else n_kept + n_shapes * <int>sizeof(trace_shape_t)))
    if record == NULL:
        return
    _trace_head(&record.head, TRACE_ARRIVAL, seat, space.now_us)
    record.verdict = <int16_t>status
    record.n_bytes = <uint16_t>n_bytes
    record.n_shapes = <uint8_t>n_shapes
    record.n_kept = <uint8_t>n_kept
    record.whole = trace.audio
    memcpy(record + 1, data, n_bytes if trace.audio else n_kept)
    shape = <trace_shape_t*>(<uint8_t*>(record + 1) + n_kept)
    for i in range(n_shapes):
        shape[i].n_bytes = <uint16_t>audio.frame_bytes[i]
        shape[i].toc = audio.frame[i][0]
        shape[i].count = audio.frame[i][1] if audio.frame[i][0] & TOC_CODE_3 == TOC_CODE_3 and audio.frame_bytes[i] > 1 else 0
        shape[i].has_fec = packet_has_fec(audio.frame[i], audio.frame_bytes[i])
    ring_commit(&trace.ring)


cdef void trace_report(space_t* space, int seat, const report_t* report, int64_t vote) noexcept nogil:
    cdef uint8_t packed_report[REPORT_BYTES]
    cdef int n_bytes = packet_pack_report(report, packed_report, REPORT_BYTES)
    cdef trace_report_t* record
    if n_bytes < 0:
        return
    record = <trace_report_t*>ring_reserve(&space.trace.ring, sizeof(trace_report_t) + <uint32_t>n_bytes)
    if record == NULL:
        return
    _trace_head(&record.head, TRACE_REPORT, seat, space.now_us)
    record.vote = vote
    memcpy(record + 1, packed_report, n_bytes)
    ring_commit(&space.trace.ring)


cdef void trace_command(space_t* space, const command_t* command) noexcept nogil:
    """What is about to take effect."""
    cdef seat_t* seat = _seat(space, command.seat)
    if command.kind == COMMAND_ADD:
        _trace_added(space, command.handle, command.serial, 0)
    elif command.kind == COMMAND_REMOVE and seat != NULL:
        _trace_counts(space, seat)
        _trace_change(space, command.seat, command.serial, CHANGE_REMOVE, 0, 0)
    elif command.kind == COMMAND_MUTE:
        _trace_change(space, command.seat, command.serial, CHANGE_MUTE, 0, command.value)
    elif command.kind == COMMAND_GAIN:
        _trace_change(space, command.seat, command.serial, CHANGE_GAIN, 0, command.value)


cdef void trace_begin(space_t* space, const command_t* command) noexcept nogil:
    """Who is there already comes first."""
    cdef int i
    space.trace = command.trace
    for i in range(space.n_seats):
        _trace_added(space, space.seats[i], command.serial, CHANGE_BEFORE)
        if space.seats[i].muted:
            _trace_change(space, space.seats[i].number, command.serial, CHANGE_MUTE, CHANGE_BEFORE, 1)


cdef void trace_end(space_t* space) noexcept nogil:
    cdef int i
    if space.trace != NULL:
        for i in range(space.n_seats):
            _trace_counts(space, space.seats[i])
    space.trace = NULL


cdef void trace_tick(space_t* space, const out_t* out) noexcept nogil:
    """What became of each seat in this tick; now and then the counters too."""
    cdef seat_t* seat
    cdef trace_seat_t* row
    cdef trace_tick_t* record = <trace_tick_t*>ring_reserve(
        &space.trace.ring, sizeof(trace_tick_t) + <uint32_t>(space.n_seats * <int>sizeof(trace_seat_t)))
    cdef int i
    if record != NULL:
        _trace_head(&record.head, TRACE_TICK, NOBODY, space.now_us)
        record.timestamp = space.timestamp
        record.n_packets = <uint8_t>out.n_packets
        record.n_seats = <uint8_t>space.n_seats
        row = <trace_seat_t*>(record + 1)
        for i in range(space.n_seats):
            seat = space.seats[i]
            row[i].seat = <uint8_t>seat.number
            row[i].due = <uint8_t>(seat.receiver.due.status if seat.kind == SEAT_OPUS else PULL_FRAME if seat.due else PULL_WAIT)
            row[i].done = <uint8_t>seat.receiver.done
            row[i].heard = <uint8_t>seat.heard
            row[i].bits = <uint8_t>(
                (SEAT_IS_AUDIBLE if seat.audible else 0) | (SEAT_IS_PASSED if seat == space.passed else 0)
                | (SEAT_WAS_ASKED if seat.receiver.asked else 0))
            row[i].seq = seat.receiver.due.seq
            row[i].spliced = <int16_t>seat.receiver.spliced
        ring_commit(&space.trace.ring)
    space.trace.ticks += 1
    if space.trace.ticks % TRACE_COUNT_TICKS == 0:
        for i in range(space.n_seats):
            _trace_counts(space, space.seats[i])


cdef inline void _trace_head(trace_head_t* head, uint8_t kind, int seat, int64_t now_us) noexcept nogil:
    head.kind = kind
    head.seat = <int16_t>seat
    head.now_us = now_us


cdef void _trace_added(space_t* space, const seat_t* seat, int64_t serial, int bits) noexcept nogil:
    _trace_change(
        space, seat.number, serial, CHANGE_ADD if seat.kind == SEAT_OPUS else CHANGE_ADD_PCM,
        bits | (CHANGE_HELD if seat.held else 0) | (CHANGE_DENOISED if seat.denoiser != NULL else 0), seat.gain)


cdef void _trace_change(space_t* space, int seat, int64_t serial, int what, int bits, float value) noexcept nogil:
    cdef trace_change_t* record = <trace_change_t*>ring_reserve(&space.trace.ring, sizeof(trace_change_t))
    if record == NULL:
        return
    _trace_head(&record.head, TRACE_CHANGE, seat, space.now_us)
    record.serial = serial
    record.what = <uint8_t>what
    record.bits = <uint8_t>bits
    record.value = value
    ring_commit(&space.trace.ring)


cdef void _trace_counts(space_t* space, const seat_t* seat) noexcept nogil:
    """In the order of `signaling.trace.records.COUNTERS`."""
    cdef trace_counts_t* record
    cdef jitter_stats_t jitter
    cdef const receiver_counts_t* counts = &seat.receiver.counts
    cdef uint64_t[TRACE_COUNTERS] values
    cdef int i
    if seat.kind != SEAT_OPUS:
        return
    record = <trace_counts_t*>ring_reserve(&space.trace.ring, sizeof(trace_counts_t))
    if record == NULL:
        return
    jitter_stats(&seat.receiver.jitter, &jitter)
    values[:] = [
        counts.datagrams, counts.malformed, counts.bad_duration, jitter.put, jitter.late, jitter.duplicate, jitter.reordered,
        jitter.restarts, jitter.too_large, jitter.redundant_used, jitter.redundant_ignored, jitter.overflow_dropped,
        jitter.stale_dropped, jitter.restart_dropped, jitter.frames, jitter.fec, jitter.lost, jitter.waits, jitter.accelerated,
        jitter.stretched, jitter.interrupted, jitter.accelerated_samples, jitter.stretched_samples, <uint64_t>jitter.target_us,
        <uint64_t>jitter.delay_us, counts.skipped]
    _trace_head(&record.head, TRACE_COUNTS, seat.number, space.now_us)
    for i in range(TRACE_COUNTERS):
        record.counts[i] = <uint32_t>values[i]
    ring_commit(&space.trace.ring)
