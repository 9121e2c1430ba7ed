"""The jitter buffer over seeded synthetic networks, in virtual time: concealment against delay.

Delay is counted above the fastest packet, tick grid included. A trace is five minutes of a talker: spurts of
1 to 4 s, pauses of 0.3 to 1.2 s sent as silence, announced by DTX, or not made at all. The consumer scales
time as if all sound had a period of 5 ms. The bounds are the worst over three phases of the tick, rounded
up. A model of NetEQ reaches: Ethernet 0 % at 46 ms, Gaussian with drift 0.01 % at 91, exponential 0.05 % at
152, spikes 0.05 % at 204.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from spacecore._jitter import JitterBuffer, JitterStats, Pulled, PullStatus

FRAMES = 15_000
FRAME_MS = 20
SEED = 5
PHASES_MS = (0.0, 7.0, 19.9)

Array = npt.NDArray[np.float64]


@dataclass
class Outcome:
    stats: JitterStats
    delays_ms: Array  # of each frame played, above the buffer's own base
    times_ms: Array
    targets_ms: Array
    statuses: list[PullStatus]

    @property
    def concealed_pct(self) -> float:
        s = self.stats
        return 100 * s.lost / (s.frames + s.fec + s.lost)


def fifo(delays_ms: Array) -> Array:
    """No packet overtakes another."""
    sent = np.arange(len(delays_ms)) * FRAME_MS
    return np.asarray(np.maximum.accumulate(sent + delays_ms) - sent, dtype=np.float64)


def drift(ppm: float) -> Array:
    return np.arange(FRAMES, dtype=np.float64) * FRAME_MS * ppm * 1e-6


def ethernet(rng: np.random.Generator) -> Array:
    return np.where(rng.random(FRAMES) < 0.9, 0, rng.uniform(10, 13, FRAMES))


def gauss(rng: np.random.Generator) -> Array:
    return np.maximum(0, rng.normal(40, 10, FRAMES))


def exponential(rng: np.random.Generator) -> Array:
    return fifo(rng.exponential(15, FRAMES))


def spikes(rng: np.random.Generator) -> Array:
    spike = rng.random(FRAMES) < 0.01
    return fifo(np.where(spike, rng.uniform(60, 200, FRAMES), rng.exponential(4, FRAMES)))


def pauses(rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    silent = np.zeros(FRAMES, bool)
    at = 0
    while at < FRAMES:
        at += int(rng.uniform(50, 200))
        end = at + int(rng.uniform(15, 60))
        silent[at:end] = True
        at = end
    return silent


class Scaler:
    """A consumer that scales time: what it holds is decoded and not played."""

    PERIOD_SAMPLES = 240

    def __init__(self, buffer: JitterBuffer) -> None:
        self.buffer = buffer
        self.held = 0

    def pull(self, now_us: int) -> Pulled | None:
        """None where what is held is enough for a tick."""
        if self.held >= 960:
            self.held -= 960
            return None
        pulled = self.buffer.pull(now_us)
        if pulled.status is PullStatus.WAIT or pulled.standing:
            self.buffer.note_emptied()
            self.held = 0
        elif pulled.room_samples:
            self._scale(pulled, now_us)
        return pulled

    def _scale(self, pulled: Pulled, now_us: int) -> None:
        lag = min(pulled.room_samples, 960) // self.PERIOD_SAMPLES * self.PERIOD_SAMPLES
        lag = lag if "STRETCH" in pulled.scale.name else -lag
        if lag:
            self.buffer.note_scaled(lag)
            self.held += lag
        if self.held < 0:  # two frames became one
            assert self.buffer.pull(now_us).status is PullStatus.FRAME
            self.held += 960


def run(
    delays_ms: Array,
    *,
    pause: str = "silence",
    lost: npt.NDArray[np.bool_] | None = None,
    fec: bool = False,
    copies: int = 1,
    phase_ms: float = 7.0,
) -> Outcome:
    """Sends FRAMES frames through `delays_ms` and pulls on a grid that is `phase_ms` off the sender's."""
    silent = pauses(np.random.default_rng(SEED + 1))
    if pause == "none":
        silent[:] = False
    marker = silent & ~np.roll(silent, 1) if pause == "dtx" else np.zeros(FRAMES, bool)
    sent = ~silent | marker if pause == "dtx" else np.ones(FRAMES, bool)
    numbers = 65_000 + np.cumsum(sent)
    lost = np.zeros(FRAMES, bool) if lost is None else lost
    arrivals = sorted((i * FRAME_MS + delays_ms[i], i) for i in np.flatnonzero(sent & ~lost))
    buffer = JitterBuffer()
    scaler = Scaler(buffer)
    delays, times, targets, statuses = [], [], [], []
    at = 0
    for tick in range(FRAMES):
        now_ms = tick * FRAME_MS + phase_ms
        while at < len(arrivals) and arrivals[at][0] <= now_ms:
            came_ms, i = arrivals[at]
            for _ in range(copies):
                buffer.put(
                    int(numbers[i]) & 0xFFFF, (4_294_000_000 + 960 * int(i)) & 0xFFFFFFFF,
                    b"" if marker[i] else b"frame", int(came_ms * 1000),
                    level=127 if silent[i] else 25, has_fec=fec,
                )  # fmt: skip
            at += 1
        pulled = scaler.pull(int(now_ms * 1000))
        if pulled is None:
            continue
        statuses.append(pulled.status)
        if pulled.status is PullStatus.FRAME:
            delays.append(buffer.delay_ms)
            times.append(now_ms)
            targets.append(buffer.target_ms)
    stats = buffer.stats
    return Outcome(stats, np.array(delays), np.array(times), np.array(targets), statuses)


