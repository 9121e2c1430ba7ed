"""Delivery to many listeners of one mix: which frames existed, who got them, how evenly they came. No clock."""

from collections import namedtuple

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from spacecore._packet cimport (
    DATAGRAM_MAX_BYTES, FRAME_TICKS, KIND_AUDIO, PACKET_OK, REPORT_BYTES, audio_t, packet_kind, packet_pack_report,
    packet_parse_audio, report_t, seq_distance,
)

__all__ = ["KNOWN_FRAMES", "Board", "Delivery", "EarDelivery"]

globals()["KNOWN_FRAMES"] = TALLY_RING

cdef enum:
    PAUSE_BYTES = 2              # a frame of so few bytes says: silence from here
    PLAYOUT_MS = 60              # what a report says of the jitter buffer that nobody has here

Delivery = namedtuple(
    "Delivery",
    "listeners expected received datagrams bytes frames duplicates late strays malformed mismatched pauses bundled "
    "longest_gap_us deaf",
)
Delivery.__doc__ = """What the listeners got since the last mark; counts are of all of them together.

`expected` and `received` are frames that had time to settle; `frames` counts every new frame as it comes. `late` came
after its time, `strays` fit no numbering, `mismatched` had other bytes than the first listener's. `bundled` are
datagrams of more than one frame. `deaf` is the number of listeners that got nothing of what they should have.
"""

EarDelivery = namedtuple("EarDelivery", "ear expected received longest_gap_us jitter_us")
EarDelivery.__doc__ = "One listener since the last mark; jitter as RFC 3550 section 6.4.1 has it, as of now."


include "_tally_kernels.pxi"


# --- the Python face ------------------------------------------------------------------------------------------

