"""Whether people may be sent to a server: not before all parts stand, nor once it is told to stop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from signaling.config import AuthConfig, ListenConfig, ServerConfig, StoreConfig
from signaling.server import Server
from signaling.server.readiness import PARTS, Readiness
from signaling.store import StoreError


def test_it_is_ready_when_all_parts_stand() -> None:
    readiness = Readiness()
    for part in PARTS:
        assert not readiness.ready
        assert part in readiness.why
        readiness.stands(part)
    assert readiness.ready
    assert readiness.why == ""


def test_a_part_that_comes_back_takes_its_reason_away_and_no_other() -> None:
    readiness = Readiness()
    for part in PARTS:
        readiness.stands(part)
    readiness.not_ready("the disk is full", "store")
    readiness.not_ready("the media thread has ended", "media thread")
    assert readiness.why == "the disk is full; the media thread has ended"
    readiness.stands("store")
    assert readiness.why == "the media thread has ended"


def test_what_is_said_of_the_whole_server_is_for_good() -> None:
    readiness = Readiness()
    readiness.not_ready("the server is stopping")
    for part in (*PARTS, ""):
        readiness.stands(part)
    assert not readiness.ready
    assert readiness.why == "the server is stopping"


def config_of(folder: Path) -> ServerConfig:
    return ServerConfig(
        listen=ListenConfig(port=0), auth=AuthConfig(development=True), store=StoreConfig(data_dir=folder)
    )


def test_a_server_is_ready_from_its_start_to_its_stop(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server(config_of(tmp_path))
        assert not server.readiness.ready
        await server.start()
        assert server.readiness.ready
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        assert server.readiness.why == "the server is stopping"
        await stopping
        assert not server.readiness.ready

    asyncio.run(story())


def test_a_server_without_its_store_is_not_ready(tmp_path: Path) -> None:
    async def story() -> None:
        first, second = Server(config_of(tmp_path)), Server(config_of(tmp_path))
        await first.start()
        try:
            with pytest.raises(StoreError, match="in use"):
                await second.start()
            assert "store: not open yet" in second.readiness.why
        finally:
            await first.stop()

    asyncio.run(story())
