# What a jitter buffer holds of a stream: a pool of slots, a place for each number that may wait, and what fits.
from libc.stdint cimport INT64_MIN, int8_t, int64_t
from libc.string cimport memcpy

from spacecore._jitter cimport (
    JITTER_CAPACITY, JITTER_HISTORY, JITTER_SEEN, JITTER_WINDOW, jitter_packet_t, jitter_slot_t, jitter_t,
    samples_to_us,
)
from spacecore.delay cimport delay_base_us, delay_start

cdef enum:
    FRAME_SAMPLES = 960
    FRAME_US = 20000
    HORIZON_SAMPLES = 240000    # 5 s: a timestamp further off than this is of another stream
    HORIZON_US = 5000000
    START_BACK = 8              # frames older than a stream's first packet that are still taken


cdef inline int waiting(const jitter_t* j, int64_t seq) noexcept nogil:
    cdef int slot = j.slot_of[seq & (JITTER_CAPACITY - 1)]
    return slot if slot >= 0 and j.slots[slot].seq == seq else -1


cdef inline int64_t first_waiting(const jitter_t* j) noexcept nogil:
    # There must be one.
    cdef int64_t seq = j.next_seq
    while waiting(j, seq) < 0:
        seq += 1
    return seq


cdef inline void slot_free(jitter_t* j, int slot) noexcept nogil:
    j.free_slots[j.n_free] = <int8_t>slot
    j.n_free += 1


cdef inline int slot_take_out(jitter_t* j, int64_t seq) noexcept nogil:
    cdef int64_t place = seq & (JITTER_CAPACITY - 1)
    cdef int slot = j.slot_of[place]
    j.slot_of[place] = -1
    j.n_waiting -= 1
    return slot


cdef inline void drop(jitter_t* j, int64_t seq) noexcept nogil:
    cdef int slot = slot_take_out(j, seq)
    j.source_changed = j.source_changed or j.slots[slot].source_changed
    slot_free(j, slot)


cdef inline int drop_before(jitter_t* j, int64_t seq) noexcept nogil:
    # By place, not by number: the distance may be thousands.
    cdef int place, slot, dropped = 0
    for place in range(JITTER_CAPACITY):
        slot = j.slot_of[place]
        if slot >= 0 and j.slots[slot].seq < seq:
            drop(j, j.slots[slot].seq)
            dropped += 1
    if seq > j.next_seq:
        j.next_timestamp += (seq - j.next_seq) * FRAME_SAMPLES
        j.next_seq = seq
        j.playing = False
        j.lost_run = j.unplaced = 0
    return dropped


cdef inline void store(jitter_t* j, const jitter_packet_t* p, int64_t seq, int64_t timestamp) noexcept nogil:
    # There is always a free slot: JITTER_WINDOW numbers may wait, JITTER_HISTORY slots are held after that.
    cdef int i, slot, at = 0
    cdef jitter_slot_t* s
    j.n_free -= 1
    slot = j.free_slots[j.n_free]
    s = &j.slots[slot]
    s.seq = seq
    s.timestamp = timestamp
    s.level = p.level
    s.source_changed = p.source_changed
    s.has_fec = p.has_fec
    s.n_bytes = p.n_bytes
    s.n_prime = p.n_prime
    for i in range(p.n_prime):
        s.prime_bytes[i] = p.prime_bytes[i]
        memcpy(&s.bytes[at], p.prime[i], p.prime_bytes[i])
        at += p.prime_bytes[i]
    if p.n_bytes > 0:
        memcpy(&s.bytes[at], p.data, p.n_bytes)
    j.slot_of[seq & (JITTER_CAPACITY - 1)] = <int8_t>slot
    j.seen[seq & (JITTER_SEEN - 1)] = seq
    j.highest_seq = max(j.highest_seq, seq)
    j.n_waiting += 1


cdef inline void stream_start(
        jitter_t* j, int64_t seq, int64_t timestamp, int64_t held_back_us, int64_t now_us) noexcept nogil:
    # Forgets all but the counters. Nothing may be waiting.
    cdef int i
    for i in range(JITTER_HISTORY):
        if j.history[i] >= 0:
            slot_free(j, j.history[i])
            j.history[i] = -1
    for i in range(JITTER_SEEN):
        j.seen[i] = INT64_MIN
    j.started = True
    j.playing = False
    j.after_gap = True
    j.source_changed = False
    j.fec_seen = j.longer = False
    j.quiet = True
    j.level = 127
    j.lost_run = j.unplaced = j.starved = 0
    j.next_seq = seq - START_BACK
    j.next_timestamp = timestamp - HORIZON_SAMPLES
    j.newest_seq = j.highest_seq = seq
    j.newest_timestamp = timestamp
    delay_start(&j.delay, timestamp, now_us - samples_to_us(timestamp), held_back_us, now_us)


cdef inline bint is_new_stream(const jitter_t* j, int64_t seq, int64_t timestamp, int64_t now_us) noexcept nogil:
    # Judged against the newest packet: a timestamp that is beyond the horizon, or that its number contradicts.
    # A long pause is no new stream: the clock explains the distance.
    cdef int64_t samples = timestamp - j.newest_timestamp
    cdef int64_t at_least = (seq - j.newest_seq) * FRAME_SAMPLES
    cdef int64_t late_us
    if samples < -HORIZON_SAMPLES:
        return True
    if seq <= j.newest_seq:
        return samples > at_least or (seq == j.newest_seq and samples != 0)
    late_us = now_us - samples_to_us(timestamp) - delay_base_us(&j.delay)
    return samples < at_least or late_us > HORIZON_US or late_us < -HORIZON_US


cdef inline bint fits(const jitter_t* j, int64_t seq, int64_t timestamp) noexcept nogil:
    # Whether the timestamp goes with those of the nearest waiting frames on both sides.
    cdef int64_t other
    cdef int slot
    for other in range(min(seq, j.highest_seq + 1) - 1, j.next_seq - 1, -1):
        slot = waiting(j, other)
        if slot >= 0:
            if timestamp - j.slots[slot].timestamp < (seq - other) * FRAME_SAMPLES:
                return False
            break
    else:
        if timestamp - j.next_timestamp < (seq - j.next_seq) * FRAME_SAMPLES:
            return False
    for other in range(seq + 1, j.highest_seq + 1):
        slot = waiting(j, other)
        if slot >= 0:
            return j.slots[slot].timestamp - timestamp >= (other - seq) * FRAME_SAMPLES
    return True
