/* What the fuzzer does with a pair of ends: packets sealed, delivered, replayed, mutated and invented. */
#ifndef TESTS_FUZZ_PLANE_ACTS_H
#define TESTS_FUZZ_PLANE_ACTS_H

#include "plane_checks.h"

enum { LETTERS = 64, LONG_PACKET_BYTES = 1700 };

typedef struct {                    /* a packet that one end has sealed */
    int bytes;                      /* 0: none */
    int64_t pn;
    int generation;
    int payload_bytes;              /* of its DATAGRAM frame, -1: none */
    uint8_t packet[PLANE_PACKET_BYTES];
    uint8_t payload[PLANE_PACKET_BYTES];
} letter_t;

typedef struct {
    pair_t pair;
    end_t end[2];
    letter_t letters[2][LETTERS];   /* by the end that sealed them */
    uint64_t posted[2];
    uint64_t left;                  /* packets until it is closed and another takes its slots */
} story_t;

typedef enum {
    GENUINE, REPLAYED, GARBAGE, TRUNCATED, FLIPPED, MADE_UP, ACKS, FALSE_ACK, PHASE, UPDATED, STRANGER, KINDS
} kind_t;

static const char *const KIND_NAMES[KINDS] = {
    "genuine", "replayed", "garbage", "truncated", "bit-flipped", "made-up frames", "acknowledgements",
    "acks of unsent packets", "wrong phase", "key updates", "strange addresses",
};

static dice_t dice;
static int64_t now_us = 1;
static received_t *received;
static address_t stranger;         /* from whom STRANGER packets come */
static uint64_t verdicts[KINDS][5];

/* Gives one packet to the far end of `from`; checks what holds whatever the packet is. */
static verdict_t deliver(story_t *story, int from, kind_t kind, const uint8_t *packet, int bytes, int64_t pn) {
    conn_t *conn = story->pair.conn[!from];
    end_t *end = &story->end[!from];
    const address_t *source = kind == STRANGER ? &stranger : &story->pair.address[from];
    int64_t arrived_us = now_us - (below(&dice, 20) ? 0 : below(&dice, 50000));
    uint8_t *exact = malloc(bytes > 0 ? (size_t)bytes : 1);   /* so that reading past its end is seen */
    memcpy(exact, packet, (size_t)bytes);
    run.doing = KIND_NAMES[kind];
    run.packets++;
    snapshot(end, conn);
    verdict_t verdict = conn_receive(conn, exact, bytes, source, arrived_us, received);
    verdicts[kind][verdict]++;
    CHECK(verdict != PLANE_BUSY);
    if (verdict == PLANE_DONE) {
        end_note(end, pn);
        CHECK(conn_seen(conn, pn));
        CHECK(conn->counts.received == end->before.counts.received + 1);
    } else {
        CHECK(received->n_datagrams == 0);
        if (verdict == PLANE_SLOW && conn->n_others > 0)
            check_not_taken_in(end, conn);   /* its ACK may have been carried out */
        else
            check_unchanged(end, conn);
    }
    for (int i = 0; i < received->n_datagrams; i++)
        CHECK(received->datagram[i] >= received->plain && received->datagram_bytes[i] >= 0 &&
              received->datagram[i] + received->datagram_bytes[i] <= received->plain + bytes);
    check_conn(end, conn);
    free(exact);
    return verdict;
}

static verdict_t deliver_letter(story_t *story, int from, kind_t kind, const letter_t *letter) {
    return deliver(story, from, kind, letter->packet, letter->bytes, letter->pn);
}

/* Seals natively. The letter, or NULL where nothing may be sent. */
static letter_t *post(story_t *story, int from, int wants_payload) {
    conn_t *conn = story->pair.conn[from];
    end_t *end = &story->end[from];
    letter_t *letter = &story->letters[from][story->posted[from] % LETTERS];
    int64_t pn = conn->pn;
    uint64_t used = conn->sealed + conn->sealed_by_other;
    run.doing = "sealing";
    int largest = conn_largest_payload(conn);
    letter->payload_bytes = -1;
    if (wants_payload) {
        letter->payload_bytes = below(&dice, 10) ? below(&dice, 300) : largest + 2 - below(&dice, 200);
        fill(&dice, letter->payload, letter->payload_bytes);
    }
    int barred = !(conn->flags & PLANE_TX) || used >= conn_seal_limit(conn) || letter->payload_bytes > largest;
    uint8_t *out = malloc(PLANE_PACKET_BYTES);
    const uint8_t *payload = wants_payload ? letter->payload : NULL;
    letter->bytes = conn_seal(conn, payload, letter->payload_bytes, below(&dice, PLANE_RANGES + 1), now_us, out);
    if (letter->bytes > 0)
        memcpy(letter->packet, out, (size_t)letter->bytes);
    free(out);
    CHECK(letter->bytes >= 0 && letter->bytes <= (int)conn->largest_packet_bytes);
    CHECK(!(barred && letter->bytes > 0));
    if (letter->bytes == 0) {
        CHECK(conn->pn == pn);
        return NULL;
    }
    story->posted[from]++;
    letter->pn = pn;
    letter->generation = story->pair.generation[from];
    end->next_pn = pn + 1;
    end->eliciting += (uint64_t)wants_payload;
    check_conn(end, conn);
    opened_t opened = {0};   /* the number that the packet carries is the one that was consumed */
    CHECK(unprotect(story->pair.conn[!from], letter->packet, &opened));
    CHECK((opened.pn & 0xffff) == (pn & 0xffff));
    return letter;
}

