"""Stories of tickets: a host sells, people buy, are declined, wait, and get their money back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signaling.client import BoughtState, Client, RequestRefused, TicketState
from signaling.protocol.messages import Reserved, SeatOffered, TicketChanged
from tests.scenarios.venue import LOOPBACK, VIRTUAL, Venue, tell

pytestmark = pytest.mark.scenario

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


async def next_event(client: Client) -> SeatOffered | TicketChanged:
    async with asyncio.timeout(15):
        return await anext(client.ticket_events())


async def refused(code: str, client: Client, space: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        await client.reserve(space)
    assert caught.value.code == code


@both
def test_a_ticket_is_sold_declined_waited_for_and_paid_back(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Lio") as lio,
            await venue.enter("Ann") as ann,
        ):
            starts = datetime.fromtimestamp(venue.wall_clock(), UTC) + timedelta(hours=2)
            space = (await hana.schedule("Morning tea", starts)).space
            terms = await hana.sell(space, 1250, 1, timedelta(hours=1))
            assert (terms.terms.price_minor, terms.terms.currency, terms.terms.capacity) == (1250, "USD", 1)

            held = await lio.reserve(space)
            assert isinstance(held, Reserved)
            with pytest.raises(RequestRefused) as declined:
                await lio.buy(held, "card_declined")
            assert declined.value.code == "card_declined"
            assert (await next_event(lio)).ticket.state == TicketState.FAILED  # type: ignore[union-attr]
            bought = await lio.buy(held, "card_ok")
            assert bought.state == BoughtState.SOLD
            assert (await lio.paid(bought)).state == TicketState.VALID
            assert (await next_event(lio)).ticket.state == TicketState.VALID  # type: ignore[union-attr]

            await refused("sold_out", ann, space)
            assert await ann.wait(space) == 1
            (sold,) = await hana.sold_tickets(space)
            assert (sold.user, sold.name, sold.paid_minor) == (lio.user, "Lio", 1250)
            refund = await hana.refund(sold)
            assert (refund.amount_minor, refund.refunded_minor) == (1250, 1250)
            assert (await next_event(lio)).ticket.state == TicketState.REFUNDED  # type: ignore[union-attr]

            offer = await next_event(ann)
            assert isinstance(offer, SeatOffered)
            assert (await ann.buy(offer, "card_ok")).state == BoughtState.SOLD
            sums = await hana.statement(space)
            assert (sums.tickets, sums.sold_minor, sums.refunded_minor, sums.sandbox) == (2, 2500, 1250, True)
            assert sums.fees_minor + sums.host_minor + sums.platform_minor == 1250

    tell(story, tmp_path, place)
