"""Seen: what one who is in a Space knows of it."""

from __future__ import annotations

from collections.abc import Mapping

from signaling.client.room import Room
from signaling.protocol.messages import Person, PinRow, PostRow, PriceRow, SpaceSettings, StageSeat
from signaling.rules.roles import Role

__all__ = ["Seen"]


class Seen:
    """Part of Space: its state as of the last event, to be read only."""

    _room: Room

    @property
    def id(self) -> bytes:
        """16 bytes, the same for everybody."""
        return self._room.id

    @property
    def id_text(self) -> str:
        """The id in hex, as `client.join` takes it."""
        return self._room.id.hex()

    @property
    def title(self) -> str:
        """As the hosts gave it."""
        return self._room.settings.title

    @property
    def price(self) -> PriceRow | None:
        """What a ticket costs; None: nobody needs one."""
        return self._room.price

    @property
    def settings(self) -> SpaceSettings:
        """Title, topics, who may speak, order of the queue, whether it is locked."""
        return self._room.settings

    @property
    def me(self) -> str:
        """My user id."""
        return self._room.me

    @property
    def host(self) -> str:
        """The host's user id."""
        return self._room.host

    @property
    def role(self) -> Role:
        """What I am here at present."""
        return self._room.role

    @property
    def seat(self) -> int | None:
        """My seat on stage, or None."""
        return self._room.seat

    @property
    def muted(self) -> bool:
        """Whether my voice is switched off."""
        return self._room.muted

    @property
    def invited(self) -> bool:
        """Whether I am invited to speak, and have neither accepted nor refused."""
        return self._room.invited

    @property
    def stage(self) -> tuple[StageSeat, ...]:
        """Who is on stage, in order of seat."""
        return self._room.stage

    @property
    def queue(self) -> tuple[Person, ...]:
        """Who asks to speak, whose turn is next first; of a long queue the first ones, see `waiting`."""
        return self._room.queue

    @property
    def waiting(self) -> int:
        """How many ask to speak."""
        return self._room.waiting

    @property
    def audience(self) -> int:
        """How many listen."""
        return self._room.audience

    @property
    def pins(self) -> tuple[PinRow, ...]:
        """What hosts pinned."""
        return self._room.pins

    @property
    def recent_posts(self) -> tuple[PostRow, ...]:
        """The last 100 posts that were told since I came, the oldest first; `posts()` asks for all."""
        return self._room.posts

    @property
    def reactions(self) -> Mapping[str, int]:
        """How many of each were counted since I came."""
        return dict(self._room.reactions)

    @property
    def over(self) -> str | None:
        """None while one is in it; then `left`, `removed`, `ended` or `closed` (the connection)."""
        return self._room.over
