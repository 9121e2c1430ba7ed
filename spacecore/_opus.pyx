"""Opus (RFC 6716) by way of libopus: encoder, decoder, concealment, in-band FEC; 48 kHz, frames of 20 ms.

Threads: an Encoder or Decoder may be used from any thread, by one at a time. Encoding and decoding release
the GIL, so threads with an instance each run in parallel; a call that finds its instance in use by another
thread raises OpusError("invalid_state") and changes nothing.

libopus is opened when this module is imported. If there is none, importing still works and the first Encoder,
Decoder, `opus_library` or `packet_duration_samples` raises OpusLibraryError with every place that was tried.
"""

from cpython cimport array
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_SIMPLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, uint8_t, uintptr_t
from libc.string cimport memcpy, memset
from posix.dlfcn cimport RTLD_LOCAL, RTLD_NOW, dlclose, dlerror, dlopen, dlsym

from spacecore.libopus cimport *

import array
import os
import sys
from operator import index

from spacecore._opus_places import LibraryInfo, places
from spacecore.errors import OpusError, OpusLibraryError

__all__ = ["Decoder", "Encoder", "LibraryInfo", "error_for_status", "opus_library", "packet_carries_fec", "packet_duration_samples",
           "passable_packet"]

cdef enum:
    SAMPLE_RATE = 48000
    PACKET_LIMIT_BYTES = 65535    # no datagram holds more; keeps every length an int

cdef enum:
    DECODE, CONCEAL, RECOVER

cdef tuple FLOAT_FORMATS = ("f", "@f", "=f", "<f" if sys.byteorder == "little" else ">f")
cdef tuple INT16_FORMATS = ("h", "@h", "=h", "<h" if sys.byteorder == "little" else ">h")

cdef array.array EMPTY = array.array("f")

include "_opus_library.pxi"
include "_opus_kernels.pxi"

APPLICATIONS = {
    "voip": OPUS_APPLICATION_VOIP,
    "audio": OPUS_APPLICATION_AUDIO,
    "lowdelay": OPUS_APPLICATION_RESTRICTED_LOWDELAY,
}

def opus_library() -> LibraryInfo:
    """The libopus in use. Raises OpusLibraryError if there is none."""
    if library is None:
        raise opus_error(OPUS_NO_LIBRARY)
    return library


def packet_duration_samples(packet) -> int:
    """Duration that a packet (any bytes-like) claims: 120 to 5760 samples a channel at 48 kHz.

    Only the table of contents is read (RFC 6716 section 3.1), so the rest may still be malformed.
    OpusError: "bad_argument" (empty), "invalid_packet" (no frames, or more than 120 ms).
    """
    cdef Py_buffer view
    cdef int samples
    take_packet(packet, &view)
    try:
        samples = packet_samples(<const uint8_t*>view.buf, <int>view.len)
        if samples < 0:
            raise packet_error(samples, &view)
        return samples
    finally:
        PyBuffer_Release(&view)


