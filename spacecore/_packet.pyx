"""Audio datagrams and receiver reports of `spaces/1`: parse in place, pack into the caller's buffer."""

from collections import namedtuple

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize

from spacecore.errors import PacketError

__all__ = [
    "Advice", "AudioPacket", "DATAGRAM_MAX_BYTES", "KIND_AUDIO", "KIND_REPORT", "Report", "datagram_kind", "pack_audio",
    "pack_audio_into", "pack_report", "parse_audio", "parse_report", "seq_newer",
]

globals()["DATAGRAM_MAX_BYTES"] = DATAGRAM_MAX_BYTES
globals()["KIND_AUDIO"] = KIND_AUDIO
globals()["KIND_REPORT"] = KIND_REPORT

cdef enum:
    FLAG_NEW_SHIFT = 0
    FLAG_REDUNDANT_SHIFT = 2
    FLAG_PRIME_SHIFT = 4
    FLAG_SOURCE_CHANGED = 1 << 6
    FLAG_STEREO = 1 << 7
    FLAG_DISTANCE_2 = 1 << 8

cdef inline uint16_t load_u16(const uint8_t* data) noexcept nogil:
    return <uint16_t>((data[0] << 8) | data[1])


cdef inline uint32_t load_u32(const uint8_t* data) noexcept nogil:
    return (<uint32_t>load_u16(data) << 16) | load_u16(data + 2)


cdef inline void store_u16(uint8_t* out, uint16_t value) noexcept nogil:
    out[0] = <uint8_t>(value >> 8)
    out[1] = <uint8_t>(value & 0xFF)


cdef inline void store_u32(uint8_t* out, uint32_t value) noexcept nogil:
    store_u16(out, <uint16_t>(value >> 16))
    store_u16(out + 2, <uint16_t>(value & 0xFFFF))


cdef int packet_kind(const uint8_t* data, int n_bytes) noexcept nogil:
    if n_bytes < 2:
        return PACKET_EMPTY
    if n_bytes > DATAGRAM_MAX_BYTES:
        return PACKET_TOO_LONG
    if data[0] != 0:
        return PACKET_BAD_VERSION
    if data[1] != KIND_AUDIO and data[1] != KIND_REPORT:
        return PACKET_UNKNOWN_KIND
    return data[1]


cdef int packet_parse_audio(const uint8_t* data, int n_bytes, bint down, audio_t* audio) noexcept nogil:
    """Fill `audio` with numbers and with pointers into `data`; PACKET_OK or the reason against it."""
    cdef int kind = packet_kind(data, n_bytes)
    cdef uint16_t flags
    if kind < 0:
        return kind
    if kind != KIND_AUDIO:
        return PACKET_UNKNOWN_KIND
    if n_bytes < AUDIO_HEADER_BYTES:
        return PACKET_TRUNCATED
    flags = load_u16(data + 2)
    audio.n_new = (flags >> FLAG_NEW_SHIFT) & 3
    audio.n_redundant = (flags >> FLAG_REDUNDANT_SHIFT) & 3
    audio.n_prime = (flags >> FLAG_PRIME_SHIFT) & 3
    audio.source_changed = (flags & FLAG_SOURCE_CHANGED) != 0
    audio.stereo = (flags & FLAG_STEREO) != 0
    audio.distance = 2 if flags & FLAG_DISTANCE_2 else 1
    audio.seq = load_u16(data + 4)
    audio.timestamp = load_u32(data + 6)
    audio.level = data[10]
    audio.gain = <int8_t>data[11]
    if audio.n_new < 1 or audio.n_redundant > MAX_REDUNDANT or audio.n_prime > MAX_PRIME:
        return PACKET_BAD_COUNTS
    return _parse_body(data, n_bytes, down, audio)


cdef int _parse_body(const uint8_t* data, int n_bytes, bint down, audio_t* audio) noexcept nogil:
    cdef int at = AUDIO_HEADER_BYTES
    cdef int n_frames = audio.n_redundant + audio.n_prime + audio.n_new
    cdef int i
    cdef int size
    audio.n_seats = 0
    audio.seats = NULL
    if down:
        if at >= n_bytes:
            return PACKET_TRUNCATED
        audio.n_seats = data[at]
        audio.seats = data + at + 1
        at += 1 + audio.n_seats
    for i in range(n_frames):
        if i + 1 < n_frames:
            if at + 2 > n_bytes:
                return PACKET_TRUNCATED
            size = load_u16(data + at)
            at += 2
        else:
            size = n_bytes - at     # the last frame is all that is left
            if size <= 0:
                return PACKET_TRUNCATED
        if size < 1 or size > OPUS_FRAME_MAX_BYTES:
            return PACKET_BAD_FRAME
        if at + size > n_bytes:
            return PACKET_TRUNCATED
        audio.frame[i] = data + at
        audio.frame_bytes[i] = size
        at += size
    return PACKET_OK


