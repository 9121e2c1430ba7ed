"""Graphs of people in memory: one that stands in for the store's, and one as an embedder may write it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection


class PlainGraph:
    """The three questions and nothing else, as an embedder answers them; may fail or hang."""

    def __init__(self) -> None:
        self.edges: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.fails: Exception | None = None
        self.hangs = False
        self.asked = 0

    async def _answer(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails

    async def followers_count(self, user: str) -> int:
        await self._answer()
        return sum(1 for _, followed in self.edges if followed == user)

    async def follows(self, follower: str, followed: str) -> bool:
        await self._answer()
        return (follower, followed) in self.edges

    async def blocked(self, blocker: str, user: str) -> bool:
        await self._answer()
        return (blocker, user) in self.blocks


class MemoryGraph(PlainGraph):
    """What the store's own graph can do."""

    async def followed_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        await self._answer()
        return frozenset(other for other in candidates if (user, other) in self.edges)

    async def followers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        await self._answer()
        return frozenset(other for other in candidates if (other, user) in self.edges)

    async def strangers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        await self._answer()
        return frozenset(other for other in candidates if {(user, other), (other, user)} & self.blocks)

    async def followed(self, user: str, limit: int) -> Collection[str]:
        await self._answer()
        return sorted(followed for follower, followed in self.edges if follower == user)[:limit]

    def follow_changed(self, follower: str, followed: str, on: bool) -> None:
        (self.edges.add if on else self.edges.discard)((follower, followed))

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        (self.blocks.add if on else self.blocks.discard)((blocker, user))
        if on:
            self.edges -= {(blocker, user), (user, blocker)}
