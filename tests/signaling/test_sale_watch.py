"""What another server at the same database did with a ticket is told here, once, and puts its holder out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from signaling.pay.seats import Waits
from signaling.pay.till import Till
from signaling.protocol import messages as wire
from signaling.rules.sale import Sale
from signaling.server.sale_watch import WATCH_US
from signaling.store import StoreError, ledger, sales
from tests.signaling.test_admission import Concert
from tests.signaling.test_admission import concert as at_concert
from tests.signaling.test_box_office import key

PREFIX = "192.0.2.0/24"


def concert(story: Callable[[Concert, Till], Awaitable[None]], *, live: bool = True) -> None:
    """Run a story around a ticketed Space whose server watches, and the till of another server."""

    async def whole(it: Concert) -> None:
        town = it.town
        other = Till(town.store, town.provider, it.till._office.limits, wall_us=town.around.wall_us)
        await town.parts.box_office.watch.start()
        await story(it, other)
        town.parts.box_office.close()

    at_concert(whole, live=live)


async def watched(it: Concert) -> None:
    await it.town.pass_time(WATCH_US / 1_000_000 + 0.1)


async def refund(it: Concert, till: Till, user: str) -> None:
    assert not isinstance(await till.refund("ann", (await it.sale(user)).sale, 0, key()), str)


def test_a_refund_by_another_server_puts_the_holder_out() -> None:
    async def story(it: Concert, other: Till) -> None:
        bo, cy = await it.holder("bo"), await it.holder("cy")
        await watched(it)
        bo.peer.take()
        await refund(it, other, "bo")
        await it.town.settle()
        assert it.inside("bo"), "nobody here was told yet"
        await watched(it)
        assert [event.reason for event in bo.peer.take(wire.Removed)] == ["may_return"]
        assert [(news.ticket.state, news.ticket.why) for news in bo.peer.take(wire.TicketChanged)] == [
            (1, "given")
        ]
        assert (it.inside("bo"), it.inside("cy")) == (False, True)
        await watched(it)
        assert bo.peer.take() == [], "it is told once"
        assert cy.peer.take(wire.TicketChanged)[1:] == []

    concert(story)


def test_what_this_server_did_itself_is_told_once() -> None:
    async def story(it: Concert, other: Till) -> None:
        bo = await it.holder("bo")
        await it.refund("bo")
        for _ in range(3):
            await watched(it)
        assert [news.ticket.state for news in bo.peer.take(wire.TicketChanged)] == [0, 1]
        assert len(bo.peer.take(wire.Removed)) == 1

    concert(story)


def test_a_purchase_and_an_offered_seat_elsewhere_are_told_here() -> None:
    async def story(it: Concert, other: Till) -> None:
        bo, cy = await it.town.known("bo"), await it.town.known("cy")
        held = [await other.reserve(it.space, who, PREFIX, key()) for who in ("bo", "dan", "eve")]
        assert all(isinstance(each, Sale) for each in held)
        assert await other.wait(it.space, "cy") == Waits(it.space, 1)
        await other.buy("bo", held[0].sale, "card_ok", key())
        await other.release("dan", held[1].sale)
        await watched(it)
        assert [news.ticket.state for news in bo.peer.take(wire.TicketChanged)] == [0]
        (offer,) = cy.peer.take(wire.SeatOffered)
        assert offer.space == it.space
        for _ in range(2):
            await watched(it)
        assert cy.peer.take(wire.SeatOffered) == []

    concert(story, live=False)


def test_a_look_that_the_store_has_no_time_for_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(it: Concert, other: Till) -> None:
        bo = await it.holder("bo")
        await refund(it, other, "bo")
        with monkeypatch.context() as patched:

            async def busy(*arguments: object) -> None:
                raise StoreError("busy", "1000 operations of the store are under way; try again.")

            patched.setattr(sales, "booked_after", busy)
            await watched(it)
            assert it.inside("bo")
        await watched(it)
        assert not it.inside("bo")
        assert len(bo.peer.take(wire.Removed)) == 1
        assert it.town.counts.store_failures == 1
        assert "looked for later" in caplog.text

    concert(story)


def test_what_was_booked_is_read_in_parts_from_where_it_begins() -> None:
    async def story(it: Concert, other: Till) -> None:
        store = it.town.store
        async with store.transaction() as connection:
            begin = await ledger.newest(connection)
        sold = [(await it.ticket(who)).sale for who in ("bo", "cy")]
        await refund(it, other, "bo")
        async with store.transaction() as connection:
            whole = await sales.booked_after(connection, begin)
            first = await sales.booked_after(connection, begin, 1)
            rest = await sales.booked_after(connection, first[-1][0])
            newest = await ledger.newest(connection)
            assert await sales.booked_after(connection, newest) == []
        assert whole == first + rest
        assert [sale.sale for _, sale in whole] == [sold[0], sold[1], sold[0], sold[0]]
        assert whole[-1][0] == newest
        assert {sale.returned_minor for _, sale in whole if sale.buyer == "bo"} == {1_250}, "as it is now"

    concert(story, live=False)