cdef class Board:
    """Who of `ears` listeners of one mix got what. Times are µs of one monotonic clock, given with every call.

    A frame is known to have existed once any listener had it, or had the one after it; each listener that has joined
    owes itself every one of them, so one that gets nothing at all shows as loss. A frame that comes more than half a
    second after the first listener had it is lost. `mark` begins a new measurement.
    """

    def __cinit__(self, int ears, *, bint check_bytes=True):
        if ears < 1:
            raise ValueError(f"{ears} ears: there must be at least 1")
        self.n_ears = ears
        self.board = <board_t*>calloc(1, sizeof(board_t))
        self.ear = <ear_t*>calloc(ears, sizeof(ear_t))
        if self.board == NULL or self.ear == NULL:
            raise MemoryError()
        board_begin(self.board, check_bytes)

    def __init__(self, int ears, *, bint check_bytes=True):
        pass

    def __dealloc__(self):
        free(self.board)
        free(self.ear)

    cdef ear_t* at(self, int index) except NULL:
        if not 0 <= index < self.n_ears:
            raise IndexError(f"ear {index} is outside 0..{self.n_ears - 1}")
        return &self.ear[index]

    def listen(self, int index, int64_t joined_us):
        """This listener is in the Space since then: from now on what it does not get is loss."""
        cdef ear_t* ear = self.at(index)
        memset(ear, 0, sizeof(ear_t))
        ear.state = EAR_WAITING
        ear.joined_us = joined_us
        ear.highest = -1

    def end(self, int index, int64_t now_us):
        """This listener leaves on purpose: what is not settled by now does not count."""
        cdef ear_t* ear = self.at(index)
        cdef int64_t expected = 0
        cdef int64_t received = 0
        cdef int64_t seq = -1
        cdef int64_t until = settled(self.board, now_us, &seq)
        if ear.state == EAR_WAITING or ear.state == EAR_HEARING:
            owed(self.board, ear, until, seq, &expected, &received)
            ear.base = until - expected
            ear.ended = until
            ear.received = received
            ear.state = EAR_ENDED

    def hear(self, int index, const uint8_t[::1] datagram not None, int64_t arrived_us):
        """One datagram that came to this listener."""
        cdef int n_bytes = <int>min(datagram.shape[0], DATAGRAM_MAX_BYTES + 1)
        board_take(self.board, self.at(index), &datagram[0] if n_bytes else NULL, n_bytes, arrived_us)

    def sample(self):
        """Put everybody's present jitter into the distribution: once a second it is one of listener-seconds."""
        cdef int i
        for i in range(self.n_ears):
            if self.ear[i].state == EAR_HEARING and self.ear[i].has_transit:
                histogram_put(&self.board.jitters, self.ear[i].jitter >> 4)

    def mark(self, int64_t now_us):
        """Begin a new measurement: what is not settled yet counts in the new one."""
        cdef int64_t expected = 0
        cdef int64_t received = 0
        cdef int64_t seq = -1
        cdef int64_t until = settled(self.board, now_us, &seq)
        cdef ear_t* ear
        cdef int i
        for i in range(self.n_ears):
            ear = &self.ear[i]
            owed(self.board, ear, until, seq, &expected, &received)
            if ear.state == EAR_ENDED:
                ear.state = EAR_IDLE
            elif ear.state == EAR_HEARING:
                ear.received -= received
                ear.base = until if until > ear.base else ear.base
            elif ear.state == EAR_WAITING and ear.joined_us + TALLY_GRACE_US < now_us - TALLY_SETTLE_US:
                ear.joined_us = now_us - TALLY_SETTLE_US - TALLY_GRACE_US + 1
            ear.longest_gap_us = 0
        memset(&self.board.counts, 0, sizeof(tally_counts_t))
        histogram_clear(&self.board.gaps)
        histogram_clear(&self.board.jitters)

    def stats(self, int64_t now_us):
        """The Delivery since the last mark."""
        cdef tally_counts_t* counts = &self.board.counts
        cdef int64_t all_expected = 0
        cdef int64_t all_received = 0
        cdef int64_t longest_us = 0
        cdef int listeners = 0
        cdef int deaf = 0
        for row in self.rows(now_us):
            listeners += 1
            all_expected += row.expected
            all_received += row.received
            longest_us = max(longest_us, row.longest_gap_us)
            deaf += row.expected > 0 and row.received == 0
        return Delivery(
            listeners, all_expected, all_received, counts.datagrams, counts.bytes, counts.frames, counts.duplicates,
            counts.late, counts.strays, counts.malformed, counts.mismatched, counts.pauses, counts.bundled, longest_us, deaf)

    def totals(self, int64_t now_us):
        """(listeners, expected, received) since the last mark; cheaper than `stats`."""
        cdef int64_t expected = 0
        cdef int64_t received = 0
        cdef int64_t all_expected = 0
        cdef int64_t all_received = 0
        cdef int64_t seq = -1
        cdef int64_t until = settled(self.board, now_us, &seq)
        cdef int listeners = 0
        cdef int i
        for i in range(self.n_ears):
            if self.ear[i].state != EAR_IDLE:
                listeners += self.ear[i].state != EAR_ENDED
                owed(self.board, &self.ear[i], until, seq, &expected, &received)
                all_expected += expected
                all_received += received
        return listeners, all_expected, all_received

    def rows(self, int64_t now_us):
        """An EarDelivery for each listener that is or was in the Space since the last mark."""
        cdef int64_t expected = 0
        cdef int64_t received = 0
        cdef int64_t seq = -1
        cdef int64_t until = settled(self.board, now_us, &seq)
        cdef int64_t longest_us
        cdef ear_t* ear
        cdef int i
        found = []
        for i in range(self.n_ears):
            ear = &self.ear[i]
            if ear.state == EAR_IDLE:
                continue
            owed(self.board, ear, until, seq, &expected, &received)
            # A gap that has not ended yet is one too: others have heard something in it.
            longest_us = ear.longest_gap_us
            if ear.state == EAR_HEARING and ear.last_us:
                longest_us = max(longest_us, self.board.newest_us - ear.last_us)
            elif ear.state == EAR_WAITING and expected:
                longest_us = max(longest_us, self.board.newest_us - ear.joined_us)
            found.append(EarDelivery(i, expected, received, longest_us, ear.jitter >> 4))
        return found

    def gaps(self):
        """Times between datagrams since the last mark, all listeners together: {lower end in µs: how many}."""
        return _sparse(&self.board.gaps)

    def jitters(self):
        """The sampled jitters since the last mark: {lower end in µs: how many}."""
        return _sparse(&self.board.jitters)

    def report(self, int index):
        """The receiver report that this listener owes, or None if nothing came since the last."""
        cdef uint8_t out[REPORT_BYTES]
        cdef int n_bytes = board_report(self.board, self.at(index), out)
        return out[:n_bytes] if n_bytes else None


cdef dict _sparse(histogram_t* histogram):
    cdef int i
    return {i * histogram.width_us: histogram.count[i] for i in range(TALLY_BUCKETS + 1) if histogram.count[i]}
