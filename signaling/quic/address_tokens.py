"""Tokens of the gate: that an address is its sender's own (Retry), and that somebody was inside (return).

Both are made and checked without any state (RFC 9000 section 8.1), by any server that has the same key.
Nothing in them is secret, so they are authenticated and not encrypted: a keyed hash has no nonce to repeat.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from signaling.quic.limits import Address

__all__ = ["KEY_LEAST_BYTES", "RETRY_S", "RETURN_S", "AddressTokens", "Proof", "new_key"]

KEY_LEAST_BYTES = 32
"""A shorter secret is refused at the start."""
RETRY_S = 10
"""A Retry is answered at once: the client's own handshake would be over later."""
RETURN_S = 86_400
"""As long as a token of identity may live: somebody who stays for a day comes back with this."""

_RETRY, _RETURN = 1, 2  # the first byte says which, as RFC 9000 section 8.1.1 wants to have them told apart
_ID_BYTES = 8
_MAC_BYTES = 16
_TIME_BYTES = 8
_HEAD_BYTES = 1 + _TIME_BYTES + _ID_BYTES
_ADDRESS_BYTES = 8
_CLOCKS_S = 30  # servers that share a key may differ by this much
_NOBODY = bytes(_ID_BYTES)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token says: `original_cid` of the first Initial after a Retry; `returning` names who was inside.

    `is_here`: the address of this packet is the one that the token was given to.
    """

    original_cid: bytes | None
    returning: bytes | None
    is_here: bool


def new_key() -> bytes:
    """A secret for one process alone."""
    return os.urandom(KEY_LEAST_BYTES)


@dataclass(slots=True)
class AddressTokens:
    """Makes and reads both kinds. `wall` is in seconds since the epoch, for what must outlive a process.

    ValueError for a secret that is too short; it is never part of a message.
    """

    secret: bytes = field(repr=False)
    wall: Callable[[], float] = time.time
    random_bytes: Callable[[int], bytes] = os.urandom
    _key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < KEY_LEAST_BYTES:
            raise ValueError(
                f"the key of the gate has {len(self.secret)} bytes and {KEY_LEAST_BYTES} is the least; take "
                "64 random hex digits"
            )
        self._key = hashlib.blake2b(self.secret, digest_size=32, person=b"spaces gate").digest()

    def for_retry(
        self, address: Address, original_cid: bytes, retry_cid: bytes, returning: bytes | None
    ) -> bytes:
        """To be sent back from the same address and port to `retry_cid`, within RETRY_S."""
        head = self._head(_RETRY, returning or _NOBODY) + original_cid
        return head + self._mac(head, retry_cid, _packed(address), _port(address))

    def for_return(self, address: Address) -> bytes:
        """For a later connection, from wherever; it names nobody, and no two are alike."""
        head = self._head(_RETURN, self.random_bytes(_ID_BYTES))
        head += self._mac(head, _packed(address))[:_ADDRESS_BYTES]
        return head + self._mac(head)

    def read(self, token: bytes, address: Address, destination_cid: bytes) -> Proof | None:
        """What a token proves, or None: not ours, too old, or of a Retry to somebody else."""
        if len(token) < _HEAD_BYTES + _MAC_BYTES:
            return None
        body, mac = token[:-_MAC_BYTES], token[-_MAC_BYTES:]
        if self.is_of_retry(token):
            wanted, lifetime_s = self._mac(body, destination_cid, _packed(address), _port(address)), RETRY_S
        else:
            wanted, lifetime_s = self._mac(body), RETURN_S
        if not hmac.compare_digest(mac, wanted):
            return None
        age_s = self.wall() - int.from_bytes(body[1 : 1 + _TIME_BYTES]) / 1_000
        if not -_CLOCKS_S <= age_s <= lifetime_s:
            return None
        name = body[1 + _TIME_BYTES : _HEAD_BYTES]
        if self.is_of_retry(token):
            return Proof(body[_HEAD_BYTES:], None if name == _NOBODY else name, is_here=True)
        here = self._mac(body[:_HEAD_BYTES], _packed(address))[:_ADDRESS_BYTES]
        return Proof(None, name, is_here=hmac.compare_digest(body[_HEAD_BYTES:], here))

    @staticmethod
    def is_of_retry(token: bytes) -> bool:
        """Whether a client presents it as the answer to a Retry, rightly or not."""
        return token[:1] == bytes((_RETRY,))

    def _head(self, kind: int, name: bytes) -> bytes:
        return bytes((kind,)) + int(self.wall() * 1_000).to_bytes(_TIME_BYTES) + name

    def _mac(self, *parts: bytes) -> bytes:
        # Each part with its length: no two sets of parts hash the same bytes.
        data = b"".join(bytes((len(part),)) + part for part in parts)
        return hashlib.blake2b(data, key=self._key, digest_size=_MAC_BYTES).digest()


def _packed(address: Address) -> bytes:
    host = str(address[0])
    try:
        return socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return socket.inet_pton(socket.AF_INET6, host.partition("%")[0])


def _port(address: Address) -> bytes:
    return int(address[1]).to_bytes(2)
