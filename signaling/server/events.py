"""When events of a Space are pushed: at once after a quiet time, else combined. Pure; `now_us` comes in."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["REACTIONS_INTERVAL_US", "Bulletin", "News"]

_SECOND_US = 1_000_000
_LONG_AGO = -(1 << 62)

REACTIONS_INTERVAL_US = 1_000_000
"""Reactions are counted for so long before they are told."""


class News(IntEnum):
    """What may have changed for everybody, in the order in which it is pushed."""

    SETTINGS = 0
    STAGE = 1
    QUEUE = 2
    PINS = 3
    POSTS = 4
    REACTIONS = 5
    AUDIENCE = 6


class Bulletin:
    """Collects what changed and says when to push it. Each push takes the newest state, so nothing queues.

    Two pushes are at least `interval_us` apart. The count of the audience, which in a large room changes all
    the time and goes to everybody, is also held below `audience_per_s` messages a second. Reactions wait
    until they were counted for REACTIONS_INTERVAL_US.
    """

    __slots__ = (
        "_audience_per_s",
        "_changed",
        "_counted_us",
        "_interval_us",
        "_pushed_us",
        "_reacted_us",
        "serial",
    )

    def __init__(self, interval_us: int, audience_per_s: int) -> None:
        self.serial = 0
        """Number of the last event of the Space."""
        self._interval_us = interval_us
        self._audience_per_s = audience_per_s
        self._changed: set[News] = set()
        self._pushed_us = _LONG_AGO
        self._counted_us = _LONG_AGO
        self._reacted_us = 0

    def mark(self, news: News) -> None:
        """This has changed and is to be pushed."""
        self._changed.add(news)

    def mark_reactions(self, now_us: int) -> None:
        """Somebody reacted; the first one since the last push begins the time in which they are counted."""
        if News.REACTIONS not in self._changed:
            self._changed.add(News.REACTIONS)
            self._reacted_us = now_us

    def hurry(self) -> None:
        """What is marked waits no longer for the interval to pass."""
        self._pushed_us = _LONG_AGO

    def forget(self) -> None:
        """What changed so far is known to everybody who is inside."""
        self._changed.clear()

    def due_us(self, people: int) -> int | None:
        """When `take` will have something to push to so many people, or None."""
        return min((self._due_us(news, people) for news in self._changed), default=None)

    def take(self, now_us: int, people: int) -> list[News]:
        """What to push now, to so many people; each needs `next_serial`.

        Whoever is told of the stage anyway is told the count with it, if that is due as well.
        """
        taken = sorted(news for news in self._changed if now_us >= self._due_us(news, people))
        if taken:
            self._changed.difference_update(taken)
            self._pushed_us = now_us
            if News.AUDIENCE in taken:
                self._counted_us = now_us
        return taken

    def next_serial(self) -> int:
        """Number of the next event to everybody."""
        self.serial += 1
        return self.serial

    def _due_us(self, news: News, people: int) -> int:
        due_us = self._pushed_us + self._interval_us
        if news is News.AUDIENCE:
            return max(due_us, self._counted_us + people * _SECOND_US // self._audience_per_s)
        if news is News.REACTIONS:
            return max(due_us, self._reacted_us + REACTIONS_INTERVAL_US)
        return due_us
