"""A speaker's place in the mix. Native only: `_space` composes seats into a room."""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from spacecore._denoise cimport denoise_apply, denoise_close
from spacecore._jitter cimport PULL_FEC, PULL_FRAME, PULL_HELD, PULL_LOST, PULL_WAIT, jitter_pulled_t
from spacecore._mixer cimport gate_init, gate_update, level_dbov, limiter_init, ramp_apply, ramp_init
from spacecore._opus cimport OPUS_LOOK_AHEAD, PASSABLE_BYTES, encoder_close, encoder_open, packet_passable
from spacecore._packet cimport LEVEL_SILENCE
from spacecore._receiver cimport (
    DONE_NOTHING, DONE_SKIPPED, DONE_UNSCALED, HEARD_CONCEALED, HEARD_FRAME, HEARD_RECOVERED, HEARD_SILENCE, receiver_close,
    receiver_decode, receiver_init, receiver_next, receiver_skip,
)
from spacecore.atomics cimport load_u32, store_u32
from spacecore.libopus cimport OPUS_ALLOC_FAIL, OPUS_OK
from spacecore.loudness cimport loudness_feed, loudness_gain, loudness_init, loudness_unmeasured
from spacecore.passing cimport (
    PASS_STRETCH_FRAMES, passable_init, passable_judge, passable_measured, passable_note_peak, passable_t, passing_gain,
)
from spacecore.seat_line cimport LINE_NOW, line_break, line_look_ahead, line_push, line_recall

__all__ = []


cdef seat_t* seat_open(int number, seat_kind_t kind, float gain, const encoder_config_t* config, int* status) noexcept nogil:
    """A seat with all the memory that it will ever use, or NULL and a status of libopus."""
    cdef seat_t* seat = <seat_t*>calloc(1, sizeof(seat_t))
    if seat == NULL:
        status[0] = OPUS_ALLOC_FAIL
        return NULL
    seat.number = number
    seat.kind = kind
    seat.gain = gain
    seat.level = LEVEL_SILENCE
    gate_init(&seat.gate)
    loudness_init(&seat.loudness)
    ramp_init(&seat.ramp, gain)
    limiter_init(&seat.limiter)
    passable_init(&seat.passable)
    status[0] = receiver_init(&seat.receiver, 1, SEAT_LEAST_TARGET_US) if kind == SEAT_OPUS else OPUS_OK
    if status[0] == OPUS_OK:
        status[0] = encoder_open(&seat.encoder, config)
    if status[0] != OPUS_OK:
        seat_close(seat)
        return NULL
    return seat


cdef void seat_close(seat_t* seat) noexcept nogil:
    receiver_close(&seat.receiver)
    denoise_close(seat.denoiser)
    if seat.encoder != NULL:
        encoder_close(seat.encoder)
    free(seat)


cdef bint seat_put_pcm(seat_t* seat, const float* pcm) noexcept nogil:
    """Queue 960 samples. Called by the control thread."""
    cdef pcm_queue_t* queue = &seat.queue
    cdef uint32_t head = queue.head
    if head - load_u32(&queue.tail) >= PCM_QUEUE:
        return False
    memcpy(queue.frames[head % PCM_QUEUE], pcm, FRAME_SAMPLES * sizeof(float))
    store_u32(&queue.head, head + 1)
    return True


cdef bint _take_pcm(seat_t* seat) noexcept nogil:
    """The oldest queued frame into `voice`; what waits beyond the bound is dropped first, the oldest of it."""
    cdef pcm_queue_t* queue = &seat.queue
    cdef uint32_t waiting = load_u32(&queue.head) - queue.tail
    cdef uint32_t tail = queue.tail
    seat.dropped = 0
    if waiting == 0:
        return False
    if waiting > PCM_BOUND:
        seat.dropped = <int>(waiting - PCM_BOUND)
        tail += waiting - PCM_BOUND
    memcpy(seat.voice, queue.frames[tail % PCM_QUEUE], FRAME_SAMPLES * sizeof(float))
    store_u32(&queue.tail, tail + 1)
    return True


