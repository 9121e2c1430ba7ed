"""Partners: who hosts with one, from being invited to being a co-host."""

from __future__ import annotations

from collections.abc import Iterable

from signaling.client import Audience, RequestRefused, Role, Space, SpaceEvent, SpaceOver, Stage

__all__ = ["Partners"]

_MAY_PASS = frozenset(
    {"no_such_person", "not_in_space", "already_on_stage", "stage_full", "busy", "too_often"}
)


class Partners:
    """Invites them when they come, and makes them co-hosts once they are on stage.

    Each is promoted once: whom the host demotes stays a speaker.
    """

    def __init__(self, space: Space, users: Iterable[str]) -> None:
        self._space = space
        self._awaited = list(dict.fromkeys(users))
        self._invited: set[str] = set()

    def has(self, user: str) -> bool:
        """Whether they are to be a co-host and are not yet."""
        return user in self._awaited

    async def on_event(self, event: SpaceEvent) -> list[str]:
        """Do what this event makes possible; returns what could not be done, in sentences."""
        said: list[str] = []
        if isinstance(event, Stage):
            speaking = [row.user for row in event.stage if row.role == Role.SPEAKER and self.has(row.user)]
            for user in speaking:
                self._awaited.remove(user)
                said += await self._try(user, promote=True)
        elif isinstance(event, Audience):
            on_stage = {row.user for row in self._space.stage}
            for user in [each for each in self._awaited if each not in on_stage | self._invited]:
                said += await self._try(user, promote=False)
        return said

    async def _try(self, user: str, *, promote: bool) -> list[str]:
        try:
            if promote:
                await self._space.promote(user)
            else:
                await self._space.invite(user)
                self._invited.add(user)
        except RequestRefused as error:
            if promote or error.code not in _MAY_PASS:
                return [f"{user}: {error.message} [{error.code}]"]
        except SpaceOver:
            pass
        return []
