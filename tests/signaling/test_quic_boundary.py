"""The error boundary: an exception in one connection closes that one, and nobody else notices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from signaling.quic.events import Closed
from signaling.quic.handle import LinkHandle
from tests.signaling.quic_pair import KINDS, House, Recorder, carry
from tests.virtual.loop import run


@pytest.fixture(scope="module", autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    carry(request.param)
    yield request.param
    carry("aioquic")


Story = Callable[[], Coroutine[Any, Any, None]]


def tell(story: Story) -> None:
    run(story(), limit_s=600)


def test_handler_exception_kills_only_its_link(caplog: pytest.LogCaptureFixture) -> None:
    class Fragile(Recorder):
        def on_control(self, data: bytes, now_us: int) -> None:
            super().on_control(data, now_us)
            if b"boom" in data:
                raise RuntimeError("the handler is wrong")

    async def story() -> None:
        async with House(make=lambda handle: Fragile(handle, echo=True)) as house:
            fine = await house.connect("10.0.0.2")
            doomed = await house.connect("10.0.0.3")
            for _ in range(3):
                fine.handle.send_stream(b"x")
                doomed.handle.send_stream(b"boom")
                await asyncio.sleep(1)
            assert doomed.closed == Closed(0xA, "internal error", by_peer=True)
            assert fine.closed is None
            assert fine.control == b"xxx"
            failed = house.sessions[1]
            assert failed.closed == Closed(0xA, "internal error", by_peer=False)
            assert failed.closed_calls == 1
            assert house.listener.stats.handler_errors == 1
            assert house.listener.links == 1

    with caplog.at_level(logging.ERROR):
        tell(story)
    assert [record.message for record in caplog.records] == ["closing connection 2 after an error (1 so far)"]


@pytest.mark.parametrize("where", ["on_link", "on_established", "on_audio", "on_closed"])
def test_exceptions_are_caught_wherever_they_come_from(where: str, caplog: pytest.LogCaptureFixture) -> None:
    class Fragile(Recorder):
        def __init__(self, handle: LinkHandle) -> None:
            super().__init__(handle)
            if where == "on_link":
                raise RuntimeError(where)

        def on_established(self, now_us: int) -> None:
            super().on_established(now_us)
            if where == "on_established":
                raise RuntimeError(where)

        def on_audio(self, datagram: bytes, now_us: int) -> None:
            if where == "on_audio":
                raise RuntimeError(where)

        def on_closed(self, closed: Closed, now_us: int) -> None:
            super().on_closed(closed, now_us)
            if where == "on_closed":
                raise RuntimeError(where)

    async def story() -> None:
        async with House(make=Fragile) as house:
            client = await house.connect()
            client.handle.send_audio(b"x")
            await asyncio.sleep(0.2)
            client.handle.close(0)
            await asyncio.sleep(5)
            assert house.listener.stats.handler_errors == 1
            assert house.listener.links == 0
            if where not in ("on_closed", "on_link"):
                assert client.closed == Closed(0xA, "internal error", by_peer=True)

    with caplog.at_level(logging.CRITICAL):
        tell(story)


def test_a_link_that_is_itself_broken_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    def broken(now: float) -> None:
        raise RuntimeError("as a fault inside aioquic would")

    async def story() -> None:
        async with House() as house:
            await house.connect("10.0.0.2")
            fine = await house.connect("10.0.0.3")
            await asyncio.sleep(1)
            session = house.sessions[0]
            session.handle._link._quic.datagrams_to_send = broken
            session.handle.ping()
            await asyncio.sleep(1)
            assert house.listener.stats.handler_errors == 2  # once in sending, once in saying goodbye
            assert house.listener.links == 1
            assert session.closed == Closed(0xA, "internal error", by_peer=False)
            assert session.closed_calls == 1
            fine.handle.send_stream(b"still here")
            await asyncio.sleep(1)
            assert fine.control == b"still here"

    with caplog.at_level(logging.CRITICAL):
        tell(story)


def test_errors_are_logged_at_most_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Recorder):
        def on_audio(self, datagram: bytes, now_us: int) -> None:
            raise RuntimeError("always")

    async def story() -> None:
        async with House(make=Broken) as house:
            clients = [await house.connect(f"10.0.1.{number}") for number in range(10)]
            for client in clients:
                client.handle.send_audio(b"x")
            await asyncio.sleep(3)
            assert house.listener.stats.handler_errors == 10

    with caplog.at_level(logging.ERROR):
        tell(story)
    assert len(caplog.records) == 1
