"""Who dominates a conversation, after Volfin and Cohen (2012): slow and readable, on lists of levels."""

from __future__ import annotations

from math import comb, log

STEPS, SHORT, LONG = 13, 5, 10


def likelihood(active: int, of: int, weight: float) -> float:
    """ln P(active | speech) − ln P(active | no speech), never below a tiny number."""
    return max(1e-10, log(comb(of, active)) + of * log(0.5) - log(weight) + weight * active)


def scores(levels: list[int]) -> tuple[float, float, float]:
    """Over 20 ms, 100 ms and 1 s; `levels` are RFC 6464, the newest last, 127 where nothing is heard."""
    steps = [(127 - level) // 10 for level in ([127] * 50 + levels)[-50:]][::-1]
    loud = [sum(step > 7 for step in steps[at : at + SHORT]) for at in range(0, 50, SHORT)]
    return (
        likelihood(steps[0], STEPS, 0.78),
        likelihood(loud[0], SHORT, 24.0),
        likelihood(sum(n == SHORT for n in loud), LONG, 47.0),
    )


def decide(people: dict[int, list[int]], dominant: int | None) -> int | None:
    """One decision; `people` are the levels of each seat so far, in order of seat."""
    found = {seat: scores(levels) for seat, levels in people.items()}
    if dominant is None:
        best = max(found, key=lambda seat: (found[seat][1], -seat), default=None)
        return best if best is not None and found[best][1] > 1e-10 else None
    ahead = {
        seat: log(short / found[dominant][1])
        for seat, (now, short, long) in found.items()
        if seat != dominant
        and log(now / found[dominant][0]) > 3
        and log(short / found[dominant][1]) > 2
        and log(long / found[dominant][2]) > 0
    }
    return max(ahead, key=lambda seat: (ahead[seat], -seat)) if ahead else dominant
