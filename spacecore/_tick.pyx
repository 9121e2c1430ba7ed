"""20 ms of a room: drain commands → pull → decode → sum once → limit → encode once for all who hear the same.

Native only; `_space` is its Python face. A tick with A audible seats costs A decodes and (A > 1 ? A + 1 : A) encodes,
whatever the number of listeners.
"""

from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from spacecore._mixer cimport level_dbov, limiter_apply, limiter_init, loudest, mix_minus, mix_sum
from spacecore._opus cimport encoder_close, encoder_encode, encoder_open, encoder_reset
from spacecore._packet cimport (
    FRAME_TICKS, KIND_AUDIO, KIND_REPORT, LEVEL_SILENCE, LEVEL_VOICE, PACKET_OK, audio_t, packet_kind, packet_pack_audio,
    packet_parse_report, report_t,
)
from spacecore._receiver cimport HEARD_FRAME, receiver_put
from spacecore._seat cimport (
    HEARS_FULL, HEARS_MINUS, HEARS_NOTHING, SEAT_OPUS, hears_t, seat_close, seat_decode, seat_next, seat_set_gain, seat_set_muted,
)
from spacecore._tap cimport tap_put
from spacecore.atomics cimport load_u32, store_i64, store_u32

__all__ = []


# --- control thread -------------------------------------------------------------------------------------------

cdef int space_init(space_t* space, const encoder_config_t* config, int keep_alive_ticks) noexcept nogil:
    memset(space, 0, sizeof(space_t))
    limiter_init(&space.limiter)
    space.keep_alive_ticks = keep_alive_ticks
    return encoder_open(&space.encoder, config)


cdef void space_close(space_t* space) noexcept nogil:
    cdef int i
    space_drain(space)      # so that whatever still waits in the ring is in the tables
    for i in range(space.n_seats):
        seat_close(space.seats[i])
    for i in range(space.n_taps):
        free(space.taps[i])
    if space.encoder != NULL:
        encoder_close(space.encoder)


cdef bint space_command(space_t* space, const command_t* command) noexcept nogil:
    cdef uint32_t head = space.ring_head
    if head - load_u32(&space.ring_tail) >= SPACE_RING:
        return False
    space.ring[head % SPACE_RING] = command[0]
    store_u32(&space.ring_head, head + 1)
    return True


# --- media thread ---------------------------------------------------------------------------------------------

cdef int space_put(space_t* space, int seat, const uint8_t* data, int n_bytes, int64_t now_us) noexcept nogil:
    """A datagram from the person in `seat`: PUT_* or the reason why it was dropped. Every outcome is counted."""
    cdef seat_t* place
    cdef int status = packet_kind(data, n_bytes)
    cdef report_t report
    space_drain(space)
    place = _seat(space, seat)
    if place == NULL:
        space.counts.unknown_seat += 1
        return PUT_UNKNOWN_SEAT
    if status == KIND_REPORT:
        status = packet_parse_report(data, n_bytes, &report)
        if status == PACKET_OK:
            space.counts.reports += 1
            return PUT_REPORT
    elif status == KIND_AUDIO:
        if place.kind != SEAT_OPUS:
            space.counts.wrong_kind += 1
            return PUT_WRONG_KIND
        status = receiver_put(&place.receiver, data, n_bytes, False, now_us)
    if status < 0:
        space.counts.malformed += 1
    return status


cdef void space_tick(space_t* space, int64_t now_us, out_t* out) noexcept nogil:
    """20 ms of the room. `out` is filled anew."""
    space_drain(space)
    space_pull(space, now_us)
    space_decode(space)
    space_mix(space)
    space_encode(space, out)
    space.timestamp += FRAME_TICKS
    space.counts.ticks += 1


cdef void space_drain(space_t* space) noexcept nogil:
    """Carry out what the control thread asked for, and say how far it came."""
    cdef uint32_t tail = space.ring_tail
    cdef uint32_t head = load_u32(&space.ring_head)
    cdef command_t* command
    while tail != head:
        command = &space.ring[tail % SPACE_RING]
        _apply(space, command)
        store_i64(&space.applied, command.serial)
        tail += 1
        store_u32(&space.ring_tail, tail)


