"""What sound is to the commands: arrays of float32 at 48 kHz, and how others become it."""

from __future__ import annotations

from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME_SAMPLES", "FRAME_US", "RATE_HZ", "Samples", "frames_of", "resample"]

RATE_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960
FRAME_US: Final = 20_000

Samples = NDArray[np.float32]


def resample(sound: Samples, rate_hz: int) -> Samples:
    """Mono float32 at `rate_hz` made 48 kHz by FFmpeg's resampler."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(sound).reshape(1, -1), format="flt", layout="mono"
    )
    frame.sample_rate = rate_hz
    pieces = [piece.to_ndarray()[0] for given in (frame, None) for piece in resampler.resample(given)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def frames_of(sound: Samples) -> list[Samples]:
    """Cut into frames of 20 ms; the last one is filled up with silence."""
    missing = -len(sound) % FRAME_SAMPLES
    whole = np.concatenate([sound, np.zeros(missing, np.float32)]) if missing else sound
    return list(np.ascontiguousarray(whole).reshape(-1, FRAME_SAMPLES))
