"""Stories of talk beside the voices: posts, notes, reactions and pinned items, from client to client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.client import RequestRefused
from signaling.protocol.messages import Noted, Reactions
from tests.scenarios.venue import LOOPBACK, VIRTUAL, Venue, on_stage, tell, until

pytestmark = pytest.mark.scenario

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


@both
def test_posts_reach_everybody_and_stay_for_those_who_come_later(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Chat")
            at_ada = await ada.join(talk.id)
            first = await talk.post("welcome\neverybody")
            answer = await at_ada.post("thank you", reply_to=first)
            await until(lambda: len(at_ada.recent_posts) == 2, at_ada)
            assert [(row.name, row.text, row.reply_to) for row in at_ada.recent_posts] == [
                ("Hana", "welcome\neverybody", 0),
                ("Ada", "thank you", first),
            ]
            now_ms = venue.wall_clock() * 1000
            assert abs(at_ada.recent_posts[0].at_ms - now_ms) < 10_000
            at_lio = await lio.join(talk.id)
            assert at_lio.recent_posts == ()
            assert [row.post for row in await at_lio.posts()] == [answer, first]
            with pytest.raises(RequestRefused) as refused:
                await at_lio.delete_post(first)
            assert refused.value.code == "not_permitted"
            await talk.delete_post(answer)
            await until(lambda: [row.post for row in at_ada.recent_posts] == [first], at_ada)
            assert [row.post for row in await at_lio.posts()] == [first]
            with pytest.raises(RequestRefused) as refused:
                await at_lio.post("to what?", reply_to=answer)
            assert refused.value.code == "no_such_post"

    tell(story, tmp_path, place)


@both
def test_a_note_is_for_the_hosts_alone(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Cato") as cato,
            await venue.enter("Ada") as ada,
        ):
            talk = await hana.open("Whisper")
            at_cato, at_ada = await cato.join(talk.id), await ada.join(talk.id)
            await on_stage(talk, at_cato)
            await talk.promote(at_cato.me)
            await at_ada.note("may I speak about birds?")
            for host in (talk, at_cato):
                async with asyncio.timeout(10):
                    noted = None
                    while not isinstance(noted, Noted):
                        noted = await anext(host.events())
                assert (noted.note.name, noted.note.text) == ("Ada", "may I speak about birds?")
            assert [row.text for row in await at_cato.notes()] == ["may I speak about birds?"]
            with pytest.raises(RequestRefused) as refused:
                await at_ada.notes()
            assert refused.value.code == "not_permitted"

    tell(story, tmp_path, place)


@both
def test_a_crowd_that_claps_is_one_event(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana:
            talk = await hana.open("Show")
            crowd = [await venue.enter(f"Guest {number}") for number in range(6)]
            inside = [await guest.join(talk.id) for guest in crowd]
            await asyncio.gather(*(guest.react("clap") for guest in inside))
            await inside[0].react("heart")
            told: list[dict[str, int]] = []
            async with asyncio.timeout(10):
                while not told or sum(sum(counts.values()) for counts in told) < 7:
                    event = await anext(talk.events())
                    if isinstance(event, Reactions):
                        told.append(event.counts)
            if venue.is_virtual:
                assert told == [{"clap": 6, "heart": 1}]
            assert talk.reactions == {"clap": 6, "heart": 1}
            for guest in crowd:
                await guest.close()

    tell(story, tmp_path, place)


@both
def test_pins_are_there_for_those_who_come_later(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Board")
            await talk.pin("be kind")
            await talk.pin("https://spaces.example/agenda")
            at_ada = await ada.join(talk.id)
            assert [pin.text for pin in at_ada.pins] == ["be kind", "https://spaces.example/agenda"]
            await talk.unpin(at_ada.pins[0])
            await until(lambda: len(at_ada.pins) == 1, at_ada)
            with pytest.raises(RequestRefused) as refused:
                await at_ada.pin("mine")
            assert refused.value.code == "not_permitted"

    tell(story, tmp_path, place)


def test_who_posts_too_often_is_told_when_to_try_again(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana:
            talk = await hana.open("Flood")
            for number in range(5):
                await talk.post(f"{number}")
            with pytest.raises(RequestRefused) as refused:
                await talk.post("one more")
            assert refused.value.code == "too_often"
            await asyncio.sleep(refused.value.retry_after_ms / 1000)
            await talk.post("one more")
            assert len(await talk.posts()) == 6

    tell(story, tmp_path, VIRTUAL)
