# C declarations of libopus (opus.h, opus_defines.h), only what is used, in the order of those headers.
#
# The headers are not needed to build: the block below declares the types itself, and libopus is opened at run
# time. Its functions are reached through one table, `libopus_t`; `_opus.pyx` owns the only instance.

from libc.stdint cimport int16_t, int32_t


cdef extern from *:
    """
    #include <stdint.h>

    /* opus_defines.h; spelt as there, so that including the real header beside this one is no conflict */
    #define OPUS_OK                0
    #define OPUS_BAD_ARG          -1
    #define OPUS_BUFFER_TOO_SMALL -2
    #define OPUS_INTERNAL_ERROR   -3
    #define OPUS_INVALID_PACKET   -4
    #define OPUS_UNIMPLEMENTED    -5
    #define OPUS_INVALID_STATE    -6
    #define OPUS_ALLOC_FAIL       -7

    #define OPUS_SET_BITRATE_REQUEST         4002
    #define OPUS_GET_BITRATE_REQUEST         4003
    #define OPUS_SET_VBR_REQUEST             4006
    #define OPUS_GET_VBR_REQUEST             4007
    #define OPUS_SET_COMPLEXITY_REQUEST      4010
    #define OPUS_GET_COMPLEXITY_REQUEST      4011
    #define OPUS_SET_INBAND_FEC_REQUEST      4012
    #define OPUS_GET_INBAND_FEC_REQUEST      4013
    #define OPUS_SET_PACKET_LOSS_PERC_REQUEST 4014
    #define OPUS_GET_PACKET_LOSS_PERC_REQUEST 4015
    #define OPUS_SET_DTX_REQUEST             4016
    #define OPUS_GET_DTX_REQUEST             4017
    #define OPUS_GET_LOOKAHEAD_REQUEST       4027

    #define OPUS_APPLICATION_VOIP                2048
    #define OPUS_APPLICATION_AUDIO               2049
    #define OPUS_APPLICATION_RESTRICTED_LOWDELAY 2051

    #define OPUS_RESET_STATE 4028

    /* opus.h */
    typedef struct OpusEncoder OpusEncoder;
    typedef struct OpusDecoder OpusDecoder;

    typedef struct {
        OpusEncoder* (*encoder_create)(int32_t, int, int, int*);
        int32_t (*encode)(OpusEncoder*, const int16_t*, int, unsigned char*, int32_t);
        int32_t (*encode_float)(OpusEncoder*, const float*, int, unsigned char*, int32_t);
        void (*encoder_destroy)(OpusEncoder*);
        int (*encoder_ctl)(OpusEncoder*, int, ...);
        OpusDecoder* (*decoder_create)(int32_t, int, int*);
        int (*decode_float)(OpusDecoder*, const unsigned char*, int32_t, float*, int, int);
        int (*decoder_ctl)(OpusDecoder*, int, ...);
        void (*decoder_destroy)(OpusDecoder*);
        int (*decoder_get_size)(int);
        int (*packet_get_nb_samples)(const unsigned char*, int32_t, int32_t);
        int (*packet_parse)(const unsigned char*, int32_t, unsigned char*, const unsigned char**, int16_t*, int*);
        int32_t (*packet_unpad)(unsigned char*, int32_t);
        const char* (*get_version_string)(void);
    } libopus_t;
    """
    enum:
        OPUS_OK
        OPUS_BAD_ARG
        OPUS_BUFFER_TOO_SMALL
        OPUS_INTERNAL_ERROR
        OPUS_INVALID_PACKET
        OPUS_UNIMPLEMENTED
        OPUS_INVALID_STATE
        OPUS_ALLOC_FAIL

    enum:
        OPUS_SET_BITRATE_REQUEST
        OPUS_GET_BITRATE_REQUEST
        OPUS_SET_VBR_REQUEST
        OPUS_GET_VBR_REQUEST
        OPUS_SET_COMPLEXITY_REQUEST
        OPUS_GET_COMPLEXITY_REQUEST
        OPUS_SET_INBAND_FEC_REQUEST
        OPUS_GET_INBAND_FEC_REQUEST
        OPUS_SET_PACKET_LOSS_PERC_REQUEST
        OPUS_GET_PACKET_LOSS_PERC_REQUEST
        OPUS_SET_DTX_REQUEST
        OPUS_GET_DTX_REQUEST
        OPUS_GET_LOOKAHEAD_REQUEST

    enum:
        OPUS_APPLICATION_VOIP
        OPUS_APPLICATION_AUDIO
        OPUS_APPLICATION_RESTRICTED_LOWDELAY

    enum:
        OPUS_RESET_STATE

    ctypedef struct OpusEncoder:
        pass
    ctypedef struct OpusDecoder:
        pass

    # The functions keep their names without `opus_`.
    ctypedef struct libopus_t:
        OpusEncoder* (*encoder_create)(int32_t Fs, int channels, int application, int* error) noexcept nogil
        int32_t (*encode)(OpusEncoder* st, const int16_t* pcm, int frame_size,
                          unsigned char* data, int32_t max_data_bytes) noexcept nogil
        int32_t (*encode_float)(OpusEncoder* st, const float* pcm, int frame_size,
                                unsigned char* data, int32_t max_data_bytes) noexcept nogil
        void (*encoder_destroy)(OpusEncoder* st) noexcept nogil
        int (*encoder_ctl)(OpusEncoder* st, int request, ...) noexcept nogil
        OpusDecoder* (*decoder_create)(int32_t Fs, int channels, int* error) noexcept nogil
        int (*decode_float)(OpusDecoder* st, const unsigned char* data, int32_t len,
                            float* pcm, int frame_size, int decode_fec) noexcept nogil
        int (*decoder_ctl)(OpusDecoder* st, int request, ...) noexcept nogil
        void (*decoder_destroy)(OpusDecoder* st) noexcept nogil
        int (*decoder_get_size)(int channels) noexcept nogil
        int (*packet_get_nb_samples)(const unsigned char* packet, int32_t len, int32_t Fs) noexcept nogil
        int (*packet_parse)(const unsigned char* data, int32_t len, unsigned char* out_toc, const unsigned char** frames,
                            int16_t* size, int* payload_offset) noexcept nogil
        int32_t (*packet_unpad)(unsigned char* data, int32_t len) noexcept nogil
        const char* (*get_version_string)() noexcept nogil
