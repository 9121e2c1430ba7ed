/* plane: the 1-RTT packets of QUIC that carry audio. One file to include for the whole native data plane.
 *
 * Plain C11, no Python, no thread of its own, no clock: `now_us` is an argument, microseconds of any monotonic clock.
 * A QUIC stack elsewhere does handshakes, streams, retransmission and key updates; it shares a connection's packet
 * number space and 1-RTT keys with the plane, which seals, opens and acknowledges packets made of DATAGRAM, ACK,
 * PING and PADDING frames. Whatever else a packet holds goes to that stack byte for byte.
 *
 * Who may call what: a function that takes a `conn_t*` wants its lock held (plane_lock, plane_trylock), unless it says
 * otherwise. Slots are never freed before the plane is, so a `conn_t*` from plane_at() can always be locked and its
 * `generation` looked at.
 */
#ifndef SPACECORE_PLANE_H
#define SPACECORE_PLANE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    PLANE_PACKET_BYTES = 1500,    /* the largest UDP payload that is opened or sealed */
    PLANE_CID_BYTES = 20,         /* RFC 9000 section 17.2 */
    PLANE_PREFIX_BYTES = 8,
    PLANE_BATCH = 64,             /* packets of one system call */
    PLANE_RANGES = 64,            /* ranges of received packet numbers that are remembered */
    PLANE_WINDOW = 128,           /* packet numbers below the highest in which a duplicate is told from a late one */
    PLANE_SENT = 128,             /* native packets whose fate is awaited */
    PLANE_DATAGRAMS = 16,         /* DATAGRAM frames of one packet; with more it goes to the other stack */
    PLANE_HELD = 3,               /* frames that wait while a connection is held; the oldest is dropped */
    PLANE_HELD_CONNS = 16,        /* connections that can have frames waiting at one time */
    PLANE_OTHERS = 8,             /* packets of the other stack in flight that are told apart */
    PLANE_SKIPPED = 16            /* numbers left out that are remembered; the oldest is thousands of packets ago */
};

/* What may be done with a connection natively. Both need its keys and its peer to be known. */
enum { PLANE_TX = 1, PLANE_RX = 2 };

/* What became of a packet. */
typedef enum {
    PLANE_SLOW = 0,       /* not ours: give it to the other stack, byte for byte */
    PLANE_DONE = 1,       /* taken in: datagrams delivered, acknowledgements counted */
    PLANE_DROP = 2,       /* forged, damaged, a duplicate: nothing has changed */
    PLANE_VIOLATION = 3,  /* authentic, and it acknowledges a packet that was never sent: close with PROTOCOL_VIOLATION */
    PLANE_BUSY = 4        /* the connection is held by another thread: try again there */
} verdict_t;

typedef enum { SUITE_AES_128_GCM = 0, SUITE_AES_256_GCM = 1, SUITE_CHACHA20_POLY1305 = 2, SUITES = 3 } suite_t;

/* Statuses of functions that can fail. */
enum { PLANE_OK = 0, PLANE_NO_LIBRARY = -1, PLANE_CRYPTO = -2, PLANE_FULL = -3, PLANE_RANGE = -4, PLANE_TAKEN = -5 };

/* --- libcrypto, loaded at run time (crypto.c) ----------------------------------------------------------------- */

typedef struct evp_cipher_ctx evp_cipher_ctx;

/* Loads the library from `path`, or by its usual names where path is NULL. PLANE_OK, or PLANE_NO_LIBRARY with a sentence
 * in crypto_error(). Loading twice does nothing. Not thread-safe: once, at import. */
int crypto_load(const char *path);
const char *crypto_error(void);
const char *crypto_version(void);   /* as the library says it, or "" */
const char *crypto_path(void);      /* what was loaded, or "" */

typedef struct {
    evp_cipher_ctx *ctx;
    uint8_t iv[12];
} aead_t;

typedef struct {
    int64_t start, stop;            /* packet numbers, stop is one past the last */
} range_t;

typedef struct {
    int64_t pn;
    int64_t sent_us;
    int64_t ack_largest;            /* largest packet number that an ACK frame in it told of, -1: none */
    uint16_t bytes;
    uint8_t state;                  /* SENT_* in sent.h */
} sent_t;

typedef struct {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t bytes;                /* 0: none */
} address_t;

typedef struct {                    /* counters of one connection; they only grow */
    uint64_t sent, sent_bytes, received, received_bytes, datagrams_in, datagrams_out, acks_out, slow, duplicates, forged, acked, lost,
        window_dropped, too_large, key_updates;
} conn_counts_t;

/* What the fan-out keeps with a connection, so that it is under the same lock; `media` reads and writes it, the plane
 * only clears it when a slot is used anew. */
