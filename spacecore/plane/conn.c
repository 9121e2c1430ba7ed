/* One connection: keys, addresses, limits. What the other stack tells the plane. */
#include "crypto.h"

#include <string.h>

/* RFC 9001 section 6.6: packets that one key may protect. For ChaCha20-Poly1305 the packet number ends first. */
static const uint64_t CONFIDENTIALITY[SUITES] = {UINT64_C(1) << 23, UINT64_C(1) << 23, UINT64_C(1) << 62};

enum { LEAST_PAUSE = 64 };          /* packets from one number that is left out to the next, and up to 255 more */

uint64_t conn_seal_limit(const conn_t *conn) { return CONFIDENTIALITY[conn->suite]; }

static void aead_free(aead_t *aead) {
    context_free(aead->ctx);
    memset(aead, 0, sizeof *aead);
}

static const uint8_t NO_KEY[32];

/* A spare context under this key, or a new one. NULL: it failed. */
static evp_cipher_ctx *take_spare(evp_cipher_ctx **spare, suite_t suite, const uint8_t *key, int is_mask) {
    evp_cipher_ctx *context = suite == SUITE_AES_128_GCM ? *spare : NULL;
    if (context != NULL) {
        *spare = NULL;
        if (is_mask ? mask_rekey(context, key) : aead_rekey(context, key))
            return context;
        context_free(context);
    }
    return is_mask ? mask_context(suite, key) : aead_context(suite, key, 1);
}

/* The key is forgotten, the context kept where it is. */
static void keep_spare(evp_cipher_ctx **spare, suite_t suite, evp_cipher_ctx *context, int is_mask) {
    if (context == NULL)
        return;
    if (suite == SUITE_AES_128_GCM && *spare == NULL &&
        (is_mask ? mask_rekey(context, NO_KEY) : aead_rekey(context, NO_KEY)))
        *spare = context;
    else
        context_free(context);
}

void conn_make_spares(conn_t *conn) {
    conn->spare_tx = aead_context(SUITE_AES_128_GCM, NO_KEY, 1);
    conn->spare_hp = mask_context(SUITE_AES_128_GCM, NO_KEY);
}

void conn_free_spares(conn_t *conn) {
    context_free(conn->spare_tx);
    context_free(conn->spare_hp);
    conn->spare_tx = conn->spare_hp = NULL;
}

static int aead_make(aead_t *aead, suite_t suite, const uint8_t *key, const uint8_t *iv, int encrypt) {
    aead->ctx = aead_context(suite, key, encrypt);
    if (aead->ctx == NULL)
        return PLANE_CRYPTO;
    memcpy(aead->iv, iv, IV_BYTES);
    return PLANE_OK;
}

int conn_set_tx(conn_t *conn, suite_t suite, const uint8_t *key, const uint8_t *iv, const uint8_t *hp, int phase) {
    aead_t fresh = {.ctx = take_spare(&conn->spare_tx, suite, key, 0)};
    if (fresh.ctx == NULL)
        return PLANE_CRYPTO;
    memcpy(fresh.iv, iv, IV_BYTES);
    if (conn->tx_hp == NULL) {   /* a key update leaves the header's key as it is, RFC 9001 section 6.1 */
        conn->tx_hp = take_spare(&conn->spare_hp, suite, hp, 1);
        if (conn->tx_hp == NULL) {
            aead_free(&fresh);
            return PLANE_CRYPTO;
        }
    } else {
        conn->counts.key_updates++;
    }
    keep_spare(&conn->spare_tx, conn->suite, conn->tx.ctx, 0);
    conn->tx = fresh;
    conn->suite = (uint8_t)suite;
    conn->tx_phase = (uint8_t)phase;
    conn->sealed = conn->sealed_by_other = 0;
    conn->wants_key_update = 0;
    return PLANE_OK;
}

