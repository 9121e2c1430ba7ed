# What every unit that takes samples shares: opening a caller's buffer, and making a sample sound.

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.float cimport FLT_MAX
from libc.math cimport fabsf

cdef enum:
    PCM_MAX_SAMPLES = 1 << 24   # in one call; float32 counts exactly up to here


cdef inline float sound_sample(float value, float ceiling) noexcept nogil:
    """0 for NaN and infinities, otherwise the value held to ±ceiling. Vectorises in a loop."""
    cdef float kept = value if fabsf(value) <= FLT_MAX else <float>0.0
    kept = ceiling if kept > ceiling else kept
    return -ceiling if kept < -ceiling else kept


cdef inline bint format_is(const char* given, char code) noexcept:
    """Is a buffer's format one native item of `code`? No format means bytes."""
    if given is NULL:
        return False
    if given[0] in (c"@", c"=", c"<"):
        given += 1
    return given[0] == code and given[1] == 0


cdef inline int open_pcm(object pcm, Py_buffer* view, bint writable, char code) except -1:
    """Take a C-contiguous native buffer of float32 (code c"f") or int16 (c"h"); returns its samples.

    The caller releases `view` with PyBuffer_Release. Raises TypeError for another format or no buffer,
    BufferError where it is not contiguous or not writable, ValueError where it is unaligned or too long.
    """
    PyObject_GetBuffer(pcm, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writable else 0))
    cdef Py_ssize_t n = view.len // view.itemsize if view.itemsize > 0 else 0
    cdef object error = None
    if not format_is(view.format, code):
        given = "B" if view.format is NULL else view.format.decode("ascii", "replace")
        wanted = "float32 ('f')" if code == c"f" else "int16 ('h')"
        error = TypeError(f"buffer of format {given!r}; samples must be {wanted}: convert or cast it first")
    elif n > 0 and <size_t>view.buf % <size_t>view.itemsize != 0:
        # Vector code counts on this; an odd slice of bytes, cast, would break it.
        error = ValueError("the buffer's address is no multiple of its item size: copy the samples first")
    elif n > PCM_MAX_SAMPLES:
        error = ValueError(f"{n} samples at once; the limit is {PCM_MAX_SAMPLES}: pass them in frames")
    if error is not None:
        PyBuffer_Release(view)
        raise error
    return <int>n
