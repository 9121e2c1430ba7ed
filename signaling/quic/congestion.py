"""Congestion control where two stacks send on one connection: New Reno over what both have in flight."""

from __future__ import annotations

from typing import Protocol

from aioquic.quic.congestion.base import register_congestion_control
from aioquic.quic.congestion.reno import RenoCongestionControl
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.tls import Epoch

__all__ = ["RENO", "InFlight", "SharedReno"]

RENO = "spacecore-reno"
"""The name under which aioquic's configuration knows SharedReno."""

_RESERVE_PACKETS = 2  # of the window that streams leave free, so that audio finds room whenever it comes


class InFlight(Protocol):
    """Whoever else sends over the same path."""

    @property
    def in_flight_bytes(self) -> int:
        """Bytes sent whose fate is not known."""


class SharedReno(RenoCongestionControl):
    """New Reno (RFC 9002 section 7) that counts the packets of another sender too. Alone it is plain Reno.

    What aioquic may send is the window less its own bytes, less the other's, less a reserve of two packets or
    half the window. However much the other has in flight, one packet of aioquic's own always fits: audio must
    not silence the control stream, which is what carries the news that a window was lost.
    """

    other: InFlight | None = None
    _own_bytes = 0

    def __init__(self, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._packet_bytes = max_datagram_size

    @property
    def bytes_in_flight(self) -> int:
        """As aioquic shall see it."""
        return self._own_bytes + self._taken_bytes()

    @bytes_in_flight.setter
    def bytes_in_flight(self, value: int) -> None:
        # aioquic only ever adds to what it has read, in one statement: the part of the other cancels out.
        self._own_bytes = value - self._taken_bytes()

    def other_lost(self, *, sent_s: float, now_s: float) -> None:
        """A packet of the other, sent then, was lost: one congestion event in each recovery period."""
        lost = QuicSentPacket(
            epoch=Epoch.ONE_RTT,
            in_flight=True,
            is_ack_eliciting=True,
            is_crypto_packet=False,
            packet_number=-1,  # it never was among aioquic's own, and neither were its bytes
            packet_type=QuicPacketType.ONE_RTT,
            sent_time=sent_s,
            sent_bytes=0,
        )
        self.on_packets_lost(now=now_s, packets=[lost])

    def _taken_bytes(self) -> int:
        if self.other is None:
            return 0
        packet_bytes = self._packet_bytes
        reserve_bytes = min(_RESERVE_PACKETS * packet_bytes, self.congestion_window // 2)
        taken_bytes = self.other.in_flight_bytes + reserve_bytes
        return int(min(taken_bytes, self.congestion_window - packet_bytes))


register_congestion_control(RENO, SharedReno)
