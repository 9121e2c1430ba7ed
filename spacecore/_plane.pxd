# The native data plane as Python sees it; C callers use libplane.pxd with the pointers inside.

from libc.stdint cimport int64_t, uint32_t

from spacecore.libplane cimport address_t, conn_t, out_batch_t, plane_t

cdef class Plane:
    cdef plane_t* plane
    cdef out_batch_t* batch         # of the thread that calls the handles
    cdef readonly int fd

cdef class SharedState:
    cdef conn_t* conn               # its slot lives as long as the plane
    cdef readonly Plane plane
    cdef uint32_t opened            # generation while this handle is the owner
    cdef bint held
    cdef void _lock(self) noexcept
    cdef void _unlock(self, int64_t now_us) noexcept
    cdef conn_t* _enter(self) except NULL
    cdef void _leave(self) noexcept

cdef class Connection(SharedState):
    cdef bytes own_cid
    cdef int _close(self) except -1
    cdef bint _in_table(self, bytes cid) noexcept

cdef int address_from(object address, address_t* out) except -1
cdef tuple address_to(const address_t* address)
