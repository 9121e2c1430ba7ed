# The media thread as its one unit declares it to Cython.

from libc.stdint cimport int64_t, uint32_t

from spacecore._media cimport Media
from spacecore.libplane cimport in_batch_t
from spacecore.media_state cimport media_t

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t

# What the thread owns while it runs. Another thread writes `stopping` and the pipes, and nothing else.
cdef struct driver_t:
    media_t* media
    in_batch_t* batch
    int fd
    int tell[2]                 # to the thread: somebody wants something
    int bell[2]                 # from the thread: something waits
    uint32_t stopping
    int64_t last_read_us
    int woken                   # by the socket, since the last tick
    bint deaf                   # the socket failed: it is left alone until the next tick

cdef class MediaThread:
    cdef readonly Media media
    cdef driver_t* driver
    cdef pthread_t thread
    cdef bint running
    cdef int owner              # the process in which it runs
    cdef object __weakref__
    cdef int _stop(self) except -1
    cdef void _take_back(self) noexcept