typedef struct {
    uint32_t room;                  /* index + 1 of the room it hears, 0: none */
    uint32_t room_generation;
    int16_t seat;                   /* -1: a listener */
    uint8_t muted;
    uint8_t bundle;                 /* most frames in one datagram, 1 to 3 */
    uint8_t lossy;                  /* loss was above 2 %: single frames until it has stayed away */
    uint8_t takes_reports;
    uint8_t redundancy;             /* most copies in one datagram, 0 to 2 */
    uint8_t copies;                 /* so many go with each of its datagrams now … */
    int64_t lossy_until_us;
    int64_t copies_until_us;        /* … until then */
    int64_t tokens_us;              /* its uplink bucket: when it will be full again */
    int64_t vote;                   /* what its last report came to, see reports.pxd */
} listener_t;

typedef struct conn {
    pthread_mutex_t lock;
    uint32_t slot;
    uint32_t generation;            /* odd while open; +1 at open and at close */
    uint32_t flags;                 /* PLANE_TX | PLANE_RX; written under the lock */
    uint8_t suite;
    uint8_t tx_phase, rx_phase, spin;
    uint8_t dcid_bytes, scid_bytes, prefix_bytes, is_client;
    listener_t listener;

    /* sending */
    int64_t pn;                     /* the next packet number, shared with the other stack: it only grows */
    int64_t largest_acked;
    aead_t tx;
    evp_cipher_ctx *tx_hp;
    evp_cipher_ctx *spare_tx, *spare_hp;    /* contexts for AES-128-GCM that wait for a key, see table.c */
    uint64_t skip_seed;             /* 0: no number is left out */
    int64_t skip_at;                /* the first number from this one on is */
    uint32_t n_skipped;
    uint64_t sealed;                /* packets under the present sending key */
    uint64_t sealed_by_other;       /* of the other stack under it, as it reports */
    uint32_t largest_frame_bytes;   /* of a DATAGRAM frame, as the peer announced */
    uint32_t largest_packet_bytes;
    uint8_t dcid[PLANE_CID_BYTES];
    uint8_t prefix[PLANE_PREFIX_BYTES];
    address_t peer;

    /* receiving: one truth for both stacks */
    aead_t rx, rx_next, rx_previous;
    evp_cipher_ctx *rx_hp;
    uint64_t forged;                /* packets that did not open, under this key */
    uint8_t scid[PLANE_CID_BYTES];
    uint32_t own_frame_bytes;       /* the largest DATAGRAM frame that we announced */
    int64_t expected_pn;
    int64_t largest_pn, largest_at_us;
    int64_t spin_pn;
    int64_t phase_first_pn;         /* lowest packet number seen under the present key */
    int64_t received_us;            /* when a packet was last taken in */
    uint64_t window[2];             /* bit i: largest seen - i */
    int64_t window_top;
    int32_t n_ranges;
    int32_t ack_pending;            /* ack-eliciting packets that wait for an ACK */
    int32_t received_since_ack;
    int64_t ack_due_us;             /* when the ACK must leave, INT64_MAX: none owed */
    int32_t ack_every;              /* policy: at the n-th packet that holds only DATAGRAM … */
    int64_t ack_delay_us;           /* … or after this time; anything else at once */
    uint8_t ack_exponent, peer_ack_exponent;
    int64_t peer_ack_delay_us;      /* the most the peer may delay its ACK, as it announced */

    /* loss and congestion of native packets */
    uint64_t sent_head, sent_tail;  /* a FIFO in order of packet number */
    int64_t in_flight_bytes;
    int64_t smoothed_rtt_us, rtt_variance_us, least_rtt_us, latest_rtt_us;   /* smoothed 0: no sample yet */
    int64_t window_bytes;           /* congestion window of the other stack, 0: none */
    int64_t lost_sent_us;           /* when the packet lost last had been sent */
    int64_t probed_us;
    int32_t given_up;               /* times in a row that packets were given up without any ACK */

    /* Packets of the other stack in flight, ascending: it must see the first ACK of each, and the first that goes far
     * past it. Where there are more than PLANE_OTHERS (n_others is one more then) it sees every ACK from the oldest on. */
    int32_t n_others;
    int64_t others[PLANE_OTHERS];
    uint8_t told_acked, told_passed;    /* bit i: it was given such an ACK for others[i] */

    conn_counts_t counts;
    uint8_t wants_key_update;       /* the sending key is near its limit */
    uint8_t notified;               /* NOTICE_* bits that were queued and not taken yet; media's */

    int64_t skipped[PLANE_SKIPPED]; /* the latest, in turn */

    /* Last, so that all above is close together: a fan-out goes through thousands of connections. */
    range_t ranges[PLANE_RANGES];   /* ascending */
    sent_t sent[PLANE_SENT];
} __attribute__((aligned(64))) conn_t;

