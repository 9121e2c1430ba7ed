"""A scene for the handlers: one Space with somebody of every standing, kept so whatever they say."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from typing import Any

from signaling.config import LimitsConfig, PeopleConfig, TalkConfig
from signaling.protocol import messages as wire
from signaling.server.hall import Hall
from signaling.store import Store
from tests.signaling.server_world import Caller
from tests.signaling.town import Town

__all__ = ["STANDINGS", "Scene", "Stage", "request"]

STANDINGS = (
    "stranger", "outside", "banned", "listener", "speaker", "co-host", "host", "service", "overseer",
)  # fmt: skip
_ANSWER_TICKS = 3
_MOMENT_S = 0.001
_TRIES = 5


class Stage(Town):
    """A town for ever: nothing in it runs out, and a task that fails is kept in `escaped`."""

    def __init__(self, store: Store, dice: random.Random) -> None:
        self.dice = dice
        self.escaped: list[BaseException] = []
        limits = LimitsConfig(requests_per_s=10_000, requests_burst=10_000, requests_waiting=1_000)
        super().__init__(store, limits=limits, people=PeopleConfig())
        self._callers = itertools.count(1)

    def __post_init__(self) -> None:
        fast = {
            f"{what}_{name}": value
            for what in ("posts", "notes", "reactions", "asks", "invites", "reports")
            for name, value in (("burst", 1_000), ("every_ms", 1))
        }
        self.talk = TalkConfig(space_posts_per_s=1_000, space_notes_per_s=1_000, **fast)
        super().__post_init__()

    def _random_bytes(self, size: int) -> bytes:
        return self.dice.randbytes(size)

    def _make_hall(self, space: bytes) -> Hall:
        self.halls = {known: hall for known, hall in self.halls.items() if not hall.room.is_closed}
        self.engines = {known: engine for known, engine in self.engines.items() if known in self.halls}
        return super()._make_hall(space)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.escaped.append(error)

    async def settle(self) -> None:
        """Let everything go on that needs no time: a moment of it does not pass while the store works."""
        await asyncio.sleep(_MOMENT_S)
        await asyncio.sleep(_MOMENT_S)

    def forget(self) -> None:
        """What the fakes remember for tests is of no use here."""
        for engine in self.engines.values():
            engine.asked.clear()


class Scene:
    """Who is there, by standing. `restore` brings back whoever is not what they should be."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cast: dict[str, Caller] = {}
        self.space = b""
        self.begun = 0
        self._names = itertools.count(1)

    def standing(self, caller: Caller) -> str:
        """What somebody is at this moment, "" if their connection is over."""
        session = caller.session
        if session.is_closed:
            return ""
        member, place = session.member, session.place
        if member is None:
            return "stranger"
        if member.is_service:
            return "service" if place is None else "overseer"
        actor = self.stage.directory.get(self.space) if place is None else place.actor
        return "outside" if actor is None else str(actor.state.standing(member.user))

    async def restore(self) -> None:
        """Everybody is what they should be, if need be in a new Space."""
        for _ in range(_TRIES):
            if all([await self._is_there(standing) for standing in ("host", *STANDINGS)]):
                return
            for caller in self.cast.values():
                await self._hang_up(caller)
            self.cast.clear()
        raise AssertionError(f"no scene can be set: {[self.standing(each) for each in self.cast.values()]}")

    async def _is_there(self, standing: str) -> bool:
        caller = self.cast.get(standing)
        if (
            caller is not None
            and self.standing(caller) == standing
            and self._is_of_this_room(standing, caller)
        ):
            return True
        if caller is not None:
            await self._hang_up(caller)
            if await self._is_back(standing, caller):
                return True
        caller = self.cast[standing] = self.stage.call()
        if standing != "stranger":
            await self._bring(standing, caller)
        return self.standing(self.cast[standing]) == standing

    async def _is_back(self, standing: str, before: Caller) -> bool:
        """The same person comes again, who may have kept their place."""
        member = before.session.member
        if member is None or not self.space:
            return False
        caller = self.cast[standing] = self.stage.call()
        await request(caller, wire.Hello, f"{member.user}/{member.user}/86400")
        if not member.is_service and standing not in ("outside", "banned"):
            await request(caller, wire.Join, self.space)
        if self.standing(caller) == standing:
            return True
        await self._hang_up(caller)
        return False

    def _is_of_this_room(self, standing: str, caller: Caller) -> bool:
        place = caller.session.place
        return place is None or place.actor.state.space == self.space

    async def _bring(self, standing: str, caller: Caller) -> None:
        prefix = "service" if standing in ("service", "overseer") else standing.replace("-", "")
        user = f"{prefix}{next(self._names)}"
        await request(caller, wire.Hello, f"{user}/{user}/86400")
        if standing == "host":
            opened = await request(caller, wire.Open, "Tea")
            self.space = opened.space if isinstance(opened, wire.Joined) else b""
            self.begun += 1
        elif standing == "overseer":
            await request(caller, wire.Oversee, self.space)
        elif standing not in ("outside", "service"):
            await request(caller, wire.Join, self.space)
            host = self.cast["host"]
            if standing in ("speaker", "co-host"):
                await request(caller, wire.Ask)
                await request(host, wire.Admit, user)
            if standing == "co-host":
                await request(host, wire.Promote, user)
            if standing == "banned":
                await request(host, wire.Remove, user)  # which ends the connection: they come again
                await self._hang_up(caller)
                again = self.cast[standing] = self.stage.call()
                await request(again, wire.Hello, f"{user}/{user}/86400")

    async def _hang_up(self, caller: Caller) -> None:
        """The link is over, whoever ended it."""
        caller.session.on_closed(self.stage.now_us)
        await self.stage.settle()


async def request(caller: Caller, kind: type, *fields: Any) -> Any:
    """Make a request; its answer, or None if none comes or the connection is over."""
    if caller.session.is_closed:
        return None
    number = caller.send(kind, *fields)
    for _ in range(_ANSWER_TICKS):
        await caller.world.settle()
        for message in caller.peer.got:
            if isinstance(message, wire.Reply) and message.id == number:
                return message
        caller.world.tick()
    return None
