# When a jitter buffer's frames are due: spurts, loss, recovery and changes of the delay.
#
# Either a spurt is playing, and one frame is due at every pull, or nothing is due until the first waiting frame
# is as old as the target delay asks.
cimport cython
from libc.stdint cimport int8_t, int64_t, uint16_t
from libc.string cimport memset

from spacecore._jitter cimport (
    JITTER_HISTORY, PULL_FEC, PULL_FRAME, PULL_LOST, PULL_WAIT, SCALE_ACCELERATE, SCALE_FAST_ACCELERATE,
    SCALE_FAST_STRETCH, SCALE_NONE, SCALE_STRETCH, jitter_pulled_t, jitter_slot_t, jitter_t, samples_to_us,
)
from spacecore.delay cimport delay_base_us
from spacecore.jitter_stream cimport (
    FRAME_SAMPLES, FRAME_US, drop, drop_before, first_waiting, slot_free, slot_take_out, waiting,
)

cdef enum:
    SILENT_LEVEL = 60           # −dBov; quieter than this, a frame more or less is not heard
    SCALE_APART_US = 60000
    MAX_LOST_RUN = 5            # 100 ms: concealment has faded out by then
    MERGE_US = 50000            # above the target: stop concealing, what follows is long there
    STALE_FRAMES = 50           # 1 s above the target: live talk is worth more than that backlog
    DOWN_FOR_US = 2000000       # so long a frame less must have been enough before the delay goes down by one
    DOWN_US = 40000             # above the target: it goes down at once
    FAST_US = 200000            # above the target: a backlog to work off, not a delay to trim
    SCRAP_SAMPLES = 120         # 2.5 ms: less is not worth a splice
    OVERSHOOT_SAMPLES = 480     # a period may take the delay so far beyond the frame that was wanted
    DTX_BYTES = 2


cdef inline void clear(const jitter_t* j, jitter_pulled_t* out) noexcept nogil:
    memset(out, 0, sizeof(jitter_pulled_t))
    out.seq = <uint16_t>j.next_seq
    out.timestamp = j.next_timestamp
    out.level = 127


cdef inline void show(const jitter_t* j, int slot, jitter_pulled_t* out) noexcept nogil:
    cdef const jitter_slot_t* s = &j.slots[slot]
    cdef int i, at = 0
    out.level = s.level
    out.source_changed = s.source_changed
    out.seq = <uint16_t>s.seq
    out.timestamp = s.timestamp
    out.n_prime = s.n_prime
    for i in range(s.n_prime):
        out.prime[i] = &s.bytes[at]
        out.prime_bytes[i] = s.prime_bytes[i]
        at += s.prime_bytes[i]
    out.data = &s.bytes[at]
    out.n_bytes = s.n_bytes
    out.dtx = s.n_bytes <= DTX_BYTES


cdef inline void wait(jitter_t* j, jitter_pulled_t* out) noexcept nogil:
    clear(j, out)
    out.status = PULL_WAIT
    # A WAIT between two frames of a spurt (stretching) leaves it playing; all others end it.
    if j.n_waiting == 0:
        j.playing = False
    j.after_gap = True
    j.starved += not j.quiet and not j.playing
    j.lost_run = j.unplaced = 0
    j.counters.waits += 1


cdef inline void lose(jitter_t* j, jitter_pulled_t* out) noexcept nogil:
    clear(j, out)
    out.status = PULL_LOST
    out.level = j.level
    out.standing = j.unplaced > 0
    j.lost_run += 1
    j.counters.lost += 1


