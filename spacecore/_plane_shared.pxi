# What both stacks share of a connection: its lock, the receive space, losses, keys; included in _plane.pyx.

@cython.no_gc           # it refers to its plane alone
cdef class SharedState:
    """The part of a Connection that the other stack reads and writes too. Each call holds the connection while it runs."""

    def __init__(self):
        raise TypeError("a Connection comes from Plane.open()")

    cdef void _lock(self) noexcept:
        cdef conn_t* conn = self.conn
        if not plane_trylock(conn):
            with nogil:     # the other thread has it for microseconds, unless it is not running just now
                plane_lock(conn)

    cdef void _unlock(self, int64_t now_us) noexcept:
        plane_release(self.plane.plane, self.conn, self.plane.batch, self.plane.fd, now_us)

    cdef conn_t* _enter(self) except NULL:
        if self.opened == 0:
            raise PlaneError("closed", "the connection is closed; open another")
        if not self.held:
            self._lock()
        return self.conn

    cdef void _leave(self) noexcept:
        if not self.held:
            self._unlock(plane_time(self.plane.plane))
            if self.plane.fd >= 0 and self.plane.batch.n:
                batch_send(self.plane.plane, self.plane.batch, self.plane.fd)

    # The receive space, as the other stack needs it

    @property
    def ack_due_us(self):
        """When an ACK for what was taken in here must leave, or None."""
        cdef int64_t due_us = self.conn.ack_due_us
        return None if due_us == INT64_MAX else due_us

    def ack_sent(self):
        """The other stack has sent an ACK frame."""
        cdef conn_t* conn = self._enter()
        conn.ack_due_us = INT64_MAX
        conn.ack_pending = 0
        conn.received_since_ack = 0
        self._leave()

    def range_add(self, int64_t start, int64_t stop):
        """Packet numbers start … stop - 1 were received; of 64 ranges the oldest is forgotten."""
        cdef conn_t* conn = self._enter()
        conn_range_add(conn, start, stop)
        self._leave()

    def range_drop(self, int64_t stop):
        """Forget the numbers below `stop`: the peer knows that we have them."""
        cdef conn_t* conn = self._enter()
        conn_range_drop(conn, stop)
        self._leave()

    def ranges(self):
        """[(start, stop), …], ascending."""
        cdef conn_t* conn = self._enter()
        found = [(conn.ranges[i].start, conn.ranges[i].stop) for i in range(conn.n_ranges)]
        self._leave()
        return found

    def seen(self, int64_t pn):
        """Whether the packet number was received before, or is too old to tell (128 below the highest)."""
        cdef conn_t* conn = self._enter()
        cdef bint found = conn_seen(conn, pn)
        self._leave()
        return found

    def mark(self, int64_t pn):
        """The packet number was received."""
        cdef conn_t* conn = self._enter()
        conn_mark(conn, pn)
        self._leave()

    @property
    def expected_pn(self):
        """One more than the highest packet number received."""
        return self.conn.expected_pn

    @expected_pn.setter
    def expected_pn(self, int64_t pn):
        cdef conn_t* conn = self._enter()
        conn.expected_pn = pn
        self._leave()

    @property
    def largest_pn(self):
        """The highest packet number received, -1 before the first."""
        return self.conn.largest_pn

    @largest_pn.setter
    def largest_pn(self, int64_t pn):
        cdef conn_t* conn = self._enter()
        conn.largest_pn = pn
        self._leave()

    @property
    def largest_at_us(self):
        """When that one arrived."""
        return self.conn.largest_at_us

    @largest_at_us.setter
    def largest_at_us(self, int64_t at_us):
        cdef conn_t* conn = self._enter()
        conn.largest_at_us = at_us
        self._leave()

    @property
    def received_us(self):
        """When a packet was last taken in here, 0: never."""
        return self.conn.received_us

    # Loss, congestion, keys

    def acked(self, int64_t first, int64_t last, bint is_largest, int64_t delay_us, int64_t now_us):
        """The other stack has read an ACK of these numbers. False: one was never sent, and nothing has changed."""
        cdef conn_t* conn = self._enter()
        cdef int status = conn_acked(conn, first, last, is_largest, delay_us, now_us)
        self._leave()
        return status == 0

    def detect_loss(self, int64_t now_us):
        """After the last range of an ACK: count what is lost by now (RFC 9002 section 6.1)."""
        cdef conn_t* conn = self._enter()
        conn_detect_loss(conn, now_us)
        self._leave()

    @property
    def rtt_us(self):
        """(smoothed, variance, least, latest) as native packets measured them; smoothed 0: not yet."""
        cdef conn_t* conn = self._enter()
        found = (conn.smoothed_rtt_us, conn.rtt_variance_us, conn.least_rtt_us, conn.latest_rtt_us)
        self._leave()
        return found

    @property
    def probe_timeout_us(self):
        """RFC 9002 section 6.2.1, by those."""
        cdef conn_t* conn = self._enter()
        cdef int64_t found = conn_probe_timeout_us(conn)
        self._leave()
        return found

    @property
    def in_flight_bytes(self):
        """Of native packets."""
        return self.conn.in_flight_bytes

    @property
    def in_flight_packets(self):
        """Native packets whose fate is not known yet, ACK-only ones included."""
        return self.conn.sent_tail - self.conn.sent_head

    @property
    def lost_sent_us(self):
        """When the native packet that was lost last had been sent."""
        return self.conn.lost_sent_us

    @property
    def sealed(self):
        """Packets sealed here with the present key."""
        return self.conn.sealed

    @property
    def seal_limit(self):
        """Packets that one key may seal in all, RFC 9001 section 6.6."""
        return conn_seal_limit(self.conn)

    @property
    def wants_key_update(self):
        """The key has sealed half of that: update it."""
        return bool(self.conn.wants_key_update)

    @property
    def forged(self):
        """Packets that did not open, under the present key."""
        return self.conn.forged

    @property
    def spin(self):
        """The spin bit of packets that leave, RFC 9000 section 17.4."""
        return bool(self.conn.spin)

    @property
    def stats(self):
        """ConnectionStats as of now. Reading them changes nothing."""
        return connection_stats(&self.conn.counts)


cdef inline const uint8_t* _data(bytes data) noexcept:
    return <const uint8_t*>PyBytes_AS_STRING(data)
