"""Ledger: what of one Space is written to the store, and what is still owed to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from signaling.rules import Effect, Ended, HostChanged, Refused
from signaling.server.surroundings import Surroundings
from signaling.store import StoreError, is_durable

__all__ = ["Ledger"]

log = logging.getLogger(__name__)

_BUSY_RETRY_MS = 500
# The end of a Space that could not be recorded is tried again after 0.5, 1, 2 … 30 s, for some five minutes.
_END_RETRY_US = 500_000
_END_RETRY_MOST_US = 30_000_000
_END_TRIES = 15
# What the store refuses in words meant for who asked, and when to try again.
_PASSED_ON = {"busy": _BUSY_RETRY_MS, "already_hosting": 0}


class Ledger:
    """**What cannot be written as an act has not happened; what has happened is owed until it is written.**

    Owed effects are written first with the next change. After the end of the Space there is none, so that is
    tried again by itself: `retry` is called when it is time to.
    """

    __slots__ = ("_around", "_owed", "_retry", "_space", "_tries")

    def __init__(self, space: bytes, around: Surroundings, retry: Callable[[], None]) -> None:
        self._space = space
        self._around = around
        self._retry = retry
        self._owed: list[Effect] = []
        self._tries = 0

    @property
    def owes(self) -> bool:
        """Whether something that has happened is not in the store."""
        return bool(self._owed)

    async def write(self, effects: Sequence[Effect]) -> Refused | None:
        """Make the effects durable. Refused: nothing was written, so nothing may change."""
        around = self._around
        if not is_durable(effects):
            return None
        # The end of a Space leaves nothing of it in the store, also not what is owed.
        owed = [] if any(isinstance(effect, Ended) for effect in effects) else self._owed
        try:
            await around.records.write(self._space, [*owed, *effects])
        except StoreError as error:
            around.counts.store_failures += 1
            if error.code in _PASSED_ON:
                return Refused(error.code, error.message, _PASSED_ON[error.code])
            log.error("the store refused a change of Space %s: %s", self._space.hex(), error)
        except Exception:
            around.counts.store_failures += 1
            log.exception("the store failed at a change of Space %s", self._space.hex())
        else:
            self._owed.clear()
            return None
        return Refused("internal", "the store failed and nothing was changed; try again later")

    async def write_fact(self, effects: Sequence[Effect]) -> None:
        """Write what has happened, now or later."""
        refused = await self.write(effects)
        if refused is not None and refused.code == "already_hosting":
            # Who stands in hosts another Space: that they host this one too is not for the store to know.
            effects = [effect for effect in effects if not isinstance(effect, HostChanged)]
            refused = await self.write(effects)
        if refused is None:
            return
        self._owed.extend(effects)
        log.warning("Space %s: not recorded: %s", self._space.hex(), refused.message)
        if any(isinstance(effect, Ended) for effect in effects):
            self._later()

    async def write_end(self) -> None:
        """Try once more to record the end."""
        if await self.write([effect for effect in self._owed if isinstance(effect, Ended)]) is not None:
            self._later()

    def _later(self) -> None:
        """Until the end is recorded the store lets the host open no other Space."""
        if self._tries == _END_TRIES:
            log.error("Space %s: its end is recorded at the server's next start", self._space.hex())
            self._owed.clear()
            return
        pause_us = min(_END_RETRY_US << self._tries, _END_RETRY_MOST_US)
        self._tries += 1
        at_us = self._around.clock_us() + pause_us
        self._around.alarms.set(("record", self._space), at_us, lambda now_us: self._retry())
