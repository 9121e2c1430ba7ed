"""What the library itself tells of the connection, among the events of the server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ConnectionState", "Reconnected", "Reconnecting"]


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is lost and is being made anew; `code` is the loss, as of ConnectionClosed.

    What is said is not heard meanwhile, and requests wait. After `give_up_ms` it is over.
    """

    code: str
    give_up_ms: int


@dataclass(frozen=True, slots=True)
class Reconnected:
    """There is a connection again. With `replayed` the events that were missed follow, in their order.

    Without it the state is told anew: what came and went in between, posts say, is not told.
    """

    replayed: bool


ConnectionState = Reconnecting | Reconnected
"""How it stands with the connection."""
