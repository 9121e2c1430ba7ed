"""One connection's session: bytes in, messages and closes out. No socket, no loop, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from signaling.config import LimitsConfig
from signaling.media import Takes
from signaling.protocol import TOKEN_EXPIRING_MS, CloseCode, ErrorCode, Framer, FramingError, ProtocolError
from signaling.protocol.bounds import request_id_of
from signaling.protocol.messages import Error, FromServer, Hello, Reply, Request, TokenExpiring
from signaling.protocol.terms import most_copies, most_frames
from signaling.protocol.wire import decode_request, encode
from signaling.rules.delivery import Frames
from signaling.rules.rates import Bucket, Rate
from signaling.server.aside import Aside, Asides
from signaling.server.counts import Counts
from signaling.server.peer import Peer
from signaling.server.place import Place
from signaling.server.uplink import TakesDatagrams, Uplink

if TYPE_CHECKING:
    from spacecore._plane import Connection

__all__ = ["Desk", "Member", "Session"]

_MS_US = 1_000
_SECOND_US = 1_000_000  # tokens end at whole seconds
_MESSAGE_CHARS = 1_000  # of an error's explanation, as the protocol bounds it


@dataclass(frozen=True, slots=True)
class Member:
    """Who is at the other end, once that is known. `is_service`: a backend, which is never inside."""

    user: str
    name: str
    expires_us: int
    is_service: bool = False


class Desk(Protocol):
    """What a session asks the server for. Each request is answered through `reply` or `refuse`, once.

    The answer may come within the call or at any time later.
    """

    def hello(self, session: Session, request: Hello) -> None: ...

    def act(self, session: Session, request: Request) -> None: ...

    def wake(self, session: Session, at_us: int | None) -> None:
        """Have `session.on_time` called at that time; replaces an earlier wish."""

    def gone(self, session: Session) -> None:
        """The connection is over; nothing can be sent any more."""


class _Phase(Enum):
    STRANGER = "stranger"
    GREETING = "greeting"  # hello came, and is being looked at
    KNOWN = "known"
    CLOSED = "closed"


# Looking a member up in its enum costs more than all else of sending an event to one person.
_CLOSED, _KNOWN = _Phase.CLOSED, _Phase.KNOWN


class Session:
    """**Requests are carried out one after the other, in the order in which they came**, but for an `aside`.

    Inputs: `on_established`, `on_control`, `on_audio`, `on_closed`, `on_time`, each with the time, and never
    raising for what is in the bytes. The server answers and pushes through `welcome`, `reply`, `refuse`,
    `send`, `send_bytes` and `close`, which do nothing once the session is closed. `place` belongs to the
    Space that the session is in.
    """

    __slots__ = (
        "_asides",
        "_bucket",
        "_counts",
        "_desk",
        "_framer",
        "_in_flight",
        "_limits",
        "_now_us",
        "_peer",
        "_phase",
        "_pumping",
        "_uplink",
        "_waiting",
        "_warned",
        "address",
        "capabilities",
        "client",
        "hello_by_us",
        "member",
        "number",
        "place",
    )

    def __init__(
        self,
        number: int,
        peer: Peer,
        desk: Desk,
        limits: LimitsConfig,
        counts: Counts,
        *,
        uplink: TakesDatagrams | None = None,
        address: str = "",
    ) -> None:
        self.number = number
        self.address = address  # of the peer when it came, "" where it is not known
        self.member: Member | None = None
        self.place: Place | None = None
        self.client = ""
        self.capabilities: dict[str, int] = {}
        self.hello_by_us = 0
        self._peer = peer
        self._desk = desk
        self._limits = limits
        self._counts = counts
        self._uplink = uplink or Uplink(counts, limits.audio_per_s)
        self._bucket = Bucket(Rate.per_second(limits.requests_per_s, limits.requests_burst))
        self._framer = Framer()
        self._phase = _Phase.STRANGER
        self._waiting: deque[Request] = deque()
        self._in_flight: int | None = None
        self._asides = Asides(limits.requests_aside, counts)
        self._pumping = False
        self._warned = False
        self._now_us = 0

    @property
    def is_closed(self) -> bool:
        """Whether the connection is over, or about to be."""
        return self._phase is _CLOSED

    @property
    def waiting(self) -> int:
        """Requests that wait for the one under way."""
        return len(self._waiting)

    # Inputs

    def on_established(self, now_us: int) -> None:
        """The connection is up; from now on `hello` is awaited."""
        self._now_us = now_us
        self.hello_by_us = now_us + self._limits.hello_ms * _MS_US
        self._desk.wake(self, self.hello_by_us)

    def on_control(self, data: bytes, now_us: int) -> None:
        """The next bytes of the control stream."""
        if self._phase is _Phase.CLOSED:
            return
        self._now_us = now_us
        fault = None
        try:
            bodies = self._framer.feed(data)
        except FramingError as error:
            bodies, fault = list(error.messages), error
        for body in bodies:
            self._on_message(body)
            if self.is_closed:
                return
        if fault is not None:
            self._counts.messages_malformed += 1
            self.close(fault.close_code, fault.message)

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        """One datagram."""
        if self._phase is _KNOWN:
            self._uplink.take(self.place, datagram, now_us)
        elif self._phase is not _CLOSED:
            self._counts.dropped_before_hello += 1

    def on_closed(self, now_us: int) -> None:
        """The connection is over, whoever closed it. The last input."""
        self._now_us = now_us
        self._forget()
        self._desk.gone(self)

    def on_time(self, now_us: int) -> None:
        """The time that was given to `Desk.wake` has come."""
        self._now_us = now_us
        if self._phase is _Phase.STRANGER:
            if now_us >= self.hello_by_us:
                self.close(
                    CloseCode.hello_timeout,
                    f"no valid hello within {self._limits.hello_ms} ms; send it first, at once",
                )
            return
        if self._phase is not _Phase.KNOWN or self.member is None:
            return
        left_us = self.member.expires_us - now_us
        if left_us <= 0:
            self.close(CloseCode.token_expired, "the token has expired; connect again with a fresh one")
            return
        if not self._warned and left_us <= TOKEN_EXPIRING_MS * _MS_US:
            self._warned = True
            self.send(TokenExpiring(0, left_us // _MS_US))
        self._wake()

    # Outputs

    def welcome(self, member: Member, message: FromServer) -> None:
        """Answer `hello`: the peer is known from now on."""
        if self._phase is not _Phase.GREETING:
            return
        self._phase = _Phase.KNOWN
        self.renewed(member)
        self._peer.let_return()
        self.reply(message)

    def renewed(self, member: Member) -> None:
        """The same person, with another end of their token."""
        before, self.member = self.member, member
        # Who shows the same token again is not told again: they would answer that at once, without end.
        if before is None or member.expires_us >= before.expires_us + _SECOND_US:
            self._warned = False
        self._wake()

    def reply(self, message: FromServer) -> None:
        """Answer the request under way, and go on with the next."""
        if self._in_flight is None:
            return
        self.send(message)
        self._in_flight = None
        self._pump()

    def refuse(self, code: ErrorCode, message: str, retry_after_ms: int = 0) -> None:
        """Answer the request under way with an error. After a refused `hello` the peer may try again."""
        if self.is_closed or self._in_flight is None:
            return
        if self._phase is _Phase.GREETING:
            self._phase = _Phase.STRANGER
            self._desk.wake(self, self.hello_by_us)
        request_id, self._in_flight = self._in_flight, None
        self.send_error(request_id, code, message, retry_after_ms)
        self._pump()

    def aside(self) -> Aside | None:
        """Go on with the requests after the one under way; that one is answered through what is returned.
        None, and nothing has changed, where `limits.requests_aside` are aside already."""
        aside = None if self._in_flight is None else self._asides.add(self, self._in_flight)
        if aside is not None:
            self._in_flight = None
            self._pump()
        return aside

    def send(self, message: FromServer) -> None:
        """Send one message to this peer alone."""
        if self.is_closed:
            return
        try:
            data = encode(message)
        except ProtocolError as error:  # an answer that does not fit, or a name with half a character
            self._counts.errors_caught += 1
            if not isinstance(message, Reply):
                return
            data = encode(Error(message.id, error.code, error.message[:_MESSAGE_CHARS]))
        self._peer.send_control(data)

    def send_error(self, request_id: int, code: ErrorCode, message: str, retry_after_ms: int = 0) -> None:
        """Answer the request of this id with an error."""
        self._counts.refused[code.name] += 1
        self.send(Error(request_id, code, message[:_MESSAGE_CHARS], retry_after_ms))

    def send_bytes(self, data: bytes) -> None:
        """Send a message that was encoded once for many."""
        if self._phase is not _CLOSED:  # as is_closed says; this is called for everybody in a room
            self._peer.send_control(data)

    # As somebody who hears a room

    @property
    def send_audio(self) -> Callable[[bytes], bool]:
        """Takes one datagram down; False if it could not be queued."""
        return self._peer.send_audio

    @property
    def connection(self) -> Connection | None:
        """The connection on the native plane; None where aioquic carries the audio."""
        return self._peer.connection

    @property
    def frames(self) -> Frames | None:
        """What became of the sound that was sent so far; None once that is not known any more."""
        return self._peer.frames

    @property
    def takes(self) -> Takes:
        """What the client takes of what a room can send."""
        said = self.capabilities
        return Takes(most_frames(said), most_copies(said), said.get("reports", 0) > 0)

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection; what was sent before goes out first, and nothing after."""
        if self.is_closed:
            return
        self._counts.closes[code.name] += 1
        self._forget()
        self._peer.close(code, reason)

    # Messages

    def _on_message(self, body: bytes) -> None:
        self._counts.requests += 1
        if not self._bucket.take(self._now_us):
            self._too_many(body)
            return
        try:
            request = decode_request(body)
        except ProtocolError as error:
            self._counts.messages_malformed += 1
            if error.request_id is None:
                self.close(CloseCode.protocol_error, error.message)
            else:
                self.send_error(error.request_id, error.code, error.message)
            return
        if isinstance(request, Hello):
            self._on_hello(request)
        elif self._phase is not _Phase.KNOWN:
            self.send_error(request.id, ErrorCode.not_authenticated, "say hello first, and wait for welcome")
        elif len(self._waiting) >= self._limits.requests_waiting:
            waiting = len(self._waiting)
            self.send_error(
                request.id,
                ErrorCode.busy,
                f"{waiting} of your requests wait and {self._limits.requests_waiting} is the limit; "
                "await answers first",
                self._bucket_ms,
            )
        else:
            self._waiting.append(request)
            self._pump()

    def _on_hello(self, hello: Hello) -> None:
        if self._phase is not _Phase.STRANGER:
            self.send_error(hello.id, ErrorCode.not_permitted, "hello was said already, once is the limit")
            return
        self._phase = _Phase.GREETING
        self._in_flight = hello.id
        self.client = hello.client
        self.capabilities = dict(hello.capabilities)
        self._desk.hello(self, hello)

    def _too_many(self, body: bytes) -> None:
        request_id = request_id_of(body)
        if request_id is None:
            self.close(CloseCode.protocol_error, "a message without an id that can be read")
            return
        self.send_error(
            request_id,
            ErrorCode.busy,
            f"more than {self._limits.requests_per_s} requests a second; send them more slowly",
            self._bucket_ms,
        )

    @property
    def _bucket_ms(self) -> int:
        return max(1, self._bucket.wait_ms(self._now_us))

    def _pump(self) -> None:
        """Carry out what waits, as long as nothing is under way. A loop: no depth depends on a peer."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._waiting and self._in_flight is None:
                request = self._waiting.popleft()
                self._in_flight = request.id
                self._desk.act(self, request)
        finally:
            self._pumping = False

    def _wake(self) -> None:
        if self.member is None or self.is_closed:
            return
        expires_us = self.member.expires_us
        warn_us = expires_us - TOKEN_EXPIRING_MS * _MS_US
        self._desk.wake(self, expires_us if self._warned else warn_us)

    def _forget(self) -> None:
        self._phase = _Phase.CLOSED
        self._waiting.clear()
        self._in_flight = None
        self._asides.clear()
        self._desk.wake(self, None)
