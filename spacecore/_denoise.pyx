"""Noise suppression: what is no voice is taken out of a speaker's sound, before it is encoded or mixed.

The library is opened when it is first asked for: who does not use it pays nothing. Threads: a Denoiser may be used from any
thread, by one at a time; the kernels need no interpreter.
"""

from cpython.buffer cimport PyBuffer_Release
from libc.string cimport memcpy
from posix.dlfcn cimport RTLD_LOCAL, RTLD_NOW, dlclose, dlerror, dlopen, dlsym

from spacecore._pcm cimport open_pcm, sound_sample

import importlib.util
import os
from pathlib import Path

from spacecore.errors import DenoiseError

__all__ = ["Denoiser"]

cdef enum:
    N_FUNCTIONS = 4

cdef librnnoise_t api           # all NULL until it was found
cdef bint found = False

cdef tuple FUNCTIONS = (b"rnnoise_create", b"rnnoise_destroy", b"rnnoise_process_frame", b"rnnoise_get_frame_size")


cdef int require_rnnoise() except -1:
    """Open librnnoise, once."""
    global found
    cdef str reason
    if found:
        return 0
    for path in _places():
        reason = _open(path)
        if not reason:
            found = True
            return 0
        raise DenoiseError("no_library", f"{path} is no usable librnnoise ({reason}); install it anew: pip install spacecore[denoise]")
    raise DenoiseError("no_library", "noise suppression needs RNNoise, which is not installed: pip install spacecore[denoise]")


cdef list _places():
    """The file that the environment names, or that of the wheel, which is located, not imported: it would load numpy and more."""
    named = os.environ.get("SPACECORE_LIBRNNOISE", "")
    if named:
        return [named]
    try:
        spec = importlib.util.find_spec("pyrnnoise")
    except ValueError:          # a stand-in without a spec sits in sys.modules
        spec = None
    if spec is None or not spec.submodule_search_locations:
        return []
    return [str(path) for path in sorted(Path(spec.submodule_search_locations[0]).glob("librnnoise.*"))]


cdef str _open(str path):
    cdef void* functions[N_FUNCTIONS]
    cdef void* handle = dlopen(os.fsencode(path), RTLD_NOW | RTLD_LOCAL)
    cdef int i
    if handle == NULL:
        return dlerror().decode(errors="replace")
    for i in range(N_FUNCTIONS):
        functions[i] = dlsym(handle, FUNCTIONS[i])
        if functions[i] == NULL:
            dlclose(handle)
            return f"it has no {FUNCTIONS[i].decode()}"
    # As with libopus: a void* is no function in ISO C, but copying one into the other is sound on POSIX.
    memcpy(&api, functions, sizeof(api))
    return "" if api.get_frame_size() == DENOISE_SAMPLES else f"its frames are not {DENOISE_SAMPLES} samples"


cdef void* denoise_open() noexcept nogil:
    return api.create(NULL) if found else NULL


cdef void denoise_close(void* state) noexcept nogil:
    if state != NULL:
        api.destroy(state)


cdef float denoise_apply(void* state, float* pcm, int n) noexcept nogil:
    """`n` is a multiple of 480. The result is 20 ms late. NaN and infinities count as silence."""
    cdef float[DENOISE_SAMPLES] scaled
    cdef float speech = 0.0, part
    cdef int start, k, i
    for k in range(n // DENOISE_SAMPLES):
        start = k * DENOISE_SAMPLES
        for i in range(DENOISE_SAMPLES):
            scaled[i] = sound_sample(pcm[start + i], 4.0) * <float>32768.0      # RNNoise counts as int16 does
        part = api.process_frame(state, &scaled[0], &scaled[0])
        speech = part if part > speech else speech
        for i in range(DENOISE_SAMPLES):
            pcm[start + i] = sound_sample(scaled[i], 131072.0) * <float>(1.0 / 32768.0)
    return speech


cdef class Denoiser:
    """One voice's noise suppression, with its state from frame to frame. DenoiseError('no_library') without the extra."""

    cdef void* _state

    def __cinit__(self):
        require_rnnoise()
        self._state = denoise_open()
        if self._state == NULL:
            raise MemoryError

    def __dealloc__(self):
        denoise_close(self._state)

    def apply(self, pcm):
        """Clean float32 samples of one channel at 48 kHz in place; returns how likely they are speech, 0 to 1.

        Any whole number of 10 ms, that is of 480 samples; what comes out is 20 ms late. Errors: ValueError for another
        length, TypeError for another format, BufferError for a read-only or scattered buffer.
        """
        cdef Py_buffer view
        cdef int n = open_pcm(pcm, &view, True, c"f")
        cdef float speech = 0.0
        if n % DENOISE_SAMPLES == 0:
            with nogil:     # some 100 µs a frame
                speech = denoise_apply(self._state, <float*>view.buf, n)
        PyBuffer_Release(&view)
        if n % DENOISE_SAMPLES != 0:
            raise ValueError(f"{n} samples; noise suppression takes whole 10 ms, that is a multiple of {DENOISE_SAMPLES}")
        return speech
