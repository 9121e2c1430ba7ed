"""The doors of a ticketed Space: who gets in, what others are told, and who has to go, and when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from signaling.links import parse_link
from signaling.pay.charging import Bought
from signaling.pay.till import Till
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules.sale import Sale
from signaling.rules.sales import Terms, TicketState
from signaling.server.records import StoreRecords
from signaling.store import audit, offers, sales
from tests.signaling.server_world import Caller
from tests.signaling.town import Town, tell

HOUR_US = 3_600_000_000
MINUTE_MS = 60_000


@dataclass
class Concert:
    """A Space of `ann`'s for which three tickets are sold at 12.50, and the till that sells them."""

    town: Town
    till: Till
    host: Caller
    space: bytes
    keys: int = 0

    @classmethod
    async def planned(cls, town: Town) -> Concert:
        host = await town.known("ann")
        starts_ms = town.around.wall_us() // 1_000 + 10 * MINUTE_MS
        answer = await host.ask(wire.Schedule, "Tea", starts_ms)
        assert isinstance(answer, wire.Planned), answer
        now_us = town.around.wall_us()
        async with town.store.transaction() as connection:
            terms = Terms(1_250, 3, HOUR_US, "USD", now_us, now_us + HOUR_US)
            await offers.put(connection, answer.planned.space, "ann", terms)
        return cls(town, town.parts.box_office.till, host, answer.planned.space)

    async def live(self) -> None:
        assert isinstance(await self.host.ask(wire.Start, self.space), wire.Joined)

    async def ticket(self, user: str) -> Sale:
        """Somebody known buys a ticket."""
        self.keys += 1
        key = self.keys.to_bytes(16)
        hold = await self.till.reserve(self.space, user, "192.0.2.0/24", key)
        assert isinstance(hold, Sale), hold
        bought = await self.till.buy(user, hold.sale, "card_ok", (self.keys + 1_000).to_bytes(16))
        assert isinstance(bought, Bought), bought
        return bought.sale

    async def holder(self, user: str) -> Caller:
        """Somebody with a ticket who came in."""
        caller = await self.town.known(user)
        await self.ticket(user)
        assert isinstance(await caller.ask(wire.Join, self.space), wire.Joined)
        return caller

    async def refund(self, user: str) -> None:
        sale = await self.sale(user)
        self.keys += 1
        await self.till.refund("ann", sale.sale, 0, (self.keys + 2_000).to_bytes(16))
        await self.town.settle()

    async def sale(self, user: str) -> Sale:
        async with self.town.store.transaction() as connection:
            found = await sales.ticket_of(connection, self.space, user)
        assert found is not None
        return found

    def inside(self, user: str) -> bool:
        actor = self.town.directory.get(self.space)
        return actor is not None and actor.state.inside(user)


def concert(story: Callable[[Concert], Awaitable[None]], *, live: bool = True) -> None:
    """Run a story around a ticketed Space."""

    async def whole(town: Town) -> None:
        made = await Concert.planned(town)
        if live:
            await made.live()
        await story(made)

    tell(whole)


def expect_terms(answer: Any, state: int = 1) -> None:
    """The terms of sale, and nothing of who is there."""
    assert isinstance(answer, wire.TicketRequired), answer
    assert (answer.title, answer.host, answer.state) == ("Tea", "ann", state)
    row = answer.terms
    assert (row.price_minor, row.currency, row.exponent, row.capacity) == (1_250, "USD", 2, 3)
    assert row.promised_ms == 60 * MINUTE_MS


@pytest.mark.parametrize(
    "door",
    [
        lambda space: (wire.Join, space),
        lambda space: (wire.Join, space, bytes(16)),
        lambda space: (wire.Resume, space, 0),
        lambda space: (wire.Peek, space),
    ],
    ids=["join", "with a bad link", "resume", "peek"],
)
def test_every_door_asks_for_a_ticket(door: Callable[[bytes], tuple[Any, ...]]) -> None:
    async def story(it: Concert) -> None:
        bo = await it.town.known("bo")
        bo.peer.take()
        expect_terms(await bo.ask(*door(it.space)))
        it.town.tick(5)
        await it.town.settle()
        assert (bo.peer.take(), bo.peer.audio, it.inside("bo")) == ([], [], False)

    concert(story)


def test_a_ticket_opens_every_door() -> None:
    async def story(it: Concert) -> None:
        bo = await it.town.known("bo")
        await it.ticket("bo")
        assert isinstance(await bo.ask(wire.Peek, it.space), wire.Peeked)
        assert isinstance(await bo.ask(wire.Join, it.space), wire.Joined)
        await bo.hang_up()
        again = await it.town.known("bo")
        assert isinstance(await again.ask(wire.Resume, it.space, 0), wire.Joined | wire.Resumed)

    concert(story)


def test_a_look_at_a_scheduled_one_shows_the_terms_and_a_sale_fixes_its_time() -> None:
    async def story(it: Concert) -> None:
        bo = await it.town.known("bo")
        expect_terms(await bo.ask(wire.Peek, it.space), state=0)
        assert isinstance(await it.host.ask(wire.Peek, it.space), wire.Peeked)
        later_ms = it.town.around.wall_us() // 1_000 + 30 * MINUTE_MS
        assert isinstance(await it.host.ask(wire.Reschedule, it.space, later_ms), wire.Planned)
        await it.ticket("bo")
        assert isinstance(await bo.ask(wire.Peek, it.space), wire.Peeked)
        refused = await it.host.ask(wire.Reschedule, it.space, later_ms + MINUTE_MS)
        assert refused.code == ErrorCode.not_permitted
        await it.refund("bo")
        refused = await it.host.ask(wire.Reschedule, it.space, later_ms + MINUTE_MS)
        assert refused.code == ErrorCode.not_permitted, "also when it was refunded since"
        assert isinstance(await it.host.ask(wire.Cancel, it.space), wire.Ok)

    concert(story, live=False)