int conn_set_rx(conn_t *conn, suite_t suite, const uint8_t *key, const uint8_t *iv, const uint8_t *hp, int phase,
                const uint8_t *next_key, const uint8_t *next_iv) {
    aead_t fresh = {0};
    aead_t next = {0};
    if (conn->rx_hp == NULL)
        conn->rx_hp = mask_context(suite, hp);
    if (conn->rx_hp == NULL || aead_make(&fresh, suite, key, iv, 0) != PLANE_OK ||
        aead_make(&next, suite, next_key, next_iv, 0) != PLANE_OK) {
        aead_free(&fresh);
        aead_free(&next);
        return PLANE_CRYPTO;
    }
    aead_free(&conn->rx_previous);
    conn->rx_previous = conn->rx;   /* packets sealed before the update may still be under way */
    aead_free(&conn->rx_next);
    conn->rx = fresh;
    conn->rx_next = next;
    conn->suite = (uint8_t)suite;
    conn->rx_phase = (uint8_t)phase;
    conn->phase_first_pn = INT64_MAX;
    conn->forged = 0;
    return PLANE_OK;
}

void conn_wipe(conn_t *conn) {
    conn->flags = 0;
    keep_spare(&conn->spare_tx, conn->suite, conn->tx.ctx, 0);
    keep_spare(&conn->spare_hp, conn->suite, conn->tx_hp, 1);
    memset(&conn->tx, 0, sizeof conn->tx);
    aead_free(&conn->rx);
    aead_free(&conn->rx_next);
    aead_free(&conn->rx_previous);
    context_free(conn->rx_hp);
    conn->tx_hp = conn->rx_hp = NULL;
}

void conn_set_peer(conn_t *conn, const uint8_t *dcid, int dcid_bytes, const address_t *address) {
    conn->dcid_bytes = (uint8_t)dcid_bytes;
    if (dcid_bytes > 0)
        memcpy(conn->dcid, dcid, (size_t)dcid_bytes);
    conn->peer = *address;
}

void conn_set_own_cid(conn_t *conn, const uint8_t *cid, int bytes) {
    conn->scid_bytes = (uint8_t)bytes;
    if (bytes > 0)
        memcpy(conn->scid, cid, (size_t)bytes);
}

int conn_set_prefix(conn_t *conn, const uint8_t *prefix, int bytes) {
    if (bytes < 0 || bytes > PLANE_PREFIX_BYTES)
        return PLANE_RANGE;
    conn->prefix_bytes = (uint8_t)bytes;
    if (bytes > 0)
        memcpy(conn->prefix, prefix, (size_t)bytes);
    return PLANE_OK;
}

void conn_set_others(conn_t *conn, const int64_t *pns, int n) {
    uint8_t acked = 0;
    uint8_t passed = 0;
    int kept = n < PLANE_OTHERS ? n : PLANE_OTHERS;
    for (int i = 0; i < kept; i++) {
        for (int k = 0; k < conn->n_others && k < PLANE_OTHERS; k++) {
            if (conn->others[k] == pns[i]) {
                acked |= (uint8_t)((conn->told_acked >> k & 1) << i);
                passed |= (uint8_t)((conn->told_passed >> k & 1) << i);
            }
        }
    }
    if (kept > 0)
        memcpy(conn->others, pns, sizeof *pns * (size_t)kept);
    conn->n_others = n <= PLANE_OTHERS ? n : PLANE_OTHERS + 1;
    conn->told_acked = acked;
    conn->told_passed = passed;
}

/* splitmix64 (Steele, Lea, Flood 2014): what was seen of it does not tell what comes. */
static int64_t next_pause(conn_t *conn) {
    uint64_t mixed = conn->skip_seed += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return LEAST_PAUSE + (int64_t)(mixed >> 56);
}

void conn_set_skips(conn_t *conn, uint64_t seed) {
    conn->skip_seed = seed | 1;
    conn->skip_at = conn->pn + next_pause(conn);
}

void conn_skip(conn_t *conn) {
    if (conn->skip_seed == 0 || conn->pn < conn->skip_at)
        return;
    conn->skipped[conn->n_skipped++ % PLANE_SKIPPED] = conn->pn++;
    conn->skip_at = conn->pn + next_pause(conn);
}

int conn_advance(conn_t *conn, int64_t pn) {
    if (pn < conn->pn)
        return PLANE_RANGE;
    conn->pn = pn;
    return PLANE_OK;
}