cdef inline void recover(jitter_t* j, int64_t first, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    # The carrier stays where it is; it is due at the next pull.
    cdef const jitter_slot_t* s = &j.slots[waiting(j, first)]
    clear(j, out)
    out.status = PULL_FEC
    out.level = s.level
    out.data = &s.bytes[0]
    out.n_bytes = s.n_bytes
    if s.n_prime > 0:
        out.data += s.prime_bytes[0]
    if s.n_prime > 1:
        out.data += s.prime_bytes[1]
    j.counters.delay_us = delay_of(j, j.next_timestamp, now_us)
    j.next_seq += 1
    j.next_timestamp += FRAME_SAMPLES
    j.lost_run = j.unplaced = 0
    j.counters.fec += 1


cdef inline void play(jitter_t* j, int64_t first, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    cdef int slot = slot_take_out(j, first)
    cdef const jitter_slot_t* s = &j.slots[slot]
    cdef int i
    clear(j, out)
    show(j, slot, out)
    out.status = PULL_FRAME
    out.source_changed = s.source_changed or j.source_changed
    out.after_gap = j.after_gap
    j.source_changed = False
    j.counters.delay_us = delay_of(j, s.timestamp, now_us)
    j.level = s.level
    if s.timestamp - j.next_timestamp == (first - j.next_seq) * FRAME_SAMPLES:
        # The numbers say that there was sound all the time.
        j.counters.interrupted += j.starved
        if (j.starved > 0 or j.unplaced > 0) and not j.longer:
            j.delay.broken_us = now_us
    j.starved = 0
    j.longer = False
    if j.history[JITTER_HISTORY - 1] >= 0:
        slot_free(j, j.history[JITTER_HISTORY - 1])
    for i in range(JITTER_HISTORY - 1, 0, -1):
        j.history[i] = j.history[i - 1]
    j.history[0] = <int8_t>slot
    j.next_seq = first + 1
    j.next_timestamp = s.timestamp + FRAME_SAMPLES
    j.lost_run = j.unplaced = 0
    j.playing = not out.dtx  # after DTX nothing is due until the next spurt
    j.after_gap = j.quiet = out.dtx
    j.counters.frames += 1


cdef inline int64_t drop_stale(jitter_t* j, int64_t first) noexcept nogil:
    # Keeps the target's worth of the newest frames.
    cdef int keep = <int>(j.delay.target_us // FRAME_US) + 1
    j.counters.stale_dropped += j.n_waiting - keep
    while j.n_waiting > keep:
        drop(j, first)
        while waiting(j, first) < 0:
            first += 1
    drop_before(j, first)
    return first


cdef inline int64_t slack_of(const jitter_t* j, int64_t timestamp, int64_t now_us) noexcept nogil:
    # How much later than the fastest packet of the window a frame pulled now could have come.
    return now_us - samples_to_us(timestamp) - delay_base_us(&j.delay)


cdef inline int64_t delay_of(const jitter_t* j, int64_t timestamp, int64_t now_us) noexcept nogil:
    # How long after the fastest packet of the window could have brought it a frame pulled now is heard.
    return slack_of(j, timestamp - j.held_samples, now_us)


cdef inline void begin_spurt(jitter_t* j, int64_t first, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    # Waits until the frame is as old as the target asks. Frames that follow on DTX without a pause are in turn.
    cdef int64_t timestamp = j.slots[waiting(j, first)].timestamp
    j.playing = slack_of(j, timestamp, now_us) >= j.delay.target_us
    if not j.playing:
        wait(j, out)
    elif first == j.next_seq and timestamp == j.next_timestamp:
        play_in_turn(j, first, now_us, out)
    else:
        play(j, first, now_us, out)


cdef inline void play_in_turn(jitter_t* j, int64_t first, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    cdef const jitter_slot_t* s = &j.slots[waiting(j, first)]
    cdef bint silent = s.n_bytes <= DTX_BYTES or (s.level & 0x7F) >= SILENT_LEVEL
    cdef int following = waiting(j, first + 1)
    cdef bint joined = following >= 0 and j.slots[following].timestamp == s.timestamp + FRAME_SAMPLES
    cdef int64_t slack_us = slack_of(j, s.timestamp, now_us)
    cdef int scale = wanted_scale(j, slack_us, s.n_bytes <= DTX_BYTES, now_us)
    if silent and (scale == SCALE_STRETCH or scale == SCALE_FAST_STRETCH):
        j.counters.stretched += 1
        j.scaled_us = now_us
        wait(j, out)
        out.scale = SCALE_STRETCH
        return
    if silent and joined and not s.source_changed and s.n_prime == 0 and (
            scale == SCALE_ACCELERATE or scale == SCALE_FAST_ACCELERATE):
        drop(j, first)
        j.counters.accelerated += 1
        j.scaled_us = now_us
        play(j, first + 1, now_us, out)
        return
    play(j, first, now_us, out)
    say_scale(j, scale, slack_us, joined, out)


cdef inline int wanted_scale(jitter_t* j, int64_t slack_us, bint last, int64_t now_us) noexcept nogil:
    # The one decision that whole frames and time scaling share. A pull takes a whole frame, so the frame due is
    # protected against what comes late by `slack_us`, which moves in steps of a frame: up as soon as it is below
    # the target, down when a step less leaves it above.
    cdef int64_t spare_us = slack_us - j.delay.target_us
    if spare_us < FRAME_US:
        j.tight_us = now_us
    if spare_us >= FAST_US:
        return SCALE_FAST_ACCELERATE
    if not last and is_overdue(j, slack_us):
        return SCALE_FAST_STRETCH
    if now_us - j.scaled_us < SCALE_APART_US:
        return SCALE_NONE
    if spare_us >= DOWN_US or (spare_us >= FRAME_US and now_us - j.tight_us >= DOWN_FOR_US):
        return SCALE_ACCELERATE
    if spare_us < 0:
        return SCALE_STRETCH
    return SCALE_NONE


cdef inline bint is_overdue(const jitter_t* j, int64_t slack_us) noexcept nogil:
    # The frame due is the only one, and the next is later already than most intervals have seen: it may be the
    # beginning of a hole, and a frame made longer now is less to conceal in it.
    return j.n_waiting == 1 and slack_us - FRAME_US >= j.delay.usual_us


@cython.cdivision(True)
cdef inline void say_scale(const jitter_t* j, int scale, int64_t slack_us, bint joined, jitter_pulled_t* out) noexcept nogil:
    # What is held back of a frame protects nothing: to shorten, the next frame is pulled at once, and as long as
    # something is held it goes first; to lengthen, the held is to fill a frame.
    cdef int64_t spare_us = slack_us - j.delay.target_us
    cdef int room = j.held_samples
    if scale == SCALE_STRETCH or scale == SCALE_FAST_STRETCH:
        room = FRAME_SAMPLES - j.held_samples + OVERSHOOT_SAMPLES
    elif scale == SCALE_NONE:
        if room < SCRAP_SAMPLES or spare_us < 0:
            return
        scale = SCALE_ACCELERATE
    elif joined:
        room += <int>(spare_us // FRAME_US) * FRAME_SAMPLES
    if room >= SCRAP_SAMPLES:
        out.scale = scale
        out.room_samples = room


cdef inline void bridge(jitter_t* j, int64_t first, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    # Numbers are missing before the first waiting frame.
    cdef const jitter_slot_t* s = &j.slots[waiting(j, first)]
    cdef int64_t gap = first - j.next_seq
    cdef int64_t skip = min(<int64_t>j.unplaced, gap)   # concealed already, while nothing was there
    if skip == gap and s.has_fec and slack_of(j, s.timestamp, now_us) < j.delay.target_us:
        skip = gap - 1      # the delay wants to grow: what was lost is heard after all
    elif skip < gap and j.lost_run > 0 and samples_to_us((j.highest_seq - first + 1) * FRAME_SAMPLES) > (
            j.delay.target_us + MERGE_US):
        skip = gap - 1 if s.has_fec else gap
    j.next_seq += skip
    j.next_timestamp += skip * FRAME_SAMPLES
    j.unplaced = 0
    if first == j.next_seq:
        if s.timestamp == j.next_timestamp:
            play(j, first, now_us, out)
        else:
            begin_spurt(j, first, now_us, out)
    elif first == j.next_seq + 1 and s.has_fec:
        recover(j, first, now_us, out)
    elif j.lost_run < MAX_LOST_RUN:
        lose(j, out)
        j.next_seq += 1
        j.next_timestamp += FRAME_SAMPLES
    else:
        begin_spurt(j, first, now_us, out)


cdef inline void take_due(jitter_t* j, int64_t now_us, jitter_pulled_t* out) noexcept nogil:
    cdef int64_t first
    cdef int slot
    j.pulled_us = now_us
    if j.n_waiting == 0:
        if j.playing and j.lost_run < MAX_LOST_RUN:
            j.unplaced += 1
            lose(j, out)
        else:
            wait(j, out)
        return
    first = first_waiting(j)
    if j.n_waiting > j.delay.target_us // FRAME_US + STALE_FRAMES:
        first = drop_stale(j, first)
    slot = waiting(j, first)
    if not j.playing:
        begin_spurt(j, first, now_us, out)
    elif first == j.next_seq:
        if j.slots[slot].timestamp == j.next_timestamp:
            play_in_turn(j, first, now_us, out)
        else:  # the source paused and did not say so
            begin_spurt(j, first, now_us, out)
    elif j.slots[slot].source_changed or j.source_changed:
        begin_spurt(j, first, now_us, out)  # numbers skipped at a change of source are no loss
    else:
        bridge(j, first, now_us, out)
