# What the parts of the media path share: rooms, their lists of connections, queues, counters. Plain C, and who owns what.

from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from spacecore._bundle cimport bundle_t
from spacecore._tick cimport SPACE_MAX_SEATS, out_t, space_t
from spacecore.atomics cimport exchange_u32
from spacecore.libplane cimport address_t, batch_send, conn_t, out_batch_t, plane_t, received_t
from spacecore.ring cimport ring_commit, ring_reserve, ring_t

cdef enum:
    MEDIA_TICK_US = 20000
    MEDIA_CATCH_UP = 3          # ticks caught up beside the one that is due
    MEDIA_EARLY_US = 1000       # a driver's timer may be so much too early
    MEDIA_ROOM_BITS = 17        # of a room's number, its index
    MEDIA_MAX_ROOMS = (1 << MEDIA_ROOM_BITS) - 1
    MEDIA_ACK_AFTER = 32        # packets received since the last ACK: then one goes with the next audio
    MEDIA_ACK_RANGES = 8        # in an ACK that goes with audio
    MEDIA_ACK_RANGES_ALONE = 32
    MEDIA_LOSSY_PCT = 2         # a report of more loss makes a listener lossy …
    MEDIA_LOSSY_US = 30000000   # … for so long; as long are frames copied for who asked for it by a report
    MEDIA_NOTICES = 1024
    MEDIA_PACKETS = 4096        # packets for the other stack
    MEDIA_COMMANDS = 16384      # requests of the control side
    MEDIA_PUTS = 8192           # datagrams that came another way and wait for the media side
    MEDIA_SENT = 32768          # packets that wait to be taken in stepped mode
    MEDIA_TALK_WORDS = 4        # of 64 seats
    LATE_STEPS = 32             # of a tick's lateness: buckets for each power of two
    LATE_BUCKETS = 512          # 32 of 1 µs, then 1/32 wide, up to 1 s

cdef enum:                      # who calls: each side counts for itself
    SIDE_MEDIA = 0
    SIDE_LOOP = 1

cdef enum:                      # in conn_t.notified
    NOTED_KEY_UPDATE = 1
    NOTED_VIOLATION = 2
    NOTED_FORGED = 4
    LISTED_ACK = 128            # it stands in the list of those that want to acknowledge

cdef enum notice_kind_t:
    NOTICE_APPLIED
    NOTICE_KEY_UPDATE
    NOTICE_VIOLATION
    NOTICE_FORGED
    NOTICE_TALK

cdef struct notice_t:
    notice_kind_t kind
    uint32_t where              # slot, or index of the room
    int64_t what                # generation, or serial

# A connection in a room's list. **Only a hint**: who hears a room stands in conn_t.listener, under the connection's lock,
# and is asked before each packet. `stay` is unique to one enter() or seat(), so an old entry never matches again.
cdef struct entry_t:
    conn_t* conn                # NULL: to be taken out of the list
    uint32_t generation
    uint32_t stay
    uint32_t slot
    uint16_t last_seq           # of the last frame that was sent, dropped or held for it
    uint8_t has_last
    uint8_t want                # frames in one datagram, as of the last packet
    int16_t seat                # -1: a listener
    uint8_t lossy
    uint8_t copies

cdef struct room_counts_t:
    uint64_t sent_full          # datagrams
    uint64_t sent_seat
    uint64_t frames             # frames of the full mix that these datagrams carried
    uint64_t bundled            # of these, in datagrams of two or three
    uint64_t refused            # datagrams not sent: too large for the peer, its window closed, or sending barred
    uint64_t held               # datagrams for a connection that was held
    uint64_t held_dropped
    uint64_t missed             # frames that a listener was not sent in time
    uint64_t nobody             # packets for seats in which nobody sits
    uint64_t stale              # entries taken out of the list
    uint64_t told               # reports to people in seats
    uint64_t copied             # datagrams with copies

# Of one room. The control side writes `number`, and allocates and frees; the media side owns the rest from the command
# that hands the room in until it sets `closed`.
cdef struct room_t:
    uint32_t index
    uint32_t number             # of its present people: clear() gives it another, close() 0
    uint32_t closed
    uint32_t dropped_entries    # ever; written by the media side
    uint32_t grown              # how many arrays it has been handed
    space_t* space
    int bundle                  # frames a datagram, 0: by the number of listeners …
    uint32_t bundle_above       # … two above this
    entry_t* entries
    uint32_t n_entries
    uint32_t capacity
    uint32_t n_fresh            # entries since the list was last looked through
    uint32_t n_audience         # listeners of the pass before
    uint32_t n_listeners        # in this pass, and of them …
    uint32_t by_want[4]         # … those who get so many frames a datagram
    uint32_t n_lossy
    uint32_t n_copied
    bint waiting                # somebody was passed over, to be sent a bundle later
    uint32_t passes
    bundle_t bundle_state
    ring_t* frames              # for outlets; NULL: none
    ring_t* outlet              # the same, for the control side
    int64_t told_applied
    int64_t talking[MEDIA_TALK_WORDS]   # a bit for each seat that is heard; written by the media side
    int64_t dominant                    # a seat or NOBODY, likewise
    bint talk_untold
    room_counts_t counts

