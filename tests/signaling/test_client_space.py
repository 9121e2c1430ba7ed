"""A Space as its client sees it: its state, verbs and events, overflow and gaps, the end."""

from __future__ import annotations

import asyncio
from array import array

import pytest

from signaling.client import (
    Role,
    SpaceOver,
)
from signaling.client.mailbox import Mailbox, oldest, outdated
from signaling.client.space import EVENTS_KEPT
from signaling.protocol import ErrorCode
from signaling.protocol.messages import (
    Audience,
    Closing,
    Ended,
    Error,
    Hello,
    Join,
    Leave,
    ListPeople,
    ListSpaces,
    LiveSpace,
    Ok,
    People,
    Person,
    Queue,
    Removed,
    Request,
    Spaces,
    StageSeat,
    You,
)
from signaling.protocol.messages import Stage as StageEvent
from tests.signaling.scripted_server import (
    ADA,
    HOST,
    SPACE,
    Answer,
    Session,
    Stage,
    joined,
    kinds,
    refusing,
    room,
    silent_on,
    take,
    tell,
    usual,
)

SILENT = array("f", bytes(3840))


def test_what_a_space_tells() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        assert (space.id, space.id_text, space.title) == (SPACE, SPACE.hex(), "Tea & trains")
        assert (space.role, space.seat, space.muted, space.me) == (Role.LISTENER, None, False, "ada")
        assert (space.stage, space.queue, space.waiting, space.audience) == ((HOST,), (), 0, 1)
        queue = Queue(11, [Person("ada", "Ada")], 3)
        you = You(11, 1, 1, False)
        speaking = StageEvent(12, [HOST, ADA])
        stage.session.tell(queue, you, speaking, Audience(13, 0))
        assert await take(space.events(), 4) == [queue, you, speaking, Audience(13, 0)]
        assert (space.role, space.seat, space.stage) == (Role.SPEAKER, 1, (HOST, ADA))
        assert (space.queue, space.waiting, space.audience) == ((Person("ada", "Ada"),), 3, 0)

    tell(story)


def test_events_right_behind_joined_are_not_missed() -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Join):
            session.tell(joined(request.id), Audience(11, 9))
            return None
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        space = await (await stage.connect()).join(SPACE)
        assert await take(space.events(), 1) == [Audience(11, 9)]

    tell(story)


def test_verbs_are_sent_as_they_are_written() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        space = await client.open("Morning talk")
        assert (space.title, space.role, space.seat) == ("Morning talk", Role.HOST, 0)
        person = Person("bo", "Bo")
        await space.ask()
        await space.withdraw()
        await space.admit(person)
        await space.decline("bo")
        await space.mute(StageSeat(2, "bo", "Bo", 1, False))
        await space.mute()
        await space.unmute()
        await space.move(person)
        await space.remove(person)
        assert await space.people() == [Person("ada", "Ada"), Person("hana", "Hana")]
        await space.end()
        sent = [tuple(getattr(r, f) for f in r.__struct_fields__[1:]) for r in stage.session.requests[2:]]
        who = ("bo",)
        assert sent == [
            (), ("ada",), who, who, ("bo", False), ("", False), ("",), who, ("bo", 1, True), ("", 100), ()
        ]  # fmt: skip

    tell(story)


def test_lists_are_read_page_by_page() -> None:
    rows = [LiveSpace(bytes([n]) * 16, f"Space {n}", "Hana", n) for n in range(250)]
    people = [Person(f"u{n:03}", "") for n in range(250)]

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, ListSpaces):
            at = int(request.after or b"0")
            end = at + request.limit
            return Spaces(request.id, rows[at:end], str(end).encode() if end < len(rows) else None)
        if isinstance(request, ListPeople):
            at = int(request.after or "0")
            end = at + request.limit
            return People(request.id, people[at:end], str(end) if end < len(people) else "")
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        client = await stage.connect()
        assert await client.live() == rows[:100]
        assert await client.live(most=1000) == rows
        space = await client.join(rows[3])
        assert space.id == rows[3].space
        assert await space.people() == people
        assert await space.people(most=120) == people[:120]

    tell(story)


def test_event_overflow_drops_what_is_obsolete() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        stage.session.tell(Queue(11, []), You(11, 0))
        stage.session.tell(*(Audience(12 + n, n) for n in range(EVENTS_KEPT + 50)))
        stage.session.tell(Ended(12 + EVENTS_KEPT + 50, "host_ended"))
        await asyncio.sleep(1)
        events = [event async for event in space.events()]
        assert len(events) == EVENTS_KEPT
        assert kinds(events[:3]) == ["Queue", "You", "Audience"]
        assert events[-2:] == [Audience(11 + EVENTS_KEPT + 50, EVENTS_KEPT + 49), Ended(318, "host_ended")]
        assert space.stats.events_dropped == 53

    tell(story)


