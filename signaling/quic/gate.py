"""The gate before any connection exists: who may begin a handshake, prove its address, or is refused.

Pure: no socket, no clock but that of the tokens; `now_s` is an argument. aioquic by itself has no cap, no
deadline and no Retry.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from signaling.quic.address_tokens import AddressTokens, Proof, new_key
from signaling.quic.limits import Address
from signaling.quic.packets import CID_BYTES, CONNECTION_REFUSED, INVALID_TOKEN, Initial, refusal, retry
from signaling.quic.prefixes import V4_BITS, V6_BITS, prefix_of

__all__ = ["Admission", "Gate", "GateLimits", "GateStats"]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Every bound on connections that are not ours to trust yet."""

    half_open: int = 512  # handshakes under way; further Initials are ignored
    half_open_per_prefix: int = 128  # … of one prefix; from half of it on it must prove its addresses
    retry_above: int = 128  # from this many on a new client must prove its address with a Retry token
    connections: int = 10_000  # all connections, half-open ones included; further ones are refused
    connections_per_prefix: int = 2_000  # … of one prefix
    returning: int = 512  # of people who return: half-open beside the others, and connections on top of all
    prefix_v4_bits: int = V4_BITS
    prefix_v6_bits: int = V6_BITS
    handshake_s: float = 10.0  # a handshake that takes longer is given up
    refusals_per_s: int = 100  # refusals cost a key derivation each; beyond this many Initials are ignored


@dataclass(slots=True)
class GateStats:
    """Counters since the start; reading them changes nothing."""

    admitted: int = 0
    returned: int = 0  # … of them, in the lane of those who return
    retries: int = 0
    bad_tokens: int = 0
    refused_full: int = 0
    refused_prefix: int = 0
    ignored_half_open: int = 0
    ignored_prefix: int = 0
    ignored_returning: int = 0
    ignored_flood: int = 0
    handshakes_expired: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """A connection may be made, with these ids for `Link.accept`. `returning`: by which token, or None."""

    original_cid: bytes
    retry_cid: bytes | None
    prefix: bytes = b""
    returning: bytes | None = None


@dataclass(slots=True)
class _Share:
    """What one prefix has of the connections."""

    connections: int = 0
    half_open: int = 0


@dataclass(slots=True)
class _PerSecond:
    """How often something was within a second."""

    began_s: float = field(default=float("-inf"))
    count: int = 0

    def add(self, now_s: float) -> int:
        """Count one more; how many with it."""
        if now_s - self.began_s >= 1:
            self.began_s, self.count = now_s, 0
        self.count += 1
        return self.count

    def at(self, now_s: float) -> int:
        """How many so far in the second that is under way."""
        return self.count if now_s - self.began_s < 1 else 0


