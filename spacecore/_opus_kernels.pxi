# The C side of _opus.pyx, included there: all that runs without the GIL. Documented in _opus.pxd.

# Float PCM means +-1; libopus takes more and leaves clipping to the receiver. Beyond this (+30 dBFS) it is a
# mistake of scale or a NaN, which inside libopus would silence the frame and can spoil its analysis for good.
cdef enum:
    LIMIT_OF_SAMPLES = 32

cdef enum:                     # RFC 6716 section 3.1 and 3.2
    TOC_CODE = 3
    TOC_STEREO = 4
    MOST_FRAMES = 48


cdef int encoder_open(OpusEncoder** encoder, const encoder_config_t* config) noexcept nogil:
    cdef int status = OPUS_OK
    encoder[0] = NULL
    if api.encoder_create == NULL:
        return OPUS_NO_LIBRARY
    cdef OpusEncoder* made = api.encoder_create(SAMPLE_RATE, config.channels, config.application, &status)
    if made == NULL:
        return status if status < 0 else OPUS_ALLOC_FAIL
    status = configure(made, config)
    if status != OPUS_OK:
        api.encoder_destroy(made)
        return status
    encoder[0] = made
    return OPUS_OK


cdef int configure(OpusEncoder* encoder, const encoder_config_t* config) noexcept nogil:
    cdef int status = encoder_set_bitrate(encoder, config.bitrate)
    if status == OPUS_OK:
        status = encoder_set_complexity(encoder, config.complexity)
    if status == OPUS_OK:
        status = encoder_set_fec(encoder, config.fec)
    if status == OPUS_OK:
        status = encoder_set_loss(encoder, config.loss_pct)
    if status == OPUS_OK:
        status = encoder_set_dtx(encoder, config.dtx)
    if status == OPUS_OK:
        status = encoder_set_vbr(encoder, config.vbr)
    return status


cdef void encoder_close(OpusEncoder* encoder) noexcept nogil:
    if encoder != NULL:
        api.encoder_destroy(encoder)


cdef int encoder_reset(OpusEncoder* encoder) noexcept nogil:
    return api.encoder_ctl(encoder, OPUS_RESET_STATE)


cdef int encoder_encode(OpusEncoder* encoder, const float* pcm, int frame_samples,
                        uint8_t* out, int capacity_bytes) noexcept nogil:
    return api.encode_float(encoder, pcm, frame_samples, out, capacity_bytes)


cdef int encoder_encode_int16(OpusEncoder* encoder, const int16_t* pcm, int frame_samples,
                              uint8_t* out, int capacity_bytes) noexcept nogil:
    # Not the same as converting to float first: libopus then expects 24 bits of depth and decides otherwise.
    return api.encode(encoder, pcm, frame_samples, out, capacity_bytes)


cdef int encoder_set_bitrate(OpusEncoder* encoder, int bitrate) noexcept nogil:
    return api.encoder_ctl(encoder, OPUS_SET_BITRATE_REQUEST, <int32_t>bitrate)


cdef int encoder_set_complexity(OpusEncoder* encoder, int complexity) noexcept nogil:
    return api.encoder_ctl(encoder, OPUS_SET_COMPLEXITY_REQUEST, <int32_t>complexity)


cdef int encoder_set_fec(OpusEncoder* encoder, int fec) noexcept nogil:
    return api.encoder_ctl(encoder, OPUS_SET_INBAND_FEC_REQUEST, <int32_t>fec)


cdef int encoder_set_loss(OpusEncoder* encoder, int loss_pct) noexcept nogil:
    return api.encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC_REQUEST, <int32_t>loss_pct)


cdef int encoder_set_dtx(OpusEncoder* encoder, int dtx) noexcept nogil:
    return api.encoder_ctl(encoder, OPUS_SET_DTX_REQUEST, <int32_t>dtx)


cdef int encoder_set_vbr(OpusEncoder* encoder, int vbr) noexcept nogil:
    return api.encoder_ctl(encoder, OPUS_SET_VBR_REQUEST, <int32_t>vbr)


cdef int decoder_open(OpusDecoder** decoder, int channels) noexcept nogil:
    cdef int status = OPUS_OK
    decoder[0] = NULL
    if api.decoder_create == NULL:
        return OPUS_NO_LIBRARY
    decoder[0] = api.decoder_create(SAMPLE_RATE, channels, &status)
    if decoder[0] == NULL:
        return status if status < 0 else OPUS_ALLOC_FAIL
    return OPUS_OK


cdef void decoder_close(OpusDecoder* decoder) noexcept nogil:
    if decoder != NULL:
        api.decoder_destroy(decoder)


cdef int decoder_reset(OpusDecoder* decoder) noexcept nogil:
    return api.decoder_ctl(decoder, OPUS_RESET_STATE)


cdef void decoder_copy(OpusDecoder* to, const OpusDecoder* decoder, int channels) noexcept nogil:
    # opus.h: a state "is always continuous in memory and only a shallow copy is required to copy it".
    memcpy(to, decoder, api.decoder_get_size(channels))


cdef int decoder_decode(OpusDecoder* decoder, const uint8_t* data, int n_bytes,
                        float* pcm, int frame_samples) noexcept nogil:
    cdef int samples = packet_samples(data, n_bytes)
    if samples < 0:
        return samples
    if samples != frame_samples:
        return OPUS_BAD_DURATION
    return api.decode_float(decoder, data, n_bytes, pcm, frame_samples, 0)


