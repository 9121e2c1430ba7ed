"""A server without network, store and engine: sessions, Spaces and desk are real, the rest is fake."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from signaling.config import AuthConfig, LimitsConfig, PeopleConfig, ServerConfig, TalkConfig
from signaling.media import PlainRoom
from signaling.pay.sandbox import SandboxProvider
from signaling.protocol import Framer, decode_from_server, encode
from signaling.protocol import messages as wire
from signaling.rules.delivery import Frames
from signaling.server.alarms import Alarms
from signaling.server.announcer import Announcer
from signaling.server.counts import Counts
from signaling.server.desk import FrontDesk
from signaling.server.directory import Directory
from signaling.server.events import Bulletin
from signaling.server.hall import Hall
from signaling.server.lists import Lists
from signaling.server.parts import Parts
from signaling.server.relations import Relations
from signaling.server.session import Session
from signaling.server.surroundings import Surroundings, rates_of
from signaling.server.whereabouts import Whereabouts
from signaling.store import Store
from tests.signaling.memory_graph import MemoryGraph
from tests.signaling.server_fakes import FakeAuthority, FakeBonds, FakeEngine, FakeRecords

TICK_US = 20_000
WALL_US = 1_700_000_000_000_000
"""The world's time begins so long after the epoch."""


class FakePeer:
    """Keeps what a session sends."""

    connection = None

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.audio: list[bytes] = []
        self.network = "good"  # or "lossy": all sound is lost; "dead": nothing is heard from there any more
        self.frames: Frames | None = Frames()
        self.closed: tuple[int, str] | None = None
        self.may_return = False
        self._framer = Framer()

    def let_return(self) -> None:
        self.may_return = True

    def send_control(self, data: bytes) -> bool:
        assert self.closed is None, "sent after the close"
        self.got += [decode_from_server(body) for body in self._framer.feed(data)]
        return True

    def send_audio(self, datagram: bytes) -> bool:
        self.audio.append(datagram)
        if self.frames is not None:
            sent, acked, lost = self.frames
            self.frames = Frames(sent + 1, acked + (self.network == "good"), lost + (self.network == "lossy"))
        return self.closed is None

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = (code, reason)

    def take(self, kind: type | None = None) -> list[Any]:
        """What came since the last call, of one kind only if named; the rest is kept."""
        taken = [message for message in self.got if kind is None or isinstance(message, kind)]
        self.got = [message for message in self.got if message not in taken]
        return taken


