"""Opening Spaces: a place in the directory, a row in the store, and an actor that runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from signaling import rules
from signaling.config import LimitsConfig
from signaling.protocol import CloseCode
from signaling.protocol import messages as wire
from signaling.rules import Refused, Settings, SpaceLimits
from signaling.server.actor import SpaceActor
from signaling.server.answers import Answer, Handler
from signaling.server.directory import Directory
from signaling.server.hall import Hall
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings

__all__ = ["Openings"]

_SPACE_ID_BYTES = 16


class Openings:
    """Every Space that becomes live here does so through `open`.

    `spawn` runs a coroutine beside us, with an error boundary of its own; `random_bytes` gives ids.
    """

    def __init__(
        self,
        directory: Directory,
        around: Surroundings,
        *,
        make_hall: Callable[[bytes], Hall],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._directory = directory
        self._around = around
        self._make_hall = make_hall
        self._spawn = spawn
        self._random_bytes = random_bytes
        self._space_limits = _space_limits(around.limits)

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """Open."""
        return {wire.Open: self._open}

    async def open(self, session: Session, member: Member, title: str) -> SpaceActor | Refused:
        """Make a Space live, with its host inside over `session`; answer them without a pause after that.

        Refused: already_in_space, already_hosting, too_many_spaces, busy, and what the rules refuse.
        """
        if session.place is not None:
            return Refused("already_in_space", "you are in a Space, one is the limit; leave it first")
        refused = self._directory.reserve(member.user)
        if refused is not None:
            return refused
        actor = None
        try:
            made = await self._made(session, member, title)
            if isinstance(made, Refused):
                return made
            actor = made
        finally:
            if actor is None:
                self._directory.release(member.user)
        self._directory.add(actor)
        self._around.counts.spaces_opened += 1
        self._spawn(actor.run())
        if not self._directory.is_open:  # the server began to stop while the store was written to
            actor.close(CloseCode.server_stopping.name)
        return actor

    async def _open(self, session: Session, member: Member, request: wire.Open) -> Answer:
        actor = await self.open(session, member, request.title)
        return actor if isinstance(actor, Refused) else actor.snapshot(request.id, member.user)

    async def _made(self, session: Session, member: Member, title: str) -> SpaceActor | Refused:
        space = self._random_bytes(_SPACE_ID_BYTES)
        outcome = rules.open_space(
            space,
            Settings(title),
            member.user,
            member.name,
            self._around.clock_us(),
            limits=self._space_limits,
        )
        if isinstance(outcome, Refused):
            return outcome
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
