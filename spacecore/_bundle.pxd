# One to three consecutive frames of a room in one datagram. Plain C state; the header is that of the first frame.

from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t

from spacecore._packet cimport DATAGRAM_MAX_BYTES, MAX_NEW

cdef enum:
    BUNDLE_FRAMES = MAX_NEW
    BUNDLE_PAUSE_BYTES = 2      # a frame of so few bytes says "silence from here": it may not be held back

cdef enum:                      # what a frame is to those before it
    BUNDLE_STARTS = 0           # nothing joins it to what was before
    BUNDLE_CONTINUES = 1

# A datagram of one frame as it was put in, and where its parts are.
cdef struct bundled_t:
    uint16_t seq
    uint32_t timestamp
    int8_t gain
    bint stereo
    int frame_at
    int frame_bytes
    int n_bytes
    uint8_t data[DATAGRAM_MAX_BYTES]

# Driving contract: bundle_put each datagram of the full mix, then ask for any number of the newest frames. What comes
# back is valid until the next put.
cdef struct bundle_t:
    int n                       # newest frames that are contiguous in seq and timestamp, 0 to 3
    int newest                  # index in `frames`
    bundled_t frames[BUNDLE_FRAMES]
    int built_bytes[BUNDLE_FRAMES + 1]      # of `built`; 0: not built yet
    uint8_t built[BUNDLE_FRAMES + 1][DATAGRAM_MAX_BYTES]

cdef int bundle_relation(const bundle_t* bundle, const uint8_t* data, int n_bytes) noexcept nogil    # BUNDLE_* or PACKET_*; changes nothing
cdef int bundle_put(bundle_t* bundle, const uint8_t* data, int n_bytes) noexcept nogil               # BUNDLE_* or PACKET_*
# The datagram of one frame, `back` frames before the newest (0 <= back < n).
cdef const uint8_t* bundle_single(const bundle_t* bundle, int back, int* n_bytes) noexcept nogil
# The datagram of the `frames` newest (1 <= frames <= n); NULL where they do not fit into one.
cdef const uint8_t* bundle_newest(bundle_t* bundle, int frames, int* n_bytes) noexcept nogil


cdef inline uint16_t bundle_seq(const bundle_t* bundle) noexcept nogil:
    return bundle.frames[bundle.newest].seq


cdef inline bint bundle_paused(const bundle_t* bundle) noexcept nogil:
    return bundle.n > 0 and bundle.frames[bundle.newest].frame_bytes <= BUNDLE_PAUSE_BYTES
