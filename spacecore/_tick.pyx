"""20 ms of a room: drain commands → pull → decode → sum once → limit → encode once for all who hear the same.

Native only; `_space` is its Python face. A tick with A > 1 audible seats costs A decodes and A + 1 encodes, whatever the number
of listeners; with one, whose packets are passed on, next to nothing.
"""

from libc.stdint cimport int8_t, int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from spacecore._jitter cimport (
    PULL_FEC, PULL_FRAME, PULL_LOST, PULL_WAIT, PUT_LATE, PUT_OK, PUT_OVERFLOW, PUT_REORDERED, PUT_RESTART, jitter_history,
    jitter_pulled_t, jitter_stats, jitter_stats_t,
)
from spacecore._mixer cimport level_dbov, limiter_apply, limiter_init, loudest, mix_minus, mix_sum
from spacecore._opus cimport (
    OPUS_LOOK_AHEAD, PASSABLE_BYTES, decoder_close, decoder_decode, decoder_open, decoder_reset, encoder_close, encoder_encode,
    encoder_open, encoder_reset, encoder_set_fec, encoder_set_loss, packet_has_fec, packet_passable,
)
from spacecore._packet cimport (
    AUDIO_HEADER_BYTES, DATAGRAM_MAX_BYTES, FRAME_TICKS, KIND_AUDIO, KIND_REPORT, LEVEL_SILENCE, LEVEL_VOICE, PACKET_OK, audio_t, packet_kind, packet_pack_audio,
    packet_pack_report, packet_parse_audio, packet_parse_report, report_t,
)
from spacecore._receiver cimport HEARD_FRAME, receiver_counts_t, receiver_put
from spacecore._recovery cimport (
    arrivals_note, arrivals_take, recovery_advise, recovery_expect_pct, recovery_judge, recovery_note, recovery_t,
)
from spacecore._seat cimport (
    HEARS_FULL, HEARS_MINUS, HEARS_NOTHING, SEAT_OPUS, hears_t, seat_close, seat_decode, seat_fits, seat_gain, seat_next, seat_pass,
    seat_set_gain, seat_set_muted, seat_t,
)
from spacecore._tap cimport tap_put
from spacecore.atomics cimport load_u32, store_i64, store_u32
from spacecore.delay cimport delay_spread_us
from spacecore.dominant cimport DOMINANT_TICKS, SPEECH_FRAMES, dominant_of, speech_put, speech_t
from spacecore.libopus cimport OPUS_OK
from spacecore.passing cimport PASS_PATIENCE_FRAMES, passing_alike, passing_gain
from spacecore.reports cimport reports_add, reports_turn, reports_vote, reports_worst_tenth_pct
from spacecore.ring cimport ring_close, ring_commit, ring_reserve
from spacecore.seat_line cimport LINE_NOW, LINE_PAST
from spacecore.trace cimport (
    CHANGE_ADD, CHANGE_ADD_PCM, CHANGE_BEFORE, CHANGE_DENOISED, CHANGE_GAIN, CHANGE_HELD, CHANGE_MUTE, CHANGE_REMOVE,
    SEAT_IS_AUDIBLE, SEAT_IS_PASSED, SEAT_WAS_ASKED, TRACE_ARRIVAL, TRACE_CHANGE, TRACE_COUNTERS, TRACE_COUNTS, TRACE_REPORT,
    TRACE_TICK, trace_arrival_t, trace_change_t, trace_counts_t, trace_head_t, trace_report_t, trace_seat_t, trace_shape_t,
    trace_t, trace_tick_t,
)

__all__ = []


# --- control thread -------------------------------------------------------------------------------------------

cdef int space_init(space_t* space, const encoder_config_t* config, int keep_alive_ticks, bint pass_through) noexcept nogil:
    cdef int status
    memset(space, 0, sizeof(space_t))
    limiter_init(&space.limiter)
    space.keep_alive_ticks = keep_alive_ticks
    space.has_fec = config.fec != 0
    space.least_loss_pct = config.loss_pct
    space.dominant = NOBODY
    space.source = SOURCE_NONE if pass_through else SOURCE_MIX
    status = encoder_open(&space.encoder, config)
    if status == OPUS_OK and pass_through:
        status = decoder_open(&space.shadow, config.channels)
    return status


