/* Both ends of a connection on the plane alone, for harnesses: keys, addresses, packets of the other stack. */
#ifndef TESTS_FUZZ_PLANE_PAIR_H
#define TESTS_FUZZ_PLANE_PAIR_H

#include "../../spacecore/plane/whole.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVER = 0, CLIENT = 1 };

typedef struct {
    uint64_t state;
} dice_t;

/* splitmix64: every seed is as good as another. */
static inline uint64_t roll(dice_t *dice) {
    uint64_t x = dice->state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    return x ^ x >> 31;
}

static inline int below(dice_t *dice, int n) { return (int)(roll(dice) % (uint64_t)n); }

static inline void fill(dice_t *dice, uint8_t *at, int bytes) {
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)roll(dice);
}

typedef struct {
    plane_t *plane[2];
    conn_t *conn[2];
    address_t address[2];
    uint8_t cid[2][PLANE_CID_BYTES];
    suite_t suite;
    uint64_t secret;
    int generation[2];              /* of the key with which this end seals */
    int known[2];                   /* of the key with which this end's peer opens what it seals */
} pair_t;

typedef struct {
    uint8_t key[32], iv[12], hp[32];
    int phase;
} keys_t;

static inline keys_t keys_of(const pair_t *pair, int end, int generation) {
    keys_t keys = {.phase = generation & 1};
    dice_t header = {pair->secret ^ (uint64_t)(end + 1) << 32};
    dice_t packet = {header.state ^ ((uint64_t)generation + 1) << 40};
    fill(&header, keys.hp, sizeof keys.hp);
    fill(&packet, keys.key, sizeof keys.key);
    fill(&packet, keys.iv, sizeof keys.iv);
    return keys;
}

static inline address_t loopback(uint16_t port, int ipv6) {
    address_t address = {0};
    if (ipv6) {
        address.at.v6.sin6_family = AF_INET6;
        address.at.v6.sin6_port = htons(port);
        address.at.v6.sin6_addr = in6addr_loopback;
        address.bytes = sizeof address.at.v6;
    } else {
        address.at.v4.sin_family = AF_INET;
        address.at.v4.sin_port = htons(port);
        address.at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.bytes = sizeof address.at.v4;
    }
    return address;
}

/* The end's sending key, and at its peer the key that opens it. */
static inline int pair_take_send_key(pair_t *pair, int end) {
    keys_t keys = keys_of(pair, end, pair->generation[end]);
    return conn_set_tx(pair->conn[end], pair->suite, keys.key, keys.iv, keys.hp, keys.phase);
}

static inline int pair_take_receive_key(pair_t *pair, int end) {
    keys_t keys = keys_of(pair, end, pair->generation[end]);
    keys_t next = keys_of(pair, end, pair->generation[end] + 1);
    pair->known[end] = pair->generation[end];
    return conn_set_rx(pair->conn[!end], pair->suite, keys.key, keys.iv, keys.hp, keys.phase, next.key, next.iv);
}

/* A connection with the handshake behind it; 0, or -1 if there is no slot or no crypto. */
static inline int pair_open(pair_t *pair, plane_t *server, plane_t *client, suite_t suite, dice_t *dice) {
    memset(pair, 0, sizeof *pair);
    pair->plane[SERVER] = server;
    pair->plane[CLIENT] = client;
    pair->suite = suite;
    pair->secret = roll(dice);
    for (int end = 0; end < 2; end++) {
        conn_t *conn = pair->conn[end] = plane_open(pair->plane[end], end == CLIENT);
        if (conn == NULL)
            return -1;
        int bytes = pair->plane[end]->cid_bytes;
        do
            fill(dice, pair->cid[end], PLANE_CID_BYTES);
        while (bytes > 0 && plane_add_cid(pair->plane[end], conn, pair->cid[end]) != PLANE_OK);
        conn_set_own_cid(conn, pair->cid[end], bytes);
        pair->address[end] = loopback((uint16_t)(1024 + below(dice, 60000)), pair->secret & 1);
    }
    for (int end = 0; end < 2; end++) {
        conn_t *conn = pair->conn[end];
        conn_set_peer(conn, pair->cid[!end], pair->plane[!end]->cid_bytes, &pair->address[!end]);
        conn->largest_frame_bytes = conn->own_frame_bytes = 65535;
        conn->largest_packet_bytes = (uint32_t)(1200 + below(dice, 301));
        conn->ack_every = 1 + below(dice, 12);
        conn->flags = PLANE_TX | PLANE_RX;
        if (pair_take_send_key(pair, end) != PLANE_OK || pair_take_receive_key(pair, end) != PLANE_OK)
            return -1;
    }
    return 0;
}

static inline void pair_close(pair_t *pair) {
    for (int end = 0; end < 2; end++)
        if (pair->conn[end] != NULL)
            plane_close(pair->plane[end], pair->conn[end]);
}

/* A packet as the other stack of this end would build it: any frames, any bits of the first byte, under any key. */
static inline int craft(const pair_t *pair, int end, const aead_t *key, int64_t pn, int pn_bytes, int bits,
                        const uint8_t *plain, int plain_bytes, uint8_t *out) {
    conn_t *conn = pair->conn[end];
    aead_t kept = conn->tx;
    uint8_t *at = out;
    *at++ = (uint8_t)(0x40 | bits | (pn_bytes - 1));
    memcpy(at, conn->dcid, conn->dcid_bytes);
    at += conn->dcid_bytes;
    for (int i = pn_bytes - 1; i >= 0; i--)
        *at++ = (uint8_t)((uint64_t)pn >> (8 * i));
    int header_bytes = (int)(at - out);
    memcpy(at, plain, (size_t)plain_bytes);
    while (plain_bytes < 4)
        at[plain_bytes++] = 0;
    if (key != NULL)
        conn->tx = *key;
    int bytes = protect(conn, out, header_bytes, pn_bytes, plain_bytes, pn);
    conn->tx = kept;
    return bytes;
}

#endif