typedef struct {                    /* counters of a plane; they only grow */
    uint64_t sealed, sent, send_calls, send_blocked, send_errors, received, receive_calls, done, slow, dropped, violations, busy, unknown_cid,
        acks_sent, truncated, held, held_dropped;
} plane_counts_t;

/* Two threads may count the same thing. */
#define COUNT(plane, name, n) ((void)__atomic_fetch_add(&(plane)->counts.name, (uint64_t)(n), __ATOMIC_RELAXED))

typedef struct cid_entry cid_entry;
typedef struct held held_t;

typedef struct plane {
    int cid_bytes;                  /* length of our own connection ids */
    uint32_t limit;                 /* connections open at one time */
    uint32_t n_slots, n_open;
    conn_t **slots;                 /* as many as the limit; what they point to never moves */
    void **blocks;                  /* of memory in which slots are made, one after the other */
    uint32_t n_blocks, per_block;
    uint32_t *free_slots;
    uint32_t n_free;
    pthread_mutex_t table_lock;     /* of slots and cids */
    cid_entry *cids;
    uint32_t cid_mask, n_cids;
    uint32_t n_held;                /* connections with frames waiting; read without the lock too */
    pthread_mutex_t held_lock;
    held_t *held;
    int64_t now_us;                 /* the latest time that anybody gave: where a release has none of its own */
    plane_counts_t counts;
} plane_t;

/* --- the table (table.c); these lock by themselves -------------------------------------------------------------- */

void plane_note_time(plane_t *plane, int64_t now_us);   /* never goes back */
int64_t plane_time(const plane_t *plane);
plane_t *plane_new(int cid_bytes, uint32_t limit);
void plane_free(plane_t *plane);                        /* nobody else may use it any more */
conn_t *plane_open(plane_t *plane, int is_client);      /* NULL: at the limit, or no memory. No flags, no keys */
void plane_close(plane_t *plane, conn_t *conn);         /* takes the lock itself: keys are wiped, cids forgotten, the slot is free */
conn_t *plane_at(plane_t *plane, uint32_t slot);        /* NULL: no such slot */
int plane_add_cid(plane_t *plane, conn_t *conn, const uint8_t *cid);    /* PLANE_OK, PLANE_TAKEN, PLANE_FULL */
void plane_drop_cid(plane_t *plane, conn_t *conn, const uint8_t *cid);
/* The connection of each of n packets, NULL where none is known. Never waits: where the table is being changed just
 * now, all are NULL, which means PLANE_SLOW. */
void plane_find(plane_t *plane, const uint8_t *const *packets, const int *bytes, int n, conn_t **found);

void plane_lock(conn_t *conn);
int plane_trylock(conn_t *conn);                        /* 1: it is ours now */
void plane_unlock(conn_t *conn);                        /* see plane_release for the thread that may have made others wait */

/* --- one connection (conn.c) ------------------------------------------------------------------------------------ */

void conn_make_spares(conn_t *conn);                    /* once, when a slot is made; conn_free_spares ends it */
void conn_free_spares(conn_t *conn);
int conn_set_tx(conn_t *conn, suite_t suite, const uint8_t *key, const uint8_t *iv, const uint8_t *hp, int phase);
int conn_set_rx(conn_t *conn, suite_t suite, const uint8_t *key, const uint8_t *iv, const uint8_t *hp, int phase,
                const uint8_t *next_key, const uint8_t *next_iv);
void conn_wipe(conn_t *conn);                           /* flags off, all keys gone */
void conn_set_peer(conn_t *conn, const uint8_t *dcid, int dcid_bytes, const address_t *address);
void conn_set_own_cid(conn_t *conn, const uint8_t *cid, int bytes);
int conn_set_prefix(conn_t *conn, const uint8_t *prefix, int bytes);
int conn_advance(conn_t *conn, int64_t pn);             /* PLANE_RANGE if it would go back */
uint64_t conn_seal_limit(const conn_t *conn);           /* packets one sending key may seal, RFC 9001 section 6.6 */

/* The receive space as the other stack needs it. */
void conn_range_add(conn_t *conn, int64_t start, int64_t stop);
void conn_range_drop(conn_t *conn, int64_t stop);       /* forget [0, stop) */
int conn_seen(const conn_t *conn, int64_t pn);
void conn_mark(conn_t *conn, int64_t pn);

/* From now on a number is left out after 64 to 319 others (RFC 9000 section 21.4): who acknowledges it makes ACKs up. Which
 * ones follows from the seed, which nobody else may know. */
void conn_set_skips(conn_t *conn, uint64_t seed);
void conn_skip(conn_t *conn);                           /* leave the next number out if it is time; conn_seal does */

