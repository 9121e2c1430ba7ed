"""The demo's script: who says what, and when. Times are seconds from the host's first sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from signaling.cli.failures import Failure, Misuse
from signaling.cli.sound.samples import RATE_HZ, Samples
from signaling.cli.sound.sources import load
from signaling.cli.sound.speech import HIGH_VOICE, LOW_VOICE, speak

__all__ = [
    "ADMIT_S",
    "ASK_S",
    "END_S",
    "GUEST_JOINS_S",
    "GUEST_S",
    "GUEST_SPEAKS_S",
    "HOST_S",
    "LISTENERS_JOIN_S",
    "MEASURED_FROM_S",
    "PICTURE_S",
    "Voices",
    "voices",
]

HOST_S: Final = 7.6
"""So long the host speaks."""
LISTENERS_JOIN_S: Final = (0.6, 1.2)
GUEST_JOINS_S: Final = 1.8
ASK_S: Final = 2.6
ADMIT_S: Final = 3.8
GUEST_SPEAKS_S: Final = 5.6
"""From here to the end of the host's words both speak at once."""
GUEST_S: Final = 5.4
LEAST_S: Final = 4.0
"""A file that is shorter ends before everybody is there to hear it."""
END_S: Final = 12.2
MEASURED_FROM_S: Final = 3.0
PICTURE_S: Final = 6.8

_HOST_TEXT: Final = (
    "Welcome to this Space. A live room is only as good as its sound, so each voice is mixed just once, "
    "for everybody who listens. But I have talked enough. Let us hear our guest."
)
_GUEST_TEXT: Final = (
    "Thank you for letting me in. I was only listening a moment ago, and now you all hear me, "
    "while I never hear an echo of myself."
)
_PEAK_HEARD: Final = 0.003  # −50 dB: below it the room takes a voice for silence


@dataclass(frozen=True, slots=True)
class Voices:
    """What the two speakers say, 48 kHz."""

    host: Samples
    guest: Samples


def voices(files: list[Path]) -> Voices:
    """Spoken sentences, or the given files in their place. Misuse, and Failure as for AudioFile."""
    if len(files) > 2:
        raise Misuse(
            "too_many_files", f"{len(files)} files are given and two people speak", "give up to 2 files"
        )
    if len(files) == 2 and files[0].resolve() == files[1].resolve():
        raise Misuse(
            "same_file",
            f"both speakers would say {files[0]}, and nobody could tell who is heard",
            "give two different files",
        )
    host = _of_file(files[0], HOST_S) if files else speak(_HOST_TEXT, voice=LOW_VOICE, pitch=40)
    guest = _of_file(files[1], GUEST_S) if len(files) == 2 else speak(_GUEST_TEXT, voice=HIGH_VOICE, pitch=60)
    return Voices(_cut(host, HOST_S), _cut(guest, GUEST_S))


def _of_file(path: Path, seconds: float) -> Samples:
    sound = load(path, seconds)
    if len(sound) < LEAST_S * RATE_HZ:
        raise Failure(
            "file_short",
            f"{path} lasts {len(sound) / RATE_HZ:.1f} s and at least {LEAST_S:g} s are measured",
            "name a longer one",
        )
    peak = float(np.abs(sound).max())
    if peak < _PEAK_HEARD:
        raise Failure(
            "file_silent",
            f"the first {seconds:g} s of {path} peak at {peak:.5f} of 1 and below {_PEAK_HEARD} is silence",
            "name a file that begins with speech",
        )
    return sound


def _cut(sound: Samples, seconds: float) -> Samples:
    """At most so long, ending in a short fade where something was cut off."""
    most = int(seconds * RATE_HZ)
    if len(sound) <= most:
        return sound
    fade = RATE_HZ // 50
    cut = sound[:most].copy()
    cut[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return cut
