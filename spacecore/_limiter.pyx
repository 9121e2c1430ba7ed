"""The limiter: keeps a mix within full scale by turning it down smoothly, not by clipping it.

Threads: the kernel touches only what it is given. A Limiter may be used from any thread, by one at a time.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport fabsf, log10f, powf

from spacecore._pcm cimport open_pcm, sound_sample

__all__ = ["Limiter"]

cdef enum:
    SPAN_SAMPLES = 960          # one frame: the look-ahead ends with it
    SPAN_SUBFRAMES = SPAN_SAMPLES // SUBFRAME_SAMPLES

# A peak counts as at most +36 dBFS, so that one bad sample cannot duck a room for longer than 0.75 s.
cdef float MIX_CEILING = 64

cdef float DECAY = <float>0.9971259                         # of the envelope, each sub-frame
cdef float KNEE_START = <float>(10.0 ** (-0.75 / 20.0))
cdef float KNEE_END = <float>(10.0 ** (0.25 / 20.0))
cdef float UNITY_OUT = <float>(10.0 ** (1.0 / 20.0))        # from here up the output stays at 0 dBFS

# How much of the old gain is left at each sample of a sub-frame: falling linearly, or fast (power 8) where a
# peak in a frame's first sub-frame could not be seen coming.
cdef float[SUBFRAME_SAMPLES + 1] LINEAR
cdef float[SUBFRAME_SAMPLES + 1] ATTACK

cdef int _position
for _position in range(SUBFRAME_SAMPLES + 1):
    LINEAR[_position] = <float>(1.0 - _position / <double>SUBFRAME_SAMPLES)
    ATTACK[_position] = LINEAR[_position] ** 8


cdef class Limiter:
    """One output's limiter, with its state from frame to frame."""

    cdef limiter_t state

    def __cinit__(self):
        limiter_init(&self.state)

    @property
    def envelope(self):
        """Peak envelope after the last frame, linear, 1 = full scale."""
        return self.state.envelope

    @property
    def gain(self):
        """Gain after the last sample, linear, ≤ 1."""
        return self.state.gain

    def apply(self, pcm):
        """Limit float32 samples at 48 kHz in place; returns the highest |sample| before, at most 64.

        Afterwards every |sample| ≤ 1. Pass frames of 960: the look-ahead of 0.5 ms ends with the frame.
        Errors: TypeError for another format, BufferError for a read-only or scattered buffer.
        """
        cdef Py_buffer view
        cdef int n = open_pcm(pcm, &view, True, c"f")
        cdef float peak = limiter_apply(&self.state, <float*>view.buf, n)
        PyBuffer_Release(&view)
        return peak

    def reset(self):
        """Forget the past, as for a new stream."""
        limiter_init(&self.state)


cdef void limiter_init(limiter_t* limiter) noexcept nogil:
    limiter.envelope = 0
    limiter.gain = 1


cdef float limiter_apply(limiter_t* limiter, float* pcm, int n) noexcept nogil:
    """Limit one frame in place so that |out| ≤ 1; returns the peak before, at most 64.

    In the manner of WebRTC's limiter (modules/audio_processing/agc2): sub-frames of 0.5 ms, a peak envelope
    that looks one sub-frame ahead within the frame, rises at once and decays by 0.9971259 a sub-frame; a
    soft knee from −0.75 to +0.25 dBFS, then 5:1, 0 dBFS out from +1 dBFS in. Below the knee, with the gain
    at 1, samples keep their bits. NaN and infinities become 0. More than 960 samples are taken as
    consecutive frames.
    """
    cdef float peak = 0, part
    cdef int start = 0
    while start < n:
        part = _limit_span(limiter, pcm + start, min(n - start, SPAN_SAMPLES))
        peak = part if part > peak else peak
        start += SPAN_SAMPLES
    return peak


