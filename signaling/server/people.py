"""Who follows and blocks whom: the interface that an embedder may implement, and the store's own graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from signaling.store import Store, blocks, follows

__all__ = ["BatchGraph", "ListingGraph", "OwnGraph", "PeopleGraph", "Recent", "SqlGraph"]

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")

_PAGE = 1_000
_FEW = 100  # so many blocks of one person are kept together


class PeopleGraph(Protocol):
    """What a server has to know of its people. **An embedder's graph answers these three and nothing else.**

    Users are the subjects of tokens; of somebody it has never heard of it says 0 and False. Each call may
    take `people.graph_timeout_ms`, and as many as `people.graph_calls` run at one time; a call that takes
    longer or raises has the request answered with `busy`, and harms no Space.
    """

    async def followers_count(self, user: str) -> int:
        """How many follow `user`."""
        ...

    async def follows(self, follower: str, followed: str) -> bool:
        """Whether `follower` follows `followed`."""
        ...

    async def blocked(self, blocker: str, user: str) -> bool:
        """Whether `blocker` has blocked `user`."""
        ...


@runtime_checkable
class BatchGraph(Protocol):
    """May be there beside the three: the same for many people at once. Else each pair is asked for."""

    async def followed_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` whom `user` follows."""
        ...

    async def followers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` who follow `user`."""
        ...

    async def strangers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` who have blocked `user` or whom `user` has blocked."""
        ...


@runtime_checkable
class ListingGraph(Protocol):
    """May be there beside the three. Without it a timeline knows only of followed people on stage, not of
    those who listen."""

    async def followed(self, user: str, limit: int) -> Collection[str]:
        """Whom `user` follows, at most `limit` of them."""
        ...


class OwnGraph(PeopleGraph, BatchGraph, Protocol):
    """The store's own graph: what people change at this server, it is told of."""

    def follow_changed(self, follower: str, followed: str, on: bool) -> None:
        """The store has been told that `follower` follows `followed`, or no more."""

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        """The store has been told that `blocker` has blocked `user`, or no more. It ends following, both
        ways."""


class Recent(Generic[_Key, _Value]):
    """A map of at most `limit` entries; the one that was not asked for the longest is forgotten."""

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[_Key, _Value] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: _Key) -> _Value | None:
        """The value, or None."""
        value = self._held.pop(key, None)
        if value is not None:
            self._held[key] = value
        return value

    def put(self, key: _Key, value: _Value) -> None:
        """Remember this."""
        self._held.pop(key, None)
        self._held[key] = value
        if len(self._held) > self._limit:
            del self._held[next(iter(self._held))]

    def forget(self, key: _Key) -> None:
        """Ask the store the next time."""
        self._held.pop(key, None)


class SqlGraph:
    """The graph in the store, with what was asked for lately in memory.

    **Only this server writes to its store, and tells us through `follow_changed` and `block_changed`**: so
    what is in memory is what is in the store. What was read while something changed is not remembered.
    """

    def __init__(self, store: Store, cached: int) -> None:
        self._store = store
        self._changes = 0
        self._counts: Recent[str, int] = Recent(cached)
        self._follows: Recent[tuple[str, str], bool] = Recent(cached)
        self._blocks: Recent[tuple[str, str], bool] = Recent(cached)
        self._strangers: Recent[tuple[str, str], bool] = Recent(cached)  # by both, the lesser first
        self._blocked_by: Recent[str, frozenset[str]] = Recent(max(1, cached // _FEW))

    async def followers_count(self, user: str) -> int:
        """How many follow `user`. Raises StoreError and the database's errors, as all of these."""

        async def read() -> int:
            async with self._store.transaction() as connection:
                return await follows.followers_count(connection, user)

        return await self._read(self._counts, user, read)

    async def follows(self, follower: str, followed: str) -> bool:
        """Whether `follower` follows `followed`."""

        async def read() -> bool:
            async with self._store.transaction() as connection:
                return await follows.follows(connection, follower, followed)

        return await self._read(self._follows, (follower, followed), read)

    async def blocked(self, blocker: str, user: str) -> bool:
        """Whether `blocker` has blocked `user`.

        All whom one has blocked are read at once where they are few: whoever joins is asked about with the
        same host, and a thousand who join at one time shall not read a thousand times.
        """

        async def read_all() -> frozenset[str]:
            async with self._store.transaction() as connection:
                found, _ = await blocks.blocked(connection, blocker, limit=_FEW + 1)
            return frozenset(person.user for person in found)

        async def read_one() -> bool:
            async with self._store.transaction() as connection:
                return await blocks.is_blocked(connection, blocker, user)

        few = await self._read(self._blocked_by, blocker, read_all)
        if len(few) <= _FEW:
            return user in few
        return await self._read(self._blocks, (blocker, user), read_one)

    async def followed_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` whom `user` follows."""
        async with self._store.transaction() as connection:
            return await follows.followed_among(connection, user, candidates)

    async def followers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` who follow `user`."""
        async with self._store.transaction() as connection:
            return await follows.followers_among(connection, user, candidates)

    async def strangers_among(self, user: str, candidates: Collection[str]) -> frozenset[str]:
        """Those of `candidates` who have blocked `user` or whom `user` has blocked."""
        known = {other: self._strangers.get(_pair(user, other)) for other in candidates}
        found = {other for other, strange in known.items() if strange}
        unknown = [other for other, strange in known.items() if strange is None]
        if unknown:
            before = self._changes
            async with self._store.transaction() as connection:
                more = await blocks.strangers_among(connection, user, unknown)
            found |= more
            if before == self._changes:
                for other in unknown:
                    self._strangers.put(_pair(user, other), other in more)
        return frozenset(found)

    async def followed(self, user: str, limit: int) -> Collection[str]:
        """Whom `user` follows, at most `limit` of them."""
        found: list[str] = []
        async with self._store.transaction() as connection:
            more = ""
            while len(found) < limit:
                page, more = await follows.followed(
                    connection, user, after=more, limit=min(_PAGE, limit - len(found))
                )
                found += [person.user for person in page]
                if not more:
                    break
        return found

    def follow_changed(self, follower: str, followed: str, on: bool) -> None:
        """The store has been told that `follower` follows `followed`, or no more."""
        self._changes += 1
        self._follows.put((follower, followed), on)
        self._counts.forget(followed)

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        """The store has been told that `blocker` has blocked `user`, or no more."""
        self._changes += 1
        self._blocks.put((blocker, user), on)
        self._strangers.forget(_pair(blocker, user))
        self._blocked_by.forget(blocker)
        if on:
            for pair in ((blocker, user), (user, blocker)):
                self._follows.put(pair, False)
                self._counts.forget(pair[1])

    async def _read(
        self, held: Recent[_Key, _Value], key: _Key, read: Callable[[], Awaitable[_Value]]
    ) -> _Value:
        known = held.get(key)
        if known is not None:
            return known
        before = self._changes
        found = await read()
        if before == self._changes:
            held.put(key, found)
        return found


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
