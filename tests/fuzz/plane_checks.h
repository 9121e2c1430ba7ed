/* What must hold of a connection after every packet, and of those that must not have changed. */
#ifndef TESTS_FUZZ_PLANE_CHECKS_H
#define TESTS_FUZZ_PLANE_CHECKS_H

#include "plane_pair.h"

#include <inttypes.h>

enum { REMEMBERED = 1 << 14 };

static struct {
    uint64_t seed, packets, wanted;
    const char *doing;
} run;

#define CHECK(holds) ((holds) ? (void)0 : fail(#holds, __LINE__))

static void fail(const char *what, int line) {
    fprintf(stderr, "plane_fuzz: %s does not hold (line %d), while %s, at packet %" PRIu64 " of seed %" PRIu64 "\n",
            what, line, run.doing, run.packets, run.seed);
    fprintf(stderr, "repeat:  make fuzz SEED=%" PRIu64 " PACKETS=%" PRIu64 "\n", run.seed, run.wanted);
    abort();
}

/* What the harness knows of one end by itself. */
typedef struct {
    conn_t before;                  /* as it was before the packet */
    int64_t taken[REMEMBERED];      /* numbers that were taken in, by number modulo */
    int64_t next_pn;                /* the next number that this end may use */
    uint64_t eliciting;             /* packets that it sealed natively and that ask for an ACK */
} end_t;

static inline void end_reset(end_t *end) {
    memset(end, 0, sizeof *end);
    for (int i = 0; i < REMEMBERED; i++)
        end->taken[i] = -1;
}

static inline int end_took(end_t *end, int64_t pn) { return end->taken[pn % REMEMBERED] == pn; }

static inline void end_note(end_t *end, int64_t pn) {
    CHECK(!end_took(end, pn));      /* nothing is delivered twice */
    end->taken[pn % REMEMBERED] = pn;
}

static inline void snapshot(end_t *end, const conn_t *conn) { memcpy(&end->before, conn, sizeof *conn); }

/* Nothing but counters may differ, and of those only what says why the packet was not taken in. */
static inline void check_unchanged(const end_t *end, const conn_t *conn) {
    static conn_t now;
    memcpy(&now, conn, sizeof now);
    const conn_counts_t *were = &end->before.counts;
    uint64_t told = now.counts.forged + now.counts.duplicates + now.counts.slow;
    CHECK(told - (were->forged + were->duplicates + were->slow) <= 1);
    CHECK(now.forged - end->before.forged <= 1);
    now.counts.forged = were->forged;
    now.counts.duplicates = were->duplicates;
    now.counts.slow = were->slow;
    now.forged = end->before.forged;
    CHECK(memcmp(&now, &end->before, sizeof now) == 0);
}

/* The receive side is as it was: the packet can still come in over the other stack. */
static inline void check_not_taken_in(const end_t *end, const conn_t *conn) {
    const conn_t *before = &end->before;
    CHECK(conn->expected_pn == before->expected_pn && conn->largest_pn == before->largest_pn);
    CHECK(conn->largest_at_us == before->largest_at_us && conn->received_us == before->received_us);
    CHECK(conn->window_top == before->window_top && memcmp(conn->window, before->window, sizeof conn->window) == 0);
    CHECK(conn->ack_pending == before->ack_pending && conn->ack_due_us == before->ack_due_us);
    CHECK(conn->pn == before->pn && conn->flags == before->flags && conn->rx_phase == before->rx_phase);
    CHECK(conn->counts.received == before->counts.received && conn->counts.slow - before->counts.slow <= 1);
}

static inline void check_ranges(const conn_t *conn) {
    CHECK(conn->n_ranges >= 0 && conn->n_ranges <= PLANE_RANGES);
    for (int i = 0; i < conn->n_ranges; i++) {
        CHECK(conn->ranges[i].start >= 0 && conn->ranges[i].start < conn->ranges[i].stop);
        CHECK(i == 0 || conn->ranges[i - 1].stop < conn->ranges[i].start);
    }
    CHECK(conn->n_ranges == 0 || conn->ranges[conn->n_ranges - 1].stop <= conn->expected_pn);
}

/* The FIFO is in order; each packet that asked for an ACK is in flight, acknowledged or lost: exactly one of these. */
static inline void check_sent(const end_t *end, const conn_t *conn) {
    int64_t in_flight_bytes = 0, before = -1;
    uint64_t in_flight = 0;
    CHECK(conn->sent_head <= conn->sent_tail && conn->sent_tail - conn->sent_head <= PLANE_SENT);
    for (uint64_t i = conn->sent_head; i < conn->sent_tail; i++) {
        const sent_t *sent = &conn->sent[i % PLANE_SENT];
        CHECK(sent->pn > before && sent->pn < conn->pn);
        CHECK(sent->state <= SENT_ACK_ONLY);
        before = sent->pn;
        if (sent->state == SENT_IN_FLIGHT) {
            in_flight++;
            in_flight_bytes += sent->bytes;
        }
    }
    CHECK(conn->in_flight_bytes >= 0 && conn->in_flight_bytes == in_flight_bytes);
    CHECK(end->eliciting == in_flight + conn->counts.acked + conn->counts.lost);
}

static inline void check_conn(const end_t *end, const conn_t *conn) {
    check_ranges(conn);
    check_sent(end, conn);
    CHECK(conn->pn == end->next_pn);
    CHECK(conn->largest_acked < conn->pn);
    CHECK(conn->smoothed_rtt_us >= 0 && conn->rtt_variance_us >= 0);
    CHECK(conn->largest_pn < conn->expected_pn || conn->largest_pn == -1);
}

#endif
