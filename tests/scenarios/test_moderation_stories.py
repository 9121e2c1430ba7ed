"""Stories of keeping order: held mutes, volume, locked doors, and hosts who act at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.client import RequestRefused, Role
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

pytestmark = pytest.mark.scenario

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


async def refused(act: object) -> str:
    """The code with which the server says no."""
    with pytest.raises(RequestRefused) as said:
        await act  # type: ignore[misc]
    return said.value.code


@both
@on_both_planes
def test_who_is_held_muted_is_silent_until_a_host_lets_go(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Manners")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await on_stage(talk, at_ada)
            await talk.mute(at_ada.me, hold=True)
            await until(lambda: at_ada.muted, at_ada)
            assert await refused(at_ada.unmute()) == "held_muted"
            ear = Ear(at_lio)
            await at_ada.play(frames(voice(41, 0.6)))
            await asyncio.sleep(0.3)
            assert loudness(ear.sound) < 1e-3
            await talk.unmute(at_ada.me)
            await until(lambda: not at_lio.stage[1].held, at_lio)
            assert at_ada.muted, "nobody switches on the microphone of another"
            await at_ada.unmute()
            sound = voice(42, 1.0)
            await say(at_ada, sound)
            await asyncio.sleep(0.5)
            assert likeness(ear.sound, sound) > 0.5

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_a_lowered_volume_lowers_the_mix(place: str, plane: str, tmp_path: Path) -> None:
    """50 % is 12 dB less, a quarter of the amplitude; 0 is silence; 100 is as they speak."""

    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Loud")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await on_stage(talk, at_ada)
            sound, heard = voice(43, 1.5), {}
            for volume_pct in (100, 50, 0, 100):
                await talk.volume(at_ada.me, volume_pct)
                await asyncio.sleep(0.1)
                ear = Ear(at_lio)
                await say(at_ada, sound)
                await asyncio.sleep(0.4)
                heard[volume_pct] = loudness(ear.sound)
            assert heard[100] > 0.02
            assert 0.15 < heard[50] / heard[100] < 0.4, heard
            assert heard[0] < 1e-3
            assert at_lio.stage[1].volume_pct == 100

    tell(story, tmp_path, place, plane=plane)


@on_both_planes
def test_a_volume_and_a_mute_outlast_the_connection(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Still quiet")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            await on_stage(talk, at_ada)
            await talk.volume(at_ada.me, 0)
            again = await venue.enter("", token=ada.token)
            at_phone = await again.join(talk.id)
            assert at_phone.role is Role.SPEAKER
            ear = Ear(at_lio)
            await say(at_phone, voice(44, 1.0))
            await asyncio.sleep(0.4)
            assert loudness(ear.sound) < 1e-3
            await talk.volume(at_phone.me, 100)
            sound = voice(45, 1.0)
            await say(at_phone, sound)
            await asyncio.sleep(0.4)
            assert likeness(ear.sound[-len(sound) - 30 * FRAME :], sound) > 0.5
            await again.close()

    tell(story, tmp_path, VIRTUAL, plane=plane)


@both
def test_a_locked_space_lets_nobody_new_in(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Family")
            at_ada = await ada.join(talk.id)
            await talk.change(locked=True, title="Family only")
            await until(lambda: at_ada.settings.locked, at_ada)
            assert at_ada.title == "Family only"
            assert await refused(lio.join(talk.id)) == "space_locked"
            await talk.change(locked=False)
            assert (await lio.join(talk.id)).title == "Family only"

    tell(story, tmp_path, place)


@both
def test_a_link_to_speak_is_good_once_and_not_for_who_was_removed(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("By invitation", who_may_speak="invited")
            link = (await talk.share(speak=True, lifetime_s=3600)).link
            at_ada = await ada.join(link)
            assert at_ada.invited
            await at_ada.accept()
            await until(lambda: at_ada.seat is not None, at_ada)
            assert await refused(lio.join(link)) == "invite_lapsed"
            at_lio = await lio.join((await talk.share()).link)
            assert await refused(at_lio.ask()) == "not_invited"
            await talk.remove(at_ada.me)
            fresh = (await talk.share(speak=True)).link
            again = await venue.enter("", token=ada.token)
            for way in (link, fresh, talk.id):
                assert await refused(again.join(way)) == "removed"
            await again.close()
            await talk.unshare(fresh)
            assert await refused(at_lio.accept()) == "not_invited"
            bans, audit = await talk.bans(), await talk.audit()
            assert [person.user for person in bans] == [at_ada.me]
            assert [row.action for row in audit] == ["unshare", "share_speaker", "ban", "share_speaker"]

    tell(story, tmp_path, place)


@both
def test_two_hosts_act_at_once_and_on_somebody_who_is_gone(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Cato") as cato,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Two minds")
            at_cato, at_ada, at_lio = [await each.join(talk.id) for each in (cato, ada, lio)]
            await on_stage(talk, at_cato)
            await talk.promote(at_cato.me)
            await at_ada.ask()
            both_admit = await asyncio.gather(
                talk.admit(at_ada.me), at_cato.admit(at_ada.me), return_exceptions=True
            )
            codes = sorted(getattr(each, "code", "") for each in both_admit)
            assert codes == ["", "not_asked"], "one was first"
            both_remove = await asyncio.gather(
                talk.remove(at_ada.me), at_cato.remove(at_ada.me, "remove"), return_exceptions=True
            )
            codes = sorted(getattr(each, "code", "") for each in both_remove)
            assert codes == ["", "no_such_person"]
            await at_lio.leave()
            for act in (talk.invite, talk.mute, talk.move, talk.remove, talk.promote):
                assert await refused(act(at_lio.me)) == "no_such_person"
            assert await refused(at_cato.mute(talk.me)) == "not_permitted"
            assert await refused(at_cato.remove(talk.me)) == "not_permitted"
            # The stage is told a while after it changed, so that several changes are told at once.
            await until(lambda: [seat.user for seat in talk.stage] == [talk.me, at_cato.me], talk)

    tell(story, tmp_path, place)


@both
def test_everybody_is_muted_but_the_hosts(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Cato") as cato,
            await venue.enter("Ada") as ada,
        ):
            talk = await hana.open("Order")
            at_cato, at_ada = await cato.join(talk.id), await ada.join(talk.id)
            for each in (at_cato, at_ada):
                await on_stage(talk, each)
            await talk.promote(at_cato.me)
            await at_cato.mute_all(hold=True)
            await until(lambda: at_ada.muted, at_ada)
            await until(lambda: [seat.held for seat in talk.stage] == [False, False, True], talk)
            assert (talk.muted, at_cato.muted) == (False, False)

    tell(story, tmp_path, place)
