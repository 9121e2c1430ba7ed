"""The commands of a load, and a crowd of this process that carries them out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Any, Final, Protocol

from signaling.load.crowd import TURN_US, Crowd, now_us
from signaling.load.errors import LoadError
from signaling.load.person import Part, Person, Phase

__all__ = ["Hands", "NearCrowd"]

_LEAVE_S: Final = 1.0  # so long a server may take to end the Space


class Hands(Protocol):
    """What can be done with a crowd. All raise LoadError."""

    async def open(self) -> str:
        """A host opens the Space; returns its id in hex."""

    async def stage(self, space: str, n: int) -> None:
        """So many speakers come, ask, and are admitted."""

    async def join(self, space: str, n: int, rate: float) -> None:
        """Listeners come, so many a second (0: as they get in); done when each is in or has failed."""

    async def say(self, talking: bool) -> None:
        """All on stage speak, or are silent."""

    async def mark(self) -> None:
        """Begin a new measurement."""

    async def totals(self) -> dict[str, float]:
        """The figures to be shown while it runs."""

    async def stats(self) -> dict[str, Any]:
        """All figures since the mark."""

    async def addresses(self) -> list[str]:
        """Of every person, in the order in which they came."""

    async def quit(self) -> None:
        """Everybody leaves. Never raises."""


class NearCrowd:
    """A crowd of this process, served by the running loop."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self._moved = asyncio.Event()
        self._fault: Exception | None = None
        crowd.changed = self._on_change
        self._task = asyncio.create_task(self._run())

    async def open(self) -> str:
        """LoadError(host_failed) says what the server did not like."""
        crowd = self.crowd
        first = len(crowd.people)
        crowd.dial(Part.HOST, 1)
        await self._until(lambda: len(crowd.people) > first and not crowd.under_way)
        host = crowd.people[first]
        if host.phase is not Phase.ON_STAGE:
            raise LoadError("host_failed", f"no Space could be opened: {_reason(host)}")
        return host.space.hex()

    async def stage(self, space: str, n: int) -> None:
        """LoadError(not_admitted)."""
        crowd = self.crowd
        crowd.enter(space)
        first = len(crowd.people)
        crowd.dial(Part.SPEAKER, n)
        host = next((each for each in crowd.people if each.part is Part.HOST), None)

        def is_over() -> bool:
            refused = host is not None and host.failed is not None
            return refused or (not crowd.waiting and not crowd.under_way)

        await self._until(is_over)
        for person in crowd.people[first:]:
            if person.phase is not Phase.ON_STAGE:
                why = _reason(person if host is None or host.failed is None else host)
                raise LoadError("not_admitted", f"a speaker did not come on stage: {why}")

    async def join(self, space: str, n: int, rate: float) -> None:
        """Whoever fails is counted in the statistics."""
        crowd = self.crowd
        crowd.enter(space)
        crowd.dial(Part.LISTENER, n, rate=rate)
        await self._until(lambda: not crowd.waiting and not crowd.under_way)
        gc.freeze()  # they stay: a collection that looks through thousands of connections holds up all

    async def say(self, talking: bool) -> None:
        """At once."""
        self._raise_fault()
        if talking:
            self.crowd.talk()
        else:
            self.crowd.hush()

    async def mark(self) -> None:
        """At once."""
        self._raise_fault()
        self.crowd.measures.mark(now_us())

    async def totals(self) -> dict[str, float]:
        """Samples the jitter too: to be called once a second."""
        self._raise_fault()
        self.crowd.board.sample()
        return self.crowd.measures.totals(now_us())

    async def stats(self) -> dict[str, Any]:
        """See `Measures.stats`; the worst listeners have their address with them."""
        self._raise_fault()
        found = self.crowd.measures.stats(now_us())
        for row in found["worst"]:
            row["address"] = self.crowd.listener_address(row["ear"])
        return found

    async def addresses(self) -> list[str]:
        """As they came."""
        return [self.crowd.address(index) for index in range(len(self.crowd.people))]

    async def quit(self) -> None:
        """Also after a fault."""
        if self._fault is None:
            self.crowd.leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await self._until(lambda: all(each.phase is Phase.OVER for each in self.crowd.people))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.crowd.close()
        gc.unfreeze()

    async def _run(self) -> None:
        try:
            while True:
                self.crowd.turn()
                left_us = min(self.crowd.next_us - now_us(), TURN_US)
                await asyncio.sleep(max(0, left_us) / 1_000_000)
        except Exception as fault:
            self._fault = fault
            self._moved.set()

    def _on_change(self, person: Person) -> None:
        self._moved.set()

    async def _until(self, ready: Callable[[], bool]) -> None:
        """Wait for people; they all get somewhere in the end, at the latest when their time is up."""
        while True:
            self._raise_fault()
            if ready():
                return
            self._moved.clear()
            await self._moved.wait()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


def _reason(person: Person) -> str:
    failed = person.failed
    if failed is None:
        return f"it stayed at {person.phase.value}"
    return f"{failed.message} [{failed.at}: {failed.code}]"