cdef enum command_kind_t:
    MEDIA_ADD
    MEDIA_CLOSE
    MEDIA_ENTER
    MEDIA_GROW
    MEDIA_SUBSCRIBE
    MEDIA_ACK

cdef struct media_command_t:
    command_kind_t kind
    room_t* room
    conn_t* conn
    uint32_t generation
    uint32_t stay
    int16_t seat
    uint32_t capacity
    void* memory

cdef struct put_head_t:         # before the bytes of a datagram in `puts`
    uint32_t room_number
    int16_t seat                # -1: none, for a report
    int64_t vote                # of a report: the one before
    int64_t arrived_us

cdef struct packet_head_t:      # before the bytes of a packet in `packets` and `sent`
    address_t address
    int64_t arrived_us
    uint32_t native_first

cdef struct ack_t:
    conn_t* conn
    uint32_t generation
    int64_t due_us

cdef struct uplink_counts_t:
    uint64_t frames_in, not_on_stage, muted, flood, malformed, unknown_kind, reports, closed_room

cdef struct media_counts_t:
    uint64_t ticks, late, skipped, resyncs
    int64_t worst_late_us
    int64_t tick_us             # time in ticks, as the driver measures it
    int64_t thread_cpu_us       # of the driver's thread, in all
    uint64_t acks_alone
    uint64_t acks_full          # connections that found no room in the list
    uint64_t wakes, reads, socket_errors
    uint64_t late_by[LATE_BUCKETS]
    uint64_t engine[96]         # what the engine said about audio, by status + 48
    room_counts_t rooms         # of rooms that are closed

# Threads: the side that calls media_step owns everything but the writers' halves of `commands` and `puts`, the readers'
# halves of `packets`, `notices` and `sent`, and what stands under "control side". Both may be one thread.
cdef struct media_t:
    plane_t* plane
    int fd                      # -1: sealed packets wait in `sent`
    uint32_t max_rooms
    room_t** rooms              # by index
    room_t** live
    uint32_t n_live
    ring_t commands             # control → media
    ring_t puts                 # control → media
    ring_t packets              # media → control
    ring_t notices              # media → control
    ring_t sent                 # both sides in stepped mode, where they are one thread
    out_t* out
    out_batch_t* batch
    received_t* received
    ack_t* acks                 # a queue in order of time
    uint32_t ack_capacity
    uint32_t ack_head
    uint32_t n_acks
    bint started
    int64_t next_us             # deadline of the next tick
    media_counts_t counts
    uplink_counts_t uplink[2]
    int64_t cost_us             # of one datagram from below, 0: any number may come …
    int64_t burst_us            # … and how far ahead one may be
    uint64_t forged_limit       # packets that did not open, for a notice
    # the bell: rung when something waits and nobody has been told
    uint32_t rung
    void (*ring_bell)(void* bell) noexcept nogil
    void (*quiet_bell)(void* bell) noexcept nogil
    bint (*wait)(void* bell, int times) noexcept nogil      # for the media side to take commands; False: for too long
    void* bell
    # control side
    out_batch_t* loop_batch
    received_t* loop_received


cdef inline void media_ring(media_t* media) noexcept nogil:
    """Tell the other side that something waits for it, unless it has been told."""
    if media.ring_bell != NULL and exchange_u32(&media.rung, 1) == 0:
        media.ring_bell(media.bell)


cdef inline bint media_tell(media_t* media, notice_kind_t kind, uint32_t where, int64_t what) noexcept nogil:
    cdef notice_t* notice = <notice_t*>ring_reserve(&media.notices, sizeof(notice_t))
    if notice == NULL:
        return False
    notice.kind = kind
    notice.where = where
    notice.what = what
    ring_commit(&media.notices)
    media_ring(media)
    return True


cdef inline void media_tell_once(media_t* media, conn_t* conn, notice_kind_t kind, uint8_t bit) noexcept nogil:
    """One notice for each cause: `bit` stays in conn.notified until the cause is gone. Under the connection's lock."""
    if not conn.notified & bit and media_tell(media, kind, conn.slot, conn.generation):
        conn.notified |= bit


cdef inline bint media_pass_up(
        media_t* media, const uint8_t* packet, int n_bytes, const address_t* address, int64_t arrived_us, bint native_first) noexcept nogil:
    """Queue a packet for the other stack."""
    cdef packet_head_t* head = <packet_head_t*>ring_reserve(&media.packets, <uint32_t>(sizeof(packet_head_t) + n_bytes))
    if head == NULL:
        return False
    head.address = address[0]
    head.arrived_us = arrived_us
    head.native_first = native_first
    memcpy(head + 1, packet, n_bytes)
    ring_commit(&media.packets)
    media_ring(media)
    return True


cdef inline void media_flush(media_t* media, out_batch_t* batch) noexcept nogil:
    """Send what a batch holds; in stepped mode keep it until somebody takes it."""
    cdef int i
    cdef packet_head_t* head
    if batch.n == 0:
        return
    if media.fd >= 0:
        batch_send(media.plane, batch, media.fd)
        return
    for i in range(batch.n):
        head = <packet_head_t*>ring_reserve(&media.sent, <uint32_t>(sizeof(packet_head_t) + batch.bytes[i]))
        if head != NULL:
            head.address = batch.to[i]
            memcpy(head + 1, batch.packet[i], batch.bytes[i])
            ring_commit(&media.sent)
    batch.n = 0
