/* Which packet numbers were received: ranges for ACK frames, a window against duplicates. Shared by both stacks. */
#include "plane.h"

#include <string.h>

static void forget_oldest(conn_t *conn) {
    memmove(conn->ranges, conn->ranges + 1, sizeof(range_t) * (size_t)(conn->n_ranges - 1));
    conn->n_ranges--;
}

void conn_range_add(conn_t *conn, int64_t start, int64_t stop) {
    range_t *ranges = conn->ranges;
    int at = conn->n_ranges;
    while (at > 0 && ranges[at - 1].start > stop)   /* from the top: new numbers are high ones */
        at--;
    if (at > 0 && ranges[at - 1].stop >= start) {   /* touches the range below: one with it, and with others under it */
        range_t *into = &ranges[at - 1];
        if (into->stop < stop)
            into->stop = stop;
        if (into->start > start)
            into->start = start;
        int first = at - 1;
        while (first > 0 && ranges[first - 1].stop >= into->start)
            first--;
        if (first < at - 1) {
            if (ranges[first].start > into->start)
                ranges[first].start = into->start;
            ranges[first].stop = into->stop;
            memmove(ranges + first + 1, ranges + at, sizeof(range_t) * (size_t)(conn->n_ranges - at));
            conn->n_ranges -= at - 1 - first;
        }
        return;
    }
    if (conn->n_ranges == PLANE_RANGES) {
        if (at == 0)
            return;                                 /* older than all that are remembered: its ACK is forgone */
        forget_oldest(conn);
        at--;
    }
    memmove(ranges + at + 1, ranges + at, sizeof(range_t) * (size_t)(conn->n_ranges - at));
    ranges[at].start = start;
    ranges[at].stop = stop;
    conn->n_ranges++;
}

void conn_range_drop(conn_t *conn, int64_t stop) {
    int gone = 0;
    while (gone < conn->n_ranges && conn->ranges[gone].stop <= stop)
        gone++;
    if (gone > 0) {
        memmove(conn->ranges, conn->ranges + gone, sizeof(range_t) * (size_t)(conn->n_ranges - gone));
        conn->n_ranges -= gone;
    }
    if (conn->n_ranges > 0 && conn->ranges[0].start < stop)
        conn->ranges[0].start = stop;
}

int conn_seen(const conn_t *conn, int64_t pn) {
    int64_t back = conn->window_top - pn;
    if (back < 0)
        return 0;
    if (back >= PLANE_WINDOW)
        return 1;   /* too old to tell: RFC 9000 section 13.2.3 lets us take it for a duplicate */
    return (conn->window[back >> 6] >> (back & 63)) & 1;
}

void conn_mark(conn_t *conn, int64_t pn) {
    int64_t ahead = pn - conn->window_top;
    if (ahead <= 0) {
        if (-ahead < PLANE_WINDOW)
            conn->window[-ahead >> 6] |= UINT64_C(1) << (-ahead & 63);
        return;
    }
    if (ahead >= PLANE_WINDOW) {
        conn->window[0] = conn->window[1] = 0;
    } else if (ahead >= 64) {
        conn->window[1] = conn->window[0] << (ahead - 64);
        conn->window[0] = 0;
    } else {
        conn->window[1] = conn->window[1] << ahead | conn->window[0] >> (64 - ahead);
        conn->window[0] <<= ahead;
    }
    conn->window[0] |= 1;
    conn->window_top = pn;
}
