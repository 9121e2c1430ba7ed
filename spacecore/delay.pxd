# How late packets are: relative delay over a window, its histograms, and the delay a buffer should aim at.
#
# Everything is integer arithmetic, so that every machine and the oracle in the tests decide alike. The base and
# the histograms follow NetEQ's delay manager (WebRTC, modules/audio_coding/neteq; no code of it is used). Of our
# own: steps of 1 ms, a target that weighs delay against late audio in place of a fixed quantile, one frame more where
# the network has broken off, and bursts that are forgotten once they are over.
# Times are microseconds; a transit is arrival minus media time and means something only as a difference.
cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    DELAY_BUCKETS = 1000            # of 1 ms; what is later counts in the last one
    DELAY_BUCKET_US = 1000
    DELAY_FRAME_US = 20000
    DELAY_WINDOW_SAMPLES = 96000    # 2000 ms of media time
    DELAY_WINDOW_SLOTS = 128        # a power of two above the 101 frames that fit into the window
    DELAY_INTERVAL_US = 500000      # the largest delay of each interval enters the underrun histogram …
    DELAY_YOUNG_INTERVAL_US = 100000    # … and of shorter ones …
    DELAY_YOUNG = 5                 # … while it has seen fewer than this
    DELAY_LEAST_TARGET_US = 5000    # and so much above what frames wait for the last of their datagram
    DELAY_START_TARGET_US = 20000
    DELAY_MAX_TARGET_US = 1000000   # what a buffer of 62 frames can hold with room for a burst
    DELAY_ONE = 1 << 30             # a share of 1
    DELAY_FORGET_ONE = 1 << 16
    DELAY_FORGET_UNDERRUN = 65208   # 0.995: 100 s
    DELAY_FORGET_REORDER = 65405    # 0.998: 10 s
    DELAY_UNDERRUN_COST_US = 3800000    # 38 ms of delay are worth 1 % of the intervals
    DELAY_LOSS_COST_US = 4000000    # 40 ms of delay are worth 1 % of the frames
    DELAY_DOUBT = 4                 # after n intervals the target is 4 / (n + 1) above what they show
    DELAY_USUAL = 214748365         # a share of 0.2: four intervals in five have nothing later than is usual
    DELAY_WARNING_US = 22000        # in such time a hole shows before it is heard
    DELAY_BROKEN_FOR_US = 180000000 # so long after sound broke off such a warning is kept
    DELAY_RECENT = 20               # intervals …
    DELAY_OVER = 214748364          # … that a share of 0.2 cannot have been absent from: 0.8 to the 20th is 1 %

cdef struct delay_histogram_t:
    uint32_t share[DELAY_BUCKETS]   # sums to DELAY_ONE after the first addition
    uint32_t forget, forget_limit, n_added
    int end                         # all shares from here on are 0

cdef struct delay_window_t:
    # The least value over the window, as a monotonic queue: timestamps and values both rise from first to last.
    int64_t timestamp[DELAY_WINDOW_SLOTS]
    int64_t value[DELAY_WINDOW_SLOTS]
    uint32_t first, end

cdef struct delay_t:
    delay_window_t fastest          # of the transit
    delay_window_t slowest          # of minus the transit
    delay_histogram_t underrun, reorder
    int recent[DELAY_RECENT]        # buckets of the last intervals, in a ring
    int64_t least_target_us
    int64_t interval_start_us, interval_max_us, underrun_target_us, target_us
    int64_t held_back_us            # the longest that a frame of this interval waited for the last of its datagram …
    int64_t held_back_before_us     # … and one of the interval before
    int64_t usual_us                # later than this, a packet is later than in most intervals
    int64_t broken_us               # when running sound last broke off


cdef inline void delay_histogram_init(delay_histogram_t* h, uint32_t forget_limit) noexcept nogil:
    cdef int i
    for i in range(DELAY_BUCKETS):
        h.share[i] = 0
    h.end = 0
    h.forget = 0
    h.forget_limit = forget_limit
    h.n_added = 0


