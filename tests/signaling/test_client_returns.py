"""Stories of coming back to the real server: as a speaker, in the queue, as a host, and not after a ban."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from signaling.client import (
    Bubble,
    Client,
    ConnectionClosed,
    PostAdded,
    Reconnected,
    Reconnecting,
    RequestRefused,
    Role,
    Space,
    SpaceEvent,
    Timeline,
)
from tests.scenarios.venue import VIRTUAL, Ear, Venue, likeness, on_both_planes, say, tell
from tests.scenarios.venue import venue as another_venue
from tests.signals import frames, voice

pytestmark = pytest.mark.scenario

SERVER = "10.0.0.1"


async def until(is_so: Callable[[], object], limit_s: float = 200) -> None:
    """In virtual time."""
    async with asyncio.timeout(limit_s):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)


def cut(venue: Venue, number: int) -> None:
    """The path between the server and the person who came as this one is gone."""
    assert venue.network is not None
    venue.network.cut(SERVER, f"10.0.1.{number}")


def heal(venue: Venue, number: int) -> None:
    assert venue.network is not None
    venue.network.heal(SERVER, f"10.0.1.{number}")


async def away(venue: Venue, client: Client, number: int) -> None:
    """The path is lost, and both sides have noticed."""
    cut(venue, number)
    await until(lambda: not client.is_connected)
    await asyncio.sleep(5)


async def back(venue: Venue, client: Client, number: int) -> None:
    heal(venue, number)
    await until(lambda: client.is_connected)


async def on_stage(host: Space, space: Space) -> None:
    await space.ask()
    await host.admit(space.me)
    await until(lambda: space.seat is not None)


def told(space: Space) -> list[SpaceEvent]:
    """What waits to be read now."""
    return list(space._events._items)


@on_both_planes
def test_a_speaker_comes_back_to_the_stage_and_is_heard(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Bad line")
            space = await ada.join(talk.id)
            await on_stage(talk, space)
            await ada_speaks(space)
            await away(venue, ada, 2)
            await until(lambda: [row.absent for row in talk.stage] == [False, True])
            assert space.speak(memoryview(bytes(1920)).cast("h")) is False
            await back(venue, ada, 2)
            assert (space.role, space.over, ada.space) == (Role.SPEAKER, None, space)
            await until(lambda: [row.absent for row in talk.stage] == [False, False])
            assert space.seat in [row.seat for row in talk.stage if row.user == space.me]
            ear, own = Ear(talk), Ear(space)
            sound, other = voice(21, 2.0), voice(22, 2.0)
            await asyncio.gather(say(space, sound), say(talk, other))
            await asyncio.sleep(0.5)
            assert likeness(ear.sound, sound) > 0.8
            assert likeness(own.sound, other) > 0.8

    tell(story, tmp_path, VIRTUAL, plane=plane)


async def ada_speaks(space: Space) -> None:
    assert await space.play(frames(voice(20, 0.5))) > 20


def test_a_listener_is_told_what_was_missed_in_order(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Bad line")
            space = await ada.join(talk.id)
            cut(venue, 2)
            for n in range(5):
                await talk.post(f"Word {n}")
            await until(lambda: not ada.is_connected)
            await talk.change(title="A better line")
            await back(venue, ada, 2)
            await until(lambda: space.title == "A better line")
            events = told(space)
            at = events.index(Reconnected(replayed=True))
            missed = [event.post.text for event in events[at:] if isinstance(event, PostAdded)]
            assert missed == [f"Word {n}" for n in range(5)]
            assert [row.text for row in space.recent_posts] == missed
            assert space.stats.gaps == 0
            assert sum(isinstance(each, Reconnecting) for each in events) == 1

    tell(story, tmp_path, VIRTUAL)


def test_who_waits_in_the_queue_keeps_the_place(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Bo") as bo,
        ):
            talk = await hana.open("Bad line")
            at_ada, at_bo = await ada.join(talk.id), await bo.join(talk.id)
            await at_ada.ask()
            await at_bo.ask()
            await away(venue, ada, 2)
            await back(venue, ada, 2)
            await until(lambda: [person.user for person in at_ada.queue] == [at_ada.me, at_bo.me])
            await talk.admit(at_ada.me)
            await until(lambda: at_ada.role is Role.SPEAKER)

    tell(story, tmp_path, VIRTUAL)


def test_an_invitation_is_still_open(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Bad line")
            space = await ada.join(talk.id)
            await talk.invite(space.me)
            await until(lambda: space.invited)
            await away(venue, ada, 2)
            await back(venue, ada, 2)
            await space.accept()
            await until(lambda: space.seat is not None)
            assert (space.muted, space.invited) == (True, False)

    tell(story, tmp_path, VIRTUAL)


def test_a_host_who_comes_back_in_time_is_the_host(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Bad line")
            space = await ada.join(talk.id)
            await away(venue, hana, 1)
            await back(venue, hana, 1)
            assert (talk.role, talk.over) == (Role.HOST, None)
            await talk.mute()
            await until(lambda: space.stage[0].muted and not space.stage[0].absent)

    tell(story, tmp_path, VIRTUAL)


def test_who_was_banned_in_between_stays_out(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Bad line")
            space = await ada.join(talk.id)
            await on_stage(talk, space)
            await away(venue, ada, 2)
            await talk.remove(space.me, "ban")
            heal(venue, 2)
            await until(lambda: space.over is not None)
            assert (space.over, ada.closed) == ("removed", None)
            with pytest.raises(RequestRefused) as caught:
                await ada.join(talk.id)
            assert caught.value.code == "removed"
            assert [row.user for row in talk.stage] == [talk.me]

    tell(story, tmp_path, VIRTUAL)


def test_a_space_that_ended_in_between_is_over(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Bad line")
            space = await ada.join(talk.id)
            await away(venue, ada, 2)
            await talk.end()
            heal(venue, 2)
            await until(lambda: space.over == "ended")
            assert await ada.live() == []
            again = await ada.open("Another")
            assert again.role is Role.HOST

    tell(story, tmp_path, VIRTUAL)


def test_the_same_person_elsewhere_is_not_thrown_out_again(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Two devices")
            space = await ada.join(talk.id)
            async with await venue.enter("", token=ada.token) as phone:
                other = await phone.join(talk.id)
                assert (await ada.wait_closed()).code == "replaced"
                await asyncio.sleep(60)
                assert (space.over, other.over) == ("closed", None)
                with pytest.raises(ConnectionClosed):
                    await space.ask()
                await other.ask()

    tell(story, tmp_path, VIRTUAL)


def test_a_server_that_was_killed_is_found_again_when_it_is_back(tmp_path: Path) -> None:
    """What it had not said goodbye to is over; who one is and whom one follows is not."""

    async def story(venue: Venue) -> None:
        network = venue.network
        assert network is not None
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            await ada.follow(hana.user)
            timeline = await ada.timeline()
            talk = await hana.open("Before")
            space = await ada.join(talk.id)
            await until(lambda: len(timeline.bubbles) == 1)
            cut(venue, 1)
            cut(venue, 2)
            await venue.server.stop()  # of which nobody hears
            await until(lambda: not ada.is_connected and not hana.is_connected)
            assert (space.over, talk.over) == (None, None)
            me = ada.user
            async with another_venue(tmp_path, network):
                heal(venue, 1)
                heal(venue, 2)
                await until(lambda: ada.is_connected and hana.is_connected)
                await until(lambda: space.over == "ended" and talk.over == "ended")
                assert ada.user == me
                assert await anext(timeline) == ()
                again = await hana.open("After")
                assert [row.title for row in await until_shown(timeline)] == ["After"]
                assert (await ada.join(again.id)).title == "After"
                await ada.close()
                await hana.close()

    tell(story, tmp_path, VIRTUAL)


async def until_shown(timeline: Timeline) -> tuple[Bubble, ...]:
    """The bubbles, as soon as there are some."""
    async with asyncio.timeout(60):
        async for bubbles in timeline:
            if bubbles:
                break
    return timeline.bubbles


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_cut_and_when_one_knows_in_the_end_what_is_so(seed: int, tmp_path: Path) -> None:
    """To repeat one: pytest tests/signaling/test_client_returns.py -k 'whatever and SEED'."""
    dice = random.Random(seed)

    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Title 0")
            space = await ada.join(talk.id)
            written: list[str] = []
            for n in range(6):
                await asyncio.sleep(dice.uniform(0, 3))
                cut(venue, 2)
                for _ in range(dice.randrange(4)):
                    written.append(f"Word {len(written)}")
                    await talk.post(written[-1])
                    await asyncio.sleep(dice.uniform(0, 4))
                await talk.change(title=f"Title {n + 1}")
                await asyncio.sleep(dice.uniform(0, 60))
                heal(venue, 2)
                await asyncio.sleep(dice.uniform(35, 50))  # longer than the longest pause between attempts
            await until(lambda: ada.is_connected and space.serial == talk.serial)
            assert (space.title, space.stage, space.over) == (talk.title, talk.stage, None)
            assert [row.text for row in space.recent_posts] == written
            assert ada.stats.losses == ada.stats.returns > 0

    tell(story, tmp_path, VIRTUAL)


def test_who_closes_without_leaving_has_the_place_for_a_while(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana:
            talk = await hana.open("Short visits")
            ada = await venue.enter("Ada")
            await on_stage(talk, await ada.join(talk.id))
            token = ada.token
            await ada.close(leave=False)
            await until(lambda: talk.stage[-1].absent)
            async with await venue.enter("", token=token) as again:
                assert (await again.join(talk.id)).role is Role.SPEAKER

    tell(story, tmp_path, VIRTUAL)
