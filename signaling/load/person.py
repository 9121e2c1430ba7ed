"""Person: one client of the load, cheap: a link and the few messages it takes to be in a Space. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from signaling.protocol import (
    CloseCode,
    ErrorCode,
    Framer,
    FramingError,
    ProtocolError,
    decode_from_server,
    encode,
)
from signaling.protocol import messages as wire
from signaling.protocol.codes import close_name, error_name
from signaling.quic.certificate import Trust, check_peer
from signaling.quic.errors import CertificateError, TooSlow
from signaling.quic.events import Audio, Cause, Closed, ControlData, Established, LinkEvent
from signaling.quic.link import Link

__all__ = ["Errand", "Failed", "Part", "Person", "Phase"]

_HOST: Final = 2
_REFUSED: Final = 0x2  # CONNECTION_REFUSED, RFC 9000 section 20.1
_BAD_CERTIFICATE: Final = 0x100 + 42
# Events that a listener needs nothing of: their number is read and the rest left alone.
_PASSED_OVER: Final = frozenset({96, 98})  # stage, audience


class Part(Enum):
    """What somebody is here for."""

    LISTENER = "listener"
    SPEAKER = "speaker"
    HOST = "host"


class Phase(Enum):
    """How far somebody came."""

    DIALLING = "handshake"
    GREETING = "hello"
    ENTERING = "join"
    INSIDE = "inside"
    ON_STAGE = "stage"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Failed:
    """Why somebody is out. `at` is the step; `code` a word of the protocol, or timeout, refused, idle …"""

    at: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Errand:
    """What is the same for all who come."""

    trust: Trust
    software: str
    capabilities: dict[str, int]
    title: str = "Load"
    space: bytes = b""


class Person:
    """Says hello, opens or joins, asks to speak, admits who asks; counts nothing of the audio.

    Give it each batch of the link's events; what it sends is in the link afterwards. `changed` is called when
    it came further. The step it failed at and why are in `failed` once the phase is OVER.
    """

    def __init__(
        self,
        link: Link,
        part: Part,
        errand: Errand,
        *,
        number: int,
        token: Callable[[int], str],
        started_us: int,
        changed: Callable[[Person], None],
    ) -> None:
        self.link = link
        self.part = part
        self.number = number
        self.phase = Phase.DIALLING
        self.failed: Failed | None = None
        self.space = errand.space
        self.takes_reports = False
        self.started_us = started_us
        self.established_us: int | None = None
        self.joined_us: int | None = None
        self.leaving = False
        self._errand = errand
        self._token = token
        self._changed = changed
        self._framer = Framer()
        self._last_id = 0
        self._admitted: set[str] = set()

    @property
    def is_settled(self) -> bool:
        """Inside or on stage: nothing is asked for any more."""
        return self.phase is Phase.ON_STAGE or (self.phase is Phase.INSIDE and self.part is Part.LISTENER)

    def take(self, events: list[LinkEvent], now_us: int) -> list[bytes]:
        """What the link tells; returns the audio datagrams among it."""
        audio: list[bytes] = []
        for event in events:
            if isinstance(event, Audio):
                audio.append(event.datagram)
            elif isinstance(event, ControlData):
                self._on_control(event.data, now_us)
            elif isinstance(event, Established):
                self._on_established(now_us)
            elif isinstance(event, Closed):
                self._on_closed(event)
        return audio

    def leave(self) -> None:
        """Go, on purpose; a host ends the Space."""
        self.leaving = True
        if self.part is Part.HOST and self.phase in (Phase.INSIDE, Phase.ON_STAGE):
            self._send(wire.End(self._next_id()))
        else:
            self.link.close(CloseCode.done)

    def give_up(self, code: str, message: str) -> None:
        """It takes too long, or cannot be."""
        self._fail(code, message)
        self.link.close(CloseCode.done)

    # What comes

    def _on_established(self, now_us: int) -> None:
        try:
            check_peer(self.link.peer_certificate_der or b"", self._errand.trust, datetime.now(UTC))
        except CertificateError as error:
            self._fail(error.code, str(error))
            self.link.close(_BAD_CERTIFICATE, "the certificate is not the expected one", transport=True)
            return
        self.established_us = now_us
        errand = self._errand
        name = f"{self.part.value} {self.number}"
        self._move(Phase.GREETING)
        self._send(
            wire.Hello(self._next_id(), self._token(self.number), errand.software, name, errand.capabilities)
        )

    def _on_closed(self, closed: Closed) -> None:
        if self.failed is None and not self.leaving:
            code, message = _why(closed)
            self._fail(code, message)
        self._move(Phase.OVER)

    def _on_control(self, data: bytes, now_us: int) -> None:
        try:
            bodies = self._framer.feed(data)
        except FramingError as error:
            self.give_up("protocol_error", str(error))
            return
        for body in bodies:
            # A small array and a small number are a byte each: no room needs more of an event here.
            if self.part is Part.LISTENER and len(body) > 1 and body[1] in _PASSED_OVER:
                continue
            try:
                self._on_message(decode_from_server(body), now_us)
            except ProtocolError as error:
                if error.code is not ErrorCode.unknown_message:
                    self.give_up("protocol_error", error.message)
                    return

    def _on_message(self, message: wire.FromServer, now_us: int) -> None:
        match message:
            case wire.Welcome():
                self.takes_reports = message.capabilities.get("reports", 0) > 0
                self._enter()
            case wire.Joined():
                self.space = message.space
                self.joined_us = now_us
                self._move(Phase.ON_STAGE if message.role == _HOST else Phase.INSIDE)
                if self.part is Part.SPEAKER:
                    self._send(wire.Ask(self._next_id()))
            case wire.You() if message.seat is not None and self.phase is Phase.INSIDE:
                self._move(Phase.ON_STAGE)
            case wire.Queue() if self.part is Part.HOST:
                self._admit([row.user for row in message.queue])
            case wire.Error():
                self._on_error(message)
            case wire.Elsewhere():
                self.give_up("elsewhere", f"the Space lives at {message.address}; name that server")
            case wire.Removed() | wire.Ended():
                if not self.leaving:
                    self._fail("ended", f"the Space is over ({message.reason})")
                self.link.close(CloseCode.done)

    def _admit(self, users: list[str]) -> None:
        """Whoever asks may speak: once, however often the queue is told."""
        for user in users:
            if user not in self._admitted:
                self._admitted.add(user)
                self._send(wire.Admit(self._next_id(), user))

    def _on_error(self, error: wire.Error) -> None:
        if self.part is Part.HOST and self.phase is Phase.ON_STAGE:
            # An admission that was refused: the speaker waits in vain and says so in the end.
            self.failed = Failed("admit", error_name(error.code), error.message)
            self._changed(self)
        else:
            self.give_up(error_name(error.code), error.message)

    def _enter(self) -> None:
        self._move(Phase.ENTERING)
        if self.part is Part.HOST:
            self._send(wire.Open(self._next_id(), self._errand.title))
        else:
            self._send(wire.Join(self._next_id(), self._errand.space))

    # Inside

    def _send(self, message: wire.Request) -> None:
        try:
            self.link.send_stream(encode(message))
        except TooSlow as error:
            self.give_up(error.code, str(error))
        except ProtocolError as error:  # a token that is no text
            self.give_up(error.code.name, error.message)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _fail(self, code: str, message: str) -> None:
        if self.failed is None:
            at = "stage" if self.part is Part.SPEAKER and self.phase is Phase.INSIDE else self.phase.value
            self.failed = Failed(at, code, message)

    def _move(self, phase: Phase) -> None:
        if self.phase is not Phase.OVER and phase is not self.phase:
            self.phase = phase
            self._changed(self)


def _why(closed: Closed) -> tuple[str, str]:
    """A code and a sentence for a link that ended."""
    who = "the server" if closed.by_peer else "this side"
    if closed.cause is Cause.APPLICATION:
        return close_name(closed.code), f"{who} closed: {closed.reason or close_name(closed.code)}"
    if closed.cause is Cause.IDLE:
        return "idle", closed.reason
    if closed.cause is Cause.TRANSPORT and closed.code == _REFUSED:
        return "server_full", "the server takes no more connections"
    return f"{closed.cause.value}_{closed.code:#x}", closed.reason or f"{who} ended the connection"
