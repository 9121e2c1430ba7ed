"""A server for the tests of the client that does as it is told: real QUIC in a virtual network."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from signaling.client import Client, Space, connect
from signaling.protocol import Framer, decode_request, encode
from signaling.protocol import messages as wire
from signaling.protocol.messages import (
    Error,
    Event,
    FromServer,
    Hello,
    Join,
    Joined,
    Ok,
    Open,
    Person,
    Reply,
    Request,
    StageSeat,
    Welcome,
)
from signaling.quic.endpoint import Listener
from signaling.quic.events import Closed
from signaling.quic.handle import LinkHandle
from tests.signaling.quic_pair import certificate
from tests.virtual.loop import run
from tests.virtual.network import Impairment, Network

SPACE = bytes(range(16))
HOST = StageSeat(0, "hana", "Hana", 2, False)
ADA = StageSeat(1, "ada", "Ada", 1, False)

Answer = Reply | bytes | None
Script = Callable[["Session", Request], Answer]
"""What to answer: a reply, raw bytes for the stream, or nothing."""


def joined(number: int, **changes: Any) -> Joined:
    """A Space with its host on stage and us as a listener, at event 10."""
    fields: dict[str, Any] = {
        "space": SPACE,
        "title": "Tea & trains",
        "role": 0,
        "seat": None,
        "serial": 10,
        "stage": [HOST],
        "queue": [],
        "audience": 1,
        "waiting": 0,
    }
    return Joined(number, **(fields | changes))


def usual(session: Session, request: Request) -> Answer:
    """The answers of a friendly server."""
    number = request.id
    if isinstance(request, Hello):
        capabilities = {"bundle": 1, "reports": 1, "keep_alive_ms": 10_000}
        return Welcome(number, "ada", "Ada", 900_000, "", {"stage": 13}, capabilities)
    if isinstance(request, Open):
        return joined(
            number, title=request.title, role=2, seat=0, stage=[StageSeat(0, "ada", "Ada", 2, False)]
        )
    if isinstance(request, Join):
        return joined(number, space=request.space)
    if isinstance(request, wire.Start | wire.Oversee):
        return joined(number, space=request.space, role=2)
    if isinstance(request, wire.Peek):
        return wire.Peeked(number, request.space, wire.SpaceSettings("Tea"), 1, "hana", "Hana", [HOST], 7)
    kind, fields = FOUND.get(type(request), (Ok, ()))
    return kind(number, *fields)


PEOPLE = [Person("ada", "Ada"), Person("hana", "Hana")]
BUBBLE = wire.Bubble(SPACE, "Tea", "hana", "Hana", ["tea"], [Person("hana", "Hana")], 1, 1, 7)
PLANNED = wire.PlannedSpace(SPACE, "Tea", "hana", "Hana", 1_900_000_000_000)
POST = wire.PostRow(7, "bo", "Bo", "Hello", 5)
NOTE = wire.NoteRow(3, "bo", "Bo", "Too loud", 6)
PINNED = wire.PinRow(2, "Read this", "hana", 5)
PROFILE: tuple[Any, ...] = ("hana", "Hana", "hana", 3, 4, 0, True)

HOLD, TICKET_ID = b"h" * 16, b"t" * 16
TERMS = wire.TermsRow(1250, "USD", 2, 100, 37, 5, 6, 3_600_000)
TICKET = wire.TicketRow(TICKET_ID, SPACE, "Tea", 0, 1250, 0, "USD", 5, 3_600_000, 0, 2)
PAYOUT = wire.PayoutRow(b"p" * 16, 6_000, "USD", 2, 1, 5)
SUMS: tuple[Any, ...] = (
    "USD",
    2,
    37,
    46_250,
    417,
    0,
    1_713,
    42_796,
    1_324,
    0,
    0,
    7,
    3_600_000,
    3_600_000,
    3_540_000,
)

FOUND: dict[type[Request], tuple[type[Reply], tuple[Any, ...]]] = {
    wire.ListSpaces: (wire.Spaces, ([],)),
    wire.ListPeople: (wire.People, (PEOPLE,)),
    wire.ListBans: (wire.People, (PEOPLE,)),
    wire.ListFollows: (wire.People, (PEOPLE,)),
    wire.GetProfile: (wire.Profile, PROFILE),
    wire.SetProfile: (wire.Profile, PROFILE),
    wire.Timeline: (wire.Bubbles, ([BUBBLE], True)),
    wire.Schedule: (wire.Planned, (PLANNED,)),
    wire.Reschedule: (wire.Planned, (PLANNED,)),
    wire.ListPlanned: (wire.Plans, ([PLANNED],)),
    wire.Share: (wire.Shared, (f"spaces://10.0.0.1:4433/{SPACE.hex()}",)),
    wire.ListAudit: (wire.Audit, ([wire.AuditRow(1, 5, "hana", "mute", "bo")],)),
    wire.ListTalkers: (wire.Talkers, ([wire.TalkerRow("bo", "Bo", 61_240, 7, True)], 1, 61_240)),
    wire.Post: (wire.Posted, (7,)),
    wire.ListPosts: (wire.Posts, ([POST],)),
    wire.ListNotes: (wire.Notes, ([NOTE],)),
    wire.Create: (wire.Created, (SPACE,)),
    wire.Sell: (wire.SaleTerms, (SPACE, "Tea", "Hana", 9, TERMS)),
    wire.GetTerms: (wire.SaleTerms, (SPACE, "Tea", "Hana", 9, TERMS)),
    wire.Reserve: (wire.Reserved, (HOLD, 300_000, 1250, "USD", 2)),
    wire.Buy: (wire.Bought, (TICKET_ID, 0)),
    wire.ListTickets: (wire.Tickets, ([TICKET],)),
    wire.Refund: (wire.Refunded, (TICKET_ID, 417, 417, "USD", 2)),
    wire.GetStatement: (wire.Statement, (SPACE, "Tea", *SUMS)),
    wire.ListPayouts: (wire.Payouts, ([PAYOUT], None, "USD", 2, 47_796, 42_796, 5_000)),
    wire.PayOut: (wire.Payout, (PAYOUT,)),
    wire.GetPayoutAccount: (wire.PayoutAccount, (1, "https://pay.example/account/5")),
    wire.Wait: (wire.Waiting, (SPACE, 3)),
}
"""What is answered to those who ask, in a world with little in it."""


class Session:
    """The server's end of one connection."""

    def __init__(self, handle: LinkHandle, script: Script) -> None:
        self.handle = handle
        self.script = script
        self.requests: list[Request] = []
        self.audio: list[bytes] = []
        self.closed: Closed | None = None
        self._framer = Framer()

    def on_established(self, now_us: int) -> None:
        pass

    def on_control(self, data: bytes, now_us: int) -> None:
        for body in self._framer.feed(data):
            request = decode_request(body)
            self.requests.append(request)
            answer = self.script(self, request)
            if isinstance(answer, bytes):
                self.handle.send_stream(answer)
            elif answer is not None:
                self.tell(answer)

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        self.audio.append(datagram)

    def on_closed(self, closed: Closed, now_us: int) -> None:
        self.closed = closed

    def tell(self, *messages: FromServer) -> None:
        """Send messages, all in one piece."""
        self.handle.send_stream(b"".join(encode(message) for message in messages))

    def kinds(self) -> list[type[Request]]:
        """The kinds of request that came, in order."""
        return [type(request) for request in self.requests]


