# The atomic operations that single-writer, single-reader rings need, and the one that a bell needs.

from libc.stdint cimport int64_t, uint32_t

cdef extern from *:
    """
    #include <stdint.h>
    static inline uint32_t space_load_u32(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void space_store_u32(uint32_t *at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
    static inline int64_t space_load_i64(const int64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void space_store_i64(int64_t *at, int64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
    static inline uint32_t space_exchange_u32(uint32_t *at, uint32_t value) { return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); }
    """
    uint32_t load_u32 "space_load_u32"(const uint32_t* at) noexcept nogil
    void store_u32 "space_store_u32"(uint32_t* at, uint32_t value) noexcept nogil
    int64_t load_i64 "space_load_i64"(const int64_t* at) noexcept nogil
    void store_i64 "space_store_i64"(int64_t* at, int64_t value) noexcept nogil
    uint32_t exchange_u32 "space_exchange_u32"(uint32_t* at, uint32_t value) noexcept nogil
