# What a tick says: one packet for all who hear the same, pauses, and the report of who was heard; in _tick.pyx.

# A frame on its way into a datagram.
cdef struct frame_out_t:
    const uint8_t* frame
    int n_bytes
    int level
    int gain                    # quarter dB, for the receiver to apply
    bint changed                # another encoder made what its audience heard before
    int n_prime
    int prime_bytes[SPACE_PRIMES]
    uint8_t primes[SPACE_PRIMES][SPACE_FRAME_BYTES]

cdef enum:
    PAUSE_BYTES = 2             # an Opus packet of so few bytes says "silence from here"


cdef void space_encode(space_t* space, out_t* out) noexcept nogil:
    """One packet for all who hear the same, one for each who is heard in a mix; in silence, none."""
    cdef int i
    out.n_packets = 0
    out.n_excluded = 0
    if space.passed != NULL:
        _pass_on(space, out)
    elif space.n_audible > 0:
        _encode_speech(space, out)
        space.pauses = SPACE_PAUSE_FRAMES
        space.idle_ticks = 0
    else:
        _lapse(space)
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
    """The mix for all, and for each who is heard in it the mix without their own voice."""
    cdef uint8_t frame[SPACE_FRAME_BYTES]
    cdef frame_out_t what
    cdef seat_t* seat
    cdef int i
    memset(&what, 0, sizeof(what))
    what.changed = space.source != SOURCE_MIX
    space.counts.switches += what.changed
    space.source = SOURCE_MIX
    if _encode(space, space.encoder, space.full, FULL, &what, frame):
        _send_to_all(space, &what, out)
    if space.n_audible > 1:
        for i in range(space.n_audible):
            seat = space.audible[i]
            memset(&what, 0, sizeof(what))
            what.changed = seat.hears != HEARS_MINUS
            seat.hears = HEARS_MINUS
            if _encode(space, seat.encoder, seat.minus, seat.number, &what, frame):
                _pack(space, &what, seat.number, out)
            _exclude(out, seat.number)
    space.seq += 1


cdef bint _encode(
        space_t* space, OpusEncoder* encoder, const float* pcm, int audience, frame_out_t* what, uint8_t* frame) noexcept nogil:
    """Encode a mix into `frame`. An encoder that stood still goes on from what its audience heard or would have heard."""
    if what.changed:
        _prime(space, encoder, audience, what)
    what.frame = frame
    what.n_bytes = encoder_encode(encoder, pcm, FRAME_SAMPLES, frame, SPACE_FRAME_BYTES)
    what.level = level_dbov(pcm, FRAME_SAMPLES)
    space.counts.encodes += 1
    if what.n_bytes < 1:
        space.counts.encode_errors += 1
        return False
    return True


cdef void _send_to_all(space_t* space, frame_out_t* what, out_t* out) noexcept nogil:
    """A frame of the full stream to all who are not heard; who alone is heard is told of a pause."""
    cdef seat_t* seat
    cdef hears_t hears
    cdef bint changed = what.changed
    cdef bint joins
    cdef int i
    space.toc = what.frame[0]
    space.gain = what.gain
    _pack(space, what, FULL, out)
    for i in range(space.n_seats):
        seat = space.seats[i]
        if seat.audible and space.n_audible > 1:
            continue
        hears = HEARS_NOTHING if seat.audible else HEARS_FULL
        joins = hears != seat.hears
        seat.hears = hears
        if hears == HEARS_NOTHING:
            if joins:
                seat.pauses = SPACE_PAUSE_FRAMES
            if seat.pauses > 0:
                seat.pauses -= 1
                _emit_pause(space, seat.number, False, out)
            _exclude(out, seat.number)
        elif joins and not changed:
            _recent(space, what)
            _pack(space, what, seat.number, out)
            _exclude(out, seat.number)
    _remember(space, what.frame, what.n_bytes)


cdef void _recent(space_t* space, frame_out_t* what) noexcept nogil:
    """The frame for one who comes to the full stream from something else: with the frames before it."""
    cdef int i
    what.changed = True
    what.n_prime = 0
    for i in range(SPACE_PRIMES):
        if space.recent[i].n_bytes > 0:
            memcpy(what.primes[what.n_prime], space.recent[i].frame, space.recent[i].n_bytes)
            what.prime_bytes[what.n_prime] = space.recent[i].n_bytes
            what.n_prime += 1


cdef void _emit_pause(space_t* space, int audience, bint changed, out_t* out) noexcept nogil:
    """An Opus packet of a TOC byte alone: 20 ms that are not transmitted (RFC 6716 §3.2.1, R5)."""
    cdef uint8_t frame = space.toc & 0xFC
    cdef frame_out_t what
    what.frame = &frame
    what.n_bytes = 1
    what.level = LEVEL_SILENCE
    what.gain = space.gain
    what.changed = changed
    what.n_prime = 0
    space.counts.pauses += 1
    _pack(space, &what, audience, out)


cdef void _pack(space_t* space, const frame_out_t* what, int audience, out_t* out) noexcept nogil:
    cdef int i
    cdef audio_t audio
    cdef uint8_t seats[SPACE_LISTED]
    cdef packet_out_t* packet = &out.packets[out.n_packets]
    memset(&audio, 0, sizeof(audio))
    audio.n_new = 1
    audio.distance = 1
    audio.seq = space.seq
    audio.timestamp = space.timestamp
    audio.level = <uint8_t>(what.level | (LEVEL_VOICE if what.level < LEVEL_SILENCE else 0))
    audio.gain = <int8_t>what.gain
    audio.source_changed = what.changed
    audio.seats = seats
    for i in range(space.n_audible):        # who dominates comes first, then the loudest
        if space.listed[i] == space.dominant and space.dominant != audience:
            seats[0] = <uint8_t>space.dominant
            audio.n_seats = 1
    for i in range(space.n_audible):
        if space.listed[i] != audience and space.listed[i] != space.dominant and audio.n_seats < SPACE_LISTED:
            seats[audio.n_seats] = <uint8_t>space.listed[i]
            audio.n_seats += 1
    packet.audience = audience
    packet.n_bytes = _pack_frames(&audio, what, what.n_prime, packet)
    if packet.n_bytes < 0:      # with the frames before it, it does not fit
        packet.n_bytes = _pack_frames(&audio, what, 0, packet)
    if packet.n_bytes > 0:
        out.n_packets += 1
        space.counts.packets += 1


cdef int _pack_frames(audio_t* audio, const frame_out_t* what, int n_prime, packet_out_t* packet) noexcept nogil:
    cdef int i
    audio.n_prime = n_prime
    for i in range(n_prime):
        audio.frame[i] = what.primes[i]
        audio.frame_bytes[i] = what.prime_bytes[i]
    audio.frame[n_prime] = what.frame
    audio.frame_bytes[n_prime] = what.n_bytes
    return packet_pack_audio(audio, True, packet.data, SPACE_PACKET_BYTES)


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
    out.dominant = space.dominant
    out.timestamp = space.timestamp
    out.applied = space.applied
