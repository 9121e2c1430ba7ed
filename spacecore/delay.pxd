# How late packets are: relative delay over a window, its histograms, and the delay a buffer should aim at.
#
# Everything is integer arithmetic, so that every machine and the oracle in the tests decide alike. After
# NetEQ's delay manager (WebRTC, modules/audio_coding/neteq); no code of it is used.
# Times are microseconds; a transit is arrival minus media time and means something only as a difference.
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    DELAY_BUCKETS = 100             # of 20 ms: 2 s
    DELAY_BUCKET_US = 20000
    DELAY_WINDOW_SAMPLES = 96000    # 2000 ms of media time
    DELAY_WINDOW_SLOTS = 128        # a power of two above the 101 frames that fit into the window
    DELAY_INTERVAL_US = 500000      # the largest delay of each interval enters the underrun histogram
    DELAY_START_TARGET_US = 40000
    DELAY_MAX_TARGET_US = 1000000   # what a buffer of 62 frames can hold with room for a burst
    DELAY_ONE = 1 << 30             # a share of 1
    DELAY_TAIL = 53687091           # a share of 0.05: the quantile is 0.95
    DELAY_FORGET_ONE = 1 << 16
    DELAY_FORGET_UNDERRUN = 64422   # 0.983
    DELAY_FORGET_REORDER = 65490    # 0.9993
    DELAY_LOSS_COST_MS = 2000       # 20 ms of delay are worth 1 % of the frames

cdef struct delay_histogram_t:
    uint32_t share[DELAY_BUCKETS]   # sums to DELAY_ONE after the first addition
    uint32_t forget, forget_limit, n_added

cdef struct delay_window_t:
    # The least value over the window, as a monotonic queue: timestamps and values both rise from first to last.
    int64_t timestamp[DELAY_WINDOW_SLOTS]
    int64_t value[DELAY_WINDOW_SLOTS]
    uint32_t first, end

cdef struct delay_t:
    delay_window_t fastest          # of the transit
    delay_window_t slowest          # of minus the transit
    delay_histogram_t underrun, reorder
    int64_t interval_start_us, interval_max_us, underrun_target_us, target_us


cdef inline void delay_histogram_init(delay_histogram_t* h, uint32_t forget_limit) noexcept nogil:
    cdef int i
    for i in range(DELAY_BUCKETS):
        h.share[i] = 0
    h.forget = 0
    h.forget_limit = forget_limit
    h.n_added = 0


@cython.cdivision(True)
cdef inline void delay_histogram_add(delay_histogram_t* h, int bucket) noexcept nogil:
    cdef uint32_t left = DELAY_ONE
    cdef uint32_t forget
    cdef int i
    for i in range(DELAY_BUCKETS):
        h.share[i] = <uint32_t>((<uint64_t>h.share[i] * h.forget) >> 16)
        left -= h.share[i]
    h.share[bucket] += left  # 1 − forget, and what the rounding above took away
    if h.forget < h.forget_limit:  # a young histogram forgets fast: 1 − 2/(n+1)
        h.n_added += 1
        forget = DELAY_FORGET_ONE - 2 * DELAY_FORGET_ONE // (h.n_added + 1)
        h.forget = min(forget, h.forget_limit)


cdef inline int delay_histogram_quantile(const delay_histogram_t* h) noexcept nogil:
    cdef int bucket = 0
    cdef int64_t tail = <int64_t>DELAY_ONE - h.share[0]
    while tail > DELAY_TAIL and bucket < DELAY_BUCKETS - 1:
        bucket += 1
        tail -= h.share[bucket]
    return bucket


cdef inline void delay_window_push(delay_window_t* w, int64_t timestamp, int64_t value) noexcept nogil:
    # Timestamps must rise by at least one frame from call to call: that is what bounds the queue.
    cdef uint32_t mask = DELAY_WINDOW_SLOTS - 1
    while w.end != w.first and w.value[(w.end - 1) & mask] >= value:
        w.end -= 1
    w.timestamp[w.end & mask] = timestamp
    w.value[w.end & mask] = value
    w.end += 1
    while w.timestamp[w.first & mask] < timestamp - DELAY_WINDOW_SAMPLES:
        w.first += 1


cdef inline int64_t delay_base_us(const delay_t* d) noexcept nogil:
    # The transit of the fastest packet of the window.
    return d.fastest.value[d.fastest.first & (DELAY_WINDOW_SLOTS - 1)]


cdef inline int64_t delay_spread_us(const delay_t* d) noexcept nogil:
    # How much slower the slowest packet of the window was than the fastest.
    return -d.slowest.value[d.slowest.first & (DELAY_WINDOW_SLOTS - 1)] - delay_base_us(d)


@cython.cdivision(True)
cdef inline void delay_reorder_add(delay_t* d, int64_t late_us) noexcept nogil:
    # A frame that came `late_us` after its turn (0: in order); re-decides the target, whichever part is larger.
    # What loss recovery brings counts as late, not as lost, so that the target pays for it where it is worth it.
    cdef int64_t ms_of_target = d.underrun_target_us // 1000
    cdef int64_t share_left = DELAY_ONE
    cdef int64_t waiting, cost, least = -1
    cdef int best = 0, i
    cdef int64_t bucket = max(late_us, 0) // DELAY_BUCKET_US
    if bucket < DELAY_BUCKETS:
        delay_histogram_add(&d.reorder, <int>bucket)
    for i in range(DELAY_BUCKETS):
        share_left -= d.reorder.share[i]
        waiting = max(0, 20 * i - ms_of_target) << 30
        if least >= 0 and waiting > least:
            break
        cost = waiting + DELAY_LOSS_COST_MS * share_left
        if least < 0 or cost < least:
            least = cost
            best = i
    d.target_us = max(d.underrun_target_us, (best + 1) * <int64_t>DELAY_BUCKET_US)
    d.target_us = min(d.target_us, DELAY_MAX_TARGET_US)


@cython.cdivision(True)
cdef inline void delay_in_order(delay_t* d, int64_t timestamp, int64_t transit_us, int64_t now_us) noexcept nogil:
    # A packet newer than all before it.
    cdef int64_t bucket, late_us
    delay_window_push(&d.fastest, timestamp, transit_us)
    delay_window_push(&d.slowest, timestamp, -transit_us)
    late_us = transit_us - delay_base_us(d)
    if now_us - d.interval_start_us > DELAY_INTERVAL_US:
        bucket = d.interval_max_us // DELAY_BUCKET_US
        if bucket < DELAY_BUCKETS:
            delay_histogram_add(&d.underrun, <int>bucket)
            d.underrun_target_us = (1 + delay_histogram_quantile(&d.underrun)) * <int64_t>DELAY_BUCKET_US
        d.interval_max_us = 0
        d.interval_start_us = now_us
    d.interval_max_us = max(d.interval_max_us, late_us)
    delay_reorder_add(d, 0)


cdef inline void delay_start(delay_t* d, int64_t timestamp, int64_t transit_us, int64_t now_us) noexcept nogil:
    # The first packet of a stream.
    d.fastest.first = d.fastest.end = 0
    d.slowest.first = d.slowest.end = 0
    delay_histogram_init(&d.underrun, DELAY_FORGET_UNDERRUN)
    delay_histogram_init(&d.reorder, DELAY_FORGET_REORDER)
    d.interval_start_us = now_us
    d.interval_max_us = 0
    d.underrun_target_us = DELAY_START_TARGET_US
    d.target_us = DELAY_START_TARGET_US
    delay_in_order(d, timestamp, transit_us, now_us)
