"""The bounds and the counters of one connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["CLIENT_ACKS", "SERVER_ACKS", "AckPolicy", "Address", "LinkLimits", "LinkStats"]

Address = tuple[Any, ...]
"""A socket address as asyncio gives it: (host, port) or (host, port, flow info, scope id)."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Every bound of one connection."""

    audio_queue: int = 10  # datagrams waiting to be sent; the oldest is dropped (200 ms of audio)
    control_backlog_bytes: int = 256 * 1024  # control data sent or waiting, not acknowledged: then TooSlow
    max_data_bytes: int = 256 * 1024  # receive window of the connection
    max_stream_data_bytes: int = 64 * 1024  # receive window of a stream
    fragments: int = 64  # pieces of a stream that wait for earlier ones; one more closes the connection
    gap_bytes: int = 16 * 1024  # bytes of a stream that may be missing before others; more closes it too
    peer_streams: int = 4  # streams that the peer may have open, all bidirectional
    refused_streams: int = 64  # streams refused in a connection's life; one more closes it
    packets_per_s: int = 500  # packets that aioquic has to read; more are dropped unread
    idle_timeout_s: float = 30.0
    max_packet_bytes: int = 1200  # UDP payload of a packet: the least that QUIC allows, it fits any path


@dataclass(frozen=True, slots=True)
class AckPolicy:
    """When native packets that hold nothing but audio are acknowledged. Anything else is at once."""

    CONTROL_MS: ClassVar[int] = (
        25  # the delay that the repair of control data reckons with, whatever is promised
    )

    every: int  # at this many of them …
    delay_ms: int  # … or when the oldest has waited this long
    promised_ms: int  # what the peer is told: it must not take a packet for lost earlier


# Ten packets are 200 ms of speech: one ACK where aioquic would send five to ten. A listener sends nothing
# else, so ACKs are most of what a server receives; 600 ms is for those who hear a packet now and then.
CLIENT_ACKS = AckPolicy(every=10, delay_ms=600, promised_ms=600)
SERVER_ACKS = AckPolicy(every=10, delay_ms=20, promised_ms=25)


@dataclass(slots=True)
class LinkStats:
    """Counters of one link since it was made; reading them changes nothing."""

    packets_in: int = 0
    packets_out: int = 0
    control_bytes_in: int = 0
    control_bytes_out: int = 0
    audio_in: int = 0
    audio_out: int = 0
    audio_dropped: int = 0  # dropped as the oldest of a full queue
    audio_oversized: int = 0  # refused: does not fit in a packet or the peer's limit
    audio_unready: int = 0  # refused: not established, or closed
    streams_refused: int = 0
