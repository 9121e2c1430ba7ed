/* What a packet costs the C core of the data plane, by what it is: CPU nanoseconds, printed as JSON.
 *
 * plane_costs CONNECTIONS ROUNDS: each round gives one packet of each kind to each connection; the lookup by connection
 * id is part of it, the system call that brought the packet is not. */
#include "../tests/fuzz/plane_pair.h"

#include <inttypes.h>
#include <time.h>

enum { PAYLOAD_BYTES = 150, KINDS = 8, RANGES = 500 };

typedef enum { FOUND, REPLAYED, FORGED, TRUNCATED, FLIPPED, UNKNOWN, BOMB, SHORT } kind_t;

static const char *const KIND_NAMES[KINDS] = {
    "genuine", "replayed", "forged", "truncated", "bit-flipped", "unknown id", "500 ack ranges", "too short",
};

typedef struct {
    int bytes;
    uint8_t packet[PLANE_PACKET_BYTES];
} letter_t;

static dice_t dice = {1};
static received_t received;
static int64_t now_us = 1;

static int64_t cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Acknowledges every second packet below the newest: as many ranges as a peer can claim in one packet. */
static void make_bomb(pair_t *pair, letter_t *letter) {
    uint8_t plain[2 * RANGES + 40];
    uint8_t *at = plain;
    int64_t largest = pair->conn[SERVER]->pn - 1;
    *at++ = FRAME_ACK;
    at = put_varint(at, (uint64_t)largest);
    at = put_varint(at, 0);
    at = put_varint(at, RANGES);
    at = put_varint(at, 0);
    for (int i = 0; i < RANGES; i++) {
        *at++ = 0;
        *at++ = 0;
    }
    int64_t pn = pair->conn[CLIENT]->pn++;
    letter->bytes = craft(pair, CLIENT, NULL, pn, 4, 0, plain, (int)(at - plain), letter->packet);
}

static void make(pair_t *pair, kind_t kind, letter_t *letter) {
    uint8_t payload[PAYLOAD_BYTES];
    if (kind == REPLAYED || kind == UNKNOWN)
        return;   /* the packet before once more */
    if (kind == BOMB) {
        make_bomb(pair, letter);
        return;
    }
    fill(&dice, payload, sizeof payload);
    letter->bytes = conn_seal(pair->conn[CLIENT], payload, sizeof payload, 0, now_us, letter->packet);
    if (kind == FORGED)
        fill(&dice, letter->packet + 1 + pair->plane[SERVER]->cid_bytes, letter->bytes - 1 - pair->plane[SERVER]->cid_bytes);
    else if (kind == TRUNCATED)
        letter->bytes -= 1 + below(&dice, 100);
    else if (kind == FLIPPED)
        letter->packet[20 + below(&dice, letter->bytes - 20)] ^= (uint8_t)(1 << below(&dice, 8));
    else if (kind == SHORT)
        letter->bytes = 20;
}

/* One round of one kind over all connections; returns how many packets were taken in. */
static int take_in(plane_t *server, const pair_t *pairs, const letter_t *letters, int n) {
    int done = 0;
    for (int i = 0; i < n; i++) {
        const uint8_t *packet = letters[i].packet;
        conn_t *conn;
        plane_find(server, &packet, &letters[i].bytes, 1, &conn);
        if (conn != NULL && plane_trylock(conn)) {
            done += conn_receive(conn, packet, letters[i].bytes, &pairs[i].address[CLIENT], now_us, &received) == PLANE_DONE;
            plane_unlock(conn);
        }
    }
    return done;
}

static void send_down(pair_t *pairs, int n, int64_t *seal_ns) {
    uint8_t payload[PAYLOAD_BYTES] = {0};
    uint8_t out[PLANE_PACKET_BYTES];
    int64_t begin_ns = cpu_ns();
    for (int i = 0; i < n; i++)
        conn_seal(pairs[i].conn[SERVER], payload, sizeof payload, 1, now_us, out);
    *seal_ns += cpu_ns() - begin_ns;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 1000;
    int rounds = argc > 2 ? atoi(argv[2]) : 50;
    int64_t spent_ns[KINDS] = {0}, seal_ns = 0;
    int done[KINDS] = {0};
    if (crypto_load(NULL) != PLANE_OK) {
        fprintf(stderr, "%s\n", crypto_error());
        return 2;
    }
    plane_t *server = plane_new(8, (uint32_t)n), *client = plane_new(8, (uint32_t)n);
    pair_t *pairs = calloc((size_t)n, sizeof *pairs);
    letter_t *letters = calloc((size_t)n, sizeof *letters);
    for (int i = 0; i < n; i++) {
        if (pair_open(&pairs[i], server, client, SUITE_AES_128_GCM, &dice) != 0)
            return 1;
        pairs[i].conn[SERVER]->pn = 2 * RANGES;
    }
    for (int round = 0; round < rounds; round++) {
        now_us += 20000;
        send_down(pairs, n, &seal_ns);
        for (int kind = 0; kind < KINDS; kind++) {
            for (int i = 0; i < n; i++) {
                make(&pairs[i], (kind_t)kind, &letters[i]);
                if (kind == UNKNOWN)
                    letters[i].packet[3] ^= 0x55;
            }
            int64_t begin_ns = cpu_ns();
            done[kind] += take_in(server, pairs, letters, n);
            spent_ns[kind] += cpu_ns() - begin_ns;
        }
    }
    printf("{\"ns\": {\"seal\": %.0f", (double)seal_ns / n / rounds);
    for (int kind = 0; kind < KINDS; kind++)
        printf(", \"%s\": %.0f", KIND_NAMES[kind], (double)spent_ns[kind] / n / rounds);
    printf("}, \"taken_in\": {\"seal\": 0");
    for (int kind = 0; kind < KINDS; kind++)
        printf(", \"%s\": %d", KIND_NAMES[kind], done[kind]);
    printf("}}\n");
    return 0;
}
