/* Connections by slot and by connection id, and frames that wait for a connection that is held. */
#include "crypto.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct cid_entry {
    conn_t *conn;                   /* NULL: free */
    uint8_t cid[PLANE_CID_BYTES];
};

struct held {
    conn_t *conn;                   /* NULL: free */
    uint32_t generation, room, room_generation;
    int n;
    int bytes[PLANE_HELD];
    uint8_t frame[PLANE_HELD][PLANE_PACKET_BYTES];
};

enum {
    CIDS_PER_CONN = 4,              /* slots of the hash for each connection, of which at most half are filled */
    LINE_BYTES = 64,
    HUGE_BYTES = 2 << 20,           /* a huge page, and a block of slots, unless the plane is smaller */
    BLOCK_CONNS = HUGE_BYTES / sizeof(conn_t)
};

/* --- slots ------------------------------------------------------------------------------------------------------ */

plane_t *plane_new(int cid_bytes, uint32_t limit) {
    plane_t *plane = calloc(1, sizeof *plane);
    uint32_t size = 16;
    while (size < limit * CIDS_PER_CONN)
        size *= 2;
    if (plane == NULL)
        return NULL;
    plane->cid_bytes = cid_bytes;
    plane->limit = limit;
    plane->slots = calloc(limit, sizeof *plane->slots);
    plane->free_slots = calloc(limit, sizeof *plane->free_slots);
    plane->per_block = limit < BLOCK_CONNS ? limit : BLOCK_CONNS;
    plane->blocks = calloc(limit / plane->per_block + 1, sizeof *plane->blocks);
    plane->cids = calloc(size, sizeof *plane->cids);
    plane->cid_mask = size - 1;
    plane->held = calloc(PLANE_HELD_CONNS, sizeof *plane->held);
    pthread_mutex_init(&plane->table_lock, NULL);
    pthread_mutex_init(&plane->held_lock, NULL);
    if (plane->blocks == NULL || plane->slots == NULL || plane->free_slots == NULL || plane->cids == NULL || plane->held == NULL) {
        plane_free(plane);
        return NULL;
    }
    return plane;
}

void plane_note_time(plane_t *plane, int64_t now_us) {
    if (now_us > __atomic_load_n(&plane->now_us, __ATOMIC_RELAXED))
        __atomic_store_n(&plane->now_us, now_us, __ATOMIC_RELAXED);
}

int64_t plane_time(const plane_t *plane) { return __atomic_load_n(&plane->now_us, __ATOMIC_RELAXED); }

void plane_free(plane_t *plane) {
    if (plane == NULL)
        return;
    for (uint32_t i = 0; i < plane->n_slots; i++) {
        conn_wipe(plane->slots[i]);
        conn_free_spares(plane->slots[i]);
        pthread_mutex_destroy(&plane->slots[i]->lock);
    }
    for (uint32_t i = 0; i < plane->n_blocks; i++)
        free(plane->blocks[i]);
    free(plane->blocks);
    pthread_mutex_destroy(&plane->table_lock);
    pthread_mutex_destroy(&plane->held_lock);
    free(plane->slots);
    free(plane->free_slots);
    free(plane->cids);
    free(plane->held);
    free(plane);
}

/* Everything but the lock, the slot and the generation, as for a connection that has done nothing yet. */
static void reset(conn_t *conn, int is_client) {
    uint32_t slot = conn->slot;
    uint32_t generation = conn->generation;
    evp_cipher_ctx *spare_tx = conn->spare_tx;
    evp_cipher_ctx *spare_hp = conn->spare_hp;
    size_t kept = offsetof(conn_t, slot);
    memset((char *)conn + kept, 0, sizeof *conn - kept);
    conn->spare_tx = spare_tx;
    conn->spare_hp = spare_hp;
    conn->slot = slot;
    conn->generation = generation + 1;
    conn->is_client = (uint8_t)(is_client != 0);
    conn->listener.seat = -1;
    conn->own_frame_bytes = 65535;
    conn->largest_pn = conn->spin_pn = conn->window_top = conn->largest_acked = -1;
    conn->phase_first_pn = conn->ack_due_us = INT64_MAX;
    conn->ack_every = 2;            /* RFC 9000 section 13.2.2 */
    conn->ack_delay_us = 20000;
    conn->ack_exponent = conn->peer_ack_exponent = 3;
    conn->peer_ack_delay_us = 25000;
}

/* A fan-out goes through thousands of connections and touches a few lines of each: what costs most is finding the pages.
 * So slots lie side by side, in huge pages where the kernel has them, and the contexts that sealing uses are made in one
 * go, which puts them side by side too. */
