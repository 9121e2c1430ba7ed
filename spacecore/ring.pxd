# A bounded queue of byte records between two threads: one writer, one reader, no lock, no allocation.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from spacecore.atomics cimport load_u32, store_u32

cdef enum:
    RING_HEAD_BYTES = 8         # the size of a record stands before it
    RING_SKIP = 0xFFFFFFFF      # instead of a size: the rest of the memory is not used

# Holds at most `limit` records and at most `mask + 1` bytes of them. A record lies in one piece.
# The writer calls ring_reserve and ring_commit, the reader ring_peek and ring_pop. What does not fit is not taken, and
# counted in `dropped`.
cdef struct ring_t:
    uint8_t* data
    uint32_t mask
    uint32_t limit
    uint32_t head               # written by the writer only, as the next two
    uint32_t ahead              # end of what is reserved
    uint32_t n_in
    uint32_t tail               # written by the reader only, as the next
    uint32_t n_out
    uint64_t dropped            # written by the writer only


cdef inline uint32_t ring_record_bytes(uint32_t n_bytes) noexcept nogil:
    return RING_HEAD_BYTES + ((n_bytes + 7) & ~<uint32_t>7)


cdef inline bint ring_open(ring_t* ring, uint32_t limit, uint32_t bytes_each) noexcept nogil:
    """Room for `limit` records of bytes_each; False without memory. Larger records are taken too, but fewer of them."""
    # Two more, as the end of the memory may not be usable, for what is written and for what still waits to be read.
    cdef uint64_t wanted = (<uint64_t>limit + 2) * ring_record_bytes(bytes_each)
    cdef uint64_t size = 4096
    while size < wanted:
        size *= 2
    if size > <uint64_t>1 << 31:
        return False
    ring.data = <uint8_t*>calloc(1, size)
    ring.mask = <uint32_t>(size - 1)
    ring.limit = limit
    ring.head = ring.ahead = ring.n_in = ring.tail = ring.n_out = 0
    ring.dropped = 0
    return ring.data != NULL


cdef inline void ring_close(ring_t* ring) noexcept nogil:
    free(ring.data)
    ring.data = NULL


cdef inline bint ring_has_room(const ring_t* ring, uint32_t n_records) noexcept nogil:
    """Whether so many more records may wait. For the writer, and for records of at most the size given to ring_open."""
    return ring.n_in - load_u32(&ring.n_out) + n_records <= ring.limit


cdef inline uint8_t* ring_reserve(ring_t* ring, uint32_t n_bytes) noexcept nogil:
    """Where to write a record of n_bytes; NULL: full, and counted. ring_commit hands it over."""
    cdef uint32_t need = ring_record_bytes(n_bytes)
    cdef uint32_t size = ring.mask + 1
    cdef uint32_t at = ring.head & ring.mask
    cdef uint32_t skip = 0 if size - at >= need else size - at
    cdef uint64_t used = <uint64_t>(ring.head - load_u32(&ring.tail)) + skip + need
    if ring.n_in - load_u32(&ring.n_out) >= ring.limit or used > size:
        ring.dropped += 1
        return NULL
    if skip:
        (<uint32_t*>(ring.data + at))[0] = RING_SKIP
        at = 0
    (<uint32_t*>(ring.data + at))[0] = n_bytes
    ring.ahead = ring.head + skip + need
    return ring.data + at + RING_HEAD_BYTES


cdef inline void ring_commit(ring_t* ring) noexcept nogil:
    ring.n_in += 1
    store_u32(&ring.head, ring.ahead)


cdef inline const uint8_t* ring_peek(ring_t* ring, uint32_t* n_bytes) noexcept nogil:
    """The oldest record, which stays until ring_pop; NULL: none waits."""
    cdef uint32_t at
    while ring.tail != load_u32(&ring.head):
        at = ring.tail & ring.mask
        n_bytes[0] = (<uint32_t*>(ring.data + at))[0]
        if n_bytes[0] != RING_SKIP:
            return ring.data + at + RING_HEAD_BYTES
        store_u32(&ring.tail, ring.tail + (ring.mask + 1 - at))
    return NULL


cdef inline void ring_pop(ring_t* ring) noexcept nogil:
    """Forget the record that ring_peek gave."""
    cdef uint32_t n_bytes = (<uint32_t*>(ring.data + (ring.tail & ring.mask)))[0]
    store_u32(&ring.n_out, ring.n_out + 1)
    store_u32(&ring.tail, ring.tail + ring_record_bytes(n_bytes))
