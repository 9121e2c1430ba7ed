"""How tests of the till begin: a store, a bank that fails as it is told, a clock, and one Space on sale."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.pay import (
    Charge,
    ChargeResult,
    ChargeState,
    MoveState,
    PayoutAccount,
    ProviderUnknown,
    RefundOrder,
    RefundResult,
    Transfer,
    TransferResult,
)
from signaling.pay.charging import Bought, BuyState
from signaling.pay.sandbox import SandboxProvider
from signaling.pay.till import Till
from signaling.rules import Refused
from signaling.rules.money import currency
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, Terms, TicketState
from signaling.store import Store, deliveries, ledger, offers, plans, sales, spaces
from tests.signaling.store_stories import url_of

SPACE = bytes(range(16))
PREFIX = "192.0.2.0/24"
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
START_US = 1_800_000_000_000_000
PRICE = 10_000
FEE = PRICE * 29 // 1_000 + 30
USD = currency("USD")
LIMITS = SaleLimits.for_currency(USD)

_within: ContextVar[int] = ContextVar("transactions of this task", default=0)


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Fate:
    """Kills the process at its n-th step; from then on nothing of it goes on."""

    dies_at: int | None = None
    steps: int = 0
    is_dead: bool = False

    def check(self) -> None:
        if self.is_dead:
            raise Killed("before")

    def step(self) -> None:
        if self.is_dead or self.steps == self.dies_at:
            self.is_dead = True
            raise Killed(f"at step {self.steps}")
        self.steps += 1


class MortalStore:
    """A store whose user is killed before or after a commit; it knows who is within a transaction."""

    def __init__(self, store: Store, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        self._fate.check()
        async with self._store.transaction() as connection:
            token = _within.set(_within.get() + 1)
            try:
                yield connection
            finally:
                _within.reset(token)
            self._fate.step()
        self._fate.step()


Fault = Callable[[], Awaitable[None] | None]


@dataclass
class Bank:
    """The sandbox as if it were money, and as unreliable as a test wants it.

    `before` and `after` name verbs and how often each fails with ProviderUnknown: before it is carried out,
    or after. `asked` counts the calls. **Called within a transaction it fails the test.**
    """

    inner: SandboxProvider
    fate: Fate = field(default_factory=Fate)
    is_sandbox: bool = False
    name: str = "bank"
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    fee_hidden: bool = False

    async def _call(self, verb: str, *arguments: Any, **options: Any) -> Any:
        assert _within.get() == 0, f"{verb} was called within a transaction"
        self.fate.step()
        self.asked[verb] = self.asked.get(verb, 0) + 1
        await asyncio.sleep(0)
        _fail(self.before, verb)
        if verb in self.answers:
            return self.answers[verb]
        result = await getattr(self.inner, verb)(*arguments, **options)
        self.fate.step()
        _fail(self.after, verb)
        return result

    async def charge(self, charge: Charge) -> ChargeResult:
        return self._shown(await self._call("charge", charge))

    async def find_charge(self, charge_id: bytes, /, **hints: Any) -> ChargeResult | None:
        found = await self._call("find_charge", charge_id, **hints)
        return None if found is None else self._shown(found)

    async def cancel_charge(self, charge_id: bytes, /, **hints: Any) -> ChargeResult:
        return self._shown(await self._call("cancel_charge", charge_id, **hints))

    async def refund(self, refund: RefundOrder) -> RefundResult:
        return await self._call("refund", refund)

    async def find_refund(self, refund_id: bytes, /, **hints: Any) -> RefundResult | None:
        return await self._call("find_refund", refund_id, **hints)

    async def transfer(self, transfer: Transfer) -> TransferResult:
        return await self._call("transfer", transfer)

    async def find_transfer(self, transfer_id: bytes, /, **hints: Any) -> TransferResult | None:
        return await self._call("find_transfer", transfer_id, **hints)

    async def payout_account(self, user: str, ref: str = "") -> PayoutAccount:
        return await self._call("payout_account", user, ref)

    def _shown(self, result: ChargeResult) -> ChargeResult:
        return replace(result, fee_minor=None) if self.fee_hidden else result

    # What really happened there

    def entries(self, kind: str, state: str) -> list[Any]:
        with self.inner._book.reading() as book:
            return [entry for entry in book._entries.values() if (entry.kind, entry.state) == (kind, state)]

    @property
    def balance_minor(self) -> int:
        """What buyers paid less what went back and out, as the bank has it."""
        paid = sum(entry.amount_minor for entry in self.entries("charge", ChargeState.SUCCEEDED))
        back = sum(entry.amount_minor for entry in self.entries("refund", MoveState.SUCCEEDED))
        return paid - back - sum(each.amount_minor for each in self.entries("transfer", MoveState.SUCCEEDED))


def _fail(faults: dict[str, int], verb: str) -> None:
    if faults.get(verb, 0) > 0:
        faults[verb] -= 1
        raise ProviderUnknown(f"no answer about {verb}")


class Heard:
    """What was told, in order."""

    def __init__(self) -> None:
        self.offers: list[tuple[str, bytes]] = []
        self.changes: list[tuple[str, SaleState, TicketState | None]] = []
        self.due_us: list[int] = []

    def seat_offered(self, sale: Sale) -> None:
        self.offers.append((sale.buyer, sale.sale))

    def ticket_changed(self, sale: Sale) -> None:
        self.changes.append((sale.buyer, sale.state, sale.ticket))

    def due(self, at_us: int) -> None:
        self.due_us.append(at_us)


class World:
    """One till at one store and bank; `now_us` is moved by the test."""

    def __init__(self, store: Store, bank: Bank, limits: SaleLimits = LIMITS) -> None:
        self.store = store
        self.bank = bank
        self.limits = limits
        self.now_us = START_US
        self.heard = Heard()
        self._keys = 0
        self._ids = 0
        self.born()

    def born(self, fate: Fate | None = None) -> Till:
        """A new process on the same data."""
        fate = fate or Fate()
        self.bank.fate = fate
        store: Any = MortalStore(self.store, fate)
        self.till = Till(
            store,
            self.bank,
            self.limits,
            wall_us=lambda: self.now_us,
            told=self.heard,
            random_bytes=self._id,
        )
        return self.till

    def key(self) -> bytes:
        self._keys += 1
        return self._keys.to_bytes(16, "big")

    def _id(self, size: int) -> bytes:
        self._ids += 1
        return b"id" + self._ids.to_bytes(size - 2, "big")

    async def on_sale(self, capacity: int = 2, space: bytes = SPACE, host: str = "ann") -> None:
        """A Space planned in two hours, on sale from now on, with a promised hour."""
        starts_us = self.now_us + 2 * HOUR_US
        async with self.store.transaction() as connection:
            await plans.add(
                connection,
                space=space,
                title="Tea",
                host=host,
                host_name="Ann",
                starts_us=starts_us,
                now_us=self.now_us,
            )
            terms = Terms(PRICE, capacity, HOUR_US, "USD", self.now_us, starts_us + HOUR_US)
            await offers.put(connection, space, host, terms)

    async def cancel(self, space: bytes = SPACE, reason: str = "host_cancelled") -> None:
        async with self.store.transaction() as connection:
            await plans.cancel(connection, space, reason, self.now_us)

    async def go_live(self, space: bytes = SPACE, host: str = "ann") -> None:
        async with self.store.transaction() as connection:
            await spaces.add(
                connection, space=space, title="Tea", host=host, host_name="Ann", now_us=self.now_us
            )

    async def end(self, space: bytes = SPACE, reason: str = "host_ended", on_air_us: int = 0) -> None:
        async with self.store.transaction() as connection:
            if on_air_us:
                await deliveries.checkpoint(connection, space, on_air_us, {}, self.now_us)
            await spaces.end(connection, space, reason, self.now_us)

    async def held(self, buyer: str, space: bytes = SPACE) -> Sale:
        hold = await self.till.reserve(space, buyer, PREFIX, self.key())
        assert isinstance(hold, Sale), hold
        return hold

    async def bought(self, buyer: str, card: str = "card_ok", space: bytes = SPACE) -> Sale:
        """A ticket that is paid."""
        hold = await self.held(buyer, space)
        answer = await self.till.buy(buyer, hold.sale, card, self.key())
        assert isinstance(answer, Bought), answer
        assert answer.state is BuyState.SOLD
        return answer.sale

    async def sale(self, sale: bytes) -> Sale:
        async with self.store.transaction() as connection:
            found = await sales.get(connection, sale)
        assert found is not None
        return found

    async def seen(self, space: bytes = SPACE) -> OnSale:
        async with self.store.transaction() as connection:
            found = await offers.get(connection, space)
        assert found is not None
        return found

    async def balance(self, account: str) -> int:
        async with self.store.transaction() as connection:
            return await ledger.balance(connection, account, "USD", sandbox=self.bank.is_sandbox)

    async def expect_right(self) -> None:
        """The ledger sums to 0, and says of the bank what the bank says."""
        async with self.store.transaction() as connection:
            trial = await ledger.trial_balance(connection)
        assert trial.is_right, trial
        assert await self.balance(f"clearing:{self.bank.name}") == self.bank.balance_minor


def refused(answer: object) -> str:
    """The code of a refusal."""
    assert isinstance(answer, Refused), answer
    return answer.code


def fresh(folder: Path) -> str:
    """The URL of an empty store of today's tables, in a file: copied, for they take long to make."""
    template = folder / "template.db"
    if not template.exists():

        async def nothing(world: World) -> None: ...

        told(url_of(template), nothing)
    return url_of(Path(shutil.copy(template, folder / "world.db")))


def told(url: str, story: Callable[[World], Awaitable[None]], **limits: Any) -> None:
    """Run a story in a new world."""

    async def run() -> None:
        store = Store(url)
        await store.open()
        try:
            bank = Bank(SandboxProvider(wall_s=lambda: START_US / 1_000_000))
            await story(World(store, bank, replace(LIMITS, **limits)))
        finally:
            await store.close()

    asyncio.run(run())