/* The other stack of this end seals a packet of any frames, which takes the next number, and delivers it. */
static verdict_t write_other(story_t *story, int from, kind_t kind, const aead_t *key, int bits, const uint8_t *plain,
                             int plain_bytes) {
    uint8_t packet[PLANE_PACKET_BYTES + 200];
    conn_t *conn = story->pair.conn[from];
    int64_t pn = conn->pn;
    story->end[from].next_pn = pn + 1;
    CHECK(conn_advance(conn, pn + 1) == PLANE_OK);
    CHECK(conn_advance(conn, pn) == PLANE_RANGE);
    int64_t ahead = llabs(pn - story->pair.conn[!from]->expected_pn);   /* as short as can be told there, or longer */
    int least = ahead < 100 ? 1 : ahead < 30000 ? 2 : ahead < 8000000 ? 3 : 4;
    int bytes = craft(&story->pair, from, key, pn, least + below(&dice, 5 - least), bits, plain, plain_bytes, packet);
    return deliver(story, from, kind, packet, bytes, pn);
}

static void check_payload(const letter_t *letter) {
    if (letter->payload_bytes < 0) {
        CHECK(received->n_datagrams == 0);
        return;
    }
    CHECK(received->n_datagrams == 1 && received->datagram_bytes[0] == letter->payload_bytes);
    CHECK(memcmp(received->datagram[0], letter->payload, (size_t)letter->payload_bytes) == 0);
}

/* A packet to this end leads to it by its connection id, unless that has no bytes. */
static void check_route(const story_t *story, int end, const letter_t *letter) {
    const uint8_t *packet = letter->packet;
    conn_t *found = NULL;
    plane_find(story->pair.plane[end], &packet, &letter->bytes, 1, &found);
    CHECK(story->pair.plane[end]->cid_bytes == 0 || found == story->pair.conn[end]);
}

static void act_genuine(story_t *story, int from) {
    letter_t *letter = post(story, from, below(&dice, 8) != 0);
    if (letter == NULL || below(&dice, 12) == 0)   /* nothing to send, or lost on the way */
        return;
    conn_t *far = story->pair.conn[!from];
    int is_known = letter->generation == story->pair.known[from];
    verdict_t verdict = deliver_letter(story, from, GENUINE, letter);
    if (!is_known || !(far->flags & PLANE_RX))
        CHECK(verdict == PLANE_SLOW);
    else
        CHECK(verdict == PLANE_DONE || (verdict == PLANE_SLOW && far->n_others > 0));
    if (verdict == PLANE_DONE)
        check_payload(letter);
    else if (!is_known && below(&dice, 4) == 0)
        CHECK(pair_take_receive_key(&story->pair, from) == PLANE_OK);   /* the far end's other stack has followed */
    check_route(story, !from, letter);
}

/* Any packet of the past, whether it came before or not: late, doubled or in another order. */
static letter_t *old_letter(story_t *story, int from) {
    letter_t *letter = &story->letters[from][below(&dice, LETTERS)];
    return letter->bytes > 0 ? letter : NULL;
}

static void act_replay(story_t *story, int from) {
    letter_t *letter = old_letter(story, from);
    if (letter == NULL)
        return;
    int was_taken = end_took(&story->end[!from], letter->pn);
    verdict_t verdict = deliver_letter(story, from, REPLAYED, letter);
    CHECK(verdict != PLANE_VIOLATION && !(was_taken && verdict == PLANE_DONE));
    if (verdict == PLANE_DONE)
        check_payload(letter);
}

static void act_garbage(story_t *story, int from) {
    uint8_t packet[LONG_PACKET_BYTES];
    const conn_t *far = story->pair.conn[!from];
    int bytes = below(&dice, below(&dice, 4) ? 80 : LONG_PACKET_BYTES);
    fill(&dice, packet, bytes);
    if (bytes > 0 && below(&dice, 8))
        packet[0] = (uint8_t)(0x40 | (packet[0] & 0x3f));
    if (bytes > far->scid_bytes && below(&dice, 8))
        memcpy(packet + 1, far->scid, far->scid_bytes);
    verdict_t verdict = deliver(story, from, GARBAGE, packet, bytes, 0);
    CHECK(verdict == PLANE_DROP || verdict == PLANE_SLOW);
}

static void act_mutate(story_t *story, int from, kind_t kind) {
    letter_t *letter = old_letter(story, from);
    uint8_t packet[PLANE_PACKET_BYTES + 64];
    if (letter == NULL)
        return;
    int bytes = letter->bytes;
    memcpy(packet, letter->packet, (size_t)bytes);
    if (kind == TRUNCATED) {
        bytes = below(&dice, bytes);
    } else {
        for (int flips = 1 + below(&dice, 4) * below(&dice, 2), at; flips > 0; flips--) {
            at = below(&dice, 8 * bytes);
            packet[at / 8] ^= (uint8_t)(1 << at % 8);
        }
        if (memcmp(packet, letter->packet, (size_t)bytes) == 0)   /* flipped back */
            return;
    }
    verdict_t verdict = deliver(story, from, kind, packet, bytes, letter->pn);
    CHECK(verdict == PLANE_DROP || verdict == PLANE_SLOW);
}

#endif
