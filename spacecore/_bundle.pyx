"""One to three consecutive frames in one datagram: fewer packets for those who only listen, at 20 ms of delay for each.

A bundle has the header of its first frame, so sequence number, timestamp and level belong to that one, as do prime-only frames,
and the seat list of its newest, which is how the room is now. Only what is contiguous stands together: a gap in sequence number
or timestamp, `source changed`, or another gain or channel count begins anew.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy, memset

from spacecore._packet cimport (
    FRAME_TICKS, PACKET_BAD_COUNTS, PACKET_OK, audio_t, packet_error, packet_pack_audio, packet_parse_audio,
)

__all__ = ["Bundler"]


cdef int _read(const uint8_t* data, int n_bytes, audio_t* audio) noexcept nogil:
    cdef int status = packet_parse_audio(data, n_bytes, True, audio)
    if status == PACKET_OK and (audio.n_new != 1 or audio.n_redundant or (audio.n_prime and not audio.source_changed)):
        return PACKET_BAD_COUNTS
    return status


cdef int _relation(const bundle_t* bundle, const audio_t* audio) noexcept nogil:
    cdef const bundled_t* before = &bundle.frames[bundle.newest]
    if (bundle.n == 0 or audio.source_changed or audio.seq != <uint16_t>(before.seq + 1)
            or audio.timestamp != <uint32_t>(before.timestamp + FRAME_TICKS)
            or audio.gain != before.gain or audio.stereo != before.stereo):
        return BUNDLE_STARTS
    return BUNDLE_CONTINUES


cdef int bundle_relation(const bundle_t* bundle, const uint8_t* data, int n_bytes) noexcept nogil:
    cdef audio_t audio
    cdef int status = _read(data, n_bytes, &audio)
    return status if status != PACKET_OK else _relation(bundle, &audio)


cdef int bundle_put(bundle_t* bundle, const uint8_t* data, int n_bytes) noexcept nogil:
    """Take a datagram with one new frame as a server sends it. One that is none changes nothing."""
    cdef audio_t audio
    cdef bundled_t* frame
    cdef int relation
    cdef int status = _read(data, n_bytes, &audio)
    if status != PACKET_OK:
        return status
    relation = _relation(bundle, &audio)
    bundle.n_kept = 1 if relation == BUNDLE_STARTS else min(bundle.n_kept + 1, <int>BUNDLE_KEPT)
    bundle.n = min(bundle.n_kept, <int>BUNDLE_FRAMES)
    bundle.newest = (bundle.newest + 1) % BUNDLE_KEPT
    frame = &bundle.frames[bundle.newest]
    frame.seq = audio.seq
    frame.timestamp = audio.timestamp
    frame.gain = audio.gain
    frame.stereo = audio.stereo
    frame.frame_at = <int>(audio.frame[audio.n_prime] - data)
    frame.frame_bytes = audio.frame_bytes[audio.n_prime]
    frame.n_bytes = n_bytes
    memcpy(frame.data, data, n_bytes)
    memset(bundle.built_bytes, 0, sizeof(bundle.built_bytes))
    memset(bundle.copied_bytes, 0, sizeof(bundle.copied_bytes))
    return relation


cdef const uint8_t* bundle_single(const bundle_t* bundle, int back, int* n_bytes) noexcept nogil:
    cdef const bundled_t* frame = &bundle.frames[(bundle.newest + BUNDLE_KEPT - back) % BUNDLE_KEPT]
    n_bytes[0] = frame.n_bytes
    return frame.data


cdef const uint8_t* bundle_newest(bundle_t* bundle, int frames, int* n_bytes) noexcept nogil:
    if frames == 1:
        return bundle_single(bundle, 0, n_bytes)
    if bundle.built_bytes[frames] == 0:
        bundle.built_bytes[frames] = _build(bundle, frames)
    n_bytes[0] = bundle.built_bytes[frames]
    return bundle.built[frames] if n_bytes[0] > 0 else NULL


cdef int _build(bundle_t* bundle, int frames) noexcept nogil:
    """Packed once for all who get so many frames; bytes, or a status below 0."""
    cdef audio_t audio
    cdef audio_t newest
    cdef const bundled_t* frame
    cdef int i
    _read(bundle.frames[bundle.newest].data, bundle.frames[bundle.newest].n_bytes, &newest)
    frame = &bundle.frames[(bundle.newest + BUNDLE_KEPT - (frames - 1)) % BUNDLE_KEPT]
    _read(frame.data, frame.n_bytes, &audio)
    audio.n_new = frames
    audio.n_seats = newest.n_seats
    audio.seats = newest.seats
    for i in range(frames):
        frame = &bundle.frames[(bundle.newest + BUNDLE_KEPT - (frames - 1 - i)) % BUNDLE_KEPT]
        audio.frame[audio.n_prime + i] = frame.data + frame.frame_at
        audio.frame_bytes[audio.n_prime + i] = frame.frame_bytes
    return packet_pack_audio(&audio, True, bundle.built[frames], DATAGRAM_MAX_BYTES)


cdef const uint8_t* bundle_copied(bundle_t* bundle, int copies, int* n_bytes) noexcept nogil:
    copies = min(copies, bundle.n_kept - BUNDLE_DISTANCE, <int>MAX_REDUNDANT)
    if copies < 1:
        return NULL
    if bundle.copied_bytes[copies] == 0:
        bundle.copied_bytes[copies] = _build_copied(bundle, copies)
    n_bytes[0] = bundle.copied_bytes[copies]
    return bundle.copied[copies] if n_bytes[0] > 0 else NULL


cdef int _build_copied(bundle_t* bundle, int copies) noexcept nogil:
    """The newest frame behind copies of those BUNDLE_DISTANCE and more before it; bytes, or a status below 0."""
    cdef audio_t audio
    cdef const bundled_t* frame = &bundle.frames[bundle.newest]
    cdef int i
    _read(frame.data, frame.n_bytes, &audio)
    audio.n_redundant = copies
    audio.distance = BUNDLE_DISTANCE
    audio.frame[copies] = frame.data + frame.frame_at
    audio.frame_bytes[copies] = frame.frame_bytes
    for i in range(copies):     # the oldest first
        frame = &bundle.frames[(bundle.newest + BUNDLE_KEPT - (BUNDLE_DISTANCE + copies - 1 - i)) % BUNDLE_KEPT]
        audio.frame[i] = frame.data + frame.frame_at
        audio.frame_bytes[i] = frame.frame_bytes
    return packet_pack_audio(&audio, True, bundle.copied[copies], DATAGRAM_MAX_BYTES)


cdef class Bundler:
    """The last frames of a mix, bundled on request.

    Give each datagram of the full mix to put(), in order; take() then packs any number of the newest contiguous frames.
    """

    cdef bundle_t _bundle

    def put(self, datagram):
        """Take a datagram with one new frame, as a server sends it: whether it continues the frame before.

        Raises PacketError for bytes that are none, or that hold more than one frame.
        """
        cdef Py_buffer view
        PyObject_GetBuffer(datagram, &view, PyBUF_SIMPLE)
        cdef int status = bundle_put(&self._bundle, <const uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES + 1))
        PyBuffer_Release(&view)
        if status < 0:
            raise packet_error(status)
        return status == BUNDLE_CONTINUES

    def copied(self, int copies):
        """The newest frame with up to `copies` (1 or 2) frames before it, the newest of them two back.

        None where there is nothing to copy, or no room. Raises ValueError for another number of copies.
        """
        cdef int n_bytes = 0
        if not 1 <= copies <= MAX_REDUNDANT:
            raise ValueError(f"a datagram carries 1 or {MAX_REDUNDANT} copies, not {copies}")
        cdef const uint8_t* data = bundle_copied(&self._bundle, copies, &n_bytes)
        return PyBytes_FromStringAndSize(<const char*>data, n_bytes) if data != NULL else None

    @property
    def frames(self):
        """How many of the newest frames are contiguous, 0 to 3."""
        return self._bundle.n

    @property
    def is_pause(self):
        """Whether the newest frame says that silence begins: it may not be held back."""
        return bool(bundle_paused(&self._bundle))

    def take(self, int frames):
        """The datagram of so many of the newest frames; None where they do not fit into one.

        Raises ValueError for more frames than there are.
        """
        cdef int n_bytes = 0
        if not 1 <= frames <= self._bundle.n:
            raise ValueError(f"{self._bundle.n} frames are contiguous; ask for 1 to {self._bundle.n}, not {frames}")
        cdef const uint8_t* data = bundle_newest(&self._bundle, frames, &n_bytes)
        return PyBytes_FromStringAndSize(<const char*>data, n_bytes) if data != NULL else None
