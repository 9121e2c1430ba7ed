# One seat alone is heard: its packets go on as they came; and what brings decoders over from one source to the next; in _tick.pyx.

cdef enum:
    PASS_GAIN_EVERY = 10        # frames: another gain ends a bundle, and loudness is slow
    PASS_GAIN_AT_ONCE = 12      # quarter dB: somebody was muted, or turned down


cdef seat_t* passing_candidate(space_t* space) noexcept nogil:
    """The only seat that is heard if all are believed that are not judged by measurement; NULL where there is no such."""
    cdef seat_t* lone = NULL
    cdef seat_t* seat
    cdef int i
    if space.shadow == NULL or space.told:
        return NULL
    for i in range(space.n_seats):
        seat = space.seats[i]
        if seat.wanted and not seat.measured:
            if lone != NULL or seat.kind != SEAT_OPUS:
                return NULL
            lone = seat
    return lone


cdef void passing_take(space_t* space, seat_t* seat) noexcept nogil:
    """Pass the seat on in this tick, or, in the midst of speech that was mixed until now, as soon as nobody hears it."""
    cdef bint tapped = space.n_taps > 0
    cdef bint believed = not seat.measured
    cdef int64_t due = seat.receiver.due.timestamp
    if space.source == SOURCE_MIX and space.idle_ticks == 0 and seat.line.n > 0:
        _decode(space, seat)
        space.waited += 1
        if seat.receiver.due.timestamp == due and (
                space.waited > PASS_PATIENCE_FRAMES or seat.heard == HEARD_FRAME and _seamless(space, seat)):
            space.passed = seat
            space.waited = 0
        return
    seat_pass(seat, tapped, space.shadow)
    space.passed = seat
    space.counts.disbelieved += believed and seat.measured
    if tapped:
        space.counts.decodes += 1
    elif seat.line.n > 0:
        space.counts.decodes += 1
        space.counts.measured += 1


cdef bint _seamless(space_t* space, seat_t* seat) noexcept nogil:
    """Whether a decoder that has the mix behind it makes of the seat's packet what the seat's own made of it.

    Where a voice is steady, two packets before it are sometimes not enough: an error lives on in the prediction of its pitch.
    """
    cdef frame_out_t what
    cdef float heard[FRAME_SAMPLES]
    cdef int i
    what.n_prime = 0
    decoder_reset(space.shadow)
    for i in range(SPACE_PRIMES):
        if space.recent[i].n_bytes > 0:
            decoder_decode(space.shadow, space.recent[i].frame, space.recent[i].n_bytes, heard, FRAME_SAMPLES)
    _recall_packets(seat, &what)
    for i in range(what.n_prime):
        decoder_decode(space.shadow, what.primes[i], what.prime_bytes[i], heard, FRAME_SAMPLES)
    decoder_decode(space.shadow, seat.passable.frame, seat.passable.n_bytes, heard, FRAME_SAMPLES)
    return passing_alike(heard, seat.line.pcm + LINE_NOW, FRAME_SAMPLES)


cdef void _pass_on(space_t* space, out_t* out) noexcept nogil:
    """The packet due of the only seat that is heard, to all but its own person."""
    cdef seat_t* seat = space.passed
    cdef int due = seat.receiver.due.status
    cdef frame_out_t what
    space.idle_ticks = 0
    if due == PULL_LOST or due == PULL_FEC:
        space.seq += 1          # a listener sees the hole, and recovers or conceals it as the seat would have
        return
    if due != PULL_FRAME:
        _pass_pause(space, out)
        return
    memset(&what, 0, sizeof(what))
    what.frame = seat.passable.frame
    what.n_bytes = seat.passable.n_bytes
    what.level = seat.level
    what.changed = space.source != seat.number
    what.gain = passing_gain(seat_gain(seat))
    if (not what.changed and space.seq % PASS_GAIN_EVERY
            and -PASS_GAIN_AT_ONCE < what.gain - space.gain < PASS_GAIN_AT_ONCE):
        what.gain = space.gain
    if what.changed:
        _recall_packets(seat, &what)
        space.counts.switches += 1
    space.source = seat.number
    space.counts.passed += 1
    space.pauses = SPACE_PAUSE_FRAMES - (what.n_bytes <= PAUSE_BYTES)
    _send_to_all(space, &what, out)
    space.seq += 1


cdef void _pass_pause(space_t* space, out_t* out) noexcept nogil:
    """Nothing is due: the person pauses, or what they say is late. All are told once or twice, and then left alone."""
    if space.pauses > 0 and space.toc:
        space.pauses -= 1
        _emit_pause(space, FULL, False, out)
        _exclude(out, space.passed.number)
        space.seq += 1


cdef void _recall_packets(seat_t* seat, frame_out_t* what) noexcept nogil:
    """The packets before the one due, as frames that listeners decode and throw away."""
    cdef jitter_pulled_t past
    cdef uint8_t* room
    cdef int n_bytes
    cdef int back
    for back in range(SPACE_PRIMES + 1, 1, -1):     # 1 is the frame due itself
        if not jitter_history(&seat.receiver.jitter, back, &past):
            continue
        room = what.primes[what.n_prime]
        n_bytes = packet_passable(past.data, past.n_bytes, 1, room, PASSABLE_BYTES)
        if n_bytes > 0:
            what.prime_bytes[what.n_prime] = n_bytes
            what.n_prime += 1


cdef void _prime(space_t* space, OpusEncoder* encoder, int audience, frame_out_t* what) noexcept nogil:
    """Bring an encoder that stood still to where it goes on, by the frames before this tick's as its audience would have heard them."""
    cdef float past[FRAME_SAMPLES]
    cdef const float* line
    cdef seat_t* seat
    cdef int n_bytes
    cdef int i
    cdef int k
    cdef int s
    encoder_reset(encoder)
    for k in range(LINE_PAST):
        memset(past, 0, sizeof(past))
        for i in range(space.n_audible):
            seat = space.audible[i]
            if seat.number == audience:
                continue
            line = seat.line.pcm + k * FRAME_SAMPLES + seat.lead
            for s in range(FRAME_SAMPLES):
                past[s] += seat.past_gain * line[s]
        n_bytes = encoder_encode(encoder, past, FRAME_SAMPLES, what.primes[what.n_prime], SPACE_FRAME_BYTES)
        space.counts.primed += 1
        if n_bytes > 0:
            what.prime_bytes[what.n_prime] = n_bytes
            what.n_prime += 1


cdef void _remember(space_t* space, const uint8_t* frame, int n_bytes) noexcept nogil:
    """A frame of the full stream, for who comes to it with the next one."""
    cdef int i
    cdef recent_t* last = &space.recent[SPACE_PRIMES - 1]
    for i in range(SPACE_PRIMES - 1):
        memcpy(space.recent[i].frame, space.recent[i + 1].frame, space.recent[i + 1].n_bytes)
        space.recent[i].n_bytes = space.recent[i + 1].n_bytes
    memcpy(last.frame, frame, n_bytes)
    last.n_bytes = n_bytes


cdef void _lapse(space_t* space) noexcept nogil:
    """Nobody is heard. A speaker whose packets are not passed on any more has to be taken up anew."""
    cdef seat_t* seat = _seat(space, space.source)
    if seat != NULL and seat.receiver.due.status == PULL_FRAME:
        space.source = SOURCE_NONE
