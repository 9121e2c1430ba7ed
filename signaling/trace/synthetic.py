"""Datagrams for those whose sound was not kept: the same header, sizes, TOC and FEC flags, and silence.

To a jitter buffer they are the same: of the sound it knows the duration (from the TOC), whether a frame
carries FEC, and whether it says that silence follows (by its size).
"""

from __future__ import annotations

from signaling.trace.records import Arrival, Shape

__all__ = ["datagram_of", "frame_of"]

_CODE, _STEREO = 3, 4
_CELT = 16  # the first configuration without a SILK layer, where FEC would be
_FIRST_PADDING = 0x40


def datagram_of(arrival: Arrival) -> bytes:
    """The datagram of an arrival; as it came if it was kept whole, else made of its header and shapes.

    Of what was no audio nothing but the header is known: the rest is zero.
    """
    if arrival.whole:
        return arrival.data
    if not arrival.shapes:
        return arrival.data.ljust(arrival.n_bytes, b"\0")
    frames = [frame_of(shape) for shape in arrival.shapes]
    parts = [len(each).to_bytes(2, "big") + each for each in frames[:-1]]
    return arrival.data + b"".join(parts) + frames[-1]


def frame_of(shape: Shape) -> bytes:
    """An Opus frame of this shape, RFC 6716 section 3.2: framing as its TOC says, and zeros for the sound."""
    frame = bytearray(shape.n_bytes)
    frame[0] = shape.toc
    first = _framing(frame, shape)
    if shape.has_fec and shape.toc >> 3 < _CELT and first < len(frame):
        # Section 4.2.3: voice activity for each 20 ms of the frame, then the flag.
        flags = max(_silk_samples(shape.toc >> 3) // 960, 1)
        frame[first] |= 1 << (7 - flags)
    return bytes(frame)


def _framing(frame: bytearray, shape: Shape) -> int:
    """Write what stands before the sound; where the first byte of that is."""
    n_bytes, code = len(frame), shape.toc & _CODE
    if code < 2:
        return 1
    if code == 2:
        size = (n_bytes - 2) // 2
        if size < 252:
            frame[1:2] = bytes([max(size, 0)])[: n_bytes - 1]
            return 2
        frame[1:3] = bytes([252 + (size & 3), (size - 252 - (size & 3)) // 4])
        return 3
    if n_bytes < 2:
        return 1
    count = shape.count & 0x3F
    frame[1] = count
    spare = (n_bytes - 2) % count if count else 0
    if not spare:
        return 2
    frame[1] |= _FIRST_PADDING  # all frames of one size, and the rest behind them: its length stands here
    if n_bytes > 2:
        frame[2] = (n_bytes - 3) % count
    return 3


def _silk_samples(config: int) -> int:
    if config >= 12:
        return 480 << (config & 1)
    return 2880 if config & 3 == 3 else 480 << (config & 3)
