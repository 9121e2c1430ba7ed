"""Office: what all acts with money share: the store, the provider, the clock, and one decision at a time."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from signaling.pay.provider import Provider, ProviderUnknown
from signaling.rules.permissions import Refused
from signaling.rules.postings import Transaction
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sale_limits import SaleLimits
from signaling.store import AsyncConnection, IntegrityError, Store, StoreError, ledger, sales

__all__ = ["DECISIONS_MAX", "Nobody", "Office", "Told", "Work"]

log = logging.getLogger(__name__)

DECISIONS_MAX: Final = 20
"""So often a decision is made again where another server was faster; then the answer is busy."""

# Codes of the store that are answers to whoever asked, not faults.
_ANSWERS: Final = frozenset({"key_reused", "sold_out", "hold_open", "busy"})
# Codes that say that another server was faster.
_FASTER: Final = frozenset({"inconsistent", "sold_out"})
_TOO_SLOW: Final = (
    f"{DECISIONS_MAX} times in a row somebody was faster, and that is the limit; ask again in a second."
)

_T = TypeVar("_T")


class Told(Protocol):
    """Who is told what has become so, once it is committed. It must not wait and do little."""

    def seat_offered(self, sale: Sale) -> None:
        """A seat is held for somebody who waited for it."""
        ...

    def ticket_changed(self, sale: Sale) -> None:
        """A ticket is new or different, or its payment has come to an end."""
        ...

    def due(self, at_us: int) -> None:
        """There is something to do by time at `at_us`, perhaps before what was known: call `on_time`."""
        ...


class Nobody:
    """Tells nobody."""

    def seat_offered(self, sale: Sale) -> None: ...

    def ticket_changed(self, sale: Sale) -> None: ...

    def due(self, at_us: int) -> None: ...


@dataclass(slots=True)
class Work:
    """One transaction of the store, with what is to be told once it is committed."""

    connection: AsyncConnection
    now_us: int
    offered: list[Sale] = field(default_factory=list)
    changed: dict[bytes, Sale] = field(default_factory=dict)
    due_us: list[int] = field(default_factory=list)

    async def add(self, sale: Sale) -> None:
        """Write a new hold. StoreError sold_out, hold_open."""
        await sales.add(self.connection, sale)
        self.due_us.append(sale.expires_us)
        if sale.offered:
            self.offered.append(sale)

    async def save(self, before: Sale, after: Sale, booked: Transaction | None = None) -> None:
        """Write what became of a sale and what is booked for it. StoreError inconsistent, sold_out."""
        if after != before:
            await sales.save(self.connection, before, after)
        if booked is not None:
            await self.post(booked, after.space)
        if after.is_open:
            self.due_us.append(after.expires_us)
        if _is_news(before, after):
            self.changed[after.sale] = after

    async def post(self, booked: Transaction, space: bytes | None = None) -> None:
        """Book a transaction."""
        await ledger.post(self.connection, booked, space, self.now_us)

    async def sale(self, sale: bytes) -> Sale:
        """The sale of this id, which is there. KeyError: it is not."""
        found = await sales.get(self.connection, sale)
        if found is None:
            raise KeyError(sale.hex())
        return found


@dataclass(frozen=True, slots=True)
class Office:
    """One for a server. `wall_us`: microseconds since the epoch. `random_bytes` makes ids."""

    store: Store
    provider: Provider
    wall_us: Callable[[], int]
    limits: SaleLimits
    random_bytes: Callable[[int], bytes]
    told: Told

    def must_be_here(self, provider: str) -> None:
        """What one provider did another cannot be asked about. ProviderUnknown: it was another."""
        if provider != self.provider.name:
            raise ProviderUnknown(
                f"it was done through {provider} and {self.provider.name} is configured; configure "
                f"{provider} again to finish it"
            )

    def new_id(self) -> bytes:
        """16 random bytes."""
        return self.random_bytes(16)

    async def decide(self, act: Callable[[Work], Awaitable[_T | Refused]]) -> _T | Refused:
        """Carry `act` out in one transaction, and tell what came of it once it is on the disk.

        Where it answers with Refused nothing is written. Where the store is not any more as it read it, it
        is carried out again from the start, so it must do nothing but read and write there.
        """
        for _ in range(DECISIONS_MAX):
            try:
                return await self._once(act)
            except StoreError as error:
                if error.code in _ANSWERS:
                    return Refused(error.code, error.message, 1_000 if error.code == "busy" else 0)
                if error.code != "inconsistent":
                    raise
        return Refused("busy", _TOO_SLOW, 1_000)

    async def commit(self, act: Callable[[Work], Awaitable[_T]]) -> _T:
        """As `decide`, for what has happened and cannot be refused: a seat that is gone is decided anew, too.

        StoreError busy where the store has no time for it.
        """
        for _ in range(DECISIONS_MAX):
            try:
                result = await self._once(act)
            except StoreError as error:
                if error.code not in _FASTER:
                    raise
            else:
                if isinstance(result, Refused):
                    raise TypeError(f"{result.code} was answered where nothing can be refused; use decide")
                return result
        raise StoreError("busy", _TOO_SLOW)

    async def _once(self, act: Callable[[Work], Awaitable[_T | Refused]]) -> _T | Refused:
        try:
            async with self.store.transaction() as connection:
                work = Work(connection, self.wall_us())
                result = await act(work)
                if isinstance(result, Refused):
                    raise _Rejected(result)
        except _Rejected as rejected:
            return rejected.refused
        except IntegrityError as error:
            # Two servers wrote the same at once: the same key, event, hold or place on a waiting list. Read
            # again, what the other one wrote is there.
            log.warning("a decision is made again: %s", error.orig)
            raise StoreError(
                "inconsistent",
                "1 row of these was written by another server, and 1 is the limit; decide again.",
            ) from error
        self._tell(work)
        return result

    def _tell(self, work: Work) -> None:
        try:
            for sale in work.offered:
                self.told.seat_offered(sale)
            for sale in work.changed.values():
                self.told.ticket_changed(sale)
            if work.due_us:
                self.told.due(min(work.due_us))
        except Exception:  # what is committed stays so, whatever becomes of telling it
            log.exception("what became of %d sales could not be told", len(work.changed))


class _Rejected(Exception):  # noqa: N818  # it is an answer
    """Rolls back what was written before the rules said no."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.code)
        self.refused = refused


def _is_news(before: Sale, after: Sale) -> bool:
    """Whether the buyer is to hear of it: of the ticket, of money returned, of a payment that failed."""
    return (before.ticket, before.returned_minor) != (after.ticket, after.returned_minor) or (
        before.state is SaleState.PAYING and after.state not in (SaleState.PAYING, SaleState.SOLD)
    )
