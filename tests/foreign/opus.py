"""Opus by ctypes over the libopus that PyAV's wheel carries: mono, 48 kHz, frames of 20 ms."""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
FRAME_SAMPLES = 960
MAX_FRAME_BYTES = 1275

Samples = NDArray[np.float32]

_APPLICATION_VOIP = 2048
_SET_BITRATE, _SET_INBAND_FEC, _SET_PACKET_LOSS_PERC, _SET_DTX = 4002, 4012, 4014, 4016
_RESET_STATE = 4028

_FLOATS = ctypes.POINTER(ctypes.c_float)


class OpusError(Exception):
    """libopus answered with a negative number."""


def _find() -> str:
    """Path of a libopus: beside the `av` package, else what the system has."""
    spec = find_spec("av")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        for folder in (package.parent / "av.libs", package / ".dylibs"):
            for path in sorted(folder.glob("libopus*")):
                return str(path)
    found = ctypes.util.find_library("opus")
    if found is None:
        raise OpusError("no libopus beside the `av` package and none on the system; install `av`")
    return found


@cache
def _library() -> ctypes.CDLL:
    """libopus with its functions declared; ctl is variadic, so only its fixed arguments are."""
    lib = ctypes.CDLL(_find())
    handle, number, octets = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
    error = ctypes.POINTER(ctypes.c_int)
    lib.opus_encoder_create.argtypes = [number, ctypes.c_int, ctypes.c_int, error]
    lib.opus_encoder_create.restype = handle
    lib.opus_decoder_create.argtypes = [number, ctypes.c_int, error]
    lib.opus_decoder_create.restype = handle
    lib.opus_encode_float.argtypes = [handle, _FLOATS, ctypes.c_int, octets, number]
    lib.opus_decode_float.argtypes = [handle, octets, number, _FLOATS, ctypes.c_int, ctypes.c_int]
    lib.opus_encoder_ctl.argtypes = [handle, ctypes.c_int]
    lib.opus_encoder_destroy.argtypes = [handle]
    lib.opus_encoder_destroy.restype = None
    lib.opus_decoder_destroy.argtypes = [handle]
    lib.opus_decoder_destroy.restype = None
    return lib


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OpusError(f"{what} failed with {result}")
    return result


class Encoder:
    """A voice encoder as "Sending audio" advises: VOIP, in-band FEC, a few per cent of loss, DTX."""

    def __init__(self, *, bitrate: int = 32_000, loss_percent: int = 5, dtx: bool = True) -> None:
        self._lib = _library()
        error = ctypes.c_int()
        self._state: int | None = self._lib.opus_encoder_create(
            RATE, 1, _APPLICATION_VOIP, ctypes.byref(error)
        )
        _checked(error.value, "opus_encoder_create")
        for option, value in (
            (_SET_BITRATE, bitrate),
            (_SET_INBAND_FEC, 1),
            (_SET_PACKET_LOSS_PERC, loss_percent),
            (_SET_DTX, int(dtx)),
        ):
            answer = self._lib.opus_encoder_ctl(self._state, option, ctypes.c_int32(value))
            _checked(answer, f"opus_encoder_ctl({option})")
        self._packet = ctypes.create_string_buffer(MAX_FRAME_BYTES)

    def encode(self, pcm: Samples) -> bytes:
        """One packet for 960 samples; 1 or 2 bytes mean DTX."""
        if pcm.shape != (FRAME_SAMPLES,):
            raise ValueError(f"{pcm.shape} is not the shape of a frame; give {FRAME_SAMPLES} samples")
        samples = np.ascontiguousarray(pcm, dtype=np.float32)
        size = self._lib.opus_encode_float(
            self._state, samples.ctypes.data_as(_FLOATS), FRAME_SAMPLES, self._packet, MAX_FRAME_BYTES
        )
        return self._packet.raw[: _checked(size, "opus_encode_float")]

    def reset(self) -> None:
        """Forget the stream so far; the settings stay."""
        _checked(self._lib.opus_encoder_ctl(self._state, _RESET_STATE), "opus_encoder_ctl(reset)")

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None:
            self._lib.opus_encoder_destroy(self._state)
            self._state = None


class Decoder:
    """One mono decoder at 48 kHz."""

    def __init__(self) -> None:
        self._lib = _library()
        error = ctypes.c_int()
        self._state: int | None = self._lib.opus_decoder_create(RATE, 1, ctypes.byref(error))
        _checked(error.value, "opus_decoder_create")

    def decode(self, packet: bytes | None, *, fec: bool = False) -> Samples:
        """960 samples: of `packet`, of what it says about the frame before it (`fec`), or made up (None)."""
        out = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        size = self._lib.opus_decode_float(
            self._state,
            packet,
            0 if packet is None else len(packet),
            out.ctypes.data_as(_FLOATS),
            FRAME_SAMPLES,
            int(fec),
        )
        _checked(size, "opus_decode_float")
        return out

    def __del__(self) -> None:
        if getattr(self, "_state", None) is not None:
            self._lib.opus_decoder_destroy(self._state)
            self._state = None


def lasts_20_ms(packet: bytes) -> bool:
    """Whether a packet holds exactly one frame of 20 ms (RFC 6716, 3.1 and 3.2)."""
    if not 1 <= len(packet) <= MAX_FRAME_BYTES:
        return False
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        is_20_ms = config & 3 == 1
    elif config < 16:
        is_20_ms = config & 1 == 1
    else:
        is_20_ms = config & 3 == 3
    return is_20_ms and (code == 0 or (code == 3 and len(packet) > 1 and packet[1] & 0x3F == 1))