cdef void seat_set_muted(seat_t* seat, bint muted) noexcept nogil:
    seat.muted = muted
    _aim(seat)


cdef void seat_set_gain(seat_t* seat, float gain) noexcept nogil:
    seat.gain = gain
    _aim(seat)


cdef inline void _aim(seat_t* seat) noexcept nogil:
    """Where the ramp of the next frame goes."""
    seat.ramp.target = <float>0.0 if seat.muted else seat.gain * loudness_gain(&seat.loudness)


cdef void seat_next(seat_t* seat, int64_t now_us) noexcept nogil:
    """See what is due and decide, by the level that its sender claims, whether to decode it."""
    cdef int claimed
    if seat.kind == SEAT_OPUS:
        receiver_next(&seat.receiver, now_us)
        seat.due = seat.receiver.due.status != PULL_WAIT
        claimed = seat.receiver.level
    else:
        seat.due = _take_pcm(seat)
        claimed = level_dbov(seat.voice, FRAME_SAMPLES) if seat.due else LEVEL_SILENCE
    if seat.muted and seat.ramp.gain == 0.0:
        gate_init(&seat.gate)           # so that an unmute opens on speech, not on what was said before it
        seat.wanted = False
    elif seat.measured:
        seat.wanted = seat.due or seat.gate.audible
    else:
        seat.wanted = gate_update(&seat.gate, claimed)
    if seat.told != DONE_NOTHING:
        seat.wanted = seat.told != DONE_SKIPPED


cdef void seat_decode(seat_t* seat, OpusDecoder* shadow) noexcept nogil:
    """Turn what is due into `voice` and its level; only what is wanted is decoded."""
    cdef int i
    seat.audible = seat.wanted
    seat.level = LEVEL_SILENCE
    seat.heard = HEARD_SILENCE
    if not seat.wanted:
        _break(seat, shadow)
        seat.ramp.gain = seat.ramp.target   # nobody hears it: a mute is whole at once, not from the next word on
        if seat.kind == SEAT_OPUS:
            receiver_skip(&seat.receiver)
        return
    if seat.kind == SEAT_OPUS:
        if seat.told == DONE_UNSCALED:
            seat.receiver.due.room_samples = 0
        _hear(seat)
        if seat.told == DONE_UNSCALED:
            seat.receiver.done = DONE_UNSCALED
    elif seat.due:
        seat.heard = HEARD_FRAME
    else:
        for i in range(FRAME_SAMPLES):
            seat.voice[i] = 0.0
    _measure(seat)
    seat.passable.clock = PASS_STRETCH_FRAMES
    if seat.measured:
        seat.audible = gate_update(&seat.gate, seat.level)
    _voice(seat, shadow)


cdef bint seat_fits(seat_t* seat, bint passing) noexcept nogil:
    cdef passable_t* passable = &seat.passable
    cdef const jitter_pulled_t* due = &seat.receiver.due
    passable.n_bytes = 0
    if seat.denoiser != NULL:
        return False                    # what is taken out of its sound would be in its packets
    if due.status == PULL_HELD:
        return False    # what is heard now was stretched: there is no packet for it
    if due.status == PULL_FRAME:
        passable.n_bytes = packet_passable(due.data, due.n_bytes, 1, passable.frame, PASSABLE_BYTES)
    return passable_judge(passable, due.status, passing_gain(seat_gain(seat)), seat.ramp.target, passing)


