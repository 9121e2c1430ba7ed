"""A receiver of webhooks on loopback: answers as it is told, and keeps what came."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from signaling.http import verify

SECRET = "a secret of the tests, long enough"  # noqa: S105 - of the tests

OK, FAILS, CLOSES, HANGS, DRIPS, MOVED = "ok", "fails", "closes", "hangs", "drips", "moved"
_ANSWERS = {
    OK: b"HTTP/1.1 204 No Content\r\n\r\n",
    FAILS: b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
}


@dataclass
class Got:
    """One webhook that came, and how it was answered."""

    headers: dict[str, str]
    body: bytes
    answer: str

    @property
    def event_id(self) -> str:
        return self.headers["spaces-id"]

    @property
    def told(self) -> dict[str, Any]:
        """The happening; checked as a receiver has to."""
        assert verify(SECRET, self.headers, self.body) == self.event_id
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """`answers` are used up one by one, then `otherwise`. With `judge` the body decides."""

    answers: deque[str] = field(default_factory=deque)
    otherwise: str = OK
    judge: Callable[[dict[str, Any]], str] | None = None
    got: list[Got] = field(default_factory=list)
    elsewhere: str = ""
    port: int = 0
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hidden-path"

    @property
    def taken(self) -> list[Got]:
        """What was answered with 2xx."""
        return [each for each in self.got if each.answer == OK]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what comes to make it so."""
        async with asyncio.timeout(20), self._came:
            await self._came.wait_for(condition)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert head[0].startswith("POST /")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await reader.readexactly(int(headers["content-length"]))
        answer = self.answers.popleft() if self.answers else self.otherwise
        if self.judge is not None:
            answer = self.judge(json.loads(body))
        async with self._came:
            self.got.append(Got(headers, body, answer))
            self._came.notify_all()
        return await self._answer(answer, reader, writer)

    async def _answer(self, answer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if answer == CLOSES:
            return False
        if answer == HANGS:
            await reader.read()  # until they give up
            return False
        if answer == DRIPS:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            await reader.read()
            return False
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {self.elsewhere}\r\nContent-Length: 0\r\n\r\n"
        writer.write(_ANSWERS.get(answer, moved.encode()))
        await writer.drain()
        return True


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None, **how: Any) -> AsyncIterator[Receiver]:
    """A receiver that listens on a free port."""
    receiver = Receiver(**how)
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await receiver.handle(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over; the stream's own task has nobody who would hear of it
        finally:
            connections.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", receiver.port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
