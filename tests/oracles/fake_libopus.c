/* A libopus that fails on demand: every error path of the binding can be entered on purpose. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

int fail_create, fail_ctl, fail_request, fail_code, fail_samples; /* a status to return, 0: succeed */
int made, freed;                                                  /* states allocated and released */
volatile int hold, entered;                                       /* coding waits while hold is set */

static int code(int good)
{
    time_t limit = time(NULL) + 10;
    entered = 1;
    while (hold)
        if (time(NULL) > limit)
            return -3;
    return fail_code ? fail_code : good;
}

static void* create(int* status)
{
    *status = fail_create;
    if (fail_create)
        return NULL;
    made++;
    return malloc(1);
}

static int ctl(int request)
{
    return fail_ctl && (!fail_request || fail_request == request) ? fail_ctl : 0;
}

void* opus_encoder_create(int32_t fs, int channels, int application, int* status)
{
    (void)fs, (void)channels, (void)application;
    return create(status);
}
int32_t opus_encode(void* st, const int16_t* pcm, int n, unsigned char* out, int32_t capacity)
{
    (void)st, (void)pcm, (void)n, (void)capacity;
    out[0] = 0;
    return code(1);
}
int32_t opus_encode_float(void* st, const float* pcm, int n, unsigned char* out, int32_t capacity)
{
    (void)st, (void)pcm, (void)n, (void)capacity;
    out[0] = 0;
    return code(1);
}
void opus_encoder_destroy(void* st) { freed++, free(st); }
int opus_encoder_ctl(void* st, int request, ...) { return (void)st, ctl(request); }
void* opus_decoder_create(int32_t fs, int channels, int* status)
{
    (void)fs, (void)channels;
    return create(status);
}
int opus_decode_float(void* st, const unsigned char* data, int32_t len, float* pcm, int n, int fec)
{
    (void)st, (void)data, (void)len, (void)pcm, (void)fec;
    return code(n);
}
int opus_decoder_ctl(void* st, int request, ...) { return (void)st, ctl(request); }
void opus_decoder_destroy(void* st) { freed++, free(st); }
int opus_packet_get_nb_samples(const unsigned char* data, int32_t len, int32_t fs)
{
    (void)data, (void)len, (void)fs;
    return fail_samples ? fail_samples : 960;
}
int opus_decoder_get_size(int channels) { return (void)channels, 1; }
int opus_packet_parse(
    const unsigned char* data, int32_t len, unsigned char* toc, const unsigned char** frames, int16_t* size, int* offset)
{
    (void)data, (void)len, (void)toc, (void)frames, (void)size, (void)offset;
    return 1;
}
int32_t opus_packet_unpad(unsigned char* data, int32_t len) { return (void)data, len; }
const char* opus_get_version_string(void) { return "libopus 0.0-fake"; }
