"""An asyncio client of `spaces/1`, written from docs/protocol.md alone over aioquic's asyncio API."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aioquic.asyncio.client import connect as quic_connect

from tests.foreign.link import ClosedError, Link, NotPinnedError, configuration
from tests.foreign.numbers import ErrorCode, Event, Reply, Request
from tests.foreign.opus import Samples
from tests.foreign.room import NUMBERED, Room, Welcome, item
from tests.foreign.tickets import TicketVerbs
from tests.foreign.timeline import Timeline
from tests.foreign.verbs import Verbs
from tests.foreign.voice import Voice
from tests.foreign.wire import Audio, Message, WireError, parse_datagram

LISTENER, SPEAKER, HOST, CO_HOST = 0, 1, 2, 3
ANSWER_S = 5.0
MAX_KEPT_EVENTS = 1000


class RefusedError(Exception):
    """The server answered with `error`; a code that is not known counts as `internal`."""

    def __init__(self, code: int, message: str = "", retry_after_ms: int = 0) -> None:
        self.code = ErrorCode(code) if code in set(ErrorCode) else ErrorCode.INTERNAL
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{self.code.name.lower()}: {message}")


class TicketNeededError(RefusedError):
    """Instead of coming in: the terms of sale, as the fields of `ticket_required` from the Space on."""

    def __init__(self, offer: Message) -> None:
        super().__init__(ErrorCode.TICKET_REQUIRED, f"{offer[1]!r} is for holders of tickets")
        self.offer = offer


class ForeignClient(TicketVerbs, Verbs):
    """One connection. Requests are coroutines; `until` waits for what events bring.

    `room` is the Space it is in. It is kept as `left` when the connection is lost, for another to resume.
    """

    def __init__(self, link: Link) -> None:
        self.welcome: Welcome | None = None
        self.room: Room | None = None
        self.left: Room | None = None
        self.timeline = Timeline()
        self.notices: list[Message] = []
        self.offers: list[Message] = []
        self.tickets: dict[bytes, Message] = {}
        self.closed: ClosedError | None = None
        self.removed: str | None = None
        self.ended: str | None = None
        self.closing: str | None = None
        self.expiring_in_ms: int | None = None
        self.events: list[Message] = []
        self.dropped_datagrams = self.stray_datagrams = self.reports_from_server = 0
        self.link = link
        self.voice = Voice(self._send_audio)
        self._early: list[Message] = []
        self._resuming: Room | None = None
        self._next_id = 1
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._watchers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        link.on_message, link.on_datagram, link.on_closed = self._message, self._datagram, self._over

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, host: str, port: int, *, fingerprint: str | None = None
    ) -> AsyncGenerator[ForeignClient, None]:
        """A connection without `hello`; it is closed with 0x0 at the end."""
        config = configuration(pinned=fingerprint is not None)
        make = partial(Link, fingerprint=fingerprint)
        async with quic_connect(host, port, configuration=config, create_protocol=make) as link:
            if not isinstance(link, Link):
                raise TypeError(f"aioquic made a {type(link)} where a Link was asked for")
            if link.refused is not None:
                raise NotPinnedError(str(link.refused))
            client = cls(link)
            try:
                yield client
            finally:
                await client._stop()

    def vanish(self) -> None:
        """As when the network is gone: nothing leaves and nothing arrives any more, and nobody was told."""
        self.link.vanish()
        self._over(ClosedError(None, "the network is gone"))

    async def _stop(self) -> None:
        self.link.stop_keep_alive()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, predicate: Callable[[], bool], timeout_s: float = ANSWER_S) -> None:
        """Wait until the predicate holds; it is looked at after each thing that arrives."""
        if predicate():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watcher = (predicate, future)
        self._watchers.append(watcher)
        try:
            await asyncio.wait_for(future, timeout_s)
        finally:
            self._watchers.remove(watcher)

    def _notify(self) -> None:
        for predicate, future in self._watchers:
            if not future.done() and predicate():
                future.set_result(None)

    # requests

    async def request(self, number: int, *fields: Any) -> Message:
        """Send a request and wait for its answer, wherever it comes among the events."""
        if self.closed is not None:
            raise self.closed
        id_, self._next_id = self._next_id, self._next_id + 1
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[id_] = future
        try:
            self.link.send([int(number), id_, *fields])
            answer = await asyncio.wait_for(future, ANSWER_S)
        finally:
            del self._answers[id_]
        if answer[0] == Reply.ERROR:
            raise RefusedError(*answer[2:5])
        if answer[0] == Reply.TICKET_REQUIRED:
            raise TicketNeededError(answer[2:])
        return answer

    async def hello(self, token: str, name: str = "") -> Welcome:
        """Say who I am; then the loudspeaker, the PINGs and the reports begin."""
        can = {"bundle": 3, "bundle_delay_ms": 40, "redundancy": 2, "reports": 1}
        answer = await self.request(Request.HELLO, token, "foreign/1", name, can)
        self.welcome = Welcome(*answer[2:8])
        server = self.welcome.capabilities
        self.link.keep_alive(server.get("keep_alive_ms", 10_000))
        self.voice.uplink.redundancy = min(1, server.get("redundancy", 0))
        self._start(self.voice.hear(self._notify))
        if server.get("reports", 0):
            self._start(self._report())
        return self.welcome

    async def subscribe(self) -> Timeline:
        """The bubbles, and every change of them from now on."""
        await self.request(Request.TIMELINE, True)
        return self.timeline

    async def open(self, title: str, topics: list[str] | None = None) -> Room:
        """Open a Space and host it."""
        self._early = []
        await self.request(Request.OPEN, title, topics or [])
        return self._in_room()

    async def start(self, space: bytes) -> Room:
        """Begin a scheduled Space of mine."""
        self._early = []
        await self.request(Request.START, space)
        return self._in_room()

    async def join(self, space: bytes, secret: bytes = b"") -> Room:
        """Enter a Space as a listener, or get a fresh snapshot of the one I am in."""
        self._early = []
        self._here(await self.request(Request.JOIN, space, secret))
        return self._in_room()

    async def oversee(self, space: bytes) -> Room:
        """For a service: act on a Space from here on."""
        self._early = []
        await self.request(Request.OVERSEE, space)
        return self._in_room()

    async def join_link(self, link: str) -> Room:
        """Enter the Space that a link names, on the server that I am connected to."""
        path, _, secret = link.partition("?speak=")
        return await self.join(bytes.fromhex(path.rsplit("/", 1)[1]), bytes.fromhex(secret))

    async def resume(self, left: Room) -> bool:
        """Come back into the Space that another connection lost; False where events between are missing."""
        self._early, self._resuming = [], left
        try:
            answer = await self.request(Request.RESUME, left.space, left.serial)
        finally:
            self._resuming = None
        self._here(answer)
        return bool(answer[0] == Reply.RESUMED)

    def _here(self, answer: Message) -> None:
        if answer[0] == Reply.ELSEWHERE:
            raise RefusedError(ErrorCode.NO_SUCH_SPACE, f"the Space is at {answer[2]}; connect there")

    def _in_room(self) -> Room:
        if self.room is None:
            raise RefusedError(ErrorCode.SPACE_ENDED, "the Space ended at once")
        return self.room

    async def leave(self) -> None:
        """Leave the Space."""
        await self.request(Request.LEAVE)
        self.room = None

    # what arrives

    def _message(self, message: Message) -> None:
        number, id_or_serial = message[:2]
        if number == Reply.JOINED:
            self._joined(message)
        elif number == Reply.RESUMED and self._resuming is not None:
            self.room = self._resuming.resumed(message)
            self.voice.begin()
            self.voice.uplink.restart()
        elif number == Reply.BUBBLES:
            self.timeline = Timeline.of(message[2])
        if number == Reply.ERROR or (isinstance(number, int) and 64 <= number <= 95):
            future = self._answers.get(id_or_serial)
            if future is not None and not future.done():
                future.set_result(message)
        else:
            self._event(message)
        self._notify()

    def _joined(self, message: Message) -> None:
        """A snapshot; events that came before it and are newer still count."""
        before, self.room = self.room, Room.of(message)
        if before is None or before.space != self.room.space:
            self.voice.begin()
        seat_before = before.seat if before is not None else None
        if self.room.seat != seat_before:
            self.voice.uplink.restart()
        early, self._early = self._early, []
        for event in early:
            self._numbered(event)

    def _event(self, message: Message) -> None:
        self.events.append(message)
        del self.events[:-MAX_KEPT_EVENTS]
        number = message[0]
        if number in NUMBERED:
            self._numbered(message)
        elif number in (Event.BUBBLE_CHANGED, Event.BUBBLE_GONE):
            self.timeline.apply(message)
        elif number in (Event.NOTICE, Event.SEAT_OFFERED, Event.TICKET_CHANGED):
            self._news(message)
        elif number in (Event.INVITED, Event.NOTED, Event.ANSWERED) and self.room is not None:
            self.room.apply_private(message)
        elif number == Event.YOU and self.room is not None:
            seat = item(message, 3, None)
            if seat != self.room.seat:
                self.voice.uplink.restart()
            self.room.role, self.room.seat = message[2], seat
            self.room.muted = item(message, 4, False)
            self.room.invited = self.room.invited and seat is None
            if self.room.muted and seat is not None:
                self.voice.hush()
        elif number == Event.REMOVED:
            self.removed, self.room = item(message, 2, ""), None
        elif number == Event.ENDED:
            self.ended, self.room = item(message, 2, ""), None
        elif number == Event.TOKEN_EXPIRING:
            self.expiring_in_ms = message[2]
        elif number == Event.CLOSING:
            self.closing = item(message, 2, "")

    def _news(self, message: Message) -> None:
        """Of scheduled Spaces, and of tickets."""
        if message[0] == Event.NOTICE:
            self.notices.append(message)
        elif message[0] == Event.SEAT_OFFERED:
            self.offers.append(message)
        else:
            self.tickets[message[2][0]] = message[2]

    def _numbered(self, message: Message) -> None:
        """An event to everybody; where some were missed, ask for a fresh snapshot."""
        if self.room is None:
            self._early = [*self._early[-99:], message]
        elif not self.room.apply(message):
            self._start(self.join(self.room.space))

    def _datagram(self, data: bytes) -> None:
        try:
            packet = parse_datagram(data, down=True)
        except WireError:
            self.dropped_datagrams += 1
            return
        if self.room is None:
            self.stray_datagrams += 1
        elif isinstance(packet, Audio):
            self.voice.downlink.put(packet, asyncio.get_running_loop().time())
        else:
            self.reports_from_server += 1
        self._notify()

    def _over(self, closed: ClosedError) -> None:
        self.closed, self.left, self.room = closed, self.room, None
        for future in self._answers.values():
            if not future.done():
                future.set_exception(closed)
        self._notify()

    # audio

    def may_speak(self) -> bool:
        """Whether audio would be taken from me now."""
        return self.room is not None and self.room.seat is not None and not self.room.muted

    async def speak(self, pcm: Samples) -> int:
        """Send a sound at the pace of a microphone; the number of datagrams sent."""
        return await self.voice.speak(pcm, self.may_speak)

    def _send_audio(self, datagram: bytes) -> None:
        limits = self.welcome.limits if self.welcome is not None else {}
        if self.closed is None and len(datagram) <= limits.get("datagram_bytes", 1170):
            self.link.send_datagram(datagram)

    async def _report(self) -> None:
        """Each second on stage; else each five, the first at a random time, and at once where loss begins."""
        loop = asyncio.get_running_loop()
        due_s, last_s, told = loop.time() + 5 + 5 * random.random(), loop.time(), False
        while True:
            loses_before = self.voice.downlink.loses()
            await asyncio.sleep(0.1)
            begins = loses_before and self.voice.downlink.loses() and not told
            on_stage = self.room is not None and self.room.seat is not None and loop.time() >= last_s + 1
            if not (begins or on_stage or loop.time() >= due_s):
                continue
            last_s, due_s = loop.time(), loop.time() + 5
            report = self.voice.downlink.report()
            if report is not None:
                told = 50 * report.lost > report.received + report.lost
                self.link.send_datagram(report.pack())

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
