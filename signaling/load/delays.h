/* Packets on their way through a network that is made up: seeded loss, and a heap of those that are delayed. */
#ifndef SIGNALING_LOAD_DELAYS_H
#define SIGNALING_LOAD_DELAYS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DELAYS_PACKETS = 65536 };    /* on their way at one time; one more is lost, and counted */

typedef struct {
    int64_t due_us;
    uint64_t order;                 /* those due at one time leave as they came */
    int32_t member;
    uint16_t bytes;
    uint8_t is_up;
    uint8_t *packet;
} delayed_t;

typedef struct {
    uint64_t state;                 /* of the random numbers */
    uint64_t loss;                  /* of 2^32 */
    int64_t delay_us, jitter_us;    /* delay ± jitter, even */
    uint64_t order;
    int n;
    delayed_t *heap;
} delays_t;

/* 0, or -1: no memory. */
static inline int delays_begin(delays_t *delays, uint64_t seed, double loss_share, int64_t delay_us, int64_t jitter_us) {
    memset(delays, 0, sizeof *delays);
    delays->state = seed * 0x9E3779B97F4A7C15u | 1;
    delays->loss = (uint64_t)(loss_share * 4294967296.0);
    delays->delay_us = delay_us;
    delays->jitter_us = jitter_us;
    if (delay_us == 0 && jitter_us == 0)
        return 0;
    delays->heap = malloc(DELAYS_PACKETS * sizeof(delayed_t));
    return delays->heap == NULL ? -1 : 0;
}

static inline void delays_end(delays_t *delays) {
    for (int i = 0; i < delays->n; i++)
        free(delays->heap[i].packet);
    free(delays->heap);
    memset(delays, 0, sizeof *delays);
}

/* xorshift64*, Vigna 2016: 32 good bits. */
static inline uint64_t delays_random(delays_t *delays) {
    delays->state ^= delays->state >> 12;
    delays->state ^= delays->state << 25;
    delays->state ^= delays->state >> 27;
    return delays->state * 0x2545F4914F6CDD1Du >> 32;
}

static inline int delays_loses(delays_t *delays) {
    return delays->loss != 0 && delays_random(delays) < delays->loss;
}

static inline int delays_any(const delays_t *delays) {
    return delays->heap != NULL;
}

static inline int delays_before(const delayed_t *a, const delayed_t *b) {
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

/* A copy of the packet comes out of delays_pop when its time is there. 0, or -1: too many are on their way. */
static inline int delays_push(delays_t *delays, int64_t now_us, int member, int is_up, const uint8_t *packet, int bytes) {
    uint8_t *copy = delays->n < DELAYS_PACKETS ? malloc((size_t)bytes) : NULL;
    if (copy == NULL)
        return -1;
    int64_t spread_us = 2 * delays->jitter_us + 1;
    int64_t wait_us = delays->delay_us - delays->jitter_us + (int64_t)(delays_random(delays) % (uint64_t)spread_us);
    memcpy(copy, packet, (size_t)bytes);
    delayed_t one = {now_us + (wait_us > 0 ? wait_us : 0), delays->order++, member, (uint16_t)bytes, (uint8_t)is_up, copy};
    int at = delays->n++;
    while (at > 0 && delays_before(&one, &delays->heap[(at - 1) / 2])) {
        delays->heap[at] = delays->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    delays->heap[at] = one;
    return 0;
}

/* When the next one is due; INT64_MAX: none is on its way. */
static inline int64_t delays_due_us(const delays_t *delays) {
    return delays->n ? delays->heap[0].due_us : INT64_MAX;
}

/* The packet that is due first; there must be one. Whoever takes it frees `packet`. */
static inline delayed_t delays_pop(delays_t *delays) {
    delayed_t first = delays->heap[0];
    delayed_t last = delays->heap[--delays->n];
    int at = 0;
    for (;;) {
        int child = 2 * at + 1;
        if (child >= delays->n)
            break;
        if (child + 1 < delays->n && delays_before(&delays->heap[child + 1], &delays->heap[child]))
            child++;
        if (!delays_before(&delays->heap[child], &last))
            break;
        delays->heap[at] = delays->heap[child];
        at = child;
    }
    delays->heap[at] = last;
    return first;
}

#endif
