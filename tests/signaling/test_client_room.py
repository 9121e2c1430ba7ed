"""What a client keeps as events come: settings, pins and posts of a Space; bubbles and notices."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.client import Reconnected, Reconnecting
from signaling.client.mailbox import outdated
from signaling.client.reception import NOTICES_KEPT
from signaling.client.room import POSTS_KEPT, News, Room
from signaling.client.timeline import MAX_BUBBLES, Timeline
from signaling.protocol import messages as wire
from signaling.protocol.messages import Join, Person, Request, StageSeat
from tests.signaling.scripted_server import (
    BUBBLE,
    SPACE,
    Answer,
    Session,
    Stage,
    joined,
    kinds,
    room,
    take,
    tell,
    usual,
)

TEA = wire.SpaceSettings("Tea", ["tea"], 2, 1, True, "music")
PINS = [wire.PinRow(1, "Read this", "hana", 5)]


def post(number: int, text: str = "Hello") -> wire.PostRow:
    return wire.PostRow(number, "bo", "Bo", text, number)


def here(**fields: Any) -> Room:
    return Room("ada", joined(1, **fields))


def test_a_snapshot_says_all_of_it() -> None:
    known = here(settings=TEA, pins=PINS, host="hana", invited=True, resume_ms=120_000)
    assert (known.settings, known.pins, known.host, known.invited) == (TEA, tuple(PINS), "hana", True)
    assert known.resume_ms == 120_000


def test_a_server_that_says_less_is_understood() -> None:
    known = here()
    assert (known.settings, known.pins) == (wire.SpaceSettings("Tea & trains"), ())
    assert (known.host, known.invited, known.resume_ms) == ("hana", False, 0)


def test_settings_and_pins_follow_the_events() -> None:
    known = here()
    assert known.apply(wire.Settings(11, TEA)) is News.FRESH
    assert known.apply(wire.Pins(12, PINS)) is News.FRESH
    assert (known.settings, known.pins) == (TEA, tuple(PINS))
    known.apply(wire.Pins(13, []))
    assert known.pins == ()


def test_another_host_is_seen_on_the_stage() -> None:
    known = here()
    known.apply(wire.Stage(11, [StageSeat(0, "hana", "Hana", 1, False), StageSeat(1, "bo", "Bo", 2, False)]))
    assert known.host == "bo"
    known.apply(wire.Stage(12, []))
    assert known.host == "bo"


def test_posts_are_kept_up_to_their_bound_and_one_past_it() -> None:
    known = here()
    for n in range(POSTS_KEPT):
        known.apply(wire.PostAdded(11 + n, post(n)))
    assert [row.post for row in known.posts] == list(range(POSTS_KEPT))
    known.apply(wire.PostAdded(11 + POSTS_KEPT, post(POSTS_KEPT)))
    assert [row.post for row in known.posts] == list(range(1, POSTS_KEPT + 1))
    known.apply(wire.PostDeleted(12 + POSTS_KEPT, 50))
    known.apply(wire.PostDeleted(13 + POSTS_KEPT, 0))
    assert [row.post for row in known.posts if 48 < row.post < 53] == [49, 51, 52]
    assert known.gaps == 0


def test_reactions_are_added_up_and_their_kinds_bounded() -> None:
    known = here()
    known.apply(wire.Reactions(11, {"heart": 2, "clap": 1}))
    known.apply(wire.Reactions(12, {"heart": 40}))
    assert known.reactions == {"heart": 42, "clap": 1}
    for n in range(100):
        known.apply(wire.Reactions(13 + n, {f"new{n}": 1}))
    assert (len(known.reactions), known.reactions["heart"]) == (32, 42)


def test_an_invitation_is_open_until_it_is_taken_up_or_back() -> None:
    known = here()
    known.apply(wire.Invited(10, "hana", "Hana", 60_000))
    assert known.invited is True
    known.apply(wire.Invited(10, "hana", "Hana", 0))
    assert known.invited is False
    known.apply(wire.Invited(10, "hana", "Hana", 60_000))
    known.apply(wire.You(10, 1, 1, True))
    assert known.invited is False


def test_private_events_take_no_number() -> None:
    known = here()
    private = (
        wire.Noted(10, wire.NoteRow(1, "bo", "Bo", "Hm", 5)),
        wire.Answered(10, "bo", True),
        wire.Invited(10, "hana", "Hana", 5),
        wire.You(10, 0),
    )
    assert [known.apply(event) for event in private] == [News.FRESH] * 4
    assert known.serial == 10


@given(st.lists(st.integers(0, 30), max_size=30))
def test_the_serial_never_goes_back_and_every_jump_is_a_gap(serials: list[int]) -> None:
    known = here(serial=5)
    for serial in serials:
        before = known.serial
        news = known.apply(wire.PostAdded(serial, post(serial)))
        expected = News.STALE if serial <= before else News.FRESH if serial == before + 1 else News.GAP
        assert news is expected
        assert known.serial == max(before, serial)


def test_all_of_it_is_told_by_the_space() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        note = wire.Noted(10, wire.NoteRow(1, "bo", "Bo", "Hm", 5))
        sent = (
            wire.Settings(11, TEA),
            wire.PostAdded(12, post(1)),
            wire.Pins(13, PINS),
            wire.Reactions(14, {"heart": 2}),
            note,
            wire.Invited(14, "hana", "Hana", 5_000),
            wire.Answered(14, "bo", False),
        )
        stage.session.tell(*sent)
        assert await take(space.events(), len(sent)) == list(sent)
        assert (space.title, space.settings, space.pins) == ("Tea", TEA, tuple(PINS))
        assert (space.recent_posts, space.reactions, space.invited) == ((post(1),), {"heart": 2}, True)
        assert (space.host, space.serial) == ("hana", 14)

    tell(story)


def test_a_snapshot_tells_settings_and_pins_where_they_are_other_ones() -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Join) and request.id > 2:
            return joined(request.id, serial=30, settings=TEA, pins=PINS)
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        space = await (await stage.connect()).join(SPACE)
        await stage.clients[0].join(SPACE)
        told = kinds(await take(space.events(), 6))
        assert told == ["Stage", "Queue", "Audience", "You", "Settings", "Pins"]

    tell(story)


def test_posts_make_room_only_when_nothing_else_is_left() -> None:
    posts = [wire.PostAdded(n, post(n)) for n in (1, 2)]
    audiences = [wire.Audience(3, 1), wire.Audience(4, 2)]
    assert outdated([*posts, *audiences], posts[0]) == 2
    assert outdated(posts, posts[1]) == 0
    assert outdated([wire.Ended(1), *posts], posts[1]) == 1
    lost, back = Reconnecting("idle_timeout", 5), Reconnected(replayed=True)
    assert outdated([*posts, lost, back], lost) == 2


# The timeline


def bubble(n: int, on_stage: int = 1, people: int = 5) -> wire.Bubble:
    return wire.Bubble(
        bytes([n]) * 16, f"Space {n}", "hana", "Hana", [], [Person("hana", "Hana")], 1, on_stage, people
    )


async def _nothing() -> None:
    pass


def test_the_timeline_is_in_its_order_whatever_order_the_news_come_in() -> None:
    async def story(stage: Stage) -> None:
        timeline = Timeline(_nothing)
        timeline.refresh([bubble(1), bubble(2, on_stage=3), bubble(3, people=900)])
        assert [each.title for each in timeline.bubbles] == ["Space 2", "Space 3", "Space 1"]
        timeline.on_event(wire.BubbleChanged(0, bubble(1, on_stage=4)))
        timeline.on_event(wire.BubbleGone(0, bytes([3]) * 16))
        timeline.on_event(wire.BubbleGone(0, bytes([3]) * 16))
        assert [each.title for each in await anext(timeline)] == ["Space 1", "Space 2"]

    tell(story)


def test_who_reads_the_timeline_slowly_gets_the_latest() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        timeline = await (await stage.connect()).timeline()
        stage.session.tell(*(wire.BubbleChanged(0, bubble(n % 7, people=n)) for n in range(500)))
        await asyncio.sleep(1)
        assert await anext(timeline) == timeline.bubbles
        assert len(timeline.bubbles) == 8
        waiting = asyncio.ensure_future(anext(timeline))
        await asyncio.sleep(1)
        assert not waiting.done()
        stage.session.tell(wire.BubbleGone(0, SPACE))
        assert len(await waiting) == 7

    tell(story)


def test_the_timeline_at_its_bound_and_one_past_it() -> None:
    async def story(stage: Stage) -> None:
        timeline = Timeline(_nothing)
        timeline.refresh([bubble(n, people=n) for n in range(MAX_BUBBLES)])
        timeline.on_event(wire.BubbleChanged(0, bubble(5, people=500)))
        assert (len(timeline.bubbles), timeline.dropped) == (MAX_BUBBLES, 0)
        timeline.on_event(wire.BubbleChanged(0, bubble(MAX_BUBBLES, people=1_000)))
        assert (len(timeline.bubbles), timeline.dropped) == (MAX_BUBBLES, 1)
        assert timeline.bubbles[0].people == 1_000

    tell(story)


def test_a_timeline_that_is_closed_ends_and_can_be_had_again() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        timeline = await client.timeline()
        assert await client.timeline() is timeline
        await timeline.close()
        await timeline.close()
        assert [each async for each in timeline] == []
        assert stage.session.requests[-1] == wire.Timeline(4, False)
        stage.session.tell(wire.BubbleGone(0, SPACE))
        again = await client.timeline()
        assert again is not timeline
        assert again.bubbles == (BUBBLE,)
        await client.close()
        assert [each async for each in again] == []

    tell(story)


def test_a_timeline_of_this_moment_only() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        once = await client.timeline(subscribe=False)
        assert stage.session.requests[-1] == wire.Timeline(2, False)
        assert (once.bubbles, once.over) == ((BUBBLE,), True)
        assert [each async for each in once] == []
        live = await client.timeline()
        assert await client.timeline(subscribe=False) is live
        assert stage.session.requests[-1] == wire.Timeline(4, True)
        assert not live.over

    tell(story)


def test_bubbles_and_notices_are_no_events_of_the_space_one_is_in() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        notice = wire.Notice(0, 0, SPACE, "Tea", "Hana", 5)
        stage.session.tell(wire.BubbleChanged(0, BUBBLE), notice, wire.Audience(11, 2))
        assert await take(space.events(), 1) == [wire.Audience(11, 2)]
        assert await take(stage.clients[0].notices(), 1) == [notice]

    tell(story)


@pytest.mark.parametrize(("more", "dropped"), [(0, 0), (1, 1)])
def test_notices_at_their_bound_and_one_past_it(more: int, dropped: int) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        sent = [wire.Notice(0, 1, SPACE, f"Tea {n}", "Hana", 5) for n in range(NOTICES_KEPT + more)]
        stage.session.tell(*sent)
        await asyncio.sleep(1)
        assert client.stats.notices_dropped == dropped
        assert await take(client.notices(), NOTICES_KEPT) == sent[more:]

    tell(story)
