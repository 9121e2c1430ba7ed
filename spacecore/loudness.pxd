# How loud somebody speaks, and the slow gain that brings everybody to the same loudness.
#
# Loudness is that of ITU-R BS.1770-4: K-weighting, blocks of 400 ms that overlap by 75 %, an absolute and a relative gate; the
# absolute gate lies at −50 LUFS instead of −70, as what is quieter is no speech that anybody means to be heard. One channel.
# The gain goes to LOUDNESS_TARGET_LUFS, within ±12 dB, and moves only in blocks that are speech: it stands in pauses.
cimport cython
from libc.math cimport log10, pow
from libc.string cimport memset

from spacecore._pcm cimport sound_sample

cdef enum:
    LOUDNESS_TARGET_LUFS = -23
    LOUDNESS_RANGE_DB = 12
    LOUDNESS_SLOT_SAMPLES = 4800    # 100 ms: how far apart blocks begin
    LOUDNESS_SLOTS = 4              # of these make a block
    LOUDNESS_BLOCKS = 100           # 10 s of speech are remembered
    LOUDNESS_YOUNG_BLOCKS = 20      # the first 2 s of speech, in which the gain moves fast
    LOUDNESS_FAR_DB = 6             # so much too loud comes down fast at any time

cdef struct loudness_t:
    double stage[4]                 # of the two filters, direct form II transposed
    double slot                     # weighted energy of the slot under way
    int slot_samples
    double slots[LOUDNESS_SLOTS]    # mean squares, the newest last
    int n_slots
    double blocks[LOUDNESS_BLOCKS]  # mean squares of those that passed both gates; a ring
    int n_blocks
    int next_block
    double speech                   # gated mean square of `blocks`, 0: nothing yet
    int n_young
    int n_below                     # blocks in a row between the gates …
    double below_least              # … and the quietest and the loudest slot of them
    double below_most
    double gain_db
    float gain                      # the same, linear

# Mean squares of the gates, by lufs = −0.691 + 10 log10(mean square).
cdef inline double loudness_lufs(double mean_square) noexcept nogil:
    return -0.691 + 10.0 * log10(mean_square) if mean_square > 0 else -1000.0


cdef inline void loudness_init(loudness_t* loudness) noexcept nogil:
    memset(loudness, 0, sizeof(loudness_t))
    loudness.gain = 1.0


cdef inline float loudness_gain(const loudness_t* loudness) noexcept nogil:
    """Linear; a caller ramps to it."""
    return loudness.gain


cdef inline double loudness_weigh(double* stage, const float* pcm, int n) noexcept nogil:
    """Sum of the squares of `pcm` after K-weighting: BS.1770-4, tables 1 and 2, for 48 kHz."""
    cdef double a = stage[0], b = stage[1], c = stage[2], d = stage[3]
    cdef double x, y, z, total = 0.0
    cdef int i
    for i in range(n):
        x = sound_sample(pcm[i], 4.0)
        y = 1.53512485958697 * x + a                    # the head: a high shelf of +4 dB
        a = b - 2.69169618940638 * x + 1.69065929318241 * y
        b = 1.19839281085285 * x - 0.73248077421585 * y
        z = y + c                                       # what is felt, not heard: a high pass at 38 Hz
        c = d - 2.0 * y + 1.99004745483398 * z
        d = y - 0.99007225036621 * z
        total += z * z
    stage[0], stage[1], stage[2], stage[3] = a, b, c, d
    return total


@cython.cdivision(True)
cdef inline void loudness_move(loudness_t* loudness, double slots) noexcept nogil:
    """Bring the gain nearer to what is wanted, by so many slots' worth: 0.5 dB/s up, 1 dB/s down, faster where it must."""
    cdef double wanted, up = 0.05 * slots, down = 0.1 * slots
    if loudness.speech <= 0:
        return
    wanted = LOUDNESS_TARGET_LUFS - loudness_lufs(loudness.speech)
    wanted = min(max(wanted, -<double>LOUDNESS_RANGE_DB), <double>LOUDNESS_RANGE_DB)
    if loudness.n_young < LOUDNESS_YOUNG_BLOCKS:
        up = down = 1.2 * slots
    elif loudness.gain_db - wanted > LOUDNESS_FAR_DB:
        down = 0.6 * slots
    loudness.gain_db += min(max(wanted - loudness.gain_db, -down), up)
    loudness.gain = <float>pow(10.0, loudness.gain_db / 20.0)


