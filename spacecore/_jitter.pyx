"""Adaptive jitter buffer: puts the frames of one stream back in order and decides when each is due.

Driving contract: `put` every frame as it arrives, `pull` once every 20 ms, both with the time of the same
monotonic clock in microseconds; one thread at a time per buffer. The rules follow NetEQ's (WebRTC,
modules/audio_coding/neteq) at the level of control; until there is time scaling, the delay changes by whole
frames, in silence.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from spacecore.delay cimport delay_base_us, delay_in_order, delay_reorder_add
from spacecore.jitter_playout cimport SCALE_APART_US, clear, show, take_due
from spacecore.jitter_stream cimport (
    FRAME_SAMPLES, FRAME_US, drop_before, fits, is_new_stream, store, stream_start, waiting,
)

from collections import namedtuple
from enum import IntEnum

__all__ = ["JitterBuffer", "JitterStats", "PullStatus", "Pulled", "PutResult", "Scale"]

NOW_LIMIT_US = 1 << 60


cdef void jitter_init(jitter_t* j) noexcept nogil:
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
    stream_start(j, 0, 0, 0)
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
    stream_start(j, p.seq, p.timestamp, now_us)
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
    if (seen or seq < j.next_seq or seq >= j.next_seq + JITTER_WINDOW
            or is_new_stream(j, seq, timestamp, now_us) or not fits(j, seq, timestamp)):
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
    delay_in_order(&j.delay, timestamp, transit_us, now_us)
    if hole and p.has_fec:
        # This packet is also a late copy of the one before it.
        delay_reorder_add(&j.delay, transit_us - delay_base_us(&j.delay) + FRAME_US)


# Pull ------------------------------------------------------------------------------------------------------

cdef void jitter_pull(jitter_t* j, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    """Says what is due now, and where its bytes are."""
    take_due(j, now_us, out)


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


cdef void jitter_stats(const jitter_t* j, jitter_stats_t* out) noexcept nogil:
    """Copies the counters; changes nothing."""
    memcpy(out, &j.counters, sizeof(jitter_stats_t))
    out.target_us = j.delay.target_us


# Python ----------------------------------------------------------------------------------------------------

class PutResult(IntEnum):
    """What became of a frame that was put."""

    OK = PUT_OK
    REORDERED = PUT_REORDERED
    DUPLICATE = PUT_DUPLICATE
    LATE = PUT_LATE
    RESTART = PUT_RESTART
    OVERFLOW = PUT_OVERFLOW
    TOO_LARGE = PUT_TOO_LARGE


class PullStatus(IntEnum):
    """What is due."""

    WAIT = PULL_WAIT
    FRAME = PULL_FRAME
    FEC = PULL_FEC
    LOST = PULL_LOST


class Scale(IntEnum):
    """What the delay still wants of the consumer."""

    NONE = SCALE_NONE
    ACCELERATE = SCALE_ACCELERATE
    FAST_ACCELERATE = SCALE_FAST_ACCELERATE
    STRETCH = SCALE_STRETCH


JitterStats = namedtuple("JitterStats", (
    "put", "reordered", "duplicate", "late", "restarts", "too_large", "redundant_used", "redundant_ignored",
    "overflow_dropped", "stale_dropped", "restart_dropped", "frames", "fec", "lost", "waits",
    "accelerated", "stretched", "accelerated_samples", "stretched_samples", "target_us", "delay_us",
))

_PUT_RESULTS = tuple(PutResult)
_PULL_STATUSES = tuple(PullStatus)
_SCALES = tuple(Scale)


@cython.final
@cython.auto_pickle(False)
cdef class Pulled:
    """What one pull yielded; see the stub for the fields."""

    cdef readonly object status
    cdef readonly object scale
    cdef readonly int level
    cdef readonly bint source_changed
    cdef readonly int seq
    cdef readonly int64_t timestamp
    cdef readonly bytes payload
    cdef readonly tuple prime
    cdef readonly bint dtx
    cdef readonly bint after_gap

    def __repr__(self):
        return f"<Pulled {self.status.name} seq={self.seq} timestamp={self.timestamp} {len(self.payload)} bytes>"


cdef Pulled pulled_object(const jitter_pulled_t* p):
    cdef Pulled pulled = Pulled.__new__(Pulled)
    pulled.status = _PULL_STATUSES[p.status]
    pulled.scale = _SCALES[p.scale]
    pulled.level = p.level
    pulled.source_changed = p.source_changed
    pulled.seq = p.seq
    pulled.timestamp = p.timestamp
    pulled.payload = p.data[:p.n_bytes] if p.data != NULL else b""
    if p.n_prime == 0:
        pulled.prime = ()
    else:
        pulled.prime = tuple([p.prime[i][:p.prime_bytes[i]] for i in range(p.n_prime)])
    pulled.dtx = p.dtx
    pulled.after_gap = p.after_gap
    return pulled


cdef int64_t checked(object value, str name, object limit) except -1:
    if not 0 <= value < limit:
        raise ValueError(f"{name} is {value}; it must be from 0 to {limit - 1}")
    return value


@cython.final
@cython.auto_pickle(False)
cdef class JitterBuffer:
    """Jitter buffer of one stream of 20 ms Opus frames at 48 kHz.

    `put` every frame as it arrives and `pull` once every 20 ms, with the time of one monotonic clock. It holds
    at most 61 frames that wait and the three pulled last; what does not fit drops the oldest. Nothing that a
    network can send makes it raise. One thread at a time.
    """

    cdef jitter_t state

    def __cinit__(self):
        jitter_init(&self.state)

    def __len__(self):
        return self.state.n_waiting

    def put(self, seq, timestamp, payload, now_us, *, level=0, source_changed=False, redundant=False,
            has_fec=False, prime=()):
        """Take one frame; the bytes are copied. Raises ValueError for a number that its field cannot hold."""
        cdef jitter_packet_t packet
        cdef int64_t now = checked(now_us, "now_us", NOW_LIMIT_US)
        cdef Py_buffer views[3]
        cdef int n_views = 0, status
        packet.seq = <uint16_t>checked(seq, "seq", 1 << 16)
        packet.timestamp = <uint32_t>checked(timestamp, "timestamp", 1 << 32)
        packet.level = <uint8_t>checked(level, "level", 1 << 8)
        packet.source_changed = source_changed
        packet.redundant = redundant
        packet.has_fec = has_fec
        packet.n_prime = 0
        if len(prime) > 2:
            raise ValueError(f"{len(prime)} prime-only frames; a packet carries at most 2")
        try:
            for frame in (payload, *prime):
                PyObject_GetBuffer(frame, &views[n_views], PyBUF_SIMPLE)
                n_views += 1
                if n_views > 1:
                    packet.prime[n_views - 2] = <const uint8_t*>views[n_views - 1].buf
                    packet.prime_bytes[n_views - 2] = <int>min(views[n_views - 1].len, JITTER_SLOT_BYTES + 1)
            packet.n_prime = n_views - 1
            packet.data = <const uint8_t*>views[0].buf
            packet.n_bytes = <int>min(views[0].len, JITTER_SLOT_BYTES + 1)
            status = jitter_put(&self.state, &packet, now)
        finally:
            while n_views > 0:
                n_views -= 1
                PyBuffer_Release(&views[n_views])
        return _PUT_RESULTS[status]

    def pull(self, now_us):
        """What is due now."""
        cdef jitter_pulled_t pulled
        jitter_pull(&self.state, checked(now_us, "now_us", NOW_LIMIT_US), &pulled)
        return pulled_object(&pulled)

    def history(self, back):
        """The frame pulled `back` frames ago (1 to 3), or None: it primes a decoder that joins in."""
        cdef jitter_pulled_t pulled
        if not 1 <= back <= JITTER_HISTORY:
            raise ValueError(f"back is {back}; only the last {JITTER_HISTORY} frames are kept, it must be 1 to 3")
        return pulled_object(&pulled) if jitter_history(&self.state, back, &pulled) else None

    def note_scaled(self, samples):
        """Time scaling removed (−) or added (+) samples of what was pulled."""
        jitter_note_scaled(&self.state, samples)

    @property
    def stats(self):
        """Counters since the start; reading changes nothing."""
        cdef jitter_stats_t s
        jitter_stats(&self.state, &s)
        return JitterStats(
            s.put, s.reordered, s.duplicate, s.late, s.restarts, s.too_large, s.redundant_used,
            s.redundant_ignored, s.overflow_dropped, s.stale_dropped, s.restart_dropped, s.frames, s.fec, s.lost,
            s.waits, s.accelerated, s.stretched, s.accelerated_samples, s.stretched_samples, s.target_us,
            s.delay_us,
        )

    @property
    def target_ms(self):
        """The delay aimed at, above the fastest packet of the last 2 s."""
        return self.state.delay.target_us / 1000

    @property
    def delay_ms(self):
        """The delay of the frame pulled last, above the fastest packet of the last 2 s."""
        return self.state.counters.delay_us / 1000
