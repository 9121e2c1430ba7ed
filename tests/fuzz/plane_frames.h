/* What the fuzzer writes with the right key: frames of every kind, acknowledgements true and false, key updates. */
#ifndef TESTS_FUZZ_PLANE_FRAMES_H
#define TESTS_FUZZ_PLANE_FRAMES_H

#include "plane_acts.h"

enum { PLAIN_BYTES = 1400, MANY_RANGES = 500 };

static uint8_t *random_frame(uint8_t *at, const uint8_t *end) {
    int bytes = below(&dice, 60);
    if (end - at < 120)
        return at;
    switch (below(&dice, 7)) {
    case 0: *at++ = FRAME_PADDING; return at;
    case 1: *at++ = FRAME_PING; return at;
    case 2:
        *at++ = FRAME_DATAGRAM_LENGTH;
        at = put_varint(at, (uint64_t)(below(&dice, 6) ? bytes : below(&dice, 20000)));
        break;
    case 3: *at++ = FRAME_DATAGRAM; break;
    case 4: *at++ = (uint8_t)(FRAME_ACK | below(&dice, 2)); break;   /* with anything behind it */
    case 5: *at++ = (uint8_t)below(&dice, 0x32); break;
    default: break;
    }
    fill(&dice, at, bytes);
    return at + bytes;
}

/* What a plain text deserves, read once more in another way: is it the plane's own, and what is its largest ACK? */
typedef struct {
    int is_ours;
    int64_t largest;                /* -1: no ACK frame */
} judged_t;

static int judge_ack(const uint8_t **at, const uint8_t *end, int with_ecn, int64_t *largest) {
    uint64_t head[4], pair[2];
    for (int i = 0; i < 4; i++)
        if (!(*at = get_varint(*at, end, &head[i])))
            return 0;
    if (head[3] > head[0])
        return 0;
    uint64_t lowest = head[0] - head[3];
    for (uint64_t i = 0; i < head[2]; i++) {
        if (!(*at = get_varint(*at, end, &pair[0])) || !(*at = get_varint(*at, end, &pair[1])))
            return 0;
        for (int part = 0; part < 2; part++) {
            uint64_t step = pair[part] + (part == 0 ? 2 : 0);
            if (step > lowest)
                return 0;
            lowest -= step;
        }
    }
    for (int i = 0; i < (with_ecn ? 3 : 0); i++)
        if (!(*at = get_varint(*at, end, &pair[0])))
            return 0;
    *largest = (int64_t)head[0];
    return 1;
}

static judged_t judge(const uint8_t *at, int bytes) {
    const uint8_t *end = at + bytes;
    judged_t refused = {0, -1};
    judged_t judged = {0, -1};
    int datagrams = 0;
    while (at < end) {
        uint8_t type = *at++;
        uint64_t length;
        judged.is_ours |= type != FRAME_PADDING;
        if (type == FRAME_ACK || type == FRAME_ACK_ECN) {
            if (judged.largest >= 0 || !judge_ack(&at, end, type == FRAME_ACK_ECN, &judged.largest))
                return refused;
        } else if (type == FRAME_DATAGRAM) {
            datagrams++;
            at = end;
        } else if (type == FRAME_DATAGRAM_LENGTH) {
            datagrams++;
            if (!(at = get_varint(at, end, &length)) || length > (uint64_t)(end - at))
                return refused;
            at += length;
        } else if (type != FRAME_PADDING && type != FRAME_PING) {
            return refused;
        }
    }
    return datagrams > PLANE_DATAGRAMS ? refused : judged;
}

/* Whether the far end of this one reads natively, and has the key with which this one seals. */
static int is_heard(const story_t *story, int from) {
    return (story->pair.conn[!from]->flags & PLANE_RX) && story->pair.known[from] == story->pair.generation[from];
}

static void check_judged(const conn_t *far, const judged_t *judged, verdict_t verdict) {
    if (!judged->is_ours)
        CHECK(verdict == PLANE_SLOW);
    else if (judged->largest >= far->pn)
        CHECK(verdict == PLANE_VIOLATION);
    else if (far->n_others > 0 && judged->largest >= far->others[0])
        CHECK(verdict == PLANE_SLOW || verdict == PLANE_DONE);
    else
        CHECK(verdict == PLANE_DONE);
}

static uint8_t *put_ranges(uint8_t *at, int64_t largest, int more, int most_step);

static void act_frames(story_t *story, int from) {
    uint8_t plain[PLAIN_BYTES];
    uint8_t *at = plain;
    const conn_t *far = story->pair.conn[!from];
    int is_short = below(&dice, 4) == 0;
    for (int n = below(&dice, is_short ? 24 : 6); n >= 0; n--)
        at = is_short ? put_varint(put_varint(at, FRAME_DATAGRAM_LENGTH), 0) : random_frame(at, plain + sizeof plain);
    for (int acks = below(&dice, 3); acks > 0 && far->pn > 0; acks--)
        at = put_ranges(at, below(&dice, (int)(far->pn > 300 ? 300 : far->pn)), below(&dice, 5), 9);
    while (at - plain < 4)
        *at++ = FRAME_PADDING;   /* as craft() does, which may complete a frame that was cut off */
    int bits = below(&dice, 10) ? (below(&dice, 2) ? SPIN_BIT : 0) : below(&dice, 4) << 3;
    bits |= story->pair.conn[from]->tx_phase ? PHASE_BIT : 0;
    verdict_t verdict = write_other(story, from, MADE_UP, NULL, bits, plain, (int)(at - plain));
    judged_t judged = judge(plain, (int)(at - plain));
    judged.is_ours &= !(bits & RESERVED_BITS) && is_heard(story, from);
    check_judged(far, &judged, verdict);
}

