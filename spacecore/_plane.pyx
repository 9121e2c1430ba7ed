"""The face of the native data plane: connections that share their 1-RTT keys and packet numbers with another stack.

`plane/plane.h` is the core and says what it does. A program that drives a QUIC stack opens a Connection for each of its
own, tells it keys, ids and addresses, and gives it packets first.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import os
from collections import namedtuple

from spacecore.libplane cimport (
    PLANE_CID_BYTES, PLANE_OK, PLANE_OTHERS, PLANE_PACKET_BYTES,
    PLANE_PREFIX_BYTES, PLANE_RX, PLANE_TX, SUITES, batch_send, conn_acked, conn_advance,
    conn_counts_t, conn_detect_loss, conn_largest_payload, conn_mark, conn_may_send, conn_overhead_bytes, conn_probe_timeout_us,
    conn_range_add, conn_range_drop, conn_receive, conn_seal, conn_seal_limit, conn_seen, conn_set_others, conn_set_own_cid, conn_set_peer,
    conn_set_prefix, conn_set_rx, conn_set_skips, conn_set_tx, conn_skip, conn_wipe, crypto_error, crypto_load, crypto_path, crypto_version, plane_add_cid,
    plane_close, plane_counts_t, plane_drop_cid, plane_find, plane_free, plane_lock, plane_new, plane_note_time,
    plane_open, plane_release, plane_time, plane_trylock, received_t, suite_t, verdict_t,
)

from spacecore.errors import PlaneError

__all__ = [
    "AES_128_GCM", "AES_256_GCM", "BUSY", "CHACHA20_POLY1305", "DONE", "DROP", "RX", "SLOW", "TX", "VIOLATION", "Connection",
    "ConnectionStats", "CryptoLibrary", "Plane", "PlaneStats", "SharedState", "crypto_library",
]

include "_plane_address.pxi"
include "_plane_crypto.pxi"
include "_plane_stats.pxi"
include "_plane_shared.pxi"

AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305 = range(3)
SLOW, DONE, DROP, VIOLATION, BUSY = range(5)
TX, RX = PLANE_TX, PLANE_RX

cdef enum:
    ACK_RANGES = 32         # told in one ACK frame


cdef class Plane:
    """A table of connections. No socket, no clock, no thread.

    cid_bytes    length of our own connection ids, 0 to 20
    connections  that may be open at one time; each takes about 7 KB
    fd           where frames of held connections are sent when they are released: a socket that does not block, or -1

    Raises PlaneError("no_libcrypto") where libcrypto is missing, ValueError for other sizes. Everything here and every
    Connection belongs to one thread; another may use the core beside it, under the core's locks.
    """

    def __cinit__(self, *, int cid_bytes=8, int connections=10_000, int fd=-1):
        crypto_library()
        if not 0 <= cid_bytes <= PLANE_CID_BYTES:
            raise ValueError(f"a connection id has 0 to {PLANE_CID_BYTES} bytes, not {cid_bytes}")
        if not 1 <= connections <= 1_000_000:
            raise ValueError(f"a plane has 1 to 1000000 connections, not {connections}")
        self.fd = fd
        self.plane = plane_new(cid_bytes, connections)
        self.batch = <out_batch_t*>calloc(1, sizeof(out_batch_t))
        if self.plane == NULL or self.batch == NULL:
            raise MemoryError

    def __dealloc__(self):
        plane_free(self.plane)
        free(self.batch)

    def __len__(self):
        return self.plane.n_open

    def use_socket(self, int fd):
        """Send through this socket from now on, or through none (-1)."""
        self.fd = fd

    def open(self, *, bint is_client=False):
        """A connection without keys. Raises PlaneError("too_many_connections")."""
        cdef conn_t* conn = plane_open(self.plane, is_client)
        if conn == NULL:
            raise PlaneError(
                "too_many_connections",
                f"{len(self)} connections are open and {self.plane.limit} is the limit; close some, or make a larger plane")
        cdef Connection found = Connection.__new__(Connection)
        found.plane = self
        found.conn = conn
        found.opened = conn.generation
        found.own_cid = b""
        return found

    def find(self, bytes packet not None):
        """(slot, generation) of the connection that a short header packet names, or None."""
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(packet)
        cdef int n_bytes = <int>PyBytes_GET_SIZE(packet)
        cdef conn_t* conn
        plane_find(self.plane, &data, &n_bytes, 1, &conn)
        return None if conn == NULL else (conn.slot, conn.generation)

    @property
    def stats(self):
        """PlaneStats as of now. Reading them changes nothing."""
        return plane_stats(&self.plane.counts)


@cython.no_gc           # it refers to its plane alone
cdef class Connection(SharedState):
    """One connection, from Plane.open. Closed by `close`, or when it is collected.

    Between `hold` and `release` nobody else seals, opens or changes anything of it; every other method holds it for as long
    as it runs. Times are microseconds of one monotonic clock. After `close` nothing is sealed and nothing opened.
    """

    def __dealloc__(self):
        if self.plane is not None:
            self._close()

    # Life

    def close(self):
        """Wipe the keys and free the slot. Closing twice does nothing; a held connection is released."""
        self._close()

    cdef int _close(self) except -1:
        if self.opened == 0:
            return 0
        if self.held:
            self.held = False
            self._unlock(plane_time(self.plane.plane))
            self.plane.batch.n = 0      # whoever closes wants nothing sent
        plane_close(self.plane.plane, self.conn)
        self.opened = 0
        return 0

    @property
    def is_open(self):
        return self.opened != 0

    @property
    def slot(self):
        """Its place in the plane; used again after it is closed, then with another generation."""
        return self.conn.slot

    @property
    def generation(self):
        return self.opened

    # The lock

    def hold(self):
        """Take the connection for this thread until `release`. RuntimeError if it is held here already.

        Raises PlaneError("closed"): its place may be another's by now, which nobody would release.
        """
        if self.held:
            raise RuntimeError("the connection is held already; release it first")
        if self.opened == 0:
            raise PlaneError("closed", "the connection is closed; open another")
        self._lock()
        self.held = True

    def release(self, int64_t now_us):
        """Give it back. Audio that waited for it meanwhile is sent, or returned as [(packet, address), …] without a socket."""
        if not self.held:
            raise RuntimeError("the connection is not held; hold it first")
        self.held = False
        plane_note_time(self.plane.plane, now_us)
        self._unlock(now_us)
        cdef out_batch_t* batch = self.plane.batch
        if batch.n == 0:
            return []
        if self.plane.fd >= 0:
            batch_send(self.plane.plane, batch, self.plane.fd)
            return []
        packets = [
            (PyBytes_FromStringAndSize(<const char*>batch.packet[i], batch.bytes[i]), address_to(&batch.to[i]))
            for i in range(batch.n)]
        batch.n = 0
        return packets

    # What the other stack tells

    @property
    def packet_number(self):
        """The next packet number, of both stacks. It cannot be set back: PlaneError("went_back")."""
        cdef conn_t* conn = self._enter()
        cdef int64_t pn = conn.pn
        self._leave()
        return pn

    @packet_number.setter
    def packet_number(self, int64_t pn):
        cdef conn_t* conn = self._enter()
        cdef int64_t before = conn.pn
        cdef int status = conn_advance(conn, pn)
        self._leave()
        if status != PLANE_OK:
            raise PlaneError(
                "went_back", f"packet number {pn} was used under this key, {before} is the next; numbers only grow")

    def set_skips(self, uint64_t seed):
        """Leave a packet number out now and then, where only who knows the seed can tell: see plane.h."""
        cdef conn_t* conn = self._enter()
        conn_set_skips(conn, seed)
        self._leave()

    def skip(self):
        """Leave the next number out if it is time; `seal` does so by itself."""
        cdef conn_t* conn = self._enter()
        conn_skip(conn)
        self._leave()

    def set_send_key(self, int suite, bytes key not None, bytes iv not None, bytes hp not None, int phase):
        """Seal with this key from now on. After the first time `hp` is ignored (RFC 9001 section 6.1).

        Raises PlaneError: bad_key, crypto_failed.
        """
        _check_key(suite, key, iv, hp)
        cdef conn_t* conn = self._enter()
        cdef int status = conn_set_tx(conn, <suite_t>suite, _data(key), _data(iv), _data(hp), phase)
        self._leave()
        _check(status)

    def set_receive_key(
            self, int suite, bytes key not None, bytes iv not None, bytes hp not None, int phase, bytes next_key not None,
            bytes next_iv not None):
        """Open with this key from now on; the one before is kept for packets under way, the next one recognises an update.

        Raises PlaneError: bad_key, crypto_failed.
        """
        _check_key(suite, key, iv, hp)
        _check_key(suite, next_key, next_iv, hp)
        cdef conn_t* conn = self._enter()
        cdef int status = conn_set_rx(
            conn, <suite_t>suite, _data(key), _data(iv), _data(hp), phase, _data(next_key), _data(next_iv))
        self._leave()
        _check(status)

    def wipe(self):
        """Forget all keys: nothing is sealed or opened any more."""
        cdef conn_t* conn = self._enter()
        conn_wipe(conn)
        self._leave()

    def set_peer(self, bytes cid not None, address, int largest_frame_bytes, int largest_packet_bytes):
        """Where packets go: the peer's connection id, its (host, port, …), and the largest DATAGRAM frame and packet it takes.

        Packets from any other address are left to the other stack. Raises PlaneError: bad_cid, bad_address.
        """
        cdef address_t to
        _check_cid(cid)
        address_from(address, &to)
        cdef conn_t* conn = self._enter()
        conn_set_peer(conn, _data(cid), <int>len(cid), &to)
        conn.largest_frame_bytes = min(max(0, largest_frame_bytes), 65535)
        conn.largest_packet_bytes = min(max(0, largest_packet_bytes), PLANE_PACKET_BYTES)
        self._leave()

    def set_own_cid(self, bytes cid not None):
        """The connection id that the peer puts on its packets; one of the plane's own length can be found by it.

        Packets to any other are left to the other stack. Raises PlaneError: bad_cid, cid_taken.
        """
        cdef int status = PLANE_OK
        _check_cid(cid)
        if cid == self.own_cid:
            return
        cdef conn_t* conn = self._enter()
        try:
            if self._in_table(cid):
                status = plane_add_cid(self.plane.plane, conn, _data(cid))
            if status != PLANE_OK:
                raise PlaneError("cid_taken", "this connection id belongs to another connection; ids must be random")
            if self._in_table(self.own_cid):
                plane_drop_cid(self.plane.plane, conn, _data(self.own_cid))
            self.own_cid = cid
            conn_set_own_cid(conn, _data(cid), <int>len(cid))
        finally:
            self._leave()

    cdef bint _in_table(self, bytes cid) noexcept:
        return len(cid) > 0 and len(cid) == self.plane.plane.cid_bytes

    def set_prefix(self, bytes prefix not None):
        """Bytes before every payload, 0 to 8, both ways (RFC 9297: the quarter stream id). PlaneError("bad_prefix")."""
        cdef conn_t* conn = self._enter()
        cdef int status = conn_set_prefix(conn, _data(prefix), <int>len(prefix))
        self._leave()
        if status != PLANE_OK:
            raise PlaneError("bad_prefix", f"a prefix has 0 to {PLANE_PREFIX_BYTES} bytes, not {len(prefix)}")

    def set_ack_policy(self, int every, int64_t delay_ms):
        """Acknowledge packets that hold only DATAGRAM at the `every`-th or after `delay_ms`; others at once."""
        cdef conn_t* conn = self._enter()
        conn.ack_every = max(1, every)
        conn.ack_delay_us = max(0, delay_ms) * 1000
        self._leave()

    def set_ack_parameters(self, int own_exponent, int peer_exponent, int64_t peer_delay_ms):
        """ack_delay_exponent of both sides and the peer's max_ack_delay (RFC 9000 section 18.2)."""
        cdef conn_t* conn = self._enter()
        conn.ack_exponent = min(max(0, own_exponent), 20)
        conn.peer_ack_exponent = min(max(0, peer_exponent), 20)
        conn.peer_ack_delay_us = min(max(0, peer_delay_ms), 1 << 14) * 1000
        self._leave()

    def set_own_frame_bytes(self, int n_bytes):
        """The largest DATAGRAM frame that we announced; a larger one is left to the other stack."""
        cdef conn_t* conn = self._enter()
        conn.own_frame_bytes = max(0, n_bytes)
        self._leave()

    def set_others(self, *, in_flight=(), int64_t window_bytes=0, int64_t sealed=0):
        """The other stack's part: its packets in flight (ascending numbers), its congestion window, packets it sealed with
        the present key. It is given the first ACK of each packet, and the first that tells of its loss."""
        cdef int64_t pns[PLANE_OTHERS]
        cdef int n = 0
        for pn in in_flight:
            if n == PLANE_OTHERS:
                n += 1      # too many to tell apart
                break
            pns[n] = pn
            n += 1
        cdef conn_t* conn = self._enter()
        conn_set_others(conn, pns, n)
        conn.window_bytes = window_bytes
        conn.sealed_by_other = sealed
        self._leave()

    @property
    def flags(self):
        """TX: may seal. RX: may open. Neither without keys and peer."""
        return self.conn.flags if self.opened else 0

    @flags.setter
    def flags(self, uint32_t flags):
        cdef conn_t* conn = self._enter()
        conn.flags = flags & (PLANE_TX | PLANE_RX)
        self._leave()

    # Packets

    def seal(self, bytes payload not None, int64_t now_us):
        """One packet with this datagram, and with an ACK if one is owed; None if that may not be now.

        It may not be without TX, with a payload larger than `largest_payload_bytes`, with a full congestion window or a
        key that is used up: each is counted.
        """
        cdef uint8_t packet[PLANE_PACKET_BYTES]
        cdef int n_bytes = 0
        cdef int size_bytes = <int>min(len(payload), PLANE_PACKET_BYTES)
        cdef conn_t* conn = self._enter()
        plane_note_time(self.plane.plane, now_us)
        if conn_may_send(conn, size_bytes + conn_overhead_bytes(conn), now_us):
            n_bytes = conn_seal(
                conn, _data(payload), size_bytes, ACK_RANGES if conn.ack_pending or conn.received_since_ack >= 32 else 0,
                now_us, packet)
        self._leave()
        return PyBytes_FromStringAndSize(<const char*>packet, n_bytes) if n_bytes > 0 else None

    def acknowledge(self, int64_t now_us):
        """One packet with nothing but an ACK; None without TX, or where nothing was received."""
        cdef uint8_t packet[PLANE_PACKET_BYTES]
        cdef conn_t* conn = self._enter()
        plane_note_time(self.plane.plane, now_us)
        cdef int n_bytes = conn_seal(conn, NULL, 0, ACK_RANGES, now_us, packet)
        self._leave()
        return PyBytes_FromStringAndSize(<const char*>packet, n_bytes) if n_bytes > 0 else None

    def receive(self, bytes packet not None, address, int64_t now_us):
        """Open a packet that arrived at now_us: (verdict, [datagram, …]).

        SLOW: give it to the other stack, and do not try it here again. DONE: taken in. DROP: forged, damaged or a duplicate; nothing has changed.
        VIOLATION: close the connection with PROTOCOL_VIOLATION. Never raises for what is in the bytes.
        """
        cdef received_t received
        cdef address_t source
        address_from(address, &source)
        cdef conn_t* conn = self._enter()
        plane_note_time(self.plane.plane, now_us)
        cdef verdict_t verdict = conn_receive(conn, _data(packet), <int>min(len(packet), 65535), &source, now_us, &received)
        self._leave()
        return int(verdict), [
            PyBytes_FromStringAndSize(<const char*>received.datagram[i], received.datagram_bytes[i])
            for i in range(received.n_datagrams)]

    @property
    def largest_payload_bytes(self):
        """The largest datagram that `seal` takes at present; 0 if the peer takes none."""
        cdef conn_t* conn = self._enter()
        cdef int n_bytes = conn_largest_payload(conn)
        self._leave()
        return max(0, n_bytes)
