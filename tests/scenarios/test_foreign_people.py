"""The foreign client among people: bubbles, looking in, profiles, blocks, scheduled Spaces."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest

from tests.foreign.client import CO_HOST, HOST
from tests.foreign.numbers import ErrorCode
from tests.foreign.verbs import BLOCKED, FOLLOWED, FOLLOWERS
from tests.scenarios.foreign_stories import (
    WAIT_S,
    again_at,
    comes_up,
    fran_id,
    guest_at,
    refused,
    server_at,
    story,
    three_at,
    two_at,
)

pytestmark = pytest.mark.scenario

SCHEDULED, LIVE, ENDED, CANCELLED = 0, 1, 2, 3


def test_bubbles_come_change_and_go_while_subscribed(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (server, fran, otto):
            await fran.follow(otto.user)
            timeline = await fran.subscribe()
            assert timeline.bubbles() == []
            space = await otto.open("Tea & trains", topics=["Tea"])
            await fran.until(lambda: bool(fran.timeline.shown), WAIT_S)
            [bubble] = fran.timeline.bubbles()
            assert (bubble.space, bubble.title, bubble.host, bubble.topics) == (
                space.id,
                "Tea & trains",
                otto.user,
                ["tea"],
            )
            assert (bubble.known, bubble.known_on_stage) == ([[otto.user, "Otto"]], 1)

            await space.change(title="Night trains")
            await fran.until(lambda: fran.timeline.shown[space.id].title == "Night trains", WAIT_S)
            async with guest_at(server, "Gus") as gus:
                await fran.follow(fran_id(gus))
                await comes_up(gus, space)
                await fran.until(lambda: fran.timeline.shown[space.id].known_on_stage == 2, WAIT_S)
                await gus.move()
                await fran.until(lambda: fran.timeline.shown[space.id].known_on_stage == 1, WAIT_S)
                await gus.leave()

            settings, state, host = (await fran.peek(space.id))[1:4]
            assert (settings[0], state, host) == ("Night trains", LIVE, otto.user)
            assert fran_id(fran) not in [person.user for person in await space.people()]
            await space.end()
            await fran.until(lambda: not fran.timeline.shown, WAIT_S)
            assert (await fran.peek(space.id))[2] == ENDED

    story(tell)


def test_who_is_unfollowed_has_no_bubble_and_a_search_finds_by_title_and_topic(tmp_path: Path) -> None:
    async def tell() -> None:
        async with three_at(tmp_path) as (_, hana, gus):
            here = await hana.open("Café at night", topics=["Tea"])
            assert (await gus.subscribe()).bubbles() == []
            await gus.follow(fran_id(hana))
            await gus.until(lambda: here.space in gus.timeline.shown, WAIT_S)
            await gus.unfollow(fran_id(hana))
            await gus.until(lambda: here.space not in gus.timeline.shown, WAIT_S)
            for text, topic, found in (
                ("CAFÉ", "", True),
                ("", "tea", True),
                ("night", "Tea", True),
                ("train", "", False),
                ("", "te", False),
            ):
                assert [row[0] for row in await gus.list_spaces(text, topic)] == [here.space] * found

    story(tell)


def test_people_find_each_other_by_handle_and_see_who_follows_whom(tmp_path: Path) -> None:
    async def tell() -> None:
        async with three_at(tmp_path) as (_, hana, gus):
            assert (await hana.set_profile(handle="Hana_B"))[2] == "hana_b"
            await refused(ErrorCode.HANDLE_TAKEN, gus.set_profile(handle="hana_b"))
            await gus.follow("@hana_b")
            await gus.follow(fran_id(hana))
            user, name, handle, followers, following = (await gus.profile("@hana_b"))[:5]
            assert (user, name, handle, followers, following) == (fran_id(hana), "Hana", "hana_b", 1, 0)
            assert await gus.follows(FOLLOWED) == [user]
            assert await hana.follows(FOLLOWERS) == [fran_id(gus)]
            assert (await hana.profile(fran_id(gus)))[6:9] == [False, True, False]
            await refused(ErrorCode.NO_SUCH_PERSON, gus.follow("@nobody_here"))

    story(tell)


def test_a_block_puts_out_at_once_and_others_still_find_the_space(tmp_path: Path) -> None:
    async def tell() -> None:
        async with three_at(tmp_path) as (server, hana, gus):
            here = await hana.open("Not for Gus")
            await gus.follow(fran_id(hana))
            await gus.subscribe()
            await gus.join(here.space)
            await hana.block(fran_id(gus))
            await gus.until(lambda: gus.room is None, WAIT_S)
            assert await hana.follows(BLOCKED) == [fran_id(gus)]
            async with guest_at(server, "Ida") as other:
                assert [row[0] for row in await other.list_spaces()] == [here.space]

    story(tell)


def test_nothing_that_a_blocked_person_asks_tells_of_the_block(tmp_path: Path) -> None:
    async def tell() -> None:
        async with three_at(tmp_path) as (_, hana, gus):
            await hana.block(fran_id(gus))
            here = await hana.open("Not for Gus")
            nowhere = secrets.token_bytes(16)
            for ask in (gus.join, gus.peek):
                there = await refused(ErrorCode.NO_SUCH_SPACE, ask(here.space))
                never = await refused(ErrorCode.NO_SUCH_SPACE, ask(nowhere))
                assert str(there).replace(here.space.hex(), "ID") == str(never).replace(nowhere.hex(), "ID")
            for look in (gus.follow, gus.profile):
                there = await refused(ErrorCode.NO_SUCH_PERSON, look(fran_id(hana)))
                never = await refused(ErrorCode.NO_SUCH_PERSON, look("u-nobody"))
                assert str(there).replace(fran_id(hana), "ID") == str(never).replace("u-nobody", "ID")
            assert await gus.list_spaces() == []
            assert (await gus.subscribe()).bubbles() == []

    story(tell)


def test_a_scheduled_space_is_found_reminded_of_started_and_cancelled(tmp_path: Path) -> None:
    async def tell() -> None:
        async with three_at(tmp_path) as (_, hana, gus):
            soon_ms, later_ms = (int(time.time() * 1000) + wait_s * 1000 for wait_s in (600, 86_400))
            first = await hana.schedule("Soon", soon_ms, ["tea"])
            second = await hana.schedule("Tomorrow", later_ms, [])
            await refused(ErrorCode.BAD_TIME, hana.schedule("Long ago", 1_000, []))
            await refused(ErrorCode.NO_SUCH_SPACE, gus.join(first[0]))
            await refused(ErrorCode.NOT_PERMITTED, gus.remind(first[0]))
            await gus.follow(fran_id(hana))
            assert [row[:2] for row in await gus.planned()] == [first[:2], second[:2]]
            for plan in (first, second):
                await gus.remind(plan[0])
            await refused(ErrorCode.BAD_TIME, hana.start(second[0]))
            await hana.cancel(second[0])
            here = await hana.start(first[0])
            assert (here.space, here.title, here.role) == (first[0], "Soon", HOST)
            await gus.until(lambda: len(gus.notices) == 2, WAIT_S)
            assert sorted(notice[2:4] for notice in gus.notices) == [[1, first[0]], [2, second[0]]]
            assert (await gus.peek(second[0]))[2] == CANCELLED

    story(tell)


def test_who_was_away_is_told_once_when_they_come(tmp_path: Path) -> None:
    async def tell() -> None:
        async with server_at(tmp_path) as server, guest_at(server, "Hana") as hana:
            plan = await hana.schedule("Soon", int(time.time() * 1000) + 600_000, [])
            async with guest_at(server, "Fran") as fran:
                await fran.follow(fran_id(hana))
                await fran.remind(plan[0])
            await hana.start(plan[0])
            async with again_at(server, fran) as again:
                await again.until(lambda: bool(again.notices), WAIT_S)
                assert [notice[2:6] for notice in again.notices] == [[1, plan[0], "Soon", "Hana"]]
            async with again_at(server, fran) as again:
                assert (await again.planned(), again.notices) == ([], [])

    story(tell)


def test_a_co_host_runs_the_space_with_the_host(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (_, fran, otto):
            space = await otto.open("Together")
            room = await comes_up(fran, space)
            await space.promote(fran_id(fran))
            await fran.until(lambda: room.role == CO_HOST, WAIT_S)
            await fran.change(queue_order=1, topics=["trains"])
            await fran.until(lambda: (room.settings or [])[1:4] == [["trains"], 0, 1], WAIT_S)
            await refused(ErrorCode.NOT_PERMITTED, fran.mute(otto.user))
            await refused(ErrorCode.NOT_PERMITTED, fran.end())

    story(tell)
