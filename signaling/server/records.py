"""Records: the store as Spaces and the front desk need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from signaling.rules import Effect
from signaling.store import Store, accounts, record, spaces

__all__ = ["StoreRecords"]


class StoreRecords:
    """Writes to a Store, with the wall clock's time (microseconds since the epoch)."""

    __slots__ = ("_store", "_wall_us")

    def __init__(self, store: Store, wall_us: Callable[[], int]) -> None:
        self._store = store
        self._wall_us = wall_us

    async def write(self, space: bytes, effects: Sequence[Effect]) -> None:
        """Write the durable ones of these effects in one transaction.

        Raises StoreError and the database's errors; then nothing was written.
        """
        async with self._store.transaction() as connection:
            await record(connection, space, effects, self._wall_us())

    async def register(self, user: str, name: str) -> None:
        """Make an account. Raises as `write`."""
        async with self._store.transaction() as connection:
            await accounts.ensure(connection, user, name, self._wall_us())

    async def end_leftovers(self) -> int:
        """End the Spaces that a crash left live; returns how many."""
        async with self._store.transaction() as connection:
            return await spaces.end_all_live(connection, self._wall_us())