@pytest.mark.parametrize("phase_ms", PHASES_MS)
@pytest.mark.parametrize("pause", ["silence", "dtx"])
def test_ethernet_conceals_nothing(pause: str, phase_ms: float) -> None:
    outcome = run(ethernet(np.random.default_rng(SEED)), pause=pause, phase_ms=phase_ms)
    assert outcome.stats.lost == 0
    assert outcome.delays_ms.mean() <= 40.5


@pytest.mark.parametrize(
    ("network", "ppm", "concealed_pct", "mean_ms"),
    [
        (gauss, 0, 0.01, 91),
        (gauss, 200, 0.01, 91),
        (gauss, -200, 0.01, 91),
        (exponential, 0, 0.12, 128),
        (spikes, 0, 0.24, 198),
    ],
    ids=["gauss", "gauss +200 ppm", "gauss -200 ppm", "exponential", "spikes"],
)
@pytest.mark.parametrize("pause", ["silence", "dtx"])
def test_jitter(
    network: Callable[[np.random.Generator], Array],
    ppm: int,
    concealed_pct: float,
    mean_ms: float,
    pause: str,
) -> None:
    delays_ms = network(np.random.default_rng(SEED)) + drift(ppm) + 100
    for phase_ms in PHASES_MS:
        outcome = run(delays_ms, pause=pause, phase_ms=phase_ms)
        assert outcome.concealed_pct <= concealed_pct
        assert outcome.delays_ms.mean() <= mean_ms
        assert outcome.stats.stale_dropped + outcome.stats.overflow_dropped == 0
        assert outcome.stats.restarts == 0


@pytest.mark.parametrize("ppm", [200, -200])
def test_drift_does_not_grow_the_delay(ppm: int) -> None:
    outcome = run(ethernet(np.random.default_rng(SEED)) + drift(ppm) + 100)
    first, last = outcome.times_ms < 100_000, outcome.times_ms > 200_000
    assert abs(outcome.delays_ms[last].mean() - outcome.delays_ms[first].mean()) < 10
    assert outcome.delays_ms.max() <= 61
    assert outcome.concealed_pct <= 0.01


