"""Many clients' sockets in one set: packets in and out, a made-up network between, without the interpreter."""

from collections import namedtuple

from libc.errno cimport EAGAIN, ECONNREFUSED, EINTR
from libc.stdint cimport INT64_MAX, int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from posix.unistd cimport close

from signaling.load._tally cimport Board, board_report, board_take
from spacecore._packet cimport REPORT_BYTES
from spacecore._plane cimport Connection
from spacecore.libplane cimport (
    PLANE_DONE, PLANE_DROP, PLANE_OK, PLANE_PACKET_BYTES, PLANE_VIOLATION, conn_may_send,
    conn_overhead_bytes, conn_receive, conn_seal, conn_t, crypto_load, plane_trylock, plane_unlock, received_t, verdict_t,
)

from spacecore._plane import crypto_library

__all__ = ["DELAYED_PACKETS", "SLOW_PACKETS", "Swarm", "SwarmStats"]

globals()["DELAYED_PACKETS"] = DELAYS_PACKETS
globals()["SLOW_PACKETS"] = SWARM_SLOW

SwarmStats = namedtuple(
    "SwarmStats",
    "packets_in packets_out bytes_in native slow dropped violations acks_out reports_out lost_in lost_out overflowed "
    "too_long send_errors receive_errors",
)
SwarmStats.__doc__ = """Counters of a swarm; they only grow.

`packets_in` came from the network, of which `native` were opened here, `slow` went to the links and `dropped` meant
nothing; `violations` are those of `slow` that acknowledge what was never sent. `lost_in`, `lost_out` and `overflowed` (too many on their way) were lost by the made-up network.
"""


