"""First steps: somebody opens a Space, another joins, asks, is admitted, and all hear whom they should."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.client import ConnectionClosed, Ended, RequestRefused, Retry, Role
from signaling.config import MediaConfig
from tests.scenarios.venue import (
    LOOPBACK,
    UVLOOP,
    VIRTUAL,
    Ear,
    Venue,
    likeness,
    on_both_planes,
    say,
    tell,
    until,
)
from tests.signals import voice
from tests.virtual.network import Impairment

pytestmark = pytest.mark.scenario

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


@pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK, UVLOOP])
@on_both_planes
def test_open_join_ask_admit_hear(place: str, plane: str, tmp_path: Path) -> None:
    of_hana, of_ada = voice(1, 2.0), voice(2, 2.0)

    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Morning talk")
            assert (talk.role, talk.title) == (Role.HOST, "Morning talk")
            assert [(each.title, each.host_name) for each in await lio.live()] == [("Morning talk", "Hana")]
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id_text)
            assert at_ada.role is Role.LISTENER

            await at_ada.ask()
            await until(lambda: talk.waiting == 1, talk)
            await talk.admit(talk.queue[0])
            await until(lambda: at_ada.role is Role.SPEAKER, at_ada)
            await until(lambda: len(talk.stage) == 2, talk)
            assert [seat.name for seat in talk.stage] == ["Hana", "Ada"]
            assert {each.name for each in await at_lio.people()} == {"Hana", "Ada", "Lio"}

            hears = {name: Ear(space) for name, space in (("hana", talk), ("ada", at_ada), ("lio", at_lio))}
            talking = asyncio.gather(say(talk, of_hana), say(at_ada, of_ada))
            await asyncio.sleep(1)
            assert {seat.name for seat in at_lio.talking} == {"Hana", "Ada"}
            await talking
            await asyncio.sleep(0.5)

            assert likeness(hears["lio"].sound, of_hana) > 0.5
            assert likeness(hears["lio"].sound, of_ada) > 0.5
            assert likeness(hears["hana"].sound, of_ada) > 0.6
            assert likeness(hears["ada"].sound, of_hana) > 0.6
            assert likeness(hears["hana"].sound, of_hana) < 0.3
            assert likeness(hears["ada"].sound, of_ada) < 0.3

            await talk.end()
            for space in (talk, at_ada, at_lio):
                last = [event async for event in space.events()][-1]
                assert isinstance(last, Ended)
                assert last.reason == "host_ended"
                assert space.over == "ended"

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_mute_move_remove_leave(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Short talk")
            space = await ada.join(talk.id)
            with pytest.raises(RequestRefused) as caught:
                await space.admit("nobody")
            assert caught.value.code == "not_permitted"
            await space.ask()
            await talk.admit(ada.user)
            await until(lambda: space.seat is not None, space)
            await talk.mute(ada.user)
            await until(lambda: space.muted, space)
            await space.unmute()
            await until(lambda: not space.muted, space)
            await space.move()
            await until(lambda: space.role is Role.LISTENER, space)
            await talk.remove(ada.user)
            await until(lambda: space.over == "removed", space)
            with pytest.raises((RequestRefused, ConnectionClosed)) as refused:
                await ada.join(talk.id)
            assert refused.value.code == "removed"
            await talk.leave()
            assert await hana.live() == []

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_server_stops_with_people_inside(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        hana = await venue.enter("Hana", resume=False)
        talk = await hana.open("Last talk")
        ada = await venue.enter("Ada", resume=False)
        space = await ada.join(talk.id)
        await venue.server.stop()
        for client, inside in ((hana, talk), (ada, space)):
            ended = await asyncio.wait_for(client.wait_closed(), 5)
            assert (ended.code, ended.by_server) == ("server_stopping", True)
            assert ended.reconnect_after_ms > 0
            assert inside.over == "ended"
            assert isinstance([event async for event in inside.events()][-1], Ended)
            await client.close()

    tell(story, tmp_path, place, plane=plane)


@on_both_planes
def test_a_token_is_renewed_on_the_live_connection(plane: str, tmp_path: Path) -> None:
    """Ten minutes on tokens of two: one is renewed each time; the other ends, and its connection with it."""

    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("", token=lambda: venue.token("hana", 120)) as hana,
            await venue.enter("", token=venue.token("ada", 120)) as ada,
        ):
            talk = await hana.open("Long talk")
            space = await ada.join(talk.id)
            began = venue.wall_clock()
            ended = await ada.wait_closed()
            assert (ended.code, ended.retry) == ("token_expired", Retry.token)
            assert 115 < venue.wall_clock() - began < 155
            assert space.over == "closed"
            await asyncio.sleep(450)
            assert 6 <= hana.stats.renewals <= 12
            assert hana.stats.renewal_failures == 0
            assert (talk.over, talk.audience) == (None, 0)

    tell(story, tmp_path, VIRTUAL, plane=plane)


@on_both_planes
def test_hearing_through_loss_and_jitter(plane: str, tmp_path: Path) -> None:
    """5 % loss, 40 ms of jitter, some reordering: what is heard stays close to what was said."""

    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Through the tunnel")
            space = await ada.join(talk.id)
            ear, sound = Ear(space), voice(3, 8.0)
            await say(talk, sound)
            await asyncio.sleep(1)
            stats = space.stats.playout
            assert stats is not None
            assert stats.recovered > 5
            assert stats.concealed < 0.05 * stats.frames
            assert likeness(ear.sound, sound) > 0.6

    rough = Impairment(delay_s=0.03, jitter_s=0.04, loss=0.05, reorder=0.02)
    # An encoder adds in-band FEC only for a loss that it expects.
    tell(story, tmp_path, VIRTUAL, plane=plane, impairment=rough, media=MediaConfig(loss_pct=10))
