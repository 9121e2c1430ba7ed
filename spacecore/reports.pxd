# What the listeners of a room say about their reception, added up. Plain C; no list of people, however many report.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from spacecore._packet cimport report_t

cdef enum:
    REPORTS_WINDOW_US = 10000000    # what is said of "now" is of the last 10 to 20 s
    REPORTS_STEPS = 101             # loss in whole per cent

cdef struct reports_t:
    uint64_t n
    uint64_t received               # frames, as the next two
    uint64_t lost
    uint64_t concealed
    uint64_t jitter_ms              # sums, for the mean
    uint64_t delay_ms
    uint32_t jitter_ms_max
    int64_t window_us               # when the present window began
    uint32_t recent[REPORTS_STEPS]  # reports of this window by loss
    uint32_t before[REPORTS_STEPS]  # … and of the one before


cdef inline int report_loss_pct(const report_t* report) noexcept nogil:
    """Loss in per cent, rounded up; -1 where nothing was expected."""
    cdef int expected = <int>report.received + report.lost
    return -1 if expected == 0 else (100 * report.lost + expected - 1) // expected


cdef inline void reports_turn(reports_t* reports, int64_t now_us) noexcept nogil:
    """Let what is older than the window go."""
    if now_us - reports.window_us < REPORTS_WINDOW_US:
        return
    if now_us - reports.window_us < 2 * <int64_t>REPORTS_WINDOW_US:
        memcpy(reports.before, reports.recent, sizeof(reports.recent))
    else:
        memset(reports.before, 0, sizeof(reports.before))
    memset(reports.recent, 0, sizeof(reports.recent))
    reports.window_us = now_us


cdef inline void reports_add(reports_t* reports, const report_t* report, int64_t now_us) noexcept nogil:
    cdef int loss_pct = report_loss_pct(report)
    reports_turn(reports, now_us)
    reports.n += 1
    reports.received += report.received
    reports.lost += report.lost
    reports.concealed += report.concealed
    reports.jitter_ms += report.jitter_ms
    reports.delay_ms += report.delay_ms
    if report.jitter_ms > reports.jitter_ms_max:
        reports.jitter_ms_max = report.jitter_ms
    if loss_pct >= 0:
        reports.recent[loss_pct] += 1


cdef inline double reports_worst_tenth_pct(const reports_t* reports) noexcept nogil:
    """Mean loss of the tenth of the recent reports that lost most, at least one of them; 0 where there is none."""
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