@pytest.mark.parametrize("pause", ["none", "dtx"])
@pytest.mark.parametrize("ppm", [25_000, -25_000])
def test_a_drift_of_2_5_percent_is_absorbed(ppm: int, pause: str) -> None:
    """Nothing is concealed, and the delay stays within 40 ms of the target."""
    outcome = run(drift(ppm) + 8_000, pause=pause)
    stats = outcome.stats
    assert (stats.lost, stats.stale_dropped, stats.restarts) == (0, 0, 0)
    settled = outcome.times_ms > outcome.times_ms[0] + 2_000
    off_ms = outcome.delays_ms[settled] - outcome.targets_ms[settled]
    assert np.abs(off_ms).max() <= 40
    scaled = (stats.stretched_samples + 960 * stats.stretched) - (
        stats.accelerated_samples + 960 * stats.accelerated
    )
    if pause == "none":
        assert scaled / (960 * FRAMES) == pytest.approx(ppm / 1e6, rel=0.1)


def test_single_losses_are_recovered_by_fec() -> None:
    rng = np.random.default_rng(SEED)
    lost = rng.random(FRAMES) < 0.1
    lost[:2] = False
    single = lost & ~np.roll(lost, -1)
    in_a_burst = int((lost & np.roll(lost, -1)).sum())
    outcome = run(ethernet(rng), pause="none", lost=lost, fec=True)
    assert outcome.stats.fec == single.sum()
    assert in_a_burst <= outcome.stats.lost <= in_a_burst + 1  # the first loss of all may teach the distance
    assert 33_000 <= outcome.stats.target_us <= 40_000


def test_losses_without_fec_are_concealed_once_each() -> None:
    rng = np.random.default_rng(SEED)
    lost = rng.random(FRAMES) < 0.1
    lost[:2] = lost[-5:] = False
    outcome = run(ethernet(rng), pause="none", lost=lost)
    assert outcome.stats.lost == lost.sum()
    assert outcome.delays_ms.max() <= 60


@pytest.mark.parametrize("pause", ["none", "silence", "dtx"])
@pytest.mark.parametrize("freeze_ms", [1000, 3000, 5000])
def test_freeze(freeze_ms: int, pause: str) -> None:
    """All that was sent during a freeze comes at its end."""
    delays_ms = ethernet(np.random.default_rng(SEED))
    start_ms = 120_000
    sent_ms = np.arange(FRAMES) * FRAME_MS
    frozen = (sent_ms >= start_ms) & (sent_ms < start_ms + freeze_ms)
    delays_ms = np.where(frozen, start_ms + freeze_ms - sent_ms, delays_ms)
    outcome = run(delays_ms, pause=pause)
    before = (outcome.times_ms > start_ms - 20_000) & (outcome.times_ms < start_ms)
    after = outcome.times_ms >= start_ms + freeze_ms
    assert outcome.stats.lost == 5
    assert outcome.times_ms[after][0] <= start_ms + freeze_ms + 40
    assert outcome.delays_ms[after].max() <= outcome.delays_ms[before].mean() + 20
    assert outcome.stats.restarts == 0


def test_wrap_with_drops() -> None:
    """Numbers and timestamps wrap within the first minute, one frame in seven missing."""
    lost = np.arange(FRAMES) % 7 == 3
    outcome = run(ethernet(np.random.default_rng(SEED)), pause="none", lost=lost)
    assert outcome.stats.restarts == 0
    assert outcome.stats.late == 0
    assert abs(outcome.stats.lost - int(lost.sum())) <= 2


def test_duplicates_change_nothing() -> None:
    delays_ms = gauss(np.random.default_rng(SEED))
    once, thrice = run(delays_ms), run(delays_ms, copies=3)
    assert thrice.statuses == once.statuses
    assert (thrice.delays_ms == once.delays_ms).all()
    assert thrice.stats.duplicate == 2 * thrice.stats.put // 3


def test_reordering_raises_the_delay_until_it_pays() -> None:
    """One packet in twenty takes a way that is 50 ms longer and is overtaken: 5 % are worth that delay."""
    rng = np.random.default_rng(SEED)
    delays_ms = ethernet(rng) + np.where(rng.random(FRAMES) < 0.05, 50, 0)
    outcome = run(delays_ms)
    late_part = outcome.statuses[1500:]
    assert late_part.count(PullStatus.LOST) / len(late_part) <= 0.002
    assert 50_000 <= outcome.stats.target_us <= 70_000
