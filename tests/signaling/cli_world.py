"""Runs commands of `spaces` against a scripted server, in virtual time: what they send, what they print."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from signaling.cli.commands import app
from signaling.cli.running import Interrupted
from signaling.protocol.messages import Hello, Request
from tests.signaling.scripted_server import Script, Session, Stage, usual
from tests.virtual.loop import run

__all__ = ["SENTENCE", "World", "run_command"]

SENTENCE = re.compile(r"^spaces [\w -]+: .+ \[[a-z_]+\]$")
MODULES = ("live", "timeline", "peek", "people", "schedule", "share", "act", "tickets", "selling")
PAUSE_S = 1.0


def run_command(*arguments: str, columns: int = 140) -> Result:
    """The command with these arguments, in this process."""
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns)})


class World:
    """A scripted server that all commands reach, whatever address they name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, script: Script = usual) -> None:
        self.script = script
        self.addresses: list[str] = []
        self.sessions: list[Session] = []
        self.during: Callable[[Stage], Coroutine[Any, Any, None]] | None = None
        """What happens while a command stays; after it Ctrl-C is pressed."""
        for module in MODULES:
            monkeypatch.setattr(f"signaling.cli.{module}.run_loop", self._run)
        monkeypatch.setattr("signaling.cli.connecting.connect", self._connect)
        monkeypatch.setattr("signaling.cli.connecting.development_fingerprint", lambda data_dir: None)
        self._stage: Stage | None = None

    def spaces(self, *arguments: str, columns: int = 140) -> str:
        """Run a command that succeeds; what it prints."""
        result = run_command(*arguments, columns=columns)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, status: int, code: str, *arguments: str) -> str:
        """Run one that ends with this status and one sentence with this code."""
        result = run_command(*arguments)
        assert result.exit_code == status, result.output
        [line] = result.stderr.strip().splitlines()
        assert SENTENCE.match(line), line
        assert line.endswith(f"[{code}]")
        return line

    def sent(self) -> list[Request]:
        """What the last command asked the server, but for hello, as if each were its first request."""
        requests = self.sessions[-1].requests
        return [
            type(each)(1, *(getattr(each, name) for name in each.__struct_fields__[1:]))
            for each in requests
            if not isinstance(each, Hello)
        ]

    def _run(self, work: Coroutine[Any, Any, int]) -> int:
        async def main() -> int:
            async with Stage() as stage:
                self._stage = stage
                self.sessions = stage.sessions
                await stage.serve(self.script)
                return await self._to_its_end(stage, work)

        return run(main(), limit_s=600)

    async def _to_its_end(self, stage: Stage, work: Coroutine[Any, Any, int]) -> int:
        if self.during is None:
            return await work
        running = asyncio.ensure_future(work)
        await asyncio.sleep(PAUSE_S)
        await self.during(stage)
        await asyncio.sleep(PAUSE_S)
        if running.done():
            return await running
        running.cancel()
        await asyncio.wait([running])
        raise Interrupted

    async def _connect(self, address: str, **options: Any) -> Any:
        assert self._stage is not None
        self.addresses.append(address)
        return await self._stage.connect(**{"token": "secret"} | {"resume": options.get("resume", True)})
