/* Throws packets at the C core of the data plane, seeded, and checks what must hold after each; see plane_checks.h.
 *
 * plane_fuzz SEED PACKETS [LIBCRYPTO]: prints what was thrown and what became of it; 0, or it aborts and says how to
 * repeat it. Built with sanitizers by tests/fuzz/harness.py. */
#include "plane_frames.h"

enum { STORIES = 6, CLIENT_PLANES = 4, CONNECTIONS = 16 };

static plane_t *server;
static plane_t *clients[CLIENT_PLANES];
static story_t stories[STORIES];
static out_batch_t batch;

static void story_begin(story_t *story, int number) {
    static const suite_t SUITES_IN_TURN[] = {SUITE_AES_128_GCM, SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305};
    static int turn;
    memset(story->letters, 0, sizeof story->letters);
    story->posted[0] = story->posted[1] = 0;
    story->left = 200 + roll(&dice) % 4000;
    run.doing = "opening a pair";
    CHECK(pair_open(&story->pair, server, clients[number % CLIENT_PLANES], SUITES_IN_TURN[turn++ % 3], &dice) == 0);
    for (int end = 0; end < 2; end++) {
        conn_t *conn = story->pair.conn[end];
        end_reset(&story->end[end]);
        conn->pn = story->end[end].next_pn = below(&dice, 4) ? 0 : (int64_t)(roll(&dice) >> (3 + below(&dice, 61)));
        conn->largest_acked = conn->pn - 1;
        story->pair.conn[!end]->expected_pn = conn->pn;
        CHECK(conn->generation & 1);
        CHECK(conn->counts.sent == 0 && conn->n_ranges == 0 && conn->in_flight_bytes == 0);
    }
}

static void story_end(story_t *story) {
    const uint8_t *packet = story->letters[CLIENT][0].packet;
    const int bytes = story->letters[CLIENT][0].bytes;
    conn_t *found = NULL;
    run.doing = "closing a pair";
    pair_close(&story->pair);
    plane_find(server, &packet, &bytes, 1, &found);
    CHECK(found == NULL);
    for (int end = 0; end < 2; end++) {
        conn_t *conn = story->pair.conn[end];
        CHECK(!(conn->generation & 1) && conn->flags == 0 && conn->tx.ctx == NULL && conn->rx.ctx == NULL);
        CHECK(conn_receive(conn, packet, bytes, &story->pair.address[!end], now_us, received) == PLANE_SLOW);
        CHECK(conn_seal(conn, packet, bytes, 1, now_us, batch.packet[0]) == 0);
    }
}

/* A number is in the ranges afterwards if it was before, or was just added; only the oldest may be forgotten. */
static int holds(const conn_t *conn, int64_t pn) {
    for (int i = 0; i < conn->n_ranges; i++)
        if (pn >= conn->ranges[i].start && pn < conn->ranges[i].stop)
            return 1;
    return 0;
}

static void add_range(story_t *story, int end, int64_t start, int64_t stop) {
    conn_t *conn = story->pair.conn[end];
    const conn_t *before = &story->end[end].before;
    snapshot(&story->end[end], conn);
    conn_range_add(conn, start, stop);
    int64_t forgotten = conn->n_ranges == PLANE_RANGES ? conn->ranges[0].start : 0;
    for (int64_t pn = stop + 150; pn > stop - 400 && pn >= forgotten; pn--)
        CHECK(holds(conn, pn) == (holds(before, pn) || (pn >= start && pn < stop)));
}

/* As a bad network leaves it: every third packet is missing. */
static void punch_holes(story_t *story, int end, int64_t from) {
    for (int i = 0; i < PLANE_RANGES + 6; i++)
        if (from + 3 * i + 2 < story->pair.conn[end]->expected_pn)
            add_range(story, end, from + 3 * i, from + 3 * i + 1 + below(&dice, 2));
}

/* So many are sent that the oldest is given up to remember the newest. */
static void act_burst(story_t *story, int end) {
    for (int i = 0; i < PLANE_SENT + 20; i++)
        post(story, end, below(&dice, 4) != 0);
}

