"""Hearing: what a Space sounds like to one person: the player, and everyone who wants its frames."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakSet

from signaling.client.errors import SpacesError
from signaling.client.line import Line
from signaling.client.mailbox import Mailbox, oldest
from signaling.client.player import Player
from signaling.client.playout import Frame, Playout

__all__ = ["FRAMES_KEPT", "Hearing"]

log = logging.getLogger(__name__)

FRAMES_KEPT: Final = 50
"""So many frames (1 s) wait for each listener; then the oldest is dropped."""


class Hearing:
    """Takes a Space's datagrams and gives a frame every 20 ms to a callback and any number of iterators.

    A listener who is no longer referred to gets nothing any more.
    """

    def __init__(
        self,
        line: Line,
        *,
        is_speaker: Callable[[], bool],
        spread: float,
        on_seats: Callable[[tuple[int, ...]], None],
    ) -> None:
        self._on_seats = on_seats
        self.on_pcm: Callable[[Frame], None] | None = None
        self.seats: tuple[int, ...] = ()
        """Who is heard in the frame played last: who dominates first, then the loudest."""
        self.frames_dropped = 0
        self.callback_errors = 0
        self.playout = Playout(line.clock())
        self._listeners: WeakSet[Mailbox[Frame]] = WeakSet()
        self._player = Player(
            self.playout,
            line.clock,
            on_frame=self._on_frame,
            on_report=line.send_report,
            is_speaker=is_speaker,
            spread=spread,
        )

    def listen(self) -> Mailbox[Frame]:
        """A new listener, from now on."""
        listener: Mailbox[Frame] = Mailbox(FRAMES_KEPT, self._drop)
        self._listeners.add(listener)
        return listener

    def finish(self, error: Callable[[], SpacesError] | None) -> None:
        """Nothing is heard any more; every iterator ends, with what `error` makes if it is given."""
        self._player.stop()
        self.seats = ()
        for listener in self._listeners:
            listener.close(error)

    def _on_frame(self, frame: Frame) -> None:
        before, self.seats = self.seats, frame.seats
        if set(before) != set(frame.seats) or before[:1] != frame.seats[:1]:
            self._on_seats(frame.seats)
        for listener in tuple(self._listeners):
            listener.put(frame)
        if self.on_pcm is None:
            return
        try:
            self.on_pcm(frame)
        except Exception:  # the program's own fault stops neither the sound nor the connection
            self.callback_errors += 1
            if self.callback_errors == 1:
                log.exception("on_pcm failed; further failures are only counted")

    def _drop(self, waiting: Sequence[object], item: object) -> int:
        self.frames_dropped += 1
        return oldest(waiting, item)
