"""What was really heard: windows of a source, found in what an ear heard by normalised cross-correlation.

A window is `WINDOW_MS` of one person's own sound. It is looked for in the ear's sound from the moment it was
captured until `LONGEST_MS` later. The peak says how alike they are, its place how long the sound took.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from signaling.cli.sound.samples import RATE_HZ, Samples

__all__ = [
    "CONFIDENT",
    "HEARD",
    "LONGEST_MS",
    "WINDOW_MS",
    "Match",
    "Track",
    "find",
    "heard_share",
    "matches",
]

WINDOW_MS: Final = 400
STEP_MS: Final = 200
LONGEST_MS: Final = 1_000
HEARD: Final = 0.4
"""A peak from here on is the source's own sound, also under another voice; other speech stays below."""
CONFIDENT: Final = 0.6
"""And from here on its place is sure."""

# A third of the rate is enough to hear words and to place them within 0.1 ms; it costs a sixth of the time.
_DECIMATION: Final = 3
_RATE: Final = RATE_HZ // _DECIMATION
_PRE_EMPHASIS: Final = 0.9  # takes the pitch's periods out of the correlation, so that one peak stands out
_TAPS: Final = 63
_FLOOR: Final = 1e-4  # RMS after pre-emphasis below which there is nothing to compare

Wave = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Track:
    """Sound on the clock: `samples` at 48 kHz, of which the first was at `start_us`."""

    samples: Samples
    start_us: int

    @property
    def end_us(self) -> int:
        """When the last sample is over."""
        return self.start_us + round(len(self.samples) * 1_000_000 / RATE_HZ)


class Match(NamedTuple):
    """One window of the source: when it was captured, its peak in [0, 1], and its delay at that peak."""

    at_us: int
    peak: float
    delay_ms: float


def matches(
    source: Track, heard: Track, *, from_us: int | None = None, until_us: int | None = None
) -> list[Match]:
    """Look for each window of `source` with sound in it that was captured within [from_us, until_us).

    A window of which the ear cannot have heard everything, because its track ends before, is left out.
    """
    voice, ear = _prepared(source.samples), _prepared(heard.samples)
    width, step = WINDOW_MS * _RATE // 1000, STEP_MS * _RATE // 1000
    reach = LONGEST_MS * _RATE // 1000
    loudness = (
        _rms(voice[: len(voice) // width * width].reshape(-1, width)) if len(voice) >= width else np.zeros(1)
    )
    quiet = max(
        _FLOOR,
        0.25
        * float(
            np.median(
                loudness[loudness > _FLOOR],
            )
        )
        if (loudness > _FLOOR).any()
        else 0.0,
    )
    found = []
    for at in range(0, len(voice) - width + 1, step):
        at_us = source.start_us + at * 1_000_000 // _RATE
        if (from_us is not None and at_us < from_us) or (until_us is not None and at_us >= until_us):
            continue
        begin = round((at_us - heard.start_us) * _RATE / 1_000_000)
        window = voice[at : at + width]
        if begin < 0 or begin + width + reach > len(ear) or _rms(window) < quiet:
            continue
        peak, lag = find(window, ear[begin : begin + width + reach])
        found.append(Match(at_us, peak, lag * 1000 / _RATE))
    return found


def find(window: Wave, sound: Wave) -> tuple[float, float]:
    """The largest normalised cross-correlation of `window` within `sound`, and its lag in samples.

    It is 1 for the same sound at whatever loudness, 0 where `sound` is silent; the lag is refined between
    samples by a parabola.
    """
    n_lags = len(sound) - len(window) + 1
    size = 1 << (len(sound) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(window, size)), size)[:n_lags]
    squares = np.concatenate([[0.0], np.cumsum(sound**2)])
    energy = squares[len(window) :] - squares[: -len(window)]
    floor = len(window) * _FLOOR**2
    likeness = product / np.sqrt(np.maximum(energy, floor) * max(float((window**2).sum()), floor))
    best = int(likeness.argmax())
    peak = float(likeness[best])
    if 0 < best < n_lags - 1:
        left, right = float(likeness[best - 1]), float(likeness[best + 1])
        bend = left - 2 * peak + right
        return peak, best + (0.5 * (left - right) / bend if bend < 0 else 0.0)
    return peak, float(best)


def heard_share(found: list[Match]) -> float:
    """The part of the windows in which the source is heard, 0 to 1; 0 if there are none."""
    return sum(match.peak >= HEARD for match in found) / len(found) if found else 0.0


def _quiet(voice: Wave, width: int) -> float:
    """The RMS below which a window is a pause: a quarter of what is usual for this voice."""
    loudness = _rms(voice[: len(voice) // width * width].reshape(-1, width))
    spoken = loudness[loudness > _FLOOR]
    return max(_FLOOR, 0.25 * float(np.median(spoken))) if spoken.size else np.inf


def _prepared(samples: Samples) -> Wave:
    """Low-passed, decimated, with its lows taken down."""
    if len(samples) < _TAPS:
        return np.zeros(0)
    n = np.arange(_TAPS) - _TAPS // 2
    kernel = np.sinc(n * 0.9 / _DECIMATION) * np.hamming(_TAPS)
    low = np.convolve(samples.astype(np.float64), kernel / kernel.sum(), mode="same")[::_DECIMATION]
    return np.concatenate([low[:1], low[1:] - _PRE_EMPHASIS * low[:-1]])


def _rms(sound: Wave) -> Wave:
    return np.asarray(np.sqrt((sound**2).mean(axis=-1)))
