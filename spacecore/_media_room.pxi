# The handle of one room: who hears it, who speaks in it; in _media.pyx.

cdef enum:
    LEAST_ENTRIES = 16          # connections that a new room's list has place for; it doubles when it is full
    FRAME_HEAD_BYTES = 3        # of a record of take_frames, see _publish
    USUAL_FRAME_BYTES = 256


cdef class Room:
    """One room of a Media, from Media.add_room. For the control side.

    **enter, seat, leave and clear take effect at once**: when they return, nothing more is sealed for who has left. A room
    whose handle is dropped goes on; only close() ends it.
    """

    def __init__(self):
        raise TypeError("a Room comes from Media.add_room()")

    @property
    def index(self):
        """By which notices name it; used again after it is closed."""
        return self._index

    @property
    def is_closed(self):
        return self.room == NULL

    @property
    def applied(self):
        """Serial of the last change of its Space that is in effect. 0 once closed."""
        return load_i64(&self.room.space.applied) if self.room != NULL else 0

    @property
    def talking(self):
        """The seats that are heard, in order, the pauses between words included. Empty once closed."""
        return room_talking(self.room) if self.room != NULL else ()

    @property
    def dominant(self):
        """The seat that dominates the conversation, or None; see spacecore.Tick."""
        cdef int64_t seat = load_i64(&self.room.dominant) if self.room != NULL else NOBODY
        return None if seat == NOBODY else seat

    def enter(self, Connection connection not None, *, int bundle=1, int redundancy=0, bint reports=False):
        """`connection` hears this room from now on, and no other; `bundle`: the most frames it takes in one datagram, 1 to 3;
        `redundancy`: the most copies of frames before, 0 to 2; `reports`: on stage it is told how its audio arrives.

        Raises MediaError: other_plane, room_closed, media_stalled; PlaneError("closed").
        """
        if not 1 <= bundle <= 3:
            raise ValueError(f"bundle is 1 to 3 frames, not {bundle}")
        if not 0 <= redundancy <= 2:
            raise ValueError(f"redundancy is 0 to 2 copies, not {redundancy}")
        if connection.plane is not self._media.plane:
            raise MediaError("other_plane", "the connection is of another plane: open it in the one of this Media")
        self._make_room()
        cdef conn_t* conn = connection._enter()
        conn.listener.bundle = <uint8_t>bundle
        conn.listener.redundancy = <uint8_t>redundancy
        conn.listener.takes_reports = reports
        conn.listener.lossy = conn.listener.copies = 0
        conn.listener.vote = NO_VOTE
        conn.listener.muted = 0
        self._list(connection, conn, -1)

    def seat(self, Connection connection not None, seat, *, bint muted=False):
        """`connection`, which is inside, is in this seat from now on (its mix-minus, single frames), or (None) a listener.

        muted: its audio is dropped, but for pauses. Raises MediaError: room_closed, not_inside, media_stalled; ValueError for
        a seat beyond 0 to 255.
        """
        cdef int number = -1 if seat is None else seat
        if seat is not None and not 0 <= number <= 255:
            raise ValueError(f"a seat number is 0 to 255, not {seat}")
        self._make_room()
        cdef conn_t* conn = connection._enter()
        if conn.listener.room != self.room.number:
            connection._leave()
            raise MediaError("not_inside", "the connection is not in this room: enter it first")
        conn.listener.muted = muted
        if conn.listener.seat == number:
            connection._leave()
            return
        self._list(connection, conn, number)

    def leave(self, Connection connection not None):
        """`connection` is sent nothing more of this room. Leaving twice, or what is closed, does nothing."""
        if self.room == NULL or connection.opened == 0:
            return
        cdef conn_t* conn = connection._enter()
        if conn.listener.room == self.room.number:
            conn.listener.room = 0
            conn.listener.room_generation = 0
            conn.listener.seat = -1
        connection._leave()

    def clear(self):
        """Nobody is sent anything more of this room. Raises MediaError("room_closed")."""
        store_u32(&self._open().number, self._media._number(self._index))

    def put(self, int seat, bytes datagram not None, long long now_us):
        """Audio from the person in `seat` that came another way: with the next step it is in the room.

        False: too much waits (counted), or the room is closed.
        """
        checked_clock(now_us)
        if self.room == NULL or not 0 <= seat <= 255:
            return False
        return bool(queue_put(
            self._media.media, self.room.number, seat, NO_VOTE, <const uint8_t*>PyBytes_AS_STRING(datagram),
            <int>min(PyBytes_GET_SIZE(datagram), DATAGRAM_MAX_BYTES + 1), now_us))

    def subscribe(self, int n=256):
        """Keep a copy of every packet from now on, at most `n` until they are taken; then the newest are dropped and counted.

        Raises MediaError: room_closed, subscribed, media_stalled.
        """
        cdef ring_t* frames
        cdef media_command_t* command
        if not 1 <= n <= 65_536:
            raise ValueError(f"1 to 65536 packets can wait, not {n}")
        self._open()
        if self._outlet:
            raise MediaError("subscribed", "this room has its subscriber: take_frames gives what it hears")
        self._media._reserve(1)
        frames = <ring_t*>calloc(1, sizeof(ring_t))
        if frames == NULL or not ring_open(frames, n, FRAME_HEAD_BYTES + SPACE_MAX_SEATS + USUAL_FRAME_BYTES):
            free(frames)
            raise MemoryError
        command = <media_command_t*>ring_reserve(&self._media.media.commands, sizeof(media_command_t))
        command.kind = MEDIA_SUBSCRIBE
        command.room = self.room
        command.memory = frames
        ring_commit(&self._media.media.commands)
        self._outlet = True
        self.room.outlet = frames

    def take_frames(self):
        """[(audience, datagram, excluded seats), …] since the last time, oldest first; audience is FULL or a seat."""
        cdef uint32_t n_bytes = 0
        cdef const uint8_t* at
        cdef uint32_t head
        cdef int i
        found = []
        if self.room == NULL or self.room.outlet == NULL:
            return found
        at = ring_peek(self.room.outlet, &n_bytes)
        while at != NULL:
            head = <uint32_t>FRAME_HEAD_BYTES + at[2]
            found.append((
                <int>at[1] if at[0] else <int>FULL,
                PyBytes_FromStringAndSize(<const char*>(at + head), <Py_ssize_t>(n_bytes - head)),
                frozenset([at[FRAME_HEAD_BYTES + i] for i in range(at[2])])))
            ring_pop(self.room.outlet)
            at = ring_peek(self.room.outlet, &n_bytes)
        return found

    def close(self):
        """No tick and no packet any more. The Space is let go of with the next step. Closing twice does nothing.

        Raises MediaError("media_stalled").
        """
        cdef media_command_t* command
        if self.room == NULL:
            return
        self._media._reserve(1)
        store_u32(&self.room.number, 0)
        command = <media_command_t*>ring_reserve(&self._media.media.commands, sizeof(media_command_t))
        command.kind = MEDIA_CLOSE
        command.room = self.room
        ring_commit(&self._media.media.commands)
        self.room = NULL

    @property
    def stats(self):
        """RoomStats as of now, None once closed. Reading them changes nothing."""
        return room_stats(self.room) if self.room != NULL else None

    cdef room_t* _open(self) except NULL:
        if self.room == NULL:
            raise MediaError("room_closed", "this room is closed: add another")
        return self.room

    cdef int _list(self, Connection connection, conn_t* conn, int seat) except -1:
        """Write down where the held connection is, let go of it, and tell the media side."""
        cdef media_t* media = self._media.media
        cdef media_command_t* command = <media_command_t*>ring_reserve(&media.commands, sizeof(media_command_t))
        self._media._stays = max(<uint32_t>1, self._media._stays + 1)
        conn.listener.room = self.room.number
        conn.listener.room_generation = self._media._stays
        conn.listener.seat = <int16_t>seat
        command.kind = MEDIA_ENTER
        command.room = self.room
        command.conn = conn
        command.generation = conn.generation
        command.stay = self._media._stays
        command.seat = <int16_t>seat
        connection._leave()
        ring_commit(&media.commands)
        self._entered += 1
        return 0

    cdef int _make_room(self) except -1:
        """See to it that one more entry fits into the list and its command into the queue."""
        cdef room_t* room = self._open()
        cdef media_command_t* command
        cdef entry_t* entries
        self._media._reserve(2)
        if self._entered - load_u32(&room.dropped_entries) < self._capacity:
            return 0
        entries = <entry_t*>calloc(2 * self._capacity, sizeof(entry_t))
        if entries == NULL:
            raise MemoryError
        self._media._collect()
        self._arrays += 1
        self._capacity *= 2
        self._media._retired[self._index].append((self._arrays, <size_t>self._newest))
        self._newest = entries
        command = <media_command_t*>ring_reserve(&self._media.media.commands, sizeof(media_command_t))
        command.kind = MEDIA_GROW
        command.room = room
        command.memory = entries
        command.capacity = self._capacity
        ring_commit(&self._media.media.commands)
        return 0
