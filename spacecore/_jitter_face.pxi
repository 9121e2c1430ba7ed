# The Python face of _jitter.pyx.

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
    FAST_STRETCH = SCALE_FAST_STRETCH


JitterStats = namedtuple("JitterStats", (
    "put", "reordered", "duplicate", "late", "restarts", "too_large", "redundant_used", "redundant_ignored",
    "overflow_dropped", "stale_dropped", "restart_dropped", "frames", "fec", "lost", "waits",
    "accelerated", "stretched", "interrupted", "accelerated_samples", "stretched_samples", "target_us", "delay_us",
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
    cdef readonly int room_samples
    cdef readonly bint standing
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
    pulled.room_samples = p.room_samples
    pulled.standing = p.standing
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
    network can send makes it raise. One thread at a time. The delay aimed at is at least `least_target_us`.
    """

    cdef jitter_t state

    def __cinit__(self, *, least_target_us=DELAY_LEAST_TARGET_US):
        jitter_init(&self.state, checked(least_target_us, "least_target_us", DELAY_MAX_TARGET_US + 1))

    def __len__(self):
        return self.state.n_waiting

    def put(self, seq, timestamp, payload, now_us, *, level=0, source_changed=False, redundant=False,
            has_fec=False, n_behind=0, prime=()):
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
        packet.n_behind = <int>checked(n_behind, "n_behind", JITTER_WINDOW)
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

    def note_emptied(self):
        """What was held of what was pulled was played where no frame was due, or thrown away."""
        jitter_note_emptied(&self.state)

    @property
    def stats(self):
        """Counters since the start; reading changes nothing."""
        cdef jitter_stats_t s
        jitter_stats(&self.state, &s)
        return JitterStats(
            s.put, s.reordered, s.duplicate, s.late, s.restarts, s.too_large, s.redundant_used,
            s.redundant_ignored, s.overflow_dropped, s.stale_dropped, s.restart_dropped, s.frames, s.fec, s.lost,
            s.waits, s.accelerated, s.stretched, s.interrupted, s.accelerated_samples, s.stretched_samples, s.target_us,
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
