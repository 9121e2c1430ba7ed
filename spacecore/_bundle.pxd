# One to three consecutive frames of a room in one datagram, or one with copies of frames before. Plain C state.

from libc.stdint cimport int8_t, uint8_t, uint16_t, uint32_t

from spacecore._packet cimport DATAGRAM_MAX_BYTES, MAX_NEW, MAX_REDUNDANT

cdef enum:
    BUNDLE_FRAMES = MAX_NEW
    BUNDLE_DISTANCE = 2         # of the newest copy: what is lost in a row takes the frame before with it
    BUNDLE_KEPT = BUNDLE_DISTANCE + MAX_REDUNDANT      # frames, the newest included
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
    int n_kept                  # … and of those that are kept for copies, 0 to 4
    int newest                  # index in `frames`
    bundled_t frames[BUNDLE_KEPT]
    int built_bytes[BUNDLE_FRAMES + 1]      # of `built`; 0: not built yet
    uint8_t built[BUNDLE_FRAMES + 1][DATAGRAM_MAX_BYTES]
    int copied_bytes[MAX_REDUNDANT + 1]     # of `copied`, likewise
    uint8_t copied[MAX_REDUNDANT + 1][DATAGRAM_MAX_BYTES]

cdef int bundle_relation(const bundle_t* bundle, const uint8_t* data, int n_bytes) noexcept nogil    # BUNDLE_* or PACKET_*; changes nothing
cdef int bundle_put(bundle_t* bundle, const uint8_t* data, int n_bytes) noexcept nogil               # BUNDLE_* or PACKET_*
# The datagram of one frame, `back` frames before the newest (0 <= back < n).
cdef const uint8_t* bundle_single(const bundle_t* bundle, int back, int* n_bytes) noexcept nogil
# The datagram of the `frames` newest (1 <= frames <= n); NULL where they do not fit into one.
cdef const uint8_t* bundle_newest(bundle_t* bundle, int frames, int* n_bytes) noexcept nogil
# The newest frame with up to `copies` (1 or 2) of those before it; NULL where there are none to copy, or no room.
cdef const uint8_t* bundle_copied(bundle_t* bundle, int copies, int* n_bytes) noexcept nogil


cdef inline uint16_t bundle_seq(const bundle_t* bundle) noexcept nogil:
    return bundle.frames[bundle.newest].seq


cdef inline bint bundle_paused(const bundle_t* bundle) noexcept nogil:
    return bundle.n > 0 and bundle.frames[bundle.newest].frame_bytes <= BUNDLE_PAUSE_BYTES
