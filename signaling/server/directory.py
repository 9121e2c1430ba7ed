"""Directory: which Spaces are live on this server, who hosts them, and the pages of their list."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from signaling.rules import Effect, HostChanged, Refused
from signaling.server.actor import SpaceActor

__all__ = ["Directory", "Page"]

_CURSOR_BYTES = 8
_FULL_RETRY_MS = 10_000
_TURN_SPACES = 500


class Directory:
    """Live Spaces by id and in the order of opening. One person hosts at most one: whose Space it is counts,
    not who stands in for them.

    A Space that is being opened counts already: `reserve` before the store is asked, then `add` or `release`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._spaces: dict[bytes, tuple[int, SpaceActor]] = {}
        self._numbers: list[int] = []  # ascending, with `_by_number` in step
        self._by_number: dict[int, SpaceActor] = {}
        self._hosts: set[str] = set()
        self._host_of: dict[bytes, str] = {}
        self._opened = 0
        self.is_open = True
        """False: no Space is opened or joined any more."""

    def __len__(self) -> int:
        return len(self._spaces)

    def __iter__(self) -> Iterator[SpaceActor]:
        return iter(tuple(self._by_number.values()))

    def get(self, space: bytes) -> SpaceActor | None:
        """The live Space with this id, or None."""
        held = self._spaces.get(space)
        return None if held is None else held[1]

    def reserve(self, host: str) -> Refused | None:
        """Keep a place for a Space of `host`. Refused: busy, already_hosting, too_many_spaces."""
        if not self.is_open:
            return Refused("busy", "The server is stopping; open a Space when it is back.")
        if host in self._hosts:
            return Refused(
                "already_hosting", "You host a Space that is live, one is the limit; end or join that one."
            )
        if len(self._hosts) >= self._limit:
            return Refused(
                "too_many_spaces",
                f"{len(self._hosts)} Spaces are live and {self._limit} is the limit; open one later.",
                _FULL_RETRY_MS,
            )
        self._hosts.add(host)
        return None

    def release(self, host: str) -> None:
        """The Space that a place was kept for is not opened."""
        self._hosts.discard(host)

    def add(self, actor: SpaceActor) -> None:
        """The Space is live; its host's place was reserved."""
        self._opened += 1
        self._spaces[actor.space] = (self._opened, actor)
        self._numbers.append(self._opened)
        self._by_number[self._opened] = actor
        self._host_of[actor.space] = actor.state.founder
        self._follow(actor)

    def on_outcome(self, actor: SpaceActor, effects: Sequence[Effect]) -> None:
        """Whoever has handed a Space over may open another."""
        if any(isinstance(effect, HostChanged) for effect in effects):
            self._follow(actor)

    def discard(self, actor: SpaceActor) -> None:
        """The Space has ended."""
        self._hosts.discard(self._host_of.pop(actor.space, actor.state.founder))
        held = self._spaces.pop(actor.space, None)
        if held is not None:
            del self._numbers[bisect_left(self._numbers, held[0])]
            del self._by_number[held[0]]

    async def page(
        self, limit: int, after: bytes | None, matches: Callable[[SpaceActor], bool] | None = None
    ) -> Page | Refused:
        """At most `limit` live Spaces that match, the latest opened first.

        Refused: bad_value for a cursor that is not ours. Others get a turn of the loop while it searches.
        """
        if after is not None and len(after) != _CURSOR_BYTES:
            return Refused(
                "bad_value",
                f"The place to go on from has {len(after)} bytes, {_CURSOR_BYTES} is right; "
                "pass on the `more` of the page before.",
            )
        number = self._opened + 1 if after is None else int.from_bytes(after)
        found: list[tuple[SpaceActor, bytes]] = []
        looked = 0
        # By number each time, because Spaces open and end while others have their turn.
        while (at := bisect_left(self._numbers, number)) and len(found) < limit:
            number = self._numbers[at - 1]
            actor = self._by_number[number]
            if matches is None or matches(actor):
                found.append((actor, number.to_bytes(_CURSOR_BYTES)))
            looked += 1
            if looked % _TURN_SPACES == 0:
                await asyncio.sleep(0)
        return Page(found, found[-1][1] if at and found else None)

    def _follow(self, actor: SpaceActor) -> None:
        before, now = self._host_of.get(actor.space), actor.state.rightful_host
        if before is not None and before != now:
            self._hosts.discard(before)
            self._hosts.add(now)
            self._host_of[actor.space] = now


class Page(NamedTuple):
    """Live Spaces, each with where to go on behind it, and where to go on after all of them, or None."""

    spaces: list[tuple[SpaceActor, bytes]]
    more: bytes | None