def packet_carries_fec(packet) -> bool:
    """Whether a packet's first frame carries in-band FEC (LBRR, RFC 6716 section 4.2.4) for the frame before.

    False for anything malformed. Needs no libopus.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(packet, &view, PyBUF_SIMPLE)
    try:
        return view.len <= PACKET_LIMIT_BYTES and packet_has_fec(<const uint8_t*>view.buf, <int>view.len)
    finally:
        PyBuffer_Release(&view)


def passable_packet(packet, *, int channels=1, int largest_bytes=PASSABLE_BYTES):
    """A packet as a room hands it on undecoded, without its padding (RFC 6716 section 3.2.5); None where it does not: it takes
    one well-formed frame of 20 ms, of so many channels, that has at most `largest_bytes` without padding.
    """
    cdef Py_buffer view
    cdef uint8_t out[OPUS_FRAME_BYTES]
    cdef int n_bytes = 0
    PyObject_GetBuffer(packet, &view, PyBUF_SIMPLE)
    if view.len <= OPUS_FRAME_BYTES:
        n_bytes = packet_passable(
            <const uint8_t*>view.buf, <int>view.len, channels, out, max(0, min(largest_bytes, <int>OPUS_FRAME_BYTES)))
    PyBuffer_Release(&view)
    return PyBytes_FromStringAndSize(<const char*>out, n_bytes) if n_bytes > 0 else None


def error_for_status(int status) -> OpusError:
    """The exception, not raised, for a status of the C functions in `_opus.pxd`."""
    return opus_error(status)


cdef class Encoder:
    """One stream of sound into Opus packets of 20 ms.

    channels: 1 or 2. application: "voip", "audio" or "lowdelay" (CELT only, no FEC). bitrate_bps: 6000 to
    510000. complexity: 0 to 10. fec: in-band FEC, spent only as far as loss_pct asks for it. loss_pct: the
    loss to expect, 0 to 100. dtx: packets of at most 2 bytes while there is silence. vbr: False gives all
    packets one size.
    Anything else raises OpusError("bad_argument"). All but channels and application can be set while it runs.
    """

    cdef OpusEncoder* state
    cdef bint busy
    cdef readonly int channels
    cdef readonly str application

    def __cinit__(self, *, channels=1, str application="voip", bitrate_bps=32000, complexity=9, fec=True,
                  loss_pct=0, dtx=True, vbr=True):
        cdef encoder_config_t config
        if application not in APPLICATIONS:
            raise fault(OPUS_BAD_ARG, f"application is {application!r}; use one of {', '.join(APPLICATIONS)}")
        config.channels = within("channels", channels, 1, 2)
        config.application = APPLICATIONS[application]
        config.bitrate = within("bitrate_bps", bitrate_bps, 6000, 510000)
        config.complexity = within("complexity", complexity, 0, 10)
        config.fec = within("fec", fec, 0, 1)
        config.loss_pct = within("loss_pct", loss_pct, 0, 100)
        config.dtx = within("dtx", dtx, 0, 1)
        config.vbr = within("vbr", vbr, 0, 1)
        checked(encoder_open(&self.state, &config))
        self.channels = config.channels
        self.application = application

    def __dealloc__(self):
        encoder_close(self.state)

    def encode(self, pcm) -> bytes:
        """One packet (1 to 1275 bytes) from the next 20 ms: a C-contiguous buffer of float32 in [-1, 1] or of
        int16, of shape (960 * channels,), stereo interleaved, or (960, channels).

        A packet of at most 2 bytes means silence from here on (DTX). Floats beyond ±1 are encoded as they
        are; NaN, infinity and anything beyond ±32 raise OpusError("bad_argument"), as do other formats and
        shapes, and the stream goes on as if the call had not been made.
        """
        cdef uint8_t packet[OPUS_FRAME_BYTES]
        cdef Py_buffer view
        cdef bint floats = take_pcm(pcm, self.channels, &view)
        cdef int status
        try:
            self.refuse_if_busy()
            if floats:
                check_samples(<const float*>view.buf, OPUS_FRAME_SAMPLES * self.channels)
            self.busy = True
            with nogil:
                # The one call that takes long (0.1 to 0.4 ms): other threads encode meanwhile.
                if floats:
                    status = encoder_encode(self.state, <const float*>view.buf, OPUS_FRAME_SAMPLES,
                                            packet, OPUS_FRAME_BYTES)
                else:
                    status = encoder_encode_int16(self.state, <const int16_t*>view.buf, OPUS_FRAME_SAMPLES,
                                                  packet, OPUS_FRAME_BYTES)
            self.busy = False
        finally:
            PyBuffer_Release(&view)
        checked(status)
        return (<const char*>packet)[:status]

    def reset(self) -> None:
        """Forget the signal so far, keep the settings: for a new stream."""
        self.refuse_if_busy()
        checked(encoder_reset(self.state))

    @property
    def lookahead_samples(self) -> int:
        """Delay that the encoder adds, in samples at 48 kHz: 312 (6.5 ms), or 120 for "lowdelay"."""
        return self.setting(OPUS_GET_LOOKAHEAD_REQUEST)

    @property
    def bitrate_bps(self) -> int:
        return self.setting(OPUS_GET_BITRATE_REQUEST)

    @bitrate_bps.setter
    def bitrate_bps(self, value):
        self.refuse_if_busy()
        checked(encoder_set_bitrate(self.state, within("bitrate_bps", value, 6000, 510000)))

    @property
    def complexity(self) -> int:
        return self.setting(OPUS_GET_COMPLEXITY_REQUEST)

    @complexity.setter
    def complexity(self, value):
        self.refuse_if_busy()
        checked(encoder_set_complexity(self.state, within("complexity", value, 0, 10)))

    @property
    def fec(self) -> bool:
        return self.setting(OPUS_GET_INBAND_FEC_REQUEST) != 0

    @fec.setter
    def fec(self, value):
        self.refuse_if_busy()
        checked(encoder_set_fec(self.state, within("fec", value, 0, 1)))

    @property
    def loss_pct(self) -> int:
        return self.setting(OPUS_GET_PACKET_LOSS_PERC_REQUEST)

    @loss_pct.setter
    def loss_pct(self, value):
        self.refuse_if_busy()
        checked(encoder_set_loss(self.state, within("loss_pct", value, 0, 100)))

    @property
    def dtx(self) -> bool:
        return self.setting(OPUS_GET_DTX_REQUEST) != 0

    @dtx.setter
    def dtx(self, value):
        self.refuse_if_busy()
        checked(encoder_set_dtx(self.state, within("dtx", value, 0, 1)))

    @property
    def vbr(self) -> bool:
        return self.setting(OPUS_GET_VBR_REQUEST) != 0

    @vbr.setter
    def vbr(self, value):
        self.refuse_if_busy()
        checked(encoder_set_vbr(self.state, within("vbr", value, 0, 1)))

    cdef int refuse_if_busy(self) except -1:
        if self.busy:
            raise fault(OPUS_INVALID_STATE, "this Encoder is in use by another thread; give each its own")
        return 0

    cdef int setting(self, int request) except? -1:
        cdef int32_t value = 0
        self.refuse_if_busy()
        checked(api.encoder_ctl(self.state, request, &value))
        return value


cdef class Decoder:
    """One stream of Opus packets of 20 ms into sound. channels 1 or 2, whatever the packets carry.

    Each of `decode`, `conceal` and `recover` gives the next 20 ms as an array.array("f") of 960 * channels
    samples (stereo interleaved), full scale ±1, which a loud signal may exceed a little. Every frame of the
    stream must be asked for in order, exactly once. A refused packet leaves the decoder as it was: conceal.
    """

    cdef OpusDecoder* state
    cdef bint busy
    cdef readonly int channels

    def __cinit__(self, *, channels=1):
        self.channels = within("channels", channels, 1, 2)
        checked(decoder_open(&self.state, self.channels))

    def __dealloc__(self):
        decoder_close(self.state)

    def decode(self, packet):
        """The frame that a packet (any bytes-like) carries.

        OpusError: "bad_duration" if it claims anything but 20 ms, found before decoding; "invalid_packet" or
        "bad_argument" (empty) if it is malformed.
        """
        return self.next_frame(DECODE, packet)

    def conceal(self):
        """A frame lost for good: the sound so far goes on, fading out when this is called again and again."""
        return self.next_frame(CONCEAL, None)

    def recover(self, next_packet):
        """A lost frame from the in-band FEC of the packet after it, which `decode` takes next.

        Without FEC in it (`packet_carries_fec`) the frame is concealed. Errors as for `decode`.
        """
        return self.next_frame(RECOVER, next_packet)

    def reset(self) -> None:
        """Forget the stream so far: for a new one."""
        self.refuse_if_busy()
        checked(decoder_reset(self.state))

    cdef object next_frame(self, int way, packet):
        cdef array.array pcm = array.clone(EMPTY, OPUS_FRAME_SAMPLES * self.channels, zero=True)
        cdef float* out = pcm.data.as_floats
        cdef Py_buffer view
        cdef int status
        memset(&view, 0, sizeof(view))    # releasing an empty view is allowed
        if way != CONCEAL:
            take_packet(packet, &view)
        try:
            self.refuse_if_busy()
            self.busy = True
            with nogil:
                # 20 to 45 us: other threads decode meanwhile.
                if way == DECODE:
                    status = decoder_decode(self.state, <const uint8_t*>view.buf, <int>view.len,
                                            out, OPUS_FRAME_SAMPLES)
                elif way == CONCEAL:
                    status = decoder_conceal(self.state, out, OPUS_FRAME_SAMPLES)
                else:
                    status = decoder_recover(self.state, <const uint8_t*>view.buf, <int>view.len,
                                             out, OPUS_FRAME_SAMPLES)
            self.busy = False
            if status < 0:
                raise opus_error(status) if way == CONCEAL else packet_error(status, &view)
        finally:
            PyBuffer_Release(&view)
        return pcm

    cdef int refuse_if_busy(self) except -1:
        if self.busy:
            raise fault(OPUS_INVALID_STATE, "this Decoder is in use by another thread; give each its own")
        return 0


cdef object packet_error(int status, Py_buffer* view):
    """What is wrong with a packet, in its own numbers."""
    if view.len == 0:
        return fault(status, "the packet has 0 bytes, the shortest has 1; for a lost frame use conceal()")
    if status == OPUS_BAD_DURATION:
        samples = packet_samples(<const uint8_t*>view.buf, <int>view.len)
        return fault(status, f"the packet lasts {samples} samples ({samples / 48:g} ms), only "
                             f"{OPUS_FRAME_SAMPLES} (20 ms) are taken; have its sender use frames of 20 ms")
    return opus_error(status)


cdef int within(str name, value, int low, int high) except -1:
    """`value` as a C int, or OpusError if it is outside low..high (compared as Python ints: no overflow)."""
    number = index(value)
    if not low <= number <= high:
        raise fault(OPUS_BAD_ARG, f"{name} is {value}; use {low} to {high}")
    return number


cdef int take_packet(object packet, Py_buffer* view) except -1:
    """Get a packet's bytes. The caller releases the view."""
    PyObject_GetBuffer(packet, view, PyBUF_SIMPLE)
    if view.len > PACKET_LIMIT_BYTES:
        n_bytes = view.len
        PyBuffer_Release(view)
        raise fault(OPUS_INVALID_PACKET, f"the packet has {n_bytes} bytes, the limit is "
                                         f"{PACKET_LIMIT_BYTES}; pass the Opus packet of one datagram")
    return 0


