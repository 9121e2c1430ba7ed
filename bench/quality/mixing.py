"""Several voices at once: what an integer wrap, a hard clip and our limiter leave of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyebur128

from bench.quality.scores import pesq, stoi
from bench.quality.verdicts import Part, Verdict, at_least, at_most
from bench.quality.voices import SENTENCES, VOICES, Sentence, Sound, at_loudness, spoken
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ
from spacecore import Mixer

COUNTS: Final = (2, 3, 6)
LOUDNESS: Final = -14.0  # LUFS of each voice
MIXTURES: Final = 4
_SECONDS: Final = 8
_FULL_SCALE: Final = 32768


def measure(*, counts: Sequence[int] = COUNTS, mixtures: int = MIXTURES, seconds: int = _SECONDS) -> Part:
    """A row for each number of voices and way of mixing."""
    rows = []
    for count in counts:
        crowds = [voices(count, number, seconds) for number in range(mixtures)]
        rows += [_row(count, name, way, crowds) for name, way in WAYS.items()]
    return Part({"mixing": rows}, verdicts(rows), [])


def voices(count: int, number: int, seconds: int = _SECONDS) -> np.ndarray:
    """(count, samples) of people who talk at once, each at −14 LUFS, cut to whole frames."""
    n = seconds * RATE_HZ // FRAME_SAMPLES * FRAME_SAMPLES
    found = []
    for i in range(count):
        voice = VOICES[(i + number) % len(VOICES)]
        said = [
            spoken(Sentence(voice, SENTENCES[(k + 2 * i + 3 * number) % len(SENTENCES)])) for k in range(2)
        ]
        found.append(at_loudness(np.resize(np.concatenate(said), n), LOUDNESS))
    return np.stack(found)


def wrapped(crowd: np.ndarray) -> Sound:
    """The sum in 16 bits, carelessly."""
    whole = np.round(crowd.sum(axis=0, dtype=np.float64) * _FULL_SCALE).astype(np.int64)
    return np.asarray(((whole + _FULL_SCALE) % (2 * _FULL_SCALE) - _FULL_SCALE) / _FULL_SCALE, np.float32)


def clipped(crowd: np.ndarray) -> Sound:
    """The sum, cut off at full scale."""
    return np.asarray(np.clip(crowd.sum(axis=0), -1, 1 - 1 / _FULL_SCALE), np.float32)


def ours(crowd: np.ndarray) -> Sound:
    """The engine's mixer with its limiter."""
    mixer = Mixer(len(crowd))
    frames = crowd.reshape(len(crowd), -1, FRAME_SAMPLES)
    mixed = [
        np.array(mixer.mix(np.ascontiguousarray(frames[:, i]))[0], np.float32) for i in range(frames.shape[1])
    ]
    return np.concatenate(mixed)


WAYS: Final[dict[str, Callable[[np.ndarray], Sound]]] = {"wrap": wrapped, "clip": clipped, "ours": ours}


def _row(
    count: int, name: str, way: Callable[[np.ndarray], Sound], crowds: Sequence[np.ndarray]
) -> dict[str, Any]:
    pairs = [(unlimited(crowd), way(crowd)) for crowd in crowds]
    return {
        "voices": count,
        "method": name,
        "pesq": float(np.mean([pesq(*pair) for pair in pairs])),
        "stoi": float(np.mean([stoi(*pair) for pair in pairs])),
        "sum_peak_dbfs": max(_db(float(np.abs(crowd.sum(axis=0)).max())) for crowd in crowds),
        "sample_peak_dbfs": max(_db(float(np.abs(sound).max())) for _, sound in pairs),
        "true_peak_dbtp": max(true_peak_db(sound) for _, sound in pairs),
    }


def unlimited(crowd: np.ndarray) -> Sound:
    """What is judged against: the sum, made as quiet as it takes."""
    total = crowd.sum(axis=0)
    return np.asarray(total / max(1.0, float(np.abs(total).max()) * 1.001), np.float32)


def true_peak_db(sound: Sound) -> float:
    """The peak between the samples too (EBU R 128, four times oversampled)."""
    meter = pyebur128.R128State(1, RATE_HZ, pyebur128.MeasurementMode.MODE_TRUE_PEAK)
    meter.add_frames(np.ascontiguousarray(sound, np.float32), len(sound))
    return _db(float(pyebur128.get_true_peak(meter, 0)))


def _db(peak: float) -> float:
    return 20 * math.log10(max(peak, 1e-9))


def verdicts(rows: Sequence[dict[str, Any]]) -> list[Verdict]:
    mine = {row["voices"]: row for row in rows if row["method"] == "ours"}
    found = [
        at_most("limiter: sample peak, dBFS", max(row["sample_peak_dbfs"] for row in mine.values()), 0.0)
    ]
    if 6 in mine:
        found.append(at_least("6 voices at -14 dBFS, limiter: PESQ", mine[6]["pesq"], 4.2))
    return found
