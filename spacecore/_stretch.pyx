"""Time scaling by pitch-synchronous overlap-add: a jitter buffer's delay changes in the middle of speech, unheard.

In the manner of NetEQ's accelerate and preemptive expand (WebRTC, modules/audio_coding/neteq; no code of it is
used): the pitch is looked for at 4 kHz, made exact at 48 kHz, and a splice is made only where both sides of it are
alike. Unlike there a splice may span several periods, up to a whole frame: what a receiver holds back of a frame
costs delay and protects nothing, so the fewer splices a frame takes the better.
"""

from libc.math cimport sqrtf
from libc.string cimport memcpy, memmove

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.buffer cimport PyBuffer_Release

from collections import namedtuple

from spacecore._pcm cimport open_pcm

__all__ = ["Splice", "find_splice", "lengthen", "shorten"]

cdef enum:
    COARSE = 12                                 # 48 kHz to 4 kHz
    COARSE_WINDOW = STRETCH_WINDOW // COARSE
    COARSE_MOST = STRETCH_MOST // COARSE
    COARSE_LEAST = STRETCH_LEAST // COARSE
    COARSE_SPAN = COARSE_MOST + COARSE_WINDOW
    SPAN = STRETCH_MOST + STRETCH_WINDOW
    TRIED = 3                                   # peaks that are looked at closely: this bounds the work

cdef float COARSE_LESS = 0.1                    # a peak between two coarse lags is so much higher at most


