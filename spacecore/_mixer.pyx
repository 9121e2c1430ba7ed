"""The mixer: gain ramps, one wide sum, mix-minus, a limiter, RFC 6464 levels and the audible gate.

Every voice is made sound (finite, bounded) where it enters, in `ramp_apply`. The voices are added once in
float32; what a seat hears is that sum less its own voice; only then is each output limited. So the order of
the seats cannot change what is heard, and nothing wraps.

Threads: kernels touch only what they are given, so any number of threads may run them on distinct state.
An object of this module may be used from any thread, by one thread at a time. The methods keep the GIL: a
whole mix costs less than waiting for the GIL to come back would; a room releases it once round its tick.
"""

cimport cython
from cpython.buffer cimport PyBuffer_Release
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.float cimport FLT_MAX
from libc.math cimport fabsf, log10f
from libc.stdint cimport int16_t
from libc.string cimport memcpy, memset

from spacecore._pcm cimport open_pcm, sound_sample

from spacecore._limiter import Limiter

__all__ = [
    "Gate", "Limiter", "Mixer", "Ramp", "level_of", "loudest_of", "minus_into", "pcm_of", "sum_into",
]

cdef enum:
    LANES = 16                  # accumulators side by side: the compiler may not reorder a float sum

# A hostile stream may decode to any float: a voice is held to +12 dBFS, which no honest decoder reaches.
cdef float VOICE_CEILING = 4
cdef float GAIN_MAX = 64        # +36 dB; a datagram's gain field reaches +31.75 dB


# ---- kernels ---------------------------------------------------------------------------------------------

cdef void ramp_init(ramp_t* ramp, float gain) noexcept nogil:
    """Stand at a linear gain, without a ramp. The gain must be finite."""
    ramp.gain = gain
    ramp.target = gain


cdef bint ramp_apply(ramp_t* ramp, float* pcm, int n) noexcept nogil:
    """Scale one frame in place, from `gain` in equal steps to `target`, reached on the last sample.

    NaN and infinities become 0, samples beyond ±4 are held there; with gain and target 1 all others keep
    their bits. Returns False where the gain was 0 throughout: `pcm` is then zeros, and may be left out.
    """
    cdef float target = ramp.target
    cdef float step = (target - ramp.gain) / n if n > 0 else <float>0.0
    cdef float ceiling = VOICE_CEILING
    cdef int i
    if ramp.gain == 0 and target == 0:
        memset(pcm, 0, n * sizeof(float))
        return False
    # Counted from the end, so that the last sample has exactly the target.
    for i in range(n):
        pcm[i] = sound_sample(pcm[i], ceiling) * (target - step * <float>(n - 1 - i))
    if n > 0:
        ramp.gain = target
    return True


cdef void mix_sum(float* mix, const float** voices, int n_voices, int n) noexcept nogil:
    """Add the voices in the given order; zeros where there are none. `mix` must be none of the voices."""
    cdef const float* voice
    cdef int i, k
    if n_voices == 0:
        memset(mix, 0, n * sizeof(float))
        return
    memcpy(mix, voices[0], n * sizeof(float))
    for k in range(1, n_voices):
        voice = voices[k]
        for i in range(n):
            mix[i] += voice[i]


cdef void mix_minus(float* out, const float* mix, const float* own, int n) noexcept nogil:
    """The sum less a voice, as that voice went into the sum. `out` may be `mix` or `own`."""
    cdef int i
    for i in range(n):
        out[i] = mix[i] - own[i]