cdef void _apply(space_t* space, const command_t* command) noexcept nogil:
    cdef seat_t* seat
    cdef int i
    if command.kind == COMMAND_ADD:
        _insert(space, command.handle)
    elif command.kind == COMMAND_REMOVE:
        _take_out(space, command.seat)
    elif command.kind == COMMAND_TAP:
        space.taps[space.n_taps] = command.tap
        space.n_taps += 1
    elif command.kind == COMMAND_UNTAP:
        for i in range(space.n_taps):
            if space.taps[i] == command.tap:
                space.n_taps -= 1
                space.taps[i] = space.taps[space.n_taps]
                break
    else:
        seat = _seat(space, command.seat)
        if seat != NULL and command.kind == COMMAND_MUTE:
            seat_set_muted(seat, command.value != 0)
        elif seat != NULL:
            seat_set_gain(seat, command.value)


cdef void _insert(space_t* space, seat_t* seat) noexcept nogil:
    cdef int at = space.n_seats
    while at > 0 and space.seats[at - 1].number > seat.number:
        space.seats[at] = space.seats[at - 1]
        at -= 1
    space.seats[at] = seat
    space.n_seats += 1


cdef void _take_out(space_t* space, int number) noexcept nogil:
    cdef int i
    cdef int at = 0
    while at < space.n_seats and space.seats[at].number != number:
        at += 1
    if at == space.n_seats:
        return
    space.n_seats -= 1
    for i in range(at, space.n_seats):
        space.seats[i] = space.seats[i + 1]


cdef seat_t* _seat(space_t* space, int number) noexcept nogil:
    cdef int i
    for i in range(space.n_seats):
        if space.seats[i].number == number:
            return space.seats[i]
    return NULL


cdef void space_pull(space_t* space, int64_t now_us) noexcept nogil:
    cdef int i
    for i in range(space.n_seats):
        seat_next(space.seats[i], now_us)
        space.counts.pcm_dropped += space.seats[i].dropped


cdef void space_decode(space_t* space) noexcept nogil:
    cdef int i
    cdef int numbers[SPACE_MAX_SEATS]
    cdef int levels[SPACE_MAX_SEATS]
    cdef seat_t* seat
    cdef bint believed
    space.n_audible = 0
    for i in range(space.n_seats):
        seat = space.seats[i]
        if seat.wanted and seat.kind == SEAT_OPUS:
            space.counts.decodes += 1
        believed = not seat.measured
        seat_decode(seat)
        space.counts.disbelieved += believed and seat.measured
        if seat.heard == HEARD_FRAME and seat.kind == SEAT_OPUS:
            space.counts.buffered += 1
            space.counts.delay_us += seat.receiver.jitter.counters.delay_us
            space.counts.target_us += seat.receiver.jitter.delay.target_us
        if seat.audible:
            numbers[space.n_audible] = seat.number
            levels[space.n_audible] = seat.level
            space.audible[space.n_audible] = seat
            space.n_audible += 1
    loudest(numbers, levels, space.n_audible, space.listed, SPACE_MAX_SEATS)


cdef void space_mix(space_t* space) noexcept nogil:
    """Sum wide, once, in seat order; subtract; limit last."""
    cdef int k
    cdef int i
    cdef const float* voices[SPACE_MAX_SEATS]
    cdef seat_t* seat
    if space.n_audible == 0:
        return
    for i in range(space.n_audible):
        voices[i] = space.audible[i].voice
    mix_sum(space.mix, voices, space.n_audible, FRAME_SAMPLES)
    memcpy(space.full, space.mix, sizeof(space.full))
    limiter_apply(&space.limiter, space.full, FRAME_SAMPLES)
    if space.n_audible > 1:
        for i in range(space.n_audible):
            seat = space.audible[i]
            mix_minus(seat.minus, space.mix, seat.voice, FRAME_SAMPLES)
            limiter_apply(&seat.limiter, seat.minus, FRAME_SAMPLES)
    for k in range(space.n_taps):
        if space.taps[k].mix:
            tap_put(space.taps[k], FULL, space.timestamp, space.full)
        if space.taps[k].seats:
            for i in range(space.n_audible):
                tap_put(space.taps[k], space.audible[i].number, space.timestamp, space.audible[i].voice)


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
