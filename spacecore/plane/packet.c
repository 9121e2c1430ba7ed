/* Sealing and opening of short header packets, RFC 9000 section 17.3.1 and RFC 9001 section 5. */
#include "crypto.h"
#include "frames.h"
#include "sent.h"

#include <string.h>

enum {
    LONG_HEADER = 0x80, FIXED_BIT = 0x40, SPIN_BIT = 0x20,
    RESERVED_BITS = 0x18,
    PHASE_BIT = 0x04,
    PROTECTED_BITS = 0x1f,
    LONGEST_PN_BYTES = 4,
    HEADER_BYTES = 1 + PLANE_CID_BYTES + LONGEST_PN_BYTES,
    FAR_PN = 1 << 14,               /* from this distance to the largest acknowledged on, 4 bytes say the number, else 2 */
    PASSED_BY = 3,                  /* RFC 9002 section 6.1.1 */
    RANGE_BYTES = 16,               /* of an ACK frame, at most */
    ACK_HEAD_BYTES = 26,
    DATAGRAM_HEAD_BYTES = 3         /* type and a length of two bytes: no payload is longer than 16,383 */
};

/* --- sealing ---------------------------------------------------------------------------------------------------- */

static int pn_bytes(const conn_t *conn, int64_t pn) { return pn - conn->largest_acked < FAR_PN ? 2 : LONGEST_PN_BYTES; }

int conn_overhead_bytes(const conn_t *conn) {
    return 1 + conn->dcid_bytes + pn_bytes(conn, conn->pn) + DATAGRAM_HEAD_BYTES + conn->prefix_bytes + TAG_BYTES;
}

int conn_largest_payload(const conn_t *conn) {
    int by_packet = (int)conn->largest_packet_bytes - conn_overhead_bytes(conn);
    int by_frame = (int)conn->largest_frame_bytes - DATAGRAM_HEAD_BYTES - conn->prefix_bytes;
    int largest = by_packet < by_frame ? by_packet : by_frame;
    return largest >= 0 ? largest : -1;
}

/* RFC 9000 section 19.3: the newest ranges, as many as allowed and as fit before `end`. */
static uint8_t *put_ack(conn_t *conn, uint8_t *at, const uint8_t *end, int most_ranges, int64_t now_us) {
    int i = conn->n_ranges - 1;
    const range_t *ranges = conn->ranges;
    if (end - at < ACK_HEAD_BYTES)
        return at;
    int room = 1 + (int)(end - at - ACK_HEAD_BYTES) / RANGE_BYTES;
    int n = conn->n_ranges < most_ranges ? conn->n_ranges : most_ranges;
    if (n > room)
        n = room;
    int64_t delay_us = now_us > conn->largest_at_us ? now_us - conn->largest_at_us : 0;
    *at++ = FRAME_ACK;
    at = put_varint(at, (uint64_t)(ranges[i].stop - 1));
    at = put_varint(at, (uint64_t)delay_us >> conn->ack_exponent);
    at = put_varint(at, (uint64_t)(n - 1));
    at = put_varint(at, (uint64_t)(ranges[i].stop - 1 - ranges[i].start));
    for (int told = 1; told < n; told++, i--) {
        at = put_varint(at, (uint64_t)(ranges[i].start - ranges[i - 1].stop - 1));
        at = put_varint(at, (uint64_t)(ranges[i - 1].stop - 1 - ranges[i - 1].start));
    }
    conn->ack_pending = 0;
    conn->received_since_ack = 0;
    conn->ack_due_us = INT64_MAX;
    conn->counts.acks_out++;
    return at;
}

static uint8_t *put_datagram(const conn_t *conn, uint8_t *at, const uint8_t *payload, int bytes) {
    *at++ = FRAME_DATAGRAM_LENGTH;
    at = put_varint(at, (uint64_t)(bytes + conn->prefix_bytes));
    memcpy(at, conn->prefix, conn->prefix_bytes);
    at += conn->prefix_bytes;
    memcpy(at, payload, (size_t)bytes);
    return at + bytes;
}