def test_hosts_and_whom_they_invite_need_no_ticket() -> None:
    async def story(it: Concert) -> None:
        shared = await it.host.ask(wire.Share, 1)
        secret = parse_link(shared.link).speak
        bo = await it.town.known("bo")
        assert isinstance(await bo.ask(wire.Join, it.space, secret), wire.Joined)
        assert isinstance(await bo.ask(wire.Accept), wire.Ok)
        await bo.hang_up()
        bo = await it.town.known("bo")
        assert isinstance(await bo.ask(wire.Resume, it.space, 0), wire.Joined | wire.Resumed)
        assert isinstance(await it.host.ask(wire.Promote, "bo"), wire.Ok)
        await bo.hang_up()
        bo = await it.town.known("bo")
        assert isinstance(await bo.ask(wire.Join, it.space), wire.Joined)
        await it.host.hang_up()
        host = await it.town.known("ann")
        assert isinstance(await host.ask(wire.Resume, it.space, 0), wire.Joined | wire.Resumed)
        async with it.town.store.transaction() as connection:
            on_sale = await offers.get(connection, it.space)
        assert on_sale is not None
        assert on_sale.free == 3

    concert(story)


def test_who_refuses_the_invitation_they_came_in_on_has_to_go() -> None:
    async def story(it: Concert) -> None:
        shared = await it.host.ask(wire.Share, 1)
        bo = await it.town.known("bo")
        assert isinstance(await bo.ask(wire.Join, it.space, parse_link(shared.link).speak), wire.Joined)
        assert isinstance(await bo.ask(wire.Refuse), wire.Ok)
        await it.town.settle()
        assert not it.inside("bo")
        assert [event.reason for event in bo.peer.take(wire.Removed)] == ["may_return"]

    concert(story)


def test_a_refund_ends_the_stay_and_a_new_ticket_opens_the_door_again() -> None:
    async def story(it: Concert) -> None:
        bo, cy = await it.holder("bo"), await it.holder("cy")
        await it.refund("bo")
        assert [event.reason for event in bo.peer.take(wire.Removed)] == ["may_return"]
        assert (it.inside("bo"), it.inside("cy"), cy.peer.take(wire.Removed)) == (False, True, [])
        bo = await it.town.known("bo")
        expect_terms(await bo.ask(wire.Resume, it.space, 0))
        expect_terms(await bo.ask(wire.Join, it.space))
        await it.ticket("bo")
        assert isinstance(await bo.ask(wire.Join, it.space), wire.Joined)

    concert(story)


def test_a_refund_ends_the_way_back_of_who_is_away() -> None:
    async def story(it: Concert) -> None:
        bo = await it.holder("bo")
        await bo.hang_up()
        await it.refund("bo")
        bo = await it.town.known("bo")
        expect_terms(await bo.ask(wire.Resume, it.space, 0))

    concert(story)


@pytest.mark.parametrize("refund", [True, False], ids=["paid back", "for cause"])
def test_a_removal_pays_back_unless_it_is_for_cause(refund: bool) -> None:
    async def story(it: Concert) -> None:
        bo = await it.holder("bo")
        assert isinstance(await it.host.ask(wire.Remove, "bo", 0, refund), wire.Ok)
        await it.town.settle()
        assert len(bo.peer.take(wire.Removed)) == 1
        sale = await it.sale("bo")
        expected = (TicketState.REFUNDED, 1_250) if refund else (TicketState.REVOKED, 0)
        assert (sale.ticket, sale.refunded_minor) == expected
        async with it.town.store.transaction() as connection:
            entries, _ = await audit.page(connection, it.space, 0, 10)
        written = [entry.detail for entry in entries if entry.target == "bo"]
        assert written == ["" if refund else "for cause"]
        bo = await it.town.known("bo")
        expect_terms(await bo.ask(wire.Join, it.space))

    concert(story)


def test_a_ban_is_told_and_no_price() -> None:
    async def story(it: Concert) -> None:
        await it.holder("bo")
        assert isinstance(await it.host.ask(wire.Remove, "bo"), wire.Ok)
        await it.town.settle()
        bo = await it.town.known("bo")
        for kind, *fields in ((wire.Join,), (wire.Resume, 0), (wire.Peek,)):
            assert (await bo.ask(kind, it.space, *fields)).code == ErrorCode.removed

    concert(story)


def test_who_is_refunded_between_the_question_and_the_turn_stays_out() -> None:
    async def story(it: Concert) -> None:
        bo = await it.town.known("bo")
        await it.ticket("bo")
        actor = it.town.directory.get(it.space)
        assert actor is not None
        ask = actor.history.entry

        async def asked_early(user: str) -> Any:
            found = await ask(user)
            actor.history.entry = ask  # type: ignore[method-assign]
            await it.refund(user)
            return found

        actor.history.entry = asked_early  # type: ignore[method-assign]
        expect_terms(await bo.ask(wire.Join, it.space))
        assert not it.inside("bo")

    concert(story)


def test_a_space_without_terms_asks_once_and_lets_everybody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(town: Town) -> None:
        _, space = await town.host()
        await town.listener("bo", space)
        actor = town.directory.get(space)
        assert actor is not None

        async def never(*asked: Any) -> bool:
            raise AssertionError(f"asked again: {asked}")

        for question in ("is_ticketed", "entry"):
            monkeypatch.setattr(StoreRecords, question, never)
        await town.listener("cy", space)
        assert actor.state.people_count == 3

    tell(story)
