# A traced room from Python: Trace, and the words in which a replay says what was done; in _space.pyx.

cdef enum:
    TRACE_USUAL_BYTES = 112     # of a record, by which the memory of the ring is measured …
    TRACE_AUDIO_BYTES = 448     # … and where datagrams are kept whole

cdef dict _DONE = {"": DONE_NOTHING, "skipped": DONE_SKIPPED, "decoded": DONE_DECODED, "unscaled": DONE_UNSCALED}


@cython.no_gc           # so that __dealloc__ still has the room
cdef class Trace:
    """What a room writes down of itself, from Space.trace(). For the control thread; docs/traces.md has the records.

    It ends with `stop`; what was written until then can be read after it. A reader that falls behind loses the newest
    records until it has caught up; `dropped` counts them.
    """

    cdef trace_t* _trace
    cdef Space _space
    cdef int64_t _stopped       # the serial of the request, 0: none

    def __init__(self):
        raise TypeError("a Trace comes from Space.trace()")

    def __dealloc__(self):
        if self._trace != NULL and self._stopped:
            self._retire()      # else it is the room's still, and goes with it

    def read(self):
        """All records that wait, oldest first, each as bytes. Empty once closed."""
        cdef const uint8_t* record
        cdef uint32_t n_bytes = 0
        taken = []
        if self._trace == NULL:
            return taken
        record = ring_peek(&self._trace.ring, &n_bytes)
        while record != NULL:
            taken.append(PyBytes_FromStringAndSize(<const char*>record, n_bytes))
            ring_pop(&self._trace.ring)
            record = ring_peek(&self._trace.ring, &n_bytes)
        return taken

    @property
    def dropped(self):
        """Records lost because nobody read."""
        return self._trace.ring.dropped if self._trace != NULL else 0

    @property
    def is_over(self):
        """Whether nothing more will be written: it was stopped, and the room has come so far."""
        return self._trace == NULL or (self._stopped > 0 and load_i64(&self._space._space.applied) >= self._stopped)

    def stop(self):
        """Write no more, from the next tick on. Stopping twice does nothing. Raises SeatError('ring_full')."""
        cdef command_t command
        if self._trace == NULL or self._stopped:
            return
        command.kind = COMMAND_UNTRACE
        command.seat = NO_SEAT
        self._stopped = self._space._push(&command)
        self._space._traced = False

    def close(self):
        """Stop, and forget what was not read. Closing twice does nothing. Raises SeatError('ring_full')."""
        if self._trace != NULL:
            self.stop()
            self._retire()

    cdef void _retire(self) noexcept:
        self._space._retired.append((self._stopped, 0, 0, <size_t>self._trace))
        self._trace = NULL


cdef trace_t* _open_trace(bint audio, int records) except NULL:
    cdef trace_t* trace = <trace_t*>calloc(1, sizeof(trace_t))
    if trace == NULL or not ring_open(&trace.ring, <uint32_t>records, TRACE_AUDIO_BYTES if audio else TRACE_USUAL_BYTES):
        free(trace)
        raise MemoryError
    trace.audio = audio
    return trace