/* An ACK that the other stack has read. -1: it acknowledges what was never sent; nothing has changed then. */
int conn_acked(conn_t *conn, int64_t first, int64_t last, int is_largest, int64_t delay_us, int64_t now_us);
void conn_detect_loss(conn_t *conn, int64_t now_us);
int64_t conn_probe_timeout_us(const conn_t *conn);
/* The packets of the other stack in flight; what was told of those that were there before stays told. */
void conn_set_others(conn_t *conn, const int64_t *pns, int n);

/* Whether the window allows another packet of this size now; may count old packets as lost. */
int conn_may_send(conn_t *conn, int bytes, int64_t now_us);
int conn_overhead_bytes(const conn_t *conn);            /* of a packet with one DATAGRAM frame beyond its payload, prefix included */
int conn_largest_payload(const conn_t *conn);           /* -1: the peer takes none */

/* Seal one packet into `out` (PLANE_PACKET_BYTES): the prefix and payload as one DATAGRAM frame where payload is not
 * NULL, and an ACK frame of at most ack_ranges ranges where there is something to acknowledge. Returns its bytes, 0
 * where sending natively is barred or the key is used up, PLANE_CRYPTO. The packet number is consumed before sealing,
 * so no path gives it out twice. */
int conn_seal(conn_t *conn, const uint8_t *payload, int payload_bytes, int ack_ranges, int64_t now_us, uint8_t *out);

typedef struct {                    /* what a packet held */
    int n_datagrams;
    const uint8_t *datagram[PLANE_DATAGRAMS];    /* without prefix; they point into `plain` */
    int datagram_bytes[PLANE_DATAGRAMS];
    uint8_t plain[PLANE_PACKET_BYTES];
} received_t;

/* Open and take in one packet that arrived at now_us. PLANE_SLOW and PLANE_DROP change nothing but counters, with one
 * exception: of a packet that is SLOW only because its ACK is news to the other stack, the ACK is carried out here too,
 * and is no news when the same packet is tried again. So each packet is tried once. */
verdict_t conn_receive(conn_t *conn, const uint8_t *packet, int bytes, const address_t *source, int64_t now_us,
                       received_t *received);
/* Whether an ACK should leave now. */
int conn_ack_due(const conn_t *conn, int64_t now_us);

/* --- batches (batch.c) ------------------------------------------------------------------------------------------ */

typedef struct {                    /* packets to send in one call; each thread has its own */
    int n;
    int connected;                  /* the socket is: destinations are left out */
    int bytes[PLANE_BATCH];
    address_t to[PLANE_BATCH];
    uint8_t packet[PLANE_BATCH][PLANE_PACKET_BYTES];
} out_batch_t;

typedef struct {                    /* packets of one receiving call */
    int n;
    int bytes[PLANE_BATCH];
    address_t source[PLANE_BATCH];
    int64_t arrived_us[PLANE_BATCH];
    uint8_t packet[PLANE_BATCH][PLANE_PACKET_BYTES];
} in_batch_t;

/* Seal one packet for the connection into the batch, which must not be full; the address is copied. As conn_seal. */
int batch_seal(plane_t *plane, out_batch_t *batch, conn_t *conn, const uint8_t *payload, int payload_bytes, int ack_ranges, int64_t now_us);
/* Send all and empty the batch; without a socket (fd < 0) it is left as it is. A bad destination costs its own packet only; where the socket takes no more the rest is
 * dropped and counted: live audio is not queued. Returns how many went out. Not for a socket that blocks. */
int batch_send(plane_t *plane, out_batch_t *batch, int fd);
/* Read what the socket holds, at most PLANE_BATCH. clock_offset_us is monotonic minus real time, for the kernel's time
 * of arrival; where there is none, or it is not within the last second, now_us stands in. */
int batch_receive(plane_t *plane, in_batch_t *batch, int fd, int64_t now_us, int64_t clock_offset_us);
int socket_timestamps(int fd);      /* ask the kernel for times of arrival; 0, or -1 where there are none */

/* A frame for a connection that another thread holds: it waits for plane_release, as one of at most PLANE_HELD. It is
 * sealed only if the connection is of this generation and hears this room then. Returns 1: it waits, or was sealed into
 * the batch because the connection was free after all; 0: dropped (counted). Never waits; no lock wanted. */
int plane_hold(plane_t *plane, conn_t *conn, uint32_t generation, uint32_t room, uint32_t room_generation, const uint8_t *payload,
               int payload_bytes, out_batch_t *batch, int fd, int64_t now_us);
/* Release a connection: what waited for it is sealed into the batch (sent when it is full, where there is a socket), then
 * the lock is given back; frames that came in between are not forgotten. Who locks with plane_lock while another thread
 * sends audio must release with this. */
void plane_release(plane_t *plane, conn_t *conn, out_batch_t *batch, int fd, int64_t now_us);

#endif
