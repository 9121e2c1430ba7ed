"""Talker: captured frames to audio datagrams, by the protocol's rules for sequence, timestamp and silence.

No loop, no socket, no clock: times are arguments, in microseconds of any monotonic clock.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from typing_extensions import Buffer

from signaling.client.errors import BadAudio
from signaling.client.past import Past
from signaling.protocol.datagram import FRAME_SAMPLES, MAX_DTX_FRAME_BYTES, pack_audio, parse_report
from signaling.protocol.terms import DATAGRAM_BYTES
from spacecore import (
    Advice,
    Denoiser,
    Encoder,
    PacketError,
    SpacecoreError,
    level_of,
    packet_duration_samples,
)
from spacecore._mixer import Ramp, pcm_of

__all__ = ["BURST_FRAMES", "GAP_US", "SILENT_LEVEL", "SPOKEN_LEVEL", "Talker", "TalkerStats", "Voice"]

FRAME_US: Final = 20_000
GAP_US: Final = 200_000
"""A frame captured so much later than expected begins after a pause; less is only an uneven capture."""
BURST_FRAMES: Final = 10
"""So many frames may be ahead of the clock: as many as the connection's queue holds."""
SILENT_LEVEL: Final = 127
SPOKEN_LEVEL: Final = 30
"""What a packet of unknown level is announced with: ordinary speech, so that it is heard."""

_KEEP_ALIVE_SAMPLES: Final = 20 * FRAME_SAMPLES  # in silence one frame every 400 ms
_PACE_US: Final = FRAME_US * 50 // 51  # 2 % above real time: no sound card's clock is that wrong
_SETTLE: Final = 64  # an uneven capture is forgotten, and a drifting one followed, over so many frames
# An empty Opus frame: a packet of one byte (RFC 6716, 3.1: hybrid, full band, 20 ms, mono, code 0).
_SILENCE: Final = b"\x78"
_MOST_EXPECTED_PCT: Final = 30  # beyond this libopus spends most of its bits on what may be lost
_MOST_FRAMES_BYTES: Final = DATAGRAM_BYTES - 16  # all frames of a datagram: its header and two lengths apart
_LEAST_BPS: Final = 12_000  # whatever is advised
_VOICE_BIT: Final = 0x80
_VOICE_LEVEL: Final = 50  # louder than this (smaller) is announced as voice, as nothing here can tell better


@dataclass(frozen=True, slots=True)
class Voice:
    """How speech is encoded. The bits go before complexity: 48 kbit/s at 5 sounds better than 32 at 10.

    `loss_pct` is the least loss that in-band FEC is made for; what the server reports of ours adds to it, and
    without loss there is none. `bitrate_bps` is the most: a server whose network is bad may ask for less.
    `denoise` takes out what is no voice, before it is encoded (needs the extra `denoise`; else DenoiseError).
    """

    bitrate_bps: int = 48_000
    complexity: int = 5
    loss_pct: int = 0
    dtx: bool = True
    denoise: bool = False


@dataclass(slots=True)
class TalkerStats:
    """Counters since the start, in frames; reading them changes nothing."""

    captured: int = 0
    sent: int = 0
    silent: int = 0  # not sent, as the rule of silence wants it
    held: int = 0  # not sent because one may not speak at the moment
    too_fast: int = 0  # refused: more than BURST_FRAMES ahead of the clock
    sent_bytes: int = 0
    copied: int = 0  # sent once more, in a later datagram
    reports: int = 0  # of the server's, on how our frames arrive
    reported_lost: int = 0  # in these: frames that did not
    fec_pct: int = 0  # at present: the loss that FEC is made for
    copies: int = 0  # at present: in each datagram
    bitrate_bps: int = 0  # at present; 0 before the first frame


