"""Peer: the other end of a connection, as its session sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from signaling.rules.delivery import Frames

if TYPE_CHECKING:
    from spacecore._plane import Connection

__all__ = ["Peer"]


class Peer(Protocol):
    """The other end, as a session sees it. Nothing here raises for what the network does."""

    def send_control(self, data: bytes) -> bool: ...

    @property
    def send_audio(self) -> Callable[[bytes], bool]: ...

    @property
    def connection(self) -> Connection | None:
        """On the native plane."""

    @property
    def frames(self) -> Frames | None:
        """What became of the sound that was sent; None once that is not known any more."""

    def let_return(self) -> None:
        """Have the gate know the other end when it comes back, whoever else is in front of it then."""

    def close(self, code: int, reason: str) -> None:
        """What was sent before goes out first."""