cdef float _limit_span(limiter_t* limiter, float* pcm, int n) noexcept nogil:
    """limiter_apply for 1 to 960 samples. A last sub-frame that is short stops its gain ramp midway."""
    cdef float[SPAN_SUBFRAMES + 1] peaks
    cdef float* weights
    cdef float peak, envelope = limiter.envelope, gain = limiter.gain, next_gain
    cdef float frame_peak = _scrub_peaks(pcm, peaks, n)
    cdef bint quiet = frame_peak <= KNEE_START and envelope <= KNEE_START and gain == 1
    cdef int count = (n + SUBFRAME_SAMPLES - 1) // SUBFRAME_SAMPLES
    cdef int i, length
    peaks[count] = 0                    # the next frame cannot be seen
    for i in range(count):
        peak = peaks[i] if peaks[i] > peaks[i + 1] else peaks[i + 1]
        envelope = peak if peak > envelope else peak + DECAY * (envelope - peak)
        if quiet:
            continue
        next_gain = _limiter_gain(envelope)
        weights = &ATTACK[0] if i == 0 and gain > next_gain else &LINEAR[0]
        length = min(n - i * SUBFRAME_SAMPLES, SUBFRAME_SAMPLES)
        _scale_clamped(pcm + i * SUBFRAME_SAMPLES, weights, gain, next_gain, length)
        gain = next_gain + weights[length] * (gain - next_gain)
    limiter.envelope = envelope
    limiter.gain = gain
    return frame_peak


cdef float _scrub_peaks(float* pcm, float* peaks, int n) noexcept nogil:
    """Make samples sound in place, write each sub-frame's peak; returns the highest."""
    cdef float[8] lanes
    cdef float* part
    cdef float ceiling = MIX_CEILING, a, b, peak, highest = 0
    cdef int whole = n // SUBFRAME_SAMPLES, i, j
    for i in range(whole):
        part = pcm + i * SUBFRAME_SAMPLES
        for j in range(SUBFRAME_SAMPLES):
            part[j] = sound_sample(part[j], ceiling)
        for j in range(8):
            a, b = fabsf(part[j]), fabsf(part[j + 8])
            a = a if a > b else b
            b = fabsf(part[j + 16])
            lanes[j] = a if a > b else b
        for j in range(4):
            lanes[j] = lanes[j] if lanes[j] > lanes[j + 4] else lanes[j + 4]
        a = lanes[0] if lanes[0] > lanes[1] else lanes[1]
        b = lanes[2] if lanes[2] > lanes[3] else lanes[3]
        peaks[i] = a if a > b else b
        highest = peaks[i] if peaks[i] > highest else highest
    if whole * SUBFRAME_SAMPLES < n:
        peak = 0
        for i in range(whole * SUBFRAME_SAMPLES, n):
            pcm[i] = sound_sample(pcm[i], ceiling)
            peak = fabsf(pcm[i]) if fabsf(pcm[i]) > peak else peak
        peaks[whole] = peak
        highest = peak if peak > highest else highest
    return highest


cdef float _limiter_gain(float level) noexcept nogil:
    """The static curve: gain for an envelope, both linear."""
    cdef float level_db, out_db
    if level <= KNEE_START:
        return 1
    if level >= UNITY_OUT:
        return 1 / level
    level_db = 20 * log10f(level)
    if level < KNEE_END:
        out_db = level_db - <float>0.4 * (level_db + <float>0.75) * (level_db + <float>0.75)
    else:
        out_db = (level_db - 1) / 5
    return powf(10, (out_db - level_db) / 20)


cdef void _scale_clamped(float* pcm, const float* weights, float old, float new, int n) noexcept nogil:
    cdef float fall = old - new, value
    cdef int j
    for j in range(n):
        value = pcm[j] * (new + weights[j] * fall)
        value = <float>1.0 if value > <float>1.0 else value
        pcm[j] = <float>-1.0 if value < <float>-1.0 else value
