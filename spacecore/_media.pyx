"""Rooms and connections brought together without the interpreter: ticks, fan-out, what comes up, reports.

No clock, no thread, no event loop: a driver calls `media_step` and `media_read` (a thread of its own), or a program calls
Media.step and Media.receive (stepped mode). The rest of the handles belongs to one thread, the control side.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT64_MAX, int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from collections import namedtuple

from spacecore._bundle cimport (
    BUNDLE_CONTINUES, bundle_copied, bundle_newest, bundle_paused, bundle_put, bundle_relation, bundle_seq, bundle_single,
)
from spacecore._packet cimport (
    DATAGRAM_MAX_BYTES, KIND_AUDIO, KIND_REPORT, PACKET_OK, REPORT_LEAST_BYTES, packet_parse_report, report_t, seq_distance,
)
from spacecore._plane cimport Connection, Plane, address_from, address_to
from spacecore._receiver cimport checked_clock, put_word
from spacecore._space cimport Space
from spacecore._tick cimport (
    FULL, NOBODY, PUT_UNKNOWN_SEAT, PUT_WRONG_KIND, SPACE_MAX_SEATS, SPACE_PACKET_BYTES, out_t, space_fec_pct, space_put, space_report,
    space_tick,
)
from spacecore.atomics cimport exchange_u32, load_i64, load_u32, store_i64, store_u32
from spacecore.libplane cimport (
    PLANE_BATCH, PLANE_BUSY, PLANE_DONE, PLANE_DROP, PLANE_PACKET_BYTES, PLANE_SLOW, PLANE_TX, PLANE_VIOLATION, address_t,
    batch_receive, batch_seal, conn_ack_due, conn_largest_payload, conn_may_send, conn_overhead_bytes, conn_receive, conn_t,
    crypto_load, in_batch_t, out_batch_t, plane_find, plane_hold, plane_note_time, plane_t, plane_trylock, plane_unlock, received_t,
    verdict_t,
)
from spacecore.media_state cimport (
    LATE_BUCKETS, LATE_STEPS, LISTED_ACK, MEDIA_ACK, MEDIA_ACK_AFTER, MEDIA_ACK_RANGES, MEDIA_ACK_RANGES_ALONE, MEDIA_ADD,
    MEDIA_CATCH_UP, MEDIA_CLOSE, MEDIA_COMMANDS, MEDIA_EARLY_US, MEDIA_ENTER,
    MEDIA_GROW, MEDIA_LOSSY_PCT, MEDIA_LOSSY_US, MEDIA_MAX_ROOMS,
    MEDIA_NOTICES, MEDIA_PACKETS, MEDIA_PUTS, MEDIA_ROOM_BITS, MEDIA_SENT, MEDIA_SUBSCRIBE, MEDIA_TALK_WORDS, MEDIA_TICK_US, NOTED_FORGED,
    NOTED_KEY_UPDATE, NOTED_VIOLATION, NOTICE_APPLIED, NOTICE_FORGED, NOTICE_KEY_UPDATE, NOTICE_TALK, NOTICE_VIOLATION, SIDE_LOOP,
    SIDE_MEDIA, ack_t,
    entry_t, media_command_t, media_counts_t, media_flush, media_pass_up, media_ring, media_t, media_tell,
    media_tell_once, notice_t, packet_head_t, put_head_t, room_counts_t, room_t,
    uplink_counts_t,
)
from spacecore._recovery cimport recovery_copies
from spacecore.reports cimport NO_VOTE, reports_t, reports_vote, reports_worst_tenth_pct
from spacecore.ring cimport ring_close, ring_commit, ring_has_room, ring_open, ring_peek, ring_pop, ring_reserve, ring_t

from spacecore._plane import crypto_library
from spacecore.errors import MediaError

__all__ = ["Media", "MediaStats", "Room", "RoomStats"]

include "_media_talk.pxi"
include "_media_fanout.pxi"
include "_media_uplink.pxi"
include "_media_recovery.pxi"
include "_media_rounds.pxi"
include "_media_stats.pxi"
include "_media_room.pxi"

cdef enum:
    USUAL_PACKET_BYTES = 256    # by which the memory of queues is measured, and of …
    USUAL_PASSED_BYTES = 640    # … packets for the other stack, of which many are handshakes

cdef dict _NOTICES = {
    NOTICE_APPLIED: "applied", NOTICE_KEY_UPDATE: "key_update", NOTICE_VIOLATION: "violation", NOTICE_FORGED: "forged_limit",
    NOTICE_TALK: "talk"}


@cython.no_gc           # what it refers to does not refer back
cdef class Media:
    """All rooms of a plane. `plane` finds and seals; rooms come from add_room.

    packets      that may wait for take_packets; then the newest are dropped and counted
    commands     that may wait for the media side; then the caller waits for it, at most a second: MediaError("media_stalled")
    rooms        open at one time; one more is MediaError("too_many_rooms")
    audio_per_s  datagrams a connection may send up in a second, as many at once; 0: any number
    forged_limit packets that did not open under one key, after which there is a notice to close the connection; the default
                 is the smallest limit of the cipher suites in use, that of ChaCha20-Poly1305 (RFC 9001 section 6.6)

    Two sides, each one thread at a time, as docs/threads.md says. The media side: step and receive, or a driver's thread.
    Everything else is the control side's. Stepped mode is both in one: then sealed packets wait for take_sent.
    """

    def __cinit__(self, Plane plane, *, int packets=MEDIA_PACKETS, int commands=MEDIA_COMMANDS, int rooms=1024, int audio_per_s=0, forged_limit=1 << 36):
        cdef media_t* media
        if plane is None:
            raise TypeError("a Media needs a Plane")
        if not 1 <= rooms <= MEDIA_MAX_ROOMS:
            raise ValueError(f"there are 1 to {MEDIA_MAX_ROOMS} rooms, not {rooms}")
        if not 1 <= packets <= 1 << 20 or not 4 <= commands <= 1 << 20 or not 0 <= audio_per_s <= 1_000_000:
            raise ValueError(
                f"packets is 1 to {1 << 20}, commands 4 to {1 << 20}, audio_per_s 0 to 1000000; got {packets}, {commands}, {audio_per_s}")
        path = crypto_library().path.encode()
        if crypto_load(path) != 0:      # the copy of the core in this unit has a table of its own
            raise MediaError("no_libcrypto", f"{crypto_library().path} was loaded before and cannot be loaded again")
        self.plane = plane
        self._spaces, self._retired, self._free = {}, {}, []
        self.media = media = <media_t*>calloc(1, sizeof(media_t))
        if media == NULL:
            raise MemoryError
        media.plane = plane.plane
        media.fd = -1
        media.max_rooms = rooms
        media.ack_capacity = plane.plane.limit
        media.forged_limit = forged_limit
        if audio_per_s > 0:
            media.cost_us = -(-1_000_000 // audio_per_s)
            media.burst_us = (audio_per_s - 1) * media.cost_us
        media.rooms = <room_t**>calloc(rooms, sizeof(room_t*))
        media.live = <room_t**>calloc(rooms, sizeof(room_t*))
        media.acks = <ack_t*>calloc(media.ack_capacity, sizeof(ack_t))
        media.out = <out_t*>calloc(1, sizeof(out_t))
        media.batch = <out_batch_t*>calloc(1, sizeof(out_batch_t))
        media.loop_batch = <out_batch_t*>calloc(1, sizeof(out_batch_t))
        media.received = <received_t*>calloc(1, sizeof(received_t))
        media.loop_received = <received_t*>calloc(1, sizeof(received_t))
        if (media.rooms == NULL or media.live == NULL or media.acks == NULL or media.out == NULL or media.batch == NULL
                or media.loop_batch == NULL or media.received == NULL or media.loop_received == NULL
                or not ring_open(&media.commands, commands, sizeof(media_command_t))
                or not ring_open(&media.puts, MEDIA_PUTS, USUAL_PACKET_BYTES)
                or not ring_open(&media.packets, packets, sizeof(packet_head_t) + USUAL_PASSED_BYTES)
                or not ring_open(&media.notices, MEDIA_NOTICES, sizeof(notice_t))
                or not ring_open(&media.sent, MEDIA_SENT, sizeof(packet_head_t) + USUAL_PACKET_BYTES)):
            raise MemoryError

    def __dealloc__(self):
        cdef media_t* media = self.media
        if media == NULL:
            return
        if media.live != NULL and media.rooms != NULL:
            media_drain(media)      # nobody else runs: what was handed over is in the tables, and closed rooms are not
            self._collect()
            while media.n_live > 0:
                self._drop(media.live[media.n_live - 1])
        ring_close(&media.commands)
        ring_close(&media.puts)
        ring_close(&media.packets)
        ring_close(&media.notices)
        ring_close(&media.sent)
        free(media.rooms)
        free(media.live)
        free(media.acks)
        free(media.out)
        free(media.batch)
        free(media.loop_batch)
        free(media.received)
        free(media.loop_received)
        free(media)

    # Rooms

    def add_room(self, Space space not None, *, int bundle=0, int bundle_above=200):
        """Tick `space` from now on, and send its people what it mixes; returns its Room.

        bundle is the frames in one datagram for those who only listen and take so many, 1 to 3; 0: 1 up to `bundle_above`
        listeners, 2 above. Nobody else may put into or tick this Space until the room is closed and let go.
        Raises MediaError: too_many_rooms, room_taken, media_stalled.
        """
        cdef room_t* room
        cdef media_command_t* command
        if not 0 <= bundle <= 3 or bundle_above < 0:
            raise ValueError(f"bundle is 0 (by the number of listeners) to 3, bundle_above not negative; got {bundle}, {bundle_above}")
        self._collect()
        if any(space is taken for taken, _ in self._spaces.values()):
            raise MediaError("room_taken", "this Space is ticked already: close its Room first, and step once")
        if not self._free and self._n_indexes == self.media.max_rooms:
            raise MediaError("too_many_rooms", f"{self._n_indexes} rooms are open and that is the limit: close one first")
        self._reserve(1)
        room = <room_t*>calloc(1, sizeof(room_t))
        if room == NULL:
            raise MemoryError
        room.capacity = LEAST_ENTRIES
        room.entries = <entry_t*>calloc(LEAST_ENTRIES, sizeof(entry_t))
        if room.entries == NULL:
            free(room)
            raise MemoryError
        room.index = self._free.pop(0) if self._free else self._n_indexes
        self._n_indexes += room.index == self._n_indexes
        room.number = self._number(room.index)
        room.space = space._space
        room.dominant = NOBODY
        room.bundle = bundle
        room.bundle_above = bundle_above
        self._spaces[room.index] = (space, <size_t>room)
        self._retired[room.index] = []
        command = <media_command_t*>ring_reserve(&self.media.commands, sizeof(media_command_t))
        command.kind = MEDIA_ADD
        command.room = room
        ring_commit(&self.media.commands)
        cdef Room handle = Room.__new__(Room)
        handle.room = room
        handle._media = self
        handle._index = room.index
        handle._capacity = LEAST_ENTRIES
        handle._newest = room.entries
        return handle

    def __len__(self):
        """Rooms that are ticked, or not yet let go of."""
        self._collect()
        return len(self._spaces)

    cdef uint32_t _number(self, uint32_t index) noexcept:
        self._lives += 1
        return self._lives << MEDIA_ROOM_BITS | (index + 1)

    cdef int _reserve(self, uint32_t n_commands) except -1:
        """See to it that so many commands can be pushed; waits for the media side if it runs elsewhere."""
        cdef media_t* media = self.media
        cdef bint goes_on = media.wait != NULL
        cdef int times = 0
        while not ring_has_room(&media.commands, n_commands):
            if goes_on:
                with nogil:     # the media side takes what waits at its next round, which may be 20 ms away
                    goes_on = media.wait(media.bell, times)
                times += 1
            elif not ring_has_room(&media.commands, n_commands):
                media.commands.dropped += 1
                raise MediaError(
                    "media_stalled", f"{media.commands.limit} commands wait and nobody takes them: step, or restart the media thread")
        return 0

    cdef void _collect(self):
        """Free what the media side has let go of."""
        cdef room_t* room
        for index, (_, at) in list(self._spaces.items()):
            room = <room_t*><size_t>at
            arrays = self._retired[index]
            while arrays and <int>(load_u32(&room.grown) - <uint32_t>arrays[0][0]) >= 0:
                free(<void*><size_t>arrays.pop(0)[1])
            if load_u32(&room.closed):
                self._drop(room)

    cdef int _drop(self, room_t* room) except -1:
        index = room.index
        if self.media.n_live > 0 and self.media.live[self.media.n_live - 1] == room:
            self.media.n_live -= 1
        for _, at in self._retired.pop(index):
            free(<void*><size_t>at)
        if room.frames != NULL:
            ring_close(room.frames)
            free(room.frames)
        free(room.entries)
        free(room)
        self._free.append(index)
        del self._spaces[index]
        return 0

    # The media side, in stepped mode

    def step(self, long long now_us):
        """Everything that is due: commands, ticks, acknowledgements. Returns how many ticks ran. For the media side."""
        cdef int64_t at_us = checked_clock(now_us)
        cdef int ticks
        if self.media.bell != NULL:
            raise RuntimeError("a thread drives this Media; stop it before you step")
        with nogil:     # a tick decodes, mixes, encodes and seals
            ticks = media_step(self.media, at_us)
        return ticks

    @property
    def next_us(self):
        """When step has something to do again: the next tick, or an acknowledgement before it."""
        return media_next_us(self.media)

    def receive(self, bytes packet not None, address, long long now_us):
        """Try one packet: find its connection, open it, deliver what it holds. For the control side, or in stepped mode.

        Returns the verdict: SLOW (and BUSY, where the connection is held): give it to the other stack, byte for byte; DONE;
        DROP; VIOLATION: close the connection. What it holds reaches its room with the next step.
        """
        cdef address_t source
        address_from(address, &source)
        return <int>media_receive(
            self.media, <const uint8_t*>PyBytes_AS_STRING(packet), <int>min(PyBytes_GET_SIZE(packet), PLANE_PACKET_BYTES + 1), &source,
            checked_clock(now_us))

    def deliver(self, Connection connection not None, bytes datagram not None, long long now_us):
        """A datagram of this connection that came another way. It is judged and counted as if it had come in by receive."""
        cdef int64_t at_us = checked_clock(now_us)
        cdef conn_t* conn = connection._enter()
        media_datagram(
            self.media, SIDE_LOOP, conn, <const uint8_t*>PyBytes_AS_STRING(datagram),
            <int>min(PyBytes_GET_SIZE(datagram), DATAGRAM_MAX_BYTES + 1), at_us)
        connection._leave()

    # What waits for the control side

    cdef void _quiet(self) noexcept:
        """The bell has been heard. What comes from here on rings again."""
        if self.media.quiet_bell != NULL:
            self.media.quiet_bell(self.media.bell)
        exchange_u32(&self.media.rung, 0)

    def take_packets(self):
        """What the media side read and did not open: [(packet, address, arrived_us, native_first), …], oldest first.

        native_first: give it to receive first, it was held back only because its connection was in other hands.
        """
        self._quiet()
        return _take_packets(&self.media.packets, True)

    def take_sent(self):
        """Packets sealed in stepped mode, [(packet, address), …], in order. Empty where a socket sends them."""
        return _take_packets(&self.media.sent, False)

    def take_notices(self):
        """[(word, a, b), …]: "violation", "key_update" or "forged_limit" with slot and generation, once for each cause;
        "applied" with the index of a room and the serial of the last change that is in effect there; "talk" with the index
        of a room in which somebody else talks now: see Room.talking.
        """
        cdef uint32_t n_bytes = 0
        cdef const notice_t* notice
        found = []
        self._quiet()
        notice = <const notice_t*>ring_peek(&self.media.notices, &n_bytes)
        while notice != NULL:
            found.append((_NOTICES[notice.kind], notice.where, notice.what))
            ring_pop(&self.media.notices)
            notice = <const notice_t*>ring_peek(&self.media.notices, &n_bytes)
        return found

    @property
    def stats(self):
        """MediaStats as of now. Reading them changes nothing."""
        cdef room_counts_t sums = self.media.counts.rooms
        cdef room_t* room
        for _, at in self._spaces.values():
            room = <room_t*><size_t>at
            if not load_u32(&room.closed):
                add_counts(&sums, &room.counts)
        return media_stats(self.media, &sums)

    def lateness(self):
        """[(µs, ticks), …]: ticks that were so late, or at most 1/32 later; what both of two readings lack was in between."""
        return [(late_bucket_us(i), self.media.counts.late_by[i]) for i in range(LATE_BUCKETS) if self.media.counts.late_by[i]]


cdef list _take_packets(ring_t* ring, bint with_times):
    cdef uint32_t n_bytes = 0
    cdef const packet_head_t* head = <const packet_head_t*>ring_peek(ring, &n_bytes)
    found = []
    while head != NULL:
        packet = PyBytes_FromStringAndSize(<const char*>(head + 1), <Py_ssize_t>(n_bytes - sizeof(packet_head_t)))
        address = address_to(&head.address)
        found.append((packet, address, head.arrived_us, bool(head.native_first)) if with_times else (packet, address))
        ring_pop(ring)
        head = <const packet_head_t*>ring_peek(ring, &n_bytes)
    return found
