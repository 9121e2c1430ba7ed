"""The receive side of the 1-RTT packet number space, kept natively, in the shape in which aioquic uses it.

aioquic's QuicPacketSpace is a bundle of public attributes; SharedSpace has the same ones. What was received
is read from and written to the native connection, so that there is one truth for ACK frames and duplicates.
What was sent stays aioquic's own: native packets are none of its business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spacecore._plane import Connection

__all__ = ["SharedRanges", "SharedSpace", "SharedWindow", "to_us"]

_S = 1_000_000  # microseconds of one


def to_us(time_s: float) -> int:
    """Seconds as whole microseconds."""
    return round(time_s * _S)


class SharedRanges:
    """What of aioquic's RangeSet its space uses: the packet numbers to acknowledge, at most 64 ranges."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, start: int, stop: int | None = None) -> None:
        """Add [start, stop), or one number."""
        self._connection.range_add(start, start + 1 if stop is None else stop)

    def subtract(self, start: int, stop: int) -> None:
        """Forget [0, stop): the peer knows that they arrived. aioquic never asks for another start."""
        if start != 0:
            raise ValueError(f"ranges are forgotten from 0 on, not from {start}")
        self._connection.range_drop(stop)

    def shift(self) -> range:
        """Take the oldest range away."""
        oldest = self[0]
        self._connection.range_drop(oldest.stop)
        return oldest

    def bounds(self) -> range:
        """From the first number of the oldest range to the last of the newest."""
        ranges = self._connection.ranges()
        return range(ranges[0][0], ranges[-1][1])

    def __len__(self) -> int:
        return len(self._connection.ranges())

    def __getitem__(self, index: int) -> range:
        return range(*self._connection.ranges()[index])

    def __iter__(self) -> Iterator[range]:
        return iter([range(*each) for each in self._connection.ranges()])


class SharedWindow:
    """What tells a duplicate: the 128 packet numbers up to the highest."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, packet_number: int) -> None:
        """It was received."""
        self._connection.mark(packet_number)

    def __contains__(self, packet_number: int) -> bool:
        return self._connection.seen(packet_number)


class SharedSpace:
    """Stands in for `QuicPacketSpace(is_application_data=True)`. Times are seconds here and µs natively.

    Each side owes the ACK of what it has taken in by its own rules, and any ACK tells of both: whoever sends
    one settles it for the other (`ack_at = None` by aioquic, `settled` for the native side).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ack_at: float | None = None
        self.ack_queue = SharedRanges(connection)
        self.received_packets = SharedWindow(connection)
        self.discarded = False
        self.is_application_data = True
        self.ack_eliciting_in_flight = 0
        self.largest_acked_packet = 0
        self.loss_time: float | None = None
        self.sent_packets: dict[int, Any] = {}

    @property
    def ack_at(self) -> float | None:
        """When aioquic must send an ACK for what it has taken in, or None.

        None also while there is nothing left to tell of: aioquic fails on an ACK frame without a range.
        """
        return self._ack_at if self._ack_at is not None and self._connection.ranges() else None

    @ack_at.setter
    def ack_at(self, at_s: float | None) -> None:
        self._ack_at = at_s
        if at_s is None:
            self._connection.ack_sent()

    def settled(self) -> None:
        """A native ACK has left."""
        self._ack_at = None

    def take_over(self, now_s: float) -> None:
        """The native side is barred from sending: what it owes is aioquic's to send, and at once."""
        if self._connection.ack_due_us is not None:
            self._ack_at = now_s

    @property
    def expected_packet_number(self) -> int:
        """One above the highest received, which is what short packet numbers are relative to."""
        return self._connection.expected_pn

    @expected_packet_number.setter
    def expected_packet_number(self, packet_number: int) -> None:
        self._connection.expected_pn = packet_number

    @property
    def largest_received_packet(self) -> int:
        """-1: none yet."""
        return self._connection.largest_pn

    @largest_received_packet.setter
    def largest_received_packet(self, packet_number: int) -> None:
        self._connection.largest_pn = packet_number

    @property
    def largest_received_time(self) -> float | None:
        """When that one arrived."""
        return None if self._connection.largest_pn < 0 else self._connection.largest_at_us / _S

    @largest_received_time.setter
    def largest_received_time(self, at_s: float) -> None:
        self._connection.largest_at_us = to_us(at_s)
