# From what is due to 960 samples: decoding, concealing, merging, comfort noise, time scaling. Part of _receiver.pyx.

cdef int receiver_decode(receiver_t* receiver, float* pcm) noexcept nogil:
    """Turn what is due into 960 samples. Always fills `pcm`; a packet that libopus refuses is concealed."""
    cdef int channels = receiver.channels
    cdef float* held = receiver.sound + SOUND_PAST * channels
    cdef int heard = HEARD_FRAME
    cdef int n
    receiver.done = DONE_DECODED
    if receiver.n_held == 0 and receiver.due.room_samples == 0 and not receiver.seam:
        # The common way: nothing is held, nothing shall be. What was played is kept to repeat a period from.
        heard = _sound_due(receiver, pcm, FRAME_SAMPLES, &n)
        memcpy(receiver.sound, pcm, FRAME_SAMPLES * channels * sizeof(float))
        receiver.past_known = True
        return heard
    n = receiver.n_held
    if receiver.due.status != PULL_HELD:
        heard = _sound_due(receiver, held + n * channels, max(FRAME_SAMPLES - n, 0), &n)
        n += receiver.n_held
        if receiver.due.room_samples > 0:
            n = _scale(receiver, held, n)
    memcpy(pcm, held, FRAME_SAMPLES * channels * sizeof(float))
    memmove(receiver.sound, held, n * channels * sizeof(float))
    receiver.past_known = True
    receiver.n_held = n - FRAME_SAMPLES
    return heard


cdef int _sound_due(receiver_t* receiver, float* pcm, int missing, int* n) noexcept nogil:
    """The sound of what is due, `n` samples: a frame, or only the `missing` ones of one where nothing is due."""
    cdef int status
    cdef int heard
    cdef bint first_after
    n[0] = FRAME_SAMPLES
    if receiver.due.status == PULL_FRAME:
        _warm_up(receiver)
        status = decoder_decode(receiver.decoder, receiver.due.data, receiver.due.n_bytes, pcm, FRAME_SAMPLES)
        heard = HEARD_FRAME
        receiver.counts.decoded += status >= 0
    elif receiver.due.status == PULL_FEC:
        status = decoder_recover(receiver.decoder, receiver.due.data, receiver.due.n_bytes, pcm, FRAME_SAMPLES)
        heard = HEARD_RECOVERED
        receiver.counts.recovered += status >= 0
    elif receiver.due.status == PULL_LOST:
        if receiver.due.standing:
            n[0] = missing
        return _conceal(receiver, pcm, n[0])
    else:
        n[0] = missing
        return _fall_silent(receiver, pcm, missing)
    if status < 0:
        receiver.counts.decode_errors += 1
        return _conceal(receiver, pcm, FRAME_SAMPLES)
    ramp_apply(&receiver.gain, pcm, FRAME_SAMPLES)
    if receiver.seam:
        _merge(receiver, pcm)
    receiver.sounding = True
    receiver.comfort = COMFORT_FRAMES if receiver.last_level >= QUIET_LEVEL else 0
    return heard


cdef void _warm_up(receiver_t* receiver) noexcept nogil:
    """Bring the decoder's memory to the frame due: the last skipped packets, then the sender's prime-only ones."""
    cdef jitter_pulled_t past
    cdef int back = min(receiver.undecoded, JITTER_HISTORY - 1)
    cdef int i
    while back > 0:
        if jitter_history(&receiver.jitter, back + 1, &past):    # 1 is the frame due itself
            decoder_decode(receiver.decoder, past.data, past.n_bytes, receiver.scratch, FRAME_SAMPLES)
        back -= 1
    receiver.undecoded = 0
    for i in range(min(receiver.due.n_prime, MAX_PRIME)):
        decoder_decode(receiver.decoder, receiver.due.prime[i], receiver.due.prime_bytes[i], receiver.scratch, FRAME_SAMPLES)


cdef int _conceal(receiver_t* receiver, float* pcm, int n) noexcept nogil:
    cdef int channels = receiver.channels
    if decoder_conceal(receiver.decoder, receiver.scratch, FRAME_SAMPLES) < 0:
        memset(receiver.scratch, 0, sizeof(receiver.scratch))
    ramp_apply(&receiver.gain, receiver.scratch, FRAME_SAMPLES)
    memcpy(pcm, receiver.scratch, n * channels * sizeof(float))
    if receiver.due.standing:
        _emptied(receiver)
        receiver.seam = True
    receiver.counts.concealed += 1
    receiver.counts.concealed_samples += n
    receiver.sounding = True
    return HEARD_CONCEALED


