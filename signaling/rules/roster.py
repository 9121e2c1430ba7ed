"""Who is inside a Space: a map that keeps its older versions readable and costs O(1) to change."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import islice


class _Table:
    """The one real map behind all versions of a roster, with its keys in order for paging."""

    __slots__ = ("names", "order")

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.order: list[str] = []

    def put(self, user: str, name: str | None) -> None:
        if name is None:
            del self.names[user]
            del self.order[bisect_left(self.order, user)]
            return
        if user not in self.names:
            insort(self.order, user)
        self.names[user] = name


class Roster:
    """Users and their names, as a value: changing it makes a new one, and the old one stays as it was.

    **Exactly one version owns the table; every other one knows the change that leads to it from its
    neighbour** (Baker's shallow binding). Reading the newest version costs what a dict costs, also with
    10,000 people; reading an older one moves the table there, but for how many are in it. So a verb may be
    decided, written to the store, and dropped when the store fails, without copying a room. Whoever holds an
    old version for long holds every change since. For one thread.
    """

    __slots__ = ("_change", "_neighbour", "_people", "_table")

    def __init__(self) -> None:
        self._people = 0
        self._table: _Table | None = _Table()
        self._neighbour: Roster | None = None
        self._change: tuple[str, str | None] = ("", None)

    def with_person(self, user: str, name: str) -> Roster:
        """The roster with `user` in it."""
        return self._changed(user, name)

    def without(self, user: str) -> Roster:
        """The roster without `user`, who must be in it (KeyError)."""
        if user not in self:
            raise KeyError(user)
        return self._changed(user, None)

    def name_of(self, user: str) -> str:
        """The name of a person inside; KeyError for others."""
        return self._own().names[user]

    def page(self, after: str, limit: int) -> list[tuple[str, str]]:
        """Up to `limit` people (user, name) in the order of their ids, those behind `after`."""
        table = self._own()
        start = bisect_right(table.order, after)
        return [(user, table.names[user]) for user in islice(table.order, start, start + max(limit, 0))]

    def __contains__(self, user: object) -> bool:
        return user in self._own().names

    def __len__(self) -> int:
        return self._people  # every change is compared with what was before

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._own().order))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Roster):
            return NotImplemented
        # Copied, because two versions of one roster take turns in owning the table.
        return self is other or dict(self._own().names) == other._own().names

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Roster({self._own().names!r})"

    def _changed(self, user: str, name: str | None) -> Roster:
        table = self._own()
        before = table.names.get(user)
        table.put(user, name)
        newer = Roster.__new__(Roster)
        newer._table, newer._neighbour, newer._change = table, None, ("", None)
        newer._people = len(table.names)
        self._table, self._neighbour, self._change = None, newer, (user, before)
        return newer

    def _own(self) -> _Table:
        """Move the table to this version, undoing change by change on the way."""
        if self._table is not None:
            return self._table
        chain: list[Roster] = []
        version = self
        while version._neighbour is not None:
            chain.append(version)
            version = version._neighbour
        table = version._table
        if table is None:  # cannot be: the end of every chain owns the table
            raise RuntimeError("a roster has lost its table")
        for older in reversed(chain):
            user, name = older._change
            undo = (user, table.names.get(user))
            table.put(user, name)
            version._table, version._neighbour, version._change = None, older, undo
            older._table, older._neighbour, older._change = table, None, ("", None)
            version = older
        return table