cdef class Swarm:
    """Sockets of at most `members` clients, each connected to its server, and a network with seeded loss and delay.

    Give it connected, non-blocking sockets (`add`); call `pump` every few milliseconds and hand what it returns to
    each member's link; send with `send`. Sockets stay their owner's: `drop` a member before its socket is closed.
    Times are µs of one monotonic clock; `clock_offset_us` is that clock minus real time, for the kernel's stamps, so
    that a packet's arrival is known also where nobody looked for a while. One thread.

    A member with a native connection (`attach`) has its audio opened, counted and acknowledged here, and its receiver
    reports sent; what `pump` returns of it was seen natively already. Of the others all packets are returned.
    """

    def __cinit__(self, int members, Board board, *, double loss_pct=0, int64_t delay_us=0, int64_t jitter_us=0,
                  int64_t seed=1):
        self.ready_set = -1  # before anything can be raised: 0 would be standard input, and be closed
        if members < 1 or board is None:
            raise ValueError(f"{members} members, {board!r}: there must be at least 1, and a board")
        if not 0 <= loss_pct <= 100 or delay_us < 0 or jitter_us < 0:
            raise ValueError(f"loss is 0..100 %, delay and jitter are not negative; got {loss_pct}, {delay_us}, {jitter_us}")
        self.limit = members
        self.board = board
        self.member = <member_t*>calloc(members, sizeof(member_t))
        self.report_at_us = <int64_t*>calloc(members, sizeof(int64_t))
        self.slow = <slow_t*>calloc(SWARM_SLOW, sizeof(slow_t))
        self.batch = <sockets_batch_t*>calloc(1, sizeof(sockets_batch_t))
        self.ack_at_us = <int64_t*>calloc(members, sizeof(int64_t))
        self.received = <received_t*>calloc(1, sizeof(received_t))
        self.handles = [None] * members
        if (self.member == NULL or self.report_at_us == NULL or self.slow == NULL or self.batch == NULL
                or self.ack_at_us == NULL or self.received == NULL):
            raise MemoryError()
        if delays_begin(&self.delays, seed, loss_pct / 100, delay_us, jitter_us) < 0:
            raise MemoryError()
        sockets_prepare(self.batch)
        self.ready_set = sockets_new()
        if self.ready_set < 0:
            raise OSError("no set of sockets can be made; too many files are open")

    def __init__(self, int members, Board board, *, double loss_pct=0, int64_t delay_us=0, int64_t jitter_us=0,
                 int64_t seed=1):
        pass

    def __dealloc__(self):
        if self.ready_set >= 0:
            close(self.ready_set)
        delays_end(&self.delays)
        free(self.member)
        free(self.report_at_us)
        free(self.ack_at_us)
        free(self.received)
        free(self.slow)
        free(self.batch)

    cdef member_t* at(self, int index) except NULL:
        if not 0 <= index < self.n_members:
            raise IndexError(f"member {index} is outside 0..{self.n_members - 1}")
        return &self.member[index]

    def add(self, int fd):
        """Take a connected, non-blocking socket; returns the number of the member."""
        if self.n_members == self.limit:
            raise ValueError(f"{self.limit} members are in the swarm, which is its limit; make a larger one")
        if sockets_add(self.ready_set, fd, self.n_members) < 0:
            raise OSError(f"socket {fd} cannot be waited for")
        sockets_stamp(fd)  # without stamps the time of reading stands in
        cdef member_t* member = &self.member[self.n_members]
        member.fd = fd
        member.ear = -1
        member.was_refused = False
        member.conn = NULL
        self.report_at_us[self.n_members] = self.ack_at_us[self.n_members] = INT64_MAX
        self.n_members += 1
        return self.n_members - 1

    def drop(self, int index):
        """Forget a member's socket; what is on its way to it or from it is gone."""
        cdef member_t* member = self.at(index)
        member.fd = -1
        member.conn = NULL
        self.handles[index] = None
        self.report_at_us[index] = self.ack_at_us[index] = INT64_MAX

    def attach(self, int index, Connection connection not None):
        """Serve this connection here as far as it can be; to be called again whenever its link did something.

        Raises PlaneError("no_libcrypto").
        """
        cdef member_t* member = self.at(index)
        if self.handles[index] is not connection:
            # This unit has a copy of the plane's code, whose table of libcrypto's functions is filled by it.
            path = crypto_library().path.encode()
            if crypto_load(path) != PLANE_OK:
                raise OSError(f"{path.decode()} cannot be loaded a second time")
            self.handles[index] = connection
            member.conn = connection.conn
            member.generation = connection.opened
        if member.conn != NULL:
            self.ack_at_us[index] = member.conn.ack_due_us

    def hear(self, int index, int ear, int64_t now_us, *, bint reports=False):
        """From now on this member's audio counts for this ear of the board; it reports if the server takes that."""
        cdef member_t* member = self.at(index)
        if not 0 <= ear < self.board.n_ears:
            raise IndexError(f"ear {ear} is outside 0..{self.board.n_ears - 1}")
        member.ear = ear
        if reports:  # spread, so that a thousand listeners do not report at once
            self.report_at_us[index] = now_us + <int64_t>(delays_random(&self.delays) % SWARM_REPORT_US)

    def was_refused(self, int index):
        """Whether the system said that nobody listens at the other end."""
        return bool(self.at(index).was_refused)

    def send(self, int index, const uint8_t[::1] packet not None, int64_t now_us):
        """Send one packet of a member, through the made-up network. What cannot be sent is counted and gone."""
        if not 0 < packet.shape[0] <= SOCKETS_PACKET_BYTES:
            raise ValueError(f"a packet of {packet.shape[0]} bytes is outside 1..{SOCKETS_PACKET_BYTES}")
        if self.at(index).fd >= 0:
            self.put_out(index, &packet[0], <int>packet.shape[0], now_us)

    def put(self, int index, const uint8_t[::1] packet not None, int64_t arrived_us):
        """As if this packet had come from the network just then."""
        if 0 < packet.shape[0] <= SOCKETS_PACKET_BYTES and self.at(index).fd >= 0:
            self.take_in(index, &packet[0], <int>packet.shape[0], arrived_us)

    def pump(self, int64_t now_us, int64_t clock_offset_us):
        """Serve all sockets; returns the packets that are the links' business: [(member, packet, arrived_us)].

        At most 1,024 of them, and then the sockets keep the rest: call again when these are dealt with.
        """
        cdef int i
        # So that whoever draws the progress, in a thread, is not held up by 100,000 packets a second.
        with nogil:
            self.serve(now_us, clock_offset_us)
        found = [
            (self.slow[i].member, (<char*>self.slow[i].packet)[:self.slow[i].n_bytes], self.slow[i].arrived_us)
            for i in range(self.n_slow)
        ]
        self.n_slow = 0
        return found

    @property
    def due_us(self):
        """When the next delayed packet has to go on; None if none is on its way."""
        cdef int64_t at_us = delays_due_us(&self.delays)
        return None if at_us == INT64_MAX else at_us

    @property
    def stats(self):
        """The SwarmStats as of now."""
        cdef swarm_counts_t* counts = &self.counts
        return SwarmStats(
            counts.packets_in, counts.packets_out, counts.bytes_in, counts.native, counts.slow, counts.dropped,
            counts.violations, counts.acks_out, counts.reports_out, counts.lost_in, counts.lost_out, counts.overflowed,
            counts.too_long, counts.send_errors, counts.receive_errors)

    # Without the interpreter

    cdef int serve(self, int64_t now_us, int64_t clock_offset_us) noexcept nogil:
        """Everything that is due; returns how many sockets had something."""
        cdef int ready[SOCKETS_READY]
        cdef int n = SOCKETS_READY
        cdef int n_served = 0
        cdef int i
        self.now_us = now_us
        self.take_due(now_us)
        # Twice as often as there are members at most: a flood must not keep us here for ever.
        while n == SOCKETS_READY and n_served < 2 * self.n_members and self.n_slow < SWARM_SLOW // 2:
            n = sockets_ready(self.ready_set, ready)
            for i in range(n):
                self.take(ready[i], now_us, clock_offset_us)
            n_served += n
        self.send_due(now_us)
        return n_served

    cdef int take(self, int index, int64_t now_us, int64_t clock_offset_us) noexcept nogil:
        """Read one socket; returns how many packets it had."""
        cdef member_t* member = &self.member[index]
        cdef sockets_batch_t* batch = self.batch
        cdef int status
        cdef int n_taken = 0
        cdef int reading
        cdef int i
        for reading in range(SWARM_READS):
            if member.fd < 0 or self.n_slow > SWARM_SLOW - 2 * SOCKETS_BATCH:
                break
            status = sockets_take(batch, member.fd, now_us, clock_offset_us)
            if status == ECONNREFUSED:
                member.was_refused = True
                self.counts.receive_errors += 1
                continue
            if status != 0:
                if status != EAGAIN and status != EINTR:
                    self.counts.receive_errors += 1
                break
            n_taken += batch.n
            for i in range(batch.n):
                self.counts.packets_in += 1
                if batch.bytes[i] <= 0:
                    self.counts.too_long += batch.bytes[i] < 0
                    continue
                self.counts.bytes_in += batch.bytes[i]
                if delays_loses(&self.delays):
                    self.counts.lost_in += 1
                elif not delays_any(&self.delays):
                    self.take_in(index, batch.packet[i], batch.bytes[i], batch.arrived_us[i])
                elif delays_push(&self.delays, batch.arrived_us[i], index, False, batch.packet[i], batch.bytes[i]) < 0:
                    self.counts.overflowed += 1
            if batch.n < SOCKETS_BATCH:
                break
        return n_taken

    cdef void take_due(self, int64_t now_us) noexcept nogil:
        """Let those packets go on whose delay is over."""
        cdef delayed_t one
        while delays_due_us(&self.delays) <= now_us and self.n_slow < SWARM_SLOW:
            one = delays_pop(&self.delays)
            if self.member[one.member].fd >= 0:
                if one.is_up:
                    self.put_wire(one.member, one.packet, one.n_bytes)
                else:
                    # Its time is when it was due, though we look only now and then.
                    self.take_in(one.member, one.packet, one.n_bytes, one.due_us)
            free(one.packet)

    cdef void take_in(self, int index, const uint8_t* packet, int n_bytes, int64_t arrived_us) noexcept nogil:
        """A packet that has come to a member."""
        cdef slow_t* slow
        # Neither a long header nor the fixed bit: no packet of QUIC (RFC 9000 section 17.3.1). bench.capacity sends such.
        if not packet[0] & 0xC0:
            self.counts.dropped += 1
            return
        if self.take_native(index, packet, n_bytes, arrived_us):
            return
        if self.n_slow == SWARM_SLOW:
            self.counts.overflowed += 1
            return
        slow = &self.slow[self.n_slow]
        slow.member = index
        slow.n_bytes = n_bytes
        slow.arrived_us = arrived_us
        memcpy(slow.packet, packet, n_bytes)
        self.n_slow += 1
        self.counts.slow += 1

    cdef bint take_native(self, int index, const uint8_t* packet, int n_bytes, int64_t arrived_us) noexcept nogil:
        """Whether the packet is dealt with."""
        cdef member_t* member = &self.member[index]
        cdef conn_t* conn = member.conn
        cdef verdict_t verdict
        cdef int i
        if conn == NULL or not plane_trylock(conn):
            return False
        if conn.generation != member.generation:
            plane_unlock(conn)
            member.conn = NULL
            return False
        # The socket is connected: what it has is from the peer's address.
        verdict = conn_receive(conn, packet, n_bytes, &conn.peer, arrived_us, self.received)
        self.ack_at_us[index] = conn.ack_due_us
        plane_unlock(conn)
        if verdict == PLANE_DROP:
            self.counts.dropped += 1
            return True
        if verdict != PLANE_DONE:
            self.counts.violations += verdict == PLANE_VIOLATION
            return False
        self.counts.native += 1
        if member.ear >= 0:
            for i in range(self.received.n_datagrams):
                board_take(
                    self.board.board, &self.board.ear[member.ear], self.received.datagram[i],
                    self.received.datagram_bytes[i], arrived_us)
        if self.ack_at_us[index] <= self.now_us and self.put_native(index, NULL, 0, self.now_us):
            self.counts.acks_out += 1
        return True

    cdef void send_due(self, int64_t now_us) noexcept nogil:
        """Acknowledgements that have waited long enough, and receiver reports."""
        cdef uint8_t report[REPORT_BYTES]
        cdef int n_bytes
        cdef int i
        for i in range(self.n_members):
            if self.report_at_us[i] <= now_us:
                self.report_at_us[i] += SWARM_REPORT_US
                n_bytes = board_report(self.board.board, &self.board.ear[self.member[i].ear], report)
                if n_bytes and self.put_native(i, report, n_bytes, now_us):
                    self.counts.reports_out += 1
            if self.ack_at_us[i] <= now_us and self.put_native(i, NULL, 0, now_us):
                self.counts.acks_out += 1

    cdef int put_native(self, int index, const uint8_t* payload, int n_bytes, int64_t now_us) noexcept nogil:
        """Send a packet with this datagram, or with an ACK alone; returns its bytes, 0 if it may not be."""
        cdef uint8_t packet[PLANE_PACKET_BYTES]
        cdef member_t* member = &self.member[index]
        cdef conn_t* conn = member.conn
        cdef int size = 0
        if conn == NULL or member.fd < 0 or not plane_trylock(conn):
            return 0
        if conn.generation == member.generation and (
                payload == NULL or conn_may_send(conn, n_bytes + conn_overhead_bytes(conn), now_us)):
            size = conn_seal(conn, payload, n_bytes, SWARM_ACK_RANGES, now_us, packet)
        # Where nothing may be sent it is not asked for again before the next packet comes.
        self.ack_at_us[index] = conn.ack_due_us if size > 0 else INT64_MAX
        plane_unlock(conn)
        if size <= 0:
            return 0
        self.put_out(index, packet, size, now_us)
        return size

    cdef void put_out(self, int index, const uint8_t* packet, int n_bytes, int64_t now_us) noexcept nogil:
        """A packet that a member sends, before the made-up network."""
        if delays_loses(&self.delays):
            self.counts.lost_out += 1
        elif not delays_any(&self.delays):
            self.put_wire(index, packet, n_bytes)
        elif delays_push(&self.delays, now_us, index, True, packet, n_bytes) < 0:
            self.counts.overflowed += 1

    cdef void put_wire(self, int index, const uint8_t* packet, int n_bytes) noexcept nogil:
        """A packet that leaves for the real network."""
        cdef int status = sockets_send(self.member[index].fd, packet, n_bytes)
        if status == ECONNREFUSED:  # of an earlier packet: this one was not sent
            self.member[index].was_refused = True
            status = sockets_send(self.member[index].fd, packet, n_bytes)
        if status == 0:
            self.counts.packets_out += 1
        else:
            self.counts.send_errors += 1
