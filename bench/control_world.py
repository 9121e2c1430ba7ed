"""A whole control plane in memory: the server's own parts, with a sink in place of each QUIC connection."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.config import AuthConfig, LimitsConfig, ServerConfig, StoreConfig
from signaling.media import PlainRoom
from signaling.pay.sandbox import SandboxProvider
from signaling.protocol import Framer, decode_from_server, encode
from signaling.protocol import messages as wire
from signaling.rules import SpaceState
from signaling.server.actor import SpaceActor
from signaling.server.alarms import Alarms
from signaling.server.announcer import Announcer
from signaling.server.authority import Authority
from signaling.server.counts import Counts
from signaling.server.desk import FrontDesk
from signaling.server.directory import Directory
from signaling.server.events import Bulletin
from signaling.server.hall import Hall
from signaling.server.lists import Lists
from signaling.server.parts import Parts
from signaling.server.people import SqlGraph
from signaling.server.records import StoreRecords
from signaling.server.relations import Relations
from signaling.server.session import Session
from signaling.server.surroundings import Surroundings, rates_of
from signaling.server.talking import Talking
from signaling.server.whereabouts import Whereabouts
from signaling.store import Store
from spacecore import Space

__all__ = ["ControlWorld", "Cost", "Sink", "WrongAnswerError", "messages_in"]

_SECOND_US = 1_000_000
_NS_US = 1_000


class WrongAnswerError(Exception):
    """The server did not do what was asked; then a figure would mean nothing."""


class Cost(NamedTuple):
    """CPU µs of the process: of the whole request without what it told others, and of that the store's."""

    request_us: float
    store_us: float

    def __add__(self, other: object) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(*(one + two for one, two in zip(self, other, strict=True)))


class Meter:
    """CPU that was spent in the store and in telling everybody, since the start."""

    def __init__(self) -> None:
        self.store_ns = 0
        self.push_ns = 0


class MeteredStore(Store):
    """Meters transactions, with the database's thread. **Right only while one thing happens at a time.**"""

    def __init__(self, url: str, meter: Meter) -> None:
        super().__init__(url)
        self._meter = meter

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        began_ns = time.process_time_ns()
        try:
            async with super().transaction() as connection:
                yield connection
        finally:
            self._meter.store_ns += time.process_time_ns() - began_ns


class MeteredHall(Hall):
    """Meters those pushes that told somebody; to find that nothing is due belongs to the request."""

    __slots__ = ("_meter",)

    def __init__(
        self, room: PlainRoom, bulletin: Bulletin, counts: Counts, whereabouts: Whereabouts, meter: Meter
    ) -> None:
        super().__init__(room, bulletin, counts, whereabouts)
        self._meter = meter

    def push(self, now_us: int, state: SpaceState, talking: Talking | None = None) -> int | None:
        told, began_ns = self._counts.events, time.process_time_ns()
        due_us = super().push(now_us, state, talking)
        if self._counts.events != told:
            self._meter.push_ns += time.process_time_ns() - began_ns
        return due_us


def messages_in(chunks: Iterable[bytes]) -> list[Any]:
    """What a client reads in these; a chunk may hold several messages."""
    framer = Framer()
    return [decode_from_server(body) for data in chunks for body in framer.feed(data)]


class Sink:
    """Stands where a connection would; keeps what it is sent."""

    __slots__ = ("answered", "chunks", "closed")
    connection = None
    frames = None

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.answered: asyncio.Future[None] | None = None
        self.closed = ""

    def let_return(self) -> None:
        """There is no gate in front of it."""

    def send_control(self, data: bytes) -> bool:
        self.chunks.append(data)
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(None)
        return True

    def send_audio(self, datagram: bytes) -> bool:
        return True

    def close(self, code: int, reason: str) -> None:
        self.closed = f"{code}: {reason}"


class Caller:
    """Somebody with a connection."""

    __slots__ = ("_world", "ids", "session", "sink", "user")

    def __init__(self, world: ControlWorld, user: str, number: int) -> None:
        self._world = world
        self.user = user
        self.sink = Sink()
        self.ids = itertools.count(1)
        self.session = Session(number, self.sink, world.desk, world.config.limits, world.counts)
        self.session.on_established(world.now_us)

    async def ask(self, kind: type, *fields: Any) -> tuple[Any, Cost]:
        """Make a request and await its answer. WrongAnswerError for an error.

        Timed from the request's bytes to the answer's, with whatever the loop does in between.
        """
        world, sink = self._world, self.sink
        request, since = encode(kind(next(self.ids), *fields)), len(sink.chunks)
        sink.answered = asyncio.get_running_loop().create_future()
        meter = world.meter
        store_ns, push_ns = meter.store_ns, meter.push_ns
        began_ns = time.process_time_ns()
        self.session.on_control(request, world.now_us)
        if not sink.answered.done():
            await sink.answered
        whole_ns = time.process_time_ns() - began_ns
        store_ns, push_ns = meter.store_ns - store_ns, meter.push_ns - push_ns
        sink.answered = None
        answers = [message for message in messages_in(sink.chunks[since:]) if isinstance(message, wire.Reply)]
        if len(answers) != 1 or isinstance(answers[0], wire.Error) or sink.closed:
            raise WrongAnswerError(f"{self.user}: {kind.__name__} was answered {answers} {sink.closed}")
        return answers[0], Cost((whole_ns - push_ns) / _NS_US, store_ns / _NS_US)