cdef bint take_pcm(object pcm, int channels, Py_buffer* view) except -1:
    """Get one frame's samples; True if they are float32, False if int16. The caller releases the view."""
    try:
        PyObject_GetBuffer(pcm, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)
    except (BufferError, ValueError) as error:
        raise fault(OPUS_BAD_ARG, f"the samples are not C-contiguous ({error}); pass a copy") from None
    try:
        return pcm_is_float(view, channels)
    except OpusError:
        PyBuffer_Release(view)
        raise


cdef bint pcm_is_float(Py_buffer* view, int channels) except -1:
    cdef str form = view.format.decode() if view.format != NULL else "B"
    cdef list shape = [view.shape[i] for i in range(view.ndim)]
    if form not in FLOAT_FORMATS and form not in INT16_FORMATS:
        raise fault(OPUS_BAD_ARG, f"the samples have format {form!r}; use float32 ('f') or int16 ('h'), "
                                  "for raw bytes memoryview(pcm).cast('h')")
    if shape != [OPUS_FRAME_SAMPLES * channels] and shape != [OPUS_FRAME_SAMPLES, channels]:
        raise fault(OPUS_BAD_ARG, f"the samples have shape {tuple(shape)}; use "
                                  f"({OPUS_FRAME_SAMPLES * channels},) or ({OPUS_FRAME_SAMPLES}, {channels})"
                                  ", 20 ms at 48 kHz")
    if <uintptr_t>view.buf % <uintptr_t>view.itemsize:
        raise fault(OPUS_BAD_ARG, f"the samples are not aligned to {view.itemsize} bytes; pass a copy")
    return form in FLOAT_FORMATS


cdef int check_samples(const float* pcm, int n_samples) except -1:
    cdef int at = unfit_sample(pcm, n_samples)
    if at >= 0:
        raise fault(OPUS_BAD_ARG, f"sample {at} is {pcm[at]:g}, the limit is ±{LIMIT_OF_SAMPLES}; full scale "
                                  "is ±1: divide what came from int16 by 32768")
    return 0

load()
