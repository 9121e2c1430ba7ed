"""Census: tells now and then how many people are in each Space, so that nobody's coming costs a word."""

from __future__ import annotations

import logging
from typing import Final

from signaling.server.announcer import Announcer
from signaling.server.directory import Directory
from signaling.server.happenings import PeopleCounted
from signaling.server.surroundings import Surroundings
from signaling.store import Store, StoreError

__all__ = ["Census"]

log = logging.getLogger(__name__)

_MS_US: Final = 1_000
_KEY: Final = ("census",)


class Census:
    """Counts every `every_ms` from `start` on, all Spaces in one transaction, and only where it is heard."""

    def __init__(
        self, directory: Directory, announcer: Announcer, store: Store, around: Surroundings, every_ms: int
    ) -> None:
        self._directory = directory
        self._announcer = announcer
        self._store = store
        self._around = around
        self._every_us = every_ms * _MS_US
        self._told: dict[bytes, PeopleCounted] = {}

    def start(self) -> None:
        """Count from now on."""
        if self._announcer.is_heard:
            self._around.alarms.set(_KEY, self._around.clock_us() + self._every_us, self._on_time)

    def _on_time(self, now_us: int) -> None:
        self._around.alarms.set(_KEY, now_us + self._every_us, self._on_time)
        now = {
            actor.space: PeopleCounted(actor.state.people_count, len(actor.state.on_stage))
            for actor in self._directory
        }
        changed = {space: count for space, count in now.items() if self._told.get(space) != count}
        self._told = {space: count for space, count in self._told.items() if space in now}
        if changed:
            self._around.spawn(self._tell(changed))

    async def _tell(self, changed: dict[bytes, PeopleCounted]) -> None:
        announcements = [self._announcer.that(space, count) for space, count in changed.items()]
        try:
            async with self._store.transaction() as connection:
                for announcement in announcements:
                    await announcement.write(connection)
        except StoreError as error:
            log.warning("the counts of %d Spaces wait for the next time: %s", len(changed), error.code)
            return
        for announcement in announcements:
            announcement.told()
        self._told |= changed
