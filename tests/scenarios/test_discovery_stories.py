"""Stories of people who find each other: bubbles, following, blocking, links, and Spaces that are planned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signaling.client import Client, RequestRefused
from signaling.client.timeline import Timeline
from signaling.config import HostingConfig
from tests.scenarios.venue import LOOPBACK, VIRTUAL, Venue, on_stage, tell

pytestmark = pytest.mark.scenario

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


async def shows(timeline: Timeline, condition: Callable[[], bool]) -> None:
    """Watch the timeline until something holds."""
    async with asyncio.timeout(15):
        while not condition():
            await anext(timeline)


def ahead(venue: Venue, minutes: float) -> datetime:
    """A time so many minutes from now."""
    return datetime.fromtimestamp(venue.wall_clock(), UTC) + timedelta(minutes=minutes)


async def refused(code: str, client: Client, link: str | bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        await client.join(link)
    assert caught.value.code == code


@both
def test_a_follower_sees_the_bubble_taps_it_and_hears_of_its_end(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            await ada.follow(hana.user)
            timeline = await ada.timeline()
            assert timeline.bubbles == ()
            talk = await hana.open("Morning tea", topics=["Tea", "Cake"])
            await shows(timeline, lambda: len(timeline.bubbles) == 1)
            (bubble,) = timeline.bubbles
            assert (bubble.title, bubble.host_name, bubble.people) == ("Morning tea", "Hana", 1)
            assert (bubble.topics, [person.name for person in bubble.known]) == (["tea", "cake"], ["Hana"])
            at_ada = await ada.join(bubble.space)
            assert at_ada.title == "Morning tea"
            await talk.end()
            await shows(timeline, lambda: timeline.bubbles == ())

    tell(story, tmp_path, place)


@both
def test_bubbles_follow_whom_one_follows_from_stage_to_stage(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Otto") as otto,
            await venue.enter("Bo") as bo,
            await venue.enter("Ada") as ada,
        ):
            small, large = await hana.open("Small"), await otto.open("Large")
            await ada.follow(hana.user)
            await ada.follow(bo.user)
            timeline = await ada.timeline()
            await shows(timeline, lambda: [bubble.title for bubble in timeline.bubbles] == ["Small"])
            at_large = await bo.join(large.id)
            await on_stage(large, at_large)
            await shows(timeline, lambda: len(timeline.bubbles) == 2)
            assert [bubble.title for bubble in timeline.bubbles] == ["Large", "Small"], "the larger first"
            await at_large.leave()
            await shows(timeline, lambda: len(timeline.bubbles) == 1)
            at_small = await bo.join(small.id)
            await on_stage(small, at_small)
            await shows(timeline, lambda: timeline.bubbles[0].known_on_stage == 2)
            await ada.unfollow(hana.user)
            await shows(timeline, lambda: timeline.bubbles[0].known_on_stage == 1)

    tell(story, tmp_path, place)


@both
def test_who_blocks_and_who_is_blocked_lose_sight_of_each_other(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Mal") as mal:
            await mal.follow(hana.user)
            timeline = await mal.timeline()
            talk = await hana.open("Quiet please")
            await shows(timeline, lambda: len(timeline.bubbles) == 1)
            at_mal = await mal.join(talk.id)
            await hana.block(mal.user)
            async with asyncio.timeout(10):
                while at_mal.over is None:
                    await anext(at_mal.events(), None)
            assert at_mal.over == "removed"
        async with await venue.enter("", token=mal.token) as again, await venue.enter("Lio") as lio:
            assert (await again.timeline()).bubbles == ()
            for link in (talk.id, bytes(16)):
                await refused("no_such_space", again, link)
                with pytest.raises(RequestRefused) as caught:
                    await again.peek(link)
                assert caught.value.code == "no_such_space"
            assert await again.live() == []
            with pytest.raises(RequestRefused) as caught:
                await again.profile(hana.user)
            assert caught.value.code == "no_such_person"
            assert lio.user != hana.user

    tell(story, tmp_path, place)


@both
def test_a_space_is_found_by_title_topic_and_link(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Bo") as bo,
        ):
            talk = await hana.open("Night trains of Europe", topics=["Travel"])
            assert [row.space for row in await ada.live(text="TRAINS")] == [talk.id]
            assert [row.space for row in await ada.live(topic="travel")] == [talk.id]
            assert await ada.live(text="planes") == []
            peeked = await ada.peek(talk.id)
            assert (peeked.settings.title, peeked.people) == ("Night trains of Europe", 1)
            assert talk.audience == 0, "who peeks is not there"
            shared = await talk.share()
            at_ada = await ada.join(shared.link)
            assert at_ada.id == talk.id
            invitation = await talk.share(speak=True)
            at_bo = await bo.join(invitation.link)
            await at_bo.accept()
            assert sorted(seat.name for seat in (await ada.peek(talk.id)).stage) == ["Bo", "Hana"]
            await at_ada.leave()
            await refused("invite_lapsed", ada, invitation.link)

    tell(story, tmp_path, place)


def test_a_planned_space_is_announced_told_of_and_begun(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            await ada.follow(hana.user)
            plan = await hana.schedule("Tea at five", ahead(venue, 33), topics=["tea"])
            assert [row.space for row in await ada.planned()] == [plan.space]
            await ada.remind(plan.space)
            soon = await anext(hana.notices())
            assert (soon.what, soon.title) == (0, "Tea at five")
            left_ms = plan.starts_ms - venue.wall_clock() * 1_000
            assert 29 * 60_000 < left_ms <= 30 * 60_000
            await hana.reschedule(plan.space, ahead(venue, 16))
            moved = await anext(ada.notices())
            assert (moved.what, moved.starts_ms < plan.starts_ms) == (3, True)
            with pytest.raises(RequestRefused) as caught:
                await hana.start(plan.space)
            assert caught.value.code == "bad_time"
            assert caught.value.retry_after_ms > 0
            await asyncio.sleep(caught.value.retry_after_ms / 1_000)
            talk = await hana.start(plan.space)
            assert (talk.id, talk.title) == (plan.space, "Tea at five")
            live = await anext(ada.notices())
            assert (live.what, live.space) == (1, plan.space)
            at_ada = await ada.join(live.space)
            assert [seat.name for seat in at_ada.stage] == ["Hana"]

    tell(story, tmp_path, VIRTUAL)


def test_what_one_missed_is_told_at_the_next_coming(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana:
            async with await venue.enter("Ada") as ada:
                await ada.follow(hana.user)
                plan = await hana.schedule("Tea at five", ahead(venue, 40))
                await ada.remind(plan.space)
                token = ada.token
            await hana.cancel(plan.space)
            async with await venue.enter("", token=token) as ada, asyncio.timeout(10):
                missed = await anext(ada.notices())
                assert (missed.what, missed.title, missed.host_name) == (2, "Tea at five", "Hana")

    tell(story, tmp_path, VIRTUAL)


def test_plans_and_follows_outlive_the_server(tmp_path: Path) -> None:
    kept: list[str] = []

    async def before(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            await ada.follow(hana.user)
            plan = await hana.schedule("Tea at five", ahead(venue, 33))
            await ada.remind(plan.space)
            kept.extend((hana.token, ada.token, plan.space.hex()))

    async def after(venue: Venue) -> None:
        async with await venue.enter("", token=kept[0]) as hana, await venue.enter("", token=kept[1]) as ada:
            (plan,) = await ada.planned()
            assert (plan.space.hex(), plan.reminded, plan.reminders) == (kept[2], True, 1)
            soon = await anext(hana.notices())
            assert (soon.what, soon.space) == (0, plan.space)
            await hana.cancel(plan.space)
            cancelled = await anext(ada.notices())
            assert (cancelled.what, cancelled.space) == (2, plan.space)
            timeline = await ada.timeline()
            await hana.open("Tea now")
            await shows(timeline, lambda: [bubble.title for bubble in timeline.bubbles] == ["Tea now"])

    tell(before, tmp_path, VIRTUAL)
    tell(after, tmp_path, VIRTUAL)


def test_a_host_needs_as_many_followers_as_the_operator_says(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Bo") as bo,
        ):
            for fan in (ada, bo):
                with pytest.raises(RequestRefused) as caught:
                    await hana.open("Tea")
                assert caught.value.code == "too_few_followers"
                await fan.follow(hana.user)
            assert "2" in caught.value.message
            await hana.open("Tea")

    tell(story, tmp_path, VIRTUAL, hosting=HostingConfig(min_followers=2))
