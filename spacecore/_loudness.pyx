"""Loudness by ITU-R BS.1770-4: of a speaker as a room measures it, and the true peak of what comes out.

Threads: the kernels touch only what they are given. A Loudness may be used from any thread, by one at a time.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.math cimport fabs, log10

from spacecore._pcm cimport open_pcm, sound_sample
from spacecore.loudness cimport loudness_feed, loudness_init, loudness_lufs, loudness_unmeasured

__all__ = ["Loudness", "true_peak"]

cdef enum:
    PHASES = 4
    TAPS = 12

# BS.1770-4, annex 2: one row a phase.
cdef double[PHASES][TAPS] INTERPOLATION = [
    [0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625,
     0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500],
    [-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250,
     0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375],
    [-0.0189208984375, 0.0330810546875, -0.0582275390625, 0.1015625000000, -0.2003173828125, 0.7797851562500,
     0.4650878906250, -0.1665039062500, 0.0891113281250, -0.0517578125000, 0.0292968750000, -0.0291748046875],
    [-0.0083007812500, 0.0148925781250, -0.0266113281250, 0.0476074218750, -0.1022949218750, 0.9721679687500,
     0.1373291015625, -0.0594482421875, 0.0332031250000, -0.0196533203125, 0.0109863281250, 0.0017089843750],
]


cdef double peak_between(const float* pcm, int n) noexcept nogil:
    """The highest |sample| of the signal, 4 times oversampled; silence before and after it."""
    cdef double peak = 0.0, value, total
    cdef int i, k, phase, at
    for i in range(n + TAPS - 1):
        for phase in range(PHASES):
            total = 0.0
            for k in range(TAPS):
                at = i - k
                if 0 <= at < n:
                    total += INTERPOLATION[phase][k] * sound_sample(pcm[at], 64.0)
            value = fabs(total)
            peak = value if value > peak else peak
    return peak


def true_peak(pcm):
    """The true peak of float32 samples of one channel at 48 kHz, dBTP (BS.1770-4, annex 2); -inf for silence.

    A sample peak of 0 dBFS may have a true peak above it: a converter meets it, the samples do not show it.
    Errors: TypeError for another format, BufferError for a scattered buffer.
    """
    cdef Py_buffer view
    cdef int n = open_pcm(pcm, &view, False, c"f")
    cdef double peak
    with nogil:     # some seconds of sound take milliseconds
        peak = peak_between(<const float*>view.buf, n)
    PyBuffer_Release(&view)
    return 20.0 * log10(peak) if peak > 0 else float("-inf")


cdef class Loudness:
    """One speaker's loudness, and the gain that a room would give it: towards -23 LUFS, within ±12 dB.

    The gain moves by 12 dB/s in the first 2 s of speech, later by 0.5 dB/s up and 1 dB/s down (6 dB/s while it is more
    than 6 dB too loud). It stands in pauses: only blocks of 400 ms above -50 LUFS and not more than 10 LU below
    the 10 s of speech before count. Ramp to it; it changes in steps.
    """

    def __cinit__(self):
        loudness_init(&self.state)

    def feed(self, pcm):
        """Decoded float32 samples of one channel at 48 kHz, before any gain, any number of them.

        Errors: TypeError for another format, BufferError for a scattered buffer.
        """
        cdef Py_buffer view
        cdef int n = open_pcm(pcm, &view, False, c"f")
        loudness_feed(&self.state, <const float*>view.buf, n)
        PyBuffer_Release(&view)

    def unmeasured(self, int n_samples):
        """So much speech was heard but not decoded: the gain goes on towards what is wanted. ValueError below 0."""
        if n_samples < 0:
            raise ValueError(f"{n_samples} samples; there cannot be fewer than 0")
        loudness_unmeasured(&self.state, n_samples)

    @property
    def gain_db(self):
        """The gain as of now, -12 to 12."""
        return self.state.gain_db

    @property
    def gain(self):
        """The same, linear."""
        return self.state.gain

    @property
    def lufs(self):
        """Loudness of the last 10 s of speech, before any gain; None before the first 400 ms of it."""
        return loudness_lufs(self.state.speech) if self.state.speech > 0 else None

    @property
    def momentary_lufs(self):
        """Loudness of the last 400 ms, before any gain; None before the first 400 ms, -inf for silence."""
        cdef double total = 0.0
        cdef int i
        if self.state.n_slots < 4:
            return None
        for i in range(4):
            total += self.state.slots[i] / 4.0
        return loudness_lufs(total) if total > 0 else float("-inf")
