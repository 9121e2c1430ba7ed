"""Ticketed evenings, told from their beginning to what everybody got back, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from signaling.config import LimitsConfig
from signaling.media.audience import FULL
from signaling.protocol import messages as wire
from signaling.rules.sale import Sale
from signaling.rules.sales import TicketState
from signaling.server.session import Member
from signaling.store import Store, StoreError, deliveries, ledger, sales
from tests.signaling.server_world import TICK_US, Caller
from tests.signaling.town import Town
from tests.signaling.town import tell as tell_town

PRICE = 1_250
MINUTE_S = 60
MINUTE_MS = 60_000
TICKS_PER_S = 50
_KEYS = iter(range(1, 1_000_000))


def key() -> bytes:
    return next(_KEYS).to_bytes(16)


@dataclass
class Evening:
    """A Space of `hana`'s that begins in ten minutes; tickets cost 12.50."""

    town: Town
    host: Caller
    space: bytes
    promised_s: int

    @classmethod
    async def announced(cls, town: Town, promised_s: int) -> Evening:
        host = await town.known("hana")
        starts_ms = town.around.wall_us() // 1_000 + 10 * MINUTE_MS
        planned = await host.ask(wire.Schedule, "Tea", starts_ms)
        space = planned.planned.space
        terms = await host.ask(wire.Sell, space, PRICE, 10, promised_s * 1_000)
        assert isinstance(terms, wire.SaleTerms), terms
        return cls(town, host, space, promised_s)

    async def ticket(self, user: str) -> Caller:
        caller = await self.town.known(user)
        held = await caller.ask(wire.Reserve, self.space, key())
        assert isinstance(held, wire.Reserved), held
        bought = await caller.ask(wire.Buy, held.hold, "card_ok", key())
        assert (type(bought), bought.state) == (wire.Bought, 0), bought
        return caller

    async def begins(self) -> None:
        assert isinstance(await self.host.ask(wire.Start, self.space), wire.Joined)

    async def enters(self, caller: Caller) -> None:
        assert isinstance(await caller.ask(wire.Join, self.space), wire.Joined)

    async def on_air(self, seconds: float, *, step_s: int = 10) -> None:
        """Time passes; everybody inside is sent sound once a second. Alarms ring once in so many seconds."""
        town, engine, room = self.town, self.town.engines[self.space], self.town.halls[self.space].room
        for second in range(1, round(seconds) + 1):
            engine.packets = ((FULL, b"sound"),)
            for _ in range(TICKS_PER_S - 1):
                town.now_us += TICK_US
                if not room.is_closed:
                    room.tick(town.now_us)  # type: ignore[attr-defined]
            if second % step_s and second < round(seconds):
                town.now_us += TICK_US
                if not room.is_closed:
                    room.tick(town.now_us)  # type: ignore[attr-defined]
            else:
                town.tick()
                await town.settle()

    async def waits(self, seconds: int) -> None:
        """Time passes in which no Space is live."""
        for _ in range(seconds // 60):
            self.town.now_us += 60_000_000
            self.town.tick()
            await self.town.settle()

    async def ends(self) -> None:
        assert isinstance(await self.host.ask(wire.End), wire.Ok)
        await self.town.settle()

    async def sale(self, user: str) -> Sale:
        async with self.town.store.transaction() as connection:
            found = await sales.ticket_of(connection, self.space, user)
        assert found is not None
        return found

    async def back(self, *users: str) -> list[int]:
        """What each has got back, confirmed by the sandbox. The ledger sums to 0."""
        await self.town.settle()
        async with self.town.store.transaction() as connection:
            assert (await ledger.trial_balance(connection)).is_right
        found = [await self.sale(user) for user in users]
        assert all(sale.refund_paid_minor == sale.refunded_minor for sale in found)
        return [sale.refunded_minor for sale in found]

    async def ended_as(self) -> str:
        peeked = await (await self.town.known("passer")).ask(wire.Peek, self.space)
        return ("scheduled", "live", "ended", "cancelled", "timed out")[peeked.state]

    def due(self, delivered_s: float) -> int:
        """price x (promised - delivered) / promised, rounded up."""
        return -int(-PRICE * (self.promised_s - delivered_s) // self.promised_s)


def tell(
    story: Callable[[Evening], Awaitable[None]],
    *,
    promised_s: int = 5 * MINUTE_S,
    limits: LimitsConfig | None = None,
) -> None:
    """Run a story about one evening, with the box office open."""

    async def whole(town: Town) -> None:
        await town.parts.box_office.open()
        await story(await Evening.announced(town, promised_s))
        town.parts.box_office.close()

    tell_town(whole, **({} if limits is None else {"limits": limits}))


def test_broken_off_at_20_of_60_minutes_two_thirds_go_back_to_who_was_there() -> None:
    async def story(it: Evening) -> None:
        lio = await it.ticket("lio")
        await it.begins()
        await it.enters(lio)
        await it.on_air(20 * MINUTE_S, step_s=120)
        await it.ends()
        assert await it.back("lio") == [834]
        assert (await it.sale("lio")).ticket is TicketState.VALID
        statement = await it.host.ask(wire.GetStatement, it.space)
        assert (statement.refunded_minor, statement.promised_ms) == (834, 60 * MINUTE_MS)
        for told_ms in (statement.on_air_ms, statement.delivered_ms):
            assert told_ms == pytest.approx(20 * MINUTE_MS, abs=200)

    tell(story, promised_s=60 * MINUTE_S)


def test_who_comes_late_goes_early_or_never_comes_gets_the_same() -> None:
    async def story(it: Evening) -> None:
        lio, late, early = [await it.ticket(user) for user in ("lio", "late", "early")]
        await it.ticket("never")
        await it.begins()
        await it.enters(lio)
        await it.enters(early)
        await it.on_air(60)
        await it.enters(late)
        assert isinstance(await early.ask(wire.Leave), wire.Ok)
        await it.on_air(60)
        newcomer = await it.ticket("newcomer")
        await it.enters(newcomer)
        await it.ends()
        assert await it.back("lio", "late", "early", "never", "newcomer") == [it.due(120.1)] * 5

    tell(story)


def test_whose_connection_was_lost_gets_that_time_back_too() -> None:
    async def story(it: Evening) -> None:
        lio, lost, gone = [await it.ticket(user) for user in ("lio", "lost", "gone")]
        await it.begins()
        for caller in (lio, lost, gone):
            await it.enters(caller)
        await it.on_air(60)
        await lost.hang_up()
        await gone.hang_up()
        await it.on_air(30)
        back = await it.town.known("lost")
        assert isinstance(await back.ask(wire.Resume, it.space, 0), wire.Joined | wire.Resumed)
        await it.on_air(30)
        rows = {row.user: row for row in (await it.host.ask(wire.ListTickets, None, 50, it.space)).tickets}
        assert rows["lio"].delivered_ms == rows["lio"].on_air_ms
        assert rows["lio"].on_air_ms == pytest.approx(110_000, abs=10_100), "as of the last checkpoint"
        assert rows["lost"].delivered_ms == pytest.approx(rows["lost"].on_air_ms - 30_000, abs=200)
        await it.ends()
        assert await it.back("lio") == [it.due(120.1)]
        assert await it.back("lost") == [pytest.approx(it.due(90), abs=2)]
        assert await it.back("gone") == [pytest.approx(it.due(60), abs=2)]
        [mine] = (await lio.ask(wire.ListTickets)).tickets
        assert mine.delivered_ms == mine.on_air_ms == pytest.approx(120_000, abs=200)

    tell(story)


def test_what_the_network_loses_or_never_acknowledges_is_not_delivered() -> None:
    async def story(it: Evening) -> None:
        lossy, dead = [await it.ticket(user) for user in ("lossy", "dead")]
        await it.begins()
        await it.enters(lossy)
        await it.enters(dead)
        await it.on_air(60)
        lossy.peer.network, dead.peer.network = "lossy", "dead"
        await it.on_air(30)
        lossy.peer.network = "good"
        await it.on_air(30)
        await it.ends()
        assert await it.back("lossy") == [pytest.approx(it.due(90), abs=2)]
        assert await it.back("dead") == [pytest.approx(it.due(60), abs=2)]

    tell(story)


def test_a_room_that_stands_still_delivers_nothing_to_who_is_inside() -> None:
    async def story(it: Evening) -> None:
        lio = await it.ticket("lio")
        await it.ticket("never")
        await it.begins()
        await it.enters(lio)
        await it.on_air(60)
        for _ in range(30):  # the clock goes on, and no tick comes
            it.town.now_us += 1_000_000
        await it.on_air(30)
        await it.ends()
        assert await it.back("lio") == [pytest.approx(it.due(90), abs=2)]
        assert await it.back("never") == [it.due(120.1)]

    tell(story)


def test_without_its_host_a_space_is_not_on_air() -> None:
    async def story(it: Evening) -> None:
        lio = await it.ticket("lio")
        await it.begins()
        await it.enters(lio)
        await it.on_air(60)
        await it.host.hang_up()
        await it.on_air(60)
        it.host = await it.town.known("hana")
        assert isinstance(await it.host.ask(wire.Join, it.space), wire.Joined)
        await it.on_air(60)
        await it.ends()
        assert await it.back("lio") == [pytest.approx(it.due(120), abs=2)]

    tell(story)


def test_a_host_who_does_not_come_back_breaks_it_off() -> None:
    async def story(it: Evening) -> None:
        lio = await it.ticket("lio")
        await it.begins()
        await it.enters(lio)
        await it.on_air(60)
        await it.host.hang_up()
        await it.on_air(130)
        assert await it.ended_as() == "timed out"
        assert await it.back("lio") == [pytest.approx(it.due(60), abs=2)]
        sale = await it.sale("lio")
        assert sale.refunded_by_host_minor == sale.refunded_minor

    tell(story)


def test_on_air_for_the_promised_length_nothing_goes_back_also_to_who_missed_some() -> None:
    async def story(it: Evening) -> None:
        lio, lossy = [await it.ticket(user) for user in ("lio", "lossy")]
        await it.begins()
        await it.enters(lio)
        await it.enters(lossy)
        lossy.peer.network = "lossy"
        await it.on_air(it.promised_s)
        await it.ends()
        assert await it.back("lio", "lossy") == [0, 0]
        assert (await it.sale("lossy")).ticket is TicketState.VALID

    tell(story)


def test_a_space_that_nobody_opens_is_called_off_after_15_minutes_and_paid_back() -> None:
    async def story(it: Evening) -> None:
        await it.ticket("lio")
        await it.waits(24 * MINUTE_S)
        assert await it.ended_as() == "scheduled"
        await it.waits(2 * MINUTE_S)
        assert await it.back("lio") == [PRICE]
        assert await it.ended_as() == "cancelled"

    tell(story)


def test_a_live_space_whose_host_was_never_there_is_closed_after_15_minutes_and_paid_back() -> None:
    async def story(it: Evening) -> None:
        await it.ticket("lio")
        parts = it.town.parts
        settings = parts.openings.settings("Tea")
        actor = await parts.openings.open(None, Member("hana", "hana", 0), settings, it.space, by="backend")
        parts.delivery.follow(actor)
        await it.waits(24 * MINUTE_S)
        assert not actor.is_over
        await it.waits(2 * MINUTE_S)
        assert actor.state.ended_reason == "host_absent"
        assert await it.back("lio") == [PRICE]

    limits = LimitsConfig(requests_per_s=1_000, requests_burst=1_000, host_grace_ms=3_600_000)
    tell(story, limits=limits)


def test_cancelled_by_the_host_everything_goes_back_at_once() -> None:
    async def story(it: Evening) -> None:
        await it.ticket("lio")
        assert isinstance(await it.host.ask(wire.Cancel, it.space), wire.Ok)
        assert await it.back("lio") == [PRICE]

    tell(story)


def test_ended_by_the_platform_everything_goes_back_and_the_platform_bears_the_fee() -> None:
    async def story(it: Evening) -> None:
        lio = await it.ticket("lio")
        await it.begins()
        await it.enters(lio)
        await it.on_air(60)
        service = await it.town.known("service:backend")
        assert isinstance(await service.ask(wire.Oversee, it.space), wire.Joined)
        assert isinstance(await service.ask(wire.End), wire.Ok)
        assert await it.back("lio") == [PRICE]
        assert (await it.sale("lio")).refunded_by_host_minor == 0

    tell(story)


def test_removed_for_cause_one_gets_nothing_and_otherwise_everything() -> None:
    async def story(it: Evening) -> None:
        rude, shy, lio = [await it.ticket(user) for user in ("rude", "shy", "lio")]
        await it.begins()
        for caller in (rude, shy, lio):
            await it.enters(caller)
        await it.on_air(60)
        assert isinstance(await it.host.ask(wire.Remove, "rude", 1, False), wire.Ok)
        assert isinstance(await it.host.ask(wire.Remove, "shy", 1), wire.Ok)
        await it.on_air(60)
        await it.ends()
        assert await it.back("rude", "shy", "lio") == [0, PRICE, it.due(120.1)]
        assert (await it.sale("rude")).ticket is TicketState.REVOKED
        lines = (await it.host.ask(wire.ListAudit, 0, 50, it.space)).entries
        assert [(line.target, line.detail) for line in lines if line.action == "ban"] == [
            ("shy", ""),
            ("rude", "for cause"),
        ]

    tell(story)


def test_wherever_spaces_are_listed_a_ticketed_one_says_what_a_ticket_costs() -> None:
    async def story(it: Evening) -> None:
        price = wire.PriceRow(PRICE, "USD", 2)
        lio = await it.ticket("lio")
        assert isinstance(await lio.ask(wire.Follow, "hana"), wire.Ok)
        [planned] = (await lio.ask(wire.ListPlanned)).plans
        assert planned.price == price
        assert (await lio.ask(wire.Peek, it.space)).price == price
        await it.begins()
        await it.on_air(1)
        [listed] = (await lio.ask(wire.ListSpaces)).spaces
        [bubble] = (await lio.ask(wire.Timeline)).bubbles
        peeked = await lio.ask(wire.Peek, it.space)
        joined = await lio.ask(wire.Join, it.space)
        assert [each.price for each in (listed, bubble, peeked, joined)] == [price] * 4
        free = await it.town.known("fay")
        assert (await free.ask(wire.Open, "Free")).price is None

    tell(story)


def test_a_checkpoint_is_one_transaction_and_writes_only_who_missed_something() -> None:
    async def story(it: Evening) -> None:
        lio, lossy = [await it.ticket(user) for user in ("lio", "lossy")]
        await it.begins()
        await it.enters(lio)
        await it.enters(lossy)
        lossy.peer.network = "lossy"
        await it.on_air(21)
        missed = await it.sale("lossy")
        async with it.town.store.transaction() as connection:
            found = await deliveries.of_space(connection, it.space)
        assert found is not None
        assert 19_900_000 <= found.on_air_us <= 21_100_000
        assert list(found.missed_us) == [missed.sale]
        assert found.to(missed.sale) == pytest.approx(0, abs=300_000)
        assert len(it.town.parts.delivery) == 1
        await it.ends()
        assert len(it.town.parts.delivery) == 0

    tell(story)


def test_after_a_server_was_killed_its_last_checkpoint_counts() -> None:
    async def story(it: Evening) -> None:
        lio, lossy = [await it.ticket(user) for user in ("lio", "lossy")]
        await it.begins()
        await it.enters(lio)
        await it.enters(lossy)
        lossy.peer.network = "lossy"
        await it.on_air(68)
        async with it.town.store.transaction() as connection:
            written = await deliveries.of_space(connection, it.space)
        assert written is not None
        assert 59_000_000 <= written.on_air_us <= 61_100_000
        # What the killed process knew beyond that is gone; this is the next one's start.
        assert await it.town.records.end_leftovers() == 1
        assert await it.town.parts.box_office.till.complete_unfinished() == 0
        assert await it.back("lio") == [it.due(written.on_air_us / 1_000_000)]
        assert await it.back("lossy") == [pytest.approx(PRICE, abs=5)]
        assert (await it.sale("lio")).refunded_by_host_minor == 0, "the platform's fault"

    tell(story)


def test_a_store_that_fails_for_a_while_keeps_nobody_from_their_money(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(it: Evening) -> None:
        lio = await it.ticket("lio")
        await it.begins()
        await it.enters(lio)
        await it.on_air(60)
        real = Store.transaction

        def fails(store: Store) -> object:
            raise StoreError("store_file", "The disk is gone.")

        monkeypatch.setattr(Store, "transaction", fails)
        await it.town.known("passer")
        it.town.directory.get(it.space).close("internal")  # type: ignore[union-attr]
        await it.town.settle()
        await it.on_air(3)
        monkeypatch.setattr(Store, "transaction", real)
        await it.waits(60)
        assert await it.back("lio") == [it.due(60.1)]

    tell(story)
