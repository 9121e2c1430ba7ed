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
from tests.foreign.wire import ErrorCode

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
async def server_at(tmp_path: Path) -> AsyncGenerator[Server, None]:
    """A development server on a free port of loopback."""
    server = Server(
        ServerConfig(
            listen=ListenConfig(port=0),
            auth=AuthConfig(development=True),
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
