"""What waits for the payment provider keeps nothing else of the same connection waiting, and is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from signaling.pay import Charge, ChargeResult
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from tests.signaling.server_world import Caller
from tests.signaling.test_box_office import bought, key, on_sale, reserved
from tests.signaling.test_box_office import tell as tell_office
from tests.signaling.town import Town


def tell(story: Callable[[Town, asyncio.Event], Awaitable[None]]) -> None:
    """Run a story in a town whose payment provider charges nobody before it is let."""

    async def whole(town: Town) -> None:
        let, charge = asyncio.Event(), town.provider.charge

        async def slowly(order: Charge) -> ChargeResult:
            await let.wait()
            return await charge(order)

        town.provider.charge = slowly  # type: ignore[method-assign]
        await story(town, let)
        let.set()
        await town.settle()

    tell_office(whole)


def answers(caller: Caller, *numbers: int) -> list[Any]:
    """What came of these requests, in the order in which it came."""
    return [each for each in caller.peer.take(wire.Reply) if each.id in numbers]


def test_while_the_provider_thinks_other_requests_are_answered() -> None:
    async def story(town: Town, let: asyncio.Event) -> None:
        hana, lio = await town.people_named("hana", "lio")
        space = await on_sale(town, hana)
        held = await reserved(lio, space)
        buying = lio.send(wire.Buy, held.hold, "card_ok", key())
        assert (await lio.ask(wire.GetTerms, space)).has_ticket is False
        listed = await lio.ask(wire.ListTickets)
        assert [(row.ticket, row.state) for row in listed.tickets] == [(held.hold, 3)]
        assert answers(lio, buying) == []
        let.set()
        await town.settle()
        (done,) = answers(lio, buying)
        assert (type(done), done.ticket, done.state) == (wire.Bought, held.hold, 0)
        assert town.counts.requests_aside == 2, "the terms and the purchase"

    tell(story)


def test_the_same_purchase_sent_again_meanwhile_says_how_far_it_is() -> None:
    async def story(town: Town, let: asyncio.Event) -> None:
        hana, lio = await town.people_named("hana", "lio")
        held, pays = await reserved(lio, await on_sale(town, hana)), key()
        first = lio.send(wire.Buy, held.hold, "card_ok", pays)
        await town.settle()
        assert (await lio.ask(wire.Buy, held.hold, "card_ok", pays)).state == 2
        let.set()
        await town.settle()
        assert [each.state for each in answers(lio, first)] == [0]
        assert (await lio.ask(wire.Buy, held.hold, "card_ok", pays)).state == 0

    tell(story)


def test_no_more_than_so_many_wait_for_the_provider() -> None:
    async def story(town: Town, let: asyncio.Event) -> None:
        hana, lio = await town.people_named("hana", "lio")
        most = town.limits.requests_aside
        held, pays = await reserved(lio, await on_sale(town, hana)), key()
        calls = 0
        ask = town.provider.payout_account

        async def slowly(user: str, ref: str = "") -> Any:
            nonlocal calls
            calls += 1
            await let.wait()
            return await ask(user, ref)

        town.provider.payout_account = slowly  # type: ignore[method-assign]
        asked = [lio.send(wire.GetPayoutAccount) for _ in range(most)]
        await town.settle()
        over = lio.send(wire.Buy, held.hold, "card_ok", pays)
        await town.settle()
        (refused,) = answers(lio, over)
        assert ErrorCode(refused.code) is ErrorCode.busy
        assert f"{most} is the limit" in refused.message
        assert refused.retry_after_ms > 0
        assert (town.counts.refused["busy"], calls) == (1, most)
        assert isinstance(await hana.ask(wire.ListTickets), wire.Tickets), "others do not notice"
        let.set()
        await town.settle()
        assert [each.id for each in answers(lio, *asked)] == asked
        assert (await lio.ask(wire.Buy, held.hold, "card_ok", pays)).state == 0, "a refusal takes no key"

    tell(story)


def test_who_hangs_up_meanwhile_has_the_ticket_and_hears_of_it_on_another_connection() -> None:
    async def story(town: Town, let: asyncio.Event) -> None:
        hana, lio = await town.people_named("hana", "lio")
        held = await reserved(lio, await on_sale(town, hana))
        lio.send(wire.Buy, held.hold, "card_ok", key())
        await town.settle()
        await lio.hang_up()
        again = await town.known("lio")
        let.set()
        await town.settle()
        assert lio.peer.take(wire.Bought) == []
        (news,) = again.peer.take(wire.TicketChanged)
        assert (news.ticket.ticket, news.ticket.state) == (held.hold, 0)
        assert [row.state for row in (await again.ask(wire.ListTickets)).tickets] == [0]

    tell(story)


def test_a_provider_that_is_quick_is_not_noticed() -> None:
    async def story(town: Town, let: asyncio.Event) -> None:
        let.set()
        hana, lio = await town.people_named("hana", "lio")
        await bought(lio, await on_sale(town, hana))
        for _ in range(3 * town.limits.requests_aside):
            assert isinstance(await lio.ask(wire.GetPayoutAccount), wire.PayoutAccount)

    tell(story)