cdef int packet_pack_audio(const audio_t* audio, bint down, uint8_t* out, int capacity_bytes) noexcept nogil:
    """Write the datagram; its length in bytes, or the reason against it (then `out` is unspecified)."""
    cdef int n_frames = audio.n_redundant + audio.n_prime + audio.n_new
    cdef int at = AUDIO_HEADER_BYTES
    cdef int total = AUDIO_HEADER_BYTES + (1 + audio.n_seats if down else 0) + 2 * (n_frames - 1)
    cdef int i
    cdef int k
    if (audio.n_new < 1 or audio.n_new > MAX_NEW or audio.n_redundant < 0 or audio.n_redundant > MAX_REDUNDANT
            or audio.n_prime < 0 or audio.n_prime > MAX_PRIME):
        return PACKET_BAD_COUNTS
    for i in range(n_frames):
        if audio.frame_bytes[i] < 1 or audio.frame_bytes[i] > OPUS_FRAME_MAX_BYTES:
            return PACKET_BAD_FRAME
        total += audio.frame_bytes[i]
    if total > DATAGRAM_MAX_BYTES:
        return PACKET_TOO_LONG
    if total > capacity_bytes:
        return PACKET_NO_ROOM
    out[0] = 0
    out[1] = KIND_AUDIO
    store_u16(out + 2, <uint16_t>(
        audio.n_new << FLAG_NEW_SHIFT | audio.n_redundant << FLAG_REDUNDANT_SHIFT | audio.n_prime << FLAG_PRIME_SHIFT
        | (FLAG_SOURCE_CHANGED if audio.source_changed else 0) | (FLAG_STEREO if audio.stereo else 0)
        | (FLAG_DISTANCE_2 if audio.distance == 2 else 0)))
    store_u16(out + 4, audio.seq)
    store_u32(out + 6, audio.timestamp)
    out[10] = audio.level
    out[11] = <uint8_t>audio.gain
    if down:
        out[at] = <uint8_t>audio.n_seats
        at += 1
        for k in range(audio.n_seats):
            out[at + k] = audio.seats[k]
        at += audio.n_seats
    for i in range(n_frames):
        if i + 1 < n_frames:
            store_u16(out + at, <uint16_t>audio.frame_bytes[i])
            at += 2
        for k in range(audio.frame_bytes[i]):
            out[at + k] = audio.frame[i][k]
        at += audio.frame_bytes[i]
    return at


cdef const char* packet_status_code(int status) noexcept nogil:
    if status == PACKET_EMPTY:
        return b"empty_datagram"
    if status == PACKET_BAD_VERSION:
        return b"bad_version"
    if status == PACKET_UNKNOWN_KIND:
        return b"unknown_kind"
    if status == PACKET_TRUNCATED:
        return b"truncated"
    if status == PACKET_TOO_LONG:
        return b"datagram_too_long"
    if status == PACKET_BAD_COUNTS:
        return b"bad_frame_count"
    if status == PACKET_BAD_FRAME:
        return b"bad_frame_size"
    if status == PACKET_NO_ROOM:
        return b"no_room"
    return b"ok"


_SENTENCES = {
    PACKET_EMPTY: "a datagram has at least a version and a kind byte; this one is shorter than 2 bytes",
    PACKET_BAD_VERSION: "the first byte of a datagram is 0x00; this datagram is of another version",
    PACKET_UNKNOWN_KIND: "the kind of a datagram is 1 (audio) or 2 (receiver report), and the one the caller expects",
    PACKET_TRUNCATED: "the datagram ends inside its header, its seat list or one of its frames",
    PACKET_TOO_LONG: f"a datagram has at most {DATAGRAM_MAX_BYTES} bytes: send fewer or smaller frames",
    PACKET_BAD_COUNTS: "a datagram carries 1 to 3 new frames, up to 2 redundant and up to 2 prime-only ones",
    PACKET_BAD_FRAME: f"an Opus frame has 1 to {OPUS_FRAME_MAX_BYTES} bytes (RFC 6716 §3.4)",
    PACKET_NO_ROOM: "the buffer is smaller than the datagram: give one of 1200 bytes",
}


cdef object packet_error(int status):
    return PacketError(packet_status_code(status).decode(), _SENTENCES[status])


include "_packet_report.pxi"

# --- the Python face ------------------------------------------------------------------------------------------

AudioPacket = namedtuple(
    "AudioPacket",
    "seq timestamp level gain frames redundant prime distance source_changed stereo seats",
)
AudioPacket.__doc__ = """One audio datagram.

seq, timestamp (48 kHz), level (RFC 6464: bit 7 voice, bits 0-6 -dBov) belong to the first of `frames`;
gain is in quarter dB and applied by the receiver. `redundant` are copies of earlier frames, the newest of which is
`seq - distance`; `prime` are decoded before `frames` and discarded. `seats` is None on the way up.
"""

def seq_newer(int a, int b):
    """Whether sequence number `a` comes after `b`, both taken modulo 65536."""
    return seq_distance(<uint16_t>(a & 0xFFFF), <uint16_t>(b & 0xFFFF)) > 0


