"""How late the server's ticks were: from the statistics that a server of our own tells every second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from signaling.load.figures import Cuts

__all__ = ["Ticks", "ticks_between"]


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of a while. `late` is in µs; percentiles are the lower end of their step."""

    n: int
    skipped: int
    late: Cuts

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return {"ticks": self.n, "skipped": self.skipped, **self.late.to_json()}


def ticks_between(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Ticks | None:
    """From one line of statistics to a later one; None where the server does not tell, or nothing ticked."""
    if after is None or "lateness_us" not in after:
        return None
    counts = {int(step): int(count) for step, count in after["lateness_us"]}
    for step, count in before["lateness_us"] if before else ():
        counts[step] = counts.get(step, 0) - count
    found = [(step, count) for step, count in sorted(counts.items()) if count > 0]
    if not found:
        return None
    skipped = _skipped(after) - (_skipped(before) if before else 0)
    return Ticks(sum(count for _, count in found), skipped, _cuts(found))


def _skipped(line: dict[str, Any]) -> int:
    return int(line["statistics"].get("media_ticks_skipped", 0))


def _cuts(steps: Sequence[tuple[int, int]]) -> Cuts:
    n = sum(count for _, count in steps)
    found = []
    for cut in (50, 99):
        rank, seen = -(-n * cut // 100), 0
        for step, count in steps:
            seen += count
            if seen >= rank:
                found.append(step)
                break
    mean = sum(step * count for step, count in steps) / n
    return Cuts(n, found[0], found[1], steps[-1][0], mean)
