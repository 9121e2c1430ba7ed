"""Opening Spaces: a place in the directory, a row in the store, and an actor that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from signaling import rules
from signaling.config import LimitsConfig
from signaling.protocol import CloseCode
from signaling.protocol import messages as wire
from signaling.rules import Audited, Changes, Outcome, Refused, Settings, SpaceLimits
from signaling.rules.money import Price
from signaling.rules.settings import changed
from signaling.server.actor import SpaceActor
from signaling.server.answers import Answer, Handler
from signaling.server.directory import Directory
from signaling.server.hall import Hall
from signaling.server.hosting import Hosting
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings

__all__ = ["Openings"]

_SPACE_ID_BYTES = 16


class Openings:
    """Every Space that becomes live here does so through `open`. Whether its host may, `hosting` has said
    before."""

    def __init__(
        self,
        directory: Directory,
        around: Surroundings,
        hosting: Hosting,
        *,
        make_hall: Callable[[bytes], Hall],
    ) -> None:
        self._directory = directory
        self._around = around
        self._make_hall = make_hall
        self.hosting = hosting
        self.limits = _space_limits(around.limits)
        """Those of every Space that is opened here."""

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """Open."""
        return {wire.Open: self._open}

    def settings(
        self, title: str, topics: Sequence[str] = (), kind: str = "", who_may_speak: int = 0
    ) -> Settings | Refused:
        """Settings as they are asked for, checked. Refused: bad_value."""
        asked = Settings(title, tuple(topics), kind=kind)
        changes = Changes(who_may_speak=who_may_speak)
        return changed(asked, changes, self.limits.title_chars, self.limits.topics)

    async def open(
        self,
        session: Session | None,
        member: Member,
        settings: Settings,
        space: bytes = b"",
        *,
        by: str = "",
        price: Price | None = None,
    ) -> SpaceActor | Refused:
        """Make a Space live, with its host inside over `session`; answer them without a pause after that.

        `space` is the id of one that was scheduled, `price` that of its tickets; else it gets a new one.
        Without a session the service `by` creates it for a host who is still to come. Refused:
        already_in_space, already_hosting, too_many_spaces, busy, and what the rules refuse.
        """
        if session is not None and session.place is not None:
            return Refused("already_in_space", "you are in a Space, one is the limit; leave it first")
        refused = self._directory.reserve(member.user)
        if refused is not None:
            return refused
        actor = None
        try:
            space = space or self._around.random_bytes(_SPACE_ID_BYTES)
            made = await self._made(session, member, settings, space, by=by, price=price)
            if isinstance(made, Refused):
                return made
            actor = made
        finally:
            if actor is None:
                self._directory.release(member.user)
        self._directory.add(actor)
        self._around.counts.spaces_opened += 1
        self._around.spawn(actor.run())
        if not self._directory.is_open:  # the server began to stop while the store was written to
            actor.close(CloseCode.server_stopping.name)
        return actor

    async def _open(self, session: Session, member: Member, request: wire.Open) -> Answer:
        refused = await self.hosting.refused(member.user, request.kind)
        if refused is not None:
            return refused
        settings = self.settings(request.title, request.topics, request.kind, request.who_may_speak)
        if isinstance(settings, Refused):
            return settings
        actor = await self.open(session, member, settings)
        return actor if isinstance(actor, Refused) else actor.snapshot(request.id, member.user)

    async def _made(
        self,
        session: Session | None,
        member: Member,
        settings: Settings,
        space: bytes,
        *,
        by: str,
        price: Price | None,
    ) -> SpaceActor | Refused:
        outcome = rules.open_space(
            space,
            settings,
            member.user,
            member.name,
            self._around.clock_us(),
            limits=self.limits,
            present=session is not None,
            price=price,
        )
        if isinstance(outcome, Refused):
            return outcome
        if by:
            outcome = Outcome(outcome.state, (*outcome.effects, Audited(by, "create", member.user)))
        actor = SpaceActor(outcome.state, self._make_hall(space), self._around, self._directory.discard)
        refused = await actor.opened(outcome, session)
        if refused is not None:
            actor.hall.room.close()
            return refused
        return actor


def _space_limits(limits: LimitsConfig) -> SpaceLimits:
    return SpaceLimits(
        stage=limits.stage,
        queue=limits.queue,
        people=limits.people,
        title_chars=limits.title_chars,
        host_grace_us=limits.host_grace_ms * 1_000,
        host_timeout_us=limits.host_timeout_ms * 1_000,
        resume_us=limits.resume_ms * 1_000,
        co_hosts=limits.co_hosts,
        pins=limits.pins,
        invites=limits.invites,
        invite_us=limits.invite_ms * 1_000,
        links=limits.speak_links,
        speak_link_us=limits.speak_link_s * 1_000_000,
    )