cdef int _fall_silent(receiver_t* receiver, float* pcm, int n) noexcept nogil:
    """Silence. Its first frame fades out what the decoder would have gone on with; a quiet source's noise goes on a while."""
    cdef int channels = receiver.channels
    cdef ramp_t fade
    cdef bint quiet = receiver.comfort > 0 and (receiver.jitter.quiet or receiver.due.scale != SCALE_NONE)
    if receiver.due.scale != SCALE_NONE:
        receiver.counts.waited += n
    else:
        receiver.counts.silence_samples += n
    _emptied(receiver)
    if not (receiver.sounding or quiet) or decoder_conceal(receiver.decoder, receiver.scratch, FRAME_SAMPLES) < 0:
        memset(pcm, 0, n * channels * sizeof(float))
        return HEARD_SILENCE
    ramp_init(&fade, receiver.gain.gain)
    if quiet:
        fade.gain *= min(receiver.comfort, FADING_FRAMES) / <float>FADING_FRAMES
        receiver.comfort -= 1
        fade.target = receiver.gain.gain * min(receiver.comfort, FADING_FRAMES) / <float>FADING_FRAMES
    else:
        fade.target = 0.0
    ramp_apply(&fade, receiver.scratch, FRAME_SAMPLES)
    memcpy(pcm, receiver.scratch, n * channels * sizeof(float))
    receiver.sounding = quiet
    receiver.seam = False
    return HEARD_SILENCE


cdef inline void _emptied(receiver_t* receiver) noexcept nogil:
    # What was held is part of these 20 ms; from here on nothing is.
    if receiver.n_held > 0:
        jitter_note_emptied(&receiver.jitter)


cdef void _merge(receiver_t* receiver, float* pcm) noexcept nogil:
    """Lead from what was concealed into what came after all: the decoder counts the concealed time, the stream does not."""
    cdef int channels = receiver.channels
    cdef const float* end = receiver.sound + (SOUND_PAST + receiver.n_held) * channels
    cdef splice_t period
    cdef float weight
    cdef int i
    receiver.seam = False
    if not receiver.past_known:
        return
    period = stretch_find(end - STRETCH_WINDOW * channels, channels, False, STRETCH_WINDOW, <float>0.5)
    if period.lag < MERGE_SAMPLES:
        period.lag = max(period.lag * (1 + MERGE_SAMPLES // max(period.lag, 1)), MERGE_SAMPLES)
    for i in range(MERGE_SAMPLES * channels):
        weight = (i + 1) / <float>(MERGE_SAMPLES * channels + 1)
        pcm[i] = end[i - period.lag * channels] * (1 - weight) + weight * pcm[i]


cdef int _scale(receiver_t* receiver, float* held, int n) noexcept nogil:
    """Make the `n` samples at `held` shorter or longer as the delay wants it, where the sound allows; the new n ≥ 960."""
    cdef int scale = receiver.due.scale
    cdef int most = min(receiver.due.room_samples, STRETCH_MOST)
    cdef bint longer = scale == SCALE_STRETCH or scale == SCALE_FAST_STRETCH
    cdef float likeness = ALIKE if scale == SCALE_STRETCH or scale == SCALE_ACCELERATE else FAST_ALIKE
    cdef splice_t splice
    if longer and not receiver.past_known:
        return n
    if not longer and receiver.due.room_samples >= FRAME_SAMPLES:
        n = _take_next(receiver, held, n)
    most = min(most, SOUND_PAST if longer else n - FRAME_SAMPLES)
    if most < STRETCH_LEAST:
        return n
    receiver.asked = True
    splice.lag = min(receiver.told_lag, most)
    if receiver.told_lag < 0:
        splice = stretch_find(held, receiver.channels, not longer, most, likeness)
        if splice.lag == 0 and _in_background(receiver):
            splice.lag = most
    if splice.lag == 0:
        return n
    receiver.spliced = splice.lag if longer else -splice.lag
    jitter_note_scaled(&receiver.jitter, receiver.spliced)
    if longer:
        return stretch_lengthen(held, receiver.channels, n, splice.lag)
    return stretch_shorten(held, receiver.channels, n, splice.lag)


cdef int _take_next(receiver_t* receiver, float* held, int n) noexcept nogil:
    """The frame after the one due, behind it: two are made into one."""
    cdef jitter_pulled_t first = receiver.due
    cdef int64_t delay_us = receiver.jitter.counters.delay_us
    cdef int taken = 0
    if not jitter_pull_joined(&receiver.jitter, receiver.now_us, &receiver.due):
        receiver.due = first
        return n
    _note_due(receiver)
    _sound_due(receiver, held + n * receiver.channels, FRAME_SAMPLES, &taken)
    receiver.due.scale = first.scale
    receiver.due.room_samples = first.room_samples
    receiver.jitter.counters.delay_us = delay_us    # of the sound that is played first
    return n + taken


cdef inline bint _in_background(receiver_t* receiver) noexcept nogil:
    # Two quiet frames: noise has no period, and needs none.
    return min(receiver.last_level, receiver.before_level) >= receiver.floor_level - BACKGROUND_DB