/* An ACK frame of `more` further ranges from `largest` down; each step is valid as long as there is room below. */
static uint8_t *put_ranges(uint8_t *at, int64_t largest, int more, int most_step) {
    int64_t lowest = largest - below(&dice, (int)(largest < 20 ? largest + 1 : 20));
    *at++ = FRAME_ACK;
    at = put_varint(at, (uint64_t)largest);
    at = put_varint(at, roll(&dice) >> (2 + below(&dice, 62)));
    uint8_t *count = at;
    at += 2;
    at = put_varint(at, (uint64_t)(largest - lowest));
    int told = 0;
    for (; told < more; told++) {
        int64_t gap = below(&dice, most_step);
        int64_t length = below(&dice, most_step);
        if (lowest < gap + 2 + length && below(&dice, 9))
            break;   /* or not: what is acknowledged below 0 makes the frame unsound */
        at = put_varint(at, (uint64_t)gap);
        at = put_varint(at, (uint64_t)length);
        lowest -= gap + 2 + length;
    }
    count[0] = (uint8_t)(0x40 | told >> 8);
    count[1] = (uint8_t)told;
    return at;
}

/* Sound acknowledgements of what the far end has sent, in one range or in hundreds, or of what it never sent. */
static void act_ack(story_t *story, int from, kind_t kind) {
    uint8_t plain[PLAIN_BYTES + 200];
    conn_t *far = story->pair.conn[!from];
    int many = below(&dice, 4) == 0;
    if (far->pn == 0)
        return;
    int64_t largest = far->pn - 1 - (below(&dice, 3) ? below(&dice, (int)(far->pn < 40 ? far->pn : 40)) : 0);
    if (kind == FALSE_ACK)
        largest = far->pn + (int64_t)(roll(&dice) >> (2 + below(&dice, 62)));
    if (largest >= INT64_C(1) << 62)
        return;
    const uint8_t *at = put_ranges(plain, largest, many ? MANY_RANGES : below(&dice, 8), 1 + below(&dice, 4));
    int bits = story->pair.conn[from]->tx_phase ? PHASE_BIT : 0;
    verdict_t verdict = write_other(story, from, kind, NULL, bits, plain, (int)(at - plain));
    judged_t judged = judge(plain, (int)(at - plain));
    judged.is_ours &= is_heard(story, from);
    CHECK(!judged.is_ours || judged.largest == largest);
    check_judged(far, &judged, verdict);
}

/* The bit of the key phase is turned, and the key is the present one: garbage to whoever looks. */
static void act_wrong_phase(story_t *story, int from) {
    static const uint8_t PLAIN[4] = {FRAME_PING};
    int bits = story->pair.conn[from]->tx_phase ? 0 : PHASE_BIT;
    verdict_t verdict = write_other(story, from, PHASE, NULL, bits, PLAIN, sizeof PLAIN);
    CHECK(verdict == PLANE_DROP || verdict == PLANE_SLOW);
}

/* A packet after the update, sealed with the key before it: whoever has that key is not to be heard any more. */
static void write_under_old_key(story_t *story, int from) {
    static const uint8_t PLAIN[4] = {FRAME_PING};
    keys_t keys = keys_of(&story->pair, from, story->pair.generation[from] - 1);
    aead_t old = {0};
    CHECK(aead_make(&old, story->pair.suite, keys.key, keys.iv, 1) == PLANE_OK);
    CHECK(write_other(story, from, PHASE, &old, keys.phase ? PHASE_BIT : 0, PLAIN, sizeof PLAIN) == PLANE_DROP);
    aead_free(&old);
}

/* This end takes its next sending key. The far one cannot open what comes, its other stack follows, then it can. */
static void act_update(story_t *story, int from) {
    pair_t *pair = &story->pair;
    conn_t *far = pair->conn[!from];
    if (pair->known[from] != pair->generation[from])
        return;
    letter_t *late = post(story, from, 1);   /* under way while the key changes */
    pair->generation[from]++;
    CHECK(pair_take_send_key(pair, from) == PLANE_OK);
    if (below(&dice, 4) == 0)
        return;   /* the far end hears of it later */
    letter_t *letter = post(story, from, 1);
    if (letter == NULL)
        return;
    CHECK(deliver_letter(story, from, UPDATED, letter) == PLANE_SLOW);
    CHECK(pair_take_receive_key(pair, from) == PLANE_OK);
    verdict_t verdict = deliver_letter(story, from, UPDATED, letter);
    int can = (far->flags & PLANE_RX) && far->n_others == 0;
    CHECK(verdict == PLANE_DONE || !can);
    if (verdict == PLANE_DONE)
        write_under_old_key(story, from);
    if (late != NULL && late != letter)
        CHECK(deliver_letter(story, from, UPDATED, late) == PLANE_DONE || !can);
}

static void act_stranger(story_t *story, int from) {
    letter_t *letter = post(story, from, 1);
    if (letter == NULL)
        return;
    stranger = loopback(7, below(&dice, 2));
    CHECK(deliver_letter(story, from, STRANGER, letter) == PLANE_SLOW);
}

#endif
