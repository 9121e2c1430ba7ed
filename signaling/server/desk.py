"""FrontDesk: what sessions ask for beyond their own connection, and which Space carries out the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from signaling import rules
from signaling.config import LimitsConfig
from signaling.protocol import CloseCode, ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.terms import DEFAULT_LIMITS, SERVER_CAPABILITIES
from signaling.rules import Refused
from signaling.server.answers import BESIDE, BUSY_RETRY_MS, Attendant, Handler, Part, answer, refuse
from signaling.server.authority import Authority
from signaling.server.directory import Directory
from signaling.server.places import Places
from signaling.server.services import refused_to
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings
from signaling.store import StoreError
from signaling.tokens import TokenError

__all__ = ["CAPABILITIES", "FrontDesk", "Registrar"]

log = logging.getLogger(__name__)

CAPABILITIES = dict(SERVER_CAPABILITIES)

_USER_BYTES = 8


class Registrar(Protocol):
    """Makes accounts durable."""

    async def register(self, user: str, name: str) -> None: ...


class FrontDesk:
    """Greets and renews; **every other request goes to whoever has it in their table**, else to the Space.

    `parts` are those who answer beyond one Space, each with its own requests; `attendants` are told who comes
    and goes; `places` says where Spaces are that are not here.
    """

    def __init__(
        self,
        authority: Authority,
        directory: Directory,
        around: Surroundings,
        registrar: Registrar,
        *,
        parts: Sequence[Part],
        attendants: Sequence[Attendant] = (),
        places: Places,
    ) -> None:
        self._authority = authority
        self._directory = directory
        self._around = around
        self._registrar = registrar
        self._attendants = attendants
        self._places = places
        self._limits = _welcome_limits(around.limits)
        self._takers: Mapping[type[wire.Request], Callable[[Session, Any], None]] = {
            wire.Renew: self._renew,
            wire.Join: self._enter,
            wire.Resume: self._enter,
            wire.Oversee: self._enter,
        }
        self._handlers = {kind: handler for part in parts for kind, handler in part.handlers.items()}

    # What a session asks for

    def hello(self, session: Session, request: wire.Hello) -> None:
        """Find out who is there."""
        if not request.token and self._authority.registers:
            self._around.spawn(self._register(session, request))
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
                refuse(session, given)
                return
            name = given
        self._welcome(session, request, self._authority.member(identity, name, self._now_us()))

    def act(self, session: Session, request: wire.Request) -> None:
        """Carry out one request of somebody known."""
        refused = refused_to(session.member, request)
        if refused is not None:
            refuse(session, refused)
            return
        take = self._takers.get(type(request))
        if take is not None:
            take(session, request)
            return
        handler = self._handlers.get(type(request))
        if handler is not None and type(request) in BESIDE:
            self._act_beside(session, request, handler)
        elif handler is not None and not _is_of_here(request):
            self._around.spawn(answer(session, request, handler, self._around.counts))
        elif session.place is None:
            session.refuse(ErrorCode.not_in_space, "you are in no Space; join one first")
        else:
            session.place.actor.submit(session, request)

    def wake(self, session: Session, at_us: int | None) -> None:
        """Call the session's `on_time` then."""
        self._around.alarms.set(("session", session.number), at_us, session.on_time)

    def gone(self, session: Session) -> None:
        """Tell the Space, and whoever else wants to know, that the connection is over."""
        for attendant in self._attendants:
            attendant.gone(session)
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
        if not session.is_closed:
            for attendant in self._attendants:
                attendant.came(session)

    async def _register(self, session: Session, request: wire.Hello) -> None:
        user = f"dev-{self._around.random_bytes(_USER_BYTES).hex()}"
        name = rules.display_name(request.name, user)
        if isinstance(name, Refused):
            refuse(session, name)
            return
        try:
            await self._registrar.register(user, name)
        except Exception as error:
            self._around.counts.store_failures += 1
            busy = isinstance(error, StoreError) and error.code == "busy"
            if not busy:
                log.exception("the store failed at registering a user")
            code = ErrorCode.busy if busy else ErrorCode.internal
            session.refuse(code, "you could not be registered; try again in a moment", BUSY_RETRY_MS)
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
        if identity.is_service is not before.is_service:
            session.refuse(
                ErrorCode.wrong_subject,
                "a token of the same subject, but with another scope; renew with the scope of the first",
            )
            return
        session.renewed(self._authority.member(identity, before.name, self._now_us()))
        session.reply(wire.Ok(request.id))

    def _act_beside(self, session: Session, request: wire.Request, handler: Handler) -> None:
        """What waits for the payment provider keeps nothing else of the same connection waiting."""
        aside = session.aside()
        if aside is None:
            most = self._around.limits.requests_aside
            session.refuse(
                ErrorCode.busy,
                f"{most} of your requests wait for the payment provider and {most} is the limit; await "
                "answers first",
                BUSY_RETRY_MS,
            )
            return
        self._around.spawn(answer(session, request, handler, self._around.counts, aside))

    def _enter(self, session: Session, request: wire.Join | wire.Resume | wire.Oversee) -> None:
        actor, oversees = self._directory.get(request.space), isinstance(request, wire.Oversee)
        if session.place is not None and session.place.actor is not actor and not oversees:
            session.refuse(ErrorCode.already_in_space, "you are in another Space, one is the limit; leave it")
        elif actor is None and not isinstance(request, wire.Oversee) and self._places.knows_others:
            self._around.spawn(answer(session, request, self._places.direct, self._around.counts))
        elif actor is None or not self._directory.is_open:
            refuse(session, rules.no_such_space(request.space))
        else:
            actor.submit(session, request)

    def _now_us(self) -> int:
        return self._around.clock_us()


def _is_of_here(request: wire.Request) -> bool:
    """Whether one that may name a Space is about the one that somebody is in."""
    return isinstance(request, wire.ListAudit | wire.ListTalkers) and request.space is None


def _welcome_limits(limits: LimitsConfig) -> dict[str, int]:
    """Those that an operator may move bear the names of their settings; the others are as on the page."""
    return {key: getattr(limits, key, default) for key, default in DEFAULT_LIMITS.items()}
