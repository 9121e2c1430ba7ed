"""One life of the process that bench.crash_money kills: it brings its books into order, then it sells.

It runs the real till on the store's file. What is asked of it, and what it answered after the commit, goes to
the pipe line by line, so that whoever kills it knows what was acknowledged.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bench.crash_bank import Bank
from signaling.pay.charging import Bought, BuyState
from signaling.pay.provider import ProviderUnknown
from signaling.pay.refunding import Refunded
from signaling.pay.till import Till
from signaling.pay.webhooks import ProviderInbox
from signaling.rules.money import currency
from signaling.rules.permissions import Refused
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import Terms
from signaling.store import AsyncConnection, Store, accounts, deliveries, ledger, offers, plans, spaces
from signaling.store.payouts import StoredPayout

START_US: Final = 1_800_000_000_000_000
HOUR_US: Final = 3_600_000_000
# Each life begins so much later than the one before: six of them, and what was sold may be paid out.
LIFE_US: Final = 4 * HOUR_US
HOSTS: Final = ("ann", "bo", "cy")
PRICE_MINOR: Final = 9_999
SEATS: Final = 12
WORKERS: Final = 4
# The requests of one life have the numbers of its own thousands.
NUMBERS: Final = 10_000
# In each second life a Space is put on sale, and the one before the last three ends.
OPEN_SPACES: Final = 3
CARDS: Final = (
    *("card_ok",) * 6,
    *("card_needs_action", "card_fee_late", "card_times_out_charged"),
    *("card_times_out_not_charged", "card_declined"),
)
ENDS: Final = ("delivered", "broke_off", "cancelled")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the till. Asked again, with the same number, it must do nothing twice.

    `what` is the Space that is opened, ended or sold, the ticket that is given back, in hex.
    """

    number: int
    verb: Literal["open", "end", "sell", "give_back", "pay_out"]
    host: str
    what: str = ""
    how: str = ""
    amount_minor: int = 0

    @property
    def buyer(self) -> str:
        """One for each number."""
        return f"buyer{self.number}"

    def key(self, step: str) -> bytes:
        """The idempotency key of one step of it."""
        return hashlib.sha256(f"{self.number} {step}".encode()).digest()[:16]


@dataclass(frozen=True, slots=True)
class Life:
    """What a child is born with. `again`: what was asked before, and perhaps not answered; `tickets`: of
    which host which are sold; `questions`: the charges that wait for their buyer."""

    number: int
    seed: str
    folder: Path
    again: tuple[Request, ...]
    tickets: tuple[tuple[str, str], ...]
    questions: tuple[bytes, ...]

    @property
    def url(self) -> str:
        """The store of this world."""
        return f"sqlite+aiosqlite:///{self.folder / 'spaces.db'}"


def limits() -> SaleLimits:
    """The usual ones, but that a hold outlives some kills."""
    day_us = 24 * HOUR_US
    return SaleLimits.for_currency(currency("USD"), hold_us=day_us, offer_us=day_us, keys_us=90 * day_us)


def space_of(number: int) -> str:
    """The Space that is opened in the life of this number, in hex."""
    return hashlib.sha256(f"space {number}".encode()).hexdigest()[:32]


