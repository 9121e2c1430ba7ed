"""OCB2-AES128 against its published vectors, and Mumble's packets made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.peer.ocb2 import ForgedError, Ocb2, PacketCipher

KEY = bytes(range(16))
FUNKY = b"It was a funky funky town!\0"


def cipher_pair() -> tuple[PacketCipher, PacketCipher]:
    up, down = bytes([0x55] * 16), bytes([0xFE, 0xFF, 0xFF, 7] + [0] * 12)
    return PacketCipher(KEY, up, down), PacketCipher(KEY, down, up)


@pytest.mark.parametrize(
    ("n_bytes", "sealed", "tag"),
    [
        (0, "", "bf3108130773ad5ec70ec69e7875a7b0"),
        (
            40,
            "f75d6bc8b4dc8d66b836a2b08b32a6369f1cd3c5228d79fd6c267f5f6aa7b231c7dfb9d59951ae9c",
            "9db0cdf880f73e3e10d4eb3217766688",
        ),
    ],
)
def test_the_vectors_of_the_draft(n_bytes, sealed, tag):
    """draft-krovetz-ocb-00, which Mumble's own test uses too; key and nonce are the same bytes there."""
    plain = bytes(range(n_bytes))
    assert Ocb2(KEY).seal(KEY, plain) == (bytes.fromhex(sealed), bytes.fromhex(tag))
    assert Ocb2(KEY).open(KEY, bytes.fromhex(sealed)) == (plain, bytes.fromhex(tag))


@given(plain=st.binary(max_size=128), nonce=st.binary(min_size=16, max_size=16))
def test_what_is_sealed_opens(plain, nonce):
    sealed, tag = Ocb2(KEY).seal(nonce, plain)
    assert len(sealed) == len(plain)
    assert Ocb2(KEY).open(nonce, sealed) == (plain, tag)


def test_every_flipped_bit_is_found():
    sender, _ = cipher_pair()
    packet = sender.seal(FUNKY)
    for bit in range(8, 8 * len(packet)):  # the first byte is no content: it chooses the nonce
        flipped = bytearray(packet)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ForgedError, match="opens with none"):
            cipher_pair()[1].open(bytes(flipped), most_wraps=2)
    assert cipher_pair()[1].open(packet) == FUNKY


@pytest.mark.parametrize("n_lost", [0, 1, 254, 255, 256, 3000])
def test_a_sample_opens_after_many_that_were_not(n_lost):
    sender, receiver = cipher_pair()
    for _ in range(n_lost):
        sender.seal(b"")
    assert receiver.open(sender.seal(FUNKY)) == FUNKY


def test_the_same_packet_opens_once():
    sender, receiver = cipher_pair()
    packet = sender.seal(FUNKY)
    receiver.open(packet)
    with pytest.raises(ForgedError):
        receiver.open(packet)


def test_a_nonce_carries_over_all_its_bytes():
    """From FE FF FF 07: the second packet's nonce is 00 00 00 08."""
    receiver, sender = cipher_pair()
    assert [sender.seal(FUNKY)[0], sender.seal(FUNKY)[0]] == [0xFF, 0x00]
    assert receiver.open(sender.seal(FUNKY)) == FUNKY


@pytest.mark.parametrize("n_bytes", [0, 3])
def test_a_stub_of_a_packet_is_refused(n_bytes):
    with pytest.raises(ForgedError, match="at least 4"):
        cipher_pair()[0].open(bytes(n_bytes))
