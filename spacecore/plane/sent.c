/* The fate of native packets: acknowledged or lost, each exactly once; round-trip time; what may be in flight. RFC 9002. */
#include "sent.h"

enum {
    PACKET_THRESHOLD = 3,                   /* RFC 9002 section 6.1.1 */
    GRANULARITY_US = 1000,
    INITIAL_TIMEOUT_US = 666000,            /* twice the initial round-trip time of 333 ms, section 6.2.2 */
    /* Speech is not made slower by a smaller window, only broken. 16 KiB is a second of 128 kbit/s: less is never the
     * limit, and a peer that stays silent for longer gets one packet in each probe timeout. */
    LEAST_WINDOW_BYTES = 16 * 1024,
    GIVEN_UP_TIMEOUTS = 3,
    MOST_DOUBLINGS = 6,
    LONGEST_PROBE_US = 500000               /* a path that comes back is found within this */
};

static sent_t *at(conn_t *conn, uint64_t index) { return &conn->sent[index % PLANE_SENT]; }

static void settle(conn_t *conn, sent_t *sent, int lost) {
    conn->in_flight_bytes -= sent->bytes;
    sent->state = SENT_OVER;
    if (lost) {
        conn->counts.lost++;
        conn->lost_sent_us = sent->sent_us;
    } else {
        conn->counts.acked++;
    }
}

void sent_note(conn_t *conn, int64_t pn, int bytes, int state, int64_t ack_largest, int64_t now_us) {
    if (conn->sent_tail - conn->sent_head == PLANE_SENT) {
        sent_t *oldest = at(conn, conn->sent_head++);
        if (oldest->state == SENT_IN_FLIGHT)
            settle(conn, oldest, 1);
    }
    *at(conn, conn->sent_tail++) =
        (sent_t){.pn = pn, .sent_us = now_us, .ack_largest = ack_largest, .bytes = (uint16_t)bytes, .state = (uint8_t)state};
    if (state == SENT_IN_FLIGHT)
        conn->in_flight_bytes += bytes;
}

static void forget_settled(conn_t *conn) {
    while (conn->sent_head < conn->sent_tail) {
        const sent_t *oldest = at(conn, conn->sent_head);
        if (oldest->state == SENT_IN_FLIGHT ||
            (oldest->state == SENT_ACK_ONLY && oldest->pn > conn->largest_acked - PACKET_THRESHOLD))
            break;
        conn->sent_head++;
    }
}

/* RFC 9002 section 5. */
static void sample_rtt(conn_t *conn, int64_t rtt_us, int64_t delay_us) {
    if (rtt_us < 0)
        rtt_us = 0;
    conn->latest_rtt_us = rtt_us;
    if (conn->smoothed_rtt_us == 0) {
        conn->least_rtt_us = rtt_us;
        conn->smoothed_rtt_us = rtt_us > 0 ? rtt_us : 1;
        conn->rtt_variance_us = rtt_us / 2;
        return;
    }
    if (rtt_us < conn->least_rtt_us)
        conn->least_rtt_us = rtt_us;
    if (delay_us > conn->peer_ack_delay_us)
        delay_us = conn->peer_ack_delay_us;
    if (rtt_us >= conn->least_rtt_us + delay_us)
        rtt_us -= delay_us;
    int64_t off_us = conn->smoothed_rtt_us > rtt_us ? conn->smoothed_rtt_us - rtt_us : rtt_us - conn->smoothed_rtt_us;
    conn->rtt_variance_us = (3 * conn->rtt_variance_us + off_us) / 4;
    conn->smoothed_rtt_us = (7 * conn->smoothed_rtt_us + rtt_us) / 8;
    if (conn->smoothed_rtt_us == 0)
        conn->smoothed_rtt_us = 1;
}

