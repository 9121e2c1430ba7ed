"""Made-up networks by seed, recorded ones from CSV files, and models of loss.

A trace says how late each frame of 20 ms is; its unit is the millisecond, its zero means nothing. The first
four are fitted to percentiles of recorded traces: Ethernet 0/12/12/13 ms (p50, p95, p99, most), good Wi-Fi
6/12/14/556, bad Wi-Fi 9/24/50/934, 2.4 GHz 11/28/157/816.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FRAME_MS = 20
FIVE_MINUTES = 15_000  # frames
MEAN_BURST = 2.5  # frames lost together, on average, in the Gilbert model

Delays = NDArray[np.float64]
Losses = NDArray[np.bool_]


@dataclass(frozen=True)
class Trace:
    """Delays of the frames of one stream, of which `lost` never arrive."""

    name: str
    delay_ms: Delays
    lost: Losses

    def arrivals(self) -> list[tuple[float, int]]:
        """(ms since the first frame was sent, number of the frame), as they come in."""
        came = np.arange(len(self.delay_ms)) * FRAME_MS + self.delay_ms
        order = np.lexsort((np.arange(len(came)), came))
        return [(float(came[i]), int(i)) for i in order if not self.lost[i]]


def fifo(delay_ms: Delays) -> Delays:
    """No frame overtakes another."""
    sent = np.arange(len(delay_ms)) * FRAME_MS
    return np.asarray(np.maximum.accumulate(sent + delay_ms) - sent, np.float64)


def ethernet(rng: np.random.Generator, n: int) -> Delays:
    return np.asarray(np.where(rng.random(n) < 0.9, 0.0, rng.uniform(10, 13, n)), np.float64)


def wifi_good(rng: np.random.Generator, n: int) -> Delays:
    body = np.clip(rng.normal(6, 3.4, n), 0, 16)
    return fifo(np.maximum(body, stalls(n, rng, per_s=0.01, shortest_ms=200, mean_ms=180, longest_ms=560)))


def wifi_bad(rng: np.random.Generator, n: int) -> Delays:
    body = rng.lognormal(np.log(9), 0.5, n)
    short = stalls(n, rng, per_s=1.3, shortest_ms=10, mean_ms=25, longest_ms=200)
    rare = stalls(n, rng, per_s=1 / 300, shortest_ms=500, mean_ms=250, longest_ms=930)
    return fifo(np.maximum(body, np.maximum(short, rare)))


def wifi_2_4_ghz(rng: np.random.Generator, n: int) -> Delays:
    body = rng.lognormal(np.log(11), 0.42, n)
    return fifo(np.maximum(body, stalls(n, rng, per_s=0.45, shortest_ms=0, mean_ms=98, longest_ms=820)))


def stalls(
    n: int, rng: np.random.Generator, *, per_s: float, shortest_ms: float, mean_ms: float, longest_ms: float
) -> Delays:
    """Times in which nothing gets through; what waited comes at their end, all at once."""
    delay_ms = np.zeros(n)
    for start in np.flatnonzero(rng.random(n) < per_s * FRAME_MS / 1000):
        length_ms = min(shortest_ms + rng.exponential(mean_ms), longest_ms)
        left_ms = np.arange(length_ms, 0, -FRAME_MS)[: n - start]
        held = delay_ms[start : start + len(left_ms)]
        np.maximum(held, left_ms, out=held)
    return delay_ms


def exponential(rng: np.random.Generator, n: int) -> Delays:
    return fifo(rng.exponential(15, n))


def spikes(rng: np.random.Generator, n: int) -> Delays:
    return fifo(np.where(rng.random(n) < 0.01, rng.uniform(60, 200, n), rng.exponential(4, n)))


def gauss(rng: np.random.Generator, n: int) -> Delays:
    """The sender's clock is 200 ppm slow."""
    late = np.maximum(0, rng.normal(40, 10, n)) + np.arange(n) * FRAME_MS * 200e-6
    return np.asarray(late, np.float64)


NETWORKS: dict[str, Callable[[np.random.Generator, int], Delays]] = {
    "ethernet": ethernet,
    "wifi-good": wifi_good,
    "wifi-bad": wifi_bad,
    "wifi-2.4": wifi_2_4_ghz,
    "exponential": exponential,
    "spikes": spikes,
    "gauss-200ppm": gauss,
}


def synthetic(name: str, seed: int, n_frames: int = FIVE_MINUTES) -> Trace:
    """One of NETWORKS. Where the receiver's clock stands within the sender's 20 ms is drawn as well."""
    rng = np.random.default_rng(seed)
    delay_ms = NETWORKS[name](rng, n_frames) + rng.uniform(0, FRAME_MS)
    return Trace(name, delay_ms, np.zeros(n_frames, bool))


def recorded(path: Path) -> Trace:
    """A trace from a CSV file: a line `frame number, arrival in ms` each; numbers that never come are lost.

    Lines whose first field is no number (a header) are passed over. ValueError where the file has fewer than
    two frames or a frame twice.
    """
    arrivals: dict[int, float] = {}
    with path.open(newline="") as stream:
        for line in csv.reader(stream):
            if not line or not line[0].strip().lstrip("-").isdigit():
                continue
            number = int(line[0])
            if number in arrivals:
                raise ValueError(f"{path} has frame {number} twice: keep the arrival that came first")
            arrivals[number] = float(line[1])
    if len(arrivals) < 2:
        raise ValueError(
            f"{path} has {len(arrivals)} frames, at least 2 are needed: lines of  number,arrival_ms"
        )
    first, last = min(arrivals), max(arrivals)
    delay_ms = np.zeros(last - first + 1)
    lost = np.ones(last - first + 1, bool)
    for number, came_ms in arrivals.items():
        delay_ms[number - first] = came_ms - (number - first) * FRAME_MS
        lost[number - first] = False
    return Trace(path.stem, delay_ms - delay_ms[~lost].min(), lost)


def random_losses(n: int, share: float, seed: int) -> Losses:
    """Each frame is lost or not by itself."""
    return np.random.default_rng(seed).random(n) < share


def gilbert_losses(n: int, share: float, seed: int, mean_burst: float = MEAN_BURST) -> Losses:
    """Two states: P(loss | loss) = 1 − 1/B, P(loss | no loss) = share / (1 − share) / B."""
    rng = np.random.default_rng(seed)
    stay, fall = 1 - 1 / mean_burst, share / (1 - share) / mean_burst
    lost = np.zeros(n, bool)
    was = False
    for i, draw in enumerate(rng.random(n)):
        was = draw < (stay if was else fall)
        lost[i] = was
    return lost
