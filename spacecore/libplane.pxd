# C declarations of plane/plane.h, the native data plane; a unit that cimports from here has the core compiled into it.

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "plane/whole.h" nogil:
    enum:
        PLANE_PACKET_BYTES
        PLANE_CID_BYTES
        PLANE_PREFIX_BYTES
        PLANE_BATCH
        PLANE_RANGES
        PLANE_WINDOW
        PLANE_SENT
        PLANE_DATAGRAMS
        PLANE_HELD
        PLANE_HELD_CONNS
        PLANE_OTHERS
        PLANE_TX
        PLANE_RX
        PLANE_OK
        PLANE_NO_LIBRARY
        PLANE_CRYPTO
        PLANE_FULL
        PLANE_RANGE
        PLANE_TAKEN

    ctypedef enum verdict_t:
        PLANE_SLOW
        PLANE_DONE
        PLANE_DROP
        PLANE_VIOLATION
        PLANE_BUSY

    ctypedef enum suite_t:
        SUITE_AES_128_GCM
        SUITE_AES_256_GCM
        SUITE_CHACHA20_POLY1305
        SUITES

    int crypto_load(const char* path)
    const char* crypto_error()
    const char* crypto_version()
    const char* crypto_path()

    ctypedef struct range_t:
        int64_t start
        int64_t stop

    struct sockaddr:
        int sa_family

    struct in_addr:
        uint32_t s_addr

    struct in6_addr:
        uint8_t s6_addr[16]

    struct sockaddr_in:
        int sin_family
        uint16_t sin_port
        in_addr sin_addr

    struct sockaddr_in6:
        int sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id

    union address_at:               # the member `at` of address_t; it has no name in C
        sockaddr any
        sockaddr_in v4
        sockaddr_in6 v6

    ctypedef struct address_t:
        address_at at
        unsigned int bytes

    ctypedef struct conn_counts_t:
        uint64_t sent, sent_bytes, received, received_bytes, datagrams_in, datagrams_out, acks_out, slow, duplicates
        uint64_t forged, acked, lost, window_dropped, too_large, key_updates

    ctypedef struct listener_t:
        uint32_t room
        uint32_t room_generation
        int16_t seat
        uint8_t muted
        uint8_t bundle
        uint8_t lossy
        uint8_t takes_reports
        uint8_t redundancy
        uint8_t copies
        int64_t lossy_until_us
        int64_t copies_until_us
        int64_t tokens_us
        int64_t vote

    ctypedef struct aead_t:
        void* ctx

    ctypedef struct conn_t:
        uint32_t slot
        uint32_t generation
        uint32_t flags
        uint8_t suite
        uint8_t tx_phase, rx_phase, spin
        uint8_t dcid_bytes, scid_bytes, prefix_bytes, is_client
        listener_t listener
        int64_t pn
        int64_t largest_acked
        aead_t tx
        aead_t rx
        void* tx_hp
        uint64_t sealed
        uint64_t sealed_by_other
        uint32_t largest_frame_bytes
        uint32_t largest_packet_bytes
        uint8_t dcid[20]
        address_t peer
        uint64_t forged
        uint8_t scid[20]
        uint32_t own_frame_bytes
        int64_t expected_pn
        int64_t largest_pn
        int64_t largest_at_us
        int64_t received_us
        int32_t n_ranges
        range_t ranges[64]
        int32_t ack_pending
        int32_t received_since_ack
        int64_t ack_due_us
        int32_t ack_every
        int64_t ack_delay_us
        uint8_t ack_exponent
        uint8_t peer_ack_exponent
        int64_t peer_ack_delay_us
        uint64_t sent_head
        uint64_t sent_tail
        int64_t in_flight_bytes
        int64_t smoothed_rtt_us, rtt_variance_us, least_rtt_us, latest_rtt_us
        int64_t window_bytes
        int64_t lost_sent_us
        int32_t n_others
        int64_t others[8]
        conn_counts_t counts
        uint8_t wants_key_update
        uint8_t notified

    ctypedef struct plane_counts_t:
        uint64_t sealed, sent, send_calls, send_blocked, send_errors, received, receive_calls, done, slow, dropped
        uint64_t violations, busy, unknown_cid, acks_sent, truncated, held, held_dropped

    ctypedef struct plane_t:
        int cid_bytes
        uint32_t limit
        uint32_t n_slots
        uint32_t n_open
        plane_counts_t counts

    void plane_note_time(plane_t* plane, int64_t now_us)
    int64_t plane_time(const plane_t* plane)
    plane_t* plane_new(int cid_bytes, uint32_t limit)
    void plane_free(plane_t* plane)
    conn_t* plane_open(plane_t* plane, int is_client)
    void plane_close(plane_t* plane, conn_t* conn)
    conn_t* plane_at(plane_t* plane, uint32_t slot)
    int plane_add_cid(plane_t* plane, conn_t* conn, const uint8_t* cid)
    void plane_drop_cid(plane_t* plane, conn_t* conn, const uint8_t* cid)
    void plane_find(plane_t* plane, const uint8_t* const* packets, const int* bytes, int n, conn_t** found)
    void plane_lock(conn_t* conn)
    int plane_trylock(conn_t* conn)
    void plane_unlock(conn_t* conn)

    int conn_set_tx(conn_t* conn, suite_t suite, const uint8_t* key, const uint8_t* iv, const uint8_t* hp, int phase)
    int conn_set_rx(conn_t* conn, suite_t suite, const uint8_t* key, const uint8_t* iv, const uint8_t* hp, int phase,
                    const uint8_t* next_key, const uint8_t* next_iv)
    void conn_wipe(conn_t* conn)
    void conn_set_peer(conn_t* conn, const uint8_t* dcid, int dcid_bytes, const address_t* address)
    void conn_set_own_cid(conn_t* conn, const uint8_t* cid, int bytes)
    int conn_set_prefix(conn_t* conn, const uint8_t* prefix, int bytes)
    int conn_advance(conn_t* conn, int64_t pn)
    uint64_t conn_seal_limit(const conn_t* conn)
    void conn_range_add(conn_t* conn, int64_t start, int64_t stop)
    void conn_range_drop(conn_t* conn, int64_t stop)
    int conn_seen(const conn_t* conn, int64_t pn)
    void conn_mark(conn_t* conn, int64_t pn)
    int conn_acked(conn_t* conn, int64_t first, int64_t last, int is_largest, int64_t delay_us, int64_t now_us)
    void conn_detect_loss(conn_t* conn, int64_t now_us)
    int64_t conn_probe_timeout_us(const conn_t* conn)
    void conn_set_skips(conn_t* conn, uint64_t seed)
    void conn_skip(conn_t* conn)
    void conn_set_others(conn_t* conn, const int64_t* pns, int n)
    int conn_may_send(conn_t* conn, int bytes, int64_t now_us)
    int conn_overhead_bytes(const conn_t* conn)
    int conn_largest_payload(const conn_t* conn)
    int conn_seal(conn_t* conn, const uint8_t* payload, int payload_bytes, int ack_ranges, int64_t now_us, uint8_t* out)
    int conn_ack_due(const conn_t* conn, int64_t now_us)

    ctypedef struct received_t:
        int n_datagrams
        const uint8_t* datagram[16]
        int datagram_bytes[16]
        uint8_t plain[1500]

    verdict_t conn_receive(conn_t* conn, const uint8_t* packet, int bytes, const address_t* source, int64_t now_us,
                           received_t* received)

    ctypedef struct out_batch_t:
        int n
        int connected
        int bytes[64]
        address_t to[64]
        uint8_t packet[64][1500]

    ctypedef struct in_batch_t:
        int n
        int bytes[64]
        address_t source[64]
        int64_t arrived_us[64]
        uint8_t packet[64][1500]

    int batch_seal(plane_t* plane, out_batch_t* batch, conn_t* conn, const uint8_t* payload, int payload_bytes,
                   int ack_ranges, int64_t now_us)
    int batch_send(plane_t* plane, out_batch_t* batch, int fd)
    int batch_receive(plane_t* plane, in_batch_t* batch, int fd, int64_t now_us, int64_t clock_offset_us)
    int socket_timestamps(int fd)
    int plane_hold(plane_t* plane, conn_t* conn, uint32_t generation, uint32_t room, uint32_t room_generation,
                   const uint8_t* payload, int payload_bytes, out_batch_t* batch, int fd, int64_t now_us)
    void plane_release(plane_t* plane, conn_t* conn, out_batch_t* batch, int fd, int64_t now_us)