/* The first remembered packet whose number is `pn` or more: the work does not depend on what the peer claims. */
static uint64_t first_from(const conn_t *conn, int64_t pn) {
    uint64_t low = conn->sent_head;
    uint64_t high = conn->sent_tail;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (conn->sent[middle % PLANE_SENT].pn < pn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int was_skipped(const conn_t *conn, int64_t first, int64_t last) {
    uint32_t n = conn->n_skipped < PLANE_SKIPPED ? conn->n_skipped : PLANE_SKIPPED;
    for (uint32_t i = 0; i < n; i++)
        if (conn->skipped[i] >= first && conn->skipped[i] <= last)
            return 1;
    return 0;
}

int conn_acked(conn_t *conn, int64_t first, int64_t last, int is_largest, int64_t delay_us, int64_t now_us) {
    if (last >= conn->pn || was_skipped(conn, first, last))
        return -1;
    for (uint64_t i = first_from(conn, first); i < conn->sent_tail; i++) {
        sent_t *sent = at(conn, i);
        if (sent->pn > last)
            break;
        if (sent->state == SENT_OVER)
            continue;
        if (is_largest && sent->pn == last && sent->state == SENT_IN_FLIGHT)
            sample_rtt(conn, now_us - sent->sent_us, delay_us);
        if (sent->ack_largest >= 0)   /* the peer knows that we have these: RFC 9000 section 13.2.4 */
            conn_range_drop(conn, sent->ack_largest + 1);
        if (sent->state == SENT_IN_FLIGHT)
            settle(conn, sent, 0);
        else
            sent->state = SENT_OVER;
    }
    if (last > conn->largest_acked)
        conn->largest_acked = last;
    conn->given_up = 0;
    return 0;
}

void conn_detect_loss(conn_t *conn, int64_t now_us) {
    int64_t rtt_us = conn->latest_rtt_us > conn->smoothed_rtt_us ? conn->latest_rtt_us : conn->smoothed_rtt_us;
    int64_t patience_us = rtt_us + rtt_us / 8;   /* 9/8, RFC 9002 section 6.1.2 */
    if (patience_us < GRANULARITY_US)
        patience_us = GRANULARITY_US;
    for (uint64_t i = conn->sent_head; i < conn->sent_tail; i++) {
        sent_t *sent = at(conn, i);
        if (sent->pn >= conn->largest_acked)
            break;
        if (sent->state == SENT_IN_FLIGHT &&
            (sent->pn <= conn->largest_acked - PACKET_THRESHOLD || now_us - sent->sent_us >= patience_us))
            settle(conn, sent, 1);
    }
    forget_settled(conn);
}

int64_t conn_probe_timeout_us(const conn_t *conn) {
    if (conn->smoothed_rtt_us == 0)
        return INITIAL_TIMEOUT_US + conn->peer_ack_delay_us;
    int64_t spread_us = 4 * conn->rtt_variance_us;
    if (spread_us < GRANULARITY_US)
        spread_us = GRANULARITY_US;
    return conn->smoothed_rtt_us + spread_us + conn->peer_ack_delay_us;
}

int conn_may_send(conn_t *conn, int bytes, int64_t now_us) {
    int64_t window_bytes = conn->window_bytes > LEAST_WINDOW_BYTES ? conn->window_bytes : LEAST_WINDOW_BYTES;
    if (conn->in_flight_bytes + bytes <= window_bytes)
        return 1;
    /* Each time that nothing at all is acknowledged the patience doubles: a peer that is gone is sent ever less. */
    int64_t timeout_us = conn_probe_timeout_us(conn);
    int64_t patience_us = (GIVEN_UP_TIMEOUTS * timeout_us) << conn->given_up;
    int gave_up = 0;
    for (uint64_t i = conn->sent_head; i < conn->sent_tail; i++) {
        sent_t *sent = at(conn, i);
        if (now_us - sent->sent_us <= patience_us)
            break;
        if (sent->state == SENT_IN_FLIGHT) {
            settle(conn, sent, 1);
            gave_up = 1;
        }
    }
    forget_settled(conn);
    if (gave_up && conn->given_up < MOST_DOUBLINGS)
        conn->given_up++;
    if (conn->in_flight_bytes + bytes <= window_bytes)
        return 1;
    /* Where the tail of what was sent is lost no ACK would ever come: one packet in each timeout asks for one. */
    int64_t since_us = conn->sent_head < conn->sent_tail ? at(conn, conn->sent_head)->sent_us : 0;
    if (conn->probed_us > since_us)
        since_us = conn->probed_us;
    int64_t pause_us = timeout_us << conn->given_up;
    if (pause_us > LONGEST_PROBE_US)
        pause_us = timeout_us > LONGEST_PROBE_US ? timeout_us : LONGEST_PROBE_US;
    if (now_us - since_us >= pause_us) {
        conn->probed_us = now_us;
        if (conn->sent_head < conn->sent_tail && at(conn, conn->sent_head)->state == SENT_IN_FLIGHT)
            settle(conn, at(conn, conn->sent_head), 1);   /* it takes the oldest one's place */
        forget_settled(conn);
        return 1;
    }
    conn->counts.window_dropped++;
    return 0;
}
