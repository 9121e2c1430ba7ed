# Whether a lone speaker's packets may be passed on as they are, and when they are decoded all the same, to be measured.
#
# Each change between passing and mixing is one of source for everybody, so a seat that was refused once has to be fit for
# PASS_SETTLE_FRAMES in a row before it is passed on again: a room does not go back and forth.
from libc.math cimport log10f, lrintf
from libc.string cimport memset

from spacecore._jitter cimport PULL_FEC, PULL_FRAME, PULL_LOST
from spacecore._opus cimport PASSABLE_BYTES

cdef enum:
    PASS_SETTLE_FRAMES = 100        # 2 s
    PASS_LOSS_STRAIN = 50           # of a lost frame; each frame takes one away, so 2 % of loss is borne for good …
    PASS_STRAIN = 100               # … and two losses at a time
    PASS_STRAIN_MOST = 200
    PASS_STRETCH_FRAMES = 20        # 400 ms are decoded …
    PASS_STRETCH_EVERY = 200        # … in every 4 s, for loudness, peak and level
    PASS_SEAM_RATIO = 40            # 16 dB: sound whose error is so much weaker is no seam …
    PASS_SEAM_POWER_NANO = 100      # … nor is an error as soft as this, in 1e-9 of full scale squared: −70 dBFS
    PASS_PATIENCE_FRAMES = 50       # for so long is a better moment waited for: 1 s
    PASS_GAIN_LEAST = -128          # quarter dB, as the header has room for
    PASS_GAIN_MOST = 127
    PASS_CEILING_PCT = 100          # of full scale, peak times gain: more would clip where it is heard
    PASS_CEILING_AGAIN_PCT = 89     # 1 dB less, to begin
    PASS_PEAK_FALL_PM = 5           # of a measured peak that a decoded frame forgets: half of it in 2.8 s

# Of one seat. Plain data.
cdef struct passable_t:
    int n_bytes                     # of the packet due as it would be passed on; 0: nothing to pass
    int settled                     # frames in a row against which nothing spoke, at most PASS_SETTLE_FRAMES
    int strain                      # of losses
    int clock                       # frames passed since the last measured stretch began
    float peak                      # of what was decoded, before any gain
    unsigned char frame[PASSABLE_BYTES]


cdef inline void passable_init(passable_t* p) noexcept nogil:
    memset(p, 0, sizeof(passable_t))
    p.settled = PASS_SETTLE_FRAMES


cdef inline int passing_gain(float gain) noexcept nogil:
    """A linear gain in quarter dB, as a header says it; silence is its least. Beyond PASS_GAIN_MOST: it does not fit."""
    if gain <= 0:
        return PASS_GAIN_LEAST
    return <int>lrintf(80 * log10f(gain))


cdef inline bint passable_judge(passable_t* p, int due, int quarter_db, float gain, bint passing) noexcept nogil:
    """Whether what is due (PULL_*, its packet in `frame`) may be passed on. Call it once a tick.

    quarter_db is the gain that its listeners are to apply, `gain` what of it is not in the measured peak yet, linear;
    `passing`: the seat was passed on in the tick before.
    """
    cdef float ceiling = (PASS_CEILING_PCT if passing else PASS_CEILING_AGAIN_PCT) * <float>0.01
    if due == PULL_LOST or due == PULL_FEC:
        p.strain = min(p.strain + PASS_LOSS_STRAIN, <int>PASS_STRAIN_MOST)
    elif p.strain > 0:
        p.strain -= 1
    if ((due == PULL_FRAME and p.n_bytes == 0) or p.strain > PASS_STRAIN or p.peak * gain > ceiling
            or not PASS_GAIN_LEAST <= quarter_db <= PASS_GAIN_MOST):
        p.settled = 0
    elif p.settled < PASS_SETTLE_FRAMES:
        p.settled += 1
    return p.settled == PASS_SETTLE_FRAMES


cdef inline bint passable_measured(passable_t* p, bint doubted) noexcept nogil:
    """Whether the frame that is passed on is decoded too. A stretch goes on while the level in its headers is doubted."""
    cdef bint measured = p.clock < PASS_STRETCH_FRAMES
    if not (doubted and p.clock == PASS_STRETCH_FRAMES - 1):
        p.clock = 0 if p.clock + 1 >= PASS_STRETCH_EVERY else p.clock + 1
    return measured


cdef inline bint passing_alike(const float* heard, const float* meant, int n_samples) noexcept nogil:
    """Whether nobody hears that it is not the same sound."""
    cdef float power = 0, error = 0, difference
    cdef int i
    for i in range(n_samples):
        difference = heard[i] - meant[i]
        error += difference * difference
        power += meant[i] * meant[i]
    return error * PASS_SEAM_RATIO <= power or error <= n_samples * <float>(1e-9 * PASS_SEAM_POWER_NANO)


cdef inline void passable_note_peak(passable_t* p, const float* pcm, int n_samples) noexcept nogil:
    """Decoded sound before any gain."""
    cdef float most = p.peak * (1000 - PASS_PEAK_FALL_PM) / <float>1000
    cdef int i
    for i in range(n_samples):
        most = max(most, max(pcm[i], -pcm[i]))
    p.peak = most
