"""Stories of the stage: who is heard from when to when, told by the sound that reaches the others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from signaling.client import Client, ConnectionClosed, RequestRefused, Role, Space
from signaling.protocol.messages import Answered
from spacecore import pack_audio
from tests.scenarios.venue import (
    LOOPBACK,
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
from tests.signals import FRAME, frames, voice
from tests.virtual.network import Burst, Impairment

pytestmark = pytest.mark.scenario

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


@both
@on_both_planes
def test_a_late_comer_hears_what_is_said_from_then_on(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Lio") as lio:
            talk = await hana.open("Already begun")
            sound = voice(11, 3.0)
            talking = asyncio.create_task(say(talk, sound))
            await asyncio.sleep(1)
            began = venue.clock()
            space = await lio.join(talk.id)
            ear = Ear(space)
            first_heard = asyncio.create_task(heard_something(space, venue))
            await talking
            await asyncio.sleep(0.5)
            waited_ms = (await first_heard - began) / 1000
            assert waited_ms < (400 if venue.is_virtual else 1000), f"first sound after {waited_ms:.0f} ms"
            assert likeness(ear.sound, sound[48_000:]) > 0.5
            assert space.stats.playout is not None
            assert space.stats.playout.concealed <= 1

    tell(story, tmp_path, place, plane=plane)


async def heard_something(space: Space, venue: Venue) -> int:
    """When the first frame that is no silence was heard."""
    async with asyncio.timeout(10):
        async for frame in space.listen():
            if loudness(np.array(frame.pcm)) > 1e-3:
                break
    return venue.clock()


@both
@on_both_planes
def test_one_is_removed_in_the_middle_of_a_sentence(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Short of patience")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await on_stage(talk, at_ada)
            ear, own_ear = Ear(at_lio), Ear(at_ada)
            sound = voice(12, 3.0)
            talking = asyncio.create_task(at_ada.play(frames(sound)))
            await asyncio.sleep(1)
            await talk.remove(at_ada.me)
            # The acknowledgement means: out of the mix. What is on its way is all that may still be heard.
            acknowledged = len(ear.sound)
            await until(lambda: at_ada.over is not None, at_ada)
            assert at_ada.over == "removed"
            with pytest.raises((ConnectionClosed, RequestRefused)):
                await ada.join(talk.id)
            await asyncio.gather(talking, return_exceptions=True)
            silent_from = acknowledged + 12 * FRAME
            deaf_from = len(own_ear.sound)
            await say(talk, voice(13, 1.0))
            await asyncio.sleep(0.3)
            assert loudness(ear.sound[:acknowledged]) > 0.02
            assert likeness(ear.sound[silent_from:], sound[48_000:]) < 0.4
            assert loudness(own_ear.sound[deaf_from:]) < 1e-3
            assert [seat.name for seat in at_lio.stage] == ["Hana"]
            again = await venue.enter("", token=ada.token)
            with pytest.raises(RequestRefused) as refused:
                await again.join(talk.id)
            assert refused.value.code == "removed"
            await again.close()

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_who_leaves_and_stays_connected_is_sent_nothing_more(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Come and go")
            came: list[bytes] = []
            watch(ada, came)
            for round_ in range(3):
                space = await ada.join(talk.id)
                talking = asyncio.create_task(say(talk, voice(16 + round_, 1.0)))
                await asyncio.sleep(0.5)
                assert came, "the host is heard"
                await space.leave()
                # What is on its way when the answer to `leave` comes may still arrive.
                await asyncio.sleep(0.02)
                came.clear()
                await talking
                await asyncio.sleep(0.1)
                assert came == []

    tell(story, tmp_path, place, plane=plane)


def watch(client: Client, came: list[bytes]) -> None:
    """Keep every datagram that reaches a client from now on."""
    connection = client._live
    take_in = connection.on_audio

    def on_audio(datagram: bytes, now_us: int) -> None:
        came.append(datagram)
        take_in(datagram, now_us)

    connection.on_audio = on_audio  # type: ignore[method-assign]


@both
@on_both_planes
def test_muted_is_silent_and_unmuted_is_heard(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Manners")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await on_stage(talk, at_ada)
            ear = Ear(at_lio)
            talking = asyncio.create_task(at_ada.play(frames(voice(14, 3.0))))
            await asyncio.sleep(1)
            await talk.mute(at_ada.me)
            await asyncio.sleep(0.3)
            muted_from = len(ear.sound)
            await asyncio.sleep(0.5)
            muted_to = len(ear.sound)
            await at_ada.unmute()
            await talking
            assert loudness(ear.sound[:muted_from]) > 0.02
            assert loudness(ear.sound[muted_from:muted_to]) < 1e-3
            assert loudness(ear.sound[muted_to + 12 * FRAME :]) > 0.02

            # A client that goes on sending while it is muted is not heard either.
            await talk.mute(at_ada.me)
            for seq in range(30):
                packet = pack_audio(
                    [bytes([0x78, *range(60)])], seq=5000 + seq, timestamp=960 * seq, level=20
                )
                ada._live.link.send_audio(packet)
                await asyncio.sleep(0.02)
            assert loudness(ear.sound[-10 * FRAME :]) < 1e-3
            assert venue.server.statistics()["dropped_muted"] >= 30

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_the_host_goes_and_everybody_is_told(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Brief")
            space = await ada.join(talk.id)
            await talk.leave()
            await until(lambda: space.over is not None, space)
            assert space.over == "ended"
            with pytest.raises(RequestRefused) as refused:
                await ada.join(talk.id)
            assert refused.value.code == "no_such_space"

    tell(story, tmp_path, place, plane=plane)


@on_both_planes
def test_a_host_who_is_cut_off_may_return_within_the_grace(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Bad wire")
            space = await ada.join(talk.id)
            assert venue.network is not None
            venue.network.cut("10.0.0.1", "10.0.1.1")
            await asyncio.sleep(40)
            back = await venue.enter("", token=hana.token)
            again = await back.join(talk.id)
            assert again.role is Role.HOST
            ear, sound = Ear(space), voice(15, 1.0)
            await say(again, sound)
            await asyncio.sleep(0.5)
            assert likeness(ear.sound, sound) > 0.5
            await back.close()
            await until(lambda: space.over is not None, space)
            assert space.over == "ended"

    tell(story, tmp_path, VIRTUAL, plane=plane)


@on_both_planes
def test_bursts_of_loss_are_bridged_and_nobody_else_notices(plane: str, tmp_path: Path) -> None:
    """Lio's way loses 8 % in bursts of 2.5 frames; Ada's is clean."""

    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Tunnel")
            assert venue.network is not None
            loss, length = 0.08, 2.5
            burst = Burst(begin=loss / (1 - loss) / length, end=1 / length)
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            venue.network.impair("10.0.0.1", "10.0.1.3", Impairment(delay_s=0.02, burst=burst))
            ears = Ear(at_ada), Ear(at_lio)
            sound = voice(16, 8.0)
            await say(talk, sound)
            await asyncio.sleep(1)
            clean, lossy = at_ada.stats.playout, at_lio.stats.playout
            assert clean is not None
            assert lossy is not None
            assert (clean.concealed, clean.recovered) == (0, 0)
            lost = lossy.concealed + lossy.recovered
            assert 8 <= lost <= 80, f"{lost} of {lossy.frames} frames were lost"
            assert likeness(ears[0].sound, sound) > 0.8
            assert likeness(ears[1].sound, sound) > 0.5

    tell(story, tmp_path, VIRTUAL, plane=plane)


@both
def test_those_who_ask_have_places_and_newcomers_come_first_in_a_fair_queue(
    place: str, tmp_path: Path
) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Bo") as bo,
            await venue.enter("Cy") as cy,
        ):
            talk = await hana.open("Questions")
            at_ada, at_bo, at_cy = [await each.join(talk.id) for each in (ada, bo, cy)]
            await on_stage(talk, at_ada)
            await at_ada.move()
            for each in (at_ada, at_bo, at_cy):
                await each.ask()
            await until(lambda: len(at_cy.queue) == 3, at_cy)
            assert [person.name for person in at_cy.queue] == ["Ada", "Bo", "Cy"]
            await talk.change(queue_order="fair")
            await until(lambda: [person.name for person in at_cy.queue] == ["Bo", "Cy", "Ada"], at_cy)
            await at_bo.withdraw()
            await until(lambda: [person.name for person in at_cy.queue] == ["Cy", "Ada"], at_cy)
            await talk.decline(at_ada.me)
            await talk.admit(at_cy.me)
            await until(lambda: at_cy.seat is not None, at_cy)
            await until(lambda: at_bo.queue == (), at_bo)

    tell(story, tmp_path, place)


@both
@on_both_planes
def test_who_is_invited_may_accept_and_is_heard_once_they_unmute(
    place: str, plane: str, tmp_path: Path
) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Guests", who_may_speak="invited")
            at_ada = await ada.join(talk.id)
            await talk.invite(at_ada.me)
            await until(lambda: at_ada.invited, at_ada)
            await at_ada.refuse()
            assert (await answers(talk, 1)) == [False]
            await talk.invite(at_ada.me)
            await until(lambda: at_ada.invited, at_ada)
            await at_ada.accept()
            assert (await answers(talk, 1)) == [True]
            await until(lambda: at_ada.seat is not None, at_ada)
            assert at_ada.muted, "nobody is heard unawares"
            await at_ada.unmute()
            ear, sound = Ear(talk), voice(17, 1.0)
            await say(at_ada, sound)
            await asyncio.sleep(0.5)
            assert likeness(ear.sound, sound) > 0.5

    tell(story, tmp_path, place, plane=plane)


async def answers(host: Space, many: int) -> list[bool]:
    """The next answers to invitations."""
    found: list[bool] = []
    async with asyncio.timeout(10):
        while len(found) < many:
            event = await anext(host.events())
            if isinstance(event, Answered):
                found.append(event.accepted)
    return found


@both
def test_the_host_hands_over_and_may_go(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Relay")
            at_ada = await ada.join(talk.id)
            await on_stage(talk, at_ada)
            await talk.hand_over(at_ada.me)
            await until(lambda: at_ada.role is Role.HOST, at_ada)
            await until(lambda: talk.role is Role.CO_HOST, talk)
            await talk.leave()
            assert at_ada.over is None
            another = await hana.open("Another")
            await at_ada.change(title="Mine now")
            await at_ada.end()
            assert another.over is None
            async with await venue.enter("", token=hana.token) as phone:
                with pytest.raises(RequestRefused) as refused:
                    await phone.open("One too many")
                assert refused.value.code == "already_hosting"

    tell(story, tmp_path, place)
