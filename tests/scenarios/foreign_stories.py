"""What stories of the foreign client begin with: a real server on loopback UDP, and both clients in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from signaling.client import Client, Space, connect
from signaling.config import AuthConfig, ListenConfig, MediaConfig, ServerConfig, StoreConfig
from signaling.server import Server
from tests.foreign.client import ForeignClient, RefusedError
from tests.foreign.numbers import ErrorCode
from tests.foreign.room import Room

MUTED, HELD, VOLUME, ABSENT = 4, 5, 6, 7  # of a row of the stage
STORY_S = 60.0
WAIT_S = 10.0

People = tuple[Server, ForeignClient, Client]


def story(tell: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story to its end, or fail when it takes too long."""

    async def within() -> None:
        async with asyncio.timeout(STORY_S):
            await tell()

    asyncio.run(within())


@asynccontextmanager
async def server_at(tmp_path: Path, *services: str) -> AsyncGenerator[Server, None]:
    """A development server on a free port of loopback, to which these subjects are services."""
    server = Server(
        ServerConfig(
            listen=ListenConfig(port=0),
            auth=AuthConfig(development=True, services=services),
            store=StoreConfig(data_dir=tmp_path / "data"),
            media=MediaConfig(complexity=3),
        )
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def foreign_at(server: Server) -> AsyncGenerator[ForeignClient, None]:
    """A foreign client that has not said hello, with the certificate pinned as the server prints it."""
    host, port = server.address[:2]
    async with ForeignClient.connect(host, port, fingerprint=server.fingerprint) as client:
        yield client


@asynccontextmanager
async def ours_at(server: Server, name: str) -> AsyncGenerator[Client, None]:
    """Our client, registered as a user of the development server."""
    host, port = server.address[:2]
    async with await connect(f"{host}:{port}", name=name, fingerprint=server.fingerprint) as client:
        yield client


@asynccontextmanager
async def two_at(tmp_path: Path) -> AsyncGenerator[People, None]:
    """A server, the foreign client as Fran, and ours as Otto."""
    async with server_at(tmp_path) as server, foreign_at(server) as fran, ours_at(server, "Otto") as otto:
        await fran.hello("", "Fran")
        yield server, fran, otto


async def until(space: Space, holds: Callable[[], bool]) -> None:
    """Wait for the event after which it holds of our client's Space."""
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await anext(space.events())


def fran_id(fran: ForeignClient) -> str:
    """The foreign client's user id."""
    assert fran.welcome is not None
    return fran.welcome.user


def refused_code(error: pytest.ExceptionInfo[RefusedError]) -> ErrorCode:
    """What the server refused with."""
    return error.value.code


async def refused(error: ErrorCode, act: object) -> RefusedError:
    """Await what must be refused with this code."""
    with pytest.raises(RefusedError) as caught:
        await act  # type: ignore[misc]
    assert refused_code(caught) is error
    return caught.value


@asynccontextmanager
async def guest_at(server: Server, name: str) -> AsyncGenerator[ForeignClient, None]:
    """Another foreign client, who has said hello as a new user."""
    async with foreign_at(server) as guest:
        await guest.hello("", name)
        yield guest


@asynccontextmanager
async def again_at(server: Server, before: ForeignClient) -> AsyncGenerator[ForeignClient, None]:
    """The same user over a new connection."""
    assert before.welcome is not None
    async with foreign_at(server) as again:
        await again.hello(before.welcome.token)
        yield again


@asynccontextmanager
async def three_at(tmp_path: Path) -> AsyncGenerator[tuple[Server, ForeignClient, ForeignClient], None]:
    """A server, and two foreign clients as Hana and Gus."""
    async with (
        server_at(tmp_path) as server,
        guest_at(server, "Hana") as hana,
        guest_at(server, "Gus") as gus,
    ):
        yield server, hana, gus


async def comes_up(fran: ForeignClient, space: Space) -> Room:
    """The foreign client joins, asks and is let up."""
    room = await fran.join(space.id)
    await fran.ask()
    await space.admit(fran_id(fran))
    await fran.until(lambda: room.seat is not None, WAIT_S)
    return room


def shown(room: Room, fran: ForeignClient, at: int) -> object:
    """What the foreign client's own row of the stage says."""
    row = room.row_of(fran_id(fran))
    return None if row is None else row[at]