def test_mailbox_at_its_bound_and_one_past_it() -> None:
    async def story(stage: Stage) -> None:
        box: Mailbox[int] = Mailbox(3, oldest)
        for n in range(3):
            box.put(n)
        assert (len(box), box.dropped) == (3, 0)
        box.put(3)
        assert (len(box), box.dropped) == (3, 1)
        box.close()
        box.put(4)
        assert [n async for n in box] == [1, 2, 3]
        assert box.dropped == 2

    tell(story)


def test_the_obsolete_one_is_found_wherever_it_stands() -> None:
    waiting = [Ended(1), Audience(2, 1), Queue(3, []), Audience(4, 2)]
    assert outdated(waiting, Removed(5)) == 1
    assert outdated([Ended(1), Queue(2, []), Audience(3, 1)], Queue(4, [])) == 1
    assert outdated([Queue(1, []), Queue(2, []), Audience(3, 1)], Audience(4, 1)) == 0


def test_one_reader_at_a_time() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        first = asyncio.ensure_future(anext(space.events()))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one task"):
            await anext(space.events())
        first.cancel()
        await asyncio.sleep(0)
        stage.session.tell(Audience(11, 2))
        assert await take(space.events(), 1) == [Audience(11, 2)]

    tell(story)


def test_a_gap_brings_a_fresh_snapshot() -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Join) and request.id > 2:
            return joined(request.id, role=1, seat=1, serial=21, stage=[HOST, ADA], audience=4)
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        space = await (await stage.connect()).join(SPACE)
        stage.session.tell(Audience(11, 2), Audience(20, 3), Audience(19, 99), Audience(22, 3))
        assert kinds(await take(space.events(), 3)) == ["Audience"] * 3
        assert kinds(await take(space.events(), 4)) == ["Stage", "Queue", "Audience", "You"]
        assert (space.role, space.seat, space.audience) == (Role.SPEAKER, 1, 4)
        await asyncio.sleep(5)
        stats = space.stats
        assert (stats.gaps, stats.resyncs, stats.stale_events) == (2, 1, 1)

    tell(story)


def test_a_gap_at_the_end_of_a_space() -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Join) and request.id > 2:
            return Error(request.id, ErrorCode.no_such_space)
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        space = await (await stage.connect()).join(SPACE)
        stage.session.tell(Audience(13, 2))
        assert [event async for event in space.events()] == [Audience(13, 2), Ended(14, "no_such_space")]
        assert space.over == "ended"

    tell(story)


@pytest.mark.parametrize(
    ("event", "over"), [(Ended(11, "host_left"), "ended"), (Removed(10, "removed"), "removed")]
)
def test_the_end_of_a_space(event: Ended | Removed, over: str) -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        client = stage.clients[0]
        stage.session.tell(event, Audience(12, 0))
        assert [each async for each in space.events()] == [event]
        assert [each async for each in space.listen()] == []
        assert (space.over, client.space, client.closed) == (over, None, None)
        with pytest.raises(SpaceOver) as caught:
            await space.ask()
        assert caught.value.code == over
        await space.leave()
        assert await client.join(SPACE) is not space

    tell(story)


def test_leaving_is_clean_and_may_be_repeated() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        reader = asyncio.ensure_future(anext(space.listen(), None))
        await space.leave()
        await space.leave()
        assert [each async for each in space.events()] == []
        assert stage.session.kinds() == [Hello, Join, Leave]
        heard = await reader
        assert heard is None or heard.status == "silence"

    tell(story)


def test_leaving_what_is_over_already() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(refusing(Leave, ErrorCode.not_in_space))
        space = await (await stage.connect()).join(SPACE)
        await space.leave()
        assert space.over == "left"

    tell(story)


def test_context_leaves_even_if_the_server_is_silent() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(Leave))
        began = stage.loop.time()
        with pytest.raises(ZeroDivisionError):
            async with await stage.connect() as client:
                space = await client.join(SPACE)
                _ = 1 / 0
        assert stage.loop.time() - began < 5
        assert space.over == "left"
        assert stage.session.kinds() == [Hello, Join, Leave]
        assert stage.session.closed is not None
        assert stage.session.closed.code == 0

    tell(story)


def test_joining_the_same_space_again_gets_its_state() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        assert await stage.clients[0].join(space.id_text) is space
        assert kinds(await take(space.events(), 4)) == ["Stage", "Queue", "Audience", "You"]

    tell(story)


def test_closing_event_does_not_end_the_space() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        stage.session.tell(Closing(0, "server_stopping", 10))
        await take(space.events(), 1)
        assert space.over is None
        await space.ask()
        assert stage.session.requests[-1].id == 3
        assert isinstance(usual(stage.session, stage.session.requests[-1]), Ok)

    tell(story)