class Stage:
    """A virtual network with scripted servers. Use inside a running VirtualLoop."""

    def __init__(self, seed: int = 1, delay_s: float = 0.01) -> None:
        self.loop = asyncio.get_running_loop()
        self.network = Network(seed, Impairment(delay_s=delay_s))
        self.listeners: list[Listener] = []
        self.sockets: list[Any] = []
        self.sessions: list[Session] = []
        self.clients: list[Client] = []

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self.clients:
            await client.close()
        for listener in self.listeners:
            listener.close(0)
        await asyncio.sleep(0.1)

    @property
    def session(self) -> Session:
        """The connection made last."""
        return self.sessions[-1]

    def clock(self) -> int:
        """Virtual microseconds."""
        return round(self.loop.time() * 1_000_000)

    async def serve(self, script: Script = usual, host: str = "10.0.0.1") -> None:
        """Put a server on this host, port 4433."""

        def on_link(handle: LinkHandle) -> Session:
            self.sessions.append(Session(handle, script))
            return self.sessions[-1]

        listener = Listener(certificate(), on_link, clock=self.loop.time)
        self.listeners.append(listener)
        self.sockets.append(await self.network.open(lambda: listener, local=(host, 4433)))

    async def connect(self, host: str = "10.0.0.1", **options: Any) -> Client:
        """A client of the server on this host."""
        options = {"name": "Ada", "token": "secret", "fingerprint": certificate().fingerprint} | options
        client = await connect(
            f"{host}:4433",
            clock=self.clock,
            seed=1,
            open_transport=self.network.opener("10.0.0.9"),
            **options,
        )
        self.clients.append(client)
        return client