/* Some packets of the other stack are in flight, or none; what was told of those before stays told. */
static void set_others(conn_t *conn) {
    int64_t pns[PLANE_OTHERS + 3];
    int n = below(&dice, 8) || conn->pn < 200 ? 0 : 1 + below(&dice, PLANE_OTHERS + 3);
    int64_t pn = conn->pn - 1 - 9 * n;
    for (int i = 0; i < n; i++)
        pns[i] = pn += 1 + below(&dice, 8);
    conn_set_others(conn, pns, n);
    CHECK(conn->n_others == (n > PLANE_OTHERS ? PLANE_OTHERS + 1 : n));
}

/* The other stack takes in, sends and acknowledges packets of its own in the same number space. */
static void act_other(story_t *story, int end) {
    conn_t *conn = story->pair.conn[end];
    int64_t most = conn->expected_pn;
    run.doing = "the other stack's work";
    switch (below(&dice, 9)) {
    case 0:
        story->end[end].next_pn += 1 + below(&dice, below(&dice, 40) ? 300 : 40000);
        CHECK(conn_advance(conn, story->end[end].next_pn) == PLANE_OK);
        if (story->pair.conn[!end]->expected_pn < conn->pn - 10000)   /* nobody runs so far ahead unheard */
            story->pair.conn[!end]->expected_pn = conn->pn;
        break;
    case 1:
        if (most > 400) {
            int64_t start = most - 1 - below(&dice, 400);
            int64_t stop = start + 1 + below(&dice, below(&dice, 4) ? 2 : 60);
            add_range(story, end, start, stop < most ? stop : most);
            if (below(&dice, 8) == 0)
                punch_holes(story, end, most - 4 * PLANE_RANGES);
        }
        break;
    case 2: conn_range_drop(conn, most - below(&dice, 500)); break;
    case 3:
        set_others(conn);
        break;
    case 4:
        conn->window_bytes = below(&dice, 40000);
        conn_may_send(conn, 1 + below(&dice, 1400), now_us);
        break;
    case 5: conn_detect_loss(conn, now_us); break;
    case 6:
        CHECK(conn_acked(conn, conn->pn, conn->pn + below(&dice, 9), 1, 0, now_us) == -1);
        if (conn->pn > 99) {
            int64_t first = conn->pn - 1 - below(&dice, 99);
            CHECK(conn_acked(conn, first, conn->pn - 1, below(&dice, 2), below(&dice, 1 << 20), now_us) == 0);
        }
        break;
    case 7: conn->flags = (uint32_t)(below(&dice, 8) ? PLANE_TX | PLANE_RX : below(&dice, 4)); break;
    default: conn->sealed = below(&dice, 9) ? conn->sealed : conn_seal_limit(conn) - (uint64_t)below(&dice, 3); break;
    }
    check_conn(&story->end[end], conn);
}

/* Frames come while another thread holds the connection; whoever releases it sends them, the newest three. */
static void act_hold(story_t *story, int end) {
    conn_t *conn = story->pair.conn[end];
    uint8_t payload[300];
    int frames = below(&dice, 6);
    int64_t pn = conn->pn;
    fill(&dice, payload, sizeof payload);
    run.doing = "holding a connection";
    plane_lock(conn);
    conn->listener.room = 7;
    for (int i = 0; i < frames; i++) {
        payload[0] = (uint8_t)i;
        CHECK(plane_hold(server, conn, conn->generation, 7, 0, payload, sizeof payload, &batch, -1, now_us) == 1);
    }
    CHECK(batch.n == 0);
    if (below(&dice, 4) == 0)
        conn->listener.room = 0;   /* it left meanwhile: nothing of it is sent */
    int wanted = conn->listener.room == 0 ? 0 : frames < PLANE_HELD ? frames : PLANE_HELD;
    int can = (conn->flags & PLANE_TX) && conn->sealed + conn->sealed_by_other + PLANE_HELD < conn_seal_limit(conn);
    plane_release(server, conn, &batch, -1, now_us);
    CHECK(!can || batch.n == wanted);
    CHECK(conn->pn == pn + batch.n && server->n_held == 0);
    story->end[end].next_pn = conn->pn;
    story->end[end].eliciting += (uint64_t)batch.n;
    for (int i = 0; i < batch.n; i++) {
        deliver(story, end, GENUINE, batch.packet[i], batch.bytes[i], pn + i);
        CHECK(received->n_datagrams == 0 || received->datagram[0][0] == frames - wanted + i);
    }
    batch.n = 0;
    plane_lock(conn);
    CHECK(plane_trylock(conn) == 0);
    plane_unlock(conn);
    check_conn(&story->end[end], conn);
}

