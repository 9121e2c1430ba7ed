"""Announcer: tells an application what has happened: in the outbox with the act, to `on_event` after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from signaling.rules import Effect
from signaling.server.counts import Counts
from signaling.server.feed import Feed
from signaling.server.happenings import Happening, What
from signaling.server.scribe import Scribe
from signaling.store import outbox

__all__ = ["Announcement", "Announcer"]

log = logging.getLogger(__name__)

_ID_BYTES: Final = 16
_MS_US: Final = 1_000


class Announcement:
    """What one transaction tells. **`write` within it, `told` once it is committed**, and never otherwise."""

    def __init__(
        self, announcer: Announcer, space: bytes, happenings: Sequence[Happening], effects: Sequence[Effect]
    ) -> None:
        self.happenings = happenings
        self.space = space
        self.effects = effects
        self._announcer = announcer
        self._missed: dict[str, int] = {}
        self._dropped = 0

    async def write(self, connection: Any) -> None:
        """Put the happenings into the outbox of each receiver; what finds no room there is counted.

        connection: of `Store.transaction()`.
        """
        self._missed, self._dropped = dict(self._announcer.missed), 0
        for receiver in self._announcer.receivers:
            for happening in self.happenings:
                missed = self._missed.get(receiver, 0)
                body = replace(happening, missed=missed).as_json()
                at_us = happening.at_ms * _MS_US
                if await outbox.add(connection, self.space, happening.id, body, at_us, receiver=receiver):
                    self._missed[receiver] = 0
                else:
                    self._missed[receiver] = missed + 1
                    self._dropped += 1

    def told(self) -> None:
        """It is committed: hand the happenings to the application, and send what waits."""
        self._announcer.on_told(self, self._missed, self._dropped)


class Announcer:
    """Makes announcements of acts. With no receiver and no `on_event` they are empty and cost nearly nothing.

    receivers: names of the outboxes. wall_us: microseconds since the epoch. `on_waiting` is called with
    the Space of which there is something to send.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        wall_us: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        receivers: Sequence[str] = (),
        feed: Feed | None = None,
        on_waiting: Callable[[bytes], None] = lambda space: None,
    ) -> None:
        self.receivers = tuple(receivers)
        self.missed: dict[str, int] = {}
        """Happenings that found no room since the last one that did, for each receiver."""
        self._counts = counts
        self._wall_us = wall_us
        self._random_bytes = random_bytes
        self._feed = feed
        self._on_waiting = on_waiting
        self._scribe = Scribe()

    @property
    def is_heard(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self.receivers) or self._feed is not None

    def of(self, space: bytes, effects: Iterable[Effect]) -> Announcement:
        """What these effects of one Space tell."""
        if not self.is_heard:
            return Announcement(self, space, (), ())
        effects = tuple(effects)
        return Announcement(self, space, self._made(space, self._scribe.draft(space, effects)), effects)

    def that(self, space: bytes, *whats: What) -> Announcement:
        """What is not the effect of an act within a live Space: a plan, a count."""
        return Announcement(self, space, self._made(space, whats) if self.is_heard else (), ())

    def on_told(self, announcement: Announcement, missed: dict[str, int], dropped: int) -> None:
        """For Announcement only."""
        self._scribe.keep(announcement.space, announcement.effects)
        self.missed.update(missed)
        if dropped:
            self._counts.webhooks_dropped += dropped
            log.warning("%d happenings were not kept: %d wait already", dropped, outbox.EVENTS_MAX)
        if not announcement.happenings:
            return
        if self._feed is not None:
            for happening in announcement.happenings:
                self._feed.put(happening)
        if self.receivers:
            self._on_waiting(announcement.space)

    def _made(self, space: bytes, whats: Iterable[What]) -> tuple[Happening, ...]:
        at_ms = self._wall_us() // _MS_US
        return tuple(Happening(self._random_bytes(_ID_BYTES).hex(), space, at_ms, what) for what in whats)
