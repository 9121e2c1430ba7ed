"""Bad input about money, over the wire: each has its code and a sentence, and nothing is posted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from sqlalchemy import text

from signaling.pay.webhooks import ProviderInbox
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from tests.signaling.server_world import WALL_US, Caller
from tests.signaling.test_box_office import HOUR_MS, PRICE, UNKNOWN, bought, key, on_sale, reserved, scheduled
from tests.signaling.test_box_office import tell as tell_office
from tests.signaling.town import Town

BOOKS = ("ledger_transactions", "postings", "balances", "sales", "offers", "charges", "refunds", "payouts")


class Bad(NamedTuple):
    """Who asks what, and the code of the refusal."""

    who: Caller
    code: str
    kind: type
    fields: tuple[Any, ...]


async def photograph(town: Town) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of everything about money."""
    async with town.store.transaction() as connection:
        return {
            table: [tuple(row) for row in await connection.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608
            for table in BOOKS
        }


async def expect_refused(town: Town, *table: Bad) -> None:
    for bad in table:
        before = await photograph(town)
        answer = await bad.who.ask(bad.kind, *bad.fields)
        case = f"{bad.kind.__name__}{bad.fields}: {answer}"
        assert isinstance(answer, wire.Error), case
        assert ErrorCode(answer.code).name == bad.code, case
        assert len(answer.message.split()) > 5, case
        assert await photograph(town) == before, case
        town.now_us += 1_000_000  # rates of a person are not what is tested here


def tell(story: Callable[[Town, Caller, Caller, Caller], Awaitable[None]]) -> None:
    """In a town with a host, hana, and two buyers, lio and ann."""

    async def whole(town: Town) -> None:
        await story(town, *await town.people_named("hana", "lio", "ann"))

    tell_office(whole)


def test_terms_that_are_none() -> None:
    async def story(town: Town, hana: Caller, lio: Caller, ann: Caller) -> None:
        space = await scheduled(town, hana)

        def terms(code: str, *fields: Any) -> Bad:
            return Bad(hana, code, wire.Sell, (space, *fields))

        now_ms = (WALL_US + town.now_us) // 1_000
        await expect_refused(
            town,
            *(terms("bad_price", price, 1, HOUR_MS) for price in (0, 1, 99, 99_901, 10**12)),
            *(terms("bad_value", price, 1, HOUR_MS) for price in (-1, -PRICE, 2**48, 2**63)),
            *(terms("malformed", price, 1, HOUR_MS) for price in (12.5, 0.01, "1250", None, True)),
            *(
                terms("bad_price", PRICE, 1, HOUR_MS, 0, 0, code)
                for code in ("EUR", "JPY", "ZZZ", "usd", "U")
            ),
            *(terms("bad_value", PRICE, 1, HOUR_MS, 0, 0, code) for code in ("DOLLARS", "\n\n\n")),
            *(terms("bad_value", PRICE, capacity, HOUR_MS) for capacity in (0, -1, 10_001, 2**32)),
            terms("malformed", PRICE, 1.5, HOUR_MS),
            *(terms("bad_value", PRICE, 1, promised_ms) for promised_ms in (0, 299_999, 86_400_001)),
            terms("bad_time", PRICE, 1, HOUR_MS, now_ms - 60_000),
            terms("bad_time", PRICE, 1, HOUR_MS, 0, now_ms + 4 * HOUR_MS),
            Bad(lio, "not_permitted", wire.Sell, (space, PRICE, 1, HOUR_MS)),
            Bad(hana, "no_such_space", wire.Sell, (UNKNOWN, PRICE, 1, HOUR_MS)),
            Bad(lio, "not_for_sale", wire.Reserve, (space, key())),
            Bad(lio, "not_for_sale", wire.Wait, (space,)),
            Bad(hana, "not_for_sale", wire.GetStatement, (space,)),
        )
        town.provider._unverified = frozenset({"hana"})
        await expect_refused(town, terms("not_eligible_to_sell", PRICE, 1, HOUR_MS))

    tell(story)


def test_holds_and_purchases_that_cannot_be() -> None:
    async def story(town: Town, hana: Caller, lio: Caller, ann: Caller) -> None:
        space = await on_sale(town, hana, 2)
        held = await reserved(ann, space)
        await bought(lio, space)
        await expect_refused(
            town,
            Bad(lio, "has_ticket", wire.Reserve, (space, key())),
            Bad(lio, "has_ticket", wire.Wait, (space,)),
            Bad(ann, "hold_open", wire.Reserve, (space, key())),
            Bad(hana, "not_permitted", wire.Reserve, (space, key())),
            Bad(lio, "no_such_hold", wire.Buy, (held.hold, "card_ok", key())),
            Bad(lio, "no_such_hold", wire.Release, (held.hold,)),
            Bad(ann, "no_such_hold", wire.Buy, (UNKNOWN, "card_ok", key())),
            Bad(ann, "bad_value", wire.Buy, (held.hold, "", key())),
            Bad(ann, "bad_value", wire.Buy, (held.hold, "card_ok", b"short")),
            Bad(ann, "bad_value", wire.Buy, (b"short", "card_ok", key())),
            Bad(hana, "not_permitted", wire.Sell, (space, PRICE + 1, 2, HOUR_MS)),
        )
        town.now_us += 300_000_000
        await town.settle()
        await expect_refused(town, Bad(ann, "hold_lapsed", wire.Buy, (held.hold, "card_ok", key())))
        await town.pass_time(0.1)
        await expect_refused(
            town,
            Bad(ann, "hold_lapsed", wire.Buy, (held.hold, "card_ok", key())),
            Bad(ann, "hold_too_soon", wire.Reserve, (space, key())),
        )

    tell(story)


def test_buying_after_the_end() -> None:
    async def story(town: Town, hana: Caller, lio: Caller, ann: Caller) -> None:
        space, other = await on_sale(town, hana, 2), await on_sale(town, hana, 2)
        held = await reserved(ann, space)
        assert isinstance(await hana.ask(wire.Cancel, space), wire.Ok)
        await town.settle()
        await expect_refused(
            town,
            Bad(ann, "sale_closed", wire.Buy, (held.hold, "card_ok", key())),
            Bad(lio, "sale_closed", wire.Reserve, (space, key())),
            Bad(lio, "sale_closed", wire.Wait, (space,)),
            Bad(hana, "not_planned", wire.Sell, (space, PRICE, 1, HOUR_MS)),
        )
        town.now_us += 2 * HOUR_MS * 1_000
        await expect_refused(
            town,
            Bad(lio, "sale_closed", wire.Reserve, (other, key())),
            Bad(lio, "sale_closed", wire.Wait, (other,)),
        )

    tell(story)


def test_refunds_payouts_and_webhooks_that_cannot_be() -> None:
    async def story(town: Town, hana: Caller, lio: Caller, ann: Caller) -> None:
        space = await on_sale(town, hana, 2)
        ticket = await bought(lio, space)
        used = key()
        assert isinstance(await hana.ask(wire.Refund, ticket, 1_000, "", used), wire.Refunded)
        await town.settle()
        await expect_refused(
            town,
            Bad(hana, "refund_too_large", wire.Refund, (ticket, PRICE - 999, "", key())),
            Bad(hana, "refund_too_large", wire.Refund, (ticket, 2**47, "", key())),
            Bad(hana, "bad_value", wire.Refund, (ticket, -1, "", key())),
            Bad(hana, "malformed", wire.Refund, (ticket, 0.5, "", key())),
            Bad(hana, "bad_value", wire.Refund, (ticket, 1, "x" * 101, key())),
            Bad(hana, "key_reused", wire.Refund, (ticket, 1, "", used)),
            Bad(lio, "no_such_ticket", wire.Refund, (ticket, 1, "", key())),
            Bad(hana, "no_such_ticket", wire.Refund, (UNKNOWN, 1, "", key())),
            Bad(hana, "payout_too_small", wire.PayOut, (key(),)),
            Bad(lio, "not_permitted", wire.GetStatement, (space,)),
            Bad(lio, "not_permitted", wire.ListTickets, (None, 50, space)),
            Bad(hana, "bad_value", wire.ListTickets, (b"no cursor", 50, space)),
            Bad(hana, "bad_value", wire.ListPayouts, (b"no cursor", 50)),
        )
        town.provider._unverified = frozenset({"ann"})
        await expect_refused(town, Bad(ann, "payout_account_missing", wire.PayOut, (key(),)))
        before = await photograph(town)
        inbox = ProviderInbox(
            town.provider,
            town.parts.box_office.on_provider_event,
            town.counts,
            wall_s=lambda: town.around.wall_us() / 1_000_000,
        )
        for content, status in (
            ({"balance": "available"}, 200),
            ({"charge": bytes(16).hex(), "state": "succeeded", "code": "", "amount": 1}, 200),
            ({"charge": "no hex", "state": "succeeded", "code": "", "amount": 1}, 400),
            ({"charge": bytes(16).hex(), "state": "unheard of", "code": "", "amount": 1}, 400),
            ({"dispute": bytes(16).hex(), "state": "opened", "amount": 1}, 503),
        ):
            assert await inbox.take(*town.provider.webhook(f"event {content}", content)) == status, content
            assert await photograph(town) == before, content

    tell(story)
