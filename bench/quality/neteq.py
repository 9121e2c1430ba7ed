"""NetEQ as a model of its decisions, to compare with: when it plays, conceals, accelerates, stretches.

After WebRTC's modules/audio_coding/neteq (delay manager, underrun and reorder optimizers, decision logic); no
code of it. There is no audio in it: whether a splice is possible is drawn (three times out of four), and each
changes 8 ms (12 ms when fast). Time advances in 10 ms of output, as in NetEQ. `golden()` says whether it
still gives the figures that it gave when it was made; only then is it compared with.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from bench.quality.outcome import Outcome, outcome
from bench.quality.traces import FIVE_MINUTES, FRAME_MS, NETWORKS, Trace

STEP_MS = 10
_BUCKETS = 100
_WINDOW_FRAMES = 100  # 2 s
_START_TARGET_MS = 80
_INTERVAL_MS = 500
_QUANTILE = 0.95
_FORGET, _FORGET_REORDERED = 0.983, 0.9993
_MOST_REORDER_BUCKETS = 20
_MS_PER_PCT_LOSS = 20
_MERGE_ABOVE_MS = 50
_SCALE_APART_MS = 60
_SCALED_MS, _FAST_SCALED_MS = 8.0, 12.0
_SPLICE_CHANCE = 0.75
_LONG_CONCEALMENT_MS = 100


class Histogram:
    """Shares of 100 buckets of 20 ms, forgetting; a young one forgets fast."""

    def __init__(self, forget: float) -> None:
        self.shares = 0.5 ** np.arange(1, _BUCKETS + 1)
        self._limit = forget
        self._forget = 0.0
        self._added = 0

    def add(self, bucket: int) -> None:
        if bucket >= _BUCKETS:
            return
        self.shares *= self._forget
        self.shares[bucket] += 1 - self._forget
        self._added += 1
        self._forget = max(0.0, min(self._limit, 1 - 2 / (self._added + 1)))

    def quantile(self, share: float) -> int:
        bucket, above = 0, 1 - self.shares[0]
        while above > 1 - share and bucket < _BUCKETS - 1:
            bucket += 1
            above -= self.shares[bucket]
        return bucket


class Window:
    """The least (sign 1) or greatest (sign −1) value of the newest 2 s: a monotonic queue."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._queue: deque[tuple[int, float]] = deque()

    def push(self, frame: int, newest: int, value: float) -> None:
        value *= self._sign
        while self._queue and self._queue[-1][1] >= value:
            self._queue.pop()
        self._queue.append((frame, value))
        while self._queue[0][0] < newest - _WINDOW_FRAMES:
            self._queue.popleft()

    @property
    def extreme(self) -> float:
        return self._sign * self._queue[0][1]