cdef int decoder_conceal(OpusDecoder* decoder, float* pcm, int frame_samples) noexcept nogil:
    return api.decode_float(decoder, NULL, 0, pcm, frame_samples, 0)


cdef int decoder_recover(OpusDecoder* decoder, const uint8_t* next_data, int n_bytes,
                         float* pcm, int frame_samples) noexcept nogil:
    cdef int samples = packet_samples(next_data, n_bytes)
    if samples < 0:
        return samples
    if samples != frame_samples:
        return OPUS_BAD_DURATION
    return api.decode_float(decoder, next_data, n_bytes, pcm, frame_samples, 1)


cdef int packet_samples(const uint8_t* data, int n_bytes) noexcept nogil:
    if api.packet_get_nb_samples == NULL:
        return OPUS_NO_LIBRARY
    if n_bytes < 1:
        return OPUS_BAD_ARG
    cdef int samples = api.packet_get_nb_samples(data, n_bytes, SAMPLE_RATE)
    # A code 3 packet may announce 0 frames, which libopus counts as 0 samples here but refuses to decode.
    return samples if samples != 0 else OPUS_INVALID_PACKET


cdef int packet_passable(const uint8_t* data, int n_bytes, int channels, uint8_t* out, int capacity_bytes) noexcept nogil:
    cdef const uint8_t* frames[MOST_FRAMES]
    cdef int16_t sizes[MOST_FRAMES]
    cdef uint8_t whole[OPUS_FRAME_BYTES]
    cdef uint8_t toc
    cdef int offset
    if n_bytes < 1 or n_bytes > OPUS_FRAME_BYTES or packet_samples(data, n_bytes) != OPUS_FRAME_SAMPLES:
        return 0
    if (2 if data[0] & TOC_STEREO else 1) != channels or api.packet_parse(data, n_bytes, &toc, frames, sizes, &offset) != 1:
        return 0
    memcpy(whole, data, n_bytes)
    if data[0] & TOC_CODE:      # a single frame that is not of code 0 is one with a count, and perhaps padding
        n_bytes = api.packet_unpad(whole, n_bytes)
    if n_bytes < 1 or n_bytes > capacity_bytes:
        return 0
    memcpy(out, whole, n_bytes)
    return n_bytes


cdef bint packet_has_fec(const uint8_t* data, int n_bytes) noexcept nogil:
    """RFC 6716 section 4.2.3: the header bits of a SILK layer are its first symbols, each of even odds, so
    they stand as plain bits at the top of the frame's first byte: for mid, then for side if stereo, one voice
    activity flag for each 20 ms (one for 10 ms) and then the LBRR flag.
    """
    cdef int config, vad_flags, first
    if n_bytes < 2:
        return False
    config = data[0] >> 3
    if config >= 16:    # CELT alone has no LBRR
        return False
    first = first_frame(data, n_bytes)
    if first < 0:
        return False
    vad_flags = max(silk_frame_samples(config) / OPUS_FRAME_SAMPLES, 1)
    if data[first] >> (7 - vad_flags) & 1:
        return True
    return (data[0] & 4) != 0 and data[first] >> (6 - 2 * vad_flags) & 1


cdef int first_frame(const uint8_t* data, int n_bytes) noexcept nogil:
    """Where the first frame of a SILK or hybrid packet begins; -1 if it is empty or the packet malformed.

    RFC 6716 section 3.2, codes 0 to 2 taken as a code 3 whose second byte is known. All codes are read,
    because an encoder at constant bitrate writes packets of 20 ms as code 3 with padding.
    """
    cdef int code = data[0] & 3, at = 1, end = n_bytes, total = 0
    cdef int count = 1 if code == 0 else 2
    cdef bint varied = code == 2
    cdef int first = -1, size, index, padding
    if code == 3:
        if n_bytes < 2:
            return -1
        count = data[1] & 63
        varied = data[1] & 0x80
        padding = 255 if data[1] & 0x40 else 0
        at = 2
        while padding == 255:    # 255: 254 bytes of padding, and another length follows
            if at >= end:
                return -1
            padding = data[at]
            end -= 254 if padding == 255 else padding
            at += 1
    if count == 0 or count * silk_frame_samples(data[0] >> 3) > 5760:    # R5: 120 ms
        return -1
    if not varied:
        first = (end - at) / count
        return at if first > 0 and first <= OPUS_FRAME_BYTES and first * count == end - at else -1
    for index in range(count - 1):
        if at >= end:
            return -1
        size = data[at]
        at += 1
        if size >= 252:
            if at >= end:
                return -1
            size += 4 * data[at]
            at += 1
        total += size
        if index == 0:
            first = size
    size = end - at - total    # the last frame has no length of its own
    if count == 1:
        first = size
    return at if first > 0 and size >= 0 and size <= OPUS_FRAME_BYTES else -1


cdef int silk_frame_samples(int config) noexcept nogil:
    """Frame duration at 48 kHz (section 3.1): SILK (0 to 11) 10, 20, 40, 60 ms; hybrid (to 15) 10, 20 ms."""
    if config >= 12:
        return 480 << (config & 1)
    return 480 << (config & 3) if (config & 3) < 3 else 2880


cdef int unfit_sample(const float* pcm, int n_samples) noexcept nogil:
    cdef int index
    for index in range(n_samples):
        if not (-LIMIT_OF_SAMPLES <= pcm[index] <= LIMIT_OF_SAMPLES):    # so written, NaN is unfit too
            return index
    return -1