@cython.cdivision(True)
cdef inline void delay_histogram_add(delay_histogram_t* h, int bucket) noexcept nogil:
    cdef uint32_t left = DELAY_ONE
    cdef uint32_t forget
    cdef int i
    h.end = max(h.end, bucket + 1)
    for i in range(h.end):
        h.share[i] = <uint32_t>((<uint64_t>h.share[i] * h.forget) >> 16)
        left -= h.share[i]
    h.share[bucket] += left  # 1 − forget, and what the rounding above took away
    h.n_added += h.n_added < (1 << 30)
    if h.forget < h.forget_limit:  # a young histogram forgets fast: 1 − 2/(n+1)
        forget = DELAY_FORGET_ONE - 2 * DELAY_FORGET_ONE // (h.n_added + 1)
        h.forget = min(forget, h.forget_limit)


cdef inline int delay_histogram_cheapest(const delay_histogram_t* h, int64_t free_us, int64_t cost_us) noexcept nogil:
    # The bucket up to which it is worth waiting: each µs beyond `free_us` costs 1, all that is later `cost_us`.
    cdef int64_t later = DELAY_ONE
    cdef int64_t waiting, cost, least = -1
    cdef int best = 0, i
    for i in range(h.end):
        later -= h.share[i]
        waiting = max(0, DELAY_BUCKET_US * <int64_t>(i + 1) - free_us) << 30
        if least >= 0 and waiting > least:
            break
        cost = waiting + cost_us * later
        if least < 0 or cost < least:
            least = cost
            best = i
    return best


