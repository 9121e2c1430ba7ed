"""Where a session is: its place in a Space, as the data path needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from signaling.media import MediaRoom

if TYPE_CHECKING:
    from signaling.server.actor import SpaceActor

__all__ = ["Place"]


@dataclass(slots=True)
class Place:
    """Kept by the Space's actor, which changes it in the same step as mix and roster; sessions read it.

    A session whose place is None is in no Space: what it sends is heard by nobody.
    """

    actor: SpaceActor
    room: MediaRoom
    seat: int | None = None
    muted: bool = False
    user: str = ""
    """Who hears there; nobody, where a service only oversees."""