static int add_block(plane_t *plane) {
    uint32_t n = plane->limit - plane->n_slots < plane->per_block ? plane->limit - plane->n_slots : plane->per_block;
    int is_huge = n == BLOCK_CONNS;
    size_t size = is_huge ? HUGE_BYTES : n * sizeof(conn_t);
    void *memory = NULL;
    if (posix_memalign(&memory, is_huge ? HUGE_BYTES : LINE_BYTES, size) != 0)
        return 0;
#ifdef MADV_HUGEPAGE
    if (is_huge)
        madvise(memory, size, MADV_HUGEPAGE);
#endif
    memset(memory, 0, size);
    plane->blocks[plane->n_blocks++] = memory;
    conn_t *conn = memory;
    for (uint32_t i = 0; i < n; i++) {
        pthread_mutex_init(&conn[i].lock, NULL);
        conn[i].slot = plane->n_slots + i;
        conn_make_spares(&conn[i]);
        plane->slots[plane->n_slots + i] = &conn[i];
    }
    for (uint32_t i = n; i > 0; i--)    /* the lowest is taken first */
        plane->free_slots[plane->n_free++] = plane->n_slots + i - 1;
    __atomic_store_n(&plane->n_slots, plane->n_slots + n, __ATOMIC_RELEASE);
    return 1;
}

conn_t *plane_open(plane_t *plane, int is_client) {
    conn_t *conn = NULL;
    pthread_mutex_lock(&plane->table_lock);
    if (plane->n_free > 0 || (plane->n_slots < plane->limit && add_block(plane))) {
        conn = plane->slots[plane->free_slots[--plane->n_free]];
        plane->n_open++;
    }
    pthread_mutex_unlock(&plane->table_lock);
    if (conn == NULL)
        return NULL;
    pthread_mutex_lock(&conn->lock);   /* the media thread may look at the slot by an old entry of its own */
    reset(conn, is_client);
    pthread_mutex_unlock(&conn->lock);
    return conn;
}

conn_t *plane_at(plane_t *plane, uint32_t slot) {
    return slot < __atomic_load_n(&plane->n_slots, __ATOMIC_ACQUIRE) ? plane->slots[slot] : NULL;
}

void plane_lock(conn_t *conn) { pthread_mutex_lock(&conn->lock); }

int plane_trylock(conn_t *conn) { return pthread_mutex_trylock(&conn->lock) == 0; }

void plane_unlock(conn_t *conn) { pthread_mutex_unlock(&conn->lock); }

/* --- connection ids: open addressing with linear probing ---------------------------------------------------------- */

