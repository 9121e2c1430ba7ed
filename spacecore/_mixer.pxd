# The mixer's kernels: plain C state, no allocation, no Python, callable without the GIL.
#
# In the order of a tick: ramp_apply and level_dbov for each voice, mix_sum once, mix_minus for each audible
# seat, limiter_apply for each output. Samples are float32 at 48 kHz, full scale is 1; `n` counts samples.
# No kernel keeps a pointer. State structs belong to one thread at a time; distinct structs are independent.

from libc.stdint cimport int16_t

from spacecore._limiter cimport limiter_apply, limiter_init, limiter_t   # may be cimported from here

cdef enum:
    FRAME_SAMPLES = 960         # 20 ms at 48 kHz
    LEVEL_SILENCE = 127         # RFC 6464: as quiet as the field can say
    MIXER_MAX_SEATS = 256       # seat numbers are u8 on the wire

cdef struct ramp_t:
    float gain                  # where the last frame ended, linear
    float target                # where the next frame shall end; write it at any time between frames

cdef struct gate_t:
    int open_level              # −dBov: at this level or louder the gate opens
    int close_level             # −dBov: quieter than this counts as quiet
    int hangover_frames         # so many quiet frames in a row close it
    int left                    # quiet frames that are left until it closes
    bint audible

cdef void ramp_init(ramp_t* ramp, float gain) noexcept nogil
cdef bint ramp_apply(ramp_t* ramp, float* pcm, int n) noexcept nogil

cdef void mix_sum(float* mix, const float** voices, int n_voices, int n) noexcept nogil
cdef void mix_minus(float* out, const float* mix, const float* own, int n) noexcept nogil

cdef int level_dbov(const float* pcm, int n) noexcept nogil

cdef void gate_init(gate_t* gate) noexcept nogil
cdef bint gate_update(gate_t* gate, int level) noexcept nogil

cdef int loudest(const int* seats, const int* levels, int n, int* out, int capacity) noexcept nogil

cdef void pcm_from_int16(float* pcm, const int16_t* samples, int n) noexcept nogil