cdef void seat_pass(seat_t* seat, bint tapped, OpusDecoder* shadow) noexcept nogil:
    """Its packet is passed on. It is decoded for who taps the room, and now and then to be measured."""
    cdef int due = seat.receiver.due.status
    cdef bint measured = due == PULL_FRAME and passable_measured(&seat.passable, seat.mismatch > 0)
    seat.audible = True
    seat.heard = HEARD_SILENCE
    if tapped or measured:
        seat.receiver.due.room_samples = 0      # what goes on as it is must not be scaled here
        _hear(seat)
        seat.receiver.done = DONE_UNSCALED
        _measure(seat)
        if tapped:
            _voice(seat, shadow)
        else:
            line_push(&seat.line, seat.voice)
            seat.ramp.gain = seat.ramp.target
        return
    seat.level = seat.receiver.level
    if due == PULL_FRAME or due == PULL_FEC or due == PULL_LOST:
        seat.heard = HEARD_FRAME if due == PULL_FRAME else HEARD_RECOVERED if due == PULL_FEC else HEARD_CONCEALED
    if seat.held and due == PULL_FRAME:
        loudness_unmeasured(&seat.loudness, FRAME_SAMPLES)
        _aim(seat)
    _break(seat, shadow)
    receiver_skip(&seat.receiver)
    seat.receiver.gain.gain = seat.receiver.gain.target
    seat.ramp.gain = seat.ramp.target


cdef float seat_gain(const seat_t* seat) noexcept nogil:
    return seat.ramp.target * seat.receiver.gain.target


cdef inline void _break(seat_t* seat, const OpusDecoder* shadow) noexcept nogil:
    """It is not decoded in this tick; when it is again, it looks ahead again where it can."""
    line_break(&seat.line)
    seat.lead = OPUS_LOOK_AHEAD if shadow != NULL and seat.kind == SEAT_OPUS else 0


cdef void _hear(seat_t* seat) noexcept nogil:
    """Decode what is due into `voice`, as it is."""
    if seat.line.n == 0:
        line_recall(&seat.line, &seat.receiver)
    seat.heard = receiver_decode(&seat.receiver, seat.voice)


cdef void _measure(seat_t* seat) noexcept nogil:
    """What was decoded, before any gain: level, loudness, and how high it peaks."""
    seat.level = level_dbov(seat.voice, FRAME_SAMPLES)
    if seat.kind == SEAT_OPUS:
        _compare(seat)
    if seat.heard == HEARD_FRAME:
        passable_note_peak(&seat.passable, seat.voice, FRAME_SAMPLES)
    if seat.held and (seat.heard == HEARD_FRAME or seat.heard == HEARD_RECOVERED):
        loudness_feed(&seat.loudness, seat.voice, FRAME_SAMPLES)
        _aim(seat)


cdef void _voice(seat_t* seat, OpusDecoder* shadow) noexcept nogil:
    """Make of what was decoded what is mixed."""
    line_push(&seat.line, seat.voice)
    if seat.lead:
        if seat.heard != HEARD_SILENCE:
            line_look_ahead(&seat.line, &seat.receiver, shadow)
        if seat.line.guessed:       # the next packet comes too late for that: a guess in every frame is worse than one jump
            seat.line.guessed = False
            seat.lead = 0
        memcpy(seat.voice, seat.line.pcm + LINE_NOW + seat.lead, FRAME_SAMPLES * sizeof(float))
    if seat.denoiser != NULL:
        denoise_apply(seat.denoiser, seat.voice, FRAME_SAMPLES)
    seat.past_gain = seat.ramp.gain
    ramp_apply(&seat.ramp, seat.voice, FRAME_SAMPLES)


cdef void _compare(seat_t* seat) noexcept nogil:
    """A header whose level is wrong by more than 12 dB for one second is not believed again."""
    cdef int difference = seat.level - seat.receiver.level
    if seat.heard != HEARD_FRAME or seat.receiver.due.dtx or seat.measured:
        return
    if difference > MISMATCH_DB or difference < -MISMATCH_DB:
        seat.mismatch += 1
    else:
        seat.mismatch = 0
    if seat.mismatch >= MISMATCH_FRAMES:
        seat.measured = True
