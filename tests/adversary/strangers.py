"""Attacks before a handshake is complete: garbage Initials, bogus Retry tokens, handshakes that never end."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from aioquic.buffer import encode_uint_var
from aioquic.quic.connection import QuicConnection

from tests.adversary.ground import Ground
from tests.adversary.intruder import configuration

__all__ = ["garbage_initial", "garbage_initials", "retry_tokens", "slow_handshakes"]

INITIAL_BYTES = 1_200
TOKEN_BYTES = 77  # what a real one has: 12 of nonce, 16 of tag, address, two ids, time
_RETRY = 0x30  # bits of the packet type in the first byte of version 1, RFC 9000 section 17.2.5
_SOCKETS = 64
_HELD_MOST = 4_096


def garbage_initial(dice: random.Random, token: bytes = b"") -> bytes:
    """An Initial of version 1 whose header is in order and in which nothing can be decrypted."""
    head = bytes([0xC0 | dice.randrange(4)]) + b"\x00\x00\x00\x01\x08" + dice.randbytes(8)
    head += b"\x08" + dice.randbytes(8) + encode_uint_var(len(token)) + token
    rest = INITIAL_BYTES - len(head) - 2
    return head + (0x4000 | rest).to_bytes(2, "big") + dice.randbytes(rest)


async def garbage_initials(ground: Ground) -> None:
    """5,000 Initials a second, from many addresses, each with connection ids of its own."""
    await _throw(ground, 5_000, b"")


async def retry_tokens(ground: Ground) -> None:
    """3,000 Initials a second, each with a token that no Retry gave out."""
    await _throw(ground, 3_000, bytes(TOKEN_BYTES))


async def _throw(ground: Ground, per_s: float, token: bytes) -> None:
    sockets = [await ground.open(ground.host(), _Counting(ground)) for _ in range(_SOCKETS)]
    async for n in ground.paced(per_s):
        some = ground.dice.randbytes(len(token)) if token else b""
        packet = garbage_initial(ground.dice, some)
        ground.tally["packets"] += 1
        ground.tally["bytes"] += len(packet)
        sockets[n % _SOCKETS].sendto(packet)
    for each in sockets:
        each.close()


class _Counting(asyncio.DatagramProtocol):
    """Counts what the server answers: it must not be made to send much to a forged address."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def __call__(self) -> _Counting:
        return self

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._ground.tally["answered_bytes"] += len(data)

    def error_received(self, exc: Exception) -> None:
        self._ground.tally["socket_errors"] += 1


async def slow_handshakes(ground: Ground) -> None:
    """200 real ClientHellos a second, each from an address of its own, and not a word after the answer.

    Who is asked to come again with a token does.
    """
    held: list[_Slow] = []
    async for _ in ground.paced(200):
        if len(held) >= _HELD_MOST:
            held.pop(0).close()
        slow = _Slow(ground)
        held.append(slow)
        slow.begin(await ground.open(ground.host(), lambda slow=slow: slow))  # type: ignore[misc]
    for each in held:
        each.close()


class _Slow(_Counting):
    """Sends its first flight, and once more after a Retry."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self._quic = QuicConnection(configuration=configuration())
        self._transport: Any = None
        self._retried = False

    def begin(self, transport: Any) -> None:
        """Say the first word."""
        self._transport = transport
        self._quic.connect(self._ground.server, asyncio.get_running_loop().time())
        self._flush()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        if data[0] & 0xF0 == 0xC0 | _RETRY and not self._retried:
            self._retried = True
            self._ground.tally["retries"] += 1
            self._quic.receive_datagram(data, self._ground.server, asyncio.get_running_loop().time())
            self._flush()
        else:
            self._ground.tally["answers"] += 1

    def close(self) -> None:
        """Give the socket back."""
        self._transport.close()

    def _flush(self) -> None:
        for packet, _ in self._quic.datagrams_to_send(asyncio.get_running_loop().time()):
            self._ground.tally["packets"] += 1
            self._ground.tally["bytes"] += len(packet)
            self._transport.sendto(packet)
