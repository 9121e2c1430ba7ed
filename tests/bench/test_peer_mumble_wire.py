"""Mumble's control frames, protobuf fields, numbers and voice packets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.peer import mumble_wire as wire
from bench.peer.mumble_wire import Kind, WireError


def test_a_frame_byte_by_byte():
    """Authenticate with the user name "me" and opus = true."""
    assert (
        wire.pack_frame(Kind.AUTHENTICATE, {1: "me", 5: 1}).hex(" ") == "00 02 00 00 00 06 0a 02 6d 65 28 01"
    )


@given(cut=st.integers(0, 60), bodies=st.lists(st.binary(max_size=20), max_size=4))
def test_frames_come_out_whole_wherever_the_stream_is_cut(cut, bodies):
    stream = b"".join(wire.pack_frame(Kind.CRYPT_SETUP, {3: body}) for body in bodies)
    buffer = bytearray(stream[:cut])
    frames = list(wire.take_frames(buffer))
    buffer += stream[cut:]
    frames += list(wire.take_frames(buffer))
    assert [(kind, wire.parse_fields(body)[3]) for kind, body in frames] == [(15, body) for body in bodies]
    assert buffer == b""


def test_a_frame_longer_than_allowed_is_refused():
    with pytest.raises(WireError, match="8388608 bytes: at most 8388607"):
        list(wire.take_frames(bytearray(wire.FRAME_HEADER.pack(1, 0x800000))))


def test_numbers_and_texts_of_a_message():
    frame = wire.pack_frame(Kind.SERVER_SYNC, {1: 300, 3: "hi", 16: b"\0\1"})
    assert wire.parse_fields(frame[6:]) == {1: 300, 3: b"hi", 16: b"\0\1"}


@pytest.mark.parametrize("body", [b"\x08", b"\x08\x80", b"\x0a\x03ab", b"\x0d\0\0\0\0", b"\xff"])
def test_a_broken_message_is_refused(body):
    with pytest.raises(WireError):
        wire.parse_fields(body)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_refused(body):
    try:
        fields = wire.parse_fields(body)
    except WireError:
        return
    assert all(isinstance(value, int | bytes) for value in fields.values())


@pytest.mark.parametrize(
    ("value", "packed"),
    [
        (0, "00"),
        (0x7F, "7f"),
        (0x80, "8080"),
        (0x3FFF, "bfff"),
        (0x4000, "c04000"),
        (0x1FFFFF, "dfffff"),
        (0x200000, "e0200000"),
        (0xFFFFFFF, "efffffff"),
        (0x10000000, "f010000000"),
        (0xFFFFFFFF, "f0ffffffff"),
    ],
)
def test_numbers_of_voice_packets(value, packed):
    assert wire.pack_varint(value).hex() == packed
    assert wire.take_varint(b"x" + bytes.fromhex(packed) + b"y", 1) == (value, 1 + len(packed) // 2)


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_other_numbers_are_refused(value):
    with pytest.raises(WireError, match="can be packed"):
        wire.pack_varint(value)


@pytest.mark.parametrize("packet", ["", "80", "c000", "f0000000", "f4", "f8", "ff"])
def test_a_number_that_ends_early_or_is_of_another_kind_is_refused(packet):
    with pytest.raises(WireError):
        wire.take_varint(bytes.fromhex(packet), 0)


@given(number=st.integers(0, 1 << 30), frame=st.binary(max_size=500), session=st.integers(0, (1 << 32) - 1))
def test_a_server_repeats_a_voice_packet_with_the_session(number, frame, session):
    sent = wire.pack_voice(number, frame)
    assert wire.take_varint(sent, 1)[0] == 2 * number
    assert wire.parse_voice(sent[:1] + wire.pack_varint(session) + sent[1:]) == (session, frame)


@pytest.mark.parametrize("packet", ["", "20", "800102", "80010205ff"])
def test_what_is_no_whole_voice_packet_is_refused(packet):
    with pytest.raises(WireError):
        wire.parse_voice(bytes.fromhex(packet))
