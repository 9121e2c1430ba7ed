# Adaptive jitter buffer of one stream of 20 ms frames, in NetEQ's manner at the level of control. No clock, no
# allocation: `now_us` is an argument, the state is one plain struct. One thread at a time per jitter_t.
#
# **A jitter_t holds at most JITTER_CAPACITY frames, JITTER_HISTORY of them already pulled.** What does not fit
# drops the oldest, counted. Every frame put is pulled at most once.
cimport cython
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from spacecore._packet cimport seq_distance
from spacecore.delay cimport delay_t

cdef enum:
    JITTER_CAPACITY = 64
    JITTER_SLOT_BYTES = 1280        # prime-only frames and the frame itself, together
    JITTER_HISTORY = 3              # the frame pulled last and the two before it, to warm a decoder up
    JITTER_WINDOW = 61              # JITTER_CAPACITY - JITTER_HISTORY: frames that may wait
    JITTER_SEEN = 128               # numbers remembered, to tell a duplicate from a late frame

cdef enum:
    PUT_OK = 0
    PUT_REORDERED = 1               # stored; newer frames came before it
    PUT_DUPLICATE = 2
    PUT_LATE = 3                    # its turn is over
    PUT_RESTART = 4                 # stored; a new stream began with it, what was held of the old is gone
    PUT_OVERFLOW = 5                # stored; the oldest frames were dropped for it
    PUT_TOO_LARGE = 6

cdef enum:
    PULL_WAIT = 0                   # nothing is due: silence
    PULL_FRAME = 1
    PULL_FEC = 2                    # data is the next packet: recover this frame from its in-band FEC
    PULL_LOST = 3                   # conceal one frame
    PULL_HELD = 4                   # never of jitter_pull: its consumer still holds a frame's worth of sound

cdef enum:                          # what the delay still wants of the consumer, where the sound allows it
    SCALE_NONE = 0
    SCALE_ACCELERATE = 1
    SCALE_FAST_ACCELERATE = 2
    SCALE_STRETCH = 3
    SCALE_FAST_STRETCH = 4

cdef struct jitter_packet_t:        # one frame, as jitter_put takes it; the bytes are copied
    uint16_t seq
    uint32_t timestamp              # of its first sample, 48 kHz
    uint8_t level                   # RFC 6464: bits 0–6 are −dBov
    bint source_changed
    bint redundant                  # a second copy of a frame sent before
    bint has_fec                    # carries in-band FEC of the frame before it
    int n_behind                    # frames of its datagram that it waited for at the sender
    const uint8_t* data
    int n_bytes                     # ≤ 2: DTX, "I go silent now"
    int n_prime
    const uint8_t* prime[2]         # decoded and discarded before data
    int prime_bytes[2]

cdef struct jitter_pulled_t:        # pointers stay valid until the next put
    int status
    int scale
    int room_samples                # so much may be removed or added in all
    bint standing                   # LOST: nothing was there, play time stands still meanwhile
    uint8_t level                   # 127 in silence; of the last frame where one is concealed
    bint source_changed
    uint16_t seq                    # FRAME, FEC, LOST: of the frame that is due now
    int64_t timestamp               # unwrapped; rises from frame to frame within a stream
    const uint8_t* data
    int n_bytes
    int n_prime
    const uint8_t* prime[2]
    int prime_bytes[2]
    bint dtx
    bint after_gap                  # the first frame after WAIT or DTX

cdef struct jitter_stats_t:
    # put = duplicate + late + too_large + redundant_ignored
    #     + frames + accelerated + overflow_dropped + stale_dropped + restart_dropped + those still waiting
    # number of pulls = frames + fec + lost + waits
    uint64_t put, reordered, duplicate, late, restarts, too_large
    uint64_t redundant_used, redundant_ignored
    uint64_t overflow_dropped       # no room
    uint64_t stale_dropped          # a backlog far above the target, after a freeze
    uint64_t restart_dropped        # still waiting when a new stream began
    uint64_t frames, fec, lost, waits
    uint64_t accelerated            # frames skipped to shorten the delay
    uint64_t stretched              # waits inserted to lengthen it (also in waits)
    uint64_t interrupted            # of the waits, those that turned out to be holes in running sound
    uint64_t accelerated_samples, stretched_samples     # by the consumer: jitter_note_scaled
    int64_t target_us
    int64_t delay_us                # of the frame pulled last, above the fastest packet of the last 2 s

