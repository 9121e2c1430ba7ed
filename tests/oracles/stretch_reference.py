"""A slow, readable model of time scaling: where two stretches of sound are alike, and their splice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

WINDOW = 480

Samples = npt.NDArray[np.float32]


def likeness(pcm: Samples, place: int, lag: int) -> float:
    """Normalised correlation of the 10 ms at `place` with those `lag` samples on."""
    here = pcm[place : place + WINDOW].astype(np.float64)
    there = pcm[place + lag : place + lag + WINDOW].astype(np.float64)
    norm = np.sqrt((here**2).sum() * (there**2).sum())
    return 1.0 if norm < 1e-9 else float((here * there).sum() / norm)


def shorten(pcm: Samples, lag: int) -> Samples:
    fade = min(lag, WINDOW, len(pcm) - lag)
    weight = np.arange(1, fade + 1) / (fade + 1)
    blend = pcm[:fade] * (1 - weight) + pcm[lag : lag + fade] * weight
    return np.concatenate([blend, pcm[lag + fade :]]).astype(np.float32)


def lengthen(pcm: Samples, place: int, lag: int) -> Samples:
    before, after, again = pcm[:place], pcm[place:], pcm[place - lag : place]
    fade = min(lag, WINDOW, len(after))
    weight = np.arange(1, fade + 1) / (fade + 1)
    blend = after[:fade] * (1 - weight) + again[:fade] * weight
    return np.concatenate([before, blend, again[fade:], after]).astype(np.float32)