static void act(story_t *story) {
    int from = below(&dice, 2);
    int chance = below(&dice, 100);
    now_us += below(&dice, 3000) + (below(&dice, 500) ? 0 : below(&dice, 3000000));
    if (chance < 25)
        act_genuine(story, from);
    else if (chance < 35)
        act_replay(story, from);
    else if (chance < 43)
        act_garbage(story, from);
    else if (chance < 51)
        act_mutate(story, from, TRUNCATED);
    else if (chance < 59)
        act_mutate(story, from, FLIPPED);
    else if (chance < 69)
        act_frames(story, from);
    else if (chance < 79)
        act_ack(story, from, ACKS);
    else if (chance < 83)
        act_ack(story, from, FALSE_ACK);
    else if (chance < 86)
        act_wrong_phase(story, from);
    else if (chance < 87)
        act_update(story, from);
    else if (chance < 90)
        act_stranger(story, from);
    else if (chance < 92)
        act_hold(story, SERVER);
    else if (chance < 93 && below(&dice, 10) == 0)
        act_burst(story, from);
    else
        act_other(story, from);
}

/* Every kind has met every fate that it can meet: a harness that no longer reaches something fails. */
static int report(void) {
    static const int REACHED[KINDS] = {
        [GENUINE] = 1 << PLANE_DONE | 1 << PLANE_SLOW,    [REPLAYED] = 1 << PLANE_DROP | 1 << PLANE_DONE,
        [GARBAGE] = 1 << PLANE_DROP | 1 << PLANE_SLOW,    [TRUNCATED] = 1 << PLANE_DROP | 1 << PLANE_SLOW,
        [FLIPPED] = 1 << PLANE_DROP | 1 << PLANE_SLOW,    [MADE_UP] = 1 << PLANE_DONE | 1 << PLANE_SLOW,
        [ACKS] = 1 << PLANE_DONE | 1 << PLANE_SLOW,       [FALSE_ACK] = 1 << PLANE_VIOLATION,
        [PHASE] = 1 << PLANE_DROP,                        [UPDATED] = 1 << PLANE_DONE | 1 << PLANE_SLOW,
        [STRANGER] = 1 << PLANE_SLOW,
    };
    int status = 0;
    printf("%-24s %10s %10s %10s %10s\n", "packets", "slow", "done", "dropped", "violation");
    for (int kind = 0; kind < KINDS; kind++) {
        const uint64_t *met = verdicts[kind];
        printf("%-24s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", KIND_NAMES[kind], met[PLANE_SLOW],
               met[PLANE_DONE], met[PLANE_DROP], met[PLANE_VIOLATION]);
        for (int verdict = 0; verdict < 5; verdict++)
            if ((REACHED[kind] >> verdict & 1) && met[verdict] == 0) {
                fprintf(stderr, "plane_fuzz: none of the %s met verdict %d; it should\n", KIND_NAMES[kind], verdict);
                status = 1;
            }
    }
    return status;
}

int main(int argc, char **argv) {
    static const int CID_BYTES[CLIENT_PLANES] = {8, 1, 20, 0};
    run.seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    run.wanted = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
    dice.state = run.seed;
    if (crypto_load(argc > 3 ? argv[3] : NULL) != PLANE_OK) {
        fprintf(stderr, "plane_fuzz: %s\n", crypto_error());
        return 2;
    }
    received = calloc(1, sizeof *received);
    server = plane_new(8, CONNECTIONS);
    for (int i = 0; i < CLIENT_PLANES; i++)
        clients[i] = plane_new(CID_BYTES[i], CONNECTIONS);
    for (int i = 0; i < STORIES; i++)
        story_begin(&stories[i], i);
    while (run.packets < run.wanted) {
        int i = below(&dice, STORIES);
        act(&stories[i]);
        if (stories[i].left-- == 0) {
            story_end(&stories[i]);
            story_begin(&stories[i], i);
        }
    }
    for (int i = 0; i < STORIES; i++)
        story_end(&stories[i]);
    CHECK(server->n_open == 0 && server->n_cids == 0);
    plane_free(server);
    for (int i = 0; i < CLIENT_PLANES; i++)
        plane_free(clients[i]);
    free(received);
    return report();
}
