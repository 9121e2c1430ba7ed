"""opuslib on the very file that spacecore uses, with what its high-level classes cannot do: loss and FEC."""

from __future__ import annotations

import ctypes
import warnings
from unittest import mock

from spacecore._opus import opus_library

with warnings.catch_warnings(), mock.patch("ctypes.util.find_library", lambda _name: opus_library().path):
    # opuslib compares integers by `is not`, which Python warns of when it compiles it the first time.
    warnings.simplefilter("ignore", SyntaxWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    import opuslib
    import opuslib.api.ctl
    import opuslib.api.decoder
    import opuslib.api.encoder

__all__ = ["SPACECORE_APPLICATIONS", "ReferenceDecoder", "ReferenceEncoder", "has_lbrr", "nb_samples"]

SAMPLE_RATE = 48000
MAX_BYTES = 1275
SPACECORE_APPLICATIONS = {"voip": "voip", "audio": "audio", "lowdelay": "restricted_lowdelay"}


class ReferenceEncoder:
    """opuslib's encoder with all settings that ours has; it takes any Opus frame duration."""

    def __init__(
        self,
        *,
        channels: int = 1,
        application: str = "voip",
        bitrate_bps: int = 32000,
        complexity: int = 9,
        fec: bool = True,
        loss_pct: int = 0,
        dtx: bool = True,
        vbr: bool = True,
    ) -> None:
        self._encoder = opuslib.Encoder(SAMPLE_RATE, channels, SPACECORE_APPLICATIONS[application])
        self._channels = channels
        # The setters of opuslib.Encoder for FEC and DTX do not work (3.0.1); the functions below them do.
        for control, value in (
            (opuslib.api.ctl.set_bitrate, bitrate_bps),
            (opuslib.api.ctl.set_complexity, complexity),
            (opuslib.api.ctl.set_inband_fec, int(fec)),
            (opuslib.api.ctl.set_packet_loss_perc, loss_pct),
            (opuslib.api.ctl.set_dtx, int(dtx)),
            (opuslib.api.ctl.set_vbr, int(vbr)),
        ):
            opuslib.api.encoder.encoder_ctl(self._encoder.encoder_state, control, value)

    def encode(self, pcm: bytes) -> bytes:
        """float32 samples, interleaved."""
        n = len(pcm) // 4 // self._channels
        return opuslib.api.encoder.encode_float(self._encoder.encoder_state, pcm, n, MAX_BYTES)

    def encode_int16(self, pcm: bytes) -> bytes:
        n = len(pcm) // 2 // self._channels
        return opuslib.api.encoder.encode(self._encoder.encoder_state, pcm, n, MAX_BYTES)


class ReferenceDecoder:
    """opuslib's decoder; a lost frame is a NULL packet, which only the C function takes."""

    def __init__(self, *, channels: int = 1, frame_samples: int = 960) -> None:
        self._decoder = opuslib.Decoder(SAMPLE_RATE, channels)
        self._channels = channels
        self._frame_samples = frame_samples

    def decode(self, packet: bytes) -> bytes:
        return self._run(packet, len(packet), False)

    def conceal(self) -> bytes:
        return self._run(None, 0, False)

    def recover(self, next_packet: bytes) -> bytes:
        return self._run(next_packet, len(next_packet), True)

    def _run(self, packet: bytes | None, n_bytes: int, fec: bool) -> bytes:
        pcm = (ctypes.c_float * (self._frame_samples * self._channels))()
        status = opuslib.api.decoder.libopus_decode_float(
            self._decoder.decoder_state,
            packet,
            n_bytes,
            ctypes.cast(pcm, opuslib.api.c_float_pointer),
            self._frame_samples,
            int(fec),
        )
        if status < 0:
            raise opuslib.OpusError(status)
        assert status == self._frame_samples
        return bytes(pcm)


def has_lbrr(packet: bytes) -> int | None:
    """What libopus says of a packet's FEC: 1, 0, or a status if malformed; None if it cannot tell."""
    function = getattr(opuslib.api.libopus, "opus_packet_has_lbrr", None)
    return None if function is None else function(ctypes.c_char_p(packet), ctypes.c_int32(len(packet)))


def nb_samples(packet: bytes) -> int:
    """opus_packet_get_nb_samples at 48 kHz."""
    return opuslib.api.libopus.opus_packet_get_nb_samples(packet, ctypes.c_int32(len(packet)), SAMPLE_RATE)