class Caller:
    """Somebody with a connection."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.peer = FakePeer()
        self.session = Session(
            number, self.peer, world.desk, world.limits, world.counts, address=f"192.0.2.{number % 250}"
        )
        self.session.on_established(world.now_us)
        self._ids = 0

    def send(self, kind: type, *fields: Any) -> int:
        """Send one request; returns its id."""
        self._ids += 1
        self.session.on_control(encode(kind(self._ids, *fields)), self.world.now_us)
        return self._ids

    async def ask(self, kind: type, *fields: Any) -> Any:
        """Send one request and return its answer; ticks pass while there is none."""
        number = self.send(kind, *fields)
        for _ in range(4):
            await self.world.settle()
            for message in self.peer.got:
                if isinstance(message, wire.Reply) and message.id == number:
                    self.peer.got.remove(message)
                    return message
            self.world.tick()
        raise AssertionError(f"no answer to {kind.__name__}; got {self.peer.got}")

    async def hang_up(self) -> None:
        self.session.on_closed(self.world.now_us)
        await self.world.settle()

    def speak(self, datagram: bytes = b"\x00\x01" + bytes(20)) -> None:
        self.session.on_audio(datagram, self.world.now_us)


@dataclass
class World:
    """Everything between the network and the store. Make it inside a running loop."""

    limits: LimitsConfig = field(default_factory=LimitsConfig)
    talk: TalkConfig = field(default_factory=TalkConfig)
    now_us: int = 1_000_000_000

    def __post_init__(self) -> None:
        self.counts = Counts()
        self.alarms = Alarms()
        self.records = FakeRecords()
        self.bonds = FakeBonds()
        self.whereabouts = Whereabouts(self.counts)
        self.directory = Directory(self.limits.spaces)
        self.engines: dict[bytes, FakeEngine] = {}
        self.halls: dict[bytes, Hall] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.fail_seats = False
        self._ids = iter(range(1, 1000))
        self._callers = iter(range(1, 1000))
        around = self.around = Surroundings(
            clock_us=lambda: self.now_us,
            wall_us=lambda: WALL_US + self.now_us,
            alarms=self.alarms,
            records=self.records,
            lists=Lists(self.records, self.counts),
            bonds=self.bonds,
            counts=self.counts,
            limits=self.limits,
            spawn=self._spawn,
            random_bytes=self._random_bytes,
            address=lambda: "spaces.example:4433",
            talk=self.talk,
            rates=rates_of(self.talk),
        )
        self.authority = FakeAuthority()
        self.provider = SandboxProvider(wall_s=lambda: around.wall_us() / 1_000_000)
        self.announcer = Announcer(self.counts, wall_us=around.wall_us, random_bytes=self._random_bytes)
        # The store is never opened: whoever needs it is tested with a real one, in a Town.
        self.parts = Parts(
            ServerConfig(auth=AuthConfig(development=True), limits=self.limits),
            Store("sqlite+aiosqlite://"),
            self.directory,
            around,
            Relations(MemoryGraph(), None, PeopleConfig(), self.counts),
            make_hall=self._make_hall,
            announcer=self.announcer,
            provider=self.provider,
        )
        self.desk = FrontDesk(
            self.authority,
            self.directory,
            around,
            self.records,
            parts=self.parts.table,
            attendants=self.parts.attendants,
            places=self.parts.places,
        )

    def _random_bytes(self, size: int) -> bytes:
        return next(self._ids).to_bytes(size)

    def _make_hall(self, space: bytes) -> Hall:
        engine = self.engines[space] = FakeEngine()
        bulletin = Bulletin(self.limits.push_interval_ms * 1000, self.limits.audience_messages_per_s)
        hall = Hall(PlainRoom(space, engine), bulletin, self.counts, self.whereabouts)
        self.halls[space] = hall
        return hall

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.add(asyncio.ensure_future(work))

    async def settle(self) -> None:
        """Let everything that can go on without time passing go on."""
        for _ in range(30):
            await asyncio.sleep(0)

    def tick(self, ticks: int = 1) -> None:
        """Let 20 ms pass, as often as said."""
        for _ in range(ticks):
            self.now_us += TICK_US
            for hall in self.halls.values():
                if not hall.room.is_closed:
                    hall.room.tick(self.now_us)
            for ring in self.alarms.take_due(self.now_us):
                ring(self.now_us)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            self.tick()
            await self.settle()

    def call(self) -> Caller:
        """Somebody connects."""
        return Caller(self, next(self._callers))

    async def known(self, token: str) -> Caller:
        """Somebody connects and says hello."""
        caller = self.call()
        answer = await caller.ask(wire.Hello, token)
        assert isinstance(answer, wire.Welcome), answer
        return caller

    async def host(self, who: str = "host") -> tuple[Caller, bytes]:
        """Somebody opens a Space."""
        caller = await self.known(who)
        answer = await caller.ask(wire.Open, "Tea")
        assert isinstance(answer, wire.Joined), answer
        return caller, answer.space

    async def listener(self, token: str, space: bytes) -> Caller:
        """Somebody joins a Space."""
        caller = await self.known(token)
        answer = await caller.ask(wire.Join, space)
        assert isinstance(answer, wire.Joined), answer
        return caller

    async def speaker(self, token: str, space: bytes, host: Caller) -> Caller:
        """Somebody joins, asks and is admitted."""
        caller = await self.listener(token, space)
        assert isinstance(await caller.ask(wire.Ask), wire.Ok)
        assert isinstance(await host.ask(wire.Admit, token.partition("/")[0]), wire.Ok)
        return caller

    async def end(self) -> None:
        """Stop what runs; fails if a task failed."""
        for task in self.tasks:
            if not task.done():
                task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
