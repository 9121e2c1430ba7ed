"""A crowd of another process, so that more cores take part: commands and answers as JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from typing import Any, Final, Self

from signaling.load.errors import LoadError

__all__ = ["FarCrowd"]

_LINE_BYTES: Final = 64 * 1024 * 1024  # of an answer: statistics name every join
_STOP_S: Final = 10.0


class FarCrowd:
    """`python -m signaling.load.worker`. Commands may be under way at once; an answer repeats its number."""

    def __init__(self, task: asyncio.subprocess.Process) -> None:
        self._task = task
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, setting: dict[str, Any]) -> Self:
        """Start a worker; `setting` is what it needs to make its crowd. LoadError."""
        task = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signaling.load.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is for the conductor, who lets the people leave
        )
        made = cls(task)
        try:
            await made._ask("begin", setting=setting)
        except BaseException:
            await made.quit()
            raise
        return made

    async def open(self) -> str:
        """As a near one."""
        return str(await self._ask("open"))

    async def stage(self, space: str, n: int) -> None:
        """As a near one."""
        await self._ask("stage", space=space, n=n)

    async def join(self, space: str, n: int, rate: float) -> None:
        """As a near one."""
        await self._ask("join", space=space, n=n, rate=rate)

    async def say(self, talking: bool) -> None:
        """As a near one."""
        await self._ask("say", talking=talking)

    async def mark(self) -> None:
        """As a near one."""
        await self._ask("mark")

    async def totals(self) -> dict[str, float]:
        """As a near one."""
        return dict(await self._ask("totals"))

    async def stats(self) -> dict[str, Any]:
        """As a near one."""
        return dict(await self._ask("stats"))

    async def addresses(self) -> list[str]:
        """As a near one."""
        return list(await self._ask("addresses"))

    async def quit(self) -> None:
        """The end of its input is the sign; who does not go in time is ended."""
        if self._task.stdin is not None:
            with contextlib.suppress(OSError):
                self._task.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._task.wait()
        except TimeoutError:
            self._task.kill()
            await self._task.wait()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _ask(self, command: str, **fields: Any) -> Any:
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        line = json.dumps({"do": command, "number": number, **fields}) + "\n"
        try:
            if self._task.stdin is None or self._reading.done():
                raise _gone()
            self._task.stdin.write(line.encode())
            await self._task.stdin.drain()
            return await answer
        except OSError as error:
            raise _gone() from error
        finally:
            self._waiting.pop(number, None)

    async def _read(self) -> None:
        try:
            while self._task.stdout is not None and (line := await self._task.stdout.readline()):
                self._on_answer(json.loads(line))
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_gone())

    def _on_answer(self, answer: dict[str, Any]) -> None:
        waiting = self._waiting.get(answer["number"])
        if waiting is None or waiting.done():
            return
        if "error" in answer:
            waiting.set_exception(LoadError(answer["code"], answer["error"]))
        else:
            waiting.set_result(answer["answer"])


def _gone() -> LoadError:
    return LoadError(
        "worker_failed",
        "a process of the load ended before its time; what it said stands above, or fewer --processes help",
    )
