# Delivery to many listeners of one mix: which frames existed, who got them, how evenly they came.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    TALLY_RING = 8192            # frames that are remembered: 164 s
    TALLY_BUCKETS = 10000        # of a histogram; one more takes all that is beyond
    TALLY_GAP_BUCKET_US = 100
    TALLY_JITTER_BUCKET_US = 10
    TALLY_SETTLE_US = 500000     # a frame that came later than this after the first listener had it is lost
    TALLY_GRACE_US = 200000      # after `joined`, before which nothing is owed to a listener

cdef enum:
    EAR_IDLE = 0                 # not in the Space yet
    EAR_WAITING = 1              # in it, nothing heard yet
    EAR_HEARING = 2
    EAR_ENDED = 3                # left on purpose

# A frame of the mix that is known to have existed, because somebody heard it or the one after it.
cdef struct frame_t:
    int64_t seq                  # unwrapped, -1: none
    int64_t heard_us             # when the first listener had it
    int64_t ordinal              # frames that existed up to it and with it
    uint64_t hash                # of its bytes, 0: nobody had it yet

cdef struct histogram_t:
    int64_t width_us
    int64_t n, sum_us, max_us
    int64_t count[TALLY_BUCKETS + 1]

cdef struct ear_t:
    int state
    int64_t joined_us
    int64_t base                 # ordinal of the last frame that does not count
    int64_t ended                # ordinal of the last frame that counts, once EAR_ENDED
    int64_t highest              # unwrapped seq, -1: none
    uint64_t window              # bit i: it has highest - i
    int64_t received             # different frames beyond base
    int64_t last_us              # arrival of the last datagram with something new, 0: none, or a pause came
    int64_t longest_gap_us
    int64_t transit_us
    bint has_transit
    int64_t jitter               # RFC 3550 section 6.4.1, in 1/16 µs as in its appendix A.8
    int64_t told                 # ordinal up to which a receiver report told
    int64_t told_received        # frames since that report

cdef struct tally_counts_t:
    int64_t datagrams, bytes, frames, duplicates, late, strays, malformed, mismatched, pauses, bundled

cdef struct board_t:
    bint check_bytes
    int64_t highest, ordinal
    bint silent                  # the newest frame said so
    int64_t newest_us            # when the newest frame was first heard
    frame_t frame[TALLY_RING]
    tally_counts_t counts
    histogram_t gaps, jitters

cdef void board_begin(board_t* board, bint check_bytes) noexcept nogil
cdef void board_take(board_t* board, ear_t* ear, const uint8_t* data, int n_bytes, int64_t arrived_us) noexcept nogil
# The report that this listener owes, REPORT_BYTES into `out`; 0 if nothing came since the last.
cdef int board_report(board_t* board, ear_t* ear, uint8_t* out) noexcept nogil

cdef class Board:
    cdef board_t* board
    cdef ear_t* ear
    cdef readonly int n_ears
    cdef ear_t* at(self, int index) except NULL