/* Whether the key is good for one more packet; asks for an update half way to its limit. */
static int key_lasts(conn_t *conn) {
    uint64_t used = conn->sealed + conn->sealed_by_other;
    uint64_t limit = conn_seal_limit(conn);
    if (used >= limit / 2)
        conn->wants_key_update = 1;
    return used < limit;
}

static int protect(conn_t *conn, uint8_t *packet, int header_bytes, int number_bytes, int text_bytes, int64_t pn) {
    uint8_t mask[MASK_BYTES];
    uint8_t *text = packet + header_bytes;
    if (aead_seal(&conn->tx, pn, packet, header_bytes, text, text_bytes) != PLANE_OK ||
        !header_mask(conn->suite, conn->tx_hp, text - number_bytes + LONGEST_PN_BYTES, mask))
        return PLANE_CRYPTO;
    packet[0] ^= mask[0] & PROTECTED_BITS;
    for (int i = 0; i < number_bytes; i++)
        text[i - number_bytes] ^= mask[1 + i];
    return header_bytes + text_bytes + TAG_BYTES;
}

int conn_seal(conn_t *conn, const uint8_t *payload, int payload_bytes, int ack_ranges, int64_t now_us, uint8_t *out) {
    int has_ack = ack_ranges > 0 && conn->n_ranges > 0;
    if (!(conn->flags & PLANE_TX) || conn->tx.ctx == NULL || (payload == NULL && !has_ack))
        return 0;
    conn_skip(conn);
    if (payload != NULL && (payload_bytes < 0 || payload_bytes > conn_largest_payload(conn))) {
        conn->counts.too_large++;
        return 0;
    }
    if (!key_lasts(conn))
        return 0;
    int number_bytes = pn_bytes(conn, conn->pn);
    int64_t pn = conn->pn++;   /* from here on it is used up, whatever happens */
    conn->sealed++;
    uint8_t *at = out;
    *at++ = (uint8_t)(FIXED_BIT | (conn->spin ? SPIN_BIT : 0) | (conn->tx_phase ? PHASE_BIT : 0) | (number_bytes - 1));
    memcpy(at, conn->dcid, conn->dcid_bytes);
    at += conn->dcid_bytes;
    for (int i = number_bytes - 1; i >= 0; i--)
        *at++ = (uint8_t)((uint64_t)pn >> (8 * i));
    int header_bytes = (int)(at - out);
    int64_t ack_largest = -1;
    if (has_ack) {
        int kept_bytes = TAG_BYTES + (payload != NULL ? DATAGRAM_HEAD_BYTES + conn->prefix_bytes + payload_bytes : 0);
        const uint8_t *end = out + conn->largest_packet_bytes - kept_bytes;
        uint8_t *before = at;
        int64_t largest = conn->ranges[conn->n_ranges - 1].stop - 1;
        at = put_ack(conn, at, end, ack_ranges, now_us);
        if (at != before)
            ack_largest = largest;
    }
    if (payload != NULL) {
        at = put_datagram(conn, at, payload, payload_bytes);
        conn->counts.datagrams_out++;
    }
    while (at - out - header_bytes < LONGEST_PN_BYTES - number_bytes)
        *at++ = FRAME_PADDING;   /* the sample begins four bytes after the packet number does */
    int bytes = protect(conn, out, header_bytes, number_bytes, (int)(at - out) - header_bytes, pn);
    if (bytes < 0)
        return bytes;
    sent_note(conn, pn, bytes, payload != NULL ? SENT_IN_FLIGHT : SENT_ACK_ONLY, ack_largest, now_us);
    conn->counts.sent++;
    conn->counts.sent_bytes += (uint64_t)bytes;
    return bytes;
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

typedef struct {                    /* one packet on its way in */
    uint8_t header[HEADER_BYTES];   /* without its protection */
    int header_bytes;
    int64_t pn;
    int phase;
    const uint8_t *ack;             /* behind the type of the ACK frame, or NULL */
    const uint8_t *end;             /* of the plain text */
    int pinged;
    int eliciting;
} opened_t;

static int same_address(const address_t *a, const address_t *b) {
    if (a->at.any.sa_family != b->at.any.sa_family)
        return 0;
    if (a->at.any.sa_family == AF_INET6)
        return a->at.v6.sin6_port == b->at.v6.sin6_port &&
               memcmp(&a->at.v6.sin6_addr, &b->at.v6.sin6_addr, sizeof a->at.v6.sin6_addr) == 0 &&
               a->at.v6.sin6_scope_id == b->at.v6.sin6_scope_id;
    return a->at.v4.sin_port == b->at.v4.sin_port && a->at.v4.sin_addr.s_addr == b->at.v4.sin_addr.s_addr;
}

/* RFC 9000 appendix A.3. */
static int64_t whole_pn(int64_t expected, int64_t part, int bytes) {
    int64_t window = INT64_C(1) << (8 * bytes);
    int64_t half = window / 2;
    int64_t pn = (expected & ~(window - 1)) | part;
    if (pn <= expected - half && pn < (INT64_C(1) << 62) - window)
        return pn + window;
    if (pn > expected + half && pn >= window)
        return pn - window;
    return pn;
}

static int unprotect(const conn_t *conn, const uint8_t *packet, opened_t *opened) {
    uint8_t mask[MASK_BYTES];
    int offset = 1 + conn->scid_bytes;
    int64_t part = 0;
    if (!header_mask(conn->suite, conn->rx_hp, packet + offset + LONGEST_PN_BYTES, mask))
        return 0;
    memcpy(opened->header, packet, (size_t)(offset + LONGEST_PN_BYTES));
    opened->header[0] ^= mask[0] & PROTECTED_BITS;
    int number_bytes = (opened->header[0] & 0x03) + 1;
    for (int i = 0; i < number_bytes; i++) {
        opened->header[offset + i] ^= mask[1 + i];
        part = part << 8 | opened->header[offset + i];
    }
    opened->header_bytes = offset + number_bytes;
    opened->pn = whole_pn(conn->expected_pn, part, number_bytes);
    opened->phase = (opened->header[0] & PHASE_BIT) != 0;
    return 1;
}

/* The plain text's bytes; -1: no key of ours opens it; -2: sealed under the next key, so the other stack must update. */
static int open_text(const conn_t *conn, const opened_t *opened, const uint8_t *packet, int bytes, uint8_t *plain) {
    const uint8_t *text = packet + opened->header_bytes;
    int text_bytes = bytes - opened->header_bytes;
    if (opened->phase == conn->rx_phase)
        return aead_open(&conn->rx, opened->pn, opened->header, opened->header_bytes, text, text_bytes, plain);
    if (conn->rx_previous.ctx != NULL && opened->pn < conn->phase_first_pn) {
        int opens = aead_open(&conn->rx_previous, opened->pn, opened->header, opened->header_bytes, text, text_bytes, plain);
        if (opens >= 0)
            return opens;
    }
    /* Tried here first, so that garbage cannot make the other stack derive keys. */
    if (conn->rx_next.ctx != NULL &&
        aead_open(&conn->rx_next, opened->pn, opened->header, opened->header_bytes, text, text_bytes, plain) >= 0)
        return -2;
    return -1;
}

/* Where the ACK frame ends, or NULL if it is malformed. */
static const uint8_t *skip_ack(const uint8_t *at, const uint8_t *end, int with_ecn) {
    uint64_t largest, delay, more, first;
    if (!(at = get_varint(at, end, &largest)) || !(at = get_varint(at, end, &delay)) || !(at = get_varint(at, end, &more)) ||
        !(at = get_varint(at, end, &first)) || first > largest)
        return NULL;
    uint64_t lowest = largest - first;
    for (; more > 0; more--) {   /* bounded by the packet: two bytes a range at least */
        uint64_t gap, length;
        if (!(at = get_varint(at, end, &gap)) || !(at = get_varint(at, end, &length)))
            return NULL;
        if (lowest < gap + 2 || lowest - gap - 2 < length)
            return NULL;
        lowest -= gap + 2 + length;
    }
    for (int i = 0; with_ecn && i < 3; i++)
        if (!(at = get_varint(at, end, &first)))
            return NULL;
    return at;
}

/* Whether every frame is of a kind that is dealt with here; finds the datagrams and the ACK. Changes nothing else. */
static int survey(const conn_t *conn, opened_t *opened, int plain_bytes, received_t *received) {
    const uint8_t *at = received->plain;
    const uint8_t *end = at + plain_bytes;
    int probing = 1;   /* PADDING alone: RFC 9000 section 9.1 makes it the other stack's */
    while (at < end) {
        uint8_t type = *at++;
        if (type == FRAME_PADDING)
            continue;
        probing = 0;
        if (type == FRAME_PING) {
            opened->pinged = opened->eliciting = 1;
        } else if (type == FRAME_ACK || type == FRAME_ACK_ECN) {
            if (opened->ack != NULL)
                return 0;
            opened->ack = at;
            at = skip_ack(at, end, type == FRAME_ACK_ECN);
            if (at == NULL)
                return 0;
        } else if (type == FRAME_DATAGRAM || type == FRAME_DATAGRAM_LENGTH) {
            const uint8_t *frame = at - 1;
            uint64_t length = (uint64_t)(end - at);
            if (type == FRAME_DATAGRAM_LENGTH && (!(at = get_varint(at, end, &length)) || length > (uint64_t)(end - at)))
                return 0;
            if (received->n_datagrams == PLANE_DATAGRAMS || (uint64_t)(at - frame) + length > conn->own_frame_bytes ||
                length < conn->prefix_bytes || memcmp(at, conn->prefix, conn->prefix_bytes) != 0)
                return 0;
            received->datagram[received->n_datagrams] = at + conn->prefix_bytes;
            received->datagram_bytes[received->n_datagrams++] = (int)length - conn->prefix_bytes;
            at += length;
            opened->eliciting = 1;
        } else {
            return 0;
        }
    }
    opened->end = end;
    return !probing;
}

/* Whether an ACK says something new of the other stack's packets: it has one, or has passed one so far that it is lost. */
static int is_news(conn_t *conn, const uint8_t *at, const uint8_t *end, int64_t start, int64_t last, uint64_t more) {
    uint64_t gap = 0, length = 0;
    uint8_t covered = 0;
    uint8_t passed = 0;
    if (conn->n_others == 0 || last < conn->others[0])
        return 0;
    if (conn->n_others > PLANE_OTHERS)
        return 1;
    for (int i = 0; i < conn->n_others; i++)
        passed |= (uint8_t)((conn->others[i] + PASSED_BY <= last) << i);
    for (;;) {
        for (int i = 0; i < conn->n_others; i++)
            covered |= (uint8_t)((conn->others[i] >= start && conn->others[i] <= last) << i);
        if (more-- == 0 || start <= conn->others[0])
            break;
        at = get_varint(at, end, &gap);
        at = get_varint(at, end, &length);
        last = start - (int64_t)gap - 2;
        start = last - (int64_t)length;
    }
    passed &= (uint8_t)~covered;
    int news = (covered & ~conn->told_acked) != 0 || (passed & ~conn->told_passed) != 0;
    conn->told_acked |= covered;
    conn->told_passed |= passed;
    return news;
}

/* Carry out an ACK frame that skip_ack has found sound. 0: the other stack wants to see it too; -1: it acknowledges what
 * was never sent, and what it says beside that no longer matters. */
static int take_ack(conn_t *conn, const opened_t *opened, int64_t now_us) {
    uint64_t largest = 0, delay = 0, more = 0, first = 0, gap = 0, length = 0;
    const uint8_t *at = opened->ack;
    at = get_varint(at, opened->end, &largest);
    at = get_varint(at, opened->end, &delay);
    at = get_varint(at, opened->end, &more);
    at = get_varint(at, opened->end, &first);
    if ((int64_t)largest >= conn->pn)
        return -1;
    int64_t delay_us = delay < (UINT64_C(1) << 40) ? (int64_t)(delay << conn->peer_ack_exponent) : INT64_MAX;
    int64_t last = (int64_t)largest;
    int64_t start = last - (int64_t)first;
    int news = is_news(conn, at, opened->end, start, last, more);
    if (conn_acked(conn, start, last, 1, delay_us, now_us) < 0)
        return -1;
    for (; more > 0; more--) {
        at = get_varint(at, opened->end, &gap);
        at = get_varint(at, opened->end, &length);
        last = start - (int64_t)gap - 2;
        start = last - (int64_t)length;
        if (conn->sent_head == conn->sent_tail || last < conn->sent[conn->sent_head % PLANE_SENT].pn)
            break;   /* older than all that we wait for */
        if (conn_acked(conn, start, last, 0, 0, now_us) < 0)
            return -1;
    }
    conn_detect_loss(conn, now_us);
    return !news;
}

static void commit(conn_t *conn, const opened_t *opened, int bytes, int64_t now_us) {
    int64_t pn = opened->pn;
    if (pn >= conn->expected_pn)
        conn->expected_pn = pn + 1;
    if (pn > conn->spin_pn) {
        int spin = (opened->header[0] & SPIN_BIT) != 0;
        conn->spin = (uint8_t)(conn->is_client ? !spin : spin);   /* RFC 9000 section 17.4 */
        conn->spin_pn = pn;
    }
    if (pn > conn->largest_pn) {
        conn->largest_pn = pn;
        conn->largest_at_us = now_us;
    }
    if (opened->phase == conn->rx_phase && pn < conn->phase_first_pn)
        conn->phase_first_pn = pn;
    conn_range_add(conn, pn, pn + 1);
    conn_mark(conn, pn);
    if (now_us > conn->received_us)
        conn->received_us = now_us;
    conn->received_since_ack++;
    conn->counts.received++;
    conn->counts.received_bytes += (uint64_t)bytes;
    if (!opened->eliciting)
        return;
    conn->ack_pending++;
    int64_t due_us = opened->pinged || conn->ack_pending >= conn->ack_every ? now_us : now_us + conn->ack_delay_us;
    if (due_us < conn->ack_due_us)
        conn->ack_due_us = due_us;
}

int conn_ack_due(const conn_t *conn, int64_t now_us) { return conn->ack_due_us <= now_us; }

verdict_t conn_receive(conn_t *conn, const uint8_t *packet, int bytes, const address_t *source, int64_t now_us,
                       received_t *received) {
    opened_t opened = {0};
    received->n_datagrams = 0;
    int offset = 1 + conn->scid_bytes;
    if (bytes < 1 || (packet[0] & (LONG_HEADER | FIXED_BIT)) != FIXED_BIT || !(conn->flags & PLANE_RX) || conn->rx.ctx == NULL)
        return PLANE_SLOW;
    if (bytes > PLANE_PACKET_BYTES || bytes < offset || memcmp(packet + 1, conn->scid, conn->scid_bytes) != 0)
        return PLANE_SLOW;
    if (bytes < offset + LONGEST_PN_BYTES + SAMPLE_BYTES) {
        conn->counts.forged++;
        return PLANE_DROP;
    }
    if (!unprotect(conn, packet, &opened))
        return PLANE_SLOW;
    int plain_bytes = open_text(conn, &opened, packet, bytes, received->plain);
    if (plain_bytes == -1) {
        conn->forged++;
        conn->counts.forged++;
        return PLANE_DROP;
    }
    if (plain_bytes >= 0 && conn_seen(conn, opened.pn)) {
        conn->counts.duplicates++;
        return PLANE_DROP;
    }
    int handed = 1;
    if (plain_bytes > 0 && !(opened.header[0] & RESERVED_BITS) && same_address(source, &conn->peer) &&
        survey(conn, &opened, plain_bytes, received))
        handed = opened.ack == NULL ? 0 : take_ack(conn, &opened, now_us) - 1;
    if (handed != 0) {
        received->n_datagrams = 0;
        conn->counts.slow++;
        return handed == -2 ? PLANE_VIOLATION : PLANE_SLOW;
    }
    commit(conn, &opened, bytes, now_us);
    conn->counts.datagrams_in += (uint64_t)received->n_datagrams;
    return PLANE_DONE;
}
