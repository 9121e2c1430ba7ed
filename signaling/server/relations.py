"""Relations: the graph of people as the server asks it, whoever keeps it: in time, and in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeVar

from signaling.config import PeopleConfig
from signaling.rules import Refused
from signaling.rules.graph import KnownGraph
from signaling.server.counts import Counts
from signaling.server.people import BatchGraph, ListingGraph, OwnGraph, PeopleGraph

__all__ = ["GraphError", "Relations"]

log = logging.getLogger(__name__)

_RETRY_MS = 1_000
_MS_S = 1_000

_Found = TypeVar("_Found")


class GraphError(Exception):
    """The graph did not answer in time, or failed. `refused` is what whoever asked is told."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


class Relations:
    """**A graph that fails or hangs costs one request, never a Space.** Every method may raise GraphError.

    `graph` is an embedder's; the store's is used without one. Blocks that people make here hold beside an
    embedder's own, because a host blocks from within a Space; follows are the embedder's alone.
    """

    def __init__(
        self, own: OwnGraph, graph: PeopleGraph | None, limits: PeopleConfig, counts: Counts
    ) -> None:
        self._own = own
        self._graph: PeopleGraph = own if graph is None else graph
        self._limits = limits
        self._counts = counts
        self._calls = asyncio.Semaphore(limits.graph_calls)

    @property
    def is_own(self) -> bool:
        """Whether the store keeps who follows whom, so that people may change it here."""
        return self._graph is self._own

    @property
    def lists(self) -> bool:
        """Whether the graph can say whom somebody follows, without being asked about each."""
        return isinstance(self._graph, ListingGraph)

    async def followers_count(self, user: str) -> int:
        """How many follow `user`."""
        return await self._ask(lambda: self._graph.followers_count(user))

    async def follows(self, follower: str, followed: str) -> bool:
        """Whether `follower` follows `followed`."""
        return await self._ask(lambda: self._graph.follows(follower, followed))

    async def blocked(self, blocker: str, user: str) -> bool:
        """Whether `blocker` has blocked `user`."""
        if await self._ask_own(lambda: self._own.blocked(blocker, user)):
            return True
        return not self.is_own and await self._ask(lambda: self._graph.blocked(blocker, user))

    async def are_strangers(self, one: str, other: str) -> bool:
        """Whether one of them has blocked the other: they see nothing of each other's Spaces."""
        return await self.blocked(one, other) or await self.blocked(other, one)

    async def followed(self, user: str, limit: int) -> Collection[str]:
        """Whom `user` follows, at most `limit` of them; nobody where the graph cannot list."""
        graph = self._graph
        if not isinstance(graph, ListingGraph):
            return ()
        return await self._ask(lambda: graph.followed(user, limit))

    async def followed_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` whom `user` follows."""
        graph = self._graph
        if not candidates:
            return frozenset()
        if isinstance(graph, BatchGraph):
            return await self._ask(lambda: graph.followed_among(user, candidates))
        return await self._each(candidates, lambda other: graph.follows(user, other))

    async def followers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` who follow `user`."""
        graph = self._graph
        if not candidates:
            return frozenset()
        if isinstance(graph, BatchGraph):
            return await self._ask(lambda: graph.followers_among(user, candidates))
        return await self._each(candidates, lambda other: graph.follows(other, user))

    async def strangers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` who have blocked `user` or whom `user` has blocked."""
        graph = self._graph
        if not candidates:
            return frozenset()
        found = await self._ask_own(lambda: self._own.strangers_among(user, candidates))
        if self.is_own:
            return found
        if isinstance(graph, BatchGraph):
            return found | await self._ask(lambda: graph.strangers_among(user, candidates))

        async def strangers(other: str) -> bool:
            return await graph.blocked(user, other) or await graph.blocked(other, user)

        return found | await self._each(candidates, strangers)

    async def gather(
        self,
        *,
        followers_of: Iterable[str] = (),
        edges: Iterable[tuple[str, str]] = (),
        blocks: Iterable[tuple[str, str]] = (),
    ) -> KnownGraph:
        """The facts that the rules need for one act: (follower, followed), (blocker, blocked)."""
        return KnownGraph(
            {user: await self.followers_count(user) for user in followers_of},
            frozenset([pair for pair in edges if await self.follows(*pair)]),
            frozenset([pair for pair in blocks if await self.blocked(*pair)]),
        )

    def follow_changed(self, follower: str, followed: str, on: bool) -> None:
        """The store has been told that `follower` follows `followed`, or no more."""
        self._own.follow_changed(follower, followed, on)

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        """The store has been told that `blocker` has blocked `user`, or no more."""
        self._own.block_changed(blocker, user, on)

    async def _each(
        self, candidates: Collection[str], holds: Callable[[str], Awaitable[bool]]
    ) -> frozenset[str]:
        """Those for whom it holds, asked for a few at a time."""
        found: set[str] = set()
        left = iter(candidates)

        async def take() -> None:
            for other in left:
                if await self._ask(lambda other=other: holds(other)):  # type: ignore[misc]
                    found.add(other)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(candidates), self._limits.graph_calls)):
                    group.create_task(take())
        except ExceptionGroup as failed:  # each of them says the same
            raise failed.exceptions[0] from None
        return frozenset(found)

    async def _ask(self, call: Callable[[], Awaitable[_Found]]) -> _Found:
        """Ask whichever graph it is."""
        if self.is_own:
            return await self._ask_own(call)
        limit_ms = self._limits.graph_timeout_ms
        try:
            async with asyncio.timeout(limit_ms / _MS_S), self._calls:
                return await call()
        except TimeoutError:
            self._counts.graph_timeouts += 1
            raise GraphError(
                Refused(
                    "busy",
                    f"Who follows and blocks whom was not known after {limit_ms} ms, which is the limit; "
                    "try again in a second.",
                    _RETRY_MS,
                )
            ) from None
        except Exception as error:
            raise self._failed(error) from error

    async def _ask_own(self, call: Callable[[], Awaitable[_Found]]) -> _Found:
        """Ask the store's graph, which bounds its own work; a transaction is not to be cut off half-way."""
        try:
            return await call()
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> GraphError:
        self._counts.graph_failures += 1
        log.warning("the graph of people failed: %s: %s", type(error).__name__, error)
        return GraphError(
            Refused("busy", "Who follows and blocks whom cannot be told now; try again soon.", _RETRY_MS)
        )
