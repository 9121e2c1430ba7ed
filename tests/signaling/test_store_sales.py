"""Sales in the store: seats, holds, tickets, waiting lists, keys, and what was delivered."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import holds as hold_rules
from signaling.rules.holds import Lapses
from signaling.rules.permissions import Refused
from signaling.rules.sale import Sale, SaleState, Seats
from signaling.rules.sales import TicketState
from signaling.rules.waiting import Waiter
from signaling.store import StoreError, accounts, charges, deliveries, holds, keys, offers, sales, waiting
from tests.signaling.money_stories import (
    LIMITS,
    PREFIX,
    SPACE,
    TERMS,
    an_id,
    held,
    put_on_sale,
    refunded,
    seen,
    sold,
)
from tests.signaling.store_stories import Told


def test_a_space_is_on_sale_once_it_has_terms(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        assert await offers.get(connection, an_id(9)) is None
        await put_on_sale(connection)
        on_sale = await seen(connection)
        assert (on_sale.host, on_sale.state, on_sale.terms, on_sale.free) == ("ann", "scheduled", TERMS, 3)
        dearer = replace(TERMS, price_minor=9_900, capacity=7)
        await offers.put(connection, SPACE, "ann", dearer)
        assert (await seen(connection)).terms == dearer
        assert list(await offers.among(connection, [an_id(9), SPACE])) == [SPACE]

    told(story)


def test_a_seat_is_taken_by_one_statement_or_not_at_all(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection, capacity=2)
        nothing, hold, ticket = Seats(0, 0), Seats(1, 0), Seats(0, 1)
        assert [await offers.take(connection, SPACE, nothing, hold) for _ in range(3)] == [True, True, False]
        assert await offers.take(connection, SPACE, hold, ticket), (
            "what is held can be sold when all is taken"
        )
        assert not await offers.take(connection, SPACE, nothing, ticket)
        assert await offers.take(connection, SPACE, hold, nothing)
        assert not await offers.take(connection, SPACE, hold, nothing), "nothing is held any more"
        on_sale = await seen(connection)
        assert (on_sale.held, on_sale.sold, on_sale.ever_sold) == (0, 1, True)
        assert await offers.take(connection, SPACE, ticket, nothing)
        assert (await seen(connection)).ever_sold

    told(story)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE offers SET held = 4",
        "UPDATE offers SET sold = -1",
        "UPDATE offers SET held = 2, sold = 2",
        "UPDATE offers SET capacity = 0",
        "UPDATE offers SET price_minor = 0",
        "UPDATE sales SET refunded_minor = 1251",
        "UPDATE sales SET refund_paid_minor = 1",
        "UPDATE sales SET refunded_by_host_minor = 1",
        "UPDATE sales SET amount_minor = -1",
        "UPDATE sales SET state = 'gone'",
        "UPDATE sales SET ticket = NULL",
        "UPDATE sales SET ticket = 'lent'",
        "UPDATE sales SET host_minor = host_minor + 1",
        "UPDATE sales SET fee_minor = NULL",
        "UPDATE sales SET charged_back_minor = -1",
        "UPDATE balances SET sandbox = 2",
        "UPDATE sellers SET lifetime_minor = -1",
    ],
)
def test_the_database_refuses_what_the_rules_promise_never_to_be(told: Told, change: str) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        await sold(connection, 1)
        with pytest.raises(IntegrityError):
            async with connection.begin_nested():
                await connection.execute(sa.text(change))
        assert (await seen(connection)).sold == 1

    told(story)


def test_a_sale_is_read_as_it_was_written(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        hold = await held(connection, 1)
        assert isinstance(hold, Sale)
        assert await sales.get(connection, hold.sale) == hold
        assert await sales.open_of(connection, "buyer1") == hold
        assert await sales.ticket_of(connection, SPACE, "buyer1") is None
        on_sale = await seen(connection)
        paying = hold_rules.pay(hold, on_sale, "buyer1", an_id(1, 1), 11, LIMITS)
        assert isinstance(paying, Sale)
        await sales.save(connection, hold, paying)
        await charges.add(connection, charges.StoredCharge(an_id(1, 1), hold.sale, "stripe", 11))
        assert await sales.by_charge(connection, an_id(1, 1)) == paying
        with pytest.raises(StoreError, match="not as it was") as caught:
            await sales.save(connection, hold, replace(hold, state=SaleState.RELEASED))
        assert caught.value.code == "inconsistent"
        captured = hold_rules.captured(paying, on_sale, False, 12)
        await sales.save(connection, paying, captured)
        assert await sales.ticket_of(connection, SPACE, "buyer1") == captured
        assert await sales.holders(connection, SPACE) == {"buyer1": captured}
        assert await sales.unsettled(connection) == [captured]
        assert (await seen(connection)).held == 0
        assert (await seen(connection)).sold == 1

    told(story)


def test_no_more_are_sold_than_there_are(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection, capacity=2)
        found = [await held(connection, number) for number in range(4)]
        assert [one.code if isinstance(one, Refused) else one.state for one in found] == [
            "held",
            "held",
            "sold_out",
            "sold_out",
        ]
        assert isinstance(found[0], Sale)
        late = replace(found[0], sale=an_id(77), buyer="buyer3")
        with pytest.raises(StoreError) as caught:
            await sales.add(connection, late)
        assert caught.value.code == "sold_out"
        with pytest.raises(StoreError) as caught:
            await sales.add(connection, replace(found[0], sale=an_id(78)))
        assert caught.value.code == "hold_open"
        assert await sales.next_expiry_us(connection) == found[0].expires_us
        assert await sales.expired(connection, found[0].expires_us - 1) == []
        assert await sales.expired(connection, found[0].expires_us, state=SaleState.PAYING) == []
        assert await sales.next_expiry_us(connection, state=SaleState.PAYING) is None
        assert len(await sales.expired(connection, found[0].expires_us)) == 2
        await sales.save(connection, found[0], hold_rules.lapse(found[0], found[0].expires_us))
        assert (await seen(connection)).free == 1

    told(story)


def test_a_late_payment_without_a_seat_takes_none(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection, capacity=1)
        first = await held(connection, 1)
        assert isinstance(first, Sale)
        paying = hold_rules.pay(first, await seen(connection), "buyer1", an_id(1, 1), 11, LIMITS)
        assert isinstance(paying, Sale)
        lapsed = hold_rules.lapse(paying, paying.expires_us)
        await sales.save(connection, first, lapsed)
        await sold(connection, 2)
        captured = hold_rules.captured(lapsed, await seen(connection), False, 99)
        assert captured.ticket is TicketState.REFUNDED
        await sales.save(connection, lapsed, captured)
        with pytest.raises(StoreError) as caught:
            await sales.save(connection, captured, replace(captured, ticket=TicketState.VALID))
        assert caught.value.code == "sold_out"

    told(story)


def test_what_is_known_of_a_buyer(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        await held(connection, 1)
        await sold(connection, 2)
        facts = await holds.facts(connection, SPACE, "buyer1", PREFIX)
        assert (facts.has_ticket, facts.open_hold, facts.prefix_holds) == (False, True, 1)
        facts = await holds.facts(connection, SPACE, "buyer2", "198.51.100.0/24")
        assert (facts.has_ticket, facts.open_hold, facts.prefix_holds) == (True, False, 0)
        await holds.put_lapses(connection, "buyer1", Lapses(1, 5))
        await holds.put_lapses(connection, "buyer1", Lapses(2, 9))
        assert (await holds.facts(connection, SPACE, "buyer1", PREFIX)).lapses == Lapses(2, 9)
        await holds.put_lapses(connection, "buyer1", Lapses())
        assert await holds.lapses_of(connection, "buyer1") == Lapses()

    told(story)


def test_a_waiting_list_goes_in_the_order_of_coming(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection, capacity=1)
        hold = await held(connection, 1)
        assert isinstance(hold, Sale)
        for number in (2, 3, 4):
            await accounts.ensure(connection, f"buyer{number}", "B", 0)
            assert await waiting.add(connection, SPACE, f"buyer{number}", 5) == number - 1
        assert await waiting.add(connection, SPACE, "buyer2", 6) == 1
        assert await offers.with_room(connection) == []
        await sales.save(connection, hold, replace(hold, state=SaleState.RELEASED))
        assert await offers.with_room(connection) == [SPACE]
        assert (await seen(connection)).waiting == 3
        assert await waiting.remove(connection, SPACE, "buyer2")
        assert not await waiting.remove(connection, SPACE, "buyer2")
        assert await waiting.place(connection, SPACE, "buyer2") == 0
        assert await waiting.place(connection, SPACE, "buyer4") == 2
        assert await waiting.first(connection, SPACE) == [Waiter(2, "buyer3"), Waiter(3, "buyer4")]
        await sales.add(connection, replace(hold, sale=an_id(9), buyer="buyer3"))
        assert await waiting.first(connection, SPACE) == [Waiter(3, "buyer4")]
        assert await waiting.clear(connection, SPACE) == 2

    told(story)


def test_a_page_of_tickets_goes_on_behind_the_last(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection, capacity=5)
        all_sold = [await sold(connection, number) for number in range(5)]
        found, after = await sales.page(connection, space=SPACE, limit=3)
        rest, end = await sales.page(connection, space=SPACE, limit=3, after=after)
        assert [one.sale for one in (*found, *rest)] == sorted((one.sale for one in all_sold), reverse=True)
        assert (len(found), end) == (3, None)
        assert await sales.page(connection, buyer="buyer2") == ([all_sold[2]], None)
        assert await sales.page(connection, buyer="buyer2", space=an_id(5)) == ([], None)

    told(story)


def test_a_ticket_that_is_refunded_gives_its_seat_back(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection, capacity=1)
        sale = await sold(connection, 1)
        part = await refunded(connection, sale, 250, 1)
        assert (await seen(connection)).free == 0
        whole = await refunded(connection, part, 1_000, 2)
        assert whole.ticket is TicketState.REFUNDED
        assert (await seen(connection)).free == 1
        again = await sold(connection, 2)
        assert again.ticket is TicketState.VALID
        found = await sales.ticket_of(connection, SPACE, "buyer1")
        assert found is not None and found.refunded_minor == 1_250

    told(story)


def test_charges_are_there_before_the_provider_is_asked(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        sale = await sold(connection, 1)
        intent = charges.StoredCharge(an_id(1, 1), sale.sale, "stripe", 11)
        await charges.add(connection, intent)
        assert await charges.under_way(connection, 11) == [intent]
        assert await charges.put(connection, intent.charge, "pending", ref="pi_1")
        await charges.put_off(connection, intent.charge, 50)
        assert await charges.under_way(connection, 49) == []
        (found,) = await charges.under_way(connection, 50)
        assert (found.state, found.ref, found.attempts) == ("pending", "pi_1", 1)
        assert await charges.put(connection, intent.charge, "succeeded")
        assert await charges.under_way(connection, 99) == []
        assert await charges.by_ref(connection, "stripe", "pi_1") == await charges.get(
            connection, intent.charge
        )
        assert await charges.by_ref(connection, "sandbox", "pi_1") is None
        assert await charges.by_ref(connection, "stripe", "") is None
        assert [one.ref for one in await charges.of_sale(connection, sale.sale)] == ["pi_1"]
        assert not await charges.put(connection, an_id(5), "declined")

    told(story)


def test_a_key_answers_the_same_request_the_same(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await accounts.ensure(connection, "ann", "Ann", 0)
        await accounts.ensure(connection, "bob", "Bob", 0)
        one, other = b"1" * 32, b"2" * 32
        assert await keys.claim(connection, "ann", b"k", one, 10) is None
        assert await keys.claim(connection, "ann", b"k", one, 11) == keys.Remembered(None)
        await keys.answer(connection, "ann", b"k", b"done")
        assert await keys.claim(connection, "ann", b"k", one, 12) == keys.Remembered(b"done")
        with pytest.raises(StoreError) as caught:
            await keys.claim(connection, "ann", b"k", other, 13)
        assert caught.value.code == "key_reused"
        assert await keys.claim(connection, "bob", b"k", other, 13) is None
        assert await keys.claim(connection, "ann", b"k", other, 99, forgotten_us=11) is None
        assert await keys.forget(connection, 14, limit=1) == 1
        assert await keys.forget(connection, 14) == 0
        with pytest.raises(StoreError, match="not taken"):
            await keys.answer(connection, "bob", b"k", b"late")

    told(story)


def test_an_event_of_a_provider_is_news_once(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        asked = [("stripe", "evt_1"), ("stripe", "evt_1"), ("sandbox", "evt_1")]
        found = [await keys.first_time(connection, provider, event, 5) for provider, event in asked]
        assert found == [True, False, True]

    told(story)


def test_what_was_delivered_is_written_with_the_time_on_air(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await put_on_sale(connection)
        first, second = await sold(connection, 1), await sold(connection, 2)
        third = await sold(connection, 3)
        assert await deliveries.of_space(connection, SPACE) == deliveries.Delivered(0, None, {})
        await deliveries.checkpoint(connection, SPACE, 10, {first.sale: 1}, 100)
        await deliveries.checkpoint(connection, SPACE, 20, {first.sale: 2, second.sale: 13}, 200)
        found = await deliveries.of_space(connection, SPACE)
        assert found == deliveries.Delivered(20, 200, {first.sale: 2, second.sale: 13})
        assert [found.to(each.sale) for each in (first, second, third)] == [18, 7, 20]
        of_sales = await deliveries.of_sales(connection, [second.sale, third.sale, an_id(9)])
        assert of_sales == {second.sale: (20, 7), third.sale: (20, 20)}
        assert await deliveries.of_space(connection, an_id(9)) is None
        wanted = await sales.tickets_of(connection, SPACE, ["buyer1", "buyer3", "nobody"])
        assert wanted == {"buyer1": first.sale, "buyer3": third.sale}
        with pytest.raises(StoreError, match="0 terms of sale"):
            await deliveries.checkpoint(connection, an_id(9), 1, {}, 1)

    told(story)
