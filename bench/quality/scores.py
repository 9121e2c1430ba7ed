"""The ears of the benchmark: PESQ, STOI, ViSQOL, and where in the source a piece of the output comes from.

PESQ judges only what kept its tempo: one splice of 4 ms costs it half a point. ViSQOL compiles
itself at its first use.
"""

from __future__ import annotations

import functools
import importlib
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pesq import pesq as pesq_score
from pystoi import stoi as stoi_score
from scipy.signal import resample_poly

from bench.quality.voices import Sound
from signaling.cli.sound.samples import RATE_HZ

WIDEBAND_HZ = 16_000
LOOKAHEAD_SAMPLES = 312  # an encoder and a decoder delay sound by that much

_MARK_HZ = 8_000
_MARK_S = 0.2
_MARK_EVERY_S = 0.5
_MARK_RANGE_S = 1.2
_MARK_MATCH = 0.8
_MARK_RMS = 0.02


def wideband(sound: Sound) -> NDArray[np.float64]:
    """48 to 16 kHz."""
    return np.asarray(resample_poly(sound.astype(np.float64), 1, RATE_HZ // WIDEBAND_HZ))


def pesq(reference: Sound, heard: Sound) -> float:
    """Wideband PESQ (ITU-T P.862.2), 1 to 4.64, of two sounds at 48 kHz."""
    n = min(len(reference), len(heard))
    pair = (wideband(each[:n]).astype(np.float32) for each in (reference, heard))
    return float(pesq_score(WIDEBAND_HZ, *pair, "wb"))


def stoi(reference: Sound, heard: Sound) -> float:
    """Short-time objective intelligibility, 0 to 1."""
    n = min(len(reference), len(heard))
    return float(stoi_score(wideband(reference[:n]), wideband(heard[:n]), WIDEBAND_HZ))


def visqol(reference: Sound, heard: Sound) -> float:
    """ViSQOL in speech mode, polynomial mapping, 1 to 5; tempo may change."""
    n = min(len(reference), len(heard))
    judged = _visqol().measure_from_arrays(wideband(reference[:n]), wideband(heard[:n]), WIDEBAND_HZ)
    return float(judged.moslqo)


@functools.cache
def _visqol() -> Any:
    """Made at the first use: it compiles itself for ten seconds."""
    logging.getLogger("visqol").setLevel(
        logging.ERROR
    )  # it would name the mapping that is used at every start
    api = importlib.import_module("visqol").VisqolApi()
    api.create(mode="speech")
    return api


def lags_ms(source: Sound, heard: Sound, expected_ms: float = 0.0) -> list[tuple[float, float]]:
    """(second of the output, ms by which it lags behind the source there), by correlation of 0.2 s each.

    Only where the two agree (normalised correlation above 0.8) and somebody speaks; the codec's look-ahead is
    taken off.
    """
    step = RATE_HZ // _MARK_HZ
    low_source, low_heard = (resample_poly(each.astype(np.float64), 1, step) for each in (source, heard))
    n, reach, every = (int(s * _MARK_HZ) for s in (_MARK_S, _MARK_RANGE_S, _MARK_EVERY_S))
    shift = int(expected_ms * _MARK_HZ / 1000)
    found = []
    for at in range(reach + abs(shift), len(low_heard) - n, every):
        piece = low_heard[at : at + n]
        first = at - shift - reach
        around = low_source[max(first, 0) : at - shift + n + reach // 8]
        if np.sqrt(np.mean(piece**2)) < _MARK_RMS or len(around) < n:
            continue
        place, match = _best_place(around, piece)
        if match >= _MARK_MATCH:
            lag = at - (max(first, 0) + place)
            found.append((at / _MARK_HZ, 1000 * (lag / _MARK_HZ - LOOKAHEAD_SAMPLES / RATE_HZ)))
    return found


def _best_place(around: NDArray[np.float64], piece: NDArray[np.float64]) -> tuple[int, float]:
    """Where `piece` fits best, and how well (1: it is there)."""
    n = len(piece)
    size = 1 << (len(around) + n - 1).bit_length()
    spectrum = np.fft.rfft(around, size) * np.conj(np.fft.rfft(piece, size))
    products = np.fft.irfft(spectrum, size)[: len(around) - n + 1]
    energy = np.cumsum(np.concatenate([[0.0], around**2]))
    energy = energy[n:] - energy[:-n]
    match = products / np.sqrt(np.maximum(energy, 1e-9) * float(piece @ piece))
    place = int(match.argmax())
    return place, float(match[place])
