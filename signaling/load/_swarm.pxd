# Many clients' sockets in one set, served without the interpreter. See _swarm.pyx for the driving contract.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from signaling.load._tally cimport Board
from spacecore.libplane cimport conn_t, received_t

cdef extern from "sockets.h" nogil:
    enum:
        SOCKETS_BATCH
        SOCKETS_READY
        SOCKETS_PACKET_BYTES
    ctypedef struct sockets_batch_t:
        int n
        int bytes[8]
        int64_t arrived_us[8]
        uint8_t packet[8][1500]
    int sockets_new()
    int sockets_add(int set, int fd, int member)
    int sockets_ready(int set, int* ready)
    int sockets_stamp(int fd)
    void sockets_prepare(sockets_batch_t* batch)
    int sockets_take(sockets_batch_t* batch, int fd, int64_t now_us, int64_t clock_offset_us)
    int sockets_send(int fd, const uint8_t* packet, int n_bytes)

cdef extern from "delays.h" nogil:
    enum:
        DELAYS_PACKETS
    ctypedef struct delayed_t:
        int64_t due_us
        int32_t member
        uint16_t n_bytes "bytes"
        uint8_t is_up
        uint8_t* packet
    ctypedef struct delays_t:
        pass
    int delays_begin(delays_t* delays, uint64_t seed, double loss_share, int64_t delay_us, int64_t jitter_us)
    void delays_end(delays_t* delays)
    uint64_t delays_random(delays_t* delays)
    bint delays_loses(delays_t* delays)
    bint delays_any(const delays_t* delays)
    int delays_push(delays_t* delays, int64_t now_us, int member, bint is_up, const uint8_t* packet, int n_bytes)
    int64_t delays_due_us(const delays_t* delays)
    delayed_t delays_pop(delays_t* delays)

cdef enum:
    SWARM_SLOW = 1024            # packets for Python that wait; then sockets are left unread
    SWARM_READS = 16             # readings of one socket in a row
    SWARM_REPORT_US = 5000000    # between two receiver reports of a listener
    SWARM_ACK_RANGES = 8         # of an ACK frame that is sent here

cdef struct member_t:
    int fd                       # -1: closed
    int ear                      # whose delivery its audio counts for, -1: nobody's
    bint was_refused             # nobody listened at the other end
    conn_t* conn                 # NULL: all packets are the link's business
    uint32_t generation          # of conn, as long as it is this member's

cdef struct slow_t:
    int32_t member
    int32_t n_bytes
    int64_t arrived_us
    uint8_t packet[1500]

cdef struct swarm_counts_t:
    int64_t packets_in, packets_out, bytes_in, native, slow, dropped, violations, acks_out, reports_out
    int64_t lost_in, lost_out, overflowed, too_long, send_errors, receive_errors

cdef class Swarm:
    cdef readonly int limit
    cdef readonly int n_members
    cdef readonly Board board
    cdef int ready_set
    cdef member_t* member
    cdef list handles            # of the connections, so that they stay open
    cdef int64_t* report_at_us   # these two beside each other: looked through at every turn
    cdef int64_t* ack_at_us
    cdef int64_t now_us
    cdef received_t* received
    cdef slow_t* slow
    cdef int n_slow
    cdef sockets_batch_t* batch
    cdef delays_t delays
    cdef swarm_counts_t counts

    cdef member_t* at(self, int index) except NULL
    cdef int serve(self, int64_t now_us, int64_t clock_offset_us) noexcept nogil
    cdef int take(self, int index, int64_t now_us, int64_t clock_offset_us) noexcept nogil
    cdef void take_due(self, int64_t now_us) noexcept nogil
    cdef void send_due(self, int64_t now_us) noexcept nogil
    cdef bint take_native(self, int index, const uint8_t* packet, int n_bytes, int64_t arrived_us) noexcept nogil
    cdef int put_native(self, int index, const uint8_t* payload, int n_bytes, int64_t now_us) noexcept nogil
    cdef void take_in(self, int index, const uint8_t* packet, int n_bytes, int64_t arrived_us) noexcept nogil
    cdef void put_out(self, int index, const uint8_t* packet, int n_bytes, int64_t now_us) noexcept nogil
    cdef void put_wire(self, int index, const uint8_t* packet, int n_bytes) noexcept nogil