def host_of(number: int) -> str:
    """Whose Space that is."""
    return HOSTS[number // 2 % len(HOSTS)]


@dataclass
class _Counts:
    """What an inbox counts."""

    provider_events: int = 0
    provider_events_refused: int = 0
    provider_events_failed: int = 0


class _Warm:
    """Statements that are compiled already: of a short life that would be the longest part.

    SQLAlchemy keeps them for each engine and its dialect, and knows no other way to pass them on.
    """

    def __init__(self) -> None:
        self._engine: Any = None

    def lend(self, store: Store) -> None:
        """To the engine of this store, or take them from the first one."""
        engine: Any = store._engine.sync_engine  # type: ignore[union-attr]
        self._engine = self._engine or engine
        engine.dialect, engine._compiled_cache = self._engine.dialect, self._engine._compiled_cache


_WARM: Final = _Warm()


class Process:
    """The process: one till on one store, `say` writes a line to who listens, `go` waits for their word."""

    def __init__(self, life: Life, say: Callable[[dict[str, Any]], None], go: Callable[[], None]) -> None:
        self._life = life
        self._say = say
        self._go = go
        self._chance = random.Random(f"{life.seed} life {life.number}")
        self._born_ns = time.monotonic_ns()
        self._made = 0
        self.store = Store(life.url)
        self.bank = Bank(life.folder / "bank.jsonl", self._chance, lambda: self._now_us() / 1_000_000)
        self.till = Till(self.store, self.bank, limits(), wall_us=self._now_us)

    def _now_us(self) -> int:
        passed_us = (time.monotonic_ns() - self._born_ns) // 1_000
        return START_US + self._life.number * LIFE_US + passed_us

    async def open(self) -> None:
        """Open the store, with the statements that were compiled before the fork."""
        await self.store.open()
        _WARM.lend(self.store)

    async def live(self) -> None:
        """Until somebody kills it, or tells it by `go` that it may leave."""
        await self.open()
        before_minor = await self._wrong_minor()
        for charge in self._life.questions:
            # The buyer answered his card while nobody was there to hear of it.
            await self.bank.act(charge, self._chance.random() < 0.7)
        left = await self.till.complete_unfinished()
        await self.till.on_time()
        wrong_minor = before_minor + await self._wrong_minor()
        self._say({"recovered": {"left": left, "wrong_minor": wrong_minor}})
        self._go()
        self.bank.is_calm = False
        inbox = ProviderInbox(
            self.bank, self.till.on_provider_event, _Counts(), wall_s=lambda: self._now_us() / 1_000_000
        )
        self.bank.deliver = inbox.deliver
        for request in self._duties():
            await self._serve(request)
        await asyncio.gather(*(self._work(number) for number in range(WORKERS)))

    async def rehearse(self) -> None:
        """Each verb once, in a world of its own, before there are children."""
        await self.open()
        await self.till.complete_unfinished()
        await self.till.on_time()
        for number, how in enumerate(ENDS):
            host, space = HOSTS[number], space_of(number)
            await self._serve(self._request("open", host, space))
            cards = ("card_ok", *sorted(set(CARDS)))
            sold = [await self._sell(self._request("sell", host, space, card)) for card in cards]
            tickets = [answer["id"] for answer in sold if "id" in answer]
            for ticket, amount_minor in zip(tickets, (0, 1, 333), strict=False):
                await self._give_back(self._request("give_back", host, ticket, "", amount_minor))
            await self._serve(self._request("end", host, space, how))
            self._born_ns -= 30 * HOUR_US * 1_000
            await self._pay_out(self._request("pay_out", host))
            await self.till.on_time()
        await self._wrong_minor()

    async def leave(self) -> None:
        """Close what is open."""
        await self.store.close()
        await self.bank.close()

    async def _wrong_minor(self) -> int:
        """By how much the ledger is not balanced; each wrong entry or balance counts as one more."""
        async with self.store.transaction() as connection:
            trial = await ledger.trial_balance(connection)
        return trial.total_minor + len(trial.unbalanced) + len(trial.drifted)

    def _duties(self) -> list[Request]:
        """What begins a life: what was asked already, and a Space that opens and one that ends."""
        number = self._life.number
        duties = [each for each in self._life.again if each.verb in ("open", "end")]
        if number % 2 == 0:
            duties.append(self._request("open", host_of(number), space_of(number)))
            ends = number - 2 * OPEN_SPACES
            if ends >= 0:
                how = self._chance.choice(ENDS)
                duties.append(self._request("end", host_of(ends), space_of(ends), how))
        return duties

    def _request(
        self,
        verb: Literal["open", "end", "sell", "give_back", "pay_out"],
        host: str,
        what: str = "",
        how: str = "",
        amount_minor: int = 0,
    ) -> Request:
        self._made += 1
        return Request(self._life.number * NUMBERS + self._made, verb, host, what, how, amount_minor)

    async def _work(self, worker: int) -> None:
        repeated = [each for each in self._life.again if each.verb not in ("open", "end")]
        for request in repeated[worker::WORKERS]:
            await self._serve(request)
        while True:
            await self._serve(self._next())

    def _next(self) -> Request:
        """Some sale, refund or payout."""
        chance = self._chance
        verb = chance.choices(("sell", "give_back", "pay_out"), (6, 2, 2))[0]
        if verb == "give_back" and self._life.tickets:
            host, ticket = chance.choice(self._life.tickets)
            return self._request("give_back", host, ticket, "", chance.choice((0, 1, 333, 1_000)))
        if verb == "pay_out":
            return self._request("pay_out", chance.choice(HOSTS))
        last = self._life.number // 2 * 2
        space = chance.choice([one for one in range(last, last - 2 * OPEN_SPACES, -2) if one >= 0])
        return self._request("sell", host_of(space), space_of(space), chance.choice(CARDS))

    async def _serve(self, request: Request) -> None:
        self._say(
            {"asked": {name: getattr(request, name) for name in request.__slots__}},
        )
        acts: dict[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "open": self._open,
            "end": self._end,
            "sell": self._sell,
            "give_back": self._give_back,
            "pay_out": self._pay_out,
        }
        answer = await acts[request.verb](request)
        self._say({"answered": request.number, **answer})

    async def _open(self, request: Request) -> dict[str, Any]:
        now_us, space = self._now_us(), bytes.fromhex(request.what)
        async with self.store.transaction() as connection:
            if await offers.get(connection, space) is None:
                await accounts.ensure(connection, request.host, "Host", now_us)
                starts_us = now_us + 120 * HOUR_US
                await plans.add(
                    connection, space=space, title="Tea", host=request.host, host_name="Host",
                    starts_us=starts_us, now_us=now_us,
                )  # fmt: skip
                terms = Terms(PRICE_MINOR, SEATS, HOUR_US, "USD", now_us, starts_us + HOUR_US)
                await offers.put(connection, space, request.host, terms)
        return {}

    async def _end(self, request: Request) -> dict[str, Any]:
        """It was on air as promised, or half of that, or never."""
        space = bytes.fromhex(request.what)
        async with self.store.transaction() as connection:
            stored = await spaces.get(connection, space)
            if stored is not None and stored.ended_reason is None:
                await self._end_in(connection, space, request)
        await self.till.space_over(space)
        return {}

    async def _end_in(self, connection: AsyncConnection, space: bytes, request: Request) -> None:
        now_us = self._now_us()
        if request.how == "cancelled":
            await plans.cancel(connection, space, "host_cancelled", now_us)
            return
        await spaces.add(
            connection, space=space, title="Tea", host=request.host, host_name="Host", now_us=now_us
        )
        on_air_us = HOUR_US if request.how == "delivered" else HOUR_US // 2 + 1
        await deliveries.checkpoint(connection, space, on_air_us, {}, now_us)
        await spaces.end(connection, space, "host_ended", now_us)

    async def _sell(self, request: Request) -> dict[str, Any]:
        buyer, till = request.buyer, self.till
        prefix = f"10.{request.number >> 8 & 255}.{request.number & 255}.0/24"
        hold = await till.reserve(bytes.fromhex(request.what), buyer, prefix, request.key("hold"))
        if not isinstance(hold, Sale):
            return {"answer": hold.code if isinstance(hold, Refused) else "waits"}
        bought = await till.buy(buyer, hold.sale, request.how, request.key("buy"))
        if isinstance(bought, Bought) and bought.state is BuyState.NEEDS_ACTION:
            await self.bank.act(bought.sale.charge, self._chance.random() < 0.7)
            bought = await till.buy(buyer, hold.sale, request.how, request.key("buy"))
        if not isinstance(bought, Bought) or bought.state is not BuyState.SOLD:
            return {"answer": bought.code if isinstance(bought, Refused) else bought.state.name}
        return {"answer": "sold", "id": bought.sale.sale.hex(), "host": request.host}

    async def _give_back(self, request: Request) -> dict[str, Any]:
        given = await self.till.refund(
            request.host, bytes.fromhex(request.what), request.amount_minor, request.key("give_back")
        )
        if isinstance(given, Refunded):
            return {"answer": "refunded", "id": given.refund.refund.hex()}
        return {"answer": given.code}

    async def _pay_out(self, request: Request) -> dict[str, Any]:
        try:
            paid = await self.till.pay_out(request.host, request.key("pay_out"))
        except ProviderUnknown:
            return {"answer": "unknown"}
        if isinstance(paid, StoredPayout):
            return {"answer": "paid_out", "id": paid.payout.payout.hex()}
        return {"answer": paid.code}


def make_empty(file: Path) -> None:
    """A store with nothing in it."""

    async def make() -> None:
        store = Store(f"sqlite+aiosqlite:///{file}")
        await store.open()
        await store.close()

    asyncio.run(make())


def rehearse(life: Life) -> None:
    """Do once what children will do, in this process."""

    async def run() -> None:
        process = Process(life, lambda line: None, lambda: None)
        try:
            await process.rehearse()
        finally:
            await process.leave()

    asyncio.run(run())


def be(life: Life, out: int, word: int) -> None:
    """What a forked child does until it is killed. A failure of its own is a line, too."""

    def say(line: dict[str, Any]) -> None:
        os.write(out, json.dumps(line).encode() + b"\n")

    def go() -> None:
        if os.read(word, 1) != b"g":
            raise _Leave

    async def run() -> None:
        process = Process(life, say, go)
        try:
            await process.live()
        finally:
            await process.leave()

    try:
        asyncio.run(run())
    except _Leave:
        say({"left": True})
    except BaseException:
        say({"failed": traceback.format_exc()})


class _Leave(Exception):  # noqa: N818  # nothing is wrong
    """It was told to end."""
