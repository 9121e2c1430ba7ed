# What the people of a room say about their reception, added up. Plain C; no list of people, however many report.
#
# **Everybody has one vote.** Of the loss that somebody reports only their latest word counts, for 10 to 20 s: it is kept as a
# count in a histogram, and who reports again takes the former word back. Whoever knows the person keeps that word, their
# vote, for them; so nobody gains weight by reporting often.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from spacecore._packet cimport report_t

cdef enum:
    REPORTS_WINDOW_US = 10000000    # windows of the clock; what is said of "now" is of the present one and the one before
    REPORTS_VOTE_BITS = 8           # of a vote: loss + 1; above them the window
    NO_VOTE = 0
    REPORTS_STEPS = 101             # loss in whole per cent

cdef struct reports_t:
    uint64_t n
    uint64_t received               # frames, as the next two
    uint64_t lost
    uint64_t concealed
    uint64_t jitter_ms              # sums, for the mean
    uint64_t delay_ms
    uint32_t jitter_ms_max
    int64_t window                  # number of the present window
    uint32_t recent[REPORTS_STEPS]  # reports of this window by loss
    uint32_t before[REPORTS_STEPS]  # … and of the one before


cdef inline int report_loss_pct(const report_t* report) noexcept nogil:
    """Loss in per cent, rounded up; -1 where nothing was expected."""
    cdef int expected = <int>report.received + report.lost
    return -1 if expected == 0 else (100 * report.lost + expected - 1) // expected


cdef inline int64_t reports_window(int64_t now_us) noexcept nogil:
    # Counted from long before any clock, so that it is positive.
    return (now_us + (<int64_t>1 << 60)) // REPORTS_WINDOW_US


cdef inline int64_t reports_vote(const report_t* report, int64_t vote, int64_t now_us) noexcept nogil:
    """What somebody's report comes to, to be given with their next one; a report of nothing leaves `vote`, the one before."""
    cdef int loss_pct = report_loss_pct(report)
    return vote if loss_pct < 0 else reports_window(now_us) << REPORTS_VOTE_BITS | (loss_pct + 1)


cdef inline void reports_turn(reports_t* reports, int64_t now_us) noexcept nogil:
    """Let what is older than the window go."""
    cdef int64_t window = reports_window(now_us)
    if window <= reports.window:
        return
    if window == reports.window + 1:
        memcpy(reports.before, reports.recent, sizeof(reports.recent))
    else:
        memset(reports.before, 0, sizeof(reports.before))
    memset(reports.recent, 0, sizeof(reports.recent))
    reports.window = window


cdef inline void reports_take_back(reports_t* reports, int64_t vote) noexcept nogil:
    cdef int at = <int>(vote & ((1 << REPORTS_VOTE_BITS) - 1)) - 1
    cdef int64_t window = vote >> REPORTS_VOTE_BITS
    if at < 0 or at >= REPORTS_STEPS:
        return
    if window == reports.window and reports.recent[at] > 0:
        reports.recent[at] -= 1
    elif window == reports.window - 1 and reports.before[at] > 0:
        reports.before[at] -= 1


cdef inline void reports_add(reports_t* reports, const report_t* report, int64_t vote, int64_t now_us) noexcept nogil:
    """`vote` is what reports_vote gave for the same person's report before; NO_VOTE if there was none in this room."""
    cdef int loss_pct = report_loss_pct(report)
    cdef int64_t window = reports_window(now_us)
    reports_turn(reports, now_us)
    if loss_pct >= 0:
        reports_take_back(reports, vote)
    reports.n += 1
    reports.received += report.received
    reports.lost += report.lost
    reports.concealed += report.concealed
    reports.jitter_ms += report.jitter_ms
    reports.delay_ms += report.delay_ms
    if report.jitter_ms > reports.jitter_ms_max:
        reports.jitter_ms_max = report.jitter_ms
    if loss_pct >= 0 and window == reports.window:
        reports.recent[loss_pct] += 1
    elif loss_pct >= 0 and window == reports.window - 1:    # it waited to be taken in
        reports.before[loss_pct] += 1


cdef inline double reports_worst_tenth_pct(const reports_t* reports) noexcept nogil:
    """Mean loss of the tenth of those who reported lately that lost most, at least one of them; 0 where there is none."""
    cdef uint64_t n = 0
    cdef uint64_t sum_pct = 0
    cdef uint64_t left
    cdef uint64_t here
    cdef uint64_t tenth
    cdef int i
    for i in range(REPORTS_STEPS):
        n += <uint64_t>reports.recent[i] + reports.before[i]
    if n == 0:
        return 0.0
    tenth = (n + 9) // 10
    left = tenth
    i = REPORTS_STEPS - 1
    while left > 0 and i >= 0:
        here = min(left, <uint64_t>reports.recent[i] + reports.before[i])
        sum_pct += here * <uint64_t>i
        left -= here
        i -= 1
    return <double>sum_pct / <double>tenth
