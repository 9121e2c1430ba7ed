"""A server on its plane: which one it takes, and that its thread is gone before what it uses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from signaling.config import AuthConfig, ListenConfig, MediaConfig, ServerConfig, StoreConfig
from signaling.media.native import NativeRooms
from signaling.quic.errors import ListenError
from signaling.server import Server
from tests.virtual.loop import run
from tests.virtual.network import Network

ROOT = Path(__file__).parents[2]


def config(folder: Path, plane: str = "native", port: int = 0) -> ServerConfig:
    return ServerConfig(
        listen=ListenConfig(port=port),
        auth=AuthConfig(development=True),
        store=StoreConfig(data_dir=folder),
        media=MediaConfig(plane=plane),  # type: ignore[arg-type]
    )


def has_thread(server: Server) -> bool:
    """Whether a media thread runs."""
    threaded = server._listening and server._listening.threaded
    return threaded is not None and threaded.is_running


def test_native_is_the_default_and_runs_in_a_thread(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server(config(tmp_path))
        await server.start()
        assert (server.plane, server.plane_note, has_thread(server)) == ("native", "", True)
        await asyncio.sleep(0.2)
        statistics = server.statistics()
        assert statistics["ticker_ticks"] + statistics["ticker_skipped"] >= 5
        assert statistics["media_late_us_p50"] <= statistics["media_late_us_p99"]
        await server.stop()
        assert not has_thread(server)

    asyncio.run(story())


def test_aioquic_runs_without_a_thread_and_has_the_same_statistics(tmp_path: Path) -> None:
    async def names(plane: str) -> set[str]:
        server = Server(config(tmp_path / plane, plane))
        await server.start()
        assert (server.plane, has_thread(server)) == (plane, plane == "native")
        await server.stop()
        return set(server.statistics())

    assert asyncio.run(names("aioquic")) == asyncio.run(names("native"))


def test_on_a_network_that_is_given_the_loop_does_the_ticks(tmp_path: Path) -> None:
    async def story() -> None:
        loop, network = asyncio.get_running_loop(), Network()

        async def bind(protocol: asyncio.DatagramProtocol) -> None:
            await network.open(lambda: protocol, local=("10.0.0.1", 4433))

        server = Server(config(tmp_path), clock=loop.time, bind=bind)
        loop.external_busy = lambda: server.store.in_progress > 0  # type: ignore[attr-defined]
        await server.start()
        assert (server.plane, has_thread(server)) == ("native", False)
        await asyncio.sleep(10)
        await server.stop()
        statistics = server.statistics()
        assert statistics["ticker_ticks"] in (500, 501)
        assert statistics["ticker_skipped"] == statistics["ticker_late"] == 0

    run(story())


def test_a_start_that_fails_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        first = Server(config(tmp_path / "one"))
        await first.start()
        second = Server(config(tmp_path / "two", port=first.address[1]))
        with pytest.raises(ListenError):
            await second.start()
        assert (has_thread(first), has_thread(second)) == (True, False)
        await first.stop()

        def fail(rooms: NativeRooms, now_us: int) -> None:
            assert has_thread(third)
            raise RuntimeError("after the thread has begun")

        monkeypatch.setattr(NativeRooms, "begin", fail)
        third = Server(config(tmp_path / "two"))
        with pytest.raises(RuntimeError, match="has begun"):
            await third.start()
        assert not has_thread(third)

    asyncio.run(story())


def test_a_stop_that_is_cancelled_leaves_no_thread(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server(config(tmp_path))
        await server.start()
        forever = asyncio.get_running_loop().create_future()
        server._spawn(wait(forever))
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0.05)
        assert has_thread(server)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert not has_thread(server)
        forever.cancel()

    async def wait(forever: asyncio.Future[None]) -> None:
        await forever

    asyncio.run(story())


def test_a_thread_that_has_ended_does_not_hinder_the_stop(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server(config(tmp_path))
        await server.start()
        assert server._listening is not None
        assert server._listening.threaded is not None
        server._listening.threaded.stop()
        server._listening.threaded.stop()
        assert not has_thread(server)
        await server.stop()

    asyncio.run(story())


def test_without_libcrypto_the_server_runs_on_aioquic_and_says_so(
    tmp_path: Path,
) -> None:
    done = serve(tmp_path, {"SPACECORE_LIBCRYPTO": str(tmp_path / "none.so")})
    first = json.loads(done.stdout.splitlines()[0])
    assert (first["event"], first["plane"]) == ("listening", "aioquic")
    assert "SPACECORE_LIBCRYPTO" in first["plane_note"]
    warnings = [line for line in done.stderr.splitlines() if "[warning" in line]
    assert len(warnings) == 1
    assert first["plane_note"] in warnings[0]
    assert done.returncode == 0


def test_serve_tells_the_plane_and_statistics_at_fixed_times(tmp_path: Path) -> None:
    done = serve(tmp_path, {}, "--stats-every", "0.1", stop_after="statistics")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["plane"] == "native"
    told = [line for line in lines if line["event"] == "statistics"]
    assert told[0]["statistics"].keys() == lines[-1]["statistics"].keys()
    assert [line["event"] for line in lines[-2:]] == ["stopping", "stopped"]
    assert done.returncode == 0, done.stderr


PROGRAM = """
import asyncio, sys
from pathlib import Path
from signaling.config import AuthConfig, ListenConfig, ServerConfig, StoreConfig
from signaling.server import Server

async def main():
    listen, auth = ListenConfig(port=0), AuthConfig(development=True)
    server = Server(ServerConfig(listen=listen, auth=auth, store=StoreConfig(data_dir=Path(sys.argv[1]))))
    await server.start()
    await asyncio.sleep(0.1)
    assert server.plane == "native"
    if sys.argv[2] == "kept":
        globals()["server"] = server
    if sys.argv[2] == "raise":
        raise SystemExit(0)

{runner}(main())
"""


@pytest.mark.parametrize("runner", ["asyncio.run", "import uvloop; uvloop.run"])
@pytest.mark.parametrize("way", ["dropped", "kept", "raise"])
def test_the_interpreter_ends_well_with_a_server_that_runs(tmp_path: Path, way: str, runner: str) -> None:
    program = PROGRAM.replace("{runner}", runner)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), way],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def serve(
    folder: Path, environment: dict[str, str], *options: str, stop_after: str = "listening"
) -> subprocess.CompletedProcess[str]:
    """Run `spaces serve --json` until it has told of this happening; what it said."""
    command = [sys.executable, "-m", "signaling.cli", "serve", "--dev", "--json", "--port", "0"]
    server = subprocess.Popen(
        [*command, "--data-dir", str(folder / "data"), *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if json.loads(line)["event"] == stop_after:
            break
    server.send_signal(signal.SIGTERM)
    out, errors = server.communicate(timeout=30)
    return subprocess.CompletedProcess(command, server.returncode, "".join(said) + out, errors)