async def take(events: Any, count: int) -> list[Event]:
    """The next events of an iterator."""
    return [await anext(events) for _ in range(count)]


def kinds(items: Iterable[object]) -> list[str]:
    """The names of their types."""
    return [type(item).__name__ for item in items]


Story = Callable[[Stage], Coroutine[Any, Any, None]]


def tell(story: Story, *, limit_s: float = 600) -> None:
    """Run a story in virtual time; whatever asyncio complains of fails it."""

    async def main() -> None:
        async with Stage() as stage:
            await story(stage)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []
        gc.collect()  # so that a future nobody asked is told of now

    run(main(), limit_s=limit_s)


def refusing(kind: type[Request], code: int, message: str = "no", retry_after_ms: int = 0) -> Script:
    """A server that is friendly but for one kind of request."""

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, kind):
            return Error(request.id, code, message, retry_after_ms)
        return usual(session, request)

    return script


def silent_on(kind: type[Request]) -> Script:
    """A server that does not answer one kind of request."""
    return lambda session, request: None if isinstance(request, kind) else usual(session, request)


async def room(stage: Stage, **options: Any) -> Space:
    """A Space that was just joined at a friendly server."""
    await stage.serve()
    client = await stage.connect(**options)
    return await client.join(SPACE)


PATIENCE_MS = 120_000
"""How long a server keeps a place whose people come back."""


def keeping(*missed: Event, **fields: Any) -> Script:
    """A server that keeps places for two minutes, and replays these events to who comes back."""

    def script(session: Session, request: Request) -> Answer:
        match request:
            case Hello():
                welcome = usual(session, request)
                assert isinstance(welcome, wire.Welcome)
                return wire.Welcome(
                    request.id, "ada", "Ada", 900_000, "", {}, welcome.capabilities | {"resume": 1}
                )
            case Join():
                return joined(request.id, resume_ms=PATIENCE_MS, **fields)
            case wire.Resume():
                role, seat = fields.get("role", 0), fields.get("seat")
                session.tell(wire.Resumed(request.id, SPACE, request.serial, role, seat), *missed)
                return None
        return usual(session, request)

    return script


def answering_resume(*answers: Callable[[wire.Resume], Answer]) -> Script:
    """The same, with these answers to one Resume after the other; the last one for all that follow."""
    left = list(answers)
    friendly = keeping()

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.Resume):
            return (left.pop(0) if len(left) > 1 else left[0])(request)
        return friendly(session, request)

    return script


def lose(stage: Stage) -> None:
    """The server's machine loses its power: nobody answers, and nobody says goodbye."""
    transport, _ = stage.sockets.pop()
    transport.close()


async def until(is_so: Callable[[], object], limit_s: float = 300) -> None:
    """In virtual time."""
    async with asyncio.timeout(limit_s):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.1)
