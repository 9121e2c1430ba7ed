"""The mixer in numpy, whole frames at a time, in the dtype of its input: for tests and benchmarks.

Arrays are (rows, 960) or (960,) samples at 48 kHz, full scale 1; float64 is the truth the tests compare with,
float32 the fair opponent in a race. `limit_by_the_book` is the limiter once more, sample by sample, so that
the vectorised recurrence is itself held to something plain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

FRAME = 960
SUBFRAME = 24
SUBFRAMES = FRAME // SUBFRAME
DECAY = 0.9971259
KNEE_START = 10 ** (-0.75 / 20)
KNEE_END = 10 ** (0.25 / 20)
UNITY_OUT = 10 ** (1 / 20)
VOICE_CEILING = 4.0
MIX_CEILING = 64.0

FROM_END = np.arange(FRAME - 1, -1, -1) / FRAME
LINEAR = 1 - np.arange(SUBFRAME) / SUBFRAME
POWERS = DECAY ** np.arange(SUBFRAMES)


def sound(pcm: Floats, ceiling: float) -> Floats:
    """NaN and infinities become 0, the rest is held to ±ceiling."""
    return np.clip(np.where(np.isfinite(pcm), pcm, pcm.dtype.type(0)), -ceiling, ceiling)


def ramp(pcm: Floats, gain: Floats, target: Floats) -> Floats:
    """Frames (rows, 960) under a linear ramp from `gain` to `target` (rows,), reached on the last sample."""
    from_end = FROM_END.astype(pcm.dtype, copy=False)
    return sound(pcm, VOICE_CEILING) * (target[:, None] - (target - gain)[:, None] * from_end)


def level(pcm: Floats) -> npt.NDArray[np.int64]:
    """RFC 6464 level of each row."""
    rows = np.atleast_2d(pcm)
    rows = np.where(np.isfinite(rows), rows, rows.dtype.type(0))
    mean_square = np.maximum(np.einsum("rn,rn->r", rows, rows) / rows.shape[1], 1e-30)
    rounded: Floats = np.floor(0.5 - 10 * np.log10(mean_square))
    return np.clip(rounded, 0, 127).astype(np.int64)


def static_gain(envelope: Floats) -> Floats:
    """The limiter's curve, from envelope to gain, both linear."""
    db = 20 * np.log10(np.maximum(envelope, 1e-9))
    out = np.where(db < 0.25, db - 0.4 * (db + 0.75) ** 2, (db - 1) / 5)
    out = np.where(db >= 1, 0, out)
    return np.where(envelope <= KNEE_START, 1, 10 ** ((out - db) / 20)).astype(envelope.dtype, copy=False)


class LimiterReference:
    """As many limiters as rows, each with its own state."""

    def __init__(self, rows: int, dtype: npt.DTypeLike = np.float64) -> None:
        self.envelope: Floats = np.zeros(rows, dtype)
        self.gain: Floats = np.ones(rows, dtype)

    def apply(self, pcm: Floats) -> Floats:
        """Limit frames (rows, 960); returns the limited copy."""
        frames = sound(pcm, MIX_CEILING).reshape(len(pcm), SUBFRAMES, SUBFRAME)
        peaks = np.abs(frames).max(axis=2)
        peaks[:, :-1] = np.maximum(peaks[:, :-1], peaks[:, 1:])
        envelope = self._follow(peaks)
        quiet = peaks.max() <= KNEE_START and self.envelope.max() <= KNEE_START and (self.gain == 1).all()
        self.envelope = envelope[:, -1]
        if quiet:
            return frames.reshape(pcm.shape)
        after = static_gain(envelope)
        before = np.concatenate([self.gain[:, None], after[:, :-1]], axis=1)
        self.gain = after[:, -1]
        weights = np.broadcast_to(LINEAR.astype(pcm.dtype, copy=False), frames.shape).copy()
        weights[before[:, 0] > after[:, 0], 0] **= 8
        gains = after[:, :, None] + weights * (before - after)[:, :, None]
        limited: Floats = np.clip(frames * gains, -1, 1)
        return limited.reshape(pcm.shape)

    def _follow(self, peaks: Floats) -> Floats:
        """state = max(peak, peak + DECAY (state − peak)) over the sub-frames, without a loop.

        A chain of such steps is itself a maximum over the sub-frame where it last rose, so that with the pure
        decay `base` of all peaks taken out, a running maximum remains.
        """
        powers = POWERS.astype(peaks.dtype, copy=False)
        base = np.cumsum((1 - DECAY) * peaks / powers, axis=1) * powers
        risen = np.maximum.accumulate((peaks - base) / powers, axis=1)
        followed: Floats = base + powers * np.maximum(risen, DECAY * self.envelope[:, None])
        return followed


class MixerReference:
    """One room: the whole mix of a frame, every seat and every output at once."""

    def __init__(self, seats: int, dtype: npt.DTypeLike = np.float64) -> None:
        self.gain: Floats = np.ones(seats, dtype)
        self.limiter = LimiterReference(seats + 1, dtype)
        self.levels = np.full(seats, 127)

    def mix(self, voices: Floats, gains: Sequence[float] | None = None) -> tuple[Floats, Floats]:
        """The full mix (960,) and each seat's mix-minus (seats, 960)."""
        target = self.gain if gains is None else np.asarray(gains, self.gain.dtype)
        scaled = ramp(voices, self.gain, target)
        self.gain = target
        self.levels = level(scaled)
        total = scaled.sum(axis=0)
        limited = self.limiter.apply(np.concatenate([total - scaled, total[None]]))
        return limited[-1], limited[:-1]


def limit_by_the_book(frames: Sequence[Sequence[float]]) -> list[list[float]]:
    """One limiter over consecutive frames of up to 960 samples each, one sample after the other."""
    state, gain, done = 0.0, 1.0, []
    for frame in frames:
        parts = [frame[start : start + SUBFRAME] for start in range(0, len(frame), SUBFRAME)]
        peaks = [max(abs(sample) for sample in part) for part in parts] + [0.0]
        limited: list[float] = []
        for index, part in enumerate(parts):
            ahead = max(peaks[index], peaks[index + 1])
            state = ahead if ahead > state else ahead * (1 - DECAY) + state * DECAY
            wanted = float(static_gain(np.array([state]))[0])
            power = 8 if index == 0 and wanted < gain else 1
            for position, sample in enumerate(part):
                weight = (1 - position / SUBFRAME) ** power
                limited.append(max(-1.0, min(1.0, sample * (wanted + weight * (gain - wanted)))))
            gain = wanted + (1 - len(part) / SUBFRAME) ** power * (gain - wanted)
        done.append(limited)
    return done


def level_by_the_book(pcm: Sequence[float]) -> float:
    """The level before rounding; infinite for silence."""
    mean_square = math.fsum(sample * sample for sample in pcm) / len(pcm)
    return -10 * math.log10(mean_square) if mean_square > 0 else math.inf
