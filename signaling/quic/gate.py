"""The gate before any connection exists: who may begin a handshake, prove its address, or is refused.

Pure: no socket, no clock; `now_s` is an argument. aioquic by itself has no cap, no deadline and no Retry.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from aioquic.quic.retry import QuicRetryTokenHandler

from signaling.quic.limits import Address
from signaling.quic.packets import CID_BYTES, CONNECTION_REFUSED, INVALID_TOKEN, Initial, refusal, retry

__all__ = ["Admission", "Gate", "GateLimits", "GateStats"]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Every bound on connections that are not ours to trust yet."""

    half_open: int = 512  # handshakes under way; further Initials are ignored
    retry_above: int = 128  # from this many on a new client must prove its address with a Retry token
    connections: int = 10_000  # all connections, half-open ones included; further ones are refused
    handshake_s: float = 10.0  # a handshake that takes longer is given up
    refusals_per_s: int = 100  # refusals cost a key derivation each; beyond this many Initials are ignored


@dataclass(slots=True)
class GateStats:
    """Counters since the start; reading them changes nothing."""

    admitted: int = 0
    retries: int = 0
    bad_tokens: int = 0
    refused_full: int = 0
    ignored_half_open: int = 0
    ignored_flood: int = 0
    handshakes_expired: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """A connection may be made, with these ids for `Link.accept`."""

    original_cid: bytes
    retry_cid: bytes | None


class Gate:
    """Counts connections by a number of the caller's choice, and judges Initials that belong to none."""

    def __init__(
        self, limits: GateLimits | None = None, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.limits = limits or GateLimits()
        self.stats = GateStats()
        self.accepting = True  # False: every new connection is refused, those that exist live on
        self._tokens = QuicRetryTokenHandler()
        self._random_bytes = random_bytes
        self._deadlines: dict[int, float] = {}  # half-open, oldest first: each waits equally long
        self._connections: set[int] = set()
        self._refusal_second = float("-inf")
        self._refusals = 0

    @property
    def half_open(self) -> int:
        """Handshakes under way."""
        return len(self._deadlines)

    @property
    def connections(self) -> int:
        """All connections, half-open ones included."""
        return len(self._connections)

    def judge(self, initial: Initial, address: Address, now_s: float) -> Admission | bytes | None:
        """What to do with an Initial of no known connection: make one, send these bytes back, or ignore it.

        A client that presents a token has received a Retry and expects its ids to be confirmed, however
        many handshakes are under way by now: its token is always checked.
        """
        limits, stats = self.limits, self.stats
        if not self.accepting or self.connections >= limits.connections:
            stats.refused_full += 1
            return self._refuse(initial, CONNECTION_REFUSED, now_s)
        if self.half_open >= limits.half_open:
            stats.ignored_half_open += 1
            return None
        if initial.token:
            try:
                original_cid = self._tokens.validate_token(
                    address=address, destination_cid=initial.destination_cid, token=initial.token, now=now_s
                )
            except ValueError:
                stats.bad_tokens += 1
                return self._refuse(initial, INVALID_TOKEN, now_s)
            return Admission(original_cid, initial.destination_cid)
        if self.half_open >= limits.retry_above:
            stats.retries += 1
            return self._retry(initial, address, now_s)
        return Admission(initial.destination_cid, None)

    def opened(self, number: int, now_s: float) -> None:
        """A connection was made after an Admission and begins its handshake."""
        self.stats.admitted += 1
        self._connections.add(number)
        self._deadlines[number] = now_s + self.limits.handshake_s

    def established(self, number: int) -> None:
        """Its handshake is complete."""
        self._deadlines.pop(number, None)

    def gone(self, number: int) -> None:
        """The connection is forgotten, in whatever state."""
        self._deadlines.pop(number, None)
        self._connections.discard(number)

    def deadline(self) -> float | None:
        """When `expired` is worth asking next."""
        return next(iter(self._deadlines.values()), None)

    def expired(self, now_s: float) -> list[int]:
        """The handshakes whose time is up, each named once."""
        late = []
        for number, deadline in self._deadlines.items():
            if deadline > now_s:
                break
            late.append(number)
        for number in late:
            del self._deadlines[number]
        self.stats.handshakes_expired += len(late)
        return late

    def _retry(self, initial: Initial, address: Address, now_s: float) -> bytes:
        source_cid = self._random_bytes(CID_BYTES)
        token = self._tokens.create_token(
            address=address,
            original_destination_connection_id=initial.destination_cid,
            retry_source_connection_id=source_cid,
            now=now_s,
        )
        return retry(initial, source_cid, token)

    def _refuse(self, initial: Initial, code: int, now_s: float) -> bytes | None:
        if now_s - self._refusal_second >= 1:
            self._refusal_second, self._refusals = now_s, 0
        if self._refusals >= self.limits.refusals_per_s:
            self.stats.ignored_flood += 1
            return None
        self._refusals += 1
        return refusal(initial, code)