@cython.cdivision(True)
cdef inline double loudness_gated(const loudness_t* loudness) noexcept nogil:
    """The mean of the blocks that are not more than 10 LU below the mean of all."""
    cdef double total = 0.0, gate
    cdef int i, n = 0
    for i in range(loudness.n_blocks):
        total += loudness.blocks[i]
    if loudness.n_blocks == 0:
        return 0.0
    gate = 0.1 * total / loudness.n_blocks
    total = 0.0
    for i in range(loudness.n_blocks):
        if loudness.blocks[i] >= gate:
            total += loudness.blocks[i]
            n += 1
    return total / n


cdef inline void loudness_below(loudness_t* loudness) noexcept nogil:
    """A block far quieter than the speech before. 10 s of such in a row that rise and fall by 10 dB are speech too: begin anew."""
    cdef double slot = loudness.slots[LOUDNESS_SLOTS - 1]
    loudness.below_least = slot if loudness.n_below == 0 else min(slot, loudness.below_least)
    loudness.below_most = slot if loudness.n_below == 0 else max(slot, loudness.below_most)
    loudness.n_below += 1
    if loudness.n_below >= LOUDNESS_BLOCKS:
        if loudness.below_most > 10.0 * loudness.below_least:
            loudness.n_blocks = loudness.next_block = 0
            loudness.speech = 0.0
        loudness.n_below = 0


@cython.cdivision(True)
cdef inline void loudness_block(loudness_t* loudness) noexcept nogil:
    """Judge the 400 ms that end here."""
    cdef double block = 0.0
    cdef int i
    for i in range(LOUDNESS_SLOTS):
        block += loudness.slots[i] / LOUDNESS_SLOTS
    if block < 1.172e-5:                                # −50 LUFS
        return
    if block < 0.1 * loudness.speech:
        loudness_below(loudness)
        return
    loudness.n_below = 0
    loudness.blocks[loudness.next_block] = block
    loudness.next_block = (loudness.next_block + 1) % LOUDNESS_BLOCKS
    loudness.n_blocks = min(loudness.n_blocks + 1, <int>LOUDNESS_BLOCKS)
    loudness.speech = loudness_gated(loudness)
    loudness_move(loudness, 1.0)
    loudness.n_young = min(loudness.n_young + 1, <int>LOUDNESS_YOUNG_BLOCKS)


@cython.cdivision(True)
cdef inline void loudness_feed(loudness_t* loudness, const float* pcm, int n_samples) noexcept nogil:
    """Decoded sound of one channel, before any gain; NaN and infinities count as silence."""
    cdef int done = 0, part, i
    while done < n_samples:
        part = min(n_samples - done, <int>LOUDNESS_SLOT_SAMPLES - loudness.slot_samples)
        loudness.slot += loudness_weigh(loudness.stage, pcm + done, part)
        loudness.slot_samples += part
        done += part
        if loudness.slot_samples < LOUDNESS_SLOT_SAMPLES:
            break
        for i in range(LOUDNESS_SLOTS - 1):
            loudness.slots[i] = loudness.slots[i + 1]
        loudness.slots[LOUDNESS_SLOTS - 1] = loudness.slot / LOUDNESS_SLOT_SAMPLES
        loudness.n_slots = min(loudness.n_slots + 1, <int>LOUDNESS_SLOTS)
        loudness.slot = 0.0
        loudness.slot_samples = 0
        for i in range(4):      # a filter that rings out in digital silence ends in numbers that cost a hundredfold
            if -1e-30 < loudness.stage[i] < 1e-30:
                loudness.stage[i] = 0.0
        if loudness.n_slots == LOUDNESS_SLOTS:
            loudness_block(loudness)


@cython.cdivision(True)
cdef inline void loudness_unmeasured(loudness_t* loudness, int n_samples) noexcept nogil:
    """Speech that was heard but not decoded here, as when packets are passed on: the gain moves on as if it had been fed."""
    loudness_move(loudness, <double>n_samples / LOUDNESS_SLOT_SAMPLES)
