"""Stories of lost connections: who comes back to what, who stands in meanwhile, and who stays out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.client import Reconnected, RequestRefused, Role, Space
from signaling.protocol.messages import Ended
from tests.scenarios.venue import (
    LOOPBACK,
    SERVER,
    VIRTUAL,
    Ear,
    Venue,
    likeness,
    loudness,
    on_both_planes,
    on_stage,
    say,
    tell,
    until,
)
from tests.signals import FRAME, voice

pytestmark = pytest.mark.scenario

NOTICED_S = 60
"""A lost connection is noticed after 30 s of silence."""

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


async def outage(venue: Venue, person: int, seconds: float) -> None:
    """The way between the server and the n-th person is gone for so long."""
    assert venue.network is not None
    venue.network.cut(SERVER[0], f"10.0.1.{person}")
    await asyncio.sleep(seconds)
    venue.network.heal(SERVER[0], f"10.0.1.{person}")


async def is_back(space: Space) -> None:
    """Read the events of somebody who was cut off until they have a connection again."""
    async with asyncio.timeout(NOTICED_S):
        while not isinstance(await anext(space.events()), Reconnected):
            pass


def row(space: Space, user: str) -> tuple[bool, bool]:
    """Whether somebody is on stage as others see it, and whether they are away."""
    rows = [seat for seat in space.stage if seat.user == user]
    return bool(rows), bool(rows and rows[0].absent)


@on_both_planes
def test_a_speaker_comes_back_to_the_stage_and_is_heard_again(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Bad wire")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await on_stage(talk, at_ada)
            seat = at_ada.seat
            losing = asyncio.create_task(outage(venue, 2, 45))
            await until(lambda: row(at_lio, at_ada.me) == (True, True), at_lio, NOTICED_S)
            ear = Ear(at_lio)
            at_ada.speak(voice(1, 1.0)[:FRAME])  # into a connection that is lost
            await losing
            await is_back(at_ada)
            await until(lambda: row(at_lio, at_ada.me) == (True, False), at_lio)
            assert at_ada.role is Role.SPEAKER
            assert at_ada.seat == seat is not None
            assert loudness(ear.sound) < 1e-3
            ear, sound = Ear(at_lio), voice(22, 2.0)
            await say(at_ada, sound)
            await asyncio.sleep(0.5)
            assert likeness(ear.sound, sound) > 0.5

    tell(story, tmp_path, VIRTUAL, plane=plane)


def test_a_listener_who_was_cut_off_is_told_what_happened(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Lio") as lio:
            talk = await hana.open("News")
            at_lio = await lio.join(talk.id)
            losing = asyncio.create_task(outage(venue, 2, 40))
            await asyncio.sleep(1)
            numbers = [await talk.post(f"post {number}") for number in range(3)]
            await talk.change(title="Old news")
            await losing
            await is_back(at_lio)
            await until(lambda: at_lio.title == "Old news", at_lio)
            assert [post.post for post in at_lio.recent_posts] == numbers, "in order, and each once"
            assert at_lio.stats.gaps == 0
            assert venue.server.statistics()["resumed"] == 1

    tell(story, tmp_path, VIRTUAL)


def test_a_place_in_the_queue_outlasts_the_connection(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Queue")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await at_ada.ask()
            await at_lio.ask()
            await outage(venue, 2, 40)
            await is_back(at_ada)
            await until(lambda: len(talk.queue) == 2, talk)
            assert [person.user for person in talk.queue] == [at_ada.me, at_lio.me]
            await talk.admit(at_ada.me)
            await until(lambda: at_ada.seat is not None, at_ada)

    tell(story, tmp_path, VIRTUAL)


@pytest.mark.parametrize("how", ["ban", "block"])
def test_who_is_banned_while_away_stays_out(how: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Patience")
            at_ada = await ada.join(talk.id)
            await on_stage(talk, at_ada)
            losing = asyncio.create_task(outage(venue, 2, 60))
            await until(lambda: row(talk, at_ada.me) == (True, True), talk, NOTICED_S)
            await talk.remove(at_ada.me, how)  # type: ignore[arg-type]
            await losing
            await until(lambda: at_ada.over is not None, at_ada, NOTICED_S)
            assert at_ada.over == "removed"
            with pytest.raises(RequestRefused) as refused:
                await ada.join(talk.id)
            assert refused.value.code == "removed"
            assert row(talk, at_ada.me) == (False, False)

    tell(story, tmp_path, VIRTUAL)


@both
def test_a_second_device_takes_over_also_from_another_space(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Bea") as bea,
            await venue.enter("Ada") as ada,
        ):
            tea, coffee = await hana.open("Tea"), await bea.open("Coffee")
            at_tea = await ada.join(tea.id)
            await on_stage(tea, at_tea)
            phone = await venue.enter("", token=ada.token)
            at_coffee = await phone.join(coffee.id)
            closed = await asyncio.wait_for(ada.wait_closed(), 10)
            assert closed.code == "replaced"
            await until(lambda: row(tea, at_tea.me) == (True, True), tea)
            assert at_coffee.role is Role.LISTENER
            assert venue.server.statistics()["now_people"] == 3
            await phone.close()

    tell(story, tmp_path, place)


# Continuity of the host


@on_both_planes
def test_a_co_host_stands_in_for_a_lost_host_and_gives_back(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Relay")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await on_stage(talk, at_ada)
            await talk.promote(at_ada.me)
            await until(lambda: at_ada.role is Role.CO_HOST, at_ada)
            losing = asyncio.create_task(outage(venue, 1, 80))
            await until(lambda: at_ada.role is Role.HOST, at_ada, 2 * NOTICED_S)
            assert row(at_lio, talk.me) == (True, True)
            ear, sound = Ear(at_lio), voice(31, 1.0)
            await say(at_ada, sound)
            await asyncio.sleep(0.5)
            assert likeness(ear.sound, sound) > 0.5, "it goes on without the host"
            await losing
            await is_back(talk)
            await until(lambda: at_ada.role is Role.CO_HOST, at_ada)
            assert talk.role is Role.HOST
            await talk.end()
            await until(lambda: at_lio.over is not None, at_lio)
            assert at_lio.over == "ended"

    tell(story, tmp_path, VIRTUAL, plane=plane)


def test_a_space_with_nobody_to_take_over_is_timed_out(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Lio") as lio:
            talk = await hana.open("Orphan")
            at_lio = await lio.join(talk.id)
            assert venue.network is not None
            venue.network.cut(SERVER[0], "10.0.1.1")
            began = venue.clock()
            async with asyncio.timeout(600):
                last = [event async for event in at_lio.events()][-1]
            assert isinstance(last, Ended)
            assert last.reason == "host_lost"
            waited_s = (venue.clock() - began) / 1e6
            assert 120 < waited_s < 160, f"{waited_s:.0f} s: 30 to notice, 30 of grace and 90 more"
            with pytest.raises(RequestRefused) as refused:
                await lio.join(talk.id)
            assert refused.value.code == "no_such_space"

    tell(story, tmp_path, VIRTUAL)