cdef void space_close(space_t* space) noexcept nogil:
    cdef int i
    space_drain(space)      # so that whatever still waits in the ring is in the tables
    for i in range(space.n_seats):
        seat_close(space.seats[i])
    for i in range(space.n_taps):
        free(space.taps[i])
    if space.trace != NULL:
        ring_close(&space.trace.ring)
        free(space.trace)
    if space.encoder != NULL:
        encoder_close(space.encoder)
    if space.shadow != NULL:
        decoder_close(space.shadow)


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
    cdef int status
    space.now_us = now_us
    space_drain(space)
    status = _put(space, seat, data, n_bytes, now_us)
    if space.trace != NULL and status != PUT_REPORT:
        trace_arrival(space, seat, data, n_bytes, status)
    return status


cdef int _put(space_t* space, int seat, const uint8_t* data, int n_bytes, int64_t now_us) noexcept nogil:
    cdef seat_t* place = _seat(space, seat)
    cdef int status = packet_kind(data, n_bytes)
    cdef report_t report
    if place == NULL:
        space.counts.unknown_seat += 1
        return PUT_UNKNOWN_SEAT
    if status == KIND_REPORT:
        status = packet_parse_report(data, n_bytes, &report)
        if status == PACKET_OK:
            space_report(space, seat, &report, place.vote, now_us)
            place.vote = reports_vote(&report, place.vote, now_us)
            return PUT_REPORT
    elif status == KIND_AUDIO:
        if place.kind != SEAT_OPUS:
            space.counts.wrong_kind += 1
            return PUT_WRONG_KIND
        status = receiver_put(&place.receiver, data, n_bytes, False, now_us)
        note_arrival(place, data, n_bytes, status)
    if status < 0:
        space.counts.malformed += 1
    return status


cdef void space_tick(space_t* space, int64_t now_us, out_t* out) noexcept nogil:
    """20 ms of the room. `out` is filled anew."""
    space.now_us = now_us
    space_drain(space)
    space_pull(space, now_us)
    space_decode(space)
    space_judge(space)
    space_mix(space)
    space_encode(space, out)
    recover(space, now_us, out)
    if space.trace != NULL:
        trace_tick(space, out)
    space.timestamp += FRAME_TICKS
    space.counts.ticks += 1


cdef void space_pull(space_t* space, int64_t now_us) noexcept nogil:
    cdef int i
    for i in range(space.n_seats):
        seat_next(space.seats[i], now_us)
        space.counts.pcm_dropped += space.seats[i].dropped


cdef void space_decode(space_t* space) noexcept nogil:
    """See whether one seat alone is heard and can be passed on; decode all others that are heard."""
    cdef int i
    cdef int numbers[SPACE_MAX_SEATS]
    cdef int levels[SPACE_MAX_SEATS]
    cdef seat_t* seat
    cdef seat_t* lone = passing_candidate(space)
    space.passed = NULL
    space.n_audible = 0
    for i in range(space.n_seats):
        if space.seats[i] != lone:
            _decode(space, space.seats[i])
            space.n_audible += space.seats[i].audible
    if lone != NULL and space.n_audible == 0 and seat_fits(lone, space.source == lone.number):
        passing_take(space, lone)
    elif lone != NULL:
        _decode(space, lone)
        space.waited = 0
    space.n_audible = 0
    for i in range(space.n_seats):
        seat = space.seats[i]
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


cdef void _decode(space_t* space, seat_t* seat) noexcept nogil:
    cdef bint believed = not seat.measured
    space.counts.decodes += seat.wanted and seat.kind == SEAT_OPUS
    seat_decode(seat, space.shadow)
    space.counts.disbelieved += believed and seat.measured


cdef void space_mix(space_t* space) noexcept nogil:
    """Sum wide, once, in seat order; subtract; limit last."""
    cdef int k
    cdef int i
    cdef const float* voices[SPACE_MAX_SEATS]
    cdef seat_t* seat
    if space.n_audible == 0 or (space.passed != NULL and space.n_taps == 0):
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


include "_tick_commands.pxi"
include "_tick_dominant.pxi"
include "_tick_recovery.pxi"
include "_tick_passing.pxi"
include "_tick_encode.pxi"
include "_tick_trace.pxi"