cdef inline int delay_histogram_quantile(const delay_histogram_t* h, int64_t above) noexcept nogil:
    # The first bucket that leaves at most the share `above` above it.
    cdef int bucket = 0
    cdef int64_t later = <int64_t>DELAY_ONE - h.share[0]
    while later > above and bucket < DELAY_BUCKETS - 1:
        bucket += 1
        later -= h.share[bucket]
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
cdef inline int delay_bucket(int64_t late_us) noexcept nogil:
    return <int>min(max(late_us, 0) // DELAY_BUCKET_US, DELAY_BUCKETS - 1)


@cython.cdivision(True)
cdef inline void delay_reorder_add(delay_t* d, int64_t late_us) noexcept nogil:
    # A frame that came `late_us` after the fastest (0: in order); re-decides the target, whichever part is larger.
    # What loss recovery brings counts as late, not as lost, so that the target pays for it where it is worth it.
    cdef int best
    delay_histogram_add(&d.reorder, delay_bucket(late_us))
    best = delay_histogram_cheapest(&d.reorder, d.underrun_target_us, DELAY_LOSS_COST_US)
    d.target_us = max(d.underrun_target_us, (best + 1) * <int64_t>DELAY_BUCKET_US)
    d.target_us = min(d.target_us, DELAY_MAX_TARGET_US)


@cython.cdivision(True)
cdef inline void delay_forget_burst(delay_t* d, int bucket) noexcept nogil:
    # A burst is over when the last intervals had nothing of what the histogram holds for common: what is above
    # all of them is forgotten, where waiting for it to fade would cost its delay for a minute.
    cdef delay_histogram_t* h = &d.underrun
    cdef int i, highest = 0
    cdef uint32_t above = 0
    d.recent[h.n_added % DELAY_RECENT] = bucket
    if h.n_added < DELAY_RECENT:
        return
    for i in range(DELAY_RECENT):
        highest = max(highest, d.recent[i])
    for i in range(highest + 1, h.end):
        above += h.share[i]
    if above > DELAY_OVER:
        for i in range(highest + 1, h.end):
            h.share[i] = 0
        h.share[highest] += above


cdef inline void delay_hold_back(delay_t* d, int64_t held_back_us) noexcept nogil:
    # What a sender held back so long is late by that at every time: no doubt, no weighing, and no sign of a hole.
    if held_back_us > 0:
        d.usual_us = max(d.usual_us, held_back_us + DELAY_BUCKET_US)
        d.underrun_target_us = max(d.underrun_target_us, held_back_us + DELAY_LEAST_TARGET_US)


@cython.cdivision(True)
cdef inline void delay_interval_end(delay_t* d, int64_t now_us) noexcept nogil:
    cdef int bucket = delay_bucket(d.interval_max_us)
    cdef int64_t held_back_us = max(d.held_back_us, d.held_back_before_us)
    cdef int64_t target_us
    delay_histogram_add(&d.underrun, bucket)
    delay_forget_burst(d, bucket)
    d.usual_us = (1 + delay_histogram_quantile(&d.underrun, DELAY_USUAL)) * <int64_t>DELAY_BUCKET_US
    bucket = delay_histogram_cheapest(&d.underrun, 0, DELAY_UNDERRUN_COST_US)
    target_us = (bucket + 1) * <int64_t>DELAY_BUCKET_US
    if d.reorder.share[0] > DELAY_ONE - DELAY_ONE // 100:
        # Where packets keep their order, one that is later than usual shows a frame before its turn, and the frame
        # due is made longer (`is_overdue`): that stands for a frame's delay.
        target_us -= min(DELAY_FRAME_US, max(0, target_us - d.usual_us))
    target_us += max(0, target_us - held_back_us) * DELAY_DOUBT // (d.underrun.n_added + 1)  # the sender's doing is sure
    if now_us - d.broken_us < DELAY_BROKEN_FOR_US:
        target_us = max(target_us, d.usual_us + DELAY_WARNING_US)
    d.underrun_target_us = max(target_us, d.least_target_us)
    delay_hold_back(d, held_back_us)
    d.held_back_before_us = d.held_back_us
    d.held_back_us = 0


cdef inline void delay_in_order(
        delay_t* d, int64_t timestamp, int64_t transit_us, int64_t held_back_us, int64_t now_us) noexcept nogil:
    # A packet newer than all before it, that waited `held_back_us` for the last frame of its datagram.
    cdef int64_t interval_us = DELAY_YOUNG_INTERVAL_US if d.underrun.n_added < DELAY_YOUNG else DELAY_INTERVAL_US
    delay_window_push(&d.fastest, timestamp, transit_us)
    delay_window_push(&d.slowest, timestamp, -transit_us)
    if now_us - d.interval_start_us > interval_us:
        delay_interval_end(d, now_us)
        d.interval_max_us = 0
        d.interval_start_us = now_us
    # The last of the first datagram is not in the base yet.
    d.interval_max_us = max(d.interval_max_us, max(transit_us - delay_base_us(d), held_back_us))
    d.held_back_us = max(d.held_back_us, held_back_us)
    delay_hold_back(d, held_back_us)
    delay_reorder_add(d, 0)


cdef inline void delay_start(
        delay_t* d, int64_t timestamp, int64_t transit_us, int64_t held_back_us, int64_t now_us) noexcept nogil:
    # The first packet of a stream.
    d.fastest.first = d.fastest.end = 0
    d.slowest.first = d.slowest.end = 0
    delay_histogram_init(&d.underrun, DELAY_FORGET_UNDERRUN)
    delay_histogram_init(&d.reorder, DELAY_FORGET_REORDER)
    d.interval_start_us = now_us
    d.interval_max_us = 0
    d.held_back_us = d.held_back_before_us = 0
    d.underrun_target_us = d.target_us = max(DELAY_START_TARGET_US, d.least_target_us)
    d.broken_us = now_us - DELAY_BROKEN_FOR_US
    d.usual_us = DELAY_START_TARGET_US
    delay_in_order(d, timestamp, transit_us, held_back_us, now_us)
