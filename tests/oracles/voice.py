"""Sound that an Opus encoder treats as speech: voiced syllables, fricatives and pauses, from a seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FRAME_SAMPLES = 960


def voice(frames: int, seed: int = 0, channels: int = 1) -> npt.NDArray[np.float32]:
    """float32 of shape (frames, 960 * channels), stereo interleaved, peak 0.6."""
    rng = np.random.default_rng(seed)
    n = frames * FRAME_SAMPLES
    t = np.arange(n) / 48000
    pitch = 120 * (1 + 0.2 * np.sin(2 * np.pi * 0.9 * t + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / 48000
    voiced = sum(np.sin(k * phase) * np.exp(-(((k * 120 - 600) / 900) ** 2)) for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * t + rng.uniform(0, 6)) + 0.3, 0, None)
    hiss = np.clip(np.sin(2 * np.pi * 1.3 * t), 0, None) ** 4 * rng.standard_normal(n)
    sound = voiced * syllables + 0.5 * hiss + 0.002 * rng.standard_normal(n)
    out = np.stack([np.roll(sound, 40 * c) * (1 - 0.3 * c) for c in range(channels)], axis=1)
    out *= 0.6 / np.abs(out).max()
    return out.astype(np.float32).reshape(frames, FRAME_SAMPLES * channels)
