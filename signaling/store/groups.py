"""Transactions that wait at the same time and share one commit: each a savepoint of one outer transaction.

**Nobody is answered before the common commit**, and if it fails, all are told. One that fails rolls back
alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction

from signaling.store.whole import WholeConnection, ended, start

# Transactions that share one commit at most, and after how long a group takes no more: so long the first of
# them waits for others, and some ten commits to a disk that syncs would have taken as long.
GROUP_MAX: Final = 64
GROUP_US: Final = 50_000


class Group:
    """One outer transaction, from `begun` to `settle`, and those that ran in it so far.

    For whoever has the turn; only `settled` is waited for without it. `error`, once settled, is why nothing
    of it was committed. The first one needs no savepoint: as long as it is alone, it is the whole.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection = WholeConnection(engine)
        self._transaction: AsyncTransaction | None = None
        self._began_s = asyncio.get_running_loop().time()
        self.members = 0
        self.error: BaseException | None = None
        self.settled = asyncio.Event()

    async def begin(self) -> None:
        """Open the outer transaction. What fails, or is cancelled, leaves nothing open."""
        try:
            await ended(start(self._connection))
            self._transaction = self._connection.begin()
            await ended(start(self._transaction))
        except BaseException:
            await self.abandon()
            raise

    def takes_another(self, most: int) -> bool:
        """Whether one more may run in it: it is not full, not old, and nothing is wrong with it."""
        age_s = asyncio.get_running_loop().time() - self._began_s
        return self.members < most and age_s * 1_000_000 < GROUP_US and self.error is None

    @asynccontextmanager
    async def member(self) -> AsyncIterator[AsyncConnection]:
        """The connection for one transaction of the group, no longer to be used once the block is left.

        An exception in the block undoes what it did; where it was the first one, `abandon` does that.
        """
        own = WholeConnection(self._engine, self._connection.sync_connection)
        savepoint = own.begin_nested() if self.members else None
        try:
            try:
                if savepoint is not None:
                    await ended(start(savepoint))
                yield own
            except BaseException:
                if savepoint is not None:
                    await ended(self._undo(savepoint))
                raise
            self.members += 1
            if savepoint is not None:
                await ended(self._keep(savepoint))
        finally:
            own.sync_connection = None

    async def settle(self) -> None:
        """Commit, or roll back where something is wrong, and tell all who wait. Raises nothing of it."""
        try:
            if self._transaction is not None:
                await (self._transaction.commit() if self.error is None else self._transaction.rollback())
        except BaseException as error:
            self.error = self.error or error
            # SQLite keeps a transaction open whose commit failed: the next one gets another connection.
            await self._connection.invalidate()
            if not isinstance(error, Exception):
                raise
        finally:
            try:
                await self._close()
            finally:
                self.settled.set()

    async def abandon(self) -> None:
        """Roll everything back: nobody but the one that failed ran in it."""
        try:
            await ended(self._close())
        finally:
            self.settled.set()

    async def _undo(self, savepoint: AsyncTransaction) -> None:
        if savepoint.sync_transaction is None:
            return
        try:
            await savepoint.rollback()
        except DBAPIError as error:
            # The database rolled back more than was asked for, as it does when the disk is full.
            self.error = error

    async def _keep(self, savepoint: AsyncTransaction) -> None:
        try:
            await savepoint.commit()
        except DBAPIError as error:
            self.error = error
            raise

    async def _close(self) -> None:
        # Also rolls back what was begun while its task was cancelled.
        if self._connection.sync_connection is not None:
            await self._connection.close()
