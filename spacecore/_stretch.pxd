# Time scaling by pitch-synchronous overlap-add: sound is made shorter or longer by whole periods of its pitch.
#
# A splice at a place of the sound skips the `lag` samples after it, or repeats the `lag` samples before it, with
# a cross-fade. No state, no allocation; `n` and `lag` count samples a channel, stereo is interleaved, 48 kHz.
# Find a lag first; splice only with one that was found.

cdef enum:
    STRETCH_LEAST = 120         # 2.5 ms, the period of 400 Hz
    STRETCH_MOST = 960          # 20 ms, the period of 50 Hz, and a frame
    STRETCH_WINDOW = 480        # 10 ms on both sides of a splice are compared, and cross-faded at most

cdef struct splice_t:
    int lag                     # 0: the sound has no place like this one
    float likeness              # normalised correlation of the two sides, 1: the same

# `at` is the place. forward: the samples [0, most + STRETCH_WINDOW) from it are looked at; otherwise
# [−most, STRETCH_WINDOW). The longest lag up to `most` whose two sides are at least `likeness` alike.
cdef splice_t stretch_find(const float* at, int channels, bint forward, int most, float likeness) noexcept nogil
# In place; both return the new n. To lengthen, pcm[−lag, 0) is the sound before, and there is room for n + lag.
cdef int stretch_shorten(float* pcm, int channels, int n, int lag) noexcept nogil
cdef int stretch_lengthen(float* pcm, int channels, int n, int lag) noexcept nogil
