"""OCB2-AES128, and the packets that Mumble makes of it. Only to talk to that server.

OCB2 is broken (eprint 2019/311); nothing else may use it.

Rogaway, "Efficient Instantiations of Tweakable Blockciphers and Refinements to Modes OCB and PMAC" (2004);
the vectors are those of draft-krovetz-ocb-00. A block is a number of 128 bits, most significant first.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_BYTES = 16
NONCE_BYTES = 16
TAG_BYTES = 3  # of the 16, in a packet
_MASK = (1 << 128) - 1


class ForgedError(ValueError):
    """A packet that its key does not open."""


class Ocb2:
    """The mode itself. Nonces are 16 bytes; tags come whole, 16 bytes."""

    def __init__(self, key: bytes) -> None:
        cipher = Cipher(algorithms.AES128(key), modes.ECB())  # noqa: S305 - the block cipher that OCB2 is built on
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()

    def seal(self, nonce: bytes, plain: bytes) -> tuple[bytes, bytes]:
        """The encrypted bytes and the tag."""
        delta = self._encrypt(int.from_bytes(nonce))
        checksum = 0
        sealed = []
        body, tail = _split(plain)
        for block in body:
            delta = _double(delta)
            sealed.append(delta ^ self._encrypt(delta ^ block))
            checksum ^= block
        delta, pad = self._last(delta, len(tail))
        # The rest of the pad stands in the checksum where the last block has no bytes.
        checksum ^= int.from_bytes(tail + pad[len(tail) :])
        return _join(sealed) + _xor(tail, pad), self._tag(delta, checksum)

    def open(self, nonce: bytes, sealed: bytes) -> tuple[bytes, bytes]:
        """The plain bytes, and the tag that they should have had."""
        delta = self._encrypt(int.from_bytes(nonce))
        checksum = 0
        plain = []
        body, tail = _split(sealed)
        for block in body:
            delta = _double(delta)
            plain.append(delta ^ self._decrypt(delta ^ block))
            checksum ^= plain[-1]
        delta, pad = self._last(delta, len(tail))
        ending = _xor(tail, pad)
        checksum ^= int.from_bytes(ending + pad[len(tail) :])
        return _join(plain) + ending, self._tag(delta, checksum)

    def _last(self, delta: int, tail_bytes: int) -> tuple[int, bytes]:
        delta = _double(delta)
        return delta, self._encrypt(delta ^ tail_bytes * 8).to_bytes(BLOCK_BYTES)

    def _tag(self, delta: int, checksum: int) -> bytes:
        return self._encrypt(_double(delta) ^ delta ^ checksum).to_bytes(BLOCK_BYTES)

    def _encrypt(self, block: int) -> int:
        return int.from_bytes(self._encryptor.update(block.to_bytes(BLOCK_BYTES)))

    def _decrypt(self, block: int) -> int:
        return int.from_bytes(self._decryptor.update(block.to_bytes(BLOCK_BYTES)))


class PacketCipher:
    """One client's packets: the nonce's first byte, 3 bytes of tag, the encrypted bytes.

    Nonces count by one, least significant byte first, from the values of the server's CryptSetup on.
    """

    def __init__(self, key: bytes, send_nonce: bytes, receive_nonce: bytes) -> None:
        self._mode = Ocb2(key)
        self._send = int.from_bytes(send_nonce, "little")
        self._receive = int.from_bytes(receive_nonce, "little")

    def seal(self, plain: bytes) -> bytes:
        self._send = (self._send + 1) & _MASK
        nonce = self._send.to_bytes(NONCE_BYTES, "little")
        sealed, tag = self._mode.seal(nonce, plain)
        return nonce[:1] + tag[:TAG_BYTES] + sealed

    def open(self, packet: bytes, *, most_wraps: int = 256) -> bytes:
        """Open any one of the next 256 × `most_wraps` packets; those before it count as lost.

        A sampled packet is far from the one before it, and only the lowest byte of its nonce is sent.

        Raises:
            ForgedError: no nonce in reach opens it.
        """
        if len(packet) < 1 + TAG_BYTES:
            raise ForgedError(f"a packet of {len(packet)} bytes: at least {1 + TAG_BYTES} are needed")
        ahead = (packet[0] - self._receive) & 0xFF or 256
        for wrap in range(most_wraps):
            number = (self._receive + ahead + 256 * wrap) & _MASK
            nonce = number.to_bytes(NONCE_BYTES, "little")
            plain, tag = self._mode.open(nonce, packet[1 + TAG_BYTES :])
            if tag[:TAG_BYTES] == packet[1 : 1 + TAG_BYTES]:
                self._receive = number
                return plain
        raise ForgedError(
            f"a packet of {len(packet)} bytes opens with none of the next {256 * most_wraps} nonces"
        )


def _split(text: bytes) -> tuple[list[int], bytes]:
    """All blocks but the last, which is 1 to 16 bytes (0 where there is nothing at all)."""
    n_body = max(len(text) - 1, 0) // BLOCK_BYTES * BLOCK_BYTES
    body = [int.from_bytes(text[at : at + BLOCK_BYTES]) for at in range(0, n_body, BLOCK_BYTES)]
    return body, text[n_body:]


def _join(blocks: list[int]) -> bytes:
    return b"".join(block.to_bytes(BLOCK_BYTES) for block in blocks)


def _xor(text: bytes, pad: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, pad, strict=False))


def _double(block: int) -> int:
    """Times x in GF(2^128) with the polynomial x^128 + x^7 + x^2 + x + 1."""
    return (block << 1 & _MASK) ^ (0x87 if block >> 127 else 0)
