# The Python face of the loudness kernels, and what a limited mix peaks at between its samples.

from spacecore.loudness cimport loudness_t

cdef class Loudness:
    cdef loudness_t state

cdef double peak_between(const float* pcm, int n) noexcept nogil     # linear; 4 times oversampled
