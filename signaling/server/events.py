"""When events of a Space are pushed: at once after a quiet time, else combined. Pure; `now_us` comes in."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Bulletin", "News"]

_SECOND_US = 1_000_000
_LONG_AGO = -(1 << 62)


class News(IntEnum):
    """What may have changed for everybody, in the order in which it is pushed."""

    STAGE = 0
    QUEUE = 1
    AUDIENCE = 2


class Bulletin:
    """Collects what changed and says when to push it. Each push takes the newest state, so nothing queues.

    Two pushes are at least `interval_us` apart. The count of the audience, which in a large room changes all
    the time and goes to everybody, is also held below `audience_per_s` messages a second.
    """

    __slots__ = ("_audience_per_s", "_changed", "_counted_us", "_interval_us", "_pushed_us", "serial")

    def __init__(self, interval_us: int, audience_per_s: int) -> None:
        self.serial = 0
        """Number of the last event of the Space."""
        self._interval_us = interval_us
        self._audience_per_s = audience_per_s
        self._changed: set[News] = set()
        self._pushed_us = _LONG_AGO
        self._counted_us = _LONG_AGO

    def mark(self, news: News) -> None:
        """This has changed and is to be pushed."""
        self._changed.add(news)

    def forget(self) -> None:
        """What changed so far is known to everybody who is inside."""
        self._changed.clear()

    def due_us(self, people: int) -> int | None:
        """When `take` will have something to push to so many people, or None."""
        if not self._changed:
            return None
        due_us = self._pushed_us + self._interval_us
        if self._changed == {News.AUDIENCE}:
            return max(due_us, self._counted_us + people * _SECOND_US // self._audience_per_s)
        return due_us

    def take(self, now_us: int, people: int) -> list[News]:
        """What to push now, to so many people; each needs `next_serial`."""
        due_us = self.due_us(people)
        if due_us is None or now_us < due_us:
            return []
        # Whoever is told of the stage anyway is told the count with it, if that is due as well.
        if now_us >= self._counted_us + people * _SECOND_US // self._audience_per_s:
            taken = sorted(self._changed)
        else:
            taken = sorted(self._changed - {News.AUDIENCE})
        self._changed.difference_update(taken)
        self._pushed_us = now_us
        if News.AUDIENCE in taken:
            self._counted_us = now_us
        return taken

    def next_serial(self) -> int:
        """Number of the next event to everybody."""
        self.serial += 1
        return self.serial
