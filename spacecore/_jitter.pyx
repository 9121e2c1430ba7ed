"""Adaptive jitter buffer: puts the frames of one stream back in order and decides when each is due.

Driving contract: `put` every frame as it arrives, `pull` once every 20 ms, both with the time of the same
monotonic clock in microseconds; one thread at a time per buffer. The rules follow NetEQ's (WebRTC,
modules/audio_coding/neteq) at the level of control. The delay changes by whole frames in silence; in speech the
consumer is told what it wants and scales time.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from spacecore.delay cimport DELAY_LEAST_TARGET_US, DELAY_MAX_TARGET_US, delay_base_us, delay_in_order, delay_reorder_add
from spacecore.jitter_playout cimport SCALE_APART_US, clear, play, show, slack_of, take_due
from spacecore.jitter_stream cimport (
    FRAME_SAMPLES, FRAME_US, drop_before, fits, is_new_stream, store, stream_start, waiting,
)

from collections import namedtuple
from enum import IntEnum

__all__ = ["JitterBuffer", "JitterStats", "PullStatus", "Pulled", "PutResult", "Scale"]

NOW_LIMIT_US = 1 << 60


cdef void jitter_init(jitter_t* j, int64_t least_target_us) noexcept nogil:
    """Empty. The delay aimed at is never below `least_target_us`."""
    cdef int i
    memset(&j.counters, 0, sizeof(jitter_stats_t))
    for i in range(JITTER_CAPACITY):
        j.slot_of[i] = -1
        j.free_slots[i] = <int8_t>i
    j.n_free = JITTER_CAPACITY
    for i in range(JITTER_HISTORY):
        j.history[i] = -1
    j.n_waiting = 0
    j.started = False
    j.pulled_us = 0
    j.scaled_us = -SCALE_APART_US
    j.held_samples = 0
    j.delay.least_target_us = least_target_us
    stream_start(j, 0, 0, 0, 0)
    j.started = False


# Put -------------------------------------------------------------------------------------------------------

cdef bint too_large(const jitter_packet_t* p) noexcept nogil:
    cdef int64_t n_bytes = p.n_bytes
    cdef int i
    if p.n_bytes < 0 or p.n_prime < 0 or p.n_prime > 2:
        return True
    for i in range(p.n_prime):
        if p.prime_bytes[i] < 0:
            return True
        n_bytes += p.prime_bytes[i]
    return n_bytes > JITTER_SLOT_BYTES


cdef int jitter_put(jitter_t* j, const jitter_packet_t* p, int64_t now_us) noexcept nogil:
    """Takes one frame. Of one datagram, put the new frames in order; redundant ones before or after them."""
    cdef int64_t seq, timestamp
    cdef bint in_order
    cdef int status
    j.counters.put += 1
    if too_large(p):
        j.counters.too_large += 1
        return PUT_TOO_LARGE
    if not j.started:
        if p.redundant:
            j.counters.redundant_ignored += 1
            return PUT_LATE
        return put_first(j, p, now_us, PUT_OK)
    seq = unwrap_seq(j.newest_seq, p.seq)
    timestamp = unwrap_timestamp(j.newest_timestamp, p.timestamp)
    if p.redundant:
        return put_redundant(j, p, seq, timestamp, now_us)
    if is_new_stream(j, seq, timestamp, now_us):
        return put_first(j, p, now_us, PUT_RESTART)
    if j.seen[seq & (JITTER_SEEN - 1)] == seq:
        j.counters.duplicate += 1
        return PUT_DUPLICATE
    if seq >= j.next_seq and not fits(j, seq, timestamp):
        return put_first(j, p, now_us, PUT_RESTART)
    in_order = seq > j.newest_seq
    measure(j, p, seq, timestamp, now_us)
    if seq < j.next_seq:
        # An old number must not push out a newer one: what waits is always remembered.
        j.seen[seq & (JITTER_SEEN - 1)] = max(seq, j.seen[seq & (JITTER_SEEN - 1)])
        j.counters.late += 1
        return PUT_LATE
    status = PUT_OK
    if not in_order:
        j.counters.reordered += 1
        status = PUT_REORDERED
    elif seq >= j.next_seq + JITTER_WINDOW and make_room(j, seq) > 0:
        status = PUT_OVERFLOW
    store(j, p, seq, timestamp)
    return status


cdef int put_first(jitter_t* j, const jitter_packet_t* p, int64_t now_us, int status) noexcept nogil:
    if status == PUT_RESTART:
        j.counters.restarts += 1
        j.counters.restart_dropped += j.n_waiting
        drop_before(j, j.highest_seq + 1)
    stream_start(j, p.seq, p.timestamp, p.n_behind * FRAME_US, now_us)
    store(j, p, p.seq, p.timestamp)
    return status


cdef int make_room(jitter_t* j, int64_t seq) noexcept nogil:
    cdef int dropped = drop_before(j, seq - JITTER_WINDOW + 1)
    j.counters.overflow_dropped += dropped
    return dropped


cdef int put_redundant(jitter_t* j, const jitter_packet_t* p, int64_t seq, int64_t timestamp, int64_t now_us) \
        noexcept nogil:
    # Fills a hole or is ignored: it restarts nothing, pushes nothing out and is nobody's duplicate.
    cdef bint seen = j.seen[seq & (JITTER_SEEN - 1)] == seq
    cdef bint alien = seen or seq >= j.next_seq + JITTER_WINDOW or is_new_stream(j, seq, timestamp, now_us)
    if not alien and seq < j.next_seq and seq > j.newest_seq - JITTER_SEEN:
        # Lost, and its copy came too late: the delay that would have made it useful is worth knowing.
        j.seen[seq & (JITTER_SEEN - 1)] = max(seq, j.seen[seq & (JITTER_SEEN - 1)])
        delay_reorder_add(&j.delay, now_us - samples_to_us(timestamp) - delay_base_us(&j.delay))
    if alien or seq < j.next_seq or not fits(j, seq, timestamp):
        j.counters.redundant_ignored += 1
        return PUT_DUPLICATE if seen else PUT_LATE
    delay_reorder_add(&j.delay, now_us - samples_to_us(timestamp) - delay_base_us(&j.delay))
    store(j, p, seq, timestamp)
    j.counters.redundant_used += 1
    return PUT_OK


cdef void measure(jitter_t* j, const jitter_packet_t* p, int64_t seq, int64_t timestamp, int64_t now_us) \
        noexcept nogil:
    cdef int64_t transit_us = now_us - samples_to_us(timestamp)
    cdef int64_t missing = seq - j.newest_seq - 1
    cdef bint hole
    if seq < j.newest_seq:
        delay_reorder_add(&j.delay, transit_us - delay_base_us(&j.delay))
        return
    hole = (missing > 0 and not p.source_changed
            and timestamp - j.newest_timestamp == (missing + 1) * FRAME_SAMPLES
            and j.seen[(seq - 1) & (JITTER_SEEN - 1)] != seq - 1)
    j.newest_seq = seq
    j.newest_timestamp = timestamp
    # Sound that breaks off before it breaks off for want of such a datagram, once, and not on the network.
    j.longer = j.longer or p.n_behind * FRAME_US >= j.delay.target_us
    delay_in_order(&j.delay, timestamp, transit_us, p.n_behind * FRAME_US, now_us)
    if p.has_fec and not j.fec_seen:
        # Who sends FEC has heard of loss: its distance belongs into the target before the first one.
        j.fec_seen = True
        delay_reorder_add(&j.delay, FRAME_US)
    if hole and p.has_fec:
        # This packet is also a late copy of the one before it.
        delay_reorder_add(&j.delay, transit_us - delay_base_us(&j.delay) + FRAME_US)


# Pull ------------------------------------------------------------------------------------------------------

cdef void jitter_pull(jitter_t* j, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    """Says what is due now, and where its bytes are."""
    take_due(j, now_us, out)


cdef bint jitter_pull_joined(jitter_t* j, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    """The frame that follows on the one pulled last, at once: for who makes two frames into one. False where it is not there."""
    cdef int slot = waiting(j, j.next_seq)
    if not j.playing or slot < 0 or j.slots[slot].timestamp != j.next_timestamp:
        return False
    play(j, j.next_seq, now_us, out)
    return True


cdef bint jitter_history(const jitter_t* j, int back, jitter_pulled_t* out) noexcept nogil:
    """The frame pulled `back` frames ago, 1 to 3; False where there is none."""
    clear(j, out)
    if back < 1 or back > JITTER_HISTORY or j.history[back - 1] < 0:
        return False
    show(j, j.history[back - 1], out)
    out.status = PULL_FRAME
    return True


cdef bint jitter_peek(const jitter_t* j, jitter_pulled_t* out) noexcept nogil:
    """The frame that follows without a gap on the one pulled last; False where it is not there yet."""
    cdef int slot = waiting(j, j.next_seq) if j.playing else -1
    clear(j, out)
    if slot < 0 or j.slots[slot].timestamp != j.next_timestamp:
        return False
    show(j, slot, out)
    out.status = PULL_FRAME
    return True


cdef void jitter_note_scaled(jitter_t* j, int samples) noexcept nogil:
    """The consumer removed (−) or added (+) samples by time scaling.

    It pulls whenever it holds less than a frame, so that what it holds stays below one: that audio is heard
    before the next frame and counts as delay.
    """
    j.held_samples = (j.held_samples + samples % FRAME_SAMPLES + FRAME_SAMPLES) % FRAME_SAMPLES
    j.scaled_us = j.pulled_us
    if samples < 0:
        j.counters.accelerated_samples += -<int64_t>samples
    else:
        j.counters.stretched_samples += samples


cdef void jitter_note_emptied(jitter_t* j) noexcept nogil:
    """The consumer holds nothing any more: it played what it held where no frame was due, or threw it away."""
    j.held_samples = 0


cdef void jitter_note_held(jitter_t* j, int held_samples, int64_t now_us) noexcept nogil:
    """The consumer pulls nothing now: it plays of the `held_samples` that it has left."""
    j.counters.delay_us = slack_of(j, j.next_timestamp - held_samples, now_us)


cdef void jitter_stats(const jitter_t* j, jitter_stats_t* out) noexcept nogil:
    """Copies the counters; changes nothing."""
    memcpy(out, &j.counters, sizeof(jitter_stats_t))
    out.target_us = j.delay.target_us


# Python ----------------------------------------------------------------------------------------------------

include "_jitter_face.pxi"
