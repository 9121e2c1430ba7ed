"""A whole server: starting, what keeps it from starting, its key, its figures, and stopping."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signaling import tokens
from signaling.config import AuthConfig, ConfigError, ListenConfig, ServerConfig, StoreConfig, TlsConfig
from signaling.quic.endpoint import Listener
from signaling.quic.errors import CertificateError, ListenError
from signaling.server import Server, signing_key
from signaling.store import StoreError
from tests.virtual.loop import VirtualLoop, run
from tests.virtual.network import Network


def development(folder: Path, port: int = 0) -> ServerConfig:
    return ServerConfig(
        listen=ListenConfig(port=port), auth=AuthConfig(development=True), store=StoreConfig(data_dir=folder)
    )


@contextlib.asynccontextmanager
async def running(config: ServerConfig) -> AsyncIterator[Server]:
    server = Server(config)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def test_it_starts_ticks_and_stops_on_a_real_socket(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(development(tmp_path / "data")) as server:
            assert server.address[0] == "127.0.0.1"
            assert server.address[1] > 0
            assert server.fingerprint.startswith("sha256:")
            await asyncio.sleep(0.2)
            statistics = server.statistics()
            assert statistics["ticker_ticks"] >= 1
            assert statistics["now_connections"] == statistics["now_spaces"] == 0
            await server.stop()
            await server.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_it_runs_in_virtual_time_on_a_virtual_network(tmp_path: Path) -> None:
    async def story() -> dict[str, int | float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        network = Network()

        async def bind(listener: Listener) -> None:
            await network.open(lambda: listener, local=("10.0.0.1", 4433))

        server = Server(development(tmp_path), clock=loop.time, bind=bind)
        loop.external_busy = lambda: server.store.in_progress > 0
        await server.start()
        assert server.address[:2] == ("10.0.0.1", 4433)
        await asyncio.sleep(10)
        await server.stop()
        return server.statistics()

    statistics = run(story())
    assert statistics["ticker_ticks"] in (500, 501)
    assert statistics["ticker_skipped"] == statistics["ticker_late"] == 0


def test_the_signing_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    config = development(tmp_path / "data")
    key = signing_key(config)
    assert key is not None
    file = tmp_path / "data" / "signing-key.pem"
    assert file.stat().st_mode & 0o777 == 0o600
    again = signing_key(config)
    assert again is not None
    assert tokens.key_id(again.public_key()) == tokens.key_id(key.public_key())


def test_no_signing_key_is_made_in_production(tmp_path: Path) -> None:
    production = dataclasses.replace(
        development(tmp_path),
        tls=TlsConfig(tmp_path / "c.pem", tmp_path / "k.pem"),
        auth=AuthConfig(signing_key=tmp_path / "s.pem"),
    )
    with pytest.raises(ConfigError) as caught:
        signing_key(production)
    assert caught.value.code == "key_unreadable"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "s.pem").write_bytes(tokens.private_key_pem(tokens.new_private_key()))

    async def story() -> None:
        with pytest.raises(CertificateError) as caught:
            await Server(production).start()
        assert caught.value.code == "certificate_missing"

    asyncio.run(story())


def test_a_port_in_use_is_named_and_nothing_stays_open(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(development(tmp_path / "one")) as first:
            second = development(tmp_path / "two", first.address[1])
            with pytest.raises(ListenError) as caught:
                await Server(second).start()
            assert caught.value.code == "port_in_use"
            assert str(first.address[1]) in str(caught.value)
            async with running(dataclasses.replace(second, listen=ListenConfig(port=0))):
                pass  # the store of the failed start is free again

    asyncio.run(story())


def test_two_servers_do_not_share_a_data_directory(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(development(tmp_path)):
            with pytest.raises(StoreError) as caught:
                await Server(development(tmp_path)).start()
            assert caught.value.code == "store_locked"

    asyncio.run(story())


def test_a_server_that_does_not_run_says_so(tmp_path: Path) -> None:
    server = Server(development(tmp_path))
    for ask in (lambda: server.address, lambda: server.fingerprint, server.statistics):
        with pytest.raises(RuntimeError, match="start"):
            ask()
    asyncio.run(server.stop())  # nothing to stop
