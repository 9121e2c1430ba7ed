"""`spaces load --control`: commands as JSON lines on standard input, answers on standard output."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any, Final

from signaling.load.conductor import Conductor
from signaling.load.errors import LoadError

__all__ = ["obey"]

_LINE_BYTES: Final = 65_536
_COMMANDS: Final = ("join", "talk", "hush", "mark", "stats", "addresses", "quit")


async def obey(conductor: Conductor) -> None:
    """Carry out one command after the other, until `quit` or the end of the input. See docs/load.md."""
    await conductor.begin()
    plan = conductor.plan
    _tell({"event": "ready", "space": conductor.space, "server": plan.server, "listeners": plan.listeners})
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb", 0)
    )
    try:
        while line := await reader.readline():
            try:
                answer = await _carry_out(conductor, _command(line))
            except LoadError as error:
                _tell({"error": str(error), "code": error.code})
                continue
            _tell(answer)
            if answer["done"] == "quit":
                break
    finally:
        pipe.close()
    await conductor.end_phase()


def _command(line: bytes) -> dict[str, Any]:
    try:
        command = json.loads(line)
    except ValueError as error:
        raise LoadError("bad_command", f"a line that is no JSON: {line[:100]!r}; write one object") from error
    if not isinstance(command, dict) or command.get("do") not in _COMMANDS:
        raise LoadError("bad_command", f"{line[:100]!r} is no command; `do` is one of {', '.join(_COMMANDS)}")
    return command


async def _carry_out(conductor: Conductor, command: dict[str, Any]) -> dict[str, Any]:
    do = command["do"]
    answer: dict[str, Any] = {"done": do}
    if do == "join":
        n, rate = _number(command, "n", 0), _number(command, "rate", 0.0)
        await conductor.join(round(n), rate)
        answer |= await conductor.company.totals()
    elif do in ("talk", "hush"):
        await conductor.say(do == "talk")
    elif do == "mark":
        phase = await conductor.end_phase(str(command.get("name", "")))
        answer["phase"] = phase.to_json()
    elif do == "stats":
        answer["phase"] = (await conductor.measured()).to_json()
    elif do == "addresses":
        answer["addresses"] = await conductor.company.addresses()
    return answer


def _number(command: dict[str, Any], name: str, default: float) -> float:
    value = command.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000_000:
        raise LoadError("bad_command", f"{name} is {value!r}; it is a number from 0 to 1000000")
    return value


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
