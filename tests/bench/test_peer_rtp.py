"""RTP and SRTP packets against the vectors of RFC 3711 and of libsrtp."""

from __future__ import annotations

import pytest

from bench.peer import rtp, srtp
from bench.peer.ocb2 import ForgedError

MASTER = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139")
SALT = bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
HEADER = bytes.fromhex("800f1234decafbadcafebabe")
# srtp_validate() of libsrtp: AES_CM_128_HMAC_SHA1_80, the key and salt above.
SEALED = HEADER + bytes.fromhex("4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")


def test_the_key_stream_of_the_rfc():
    """RFC 3711, B.2."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    iv = int("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000", 16)
    stream = srtp.keystream(key, iv, 48)
    assert stream.hex() == (
        "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0"
    )


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (0, "c61e7a93744f39ee10734afe3ff7a087"),
        (1, "cebe321f6ff7716b6fd4ab49af256a156d38baa4"),
        (2, "30cbbc08863d8c85d49db34a9ae1"),
    ],
)
def test_the_key_derivation_of_the_rfc(label, expected):
    """RFC 3711, B.3: encryption key, the first bytes of the authentication key, salt."""
    assert srtp.derive(MASTER, SALT, label, len(expected) // 2).hex() == expected


def test_a_packet_of_libsrtp_opens():
    assert srtp.Opener(MASTER + SALT).open(SEALED) == HEADER + b"\xab" * 16


@pytest.mark.parametrize("at", [0, 3, 12, 27, 28, 37])
def test_a_changed_byte_is_found(at):
    changed = bytearray(SEALED)
    changed[at] ^= 1
    with pytest.raises(ForgedError, match="38 bytes has a wrong tag"):
        srtp.Opener(MASTER + SALT).open(bytes(changed))


def test_a_secret_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a secret of 16 bytes"):
        srtp.Opener(MASTER)


def test_numbers_and_time_wrap_around():
    packet = rtp.pack(b"opus", number=65537, payload_type=111, ssrc=7)
    assert packet[2:4] == bytes([0, 1])
    assert int.from_bytes(packet[4:8]) == 65537 * 960
    assert rtp.parse(packet) == (111, b"opus")
    assert rtp.pack(b"", number=1 << 32, payload_type=1, ssrc=0)[2:8] == bytes(6)


@pytest.mark.parametrize("packet", [b"", bytes(12), bytes(20), b"\x90" + bytes(20)])
def test_what_is_no_plain_rtp_is_refused(packet):
    with pytest.raises(ValueError, match="no plain RTP"):
        rtp.parse(packet)
