"""The demo's server: `spaces serve` in a process of its own, on loopback, with data that is thrown away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from signaling.cli.failures import Failure

__all__ = ["RealServer", "running_server"]

_START_S: Final = 20.0
_STOP_S: Final = 10.0
_STATUS_REMEDY: Final = "run  spaces serve --dev  to see what keeps it from starting"


@dataclass(slots=True)
class RealServer:
    """A server that runs. After `stop` its counters are here."""

    address: str
    fingerprint: str
    started_cpu_s: float
    stopped_cpu_s: float = 0.0
    statistics: dict[str, float] = field(default_factory=dict)
    _task: asyncio.subprocess.Process | None = None

    @property
    def cpu_s(self) -> float:
        """CPU time of the whole process from listening to its end."""
        return self.stopped_cpu_s - self.started_cpu_s

    async def stop(self) -> None:
        """Tell it to stop and take its last words. Failure: server_failed."""
        if self._task is None:
            return
        if self._task.returncode is None:
            self._task.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                last = await _line(self._task, "stopped")
                status = await self._task.wait()
        except TimeoutError:
            last, status = None, -1
        if last is None or status != 0:
            raise Failure("server_failed", f"the server did not stop as it should (status {status})")
        self.statistics = last["statistics"]
        self.stopped_cpu_s = last["cpu_s"]


@contextlib.asynccontextmanager
async def running_server() -> AsyncIterator[RealServer]:
    """Start one; whatever happens, it is gone at the end. Failure: server_failed."""
    with tempfile.TemporaryDirectory(prefix="spaces-demo-") as folder:
        words = Path(folder) / "stderr"
        with words.open("wb") as errors:
            task = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "signaling.cli", "serve", "--dev", "--json"),
                *("--host", "127.0.0.1", "--port", "0", "--data-dir", str(Path(folder) / "data")),
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us: we end it when all have left
            )
        try:
            try:
                async with asyncio.timeout(_START_S):
                    first = await _line(task, "listening")
            except TimeoutError:
                first = None
            if first is None:
                said = words.read_text(errors="replace").strip().splitlines()
                raise Failure(
                    "server_failed",
                    f"the server did not start within {_START_S:g} s" + (f" ({said[-1]})" if said else ""),
                    _STATUS_REMEDY,
                )
            yield RealServer(first["address"], first["fingerprint"], first["cpu_s"], _task=task)
        finally:
            if task.returncode is None:
                task.kill()
                await task.wait()


async def _line(task: asyncio.subprocess.Process, event: str) -> dict[str, Any] | None:
    """The next line of this kind, or None at the end of what it says."""
    if task.stdout is None:
        return None
    while text := await task.stdout.readline():
        line: dict[str, Any] = json.loads(text)
        if line["event"] == event:
            return line
    return None
