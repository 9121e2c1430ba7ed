# Noise suppression by RNNoise (J.-M. Valin, 2018), through the librnnoise that the extra `denoise` installs.

cdef extern from *:
    """
    typedef struct {
        void *(*create)(void *model);
        void (*destroy)(void *state);
        float (*process_frame)(void *state, float *out, const float *in);
        int (*get_frame_size)(void);
    } librnnoise_t;
    """
    ctypedef struct librnnoise_t:
        void* (*create)(void* model) noexcept nogil
        void (*destroy)(void* state) noexcept nogil
        float (*process_frame)(void* state, float* out, const float* pcm) noexcept nogil
        int (*get_frame_size)() noexcept nogil

cdef enum:
    DENOISE_SAMPLES = 480       # 10 ms: what RNNoise takes at a time

cdef int require_rnnoise() except -1                                    # raises DenoiseError where there is none
cdef void* denoise_open() noexcept nogil                                # NULL: none, or no memory
cdef void denoise_close(void* state) noexcept nogil                     # NULL is nothing
cdef float denoise_apply(void* state, float* pcm, int n) noexcept nogil # in place; how likely it is speech, 0 to 1
