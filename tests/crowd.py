"""A crowd for a few seats, in real processes: `python -m tests.crowd FOLDER quic|tills BUYERS SEATS SEED`.

quic: one server on a file of SQLite, and four processes of buyers who come to it over QUIC. tills: four
servers' tills on one PostgreSQL, whose URL follows, each with its own buyers. Some let their hold lapse, are
declined, or have second thoughts. It goes on until all seats are sold, and prints what became of them.

Everybody is forked from one process, which has imported all that they need.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import random
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from signaling.client import BoughtState, Client, RequestRefused, connect
from signaling.config import AuthConfig, ListenConfig, ServerConfig, StoreConfig, TicketsConfig
from signaling.pay.charging import Bought, BuyState
from signaling.pay.sandbox import SandboxProvider
from signaling.pay.till import Till
from signaling.protocol.messages import Reserved, SeatOffered
from signaling.rules import Refused
from signaling.rules.sale import Sale
from signaling.rules.sales import Terms
from signaling.server import Server
from signaling.store import Store, StoreError, accounts, ledger, offers, plans
from tests.forked import Child

PROCESSES = 4
# A crowd that is not through by then never will be.
PATIENCE_S = 200.0
# At several servers nobody is told of a seat that another one has free: they come again after so long.
PAUSE_S = 60.0
# So often each server looks for what is due; a real one knows when that is.
TICK_S = 3.0
HOUR_US = 3_600_000_000
# Holds lapse soon, and whoever let one lapse may hold a seat again at once.
TICKETS = TicketsConfig(
    hold_s=2, offer_s=2, paying_s=2, pause_s=0, pause_most_s=0, holds_per_prefix=100_000, min_followers=0
)
# Where five processes take turns at a database, a payment may come to its turn late.
LONGER = dataclasses.replace(TICKETS, hold_s=6, offer_s=6, paying_s=6)
CARDS = ("card_ok", "card_ok", "card_times_out_charged", "card_declined", "card_needs_action")


# One server, buyers over QUIC


def config_of(folder: Path) -> ServerConfig:
    """A development server on a file of SQLite, whose holds are short."""
    return ServerConfig(
        listen=ListenConfig(host="127.0.0.1", port=0),
        auth=AuthConfig(development=True),
        store=StoreConfig(data_dir=folder),
        tickets=TICKETS,
    )


async def serve(child: Child, folder: Path) -> dict[str, int]:
    server = Server(config_of(folder))
    await server.start()
    host, port = server.address[:2]
    child.say({"address": f"{host}:{port}", "fingerprint": server.fingerprint})
    await child.word()
    await server.stop()
    return {"errors": server.statistics()["errors_caught"]}


async def buyers(child: Child, first: int, count: int, seed: int) -> dict[str, int]:
    """Some buyers over QUIC; they stay until they are told that all is sold."""
    where = await child.word()
    space = bytes.fromhex(where["space"])
    at_once = asyncio.Semaphore(4)
    tally = {"sold": 0, "lapsed": 0, "released": 0, "declined": 0}
    async with contextlib.AsyncExitStack() as open_now:

        async def come(number: int) -> Client:
            async with at_once:
                client = await connect(
                    where["address"],
                    name=f"buyer {number}",
                    fingerprint=where["fingerprint"],
                    timeout_s=60,
                    request_timeout_s=60,
                    seed=number,
                )
            return await open_now.enter_async_context(client)

        clients = await asyncio.gather(*(come(first + number) for number in range(count)))
        child.say({"there": count})
        await child.word()
        tasks = [
            asyncio.ensure_future(_buy_one(client, space, random.Random(f"{seed} {first + number}"), tally))
            for number, client in enumerate(clients)
        ]
        told = asyncio.ensure_future(child.word())
        unfinished = {told, *tasks}
        while told in unfinished:
            done, unfinished = await asyncio.wait(unfinished, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
    return tally


async def _buy_one(client: Client, space: bytes, chance: random.Random, tally: dict[str, int]) -> None:
    """A seat at once or when one is offered; then buy it, or do not, and come again later."""
    is_sold = False
    while not is_sold:
        try:
            hold = await _seat(client, space)
        except RequestRefused as refused:
            if refused.code != "has_ticket":
                raise
            tally["sold"] += 1  # a payment that was pending came through
            return
        fate = chance.random()
        if fate < 0.2:
            tally["lapsed"] += 1
        elif fate < 0.3:
            with contextlib.suppress(RequestRefused):  # it had lapsed already
                await client.release(hold)
            tally["released"] += 1
        else:
            is_sold = await _pay(client, hold, chance.choice(CARDS), tally)
        await asyncio.sleep(2 * TICKETS.hold_s)


async def _seat(client: Client, space: bytes) -> Reserved | SeatOffered:
    """The next seat that is to be had, in a line with all others."""
    while True:
        try:
            got = await client.reserve(space)
            if isinstance(got, Reserved):
                return got
        except RequestRefused as refused:
            if refused.code == "hold_open":  # it lapses when the server comes to it
                await asyncio.sleep(TICKETS.hold_s)
                continue
            if refused.code != "sold_out":
                raise
        try:
            await client.wait(space)
        except RequestRefused as refused:
            if refused.code != "not_permitted":  # a seat has become free meanwhile
                raise
            continue
        async for event in client.ticket_events():
            if isinstance(event, SeatOffered):
                return event


async def _pay(client: Client, hold: Reserved | SeatOffered, card: str, tally: dict[str, int]) -> bool:
    """Returns whether the seat is theirs."""
    try:
        bought = await client.buy(hold, card)
    except RequestRefused as refused:
        if refused.code not in ("card_declined", "hold_lapsed", "no_such_hold"):
            raise
        tally["declined"] += 1
        return False
    is_sold = bought.state == BoughtState.SOLD
    tally["sold" if is_sold else "lapsed"] += 1
    return is_sold


async def quic(folder: Path, seats: int, server: Child, crowd: list[Child]) -> Any:
    """Bring them together; returns what became of the seats."""
    where = await server.heard()
    try:
        await Server(config_of(folder)).start()
        second = "started"
    except StoreError as error:
        second = f"{error.code}: {error.message}"
    async with await connect(
        where["address"], name="Host", fingerprint=where["fingerprint"], request_timeout_s=60
    ) as host:
        space = (await host.schedule("Tea", datetime.now(UTC) + timedelta(hours=2))).space
        await host.sell(space, 1_250, seats, timedelta(hours=1))
        for child in crowd:
            child.tell({**where, "space": space.hex()})
        for child in crowd:
            await child.heard()
        for child in crowd:
            child.tell("go")
        most = 0
        async with asyncio.timeout(PATIENCE_S):
            while len(sold := await host.sold_tickets(space)) < seats:
                most = max(most, len(sold))
                await asyncio.sleep(0.2)
        holders = len({row.user for row in sold})
    for child in crowd:
        child.tell("sold")
    tallies = [await child.heard() for child in crowd]
    server.tell("stop")
    await server.heard()
    return {"second": second, "holders": holders, "server": server.pid, **_added(tallies)}


# Four servers' tills, buyers beside them


async def till_of_four(child: Child, url: str, folder: Path, numbers: range, seed: int) -> Any:
    """One of several servers that sell, and those who come to it."""
    space = bytes.fromhex(await child.word())
    store = Store(url, shared=True)
    await store.open()
    bank = SandboxProvider(file=folder / "sandbox.jsonl")
    till = Till(store, bank, limits(), wall_us=_now_us)
    tally = {"sold": 0, "lapsed": 0, "released": 0, "declined": 0}
    told = asyncio.ensure_future(child.word())
    clock = asyncio.ensure_future(_tick(till, told))
    await asyncio.gather(
        *(_come_to(till, space, number, random.Random(f"{seed} {number}"), told, tally) for number in numbers)
    )
    await clock
    await bank.close()
    await store.close()
    return tally


async def _tick(till: Till, told: asyncio.Future[Any]) -> None:
    while not told.done():
        await till.on_time()
        await asyncio.wait([told], timeout=TICK_S)


async def _come_to(  # noqa: PLR0917  # all of one visit
    till: Till,
    space: bytes,
    number: int,
    chance: random.Random,
    told: Any,
    tally: dict[str, int],
) -> None:
    """Come at some time, and again while nothing is free; buy what one gets, or do not."""
    buyer, tries = f"buyer{number}", 0
    while not told.done():
        await asyncio.wait([told], timeout=chance.uniform(0, PAUSE_S))
        tries += 1
        hold = await till.reserve(space, buyer, "unknown", _key(number, f"hold {tries}"))
        if not isinstance(hold, Sale):
            continue
        fate = chance.random()
        if fate < 0.3:
            tally["lapsed"] += 1
            continue
        if fate < 0.4:
            await till.release(buyer, hold.sale)
            tally["released"] += 1
            continue
        bought = await till.buy(buyer, hold.sale, chance.choice(CARDS), _key(number, f"buy {tries}"))
        if isinstance(bought, Bought) and bought.state is BuyState.SOLD:
            tally["sold"] += 1
            return
        tally["declined" if isinstance(bought, Refused) else "lapsed"] += 1


async def tills(url: str, seats: int, crowd: list[Child]) -> Any:
    """Put a Space on sale, let them come, and wait until all is sold."""
    space = bytes(range(16))
    store = Store(url)
    await store.open()
    now_us = _now_us()
    async with store.transaction() as connection:
        await accounts.ensure(connection, "host", "Host", now_us)
        await plans.add(
            connection, space=space, title="Tea", host="host", host_name="Host",
            starts_us=now_us + HOUR_US, now_us=now_us,
        )  # fmt: skip
        terms = Terms(1_250, seats, HOUR_US, "USD", now_us - 1, now_us + HOUR_US)
        await offers.put(connection, space, "host", terms)
    for child in crowd:
        child.tell(space.hex())
    sold = 0
    async with asyncio.timeout(PATIENCE_S):
        while sold < seats:
            await asyncio.sleep(0.5)
            async with store.transaction() as connection:
                on_sale = await offers.get(connection, space)
            sold = 0 if on_sale is None else on_sale.sold
    for child in crowd:
        child.tell("sold")
    tallies = [await child.heard() for child in crowd]
    async with store.transaction() as connection:
        on_sale = await offers.get(connection, space)
        trial = await ledger.trial_balance(connection)
    await store.close()
    if on_sale is None:
        raise KeyError(space.hex())
    counts = {"seats_sold": on_sale.sold, "seats_held": on_sale.held, "is_right": trial.is_right}
    return {**counts, **_added(tallies)}


# Both


def limits() -> Any:
    """As a server has them."""
    return LONGER.limits(people=10_000, development=True)


def books_of(folder: Path) -> dict[str, int]:
    """How many charges the bank carried out, less those that it gave back whole."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for line in (folder / "sandbox.jsonl").read_text().splitlines():
        entry = json.loads(line)
        entries[entry["kind"], entry["id"]] = entry
    done = [entry for entry in entries.values() if entry["state"] == "succeeded"]
    back = {entry["of"] for entry in done if entry["kind"] == "refund"}
    paid = [entry["id"] for entry in done if entry["kind"] == "charge"]
    return {"captured": len([name for name in paid if name not in back]), "charged": len(paid)}


