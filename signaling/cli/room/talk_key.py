"""TalkKey: push-to-talk on a terminal, which tells of a key that is held down only by repeating it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["TalkKey"]

_FIRST_S: Final = 0.7
"""A keyboard waits about half a second before it repeats."""
_REPEATED_S: Final = 0.25
"""It repeats ten times a second and more, but a loaded connection delivers late."""


class TalkKey:
    """Whether one is heard. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until_s = float("-inf")

    @property
    def is_down(self) -> bool:
        """As far as can be told: for a moment after the key was let go it still is."""
        return self._clock() < self._until_s

    def press(self) -> None:
        """The key was pressed, or repeats."""
        now_s = self._clock()
        self._until_s = max(self._until_s, now_s + (_REPEATED_S if self.is_down else _FIRST_S))
