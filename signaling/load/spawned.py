"""A server of our own to load: `spaces serve` in a process beside us, with data that is thrown away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from signaling.load.errors import LoadError

__all__ = ["SpawnedServer", "Statistics", "spawned_server"]

_START_S: Final = 20.0
_STOP_S: Final = 15.0
_LINE_BYTES: Final = 1024 * 1024
_SPARE_PEOPLE: Final = 100

Statistics = dict[str, Any]


@dataclass(slots=True)
class SpawnedServer:
    """A server that runs. `latest` is its newest line of statistics, once a second; None before the first."""

    host: str
    port: int
    fingerprint: str
    pid: int
    data_dir: Path
    plane: str
    latest: Statistics | None = None
    history: list[Statistics] = field(default_factory=list)


@contextlib.asynccontextmanager
async def spawned_server(people: int) -> AsyncIterator[SpawnedServer]:
    """Start one that takes so many people; whatever happens, it is gone at the end. LoadError."""
    with tempfile.TemporaryDirectory(prefix="spaces-load-") as folder:
        words = Path(folder) / "stderr"
        with words.open("wb") as errors:
            task = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "signaling.cli", "serve", "--dev", "--json", "--stats-every", "1"),
                *("--host", "127.0.0.1", "--port", "0", "--data-dir", str(Path(folder) / "data")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=_LINE_BYTES,
                env=os.environ | _limits_for(people),
                start_new_session=True,  # Ctrl-C is for us: it ends when all have left
            )
        following: asyncio.Task[None] | None = None
        try:
            server = await _listening(task, words)
            following = asyncio.create_task(_follow(task, server))
            yield server
        finally:
            await _end(task)
            if following is not None:
                await asyncio.gather(following, return_exceptions=True)


def _limits_for(people: int) -> dict[str, str]:
    """A server's own limits shall not be what is measured; what the operator set stays."""
    wanted = str(max(10_000, people + _SPARE_PEOPLE))
    names = (
        "SPACES_LIMITS_CONNECTIONS",
        "SPACES_LIMITS_CONNECTIONS_PER_PREFIX",  # all come from one machine
        "SPACES_LIMITS_HALF_OPEN_PER_PREFIX",
        "SPACES_LIMITS_PEOPLE",
    )
    return {name: wanted for name in names if name not in os.environ}


async def _listening(task: asyncio.subprocess.Process, words: Path) -> SpawnedServer:
    try:
        async with asyncio.timeout(_START_S):
            first = await _line(task)
    except TimeoutError:
        first = None
    if first is None or first["event"] != "listening":
        raise _failed(words)
    return SpawnedServer(
        first["host"],
        first["port"],
        first["fingerprint"],
        first["pid"],
        Path(first["data_dir"]),
        first.get("plane", ""),
    )


def _failed(words: Path) -> LoadError:
    said = words.read_text(errors="replace").strip().splitlines()
    return LoadError(
        "server_failed",
        f"the server did not start within {_START_S:g} s"
        + (f" ({said[-1]})" if said else "")
        + "; run  spaces serve --dev  to see what keeps it from starting",
    )


async def _follow(task: asyncio.subprocess.Process, server: SpawnedServer) -> None:
    while (line := await _line(task)) is not None:
        if line["event"] in ("statistics", "stopped"):
            server.latest = line
            server.history.append(line)


async def _line(task: asyncio.subprocess.Process) -> Statistics | None:
    """The next line, or None at the end of what it says."""
    if task.stdout is None:
        return None
    text = await task.stdout.readline()
    return dict(json.loads(text)) if text else None


async def _end(task: asyncio.subprocess.Process) -> None:
    if task.returncode is None:
        task.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            await task.wait()
    except TimeoutError:
        task.kill()
        await task.wait()