class ControlWorld:
    """Sessions, desk, Spaces, rules, encoding, mixer, graph and SQLite store as a server has them.

    Time is virtual and passes in `advance` only. Make it in a running loop; `async with` opens and ends it.
    folder: for the store's file and the key; it is to be thrown away.
    """

    def __init__(self, folder: Path, people: int) -> None:
        self.now_us = time.time_ns() // _NS_US
        self.meter = Meter()
        self.counts = Counts()
        self.config = ServerConfig(
            # Nobody's token may come to its end while we count.
            auth=AuthConfig(development=True, minted_lifetime_s=86_400),
            store=StoreConfig(data_dir=folder),
            limits=LimitsConfig(people=max(people + 1, 100)),
        )
        self.store = MeteredStore(self.config.store.database_url, self.meter)
        self._authority = Authority(self.config, lambda: self.now_us / _SECOND_US)
        self._alarms = Alarms()
        self._numbers: Iterator[int] = itertools.count(1)
        self._whereabouts = Whereabouts(self.counts)
        self._rooms: list[PlainRoom] = []
        self._actors: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.directory = Directory(self.config.limits.spaces)
        announcer = Announcer(self.counts, wall_us=self._clock_us, random_bytes=os.urandom)
        records = StoreRecords(self.store, self._clock_us, announcer)
        relations = Relations(
            SqlGraph(self.store, self.config.people.cached), None, self.config.people, self.counts
        )
        around = Surroundings(
            clock_us=self._clock_us,
            wall_us=self._clock_us,
            alarms=self._alarms,
            records=records,
            lists=Lists(records, self.counts),
            bonds=relations,
            counts=self.counts,
            limits=self.config.limits,
            spawn=self._spawn,
            random_bytes=os.urandom,
            address=lambda: "spaces.example:4433",
            talk=self.config.talk,
            rates=rates_of(self.config.talk),
        )
        parts = Parts(
            self.config,
            self.store,
            self.directory,
            around,
            relations,
            make_hall=self._make_hall,
            announcer=announcer,
            provider=SandboxProvider(),
        )
        self.desk = FrontDesk(
            self._authority,
            self.directory,
            around,
            records,
            parts=parts.table,
            attendants=parts.attendants,
            places=parts.places,
        )

    async def __aenter__(self) -> ControlWorld:
        await self.store.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        for actor in self.directory:
            actor.close("server_stopping")
        await asyncio.gather(*self._actors)
        await self.settle()
        await self.store.close()

    async def known(self, *users: str) -> list[Caller]:
        """People connect and say hello, with tokens as the server mints them."""
        callers = [Caller(self, user, next(self._numbers)) for user in users]
        for caller in callers:
            await caller.ask(wire.Hello, self._authority.mint(caller.user, caller.user))
        await self.settle()  # what they missed is looked up
        return callers

    async def gone(self, caller: Caller) -> None:
        """Their connection is over."""
        caller.session.on_closed(self.now_us)
        await self.settle()

    async def advance(self, us: int) -> None:
        """Let time pass at once: whoever wanted to be called by now is called, and rooms tick."""
        self.now_us += us
        for room in self._rooms:
            room.tick(self.now_us)
        for ring in self._alarms.take_due(self.now_us):
            ring(self.now_us)
        await self.settle()

    async def settle(self) -> None:
        """Wait for everything that is under way."""
        while self._tasks:
            for task in await asyncio.gather(*self._tasks, return_exceptions=True):
                if isinstance(task, BaseException):
                    raise task
        await asyncio.sleep(0)  # an actor's turn
        if self.counts.errors_caught:
            raise WrongAnswerError(f"{self.counts.errors_caught} errors were caught; the log has them")

    def _clock_us(self) -> int:
        return self.now_us

    def _make_hall(self, space: bytes) -> Hall:
        limits = self.config.limits
        bulletin = Bulletin(limits.push_interval_ms * 1_000, limits.audience_messages_per_s)
        room = PlainRoom(space, Space())
        self._rooms.append(room)
        return MeteredHall(room, bulletin, self.counts, self._whereabouts, self.meter)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # An actor lives as long as its Space; everything else comes to its end by itself.
        runs = getattr(work, "__qualname__", "") == SpaceActor.run.__qualname__
        tasks = self._actors if runs else self._tasks
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
