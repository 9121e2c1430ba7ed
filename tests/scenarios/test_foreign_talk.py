"""The foreign client in writing: posts, notes, reactions, pins, rates; and what it missed in a tunnel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.foreign.client import SPEAKER
from tests.foreign.numbers import ErrorCode
from tests.scenarios.foreign_stories import (
    WAIT_S,
    again_at,
    comes_up,
    refused,
    shown,
    story,
    two_at,
    until,
)

pytestmark = pytest.mark.scenario


def test_posts_notes_reactions_and_pins_go_both_ways(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (_, fran, otto):
            space = await otto.open("In writing")
            room = await fran.join(space.id)
            first = await fran.post("Which line is it?\nThe night train?")
            await until(
                space,
                lambda: [post.text for post in space.recent_posts] == ["Which line is it?\nThe night train?"],
            )
            reply = await space.post("To Vienna.", reply_to=first)
            await fran.until(lambda: reply in room.posts, WAIT_S)
            assert room.posts[reply][5] == first
            await space.delete_post(first)
            await fran.until(lambda: first not in room.posts, WAIT_S)
            assert [row[0] for row in await fran.posts()] == [reply]
            await refused(ErrorCode.NO_SUCH_POST, fran.post("To what?", reply_to=first))
            await refused(ErrorCode.NOT_PERMITTED, fran.delete_post(reply))

            await fran.note("A little louder, please.")
            assert [note.text for note in await space.notes()] == ["A little louder, please."]
            for _ in range(3):
                await fran.react("clap")
            await fran.until(lambda: room.reactions["clap"] == 3, WAIT_S)
            await refused(ErrorCode.BAD_VALUE, fran.react("boo"))

            await space.pin("Timetables: trains.example.org")
            await fran.until(lambda: bool(room.pins), WAIT_S)
            await refused(ErrorCode.NOT_PERMITTED, fran.pin("Mine"))
            await space.change(title="On the night train", locked=True)
            await fran.until(lambda: room.title == "On the night train", WAIT_S)
            assert room.settings is not None and room.settings[4] is True

    story(tell)


def test_who_posts_too_often_is_told_when_the_next_will_pass(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (_, fran, otto):
            await fran.join((await otto.open("Talkative")).id)
            for number in range(5):
                await fran.post(f"Post {number}")
            error = await refused(ErrorCode.TOO_OFTEN, fran.post("One more"))
            assert 0 < error.retry_after_ms <= 3_000

    story(tell)


def test_a_lost_connection_is_resumed_with_role_and_all_that_was_missed(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (server, fran, otto):
            space = await otto.open("Tunnel")
            room = await comes_up(fran, space)
            await space.post("Before")
            await fran.until(lambda: len(room.posts) == 1, WAIT_S)
            assert room.resume_ms == 120_000
            fran.vanish()
            for text in ("One", "Two", "Three"):
                await space.post(text)
            await space.change(title="Through the tunnel")
            await until(space, lambda: space.title == "Through the tunnel")

            async with again_at(server, fran) as again:
                assert fran.left is not None
                assert await again.resume(fran.left)
                back = again.room
                assert back is not None
                await again.until(lambda: back.title == "Through the tunnel", WAIT_S)
                assert [row[3] for row in back.posts.values()] == ["Before", "One", "Two", "Three"]
                assert back.role == SPEAKER and back.seat is not None
                await again.until(lambda: shown(back, again, 0) == back.seat, WAIT_S)
                await again.post("I am back")
                await until(space, lambda: space.recent_posts[-1].text == "I am back")

    story(tell)
