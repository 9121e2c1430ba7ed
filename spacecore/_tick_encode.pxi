# What a tick says: one packet for all who hear the same, pauses, and the report of who was heard; in _tick.pyx.

cdef void space_encode(space_t* space, out_t* out) noexcept nogil:
    """One packet for all who hear the full mix, one for each who is heard in it; in silence, none."""
    cdef int i
    out.n_packets = 0
    out.n_excluded = 0
    if space.n_audible > 0:
        _encode_speech(space, out)
        space.pauses = SPACE_PAUSE_FRAMES
        space.idle_ticks = 0
    else:
        space.idle_ticks += 1
        if space.pauses > 0 or (
                space.keep_alive_ticks and space.toc and space.idle_ticks % space.keep_alive_ticks == 0):
            space.pauses -= space.pauses > 0
            _emit_pause(space, FULL, False, out)
            for i in range(space.n_seats):
                # Who was alone has missed numbers: flagged, so that they are no loss.
                if space.seats[i].hears == HEARS_NOTHING:
                    _emit_pause(space, space.seats[i].number, True, out)
                    _exclude(out, space.seats[i].number)
            space.seq += 1
    _report(space, out)


cdef void _encode_speech(space_t* space, out_t* out) noexcept nogil:
    cdef int i
    cdef seat_t* seat
    cdef hears_t hears
    cdef bint changed
    cdef packet_out_t* full = _emit(space, space.encoder, space.full, FULL, False, out)
    if full != NULL:
        space.toc = full.data[_header_bytes(full)]
    for i in range(space.n_seats):
        seat = space.seats[i]
        hears = HEARS_FULL if not seat.audible else HEARS_MINUS if space.n_audible > 1 else HEARS_NOTHING
        changed = hears != seat.hears
        seat.hears = hears
        if hears == HEARS_MINUS:
            if changed:     # what it encoded in an earlier turn is no past of this one
                encoder_reset(seat.encoder)
            _emit(space, seat.encoder, seat.minus, seat.number, changed, out)
            _exclude(out, seat.number)
        elif hears == HEARS_NOTHING:
            if changed:
                seat.pauses = SPACE_PAUSE_FRAMES
            if seat.pauses > 0 and space.toc:
                seat.pauses -= 1
                _emit_pause(space, seat.number, False, out)
            _exclude(out, seat.number)
        elif changed and full != NULL:
            _emit_copy(full, seat.number, out)
            _exclude(out, seat.number)
    space.seq += 1


cdef inline int _header_bytes(const packet_out_t* packet) noexcept nogil:
    return 13 + packet.data[12]     # the fixed header, then the seat list with its count


cdef packet_out_t* _emit(space_t* space, OpusEncoder* encoder, const float* pcm, int audience, bint changed, out_t* out) noexcept nogil:
    cdef uint8_t frame[SPACE_FRAME_BYTES]
    cdef int size = encoder_encode(encoder, pcm, FRAME_SAMPLES, frame, SPACE_FRAME_BYTES)
    space.counts.encodes += 1
    if size < 1:
        space.counts.encode_errors += 1
        return NULL
    return _pack(space, frame, size, level_dbov(pcm, FRAME_SAMPLES), audience, changed, out)


cdef void _emit_pause(space_t* space, int audience, bint changed, out_t* out) noexcept nogil:
    """An Opus packet of a TOC byte alone: 20 ms that are not transmitted (RFC 6716 §3.2.1, R5)."""
    cdef uint8_t frame = space.toc & 0xFC
    space.counts.pauses += 1
    _pack(space, &frame, 1, LEVEL_SILENCE, audience, changed, out)


cdef packet_out_t* _pack(
        space_t* space, const uint8_t* frame, int size, int level, int audience, bint changed, out_t* out) noexcept nogil:
    cdef int i
    cdef audio_t audio
    cdef uint8_t seats[SPACE_LISTED]
    cdef packet_out_t* packet = &out.packets[out.n_packets]
    memset(&audio, 0, sizeof(audio))
    audio.n_new = 1
    audio.distance = 1
    audio.seq = space.seq
    audio.timestamp = space.timestamp
    audio.level = <uint8_t>(level | (LEVEL_VOICE if level < LEVEL_SILENCE else 0))
    audio.source_changed = changed
    audio.frame[0] = frame
    audio.frame_bytes[0] = size
    audio.seats = seats
    for i in range(space.n_audible):
        if space.listed[i] != audience and audio.n_seats < SPACE_LISTED:
            seats[audio.n_seats] = <uint8_t>space.listed[i]
            audio.n_seats += 1
    packet.audience = audience
    packet.n_bytes = packet_pack_audio(&audio, True, packet.data, SPACE_PACKET_BYTES)
    if packet.n_bytes < 0:
        return NULL
    out.n_packets += 1
    space.counts.packets += 1
    return packet


cdef void _emit_copy(const packet_out_t* full, int audience, out_t* out) noexcept nogil:
    """The full mix once more, for one who comes to it from something else, flagged `source changed`."""
    cdef packet_out_t* packet = &out.packets[out.n_packets]
    packet.audience = audience
    packet.n_bytes = full.n_bytes
    memcpy(packet.data, full.data, full.n_bytes)
    packet.data[3] |= 0x40
    out.n_packets += 1


cdef inline void _exclude(out_t* out, int seat) noexcept nogil:
    out.excluded[out.n_excluded] = seat
    out.n_excluded += 1


cdef void _report(space_t* space, out_t* out) noexcept nogil:
    cdef int i
    out.n_seats = space.n_seats
    for i in range(space.n_seats):
        out.seats[i] = space.seats[i].number
        out.levels[i] = space.seats[i].level
    out.n_audible = space.n_audible
    for i in range(space.n_audible):
        out.audible[i] = space.listed[i]
    out.timestamp = space.timestamp
    out.applied = space.applied
