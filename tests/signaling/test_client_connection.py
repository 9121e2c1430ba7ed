"""The client's connection against a scripted server: answers, refusals, garbage, time-outs, losses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from signaling.client import Client, ConnectionClosed, RequestRefused, Retry, TimedOut
from signaling.client.connection import MAX_WAITING, Connection, Owner
from signaling.client.trust import Credentials
from signaling.protocol import ErrorCode, encode, frame
from signaling.protocol.messages import (
    Ask,
    Audience,
    Closing,
    Error,
    Hello,
    Join,
    Leave,
    Ok,
    Request,
    Welcome,
)
from signaling.protocol.terms import most_frames
from signaling.quic.events import Cause, Closed
from tests.signaling.scripted_server import (
    SPACE,
    Answer,
    Session,
    Stage,
    joined,
    kinds,
    refusing,
    silent_on,
    take,
    tell,
    usual,
)


def test_hello_says_who_and_what() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect(name="Ada")
        assert (client.user, client.name, client.limits) == ("ada", "Ada", {"stage": 13})
        hello = stage.session.requests[0]
        assert isinstance(hello, Hello)
        assert (hello.id, hello.token, hello.name) == (1, "secret", "Ada")
        assert hello.capabilities == {"bundle": 3, "bundle_delay_ms": 40, "redundancy": 2, "reports": 1}
        assert hello.client.startswith("spacecore/")
        await client.close()
        await client.close()
        assert stage.session.closed == Closed(0, "", by_peer=True)

    tell(story)


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({}, 3),
        ({"bundle": 2}, 2),
        ({"bundle_delay_ms": 20}, 2),
        ({"bundle_delay_ms": 0}, 1),
        ({"bundle": 1}, 1),
    ],
)
def test_hello_says_what_bundles_are_taken(options: dict[str, int], most: int) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        await stage.connect(**options)
        hello = stage.session.requests[0]
        assert isinstance(hello, Hello)
        expected = {"bundle": 3, "bundle_delay_ms": 40, "redundancy": 2, "reports": 1} | options
        assert hello.capabilities == expected
        assert most_frames(hello.capabilities) == most

    tell(story)


@pytest.mark.parametrize(
    "options", [{"bundle": 0}, {"bundle": 4}, {"bundle_delay_ms": -1}, {"bundle_delay_ms": 1 << 32}]
)
def test_bundles_that_no_datagram_carries_are_refused_before_dialling(options: dict[str, int]) -> None:
    async def story(stage: Stage) -> None:
        [value] = options.values()
        with pytest.raises(ValueError, match=f"is {value}; .*give"):
            await stage.connect(**options)
        assert stage.sessions == []

    tell(story)


def test_refused_token() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(refusing(Hello, ErrorCode.bad_token, "signed by nobody"))
        with pytest.raises(RequestRefused) as caught:
            await stage.connect()
        assert (caught.value.code, caught.value.message) == ("bad_token", "signed by nobody")
        assert caught.value.retry is Retry.token
        await asyncio.sleep(1)
        assert stage.session.closed is not None

    tell(story)


def test_refused_request_leaves_the_connection_alive() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(refusing(Ask, ErrorCode.queue_full, "100 wait", 5000))
        space = await (await stage.connect()).join(SPACE)
        with pytest.raises(RequestRefused) as caught:
            await space.ask()
        error = caught.value
        assert (error.code, error.number, error.retry_after_ms) == ("queue_full", 13, 5000)
        assert error.retry is Retry.later
        await space.mute()

    tell(story)


def test_an_error_code_of_a_newer_server() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(refusing(Ask, 999, "", 10))
        space = await (await stage.connect()).join(SPACE)
        with pytest.raises(RequestRefused) as caught:
            await space.ask()
        assert (caught.value.code, caught.value.retry) == ("unknown_error_999", Retry.later)

    tell(story)


def test_no_answer_is_a_time_out_and_the_late_answer_is_only_counted() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(Ask))
        client = await stage.connect()
        space = await client.join(SPACE)
        began = stage.loop.time()
        with pytest.raises(TimedOut, match="ask within 10 s"):
            await space.ask()
        assert stage.loop.time() - began == pytest.approx(10)
        stage.session.tell(Ok(stage.session.requests[-1].id))
        await space.mute()
        stats = client._live.stats
        assert (stats.timed_out, stats.stray_replies, stats.protocol_errors) == (1, 1, 0)

    tell(story)


def test_answers_in_another_order() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(Ask))
        client = await stage.connect()
        space = await client.join(SPACE)
        asks = [asyncio.ensure_future(space.ask()) for _ in range(3)]
        await asyncio.sleep(0.1)
        one, two, three = (request.id for request in stage.session.requests[-3:])
        stage.session.tell(Ok(three), Error(one, ErrorCode.busy), Audience(11, 5), Ok(two))
        results = await asyncio.gather(*asks, return_exceptions=True)
        assert kinds(results) == ["RequestRefused", "NoneType", "NoneType"]
        assert space.audience == 5

    tell(story)


def test_a_bound_on_waiting_requests() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(Ask))
        space = await (await stage.connect()).join(SPACE)
        asks = [asyncio.ensure_future(space.ask()) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(RequestRefused, match="64 requests wait") as caught:
            await space.ask()
        assert caught.value.code == "busy"
        assert kinds(await asyncio.gather(*asks, return_exceptions=True)) == ["TimedOut"] * MAX_WAITING

    tell(story)


def test_lost_connection_ends_everything_that_waits() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(Ask))
        client = await stage.connect(request_timeout_s=100)
        space = await client.join(SPACE)

        async def read(iterator: Any) -> None:
            async for _ in iterator:
                pass

        waiting = [
            asyncio.ensure_future(work)
            for work in (space.ask(), read(space.events()), read(space.listen()), client.wait_closed())
        ]
        await asyncio.sleep(1)
        stage.network.cut("10.0.0.1", "10.0.0.9")
        *errors, ending = await asyncio.gather(*waiting, return_exceptions=True)
        assert kinds(errors) == ["ConnectionClosed"] * 3
        assert {error.code for error in errors if isinstance(error, ConnectionClosed)} == {"idle_timeout"}
        assert isinstance(ending, ConnectionClosed)
        assert (ending.number, ending.by_server, ending.retry) == (None, False, Retry.later)
        assert space.over == "closed"
        for verb in (space.ask(), space.people(), client.join(SPACE), client.live()):
            with pytest.raises(ConnectionClosed):
                await verb
        assert space.speak(memoryview(bytes(1920)).cast("h")) is False
        with pytest.raises(ConnectionClosed):
            await anext(space.listen())

    tell(story)


def test_closed_by_the_server_with_advice() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        space = await client.join(SPACE)
        events = space.events()
        stage.session.tell(Closing(0, "server_stopping", 3000))
        assert kinds(await take(events, 1)) == ["Closing"]
        stage.session.handle.close(0x7, "maintenance")
        with pytest.raises(ConnectionClosed) as caught:
            await anext(events)
        error = caught.value
        assert (error.code, error.number, error.reason) == ("server_stopping", 7, "maintenance")
        assert (error.by_server, error.retry, error.reconnect_after_ms) == (True, Retry.later, 3000)
        assert client.closed is not None

    tell(story)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x00",
        b"\xff\xff",
        frame(b"\xc1"),
        frame(b"\x93\x60\x01\x01"),  # a stage that is no array
        frame(b"\xa5hello"),
        encode(Ok(999)),  # an answer to what was never asked
        encode(joined(3)),  # the wrong kind of answer
    ],
)
def test_garbage_ends_the_connection_clearly(garbage: bytes) -> None:
    def script(session: Session, request: Request) -> Answer:
        return garbage if isinstance(request, Ask) else usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        client = await stage.connect()
        space = await client.join(SPACE)
        with pytest.raises(ConnectionClosed) as caught:
            await space.ask()
        assert (caught.value.code, caught.value.by_server) == ("protocol_error", False)
        assert caught.value.retry is Retry.never
        assert client._live.stats.protocol_errors == 1
        await asyncio.sleep(0.5)
        assert stage.session.closed is not None
        assert stage.session.closed.code == 1

    tell(story)


def test_unknown_messages_are_passed_over_and_take_their_serial() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        space = await client.join(SPACE)
        unknown = frame(b"\x93\x78\x0b\xa3new")  # event 120 with serial 11
        stage.session.handle.send_stream(unknown + encode(Audience(12, 7)))
        assert kinds(await take(space.events(), 1)) == ["Audience"]
        await asyncio.sleep(1)
        assert space.stats.gaps == 0
        assert client._live.stats.unknown_messages == 1

    tell(story)


def test_cancelled_join_leaves_again() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(Join))
        client = await stage.connect()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.join(SPACE), 1)
        stage.session.tell(joined(stage.session.requests[-1].id))
        await asyncio.sleep(0.1)
        assert stage.session.kinds() == [Hello, Join, Leave]
        assert client.space is None

    tell(story)


def test_keep_alive_of_a_silent_listener() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        await client.join(SPACE)
        await asyncio.sleep(300)
        assert client.closed is None
        assert 30 < client._live.link.stats.packets_out < 120  # type: ignore[attr-defined]

    tell(story)


def test_a_connection_that_died_before_a_request() -> None:
    class Dead:
        closed = Closed(0, "gone", by_peer=False, cause=Cause.SOCKET)

        def send_stream(self, data: bytes) -> bool:
            return False

    async def story(stage: Stage) -> None:
        connection = Connection(Dead(), None, stage.clock)  # type: ignore[arg-type]
        with pytest.raises(ConnectionClosed) as caught:
            await connection.request(Leave, Ok)
        assert caught.value.code == "network_lost"

    tell(story)


def test_a_connection_that_is_lost_right_after_welcome() -> None:
    """Both may arrive in one turn of the loop, before whoever connects goes on."""

    class Dead:
        closed = Closed(7, "stopping", by_peer=True, cause=Cause.APPLICATION)
        pings = 0

        def ping(self) -> None:
            self.pings += 1

        def close(self, code: int, reason: str = "") -> None:
            pass

        async def wait_closed(self) -> None:
            pass

    class Ajar:
        credentials = Credentials("")
        request_timeout_s = 10.0

        def clock(self) -> int:
            return 0

        async def enter(self, address: str, owner: Owner, at_once: Any) -> tuple[Connection, Welcome]:
            connection = Connection(Dead(), owner, self.clock)  # type: ignore[arg-type]
            welcome = Welcome(1, "ada", "Ada", 900_000, "", {}, {})
            at_once(connection, welcome)
            connection.on_closed(Dead.closed, 0)
            connection.keep_alive(1_000)
            return connection, welcome

    async def story(stage: Stage) -> None:
        client = Client(Ajar())  # type: ignore[arg-type]
        await client._connect("10.0.0.1:4433")
        async with asyncio.timeout(60):
            assert (await client.wait_closed()).code == "server_stopping"
        await asyncio.sleep(10)
        assert client._live.link.pings == 0  # type: ignore[attr-defined]
        await client.close()

    tell(story)


def test_closing_that_is_cancelled_still_says_goodbye() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(Leave))
        client = await stage.connect()
        await client.join(SPACE)
        closing = asyncio.ensure_future(client.close())
        await asyncio.sleep(0.5)
        closing.cancel()
        await asyncio.sleep(0.5)
        assert closing.cancelled()
        assert stage.session.closed == Closed(0, "", by_peer=True)

    tell(story)