class Talker:
    """One speaker's outgoing stream. Give it every captured frame; it returns the datagram to send, or None.

    seq goes up by one for each frame sent. The timestamp follows capture: by 960 for each frame, sent or not,
    and over a pause of 200 ms and more by as many whole frames as it lasted. The first frame of silence (≤ 2
    bytes) is sent, then one every 400 ms. **It keeps no audio**: what it does not return is gone.
    """

    def __init__(self, voice: Voice | None = None, *, seq: int = 0, timestamp: int = 0) -> None:
        self.stats = TalkerStats()
        self._voice = voice or Voice()
        self._encoder: Encoder | None = None  # made for the first frame: most people only listen
        self._advice = Advice()
        self._past = Past()
        self._seq = seq
        self._timestamp = timestamp  # of the next frame
        self._sent_timestamp: int | None = None  # of the last frame sent
        self._sounding = False  # the last frame sent was sound
        self._denoiser = Denoiser() if self._voice.denoise else None
        self._door = Ramp()  # over one frame, so that a voice that is let in or shut out makes no click
        self._expected_us: int | None = None  # when the next frame should be captured
        self._allowed_us = 0  # not before this moment is the bucket of BURST_FRAMES full again

    def speak(self, pcm: Buffer, captured_us: int) -> bytes | None:
        """20 ms of samples: float32 in [-1, 1] or int16, 960 of them. Raises BadAudio.

        After what was held or hushed the frame fades in.
        """
        is_int16 = _is_int16(pcm)
        timestamp = self._capture(captured_us)
        if not self._in_time(captured_us):
            return None
        with _bad_audio("bad_pcm"):
            if self._encoder is None:
                self._encoder = _encoder(self._voice)
                self._follow()
            pcm, is_int16 = self._clean(pcm, is_int16)
            packet = self._encoder.encode(self._through(pcm, is_int16, 1.0))
            level = level_of(pcm_of(pcm) if is_int16 else pcm)
        return self._put(packet, level, timestamp)

    def hush(self, pcm: Buffer, captured_us: int) -> bytes | None:
        """20 ms that shall not be heard, though one may speak: the first fades out, the others are held.

        Raises BadAudio, as `speak`.
        """
        is_int16 = _is_int16(pcm)
        if not self._sounding or self._door.gain == 0 or self._encoder is None:
            return self.hold(captured_us)
        timestamp = self._capture(captured_us)
        if not self._in_time(captured_us):
            return None
        with _bad_audio("bad_pcm"):
            pcm, is_int16 = self._clean(pcm, is_int16)
            packet = self._encoder.encode(self._through(pcm, is_int16, 0.0))
            level = level_of(pcm_of(pcm) if is_int16 else pcm)
        return self._put(packet, level, timestamp)

    def send_opus(self, packet: bytes, captured_us: int, level: int = SPOKEN_LEVEL) -> bytes | None:
        """One Opus packet of 20 ms, as it is. `level` is −dBov, 127 silence (RFC 6464). Raises BadAudio."""
        if not 0 <= level <= SILENT_LEVEL:
            raise BadAudio(
                "bad_packet", f"level {level} is outside 0..127 (−dBov): 0 is loudest, 127 silence"
            )
        with _bad_audio("bad_packet"):
            samples = packet_duration_samples(packet)
        if samples != FRAME_SAMPLES:
            raise BadAudio(
                "bad_packet", f"the packet lasts {samples / 48:g} ms; encode packets of 20 ms, one at a time"
            )
        timestamp = self._capture(captured_us)
        return self._put(packet, level, timestamp) if self._in_time(captured_us) else None

    def hold(self, captured_us: int) -> bytes | None:
        """A captured frame that may not be heard: time goes on. Returns what announces the silence, once."""
        timestamp = self._capture(captured_us)
        self.stats.held += 1
        self._shut()
        return self._pack(_SILENCE, SILENT_LEVEL, timestamp) if self._sounding else None

    def pause(self) -> bytes | None:
        """Nothing is captured for a while: the frame that says so, if one spoke until now."""
        if not self._sounding:
            return None
        timestamp, self._timestamp = self._timestamp, self._timestamp + FRAME_SAMPLES
        if self._expected_us is not None:  # it takes the place of a captured frame
            self._expected_us += FRAME_US
        return self._pack(_SILENCE, SILENT_LEVEL, timestamp)

    def on_report(self, datagram: bytes, redundancy: int) -> None:
        """How our frames arrive: do as is advised there, with at most `redundancy` copies in a datagram."""
        try:
            report = parse_report(datagram)
        except PacketError:
            return
        self.stats.reports += 1
        self.stats.reported_lost += report.lost
        if report.advice is not None:
            self._advice = report.advice._replace(copies=min(report.advice.copies, redundancy))
            self._follow()

    def reset(self) -> None:
        """Another seat is a new stream: the encoder forgets what was; the numbers go on."""
        if self._encoder is not None:
            self._encoder.reset()
        self._past.forget()
        self._sounding = False
        self._door = Ramp()

    # Inside

    def _shut(self) -> None:
        if self._door.gain != 0:
            self._door = Ramp(0.0)

    def _clean(self, pcm: Buffer, is_int16: bool) -> tuple[Buffer, bool]:
        """The frame without what is no voice, where that is wanted, and whether it is of int16."""
        if self._denoiser is None:
            return pcm, is_int16
        cleaned = _floats(pcm, is_int16)
        self._denoiser.apply(cleaned)
        return cleaned, False

    def _through(self, pcm: Buffer, is_int16: bool, gain: float) -> Buffer:
        """The frame on its way from the last one's gain to this; itself, where that is 1 throughout."""
        self._door.target = gain
        if self._door.gain == gain == 1.0:
            return pcm
        faded = _floats(pcm, is_int16)
        self._door.apply(faded)
        return faded

    def _capture(self, captured_us: int) -> int:
        """The timestamp of a captured frame: the next one, moved over the pause before it if there is one."""
        self.stats.captured += 1
        if self._expected_us is None:
            self._expected_us = captured_us
        late_us = captured_us - self._expected_us
        if late_us >= GAP_US:
            missed = late_us // FRAME_US
            self._timestamp += missed * FRAME_SAMPLES
            self._expected_us += missed * FRAME_US
        else:
            self._expected_us += late_us // _SETTLE
        self._expected_us += FRAME_US
        timestamp, self._timestamp = self._timestamp, self._timestamp + FRAME_SAMPLES
        return timestamp

    def _in_time(self, captured_us: int) -> bool:
        start_us = max(self._allowed_us, captured_us)
        if start_us - captured_us > (BURST_FRAMES - 1) * _PACE_US:
            self.stats.too_fast += 1
            return False
        self._allowed_us = start_us + _PACE_US
        return True

    def _put(self, packet: bytes, level: int, timestamp: int) -> bytes | None:
        """Send sound; of silence the first frame, then one every 400 ms."""
        if len(packet) > MAX_DTX_FRAME_BYTES:
            voice = _VOICE_BIT if level < _VOICE_LEVEL else 0
            datagram = self._pack(packet, level | voice, timestamp)
            self._sounding = True
            return datagram
        sent = self._sent_timestamp
        if self._sounding or sent is None or timestamp - sent >= _KEEP_ALIVE_SAMPLES:
            return self._pack(packet, SILENT_LEVEL, timestamp)
        self.stats.silent += 1
        return None

    def _copies(self, packet: bytes, timestamp: int) -> tuple[bytes, ...]:
        """What goes with this frame: nothing with the one that says silence, and nothing that has no room."""
        if not self._advice.copies or len(packet) <= MAX_DTX_FRAME_BYTES:
            return ()
        copies = self._past.copies(self._seq, timestamp, self._advice.copies, self._advice.distance)
        fits = sum(map(len, copies)) + len(packet) <= _MOST_FRAMES_BYTES
        return copies if fits else ()

    def _follow(self) -> None:
        """Set the encoder as is advised, within what was chosen here."""
        advice, voice, stats = self._advice, self._voice, self.stats
        stats.fec_pct = max(voice.loss_pct, min(advice.expect_pct, _MOST_EXPECTED_PCT))
        stats.copies = advice.copies
        if self._encoder is None:
            return
        stats.bitrate_bps = voice.bitrate_bps
        if advice.most_kbps:
            stats.bitrate_bps = min(voice.bitrate_bps, max(_LEAST_BPS, 1000 * advice.most_kbps))
        self._encoder.bitrate_bps = stats.bitrate_bps
        self._encoder.fec, self._encoder.loss_pct = stats.fec_pct > 0, stats.fec_pct

    def _pack(self, packet: bytes, level: int, timestamp: int) -> bytes:
        copies = self._copies(packet, timestamp)
        with _bad_audio("bad_packet"):
            datagram = pack_audio(
                [packet],
                seq=self._seq & 0xFFFF,
                timestamp=timestamp & 0xFFFF_FFFF,
                level=level,
                redundant=copies,
                distance=self._advice.distance if copies else 1,
            )
        self._past.add(self._seq, timestamp, packet)
        self._seq += 1
        self.stats.copied += len(copies)
        self._sent_timestamp = timestamp
        self._sounding = False
        self.stats.sent += 1
        self.stats.sent_bytes += len(datagram)
        return datagram


def _floats(pcm: Buffer, is_int16: bool) -> array[float]:
    """The frame as float32, to be changed in place."""
    samples = array("f")
    samples.frombytes(memoryview(pcm_of(pcm) if is_int16 else pcm).cast("B"))
    return samples


def _is_int16(pcm: Buffer) -> bool:
    with memoryview(pcm) as view:
        if view.format not in ("f", "h") or view.nbytes != FRAME_SAMPLES * view.itemsize:
            raise BadAudio(
                "bad_pcm",
                f"{view.nbytes // view.itemsize} samples of format {view.format!r}; a frame is "
                "960 samples (20 ms at 48 kHz, mono) of float32 ('f') or int16 ('h')",
            )
        return view.format == "h"


def _encoder(voice: Voice) -> Encoder:
    return Encoder(
        bitrate_bps=voice.bitrate_bps,
        complexity=voice.complexity,
        fec=voice.loss_pct > 0,
        loss_pct=voice.loss_pct,
        dtx=voice.dtx,
    )


@contextmanager
def _bad_audio(code: str) -> Iterator[None]:
    try:
        yield
    except SpacecoreError as error:
        raise BadAudio(code, str(error)) from error
