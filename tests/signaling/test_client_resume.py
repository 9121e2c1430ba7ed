"""A lost connection is made anew: who comes back, as what, what is told of the time between, who does not."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable

import pytest

from signaling.client import (
    ConnectionClosed,
    ConnectionState,
    Reconnected,
    Reconnecting,
    Role,
    SpaceOver,
)
from signaling.protocol import CloseCode, ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.messages import (
    Audience,
    Closing,
    Error,
    Hello,
    Join,
    Joined,
    Request,
    Resume,
    Resumed,
    You,
)
from signaling.protocol.messages import Stage as StageEvent
from tests.signaling.scripted_server import (
    ADA,
    BUBBLE,
    HOST,
    PATIENCE_MS,
    PLANNED,
    SPACE,
    Answer,
    Session,
    Stage,
    answering_resume,
    joined,
    keeping,
    kinds,
    lose,
    take,
    tell,
    until,
)

SILENT = array("f", bytes(3840))


def refused(code: int, retry_after_ms: int = 0) -> Callable[[Resume], Answer]:
    return lambda request: Error(request.id, code, "no", retry_after_ms)


def anew(request: Resume) -> Joined:
    return joined(request.id, serial=40, audience=9, resume_ms=PATIENCE_MS)


def test_a_path_that_was_lost_is_found_again() -> None:
    missed = (Audience(13, 5), You(13, 0), StageEvent(14, [HOST]))

    async def story(stage: Stage) -> None:
        await stage.serve(keeping(*missed))
        client = await stage.connect()
        states: list[ConnectionState] = []
        client.on_connection = states.append
        space = await client.join(SPACE)
        events, sound = space.events(), space.listen()
        stage.session.tell(Audience(11, 2), Audience(12, 3))
        await take(events, 2)
        stage.network.cut("10.0.0.1", "10.0.0.9")
        assert await anext(events) == Reconnecting("idle_timeout", PATIENCE_MS)
        assert (client.is_connected, client.closed, space.over) == (False, None, None)
        stage.network.heal("10.0.0.1", "10.0.0.9")
        told = await take(events, 4)
        assert told == [Reconnected(replayed=True), *missed]
        assert stage.session.requests[1] == Resume(2, SPACE, 12)
        assert states == [Reconnecting("idle_timeout", PATIENCE_MS), Reconnected(replayed=True)]
        assert (client.space, space.audience, space.stats.gaps) == (space, 5, 0)
        await anext(sound)
        await space.ask()
        assert stage.session.kinds() == [Hello, Resume, wire.Ask]
        assert (client.stats.losses, client.stats.returns, len(stage.sessions)) == (1, 1, 2)

    tell(story)


def test_a_server_that_is_killed_and_back() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        lose(stage)
        await until(lambda: not client.is_connected)
        await asyncio.sleep(20)
        attempts = client.stats.attempts
        assert 3 <= attempts <= 5
        await stage.serve(keeping())
        await until(lambda: client.is_connected)
        assert kinds(await take(space.events(), 2)) == ["Reconnecting", "Reconnected"]
        assert stage.session.kinds() == [Hello, Resume]
        assert client.stats.attempts - attempts <= 3

    tell(story)


def test_a_speaker_speaks_on_and_what_is_said_in_between_is_not_kept() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping(role=1, seat=1, stage=[HOST, ADA]))
        client = await stage.connect()
        space = await client.join(SPACE)
        assert space.speak(SILENT) is True
        stage.network.cut("10.0.0.1", "10.0.0.9")
        await until(lambda: not client.is_connected)
        assert space.speak(SILENT) is False
        stage.network.heal("10.0.0.1", "10.0.0.9")
        await until(lambda: client.is_connected)
        assert (space.role, space.seat) == (Role.SPEAKER, 1)
        assert space.speak(SILENT) is True
        await asyncio.sleep(0.1)
        assert len(stage.session.audio) == 1

    tell(story)


def test_a_request_made_in_between_waits_for_the_connection() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        lose(stage)
        await until(lambda: not client.is_connected)
        asking = asyncio.ensure_future(space.ask())
        await asyncio.sleep(2)
        assert not asking.done()
        await stage.serve(keeping())
        await asking
        assert stage.session.kinds() == [Hello, Resume, wire.Ask]

    tell(story)


def test_a_request_does_not_wait_for_ever() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        lose(stage)
        await until(lambda: not client.is_connected)
        began = stage.loop.time()
        with pytest.raises(ConnectionClosed) as caught:
            await space.ask()
        assert stage.loop.time() - began == pytest.approx(10)
        assert caught.value.code == "idle_timeout"
        assert space.over is None

    tell(story)


def test_events_that_are_no_longer_kept_become_a_snapshot() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(answering_resume(anew))
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded, "busy")
        told = kinds(await take(space.events(), 6))
        assert told == ["Reconnecting", "Reconnected", "Stage", "Queue", "Audience", "You"]
        assert space.audience == 9
        stage.session.tell(Audience(41, 8))
        assert await take(space.events(), 1) == [Audience(41, 8)]

    tell(story)


def test_events_that_begin_too_late_bring_a_snapshot_too() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(answering_resume(lambda request: Resumed(request.id, SPACE, request.serial + 3, 0)))
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        await until(lambda: space.stats.resyncs == 1)
        await asyncio.sleep(1)
        assert stage.session.kinds() == [Hello, Resume, Join]

    tell(story)


@pytest.mark.parametrize(
    ("code", "over"),
    [
        (ErrorCode.removed, "removed"),
        (ErrorCode.no_such_space, "ended"),
        (ErrorCode.space_ended, "ended"),
        (ErrorCode.not_permitted, "ended"),
    ],
)
def test_who_may_not_come_back_is_told_and_keeps_the_connection(code: ErrorCode, over: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(answering_resume(refused(code)))
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.internal)
        told = [event async for event in space.events()]
        *before, last = told
        assert kinds(before) == ["Reconnecting"]
        assert last == (wire.Removed(10, "removed") if over == "removed" else wire.Ended(11, code.name))
        assert space.over == over
        with pytest.raises(SpaceOver):
            await space.ask()
        assert await client.live() == []
        assert (client.closed, client.space) == (None, None)

    tell(story)


def test_whose_place_is_gone_still_listens() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(answering_resume(refused(ErrorCode.resume_lapsed)))
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.internal)
        await until(lambda: client.stats.returns == 1)
        assert stage.session.kinds() == [Hello, Resume, Join]
        assert (space.over, space.role) == (None, Role.LISTENER)

    tell(story)


def test_a_space_that_has_moved_is_followed() -> None:
    def moved(request: Resume) -> Answer:
        return wire.Elsewhere(request.id, "10.0.0.2:4433")

    async def story(stage: Stage) -> None:
        await stage.serve(answering_resume(moved))
        await stage.serve(keeping(Audience(11, 7)), "10.0.0.2")
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        told = await take(space.events(), 3)
        assert told[1:] == [Reconnected(replayed=True), Audience(11, 7)]
        assert [session.kinds() for session in stage.sessions[1:]] == [[Hello, Resume]] * 2
        await space.ask()
        assert stage.session.kinds() == [Hello, Resume, wire.Ask]

    tell(story)


def test_a_space_that_moves_in_a_circle_is_tried_later() -> None:
    async def story(stage: Stage) -> None:
        circle = [
            lambda request: wire.Elsewhere(request.id, "10.0.0.1:4433"),
        ] * 4
        await stage.serve(answering_resume(*circle, lambda request: Resumed(request.id, SPACE, 10, 0)))
        client = await stage.connect()
        await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        await until(lambda: client.stats.returns == 1)
        assert (client.stats.attempts, client.stats.hops) == (2, 4)

    tell(story)


def test_a_server_that_has_no_time_yet_is_asked_again() -> None:
    def back(request: Resume) -> Answer:
        return Resumed(request.id, SPACE, request.serial, 0)

    async def story(stage: Stage) -> None:
        await stage.serve(answering_resume(refused(ErrorCode.busy), refused(ErrorCode.internal), back))
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        await until(lambda: client.is_connected and client.stats.returns == 1)
        assert (client.stats.attempts, space.over) == (3, None)
        await asyncio.sleep(0.5)
        assert [session.closed is None for session in stage.sessions] == [False, False, False, True]

    tell(story)


def test_a_connection_that_is_lost_again_on_the_way_back() -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Resume) and len(stages[0].sessions) < 4:
            session.handle.close(CloseCode.overloaded)
            return None
        return friendly(session, request)

    stages: list[Stage] = []
    friendly = keeping()

    async def story(stage: Stage) -> None:
        stages.append(stage)
        await stage.serve(script)
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        await until(lambda: client.stats.returns == 1)
        assert (client.stats.losses, client.stats.attempts, space.over) == (1, 3, None)
        assert kinds(await take(space.events(), 2)) == ["Reconnecting", "Reconnected"]

    tell(story)


def test_with_a_fresh_token_an_expired_one_is_no_end() -> None:
    tokens = iter(["first", "second"])

    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect(token=lambda: next(tokens))
        await client.join(SPACE)
        stage.session.handle.close(CloseCode.token_expired)
        await until(lambda: client.stats.returns == 1)
        hello = stage.session.requests[0]
        assert isinstance(hello, Hello)
        assert hello.token == "second"  # noqa: S105 - no secret

    tell(story)


def test_not_before_the_server_said() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.tell(Closing(0, "server_stopping", 5_000))
        await take(space.events(), 1)
        stage.session.handle.close(CloseCode.server_stopping)
        await until(lambda: not client.is_connected)
        began = stage.loop.time()
        await until(lambda: client.is_connected)
        assert 4.8 < stage.loop.time() - began < 6.5

    tell(story)


def test_who_is_in_no_space_comes_back_to_the_timeline() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        timeline = await client.timeline()
        assert await anext(timeline) == (BUBBLE,)
        stage.session.tell(wire.BubbleGone(0, SPACE))
        assert await anext(timeline) == ()
        stage.session.handle.close(CloseCode.overloaded)
        assert await anext(timeline) == (BUBBLE,)
        assert stage.session.kinds() == [Hello, wire.Timeline]
        await timeline.close()
        stage.session.handle.close(CloseCode.overloaded)
        await until(lambda: client.stats.returns == 2)
        assert stage.session.kinds() == [Hello]

    tell(story)


def test_a_service_oversees_again() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.oversee(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        await until(lambda: client.stats.returns == 1)
        assert stage.session.kinds() == [Hello, wire.Oversee]
        assert space.over is None

    tell(story)


def test_a_notice_right_behind_welcome_is_not_missed() -> None:
    notice = wire.Notice(0, 1, SPACE, "Tea", "Hana", PLANNED.starts_ms)
    friendly = keeping()

    def script(session: Session, request: Request) -> Answer:
        answer = friendly(session, request)
        if isinstance(request, Hello) and isinstance(answer, wire.Welcome):
            session.tell(answer, notice)
            return None
        return answer

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        client = await stage.connect()
        assert await take(client.notices(), 1) == [notice]
        stage.session.handle.close(CloseCode.overloaded)
        assert await take(client.notices(), 1) == [notice]

    tell(story)
