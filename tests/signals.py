"""Seeded sounds that stand in for speech: voiced syllables with pauses, different for each seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
FRAME = 960

Samples = NDArray[np.float32]


def voice(seed: int, seconds: float, *, peak: float = 0.4, pauses: bool = False) -> Samples:
    """Harmonics of a wandering pitch under a syllable envelope, with a little breath noise.

    With `pauses`, every third second is digital silence.
    """
    rng = np.random.default_rng(seed)
    n = int(RATE * seconds)
    t = np.arange(n) / RATE
    pitch = 110 + 60 * rng.random() + 15 * np.sin(2 * np.pi * (0.7 + rng.random()) * t + rng.random())
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = 300 + 500 * rng.random(3) * np.arange(1, 4)
    sound = np.zeros(n)
    for harmonic in range(1, 24):
        frequency = harmonic * pitch.mean()
        weight = sum(np.exp(-(((frequency - f) / 220) ** 2)) for f in formants) + 0.02
        sound += weight * np.sin(harmonic * phase + rng.random() * 6)
    syllable = 0.55 + 0.45 * np.sin(2 * np.pi * (3 + rng.random()) * t + 6 * rng.random())
    sound = sound * syllable + 0.01 * rng.standard_normal(n)
    sound *= peak / np.abs(sound).max()
    if pauses:
        sound[(t.astype(int) % 3) == 2] = 0
    return sound.astype(np.float32)


def tone(frequency_hz: float, seconds: float, *, peak: float = 0.3) -> Samples:
    """A sine."""
    return (peak * np.sin(2 * np.pi * frequency_hz * np.arange(int(RATE * seconds)) / RATE)).astype(
        np.float32
    )


def frames(samples: Samples) -> list[Samples]:
    """Cut into 20 ms; an unfinished last frame is left out."""
    return [samples[i : i + FRAME] for i in range(0, len(samples) - FRAME + 1, FRAME)]


def correlation(heard: Samples, source: Samples, *, max_lag_ms: float = 400) -> float:
    """Largest normalised cross-correlation over lags 0..max_lag_ms of `heard`: 1.0 is the same sound."""
    n = min(len(heard), len(source))
    heard64, source64 = heard[:n].astype(np.float64), source[:n].astype(np.float64)
    size = 1 << int(np.ceil(np.log2(2 * n)))
    product = np.fft.irfft(np.fft.rfft(heard64, size) * np.conj(np.fft.rfft(source64, size)), size)
    norm = np.sqrt((heard64**2).sum() * (source64**2).sum())
    lags = product[: int(RATE * max_lag_ms / 1000) + 1]
    return float(lags.max() / norm) if norm > 0 else 0.0