cdef splice_t stretch_find(const float* at, int channels, bint forward, int most, float likeness) noexcept nogil:
    cdef float near[SPAN]
    cdef float coarse[COARSE_SPAN]
    cdef float score[COARSE_MOST + 2]
    cdef int window_at = 0 if forward else most     # where the place is in what is looked at
    cdef int lag, tried = 0
    cdef splice_t found, closer
    found.lag = 0
    found.likeness = 0.0
    most = min(most, STRETCH_MOST)
    most -= most % COARSE
    window_at = 0 if forward else most
    if most < STRETCH_LEAST:
        return found
    _mono(near, at if forward else at - most * channels, channels, most + STRETCH_WINDOW)
    _decimate(coarse, near, (most + STRETCH_WINDOW) // COARSE)
    for lag in range(COARSE_LEAST, most // COARSE + 1):
        score[lag] = _alike(&coarse[window_at // COARSE], lag if forward else -lag, COARSE_WINDOW)
    score[COARSE_LEAST - 1] = score[most // COARSE + 1] = -1.0
    for lag in range(most // COARSE, COARSE_LEAST - 1, -1):
        if score[lag] < likeness - COARSE_LESS or score[lag] < score[lag + 1] or score[lag] < score[lag - 1]:
            continue
        closer = _refine(&near[window_at], forward, lag * COARSE, most)
        if closer.likeness >= likeness:
            return closer
        tried += 1
        if tried == TRIED:
            break
    return found


cdef splice_t _refine(const float* at, bint forward, int near_lag, int most) noexcept nogil:
    """The best lag within one coarse step of `near_lag`."""
    cdef splice_t best
    cdef float likeness
    cdef int lag
    best.lag = near_lag
    best.likeness = -1.0
    for lag in range(max(near_lag - COARSE, STRETCH_LEAST), min(near_lag + COARSE, most) + 1):
        likeness = _alike(at, lag if forward else -lag, STRETCH_WINDOW)
        if likeness > best.likeness:
            best.likeness = likeness
            best.lag = lag
    return best


cdef inline float _alike(const float* at, int lag, int n) noexcept nogil:
    """Normalised correlation of the n samples at `at` with those `lag` further on; two silences are alike."""
    cdef float dot[8]
    cdef float here[8]
    cdef float there[8]
    cdef int i, k
    for k in range(8):
        dot[k] = here[k] = there[k] = 0.0
    for i in range(0, n - n % 8, 8):    # eight sums at once: so the compiler may vectorise without reordering
        for k in range(8):
            dot[k] += at[i + k] * at[lag + i + k]
            here[k] += at[i + k] * at[i + k]
            there[k] += at[lag + i + k] * at[lag + i + k]
    for k in range(1, 8):
        dot[0] += dot[k]
        here[0] += here[k]
        there[0] += there[k]
    if here[0] < 1e-9 and there[0] < 1e-9:
        return 1.0
    return dot[0] / (sqrtf(here[0] * there[0]) + <float>1e-12)


cdef inline void _mono(float* out, const float* pcm, int channels, int n) noexcept nogil:
    cdef int i
    if channels == 1:
        memcpy(out, pcm, n * sizeof(float))
        return
    for i in range(n):
        out[i] = (pcm[2 * i] + pcm[2 * i + 1]) * <float>0.5


cdef inline void _decimate(float* out, const float* pcm, int n) noexcept nogil:
    cdef int i, k
    cdef float total
    for i in range(n):
        total = 0.0
        for k in range(COARSE):
            total += pcm[i * COARSE + k]
        out[i] = total


cdef int stretch_shorten(float* pcm, int channels, int n, int lag) noexcept nogil:
    cdef int fade = min(min(lag, STRETCH_WINDOW), n - lag) * channels
    cdef int skip = lag * channels
    cdef int i
    cdef float weight, step = <float>1.0 / (fade + 1)
    for i in range(fade):
        weight = step * (i + 1)
        pcm[skip + i] = pcm[i] + weight * (pcm[skip + i] - pcm[i])
    memmove(pcm, pcm + skip, (n - lag) * channels * sizeof(float))
    return n - lag


cdef int stretch_lengthen(float* pcm, int channels, int n, int lag) noexcept nogil:
    cdef int fade = min(min(lag, STRETCH_WINDOW), n) * channels
    cdef int more = lag * channels
    cdef int i
    cdef float weight, step = <float>1.0 / (fade + 1)
    memmove(pcm + more, pcm, n * channels * sizeof(float))
    memcpy(pcm, pcm - more, more * sizeof(float))
    for i in range(fade):
        weight = step * (i + 1)
        pcm[i] = pcm[more + i] + weight * (pcm[i] - pcm[more + i])
    return n + lag


# --- the Python face ------------------------------------------------------------------------------------------

Splice = namedtuple("Splice", "lag likeness")
Splice.__doc__ = """Where sound can be spliced: `lag` samples on (0: nowhere), and how alike both sides are, up to 1."""


def find_splice(pcm, int place, *, bint forward=True, int most=STRETCH_MOST, double likeness=0.9, int channels=1):
    """The longest splice at sample `place` of `pcm` (float32): forward, to skip; otherwise back, to repeat.

    `most` is the longest lag wanted, 120 to 960 samples; the sound must reach so far, and 480 samples past both
    sides. Raises TypeError for another format, ValueError where the sound is too short or an argument out of range.
    """
    cdef Py_buffer view
    cdef splice_t found
    if channels not in (1, 2) or not STRETCH_LEAST <= most <= STRETCH_MOST:
        raise ValueError(f"channels is {channels}, most is {most}: it must be 1 or 2, and {STRETCH_LEAST} to {STRETCH_MOST}")
    cdef int n = open_pcm(pcm, &view, False, c"f") // channels
    cdef int first = place if forward else place - most
    cdef int end = place + STRETCH_WINDOW + (most if forward else 0)
    if 0 <= first and end <= n:
        found = stretch_find(<const float*>view.buf + place * channels, channels, forward, most, <float>likeness)
    PyBuffer_Release(&view)
    if not (0 <= first and end <= n):
        raise ValueError(f"samples {first} to {end} are looked at, there are {n}: pass more sound or a smaller `most`")
    return Splice(found.lag, found.likeness)


def shorten(pcm, int lag, *, int channels=1):
    """`pcm` (float32) without `lag` samples of its beginning, cross-faded, as bytes of float32. ValueError for a lag beyond it."""
    return _spliced(pcm, 0, lag, channels, False)


def lengthen(pcm, int place, int lag, *, int channels=1):
    """`pcm` (float32) with the `lag` samples before `place` repeated there, cross-faded, as bytes of float32. ValueError as above."""
    return _spliced(pcm, place, lag, channels, True)


cdef bytes _spliced(object pcm, int place, int lag, int channels, bint longer):
    cdef Py_buffer view
    cdef bytes out
    cdef float* samples
    cdef int n = open_pcm(pcm, &view, False, c"f") // max(channels, 1)
    cdef bint fits = channels in (1, 2) and 0 < lag and 0 <= place and (lag <= place <= n if longer else lag <= n)
    if fits:
        out = PyBytes_FromStringAndSize(NULL, (n + (lag if longer else 0)) * channels * sizeof(float))
        samples = <float*><char*>out
        memcpy(samples, view.buf, n * channels * sizeof(float))
        if longer:
            stretch_lengthen(samples + place * channels, channels, n - place, lag)
        else:
            n = stretch_shorten(samples, channels, n, lag)
            out = out[:n * channels * sizeof(float)]
    PyBuffer_Release(&view)
    if not fits:
        raise ValueError(f"lag is {lag}, place {place}, channels {channels}: {n} samples have no such splice")
    return out
