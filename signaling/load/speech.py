"""What the speakers say: a sound encoded once, whose packets each of them sends with numbers of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from typing_extensions import Buffer

from signaling.load.errors import LoadError
from signaling.protocol.datagram import FRAME_SAMPLES, SAMPLE_RATE_HZ, pack_audio
from spacecore import Encoder, level_of

__all__ = ["MAX_SOUND_S", "Track", "Voice", "babble", "encoded"]

MAX_SOUND_S: Final = 60
"""Of a file so much is encoded, and said again and again."""

_FRAME_US: Final = 20_000
_LATE_US: Final = 200_000  # more is a pause: the timestamp leaps over it
_LEAST_LEVEL: Final = 40  # −dBov: so that the room never takes a soft syllable for silence and pauses
_VOICE_BIT: Final = 0x80
_SILENCE: Final = b"\x78"  # an empty Opus frame (RFC 6716 section 3.1): hybrid, full band, 20 ms, mono
_SILENT_LEVEL: Final = 127


@dataclass(frozen=True, slots=True)
class Track:
    """Opus packets of 20 ms, each with the level that its header says, −dBov."""

    packets: tuple[bytes, ...]
    levels: tuple[int, ...]


def encoded(frames: Iterable[Buffer], bitrate_bps: int = 48_000) -> Track:
    """The packets of a sound: frames of 960 samples, float32 or int16. Without DTX: every frame is sent.

    LoadError(bad_value) for a sound without a frame.
    """
    encoder = Encoder(bitrate_bps=bitrate_bps, dtx=False)
    packets, levels = [], []
    for frame in islice(frames, MAX_SOUND_S * 50):
        packets.append(encoder.encode(frame))
        levels.append(min(_LEAST_LEVEL, level_of(frame)))
    if not packets:
        raise LoadError("bad_value", "the sound has less than one frame of 20 ms; name a longer file")
    return Track(tuple(packets), tuple(levels))


def babble(seconds: float = 4.0, seed: int = 1) -> list[Buffer]:
    """Something like speech without words: syllables of a buzzing voice, wandering formants, breath."""
    rng = np.random.default_rng(seed)
    n_frames = max(1, round(seconds * SAMPLE_RATE_HZ / FRAME_SAMPLES))
    n = n_frames * FRAME_SAMPLES
    at_s = np.arange(n) / SAMPLE_RATE_HZ
    pitch_hz = 120 * (1 + 0.08 * np.sin(2 * np.pi * 0.7 * at_s) + 0.03 * np.sin(2 * np.pi * 2.3 * at_s + 1))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    first_hz = 500 + 200 * np.sin(2 * np.pi * 1.9 * at_s + rng.uniform(0, 6))
    second_hz = 1500 + 500 * np.sin(2 * np.pi * 1.3 * at_s + rng.uniform(0, 6))
    sound = np.zeros(n)
    for harmonic in range(1, 25):
        hz = harmonic * pitch_hz
        strength = np.exp(-(((hz - first_hz) / 220) ** 2)) + 0.5 * np.exp(-(((hz - second_hz) / 300) ** 2))
        sound += (strength + 0.05 / harmonic) * np.sin(harmonic * phase)
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4.1 * at_s + 0.3 * np.sin(2 * np.pi * 0.9 * at_s))
    sound = sound * syllables + 0.02 * rng.standard_normal(n)
    sound *= 0.25 / np.abs(sound).max()
    return [frame.data for frame in sound.astype(np.float32).reshape(n_frames, FRAME_SAMPLES)]


class Voice:
    """One speaker's stream of a track, begun at `offset` frames. `say` returns the datagrams that are due.

    seq goes up by one for each frame sent; the timestamp follows the clock, also over a pause.
    """

    def __init__(self, track: Track, *, offset: int = 0, seq: int = 0) -> None:
        self.sent = 0
        self.late_us = 0
        """The longest that a frame was late because nobody asked for it."""
        self.next_us: int | None = None
        """When the next frame is due; None while it is silent."""
        self._track = track
        self._at = offset
        self._seq = seq
        self._timestamp = 0
        self._ended_us: int | None = None

    def talk(self, now_us: int) -> None:
        """Begin to talk."""
        if self.next_us is not None:
            return
        if self._ended_us is not None:
            self._timestamp += (now_us - self._ended_us) // _FRAME_US * FRAME_SAMPLES
        self.next_us = now_us

    def hush(self, now_us: int) -> bytes | None:
        """Stop; returns the datagram that says so, if it talked."""
        if self.next_us is None:
            return None
        self.next_us, self._ended_us = None, now_us
        return self._pack(_SILENCE, _SILENT_LEVEL)

    def say(self, now_us: int) -> list[bytes]:
        """The frames that are due by now, in order."""
        due: list[bytes] = []
        if self.next_us is None:
            return due
        behind = (now_us - self.next_us) // _FRAME_US
        if behind * _FRAME_US >= _LATE_US:
            self._timestamp += behind * FRAME_SAMPLES
            self.next_us += behind * _FRAME_US
        while self.next_us <= now_us:
            self.late_us = max(self.late_us, now_us - self.next_us)
            at = self._at % len(self._track.packets)
            due.append(self._pack(self._track.packets[at], self._track.levels[at] | _VOICE_BIT))
            self._at += 1
            self.next_us += _FRAME_US
        return due

    def _pack(self, packet: bytes, level: int) -> bytes:
        datagram = pack_audio(
            [packet], seq=self._seq & 0xFFFF, timestamp=self._timestamp & 0xFFFF_FFFF, level=level
        )
        self._seq += 1
        self._timestamp += FRAME_SAMPLES
        self.sent += 1
        return datagram