cdef struct jitter_slot_t:
    int64_t seq, timestamp
    bint source_changed, has_fec
    int n_bytes, n_prime
    int prime_bytes[2]
    uint8_t level
    uint8_t bytes[JITTER_SLOT_BYTES]

cdef struct jitter_t:
    jitter_slot_t slots[JITTER_CAPACITY]
    int8_t slot_of[JITTER_CAPACITY]     # by seq mod 64: the slot of a waiting frame, or −1
    int8_t free_slots[JITTER_CAPACITY]
    int n_free
    int8_t history[JITTER_HISTORY]      # slots of the frames pulled last, latest first, or −1
    int64_t seen[JITTER_SEEN]           # by seq mod 128: the number last put there
    int n_waiting
    bint started                        # a first packet came
    bint playing                        # inside a talk spurt: the next frame is due at every pull
    bint after_gap
    bint source_changed                 # a frame that said so was skipped
    bint fec_seen                       # its packets carry FEC: the sender knows of loss
    bint quiet                          # the source said that it goes silent, or never spoke yet
    bint longer                         # a datagram came that held its first frame back for longer than the target
    int starved                         # waits since the sound broke off without such a word
    uint8_t level
    int lost_run                        # frames concealed in a row
    int unplaced                        # of these, concealed while nothing was there: play time stood still
    int held_samples                    # what the consumer holds beyond a tick, through time scaling
    int64_t next_seq                    # the frame that is due next; lower numbers are late
    int64_t next_timestamp              # a frame of number s ≥ next_seq has at least this + 960 (s − next_seq)
    int64_t newest_seq, newest_timestamp    # of the packets in order, redundant ones apart
    int64_t highest_seq                 # of all frames ever stored in this stream
    int64_t pulled_us, scaled_us        # when the last pull and the last change of delay were
    int64_t tight_us                    # when a frame less would last have been too little
    delay_t delay
    jitter_stats_t counters


# A number that wraps is read as the one nearest to `near`.
cdef inline int64_t unwrap_seq(int64_t near, uint16_t seq) noexcept nogil:
    return near + seq_distance(seq, <uint16_t>near)


cdef inline int64_t unwrap_timestamp(int64_t near, uint32_t timestamp) noexcept nogil:
    return near + <int32_t><uint32_t>(timestamp - <uint32_t>near)


@cython.cdivision(True)
cdef inline int64_t samples_to_us(int64_t samples) noexcept nogil:
    # At 48 kHz; rounds towards zero.
    return samples * 125 // 6


cdef void jitter_init(jitter_t* j, int64_t least_target_us) noexcept nogil
cdef int jitter_put(jitter_t* j, const jitter_packet_t* packet, int64_t now_us) noexcept nogil
cdef void jitter_pull(jitter_t* j, int64_t now_us, jitter_pulled_t* out) noexcept nogil
cdef bint jitter_pull_joined(jitter_t* j, int64_t now_us, jitter_pulled_t* out) noexcept nogil
cdef bint jitter_history(const jitter_t* j, int back, jitter_pulled_t* out) noexcept nogil
cdef bint jitter_peek(const jitter_t* j, jitter_pulled_t* out) noexcept nogil
cdef void jitter_note_scaled(jitter_t* j, int samples) noexcept nogil
cdef void jitter_note_emptied(jitter_t* j) noexcept nogil
cdef void jitter_note_held(jitter_t* j, int held_samples, int64_t now_us) noexcept nogil
cdef void jitter_stats(const jitter_t* j, jitter_stats_t* out) noexcept nogil
