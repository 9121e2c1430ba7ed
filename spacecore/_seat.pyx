"""A speaker's place in the mix. Native only: `_space` composes seats into a room."""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from spacecore._jitter cimport PULL_WAIT
from spacecore._mixer cimport gate_init, gate_update, level_dbov, limiter_init, ramp_apply, ramp_init
from spacecore._opus cimport encoder_close, encoder_open
from spacecore._packet cimport LEVEL_SILENCE
from spacecore._receiver cimport (
    HEARD_FRAME, HEARD_RECOVERED, HEARD_SILENCE, receiver_close, receiver_decode, receiver_init, receiver_next, receiver_skip,
)
from spacecore.atomics cimport load_u32, store_u32
from spacecore.libopus cimport OPUS_ALLOC_FAIL, OPUS_OK
from spacecore.loudness cimport loudness_feed, loudness_gain, loudness_init

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
    status[0] = receiver_init(&seat.receiver, 1) if kind == SEAT_OPUS else OPUS_OK
    if status[0] == OPUS_OK:
        status[0] = encoder_open(&seat.encoder, config)
    if status[0] != OPUS_OK:
        seat_close(seat)
        return NULL
    return seat


cdef void seat_close(seat_t* seat) noexcept nogil:
    receiver_close(&seat.receiver)
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


cdef void seat_decode(seat_t* seat) noexcept nogil:
    """Turn what is due into `voice` and its level; only what is wanted is decoded."""
    cdef int i
    seat.audible = seat.wanted
    seat.level = LEVEL_SILENCE
    seat.heard = HEARD_SILENCE
    if not seat.wanted:
        seat.ramp.gain = seat.ramp.target   # nobody hears it: a mute is whole at once, not from the next word on
        if seat.kind == SEAT_OPUS:
            receiver_skip(&seat.receiver)
        return
    if seat.kind == SEAT_OPUS:
        seat.heard = receiver_decode(&seat.receiver, seat.voice)
    elif seat.due:
        seat.heard = HEARD_FRAME
    else:
        for i in range(FRAME_SAMPLES):
            seat.voice[i] = 0.0
    seat.level = level_dbov(seat.voice, FRAME_SAMPLES)
    if seat.kind == SEAT_OPUS:
        _compare(seat)
    if seat.measured:
        seat.audible = gate_update(&seat.gate, seat.level)
    if seat.held and (seat.heard == HEARD_FRAME or seat.heard == HEARD_RECOVERED):
        loudness_feed(&seat.loudness, seat.voice, FRAME_SAMPLES)
        _aim(seat)
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