static uint32_t home(const plane_t *plane, const uint8_t *cid) {
    uint64_t key = 0;
    memcpy(&key, cid, (size_t)(plane->cid_bytes < 8 ? plane->cid_bytes : 8));   /* random: ours are */
    return (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & plane->cid_mask;
}

static cid_entry *entry_of(const plane_t *plane, const uint8_t *cid) {
    uint32_t at = home(plane, cid);
    while (plane->cids[at].conn != NULL && memcmp(plane->cids[at].cid, cid, (size_t)plane->cid_bytes) != 0)
        at = (at + 1) & plane->cid_mask;
    return &plane->cids[at];
}

int plane_add_cid(plane_t *plane, conn_t *conn, const uint8_t *cid) {
    int status = PLANE_OK;
    pthread_mutex_lock(&plane->table_lock);
    cid_entry *entry = entry_of(plane, cid);
    if (entry->conn != NULL) {
        status = entry->conn == conn ? PLANE_OK : PLANE_TAKEN;
    } else if (plane->n_cids > plane->cid_mask / 2) {
        status = PLANE_FULL;
    } else {
        entry->conn = conn;
        memcpy(entry->cid, cid, (size_t)plane->cid_bytes);
        plane->n_cids++;
    }
    pthread_mutex_unlock(&plane->table_lock);
    return status;
}

/* Empty an entry and move those behind it up, so that no search stops short of them. */
static void remove_entry(plane_t *plane, uint32_t hole) {
    uint32_t at = hole;
    plane->n_cids--;
    for (;;) {
        at = (at + 1) & plane->cid_mask;
        if (plane->cids[at].conn == NULL)
            break;
        uint32_t wanted = home(plane, plane->cids[at].cid);
        if (((at - wanted) & plane->cid_mask) >= ((at - hole) & plane->cid_mask)) {
            plane->cids[hole] = plane->cids[at];
            hole = at;
        }
    }
    plane->cids[hole].conn = NULL;
}

void plane_drop_cid(plane_t *plane, conn_t *conn, const uint8_t *cid) {
    pthread_mutex_lock(&plane->table_lock);
    cid_entry *entry = entry_of(plane, cid);
    if (entry->conn == conn)
        remove_entry(plane, (uint32_t)(entry - plane->cids));
    pthread_mutex_unlock(&plane->table_lock);
}

void plane_find(plane_t *plane, const uint8_t *const *packets, const int *bytes, int n, conn_t **found) {
    int ours = pthread_mutex_trylock(&plane->table_lock) == 0;
    for (int i = 0; i < n; i++) {
        found[i] = NULL;
        if (ours && bytes[i] > plane->cid_bytes && !(packets[i][0] & 0x80))
            found[i] = entry_of(plane, packets[i] + 1)->conn;
    }
    if (ours)
        pthread_mutex_unlock(&plane->table_lock);
}

void plane_close(plane_t *plane, conn_t *conn) {
    uint8_t cid[PLANE_CID_BYTES];
    pthread_mutex_lock(&conn->lock);
    int has_cid = conn->scid_bytes == plane->cid_bytes && conn->scid_bytes > 0;
    memcpy(cid, conn->scid, sizeof cid);
    conn_wipe(conn);
    conn->listener.room = 0;
    conn->scid_bytes = 0;
    conn->generation++;
    pthread_mutex_unlock(&conn->lock);
    if (has_cid)
        plane_drop_cid(plane, conn, cid);
    pthread_mutex_lock(&plane->table_lock);
    plane->free_slots[plane->n_free++] = conn->slot;
    plane->n_open--;
    pthread_mutex_unlock(&plane->table_lock);
}

/* --- frames for connections that are held ------------------------------------------------------------------------- */

static held_t *waiting(plane_t *plane, const conn_t *conn) {
    for (int i = 0; i < PLANE_HELD_CONNS; i++)
        if (plane->held[i].conn == conn)
            return &plane->held[i];
    return NULL;
}

int plane_hold(plane_t *plane, conn_t *conn, uint32_t generation, uint32_t room, uint32_t room_generation, const uint8_t *payload,
               int payload_bytes, out_batch_t *batch, int fd, int64_t now_us) {
    if (payload_bytes < 0 || payload_bytes > PLANE_PACKET_BYTES || pthread_mutex_trylock(&plane->held_lock) != 0) {
        COUNT(plane, held_dropped, 1);
        return 0;
    }
    held_t *held = waiting(plane, conn);
    if (held == NULL && (held = waiting(plane, NULL)) != NULL) {
        held->conn = conn;
        held->n = 0;
        __atomic_add_fetch(&plane->n_held, 1, __ATOMIC_SEQ_CST);
    }
    if (held == NULL) {
        pthread_mutex_unlock(&plane->held_lock);
        COUNT(plane, held_dropped, 1);
        return 0;
    }
    if (held->generation != generation || held->room != room || held->room_generation != room_generation) {
        COUNT(plane, held_dropped, (uint64_t)held->n);
        held->n = 0;
    }
    held->generation = generation;
    held->room = room;
    held->room_generation = room_generation;
    if (held->n == PLANE_HELD) {   /* the oldest is worth least */
        memmove(held->bytes, held->bytes + 1, sizeof *held->bytes * (PLANE_HELD - 1));
        memmove(held->frame[0], held->frame[1], sizeof held->frame[0] * (PLANE_HELD - 1));
        held->n--;
        COUNT(plane, held_dropped, 1);
    }
    held->bytes[held->n] = payload_bytes;
    memcpy(held->frame[held->n++], payload, (size_t)payload_bytes);
    COUNT(plane, held, 1);
    pthread_mutex_unlock(&plane->held_lock);
    /* Whoever held it may have looked for frames just before this one came: then nobody else would send it. */
    if (plane_trylock(conn))
        plane_release(plane, conn, batch, fd, now_us);
    return 1;
}

static void send_held(plane_t *plane, conn_t *conn, out_batch_t *batch, int fd, int64_t now_us) {
    pthread_mutex_lock(&plane->held_lock);
    held_t *held = waiting(plane, conn);
    if (held != NULL) {
        int still = held->generation == conn->generation && held->room == conn->listener.room &&
                    held->room_generation == conn->listener.room_generation;
        for (int i = 0; i < held->n; i++) {
            if (batch->n == PLANE_BATCH)
                batch_send(plane, batch, fd);
            if (!still || batch->n == PLANE_BATCH || batch_seal(plane, batch, conn, held->frame[i], held->bytes[i], 1, now_us) <= 0)
                COUNT(plane, held_dropped, 1);
        }
        held->conn = NULL;
        __atomic_sub_fetch(&plane->n_held, 1, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&plane->held_lock);
}

/* Cheap where nobody waits, which is nearly always. */
static int is_waited_for(plane_t *plane, const conn_t *conn) {
    if (__atomic_load_n(&plane->n_held, __ATOMIC_SEQ_CST) == 0)
        return 0;
    pthread_mutex_lock(&plane->held_lock);
    int found = waiting(plane, conn) != NULL;
    pthread_mutex_unlock(&plane->held_lock);
    return found;
}

void plane_release(plane_t *plane, conn_t *conn, out_batch_t *batch, int fd, int64_t now_us) {
    for (;;) {
        if (is_waited_for(plane, conn))
            send_held(plane, conn, batch, fd, now_us);
        pthread_mutex_unlock(&conn->lock);
        /* A frame may have come between the look and the unlock; its bringer found the lock taken. */
        if (!is_waited_for(plane, conn) || !plane_trylock(conn))
            return;
    }
}