def seats_of(file: Path) -> dict[str, Any]:
    """The seats and the sum of all postings, as they stand in the file."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        sold, held = connection.execute("SELECT sold, held FROM offers").fetchone()
        (total,) = connection.execute("SELECT SUM(amount_minor) FROM postings").fetchone()
    finally:
        connection.close()
    return {"seats_sold": sold, "seats_held": held, "is_right": total == 0}


def _added(tallies: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(tally[name] for tally in tallies) for name in tallies[0]}


def _key(number: int, step: str) -> bytes:
    return f"{number} {step}".encode().ljust(16, b"\0")[:16]


def _now_us() -> int:
    return time.time_ns() // 1_000


def main(arguments: list[str]) -> int:
    """Run one crowd and print what became of it."""
    folder, kind, count, seats, seed = Path(arguments[0]), arguments[1], *map(int, arguments[2:5])
    each = count // PROCESSES
    if kind == "quic":
        server = Child(lambda child: serve(child, folder))
        crowd = [
            Child(lambda child, first=first: buyers(child, first, each, seed))  # type: ignore[misc]
            for first in range(0, count, each)
        ]
        found = asyncio.run(quic(folder, seats, server, crowd))
        server.end()
        found.update(seats_of(folder / "spaces.sqlite"))
    else:
        url = arguments[5]
        crowd = [
            Child(lambda child, some=some: till_of_four(child, url, folder, some, seed))  # type: ignore[misc]
            for some in (range(first, first + each) for first in range(0, count, each))
        ]
        found = asyncio.run(tills(url, seats, crowd))
    for child in crowd:
        child.end()
    print(json.dumps({**found, **books_of(folder)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
