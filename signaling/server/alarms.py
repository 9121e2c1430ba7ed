"""What has to happen at some time: one heap for all sessions and Spaces. The time is an argument."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable

__all__ = ["Alarms"]


class Alarms:
    """One alarm per key; setting it again moves it. An alarm never rings early.

    `sooner(at_us)` is called when one is set that comes before all others.
    """

    __slots__ = ("_at", "_heap", "_numbers", "_sooner")

    def __init__(self, sooner: Callable[[int], None] | None = None) -> None:
        self._sooner = sooner
        self._heap: list[tuple[int, int, Hashable]] = []
        self._at: dict[Hashable, tuple[int, Callable[[int], None]]] = {}
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: Hashable, at_us: int | None, ring: Callable[[int], None]) -> None:
        """Call `ring(now_us)` once it is `at_us`; None for never."""
        if at_us is None:
            self._at.pop(key, None)
            return
        held = self._at.get(key)
        self._at[key] = (at_us, ring)
        if held is None or held[0] != at_us:
            is_first = not self._heap or at_us < self._heap[0][0]
            heapq.heappush(self._heap, (at_us, next(self._numbers), key))
            self._sweep()
            if is_first and self._sooner is not None:
                self._sooner(at_us)

    @property
    def next_us(self) -> int | None:
        """When `take_due` may have something, or None; an alarm that was moved may make it too early."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_us: int) -> list[Callable[[int], None]]:
        """The alarms that are due, the earliest first; each is forgotten before it is returned."""
        due = []
        while self._heap and self._heap[0][0] <= now_us:
            at_us, _, key = heapq.heappop(self._heap)
            held = self._at.get(key)
            if held is not None and held[0] == at_us:  # else it was moved, or taken back
                del self._at[key]
                due.append(held[1])
        return due

    def _sweep(self) -> None:
        """Keep what moved alarms leave behind below the number of live ones."""
        if len(self._heap) > 64 + 2 * len(self._at):
            self._heap = [entry for entry in self._heap if self._at.get(entry[2], (None,))[0] == entry[0]]
            heapq.heapify(self._heap)
