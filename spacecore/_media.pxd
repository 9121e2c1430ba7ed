# The media path as whoever drives it calls it: rounds in time, packets in. Plain C beneath the handle.

from libc.stdint cimport int64_t, uint32_t

from spacecore._plane cimport Connection, Plane
from spacecore.libplane cimport conn_t, in_batch_t
from spacecore.media_state cimport entry_t, media_t, room_t

# Driving contract. One thread at a time is the media side: it calls the functions here. It calls media_step when media_next_us
# has come, and media_read when the socket has something. `now_us` is of one monotonic clock and does not go back. Before
# the first call a driver may set `fd`, the bell and the counters that are its own; after the last it takes them back.

# Everything that is due at now_us: commands, ticks, acknowledgements; how many ticks ran. As signaling/media/ticker.py:
# deadline n is start + n × 20 ms, at most 3 missed ticks are caught up, older ones are skipped and counted. The first call
# is the start.
cdef int media_step(media_t* media, int64_t now_us) noexcept nogil
cdef void media_drain(media_t* media) noexcept nogil                        # the commands alone
cdef int64_t media_next_us(const media_t* media) noexcept nogil             # when media_step has something to do again
# One batch from the socket: opened and delivered, or queued for the other stack; how many packets there were.
cdef int media_read(media_t* media, in_batch_t* batch, int64_t now_us, int64_t clock_offset_us) noexcept nogil

cdef class Media:
    cdef media_t* media
    cdef readonly Plane plane
    cdef dict _spaces           # index -> the Space that ticks there, until the media side has let go of it
    cdef dict _retired          # index -> [(which array, the list before it)]
    cdef list _free             # indexes
    cdef uint32_t _n_indexes
    cdef uint32_t _lives        # rooms and clearances so far
    cdef uint32_t _stays        # entries so far
    cdef int _reserve(self, uint32_t n_commands) except -1
    cdef void _collect(self)
    cdef int _drop(self, room_t* room) except -1
    cdef uint32_t _number(self, uint32_t index) noexcept
    cdef void _quiet(self) noexcept

cdef class Room:
    cdef room_t* room           # NULL once closed
    cdef Media _media
    cdef uint32_t _index
    cdef uint32_t _entered      # entries asked for so far
    cdef uint32_t _capacity
    cdef uint32_t _arrays       # handed over so far
    cdef entry_t* _newest       # the last of them
    cdef bint _outlet
    cdef room_t* _open(self) except NULL
    cdef int _list(self, Connection connection, conn_t* conn, int seat) except -1
    cdef int _make_room(self) except -1