cdef int level_dbov(const float* pcm, int n) noexcept nogil:
    """RFC 6464 level: −dBov of the RMS, rounded; 0 is a full-scale square wave, 127 silence (and n = 0)."""
    cdef float[LANES] squares
    cdef float value, mean_square
    cdef int i, j, width = LANES // 2
    for j in range(LANES):
        squares[j] = 0
    for i in range(n // LANES):
        for j in range(LANES):
            value = pcm[i * LANES + j]
            value = value if fabsf(value) <= FLT_MAX else <float>0.0
            squares[j] += value * value
    for i in range(n // LANES * LANES, n):
        value = sound_sample(pcm[i], FLT_MAX)
        squares[0] += value * value
    while width > 0:
        for j in range(width):
            squares[j] += squares[j + width]
        width //= 2
    if squares[0] <= 0:
        return LEVEL_SILENCE
    mean_square = squares[0] / n
    if mean_square >= 1:
        return 0
    return min(LEVEL_SILENCE, <int>(<float>0.5 - 10 * log10f(mean_square)))


cdef void gate_init(gate_t* gate) noexcept nogil:
    """A closed gate that opens at −50 dBov and closes after 20 frames (0.4 s) quieter than −60 dBov."""
    gate.open_level = 50
    gate.close_level = 60
    gate.hangover_frames = 20
    gate.left = 0
    gate.audible = False


cdef bint gate_update(gate_t* gate, int level) noexcept nogil:
    """Judge one frame by its RFC 6464 level (0…127, no V bit): is the seat audible in this frame?

    The last of `hangover_frames` quiet frames in a row is the first that is not audible. Between the two
    levels an open gate stays open and a closed one closed.
    """
    if level <= gate.open_level:
        gate.audible = True
    if gate.audible:
        gate.left = gate.hangover_frames if level <= gate.close_level else gate.left - 1
        gate.audible = gate.left > 0
    return gate.audible


cdef int loudest(const int* seats, const int* levels, int n, int* out, int capacity) noexcept nogil:
    """Write the seats of the lowest levels to `out`, loudest first, ties by seat number; returns how many."""
    cdef int i, slot, rival, kept = 0
    for i in range(n):
        slot = kept
        while slot > 0:                 # out holds indices until the order stands
            rival = out[slot - 1]
            if levels[i] > levels[rival] or (levels[i] == levels[rival] and seats[i] > seats[rival]):
                break
            if slot < capacity:
                out[slot] = rival
            slot -= 1
        if slot < capacity:
            out[slot] = i
            kept = min(kept + 1, capacity)
    for i in range(kept):
        out[i] = seats[out[i]]
    return kept


cdef void pcm_from_int16(float* pcm, const int16_t* samples, int n) noexcept nogil:
    """int16 to float32: −32768 becomes −1. The buffers must not overlap."""
    cdef int i
    for i in range(n):
        pcm[i] = samples[i] * <float>(1.0 / 32768.0)


# ---- Python ----------------------------------------------------------------------------------------------

cdef class Mixer:
    """One room's mix for programs that bring their own PCM: what all hear, and what each seat hears.

    Row k of the voices is seat k, in every call. Ramps and limiters keep their state from frame to frame, so
    call `mix` once a frame, with zeros for a seat that is silent. One thread at a time.
    """

    cdef int n_seats
    cdef ramp_t* ramps
    cdef limiter_t* limiters            # one a seat, and the last for the full mix
    cdef float* scaled                  # (n_seats, 960): the voices as they go into the sum
    cdef const float** sounding
    cdef int* heard_levels

    def __cinit__(self, int seats):
        if not 1 <= seats <= MIXER_MAX_SEATS:
            raise ValueError(f"{seats} seats; a mixer has 1 to {MIXER_MAX_SEATS}")
        self.n_seats = seats
        self.ramps = <ramp_t*>PyMem_Calloc(seats, sizeof(ramp_t))
        self.limiters = <limiter_t*>PyMem_Calloc(seats + 1, sizeof(limiter_t))
        self.scaled = <float*>PyMem_Calloc(seats * FRAME_SAMPLES, sizeof(float))
        self.sounding = <const float**>PyMem_Calloc(seats, sizeof(float*))
        self.heard_levels = <int*>PyMem_Calloc(seats, sizeof(int))
        if not (self.ramps and self.limiters and self.scaled and self.sounding and self.heard_levels):
            raise MemoryError
        for seat in range(seats):
            self._fresh(seat)
        limiter_init(&self.limiters[seats])

    def __dealloc__(self):
        PyMem_Free(self.ramps)
        PyMem_Free(self.limiters)
        PyMem_Free(self.scaled)
        PyMem_Free(<void*>self.sounding)
        PyMem_Free(self.heard_levels)

    @property
    def seats(self):
        return self.n_seats

    @property
    def levels(self):
        """RFC 6464 level of each seat's voice in the last mix, after its gain; 127 before the first."""
        return tuple([self.heard_levels[seat] for seat in range(self.n_seats)])

    @property
    def gains(self):
        """The linear gain each seat has reached, or is ramping to in the next frame."""
        return tuple([self.ramps[seat].target for seat in range(self.n_seats)])

    def reset(self, int seat):
        """Give the seat to somebody else: gain 1 at once, its limiter and level fresh."""
        if not 0 <= seat < self.n_seats:
            raise ValueError(f"seat {seat}; this mixer has seats 0 to {self.n_seats - 1}")
        self._fresh(seat)

    def mix(self, voices, gains=None):
        """Mix one frame of 20 ms; returns `(full, minus)`, new memoryviews of float32, |sample| ≤ 1.

        `voices`: C-contiguous float32 (seats, 960), or as many samples flat; it is not changed. `gains`: a
        linear gain 0…64 for each seat, reached in equal steps by the end of this frame and kept; 0 mutes.
        `full` (960,) is everybody; row k of `minus` (seats, 960) is everybody but seat k. Without numpy a
        row is `minus.cast("B").cast("f")[960 * k : 960 * (k + 1)]`.
        Errors: ValueError for a wrong size or gain, TypeError for another format; nothing is changed then.
        """
        cdef _Samples given = _Samples(voices, False)
        cdef int samples = self.n_seats * FRAME_SAMPLES, seat
        if given.n != samples:
            raise ValueError(f"{given.n} samples of voices; {self.n_seats} seats need ({self.n_seats}, 960)")
        if gains is not None:
            targets = [_gain(gain) for gain in gains]
            if len(targets) != self.n_seats:
                raise ValueError(f"{len(targets)} gains for {self.n_seats} seats; give one for each")
            for seat in range(self.n_seats):
                self.ramps[seat].target = targets[seat]
        full = PyByteArray_FromStringAndSize(NULL, FRAME_SAMPLES * sizeof(float))
        minus = PyByteArray_FromStringAndSize(NULL, samples * sizeof(float))
        self._mix(given.at, <float*>PyByteArray_AS_STRING(full), <float*>PyByteArray_AS_STRING(minus))
        return memoryview(full).cast("f"), memoryview(minus).cast("f", (self.n_seats, FRAME_SAMPLES))

    cdef void _fresh(self, int seat) noexcept nogil:
        ramp_init(&self.ramps[seat], 1)
        limiter_init(&self.limiters[seat])
        self.heard_levels[seat] = LEVEL_SILENCE

    cdef void _mix(self, const float* voices, float* full, float* minus) noexcept nogil:
        cdef float* voice
        cdef float* out
        cdef int seat, n_sounding = 0
        memcpy(self.scaled, voices, self.n_seats * FRAME_SAMPLES * sizeof(float))
        for seat in range(self.n_seats):
            voice = self.scaled + seat * FRAME_SAMPLES
            self.heard_levels[seat] = LEVEL_SILENCE
            if ramp_apply(&self.ramps[seat], voice, FRAME_SAMPLES):
                self.heard_levels[seat] = level_dbov(voice, FRAME_SAMPLES)
                self.sounding[n_sounding] = voice
                n_sounding += 1
        mix_sum(full, self.sounding, n_sounding, FRAME_SAMPLES)
        for seat in range(self.n_seats):
            out = minus + seat * FRAME_SAMPLES
            mix_minus(out, full, self.scaled + seat * FRAME_SAMPLES, FRAME_SAMPLES)
            limiter_apply(&self.limiters[seat], out, FRAME_SAMPLES)
        limiter_apply(&self.limiters[self.n_seats], full, FRAME_SAMPLES)


cdef class Ramp:
    """A gain that changes without clicks: set `target` between frames, `apply` to each frame."""

    cdef ramp_t state

    def __cinit__(self, gain=1.0):
        ramp_init(&self.state, _gain(gain))

    @property
    def gain(self):
        """The linear gain of the last sample."""
        return self.state.gain

    @property
    def target(self):
        """The linear gain that the next frame ends with, 0…64."""
        return self.state.target

    @target.setter
    def target(self, value):
        self.state.target = _gain(value)

    def apply(self, pcm):
        """Scale one frame of float32 in place; False where the gain was 0 throughout: `pcm` is zeros."""
        cdef _Samples given = _Samples(pcm, True)
        return ramp_apply(&self.state, given.at, given.n)


cdef class Gate:
    """Decides frame by frame whether a seat is audible, with hysteresis and hangover.

    Levels are RFC 6464: 0 loudest, 127 silence. It opens at `open_level` or louder; `hangover_frames`
    (1…1000) frames in a row quieter than `close_level` close it; the last of them is the first not audible.
    """

    cdef gate_t state

    def __cinit__(self, int open_level=50, int close_level=60, int hangover_frames=20):
        if not 0 <= open_level <= close_level <= LEVEL_SILENCE:
            raise ValueError(f"levels {open_level} and {close_level}; need 0 ≤ open ≤ close ≤ 127 (−dBov)")
        if not 1 <= hangover_frames <= 1000:
            raise ValueError(f"a hangover of {hangover_frames} frames; it lies between 1 and 1000")
        gate_init(&self.state)
        self.state.open_level = open_level
        self.state.close_level = close_level
        self.state.hangover_frames = hangover_frames

    @property
    def audible(self):
        return self.state.audible

    def update(self, int level):
        """Judge the next frame by its level 0…127, without the V bit; returns whether it is audible."""
        if not 0 <= level <= LEVEL_SILENCE:
            raise ValueError(f"level {level}; it lies between 0 (loudest) and 127: mask the V bit off")
        return gate_update(&self.state, level)


def level_of(pcm):
    """RFC 6464 level of float32 samples: −dBov of the RMS, 0 (full-scale square wave) … 127 (silence)."""
    cdef _Samples given = _Samples(pcm, False)
    return level_dbov(given.at, given.n)


def loudest_of(levels, int count):
    """The `count` loudest of a mapping seat → RFC 6464 level, loudest first, ties by seat number."""
    cdef int[MIXER_MAX_SEATS] seats
    cdef int[MIXER_MAX_SEATS] values
    cdef int[MIXER_MAX_SEATS] out
    cdef int n = 0, kept
    if len(levels) > MIXER_MAX_SEATS:
        raise ValueError(f"{len(levels)} seats; a room has at most {MIXER_MAX_SEATS}")
    for seat, level in levels.items():
        seats[n] = seat
        values[n] = level
        n += 1
    kept = loudest(seats, values, n, out, min(count, MIXER_MAX_SEATS))
    return tuple([out[i] for i in range(kept)])


def sum_into(mix, voices):
    """Write the sum of `voices`, up to 256 rows as long as `mix`, into `mix`; float32, not limited."""
    cdef _Samples out = _Samples(mix, True), rows = _Samples(voices, False)
    cdef const float* pointers[MIXER_MAX_SEATS]
    cdef int k, n_rows = rows.n // out.n if out.n > 0 else 0
    if n_rows * out.n != rows.n or n_rows > MIXER_MAX_SEATS:
        raise ValueError(f"{rows.n} samples of voices; pass up to {MIXER_MAX_SEATS} rows of {out.n}")
    pointers[0] = rows.at
    for k in range(n_rows):
        pointers[k] = rows.at + k * out.n
    mix_sum(out.at, pointers, n_rows, out.n)


def minus_into(out, mix, own):
    """Write `mix` less `own` into `out`; float32, all three of one length."""
    cdef _Samples result = _Samples(out, True), whole = _Samples(mix, False), part = _Samples(own, False)
    if whole.n != result.n or part.n != result.n:
        raise ValueError(f"{whole.n} less {part.n} samples into {result.n}; pass three of one length")
    mix_minus(result.at, whole.at, part.at, result.n)


def pcm_of(samples):
    """int16 samples as a new memoryview of float32: −32768 becomes −1."""
    cdef _Samples given = _Samples(samples, False, c"h")
    pcm = PyByteArray_FromStringAndSize(NULL, given.n * sizeof(float))
    pcm_from_int16(<float*>PyByteArray_AS_STRING(pcm), <const int16_t*>given.at, given.n)
    return memoryview(pcm).cast("f")


@cython.freelist(4)
cdef class _Samples:
    """A caller's buffer, held open while this object lives."""

    cdef Py_buffer view
    cdef float* at
    cdef int n

    def __cinit__(self, pcm, bint writable, char code=c"f"):
        self.n = open_pcm(pcm, &self.view, writable, code)
        self.at = <float*>self.view.buf

    def __dealloc__(self):
        PyBuffer_Release(&self.view)    # does nothing where opening failed


cdef float _gain(object value) except -1:
    gain = float(value)
    if not 0.0 <= gain <= GAIN_MAX:
        raise ValueError(f"gain {gain!r}; a linear gain lies between 0 and {GAIN_MAX:g}: 10 ** (dB / 20)")
    return gain
