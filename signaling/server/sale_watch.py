"""SaleWatch: finds in the store what other servers at the same database did with seats and tickets.

The ledger is only added to, and its entries are numbered in the order in which they were committed: what is
behind the last one seen is news. docs/decisions/0016 says why it is looked for and not listened to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from signaling.rules.sale import Sale
from signaling.server.surroundings import Surroundings
from signaling.store import Store, StoreError, ledger, sales

__all__ = ["WATCH_US", "SaleWatch"]

log = logging.getLogger(__name__)

WATCH_US: Final = 2_000_000
"""So long after its commit at most another server's news is found."""

READ_AT_ONCE: Final = 500
_KEY: Final = ("sale watch",)


class SaleWatch:
    """Looks every WATCH_US, from `start` to `stop`. `changed` and `offered` hear what the till of this server
    told them already, too: they must tell nobody twice."""

    def __init__(
        self,
        store: Store,
        around: Surroundings,
        *,
        changed: Callable[[Sale], None],
        offered: Callable[[Sale], None],
    ) -> None:
        self._store = store
        self._around = around
        self._changed = changed
        self._offered = offered
        self._entry = 0
        self._since_us = 0
        self._is_over = False

    async def start(self) -> None:
        """From here on. Who is told of what was before asks when they come."""
        async with self._store.transaction() as connection:
            self._entry = await ledger.newest(connection)
        self._since_us = self._around.wall_us()
        self._again()

    def stop(self) -> None:
        """Look no more."""
        self._is_over = True
        self._around.alarms.set(_KEY, None, self._ring)

    def _again(self) -> None:
        if not self._is_over:
            self._around.alarms.set(_KEY, self._around.clock_us() + WATCH_US, self._ring)

    def _ring(self, now_us: int) -> None:
        self._around.spawn(self._look())

    async def _look(self) -> None:
        try:
            await self._read()
        except StoreError as error:
            self._around.counts.store_failures += 1
            log.warning("what other servers did is looked for later: %s", error)
        finally:
            self._again()

    async def _read(self) -> None:
        """All that is new; of a sale that is new more than once, how it is now."""
        while True:
            now_us = self._around.wall_us()
            async with self._store.transaction() as connection:
                booked = await sales.booked_after(connection, self._entry, READ_AT_ONCE)
                offered = await sales.offered_since(connection, self._since_us)
            # Clocks of two servers differ: what was offered a while ago is looked at again.
            self._since_us = now_us - WATCH_US
            for sale in {sale.sale: sale for _, sale in booked}.values():
                self._changed(sale)
            for sale in offered:
                self._offered(sale)
            if booked:
                self._entry = booked[-1][0]
            if len(booked) < READ_AT_ONCE:
                return
