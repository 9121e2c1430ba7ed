"""A process of the load: `python -m signaling.load.worker`, told by JSON lines what to do. See `far`."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from signaling.load.crowd import Crowd
from signaling.load.errors import LoadError
from signaling.load.near import Hands, NearCrowd
from signaling.load.plan import LoadPlan
from signaling.load.speech import Track

__all__ = ["begin_far", "main", "setting_of", "token_from"]

_LINE_BYTES: Final = 64 * 1024 * 1024  # the sound is in one of them, and the tokens

Tokens = list[str] | None
"""One for each person, by number; None for a server that asks for none."""


def token_from(tokens: Tokens, first: int) -> Callable[[int], str]:
    """The token of a person, by number. LoadError(too_few_tokens)."""

    def token(number: int) -> str:
        if tokens is None:
            return ""
        if number - first >= len(tokens):
            raise LoadError(
                "too_few_tokens",
                f"{len(tokens)} tokens are given and one more person comes; each needs one: give more",
            )
        return tokens[number - first]

    return token


def setting_of(plan: LoadPlan, track: Track | None, tokens: Tokens) -> dict[str, Any]:
    """What a worker needs to know, as plain values."""
    return {
        "plan": plan.to_json(),
        "packets": [base64.b64encode(packet).decode() for packet in track.packets] if track else [],
        "levels": list(track.levels) if track else [],
        "tokens": tokens,
    }


def begin_far(setting: dict[str, Any]) -> NearCrowd:
    """The crowd that `setting_of` tells of."""
    plan = LoadPlan.from_json(setting["plan"])
    track = None
    if setting["packets"]:
        packets = tuple(base64.b64decode(packet) for packet in setting["packets"])
        track = Track(packets, tuple(setting["levels"]))
    return NearCrowd(Crowd(plan, track, token_from(setting["tokens"], plan.first_number)))


class _Worker:
    def __init__(self) -> None:
        self._hands: Hands | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Until the end of the input."""
        while line := await reader.readline():
            task = asyncio.create_task(self._carry_out(json.loads(line)))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        for task in self._under_way:
            task.cancel()
        if self._hands is not None:
            await self._hands.quit()

    async def _carry_out(self, command: dict[str, Any]) -> None:
        number = command.pop("number")
        try:
            answer: dict[str, Any] = {"answer": await self._do(**command)}
        except LoadError as error:
            answer = {"error": str(error), "code": error.code}
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
            answer = {"error": f"{type(error).__name__}: {error}", "code": "worker_failed"}
        sys.stdout.write(json.dumps({"number": number, **answer}) + "\n")
        sys.stdout.flush()

    async def _do(self, do: str, **fields: Any) -> Any:
        if do == "begin":
            self._hands = begin_far(fields["setting"])
            return None
        if self._hands is None:
            raise LoadError("worker_failed", f"{do} was asked for before the worker began")
        actions: dict[str, Callable[..., Awaitable[Any]]] = {
            "open": self._hands.open,
            "stage": self._hands.stage,
            "join": self._hands.join,
            "say": self._hands.say,
            "mark": self._hands.mark,
            "totals": self._hands.totals,
            "stats": self._hands.stats,
            "addresses": self._hands.addresses,
        }
        return await actions[do](**fields)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(0, "rb", 0))
    await _Worker().run(reader)


def main(run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run) -> None:
    """Serve standard input."""
    run(_serve())


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:  # not there on every system
        main()
    else:
        main(uvloop.run)
