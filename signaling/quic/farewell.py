"""The packets that tell the peer that we have closed: they may be lost, so they are kept and repeated."""

from __future__ import annotations

from signaling.quic.limits import Address

__all__ = ["Farewell"]

Packets = list[tuple[bytes, Address]]


class Farewell:
    """Repeats the close at the peer's 1st, 2nd, 4th, 8th … packet after it (RFC 9000 section 10.2.1)."""

    def __init__(self) -> None:
        self._packets: Packets = []
        self._heard = 0
        self._due = False

    def on_packet(self) -> None:
        """The peer has sent something after our close: it may not know."""
        self._heard += 1
        self._due = self._heard & (self._heard - 1) == 0

    def packets(self, fresh: Packets) -> Packets:
        """What to send now: what aioquic has just made, or the last of it once more if that is due."""
        due, self._due = self._due, False
        if fresh:
            self._packets = fresh
            return fresh
        return self._packets if due else []