def datagram_kind(data):
    """KIND_AUDIO or KIND_REPORT. Raises PacketError for anything that is no datagram of this version."""
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    cdef int kind = packet_kind(<const uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES + 1))
    PyBuffer_Release(&view)
    if kind < 0:
        raise packet_error(kind)
    return kind


def parse_audio(data, bint down):
    """The AudioPacket in `data`; `down` says that a server sent it (a seat list follows the header).

    Raises PacketError, whose `code` is stable, for bytes that are no audio datagram.
    """
    cdef Py_buffer view
    cdef audio_t audio
    cdef int status
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        status = packet_parse_audio(<const uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES + 1), down, &audio)
        if status != PACKET_OK:
            raise packet_error(status)
        frames = [PyBytes_FromStringAndSize(<const char*>audio.frame[i], audio.frame_bytes[i])
                  for i in range(audio.n_redundant + audio.n_prime + audio.n_new)]
        seats = tuple([audio.seats[i] for i in range(audio.n_seats)]) if down else None
    finally:
        PyBuffer_Release(&view)
    first_new = audio.n_redundant + audio.n_prime
    return AudioPacket(
        audio.seq, audio.timestamp, audio.level, audio.gain, tuple(frames[first_new:]), tuple(frames[:audio.n_redundant]),
        tuple(frames[audio.n_redundant:first_new]), audio.distance, bool(audio.source_changed), bool(audio.stereo), seats)


cdef list _describe(audio_t* audio, uint8_t* seat_bytes, frames, seq, timestamp, level, gain, redundant, prime, distance,
                    source_changed, stereo, seats):
    """Fill `audio` from Python's values; the list that it returns keeps the frames alive."""
    cdef Py_ssize_t i
    ordered = [bytes(frame) for frame in redundant]
    ordered += [bytes(frame) for frame in prime]
    ordered += [bytes(frame) for frame in frames]
    if not 0 <= level <= 255 or not -128 <= gain <= 127 or distance not in (1, 2):
        raise ValueError(f"level is 0..255, gain -128..127 quarter dB, distance 1 or 2; got {level}, {gain}, {distance}")
    if len(ordered) > MAX_FRAMES or (seats is not None and len(seats) > 255):
        raise packet_error(PACKET_BAD_COUNTS)
    audio.seq = seq & 0xFFFF
    audio.timestamp = timestamp & 0xFFFFFFFF
    audio.level = level
    audio.gain = gain
    audio.n_new = <int>len(frames)
    audio.n_redundant = <int>len(redundant)
    audio.n_prime = <int>len(prime)
    audio.distance = distance
    audio.source_changed = source_changed
    audio.stereo = stereo
    audio.n_seats = 0 if seats is None else <int>len(seats)
    audio.seats = seat_bytes
    for i in range(audio.n_seats):
        seat_bytes[i] = seats[i]
    for i in range(<Py_ssize_t>len(ordered)):
        frame = <bytes>ordered[i]
        audio.frame[i] = <const uint8_t*><const char*>frame
        audio.frame_bytes[i] = <int>min(len(frame), OPUS_FRAME_MAX_BYTES + 1)
    return ordered


def pack_audio_into(buffer, frames, *, seq, timestamp, level=LEVEL_SILENCE, gain=0, redundant=(), prime=(), distance=1,
                    source_changed=False, stereo=False, seats=None):
    """Pack an audio datagram into a writable buffer and return its length in bytes.

    `frames`, `redundant` and `prime` are sequences of bytes (1-3, 0-2, 0-2 of them). `seats` is given on the way
    down only: seat numbers, loudest first. Raises PacketError for counts or sizes out of bounds, or a buffer that
    is too small; ValueError for a field out of range.
    """
    cdef audio_t audio
    cdef uint8_t seat_bytes[255]
    cdef Py_buffer view
    cdef int size
    kept = _describe(&audio, seat_bytes, frames, seq, timestamp, level, gain, redundant, prime, distance, source_changed, stereo, seats)
    PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    size = packet_pack_audio(&audio, seats is not None, <uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES))
    PyBuffer_Release(&view)
    del kept
    if size < 0:
        raise packet_error(size)
    return size


def pack_audio(frames, *, seq, timestamp, level=LEVEL_SILENCE, gain=0, redundant=(), prime=(), distance=1,
               source_changed=False, stereo=False, seats=None):
    """As pack_audio_into, returning fresh bytes."""
    cdef audio_t audio
    cdef uint8_t seat_bytes[255]
    cdef uint8_t out[DATAGRAM_MAX_BYTES]
    kept = _describe(&audio, seat_bytes, frames, seq, timestamp, level, gain, redundant, prime, distance, source_changed, stereo, seats)
    cdef int size = packet_pack_audio(&audio, seats is not None, out, DATAGRAM_MAX_BYTES)
    del kept
    if size < 0:
        raise packet_error(size)
    return PyBytes_FromStringAndSize(<const char*>out, size)
