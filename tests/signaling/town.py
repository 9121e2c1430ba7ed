"""A town: the world of sessions and Spaces over a real store in memory, with who follows whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from signaling.config import AuthConfig, HostingConfig, LimitsConfig, PeopleConfig, ServerConfig
from signaling.protocol import messages as wire
from signaling.server.desk import FrontDesk
from signaling.server.lists import Lists
from signaling.server.parts import Parts
from signaling.server.people import PeopleGraph, SqlGraph
from signaling.server.places import Locate
from signaling.server.records import StoreRecords
from signaling.server.relations import Relations
from signaling.store import Store
from tests.signaling.server_world import Caller, World
from tests.virtual.loop import run

__all__ = ["Town", "tell"]


class Town(World):
    """A World whose parts and Spaces share a store. Open it before use, close it after; see `tell`."""

    def __init__(
        self,
        store: Store,
        *,
        limits: LimitsConfig | None = None,
        people: PeopleConfig | None = None,
        hosting: HostingConfig | None = None,
        graph: PeopleGraph | None = None,
        locate: Locate | None = None,
        sections: Mapping[str, Any] | None = None,
    ) -> None:
        """sections: of the configuration, in place of the usual ones."""
        super().__init__(limits=limits or LimitsConfig(requests_per_s=1_000, requests_burst=1_000))
        self.store = store
        self.people = people or PeopleConfig()
        self.own = SqlGraph(self.store, self.people.cached)
        self.records = StoreRecords(self.store, self.around.wall_us, self.announcer)  # type: ignore[assignment]
        self.relations = Relations(self.own, graph, self.people, self.counts)
        self.around = replace(
            self.around,
            records=self.records,
            lists=Lists(self.records, self.counts, self.around.talk_book),
            bonds=self.relations,
            observers=[],
        )
        usual = {
            "auth": AuthConfig(development=True),
            "limits": self.limits,
            "people": self.people,
            "hosting": hosting or HostingConfig(),
        }
        config = ServerConfig(**{**usual, **(sections or {})})
        self.parts = Parts(
            config,
            self.store,
            self.directory,
            self.around,
            self.relations,
            make_hall=self._make_hall,
            announcer=self.announcer,
            locate=locate,
            provider=self.provider,
        )
        self.desk = FrontDesk(
            self.authority,
            self.directory,
            self.around,
            self.records,
            parts=self.parts.table,
            attendants=self.parts.attendants,
            places=self.parts.places,
        )

    async def known(self, token: str) -> Caller:
        """Somebody connects and says hello; who says nothing else is called by their id, for a day."""
        return await super().known(token if "/" in token else f"{token}/{token}/86400")

    async def settle(self) -> None:
        """Let everything that can go on without time passing go on, the store's thread included."""
        quiet = 0
        while quiet < 30:  # turns in a row: what the store's last answer woke goes on after it, too
            await asyncio.sleep(0)
            quiet = 0 if self.store.in_progress else quiet + 1

    async def follow(self, follower: Caller, *followed: str) -> None:
        """Somebody follows others, who may not have come yet."""
        for other in followed:
            assert isinstance(await follower.ask(wire.Follow, other), wire.Ok)

    async def people_named(self, *users: str) -> list[Caller]:
        """People come in and say hello, by their first names."""
        return [await self.known(user) for user in users]

    async def timeline(self, caller: Caller) -> list[str]:
        """Subscribe; returns the titles of the bubbles."""
        answer = await caller.ask(wire.Timeline, True)
        assert isinstance(answer, wire.Bubbles), answer
        return [bubble.title for bubble in answer.bubbles]

    async def close(self) -> None:
        """End what runs, and close the store."""
        await self.settle()
        await self.end()
        await self.store.close()


def tell(story: Callable[[Town], Awaitable[None]], **options: Any) -> None:
    """Run a story in a town of its own, in virtual time."""

    store = Store("sqlite+aiosqlite://")

    async def whole() -> None:
        town = Town(store, **options)
        await town.store.open()
        try:
            await story(town)
        finally:
            await town.close()
        assert town.counts.errors_caught == 0

    run(whole(), external_busy=lambda: store.in_progress > 0)


def pushed(caller: Caller, kind: type = wire.BubbleChanged) -> Sequence[Any]:
    """What was pushed to somebody of one kind since the last call."""
    return caller.peer.take(kind)
