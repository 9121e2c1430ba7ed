"""The box office: tickets over the wire, with the till, the store and the sandbox behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from signaling.config import AuthConfig, HostingConfig, PayConfig, TicketsConfig, TlsConfig
from signaling.pay.sandbox import fee_of
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.store import ledger, offers
from tests.signaling.server_world import WALL_US, Caller
from tests.signaling.town import Town
from tests.signaling.town import tell as tell_town

HOUR_MS = 3_600_000
PRICE = 1_250
UNKNOWN = bytes(16)
_KEYS = iter(range(1, 1_000_000))


def key() -> bytes:
    return next(_KEYS).to_bytes(16)


def tell(story: Callable[[Town], Awaitable[None]], **options: Any) -> None:
    """Run a story in a town whose box office is open."""

    async def whole(town: Town) -> None:
        await town.parts.box_office.open()
        await story(town)
        town.parts.box_office.close()

    tell_town(whole, **options)


async def scheduled(town: Town, host: Caller) -> bytes:
    starts_ms = (WALL_US + town.now_us) // 1_000 + HOUR_MS
    planned = await host.ask(wire.Schedule, "Morning tea", starts_ms)
    assert isinstance(planned, wire.Planned), planned
    return planned.planned.space


async def on_sale(town: Town, host: Caller, capacity: int = 1) -> bytes:
    space = await scheduled(town, host)
    terms = await host.ask(wire.Sell, space, PRICE, capacity, HOUR_MS)
    assert isinstance(terms, wire.SaleTerms), terms
    return space


async def refused(caller: Caller, code: str, kind: type, *fields: Any) -> wire.Error:
    error = await caller.ask(kind, *fields)
    assert isinstance(error, wire.Error), error
    assert ErrorCode(error.code).name == code, error
    return error


async def reserved(caller: Caller, space: bytes) -> wire.Reserved:
    held = await caller.ask(wire.Reserve, space, key())
    assert isinstance(held, wire.Reserved), held
    return held


async def bought(caller: Caller, space: bytes, card: str = "card_ok") -> bytes:
    held = await reserved(caller, space)
    got = await caller.ask(wire.Buy, held.hold, card, key())
    assert (type(got), got.state) == (wire.Bought, 0), got
    ticket: bytes = got.ticket
    return ticket


def test_terms_are_what_the_host_set_and_how_it_stands_with_who_asks() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await on_sale(town, hana, 2)
        before = await lio.ask(wire.GetTerms, space)
        assert (before.title, before.host_name, before.has_ticket, before.place) == (
            *("Morning tea", "hana", False, 0),
        )
        terms = before.terms
        assert (terms.price_minor, terms.currency, terms.exponent) == (PRICE, "USD", 2)
        assert (terms.capacity, terms.sold, terms.promised_ms, terms.sold_out) == (2, 0, HOUR_MS, False)
        await bought(lio, space)
        after = await lio.ask(wire.GetTerms, space)
        assert (after.has_ticket, after.terms.sold) == (True, 1)

    tell(story)


def test_terms_are_refused_with_what_is_wrong() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await scheduled(town, hana)
        await refused(hana, "not_for_sale", wire.GetTerms, space)
        await refused(lio, "not_for_sale", wire.Reserve, space, key())
        await refused(lio, "not_permitted", wire.Sell, space, PRICE, 1, HOUR_MS)
        await refused(hana, "bad_price", wire.Sell, space, 99, 1, HOUR_MS)
        await refused(hana, "bad_value", wire.Sell, space, PRICE, 0, HOUR_MS)
        await refused(hana, "no_such_space", wire.Sell, UNKNOWN, PRICE, 1, HOUR_MS)
        assert isinstance(await hana.ask(wire.Sell, space, PRICE, 1, HOUR_MS), wire.SaleTerms)
        await bought(lio, space)
        await refused(hana, "not_permitted", wire.Sell, space, PRICE + 1, 1, HOUR_MS)

    tell(story)


def test_a_purchase_is_told_listed_and_happens_once() -> None:
    async def story(town: Town) -> None:
        hana, lio, ann = await town.people_named("hana", "lio", "ann")
        space = await on_sale(town, hana, 3)
        one, pays = key(), key()
        held = await lio.ask(wire.Reserve, space, one)
        assert (held.expires_in_ms, held.price_minor, held.currency) == (300_000, PRICE, "USD")
        again = await lio.ask(wire.Reserve, space, one)
        assert again.hold == held.hold
        await refused(lio, "hold_open", wire.Reserve, space, key())
        await refused(ann, "no_such_hold", wire.Buy, held.hold, "card_ok", key())
        paid = await lio.ask(wire.Buy, held.hold, "card_ok", pays)
        assert (paid.ticket, paid.state) == (held.hold, 0)
        assert (await lio.ask(wire.Buy, held.hold, "card_ok", pays)).ticket == held.hold
        await refused(lio, "key_reused", wire.Buy, held.hold, "card_declined", pays)
        await refused(lio, "has_ticket", wire.Reserve, space, key())
        await town.settle()
        (news,) = lio.peer.take(wire.TicketChanged)
        assert (news.ticket.ticket, news.ticket.state, news.ticket.title) == (held.hold, 0, "Morning tea")
        mine = await lio.ask(wire.ListTickets)
        assert (mine.tickets, mine.more) == ([news.ticket], None)
        sold = await hana.ask(wire.ListTickets, None, 50, space)
        assert [(row.user, row.name, row.paid_minor) for row in sold.tickets] == [("lio", "lio", PRICE)]
        await refused(lio, "not_permitted", wire.ListTickets, None, 50, space)
        await refused(hana, "not_permitted", wire.Reserve, space, key())

    tell(story)


def test_a_declined_card_leaves_the_seat_to_another_card() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await on_sale(town, hana)
        held = await reserved(lio, space)
        await refused(lio, "card_declined", wire.Buy, held.hold, "card_declined", key())
        failed = await lio.ask(wire.ListTickets)
        assert [(row.ticket, row.state, row.paid_minor) for row in failed.tickets] == [(held.hold, 4, 0)]
        assert failed.tickets[0].why == "card_declined", "the provider's word"
        wrong = await refused(lio, "card_declined", wire.Buy, held.hold, "card_of_nobody", key())
        assert "(no_such_method)" in wrong.message
        assert (await lio.ask(wire.Buy, held.hold, "card_ok", key())).state == 0

    tell(story)


def test_a_payment_to_be_confirmed_is_listed_as_under_way() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await on_sale(town, hana)
        held = await reserved(lio, space)
        assert (await lio.ask(wire.Buy, held.hold, "card_needs_action", key())).state == 1
        listed = await lio.ask(wire.ListTickets, None, 1)
        assert [(row.state, row.bought_ms) for row in listed.tickets] == [(3, 0)]
        await refused(lio, "payment_unknown", wire.Release, held.hold)

    tell(story)


def test_who_waits_is_offered_the_seat_that_is_given_back_also_when_they_come_later() -> None:
    async def story(town: Town) -> None:
        hana, lio, ann, bo = await town.people_named("hana", "lio", "ann", "bo")
        space = await on_sale(town, hana)
        held = await reserved(lio, space)
        await refused(ann, "sold_out", wire.Reserve, space, key())
        assert (await ann.ask(wire.Wait, space)).place == 1
        assert (await bo.ask(wire.Wait, space)).place == 2
        assert (await ann.ask(wire.Wait, space)).place == 1
        waits = await bo.ask(wire.Reserve, space, key())
        assert (type(waits), waits.place) == (wire.Waiting, 2)
        await bo.hang_up()
        assert isinstance(await ann.ask(wire.StopWaiting, space), wire.Ok)
        assert isinstance(await lio.ask(wire.Release, held.hold), wire.Ok)
        bo = await town.known("bo")
        await town.settle()
        (offer,) = bo.peer.take(wire.SeatOffered)
        assert (offer.space, offer.title) == (space, "Morning tea")
        assert offer.expires_in_ms == 600_000
        assert (await bo.ask(wire.Buy, offer.hold, "card_ok", key())).state == 0
        assert ann.peer.take(wire.SeatOffered) == []

    tell(story)


def test_a_hold_that_lapses_is_offered_by_time_alone() -> None:
    async def story(town: Town) -> None:
        hana, lio, ann = await town.people_named("hana", "lio", "ann")
        space = await on_sale(town, hana)
        held = await reserved(lio, space)
        assert (await ann.ask(wire.Wait, space)).place == 1
        town.now_us += 299_000_000
        await town.pass_time(0.1)
        assert ann.peer.take(wire.SeatOffered) == []
        town.now_us += 1_000_000
        await town.pass_time(0.1)
        (offer,) = ann.peer.take(wire.SeatOffered)
        assert offer.space == space
        await refused(lio, "hold_lapsed", wire.Buy, held.hold, "card_ok", key())

    tell(story)


def test_a_host_gives_back_a_part_and_then_the_rest() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await on_sale(town, hana)
        ticket = await bought(lio, space)
        await town.settle()
        lio.peer.take(wire.TicketChanged)
        await refused(lio, "no_such_ticket", wire.Refund, ticket, 0, "", key())
        await refused(hana, "refund_too_large", wire.Refund, ticket, PRICE + 1, "", key())
        once = key()
        part = await hana.ask(wire.Refund, ticket, 250, "late", once)
        assert (part.amount_minor, part.refunded_minor, part.state) == (250, 250, 0)
        assert (await hana.ask(wire.Refund, ticket, 250, "late", once)).refunded_minor == 250
        await refused(hana, "key_reused", wire.Refund, ticket, 250, "early", once)
        for who, fields in ((lio, ()), (hana, (None, 50, space))):
            (row,) = (await who.ask(wire.ListTickets, *fields)).tickets
            assert (row.state, row.refunded_minor, row.why, row.note) == (0, 250, "given", "late")
        rest = await hana.ask(wire.Refund, ticket, 0, "", key())
        assert (rest.amount_minor, rest.refunded_minor) == (1_000, PRICE)
        await town.settle()
        assert [(news.ticket.state, news.ticket.refunded_minor) for news in lio.peer.take()][-1] == (1, PRICE)
        sums = await hana.ask(wire.GetStatement, space)
        assert (sums.tickets, sums.sold_minor, sums.refunded_minor, sums.sandbox) == (1, PRICE, PRICE, True)
        assert sums.fees_minor + sums.host_minor + sums.platform_minor == 0
        await refused(lio, "not_permitted", wire.GetStatement, space)

    tell(story)


def test_sandbox_money_is_not_paid_out() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        await bought(lio, await on_sale(town, hana))
        account = await hana.ask(wire.GetPayoutAccount)
        assert (type(account), account.state) == (wire.PayoutAccount, 2)
        await refused(hana, "payout_too_small", wire.PayOut, key())
        listed = await hana.ask(wire.ListPayouts)
        assert (listed.payouts, listed.more, listed.balance_minor, listed.available_minor) == ([], None, 0, 0)
        assert (listed.currency, listed.exponent, listed.least_minor) == ("USD", 2, 5_000)

    tell(story)


def test_to_the_blocked_a_space_on_sale_is_not_there() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await on_sale(town, hana)
        assert isinstance(await hana.ask(wire.Block, "lio"), wire.Ok)
        for kind, rest in ((wire.GetTerms, ()), (wire.Reserve, (key(),)), (wire.Wait, ())):
            known = await refused(lio, "no_such_space", kind, space, *rest)
            other = await refused(lio, "no_such_space", kind, UNKNOWN, *rest)
            assert known.message.replace(space.hex(), "") == other.message.replace(UNKNOWN.hex(), "")

    tell(story)


def test_pages_of_tickets_go_on_where_they_ended() -> None:
    async def story(town: Town) -> None:
        hana = await town.known("hana")
        space = await on_sale(town, hana, 5)
        tickets = []
        for number in range(5):
            tickets.append(await bought(await town.known(f"guest{number}"), space))
            town.tick()
        seen: list[bytes] = []
        after = None
        while True:
            page = await hana.ask(wire.ListTickets, after, 2, space)
            seen += [row.ticket for row in page.tickets]
            after = page.more
            if after is None:
                break
        assert seen == tickets[::-1]
        await refused(hana, "bad_value", wire.ListTickets, b"x", 2, space)

    tell(story)


def test_purchases_have_a_rate() -> None:
    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await on_sale(town, hana)
        for _ in range(20):
            await refused(lio, "no_such_hold", wire.Release, UNKNOWN)
        error = await refused(lio, "too_often", wire.Wait, space)
        assert 0 < error.retry_after_ms <= 1_000
        assert isinstance(await lio.ask(wire.GetTerms, space), wire.SaleTerms)

    tell(story)


OUTSIDE = {
    "auth": AuthConfig(development=False, signing_key=Path("signing.pem")),
    "tls": TlsConfig(Path("certificate.pem"), Path("key.pem")),
    "hosting": HostingConfig(min_followers=0),
}
"""Of a configuration that is not for development."""


def test_the_sandbox_sells_nothing_outside_development_mode() -> None:
    """Asked over the wire, of a Space that could be sold; what is free goes on."""

    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await scheduled(town, hana)
        for caller, kind, fields in (
            (hana, wire.Sell, (space, PRICE, 1, HOUR_MS)),
            (lio, wire.Reserve, (space, key())),
            (lio, wire.Buy, (UNKNOWN, "card_ok", key())),
            (lio, wire.Wait, (space,)),
            (hana, wire.PayOut, (key(),)),
            (hana, wire.GetPayoutAccount, ()),
        ):
            error = await refused(caller, "selling_off", kind, *fields)
            assert "sandbox" in error.message and "configure stripe" in error.message
        await refused(lio, "not_for_sale", wire.GetTerms, space)
        async with town.store.transaction() as connection:
            assert await ledger.newest(connection) == 0
            assert await offers.among(connection, [space]) == {}

    tell(story, sections=OUTSIDE)


def test_outside_development_mode_another_provider_than_the_sandbox_sells() -> None:
    """The same questions, of a server with Stripe configured: it is the sandbox that is refused."""

    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await scheduled(town, hana)
        error = await refused(hana, "not_eligible_to_sell", wire.Sell, space, 100, 1, HOUR_MS)
        assert "1000 followers" in error.message
        await refused(lio, "no_such_hold", wire.Buy, UNKNOWN, "pm_card_visa", key())

    pay = PayConfig("stripe", stripe_key="sk_test_1", webhook_secret="whsec_1")  # noqa: S106  # of nobody
    tell(story, sections=OUTSIDE | {"pay": pay})


def test_yen_are_sold_as_they_are_without_decimals() -> None:
    """Prices, fees, shares, refunds and payouts in a currency whose minor unit is the whole one."""

    async def story(town: Town) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await scheduled(town, hana)
        for price, code in ((0, ""), (1_000, ""), (500, "USD")):
            await refused(hana, "bad_price", wire.Sell, space, price, 2, HOUR_MS, 0, 0, code)
        terms = await hana.ask(wire.Sell, space, 500, 2, HOUR_MS, 0, 0, "JPY")
        assert (terms.terms.currency, terms.terms.exponent) == ("JPY", 0)
        ticket = await bought(lio, space)
        fee = fee_of(500)
        sums = await hana.ask(wire.GetStatement, space)
        assert (sums.currency, sums.exponent, sums.sold_minor, sums.fees_minor) == ("JPY", 0, 500, fee)
        assert sums.host_minor == (500 - fee) * 9_700 // 10_000
        part = await hana.ask(wire.Refund, ticket, 167, "", key())
        assert (part.refunded_minor, part.currency, part.exponent) == (167, "JPY", 0)
        wrong = await refused(hana, "refund_too_large", wire.Refund, ticket, 334, "", key())
        assert "334 JPY" in wrong.message and "333 JPY" in wrong.message
        listed = await hana.ask(wire.ListPayouts)
        assert (listed.currency, listed.exponent, listed.least_minor) == ("JPY", 0, 50)
        async with town.store.transaction() as connection:
            trial = await ledger.trial_balance(connection)
        assert trial.is_right and set(trial.totals) == {("JPY", True)}

    tell(story, sections={"tickets": TicketsConfig(currency="JPY")})
