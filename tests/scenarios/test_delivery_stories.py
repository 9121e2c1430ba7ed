"""A ticketed evening on a whole server, over a network that cuts one holder off: who gets what back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signaling.client import Client, TicketState
from tests.scenarios.venue import VIRTUAL, Venue, on_both_planes, say, tell
from tests.signals import tone

pytestmark = pytest.mark.scenario

PRICE = 1_250
PROMISED_S = 300


async def ticket(client: Client, space: bytes) -> None:
    bought = await client.buy(await client.reserve(space), "card_ok")  # type: ignore[arg-type]
    assert (await client.paid(bought)).state == TicketState.VALID


@on_both_planes
def test_who_was_cut_off_gets_more_back_than_who_heard_it(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Lio") as lio,
            await venue.enter("Ann") as ann,
        ):
            starts = datetime.fromtimestamp(venue.wall_clock(), UTC) + timedelta(minutes=10)
            space = (await hana.schedule("Morning tea", starts)).space
            await hana.sell(space, PRICE, 10, timedelta(seconds=PROMISED_S))
            await ticket(lio, space)
            await ticket(ann, space)
            host = await hana.start(space)
            assert host.price is not None
            await lio.join(space)
            await ann.join(space)
            talk = asyncio.ensure_future(say(host, tone(440, 30.0)))
            await asyncio.sleep(12)
            assert venue.network is not None
            venue.network.cut("10.0.1.3", "10.0.0.1")
            await talk
            await host.end()
            await asyncio.sleep(1)
            rows = {row.user: row for row in await hana.sold_tickets(space)}
            heard, cut_off = rows[lio.user], rows[ann.user]
            assert heard.on_air_ms == pytest.approx(30_000, abs=3_000)
            assert heard.delivered_ms == pytest.approx(heard.on_air_ms, abs=1_500)
            assert cut_off.delivered_ms == pytest.approx(12_000, abs=3_000)
            for row in (heard, cut_off):
                missing_ms = row.promised_ms - row.delivered_ms
                assert row.refunded_minor == pytest.approx(PRICE * missing_ms / row.promised_ms, abs=1)

    tell(story, tmp_path, VIRTUAL, plane=plane)