class Target:
    """The delay that the buffer aims at, from how late frames are."""

    def __init__(self) -> None:
        self.ms = float(_START_TARGET_MS)
        self.newest = -1
        self.fastest, self.slowest = Window(1), Window(-1)
        self._underrun_ms = float(_START_TARGET_MS)
        self._underrun, self._reorder = Histogram(_FORGET), Histogram(_FORGET_REORDERED)
        self._interval_from_ms: float | None = None
        self._interval_most_ms = 0.0
        self._seen = 0

    @property
    def spread_ms(self) -> float:
        return self.slowest.extreme - self.fastest.extreme

    def put(self, frame: int, came_ms: float, now_ms: float) -> None:
        reordered = frame < self.newest
        self.newest = max(self.newest, frame)
        transit_ms = came_ms - frame * FRAME_MS
        self.fastest.push(frame, self.newest, transit_ms)
        self.slowest.push(frame, self.newest, transit_ms)
        self._seen += 1
        if self._seen < 2:
            return
        late_ms = max(0.0, transit_ms - self.fastest.extreme)
        if not reordered:
            self._in_order(late_ms, now_ms)
        self._reorder.add(int(late_ms // FRAME_MS) if reordered else 0)
        self.ms = max(self._underrun_ms, self._reorder_ms())

    def _in_order(self, late_ms: float, now_ms: float) -> None:
        if self._interval_from_ms is None:
            self._interval_from_ms = now_ms
        if now_ms - self._interval_from_ms > _INTERVAL_MS:
            self._underrun.add(int(self._interval_most_ms // FRAME_MS))
            self._interval_most_ms, self._interval_from_ms = 0.0, now_ms
            self._underrun_ms = float((1 + self._underrun.quantile(_QUANTILE)) * FRAME_MS)
        self._interval_most_ms = max(self._interval_most_ms, late_ms)

    def _reorder_ms(self) -> float:
        """Where one more bucket of delay costs more than the loss that it saves."""
        buckets = np.arange(_MOST_REORDER_BUCKETS)
        lost = 1 - np.cumsum(self._reorder.shares[:_MOST_REORDER_BUCKETS])
        cost = np.maximum(0, buckets * FRAME_MS - self._underrun_ms) + 100 * _MS_PER_PCT_LOSS * lost
        return float((1 + int(cost.argmin())) * FRAME_MS)


@dataclass
class _Play:
    """The output side: what is due next, what is left of the frame being played, and what happened."""

    rng: np.random.Generator
    due: int | None = None
    left_ms: float = 0.0  # of the frame before `due`
    concealing: bool = False
    gap_ms: float = 0.0  # of the concealment going on
    scale_again_ms: float = 0.0
    waiting: set[int] = field(default_factory=set)
    made_up: list[bool] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)
    accelerated_ms: float = 0.0
    stretched_ms: float = 0.0
    late: int = 0
    skipped: int = 0

    def put(self, frame: int) -> None:
        if self.due is None:
            self.due = frame
        if frame < self.due:
            self.late += 1
        else:
            self.waiting.add(frame)

    def step(self, now_ms: float, target: Target) -> None:
        """10 ms of output."""
        if self.due is None:
            return
        fastest_ms = target.fastest.extreme
        delay_ms = now_ms - fastest_ms - (self.due * FRAME_MS - self.left_ms)
        if self.left_ms >= STEP_MS:
            self.left_ms -= STEP_MS
            self._sound(delay_ms)
        elif self.due in self.waiting and not self._should_wait(target):
            self._take(self.due)
            if not self.concealing:
                self._scale(now_ms, delay_ms, target)
            self.left_ms -= STEP_MS
            self.concealing, self.gap_ms = False, 0.0
            self._sound(delay_ms)
        elif self._merge(target):
            self.made_up.append(False)
        else:
            self.concealing = True
            self.gap_ms += STEP_MS
            self.made_up.append(True)

    def _sound(self, delay_ms: float) -> None:
        self.made_up.append(False)
        self.delays_ms.append(delay_ms)

    def _take(self, frame: int) -> None:
        self.waiting.discard(frame)
        self.due = frame + 1
        self.left_ms += FRAME_MS

    def _should_wait(self, target: Target) -> bool:
        """After a long concealment a little more is gathered before going on."""
        if not self.concealing or self.gap_ms < _LONG_CONCEALMENT_MS or self.due is None:
            return False
        return (max(self.waiting) - self.due + 1) * FRAME_MS < target.ms * 0.5

    def _scale(self, now_ms: float, delay_ms: float, target: Target) -> None:
        high_ms = target.ms + target.spread_ms + FRAME_MS
        if delay_ms >= high_ms * 4:
            self._accelerate(_FAST_SCALED_MS)
        elif now_ms < self.scale_again_ms:
            return
        elif delay_ms >= high_ms and self.rng.random() < _SPLICE_CHANCE and self.left_ms > STEP_MS:
            self._accelerate(_SCALED_MS)
            self.scale_again_ms = now_ms + _SCALE_APART_MS
        elif delay_ms < target.ms and self.rng.random() < _SPLICE_CHANCE:
            self.left_ms += _SCALED_MS
            self.stretched_ms += _SCALED_MS
            self.scale_again_ms = now_ms + _SCALE_APART_MS

    def _accelerate(self, by_ms: float) -> None:
        cut_ms = max(0.0, min(by_ms, self.left_ms - STEP_MS))
        self.left_ms -= cut_ms
        self.accelerated_ms += cut_ms

    def _merge(self, target: Target) -> bool:
        """Whether what is missing is given up: its time is over, or too much waits behind it."""
        later = [frame for frame in self.waiting if self.due is not None and frame > self.due]
        if not later or self.due is None or self.due in self.waiting:
            return False
        following = min(later)
        span_ms = (max(later) - following + 1) * FRAME_MS
        if self.gap_ms < (following - self.due) * FRAME_MS and span_ms <= target.ms + _MERGE_ABOVE_MS:
            return False
        self._take(following)
        self.left_ms -= STEP_MS
        self.concealing = False
        return True


def neteq(trace: Trace, seed: int = 0) -> Outcome:
    """The whole trace through the model."""
    target, play = Target(), _Play(np.random.default_rng(seed))
    arrivals = trace.arrivals()
    at = 0
    for now_ms in range(0, len(trace.delay_ms) * FRAME_MS, STEP_MS):
        while at < len(arrivals) and arrivals[at][0] <= now_ms:
            came_ms, frame = arrivals[at]
            target.put(frame, came_ms, now_ms)
            play.put(frame)
            at += 1
        play.step(now_ms, target)
    return outcome(
        made_up=play.made_up,
        step_ms=STEP_MS,
        dropped_ms=play.late * FRAME_MS,
        accelerated_ms=play.accelerated_ms,
        stretched_ms=play.stretched_ms,
        delays_ms=play.delays_ms,
    )


# Concealed % and mean delay in ms that the model gave when it was made, on the traces of `golden_traces`.
GOLDEN = {"exponential": (0.05, 152.0), "spikes": (0.05, 204.0), "gauss-200ppm": (0.01, 91.0)}
GOLDEN_WITHIN = 0.20
_GOLDEN_ROUNDING_PCT = 0.005  # the figures have two decimals


def golden_traces(n_frames: int = FIVE_MINUTES) -> list[Trace]:
    """The three, all from one generator, on the same grid as the receiver's clock."""
    rng = np.random.default_rng(5)
    drifting = NETWORKS["gauss-200ppm"](rng, n_frames)
    others = [(name, NETWORKS[name](rng, n_frames)) for name in ("exponential", "spikes")]
    lost = np.zeros(n_frames, bool)
    return [Trace(name, delay_ms, lost) for name, delay_ms in [*others, ("gauss-200ppm", drifting)]]


def golden() -> list[dict[str, float | str | bool]]:
    """A row for each of GOLDEN: what was found, what was expected, and whether it is within 20 %."""
    rows: list[dict[str, float | str | bool]] = []
    for trace in golden_traces():
        found = neteq(trace)
        concealed_pct, delay_ms = GOLDEN[trace.name]
        slack_pct = max(GOLDEN_WITHIN * concealed_pct, _GOLDEN_ROUNDING_PCT)
        holds = (
            abs(found.delay_ms_mean - delay_ms) <= GOLDEN_WITHIN * delay_ms
            and abs(found.concealed_pct - concealed_pct) <= slack_pct
        )
        rows.append(
            {
                "trace": trace.name,
                "concealed_pct": found.concealed_pct,
                "expected_concealed_pct": concealed_pct,
                "delay_ms_mean": found.delay_ms_mean,
                "expected_delay_ms": delay_ms,
                "holds": holds,
            }
        )
    return rows