class Gate:
    """Counts connections by a number of the caller's choice, and judges Initials that belong to none.

    Whoever has a token of return has a lane of their own: no rush of strangers, from wherever, keeps them
    out. One token makes one handshake at a time, so that it is of little use to many.
    """

    def __init__(
        self,
        limits: GateLimits | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        tokens: AddressTokens | None = None,
    ) -> None:
        self.limits = limits or GateLimits()
        self.stats = GateStats()
        self.accepting = True  # False: every new connection is refused, those that exist live on
        self.tokens = tokens or AddressTokens(new_key())
        self._random_bytes = random_bytes
        self._deadlines: dict[int, float] = {}  # half-open, oldest first: each waits equally long
        self._connections: dict[int, Admission] = {}
        self._shares: dict[bytes, _Share] = {}
        self._returning: dict[bytes, int] = {}  # half-open ones by the token that they came with
        self._refusals = _PerSecond()
        self._wasted = _PerSecond()
        self._guessed = _PerSecond()

    @property
    def half_open(self) -> int:
        """Handshakes under way."""
        return len(self._deadlines)

    @property
    def connections(self) -> int:
        """All connections, half-open ones included."""
        return len(self._connections)

    @property
    def prefixes(self) -> int:
        """Prefixes that have connections; nothing is kept of others."""
        return len(self._shares)

    def judge(self, initial: Initial, address: Address, now_s: float) -> Admission | bytes | None:
        """What to do with an Initial of no known connection: make one, send these bytes back, or ignore it.

        A client that presents a token has received a Retry and expects its ids to be confirmed, however
        many handshakes are under way by now: its token is always checked. One that is good for nothing and
        was not given with a Retry changes nothing (RFC 9000 section 8.1.3).
        """
        if not self.accepting:
            self.stats.refused_full += 1
            return self._refuse(initial, CONNECTION_REFUSED, now_s)
        proof = None
        if initial.token:
            proof = self.tokens.read(initial.token, address, initial.destination_cid)
            if proof is None:
                self.stats.bad_tokens += 1
                if self.tokens.is_of_retry(initial.token):
                    return self._refuse(initial, INVALID_TOKEN, now_s)
                if self._guessed.add(now_s) > self.limits.refusals_per_s:
                    self.stats.ignored_flood += 1  # a Retry for each would cost ten times what this did
                    return None
        if proof is not None and proof.returning is not None:
            return self._judge_returning(initial, address, proof, proof.returning, now_s)
        return self._judge_stranger(initial, address, proof, now_s)

    def opened(self, number: int, now_s: float, admission: Admission | None = None) -> None:
        """A connection was made after an Admission and begins its handshake."""
        admission = admission or Admission(b"", None)
        self.stats.admitted += 1
        self._connections[number] = admission
        self._deadlines[number] = now_s + self.limits.handshake_s
        if admission.returning is not None:
            self.stats.returned += 1
            self._returning[admission.returning] = number
            return
        share = self._shares.setdefault(admission.prefix, _Share())
        share.connections += 1
        share.half_open += 1

    def wasted(self, now_s: float) -> None:
        """What seemed to begin a connection was garbage, and cost what a beginning costs."""
        self._wasted.add(now_s)

    def established(self, number: int) -> None:
        """Its handshake is complete."""
        if self._deadlines.pop(number, None) is not None:
            self._not_half_open(number)

    def gone(self, number: int) -> None:
        """The connection is forgotten, in whatever state."""
        self.established(number)
        admission = self._connections.pop(number, None)
        if admission is not None and admission.returning is None:
            share = self._shares[admission.prefix]
            share.connections -= 1
            if not share.connections:
                del self._shares[admission.prefix]

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
            self._not_half_open(number)
        self.stats.handshakes_expired += len(late)
        return late

    def _judge_stranger(
        self, initial: Initial, address: Address, proof: Proof | None, now_s: float
    ) -> Admission | bytes | None:
        limits, stats = self.limits, self.stats
        if self.connections >= limits.connections:
            stats.refused_full += 1
            return self._refuse(initial, CONNECTION_REFUSED, now_s)
        prefix = prefix_of(str(address[0]), limits.prefix_v4_bits, limits.prefix_v6_bits)
        share = self._shares.get(prefix) or _Share()
        if share.connections >= limits.connections_per_prefix:
            stats.refused_prefix += 1
            return self._refuse(initial, CONNECTION_REFUSED, now_s)
        if self._has_no_room(share):
            return None
        if proof is not None and proof.original_cid is not None:
            return Admission(proof.original_cid, initial.destination_cid, prefix)
        # Addresses that somebody invents take at most half of what their owners have.
        if self._is_rush(now_s) or 2 * share.half_open >= limits.half_open_per_prefix:
            return self._retry(initial, address, None)
        return Admission(initial.destination_cid, None, prefix)

    def _has_no_room(self, share: _Share) -> bool:
        """Whether too many handshakes are under way for one more, in all or of this prefix; counted."""
        if self.half_open - len(self._returning) >= self.limits.half_open:
            self.stats.ignored_half_open += 1
            return True
        if share.half_open >= self.limits.half_open_per_prefix:
            self.stats.ignored_prefix += 1
            return True
        return False

    def _judge_returning(
        self, initial: Initial, address: Address, proof: Proof, token: bytes, now_s: float
    ) -> Admission | bytes | None:
        limits, stats = self.limits, self.stats
        if self.connections >= limits.connections + limits.returning:
            stats.refused_full += 1
            return self._refuse(initial, CONNECTION_REFUSED, now_s)
        if token in self._returning or len(self._returning) >= limits.returning:
            stats.ignored_returning += 1
            return None
        if proof.original_cid is not None:
            return Admission(proof.original_cid, initial.destination_cid, returning=token)
        if not proof.is_here and self._is_rush(now_s):
            return self._retry(initial, address, token)
        return Admission(initial.destination_cid, None, returning=token)

    def _is_rush(self, now_s: float) -> bool:
        """Garbage leaves nothing half-open, and costs as much."""
        return self.half_open + self._wasted.at(now_s) >= self.limits.retry_above

    def _not_half_open(self, number: int) -> None:
        admission = self._connections[number]
        if admission.returning is None:
            self._shares[admission.prefix].half_open -= 1
        else:
            self._returning.pop(admission.returning, None)

    def _retry(self, initial: Initial, address: Address, returning: bytes | None) -> bytes:
        self.stats.retries += 1
        source_cid = self._random_bytes(CID_BYTES)
        token = self.tokens.for_retry(address, initial.destination_cid, source_cid, returning)
        return retry(initial, source_cid, token)

    def _refuse(self, initial: Initial, code: int, now_s: float) -> bytes | None:
        if self._refusals.add(now_s) > self.limits.refusals_per_s:
            self.stats.ignored_flood += 1
            return None
        return refusal(initial, code)
