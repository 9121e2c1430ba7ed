"""What a peer may do with streams: write to stream 0, nearly in order. Any other is reset and counted."""

from __future__ import annotations

from aioquic.quic.connection import QuicConnection

from signaling.quic import bridge
from signaling.quic.events import CLOSE_PROTOCOL_ERROR
from signaling.quic.limits import LinkLimits, LinkStats

__all__ = ["CONTROL_STREAM", "StreamGuard"]

CONTROL_STREAM = 0


class StreamGuard:
    """Looks at a connection's streams after each packet."""

    def __init__(
        self, quic: QuicConnection, limits: LinkLimits, stats: LinkStats, *, is_client: bool
    ) -> None:
        self._quic = quic
        self._limits = limits
        self._stats = stats
        self._by_peer = 1 if is_client else 0  # the lowest bit says who opened it, RFC 9000 section 2.1
        self._refused: set[int] = set()

    def fault(self) -> str | None:
        """Refuse what is foreign; why the connection must be closed, or None."""
        self._refuse()
        if bridge.is_scattered(self._quic):
            limits = self._limits
            return (
                f"a stream came in more than {limits.fragments} pieces or with more than {limits.gap_bytes} "
                "bytes missing; send it in order"
            )
        if self._stats.streams_refused > self._limits.refused_streams:
            return (
                f"{self._stats.streams_refused} streams opened beside the control stream, "
                f"more than the {self._limits.refused_streams} tolerated; use stream 0 only"
            )
        return None

    def _refuse(self) -> None:
        """Reset and count what the peer opened beside stream 0, also if no data of it has arrived yet."""
        streams = bridge.streams(self._quic)
        if len(streams) == (CONTROL_STREAM in streams):
            return
        foreign = {number for number in streams if number & 1 == self._by_peer and number != CONTROL_STREAM}
        for stream_id in sorted(foreign - self._refused):
            self._stats.streams_refused += 1
            self._quic.stop_stream(stream_id, CLOSE_PROTOCOL_ERROR)
            if not stream_id & 2:  # bidirectional: our half of it exists too
                self._quic.reset_stream(stream_id, CLOSE_PROTOCOL_ERROR)
        self._refused = foreign
