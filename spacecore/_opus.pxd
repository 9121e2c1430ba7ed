# Opus for other native units: plain functions on libopus's own states, no GIL, no Python object.
#
# A state belongs to whoever opened it and may be used by one thread at a time, any thread. Every function
# returns a status < 0 on failure: one of libopus's (OPUS_BAD_ARG ... OPUS_ALLOC_FAIL) or of the two below.
# Sample rate is 48 kHz; frame_samples counts samples a channel; stereo is interleaved.

from libc.stdint cimport int16_t, uint8_t

from spacecore.libopus cimport OpusDecoder, OpusEncoder


cdef enum:
    OPUS_NO_LIBRARY = -100     # no libopus was found
    OPUS_BAD_DURATION = -101   # the packet's duration is not frame_samples

cdef enum:
    OPUS_FRAME_SAMPLES = 960   # 20 ms, the only frame the Python classes take
    OPUS_FRAME_BYTES = 1275    # the longest Opus frame (RFC 6716 section 3.4, R2)
    OPUS_LOOK_AHEAD = 312      # samples by which decoded sound lags behind what was encoded: 6.5 ms for VOIP and audio
    PASSABLE_BYTES = 240       # the longest packet that a room hands on undecoded: 96 kbit/s

cdef struct encoder_config_t:
    int channels
    int application            # OPUS_APPLICATION_*
    int bitrate                # bit/s
    int complexity             # 0..10
    int fec                    # 0 or 1
    int loss_pct               # 0..100: what FEC is dimensioned for; 0 spends nothing on it
    int dtx                    # 0 or 1
    int vbr                    # 0 or 1

# On failure *encoder is NULL and nothing is left allocated.
cdef int encoder_open(OpusEncoder** encoder, const encoder_config_t* config) noexcept nogil
cdef void encoder_close(OpusEncoder* encoder) noexcept nogil    # NULL is fine
cdef int encoder_reset(OpusEncoder* encoder) noexcept nogil
# Bytes >= 1 (<= 2: DTX, "silent from here on"), or a status. Sound from outside must have passed
# `unfit_sample`: libopus makes silence of a frame with a NaN, without a word, and codes the next ones worse.
cdef int encoder_encode(OpusEncoder* encoder, const float* pcm, int frame_samples,
                        uint8_t* out, int capacity_bytes) noexcept nogil
cdef int encoder_encode_int16(OpusEncoder* encoder, const int16_t* pcm, int frame_samples,
                              uint8_t* out, int capacity_bytes) noexcept nogil
cdef int encoder_set_bitrate(OpusEncoder* encoder, int bitrate) noexcept nogil
cdef int encoder_set_complexity(OpusEncoder* encoder, int complexity) noexcept nogil
cdef int encoder_set_fec(OpusEncoder* encoder, int fec) noexcept nogil
cdef int encoder_set_loss(OpusEncoder* encoder, int loss_pct) noexcept nogil
cdef int encoder_set_dtx(OpusEncoder* encoder, int dtx) noexcept nogil
cdef int encoder_set_vbr(OpusEncoder* encoder, int vbr) noexcept nogil

cdef int decoder_open(OpusDecoder** decoder, int channels) noexcept nogil
cdef void decoder_close(OpusDecoder* decoder) noexcept nogil    # NULL is fine
cdef int decoder_reset(OpusDecoder* decoder) noexcept nogil
# Both have `channels`: from here on `to` decodes what `decoder` would.
cdef void decoder_copy(OpusDecoder* to, const OpusDecoder* decoder, int channels) noexcept nogil
# The three ways to the next frame_samples of sound; samples a channel, or a status. A refused packet leaves
# the state as it was. `pcm` holds frame_samples * channels floats; values may exceed +-1 a little.
cdef int decoder_decode(OpusDecoder* decoder, const uint8_t* data, int n_bytes,
                        float* pcm, int frame_samples) noexcept nogil
cdef int decoder_conceal(OpusDecoder* decoder, float* pcm, int frame_samples) noexcept nogil
# The frame before `next_data`, from that packet's in-band FEC; concealed where it carries none.
cdef int decoder_recover(OpusDecoder* decoder, const uint8_t* next_data, int n_bytes,
                         float* pcm, int frame_samples) noexcept nogil

# Duration at 48 kHz, from the packet's first two bytes alone: 120..5760, or a status.
cdef int packet_samples(const uint8_t* data, int n_bytes) noexcept nogil
# Whether the packet's first frame carries in-band FEC for the one before it; needs no libopus.
cdef bint packet_has_fec(const uint8_t* data, int n_bytes) noexcept nogil
# A packet as it may be handed on to others: well formed, one frame of 20 ms, of `channels`, without its padding. Bytes of it in
# `out`, 0 where it may not; n_bytes is at most OPUS_FRAME_BYTES.
cdef int packet_passable(const uint8_t* data, int n_bytes, int channels, uint8_t* out, int capacity_bytes) noexcept nogil
# Index of the first sample that no encoder may be given (NaN, or beyond +-32), or -1.
cdef int unfit_sample(const float* pcm, int n_samples) noexcept nogil

cdef object opus_error(int status)    # the exception for a status
