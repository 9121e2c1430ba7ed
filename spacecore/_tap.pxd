# Decoded audio of a room for a recorder or a transcriber: one writer (the tick), one reader.

from libc.stdint cimport uint32_t, uint64_t

from spacecore._mixer cimport FRAME_SAMPLES

cdef enum:
    TAP_FRAMES = 256            # that may wait for the reader; a power of two

cdef struct tap_frame_t:
    int source                  # a seat, or -1 for the mix
    uint32_t timestamp
    float pcm[FRAME_SAMPLES]

cdef struct tap_t:
    bint mix
    bint seats
    uint32_t head               # written by the tick only
    uint32_t tail               # written by the reader only
    uint64_t dropped            # newest frames, while the reader was TAP_FRAMES behind
    tap_frame_t frames[TAP_FRAMES]

cdef void tap_put(tap_t* tap, int source, uint32_t timestamp, const float* pcm) noexcept nogil
cdef list tap_take(tap_t* tap)      # [(source, timestamp, memoryview), …], oldest first
