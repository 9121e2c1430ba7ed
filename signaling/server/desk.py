"""FrontDesk: what sessions ask for beyond their own connection, and which Space carries out the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from signaling import rules
from signaling.config import LimitsConfig
from signaling.protocol import MAX_MESSAGE_BYTES, CloseCode, ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.datagram import FRAME_MS
from signaling.rules import Refused, SpaceLimits
from signaling.server.actor import SpaceActor, Surroundings
from signaling.server.authority import Authority
from signaling.server.directory import Directory
from signaling.server.hall import Hall
from signaling.server.session import Member, Session
from signaling.store import StoreError
from signaling.tokens import TokenError

__all__ = ["AUDIO_BYTES", "CAPABILITIES", "FrontDesk", "Registrar"]

log = logging.getLogger(__name__)

AUDIO_BYTES = 1170
"""The longest datagram that fits in the packets that every path carries (1,200 bytes of UDP payload)."""

CAPABILITIES = {"bundle": 1, "redundancy": 2, "reports": 1, "resume": 0, "keep_alive_ms": 10_000}

_SPACE_ID_BYTES = 16
_USER_BYTES = 8
_BUSY_RETRY_MS = 500


class Registrar(Protocol):
    """Makes accounts durable."""

    async def register(self, user: str, name: str) -> None: ...


class FrontDesk:
    """Greets, renews, lists, opens; joins and acts go to the Space's actor.

    `spawn` runs a coroutine beside us, with an error boundary of its own; `random_bytes` gives ids.
    """

    def __init__(
        self,
        authority: Authority,
        directory: Directory,
        around: Surroundings,
        registrar: Registrar,
        *,
        make_hall: Callable[[bytes], Hall],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._authority = authority
        self._directory = directory
        self._around = around
        self._registrar = registrar
        self._make_hall = make_hall
        self._spawn = spawn
        self._random_bytes = random_bytes
        self._limits = _welcome_limits(around.limits)
        self._space_limits = _space_limits(around.limits)
        self.is_open = True
        """False: no Space is opened or joined any more."""

    # What a session asks for

    def hello(self, session: Session, request: wire.Hello) -> None:
        """Find out who is there."""
        if not request.token and self._authority.registers:
            self._spawn(self._register(session, request))
            return
        try:
            identity = self._authority.identify(request.token)
        except TokenError as error:
            session.refuse(ErrorCode[error.code], error.message)
            session.close(CloseCode[error.code], error.message)
            return
        name = identity.name
        if request.name and name == identity.subject[: rules.NAME_CHARS]:  # the token has none
            given = rules.display_name(request.name, identity.subject)
            if isinstance(given, Refused):
                _refuse(session, given)
                return
            name = given
        self._welcome(session, request, self._authority.member(identity, name, self._now_us()))

    def act(self, session: Session, request: wire.Request) -> None:
        """Carry out one request of somebody known."""
        match request:
            case wire.Renew():
                self._renew(session, request)
            case wire.ListSpaces():
                page = self._directory.page(request.id, request.limit, request.after)
                if isinstance(page, Refused):
                    _refuse(session, page)
                else:
                    session.reply(page)
            case wire.Open():
                self._open(session, request)
            case wire.Join():
                self._join(session, request)
            case _ if session.place is None:
                session.refuse(ErrorCode.not_in_space, "you are in no Space; join one first")
            case _:
                session.place.actor.submit(session, request)

    def wake(self, session: Session, at_us: int | None) -> None:
        """Call the session's `on_time` then."""
        self._around.alarms.set(("session", session.number), at_us, session.on_time)

    def gone(self, session: Session) -> None:
        """Tell the Space that the connection is over."""
        if session.place is not None:
            session.place.actor.lost(session)

    # One request each

    def _welcome(self, session: Session, request: wire.Hello, member: Member, token: str = "") -> None:
        left_ms = (member.expires_us - self._now_us()) // 1_000
        session.welcome(
            member,
            wire.Welcome(
                request.id, member.user, member.name, max(0, left_ms), token, self._limits, CAPABILITIES
            ),
        )

    async def _register(self, session: Session, request: wire.Hello) -> None:
        user = f"dev-{self._random_bytes(_USER_BYTES).hex()}"
        name = rules.display_name(request.name, user)
        if isinstance(name, Refused):
            _refuse(session, name)
            return
        try:
            await self._registrar.register(user, name)
        except Exception as error:
            self._around.counts.store_failures += 1
            busy = isinstance(error, StoreError) and error.code == "busy"
            if not busy:
                log.exception("the store failed at registering a user")
            code = ErrorCode.busy if busy else ErrorCode.internal
            session.refuse(code, "you could not be registered; try again in a moment", _BUSY_RETRY_MS)
            return
        token = self._authority.mint(user, name)
        member = self._authority.member(self._authority.identify(token), name, self._now_us())
        self._welcome(session, request, member, token)

    def _renew(self, session: Session, request: wire.Renew) -> None:
        before = session.member
        if before is None:
            session.refuse(ErrorCode.not_authenticated, "say hello first, and wait for welcome")
            return
        try:
            identity = self._authority.identify(request.token, subject=before.user)
        except TokenError as error:
            session.refuse(ErrorCode[error.code], error.message)
            return
        session.renewed(self._authority.member(identity, before.name, self._now_us()))
        session.reply(wire.Ok(request.id))

    def _join(self, session: Session, request: wire.Join) -> None:
        actor = self._directory.get(request.space)
        if session.place is not None and session.place.actor is not actor:
            session.refuse(ErrorCode.already_in_space, "you are in another Space, one is the limit; leave it")
        elif actor is None or not self.is_open:
            session.refuse(
                ErrorCode.no_such_space, f"no live Space has the id {request.space.hex()}; list the live ones"
            )
        else:
            actor.submit(session, request)

    def _open(self, session: Session, request: wire.Open) -> None:
        member = session.member
        if session.place is not None or member is None:
            session.refuse(ErrorCode.already_in_space, "you are in a Space, one is the limit; leave it first")
            return
        if not self.is_open:
            session.refuse(ErrorCode.busy, "the server is stopping; open a Space when it is back")
            return
        refused = self._directory.reserve(member.user)
        if refused is not None:
            _refuse(session, refused)
            return
        self._spawn(self._opening(session, request, member))

    async def _opening(self, session: Session, request: wire.Open, member: Member) -> None:
        actor = None
        try:
            made = await self._made(session, request, member)
            if isinstance(made, Refused):
                _refuse(session, made)
                return
            actor = made
        except Exception:
            session.refuse(ErrorCode.internal, "the Space could not be opened; try again later")
            raise
        finally:
            if actor is None:
                self._directory.release(member.user)
        self._directory.add(actor)
        self._around.counts.spaces_opened += 1
        self._spawn(actor.run())
        if not self.is_open:  # the server began to stop while the store was written to
            actor.close(CloseCode.server_stopping.name)
        session.reply(actor.snapshot(request.id, member.user))

    async def _made(self, session: Session, request: wire.Open, member: Member) -> SpaceActor | Refused:
        space = self._random_bytes(_SPACE_ID_BYTES)
        outcome = rules.open_space(
            space, request.title, member.user, member.name, self._now_us(), limits=self._space_limits
        )
        if isinstance(outcome, Refused):
            return outcome
        actor = SpaceActor(outcome.state, self._make_hall(space), self._around, self._directory.discard)
        refused = await actor.opened(outcome, session)
        if refused is not None:
            actor.hall.room.close()
            return refused
        return actor

    def _now_us(self) -> int:
        return self._around.clock_us()


def _refuse(session: Session, refused: Refused) -> None:
    session.refuse(ErrorCode[refused.code], refused.message, refused.retry_after_ms)


def _welcome_limits(limits: LimitsConfig) -> dict[str, int]:
    return {
        "message_bytes": MAX_MESSAGE_BYTES,
        "datagram_bytes": AUDIO_BYTES,
        "frame_ms": FRAME_MS,
        "stage": limits.stage,
        "queue": limits.queue,
        "title_chars": limits.title_chars,
        "requests_per_s": limits.requests_per_s,
    }


def _space_limits(limits: LimitsConfig) -> SpaceLimits:
    return SpaceLimits(
        stage=limits.stage,
        queue=limits.queue,
        people=limits.people,
        title_chars=limits.title_chars,
        host_grace_us=limits.host_grace_ms * 1_000,
    )
