# Finding libopus and speaking of its errors; included in _opus.pyx.

cdef extern from "<dlfcn.h>" nogil:
    ctypedef struct Dl_info:
        const char* dli_fname
    int dladdr(const void* address, Dl_info* info)

cdef libopus_t api            # all NULL until a libopus was found whole
cdef object library = None    # LibraryInfo of what `api` points into
cdef str failure = ""         # why there is none

# The functions of libopus_t, in its order.
cdef tuple FUNCTIONS = (
    b"opus_encoder_create",
    b"opus_encode",
    b"opus_encode_float",
    b"opus_encoder_destroy",
    b"opus_encoder_ctl",
    b"opus_decoder_create",
    b"opus_decode_float",
    b"opus_decoder_ctl",
    b"opus_decoder_destroy",
    b"opus_decoder_get_size",
    b"opus_packet_get_nb_samples",
    b"opus_packet_parse",
    b"opus_packet_unpad",
    b"opus_get_version_string",
)
cdef enum:
    N_FUNCTIONS = 14

cdef dict ERRORS = {
    OPUS_BAD_ARG: (
        "bad_argument",
        "libopus refused an argument as out of range; Encoder and Decoder document the limits",
    ),
    OPUS_BUFFER_TOO_SMALL: (
        "buffer_too_small",
        f"the result does not fit the buffer; {OPUS_FRAME_BYTES} bytes take any frame, "
        f"{OPUS_FRAME_SAMPLES} samples a channel take 20 ms",
    ),
    OPUS_INTERNAL_ERROR: (
        "internal_error",
        "libopus failed inside; make a new Encoder or Decoder, and report it with opus_library()",
    ),
    OPUS_INVALID_PACKET: (
        "invalid_packet",
        "the bytes are no valid Opus packet (RFC 6716 section 3.4); drop them and conceal the frame",
    ),
    OPUS_UNIMPLEMENTED: ("unimplemented", "this libopus does not know the request; use a newer libopus"),
    OPUS_INVALID_STATE: ("invalid_state", "the codec state is spoilt; make a new Encoder or Decoder"),
    OPUS_ALLOC_FAIL: ("alloc_failed", "no memory is left for a codec state; close others or add memory"),
    OPUS_NO_LIBRARY: ("no_library", "there is no usable libopus; install PyAV (pip install av)"),
    OPUS_BAD_DURATION: (
        "bad_duration",
        f"the packet does not last {OPUS_FRAME_SAMPLES} samples (20 ms); have its sender use frames of 20 ms",
    ),
}
cdef tuple UNKNOWN = (
    "unknown_status",
    "libopus returned {status}, which it does not document; report it with opus_library()",
)


cdef str open_libopus(str path):
    """Open a file and bind every function of the table; "" or the reason why it is no usable libopus."""
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
    # dlsym's void* may not be cast to a function in ISO C; POSIX has both of one size, so copying is sound.
    memcpy(&api, functions, sizeof(api))
    return ""


cdef object describe_library(str source):
    cdef Dl_info info
    cdef void* function
    memcpy(&function, &api.get_version_string, sizeof(function))
    path = os.fsdecode(info.dli_fname) if dladdr(function, &info) else "unknown"
    version = api.get_version_string().decode(errors="replace").removeprefix("libopus ")
    return LibraryInfo(path, version, source)


cdef int load() except -1:
    """Try every place in turn; set `library`, or `failure`."""
    global library, failure
    cdef list tried = []
    for place in places():
        reason = place.reason or open_libopus(place.path)
        if not reason:
            library = describe_library(place.source)
            return 0
        tried.append((place.source, place.path, reason))
    failure = why_none(tried)
    return 0


cdef str why_none(list tried):
    """The sentence for people; `tried` holds (source, path, reason), only one if the environment named it."""
    source, path, reason = tried[0]
    if path and source == "SPACECORE_LIBOPUS":
        return (f"SPACECORE_LIBOPUS names {path}, which is no usable libopus ({reason}); name another file, "
                "or unset it to use the libopus of PyAV's wheel or of the system")
    all_tried = "; ".join([f"{source} {path}".rstrip() + f" ({reason})" for source, path, reason in tried])
    return (f"no usable libopus was found; tried: {all_tried}. Install PyAV (pip install av) or the system's "
            "libopus (Debian: apt install libopus0), or name a file in SPACECORE_LIBOPUS")


cdef object opus_error(int status):
    return fault(status, failure if status == OPUS_NO_LIBRARY else "")


cdef object fault(int status, str message):
    """The exception for a status, with a message of its own or, if empty, the one that always fits."""
    code, always = ERRORS.get(status, UNKNOWN)
    message = message or always.format(status=status)
    return (OpusLibraryError if status == OPUS_NO_LIBRARY else OpusError)(code, message, status)


cdef int checked(int status) except -1:
    if status < 0:
        raise opus_error(status)
    return status
