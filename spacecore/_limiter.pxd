# The limiter at the end of each output: plain C state, no allocation, no Python, callable without the GIL.

cdef enum:
    SUBFRAME_SAMPLES = 24       # 0.5 ms at 48 kHz: the limiter's step

cdef struct limiter_t:
    float envelope              # peak envelope after the last sub-frame, linear
    float gain                  # gain after the last sample, linear, ≤ 1

cdef void limiter_init(limiter_t* limiter) noexcept nogil
cdef float limiter_apply(limiter_t* limiter, float* pcm, int n) noexcept nogil
