"""Framing of the control stream: lengths, cuts, bounds, and what happens after a fault."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.protocol import (
    MAX_MESSAGE_BYTES,
    CloseCode,
    ErrorCode,
    Framer,
    FramingError,
    ProtocolError,
    frame,
)

BODIES = st.lists(st.binary(min_size=1, max_size=300), max_size=8)


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream in pieces that end at the given offsets."""
    edges = [0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def test_one_message() -> None:
    assert frame(b"abc") == b"\x00\x03abc"
    assert Framer().feed(b"\x00\x03abc") == [b"abc"]


def test_byte_by_byte_up_to_the_bound() -> None:
    framer = Framer()
    body = bytes(range(256)) * (MAX_MESSAGE_BYTES // 256)
    got = [message for byte in frame(body) for message in framer.feed(bytes([byte]))]
    assert got == [body]
    assert framer.pending_bytes == 0


def test_pending_is_bounded_and_empty_between_messages() -> None:
    framer = Framer()
    assert framer.pending_bytes == 0
    framer.feed(frame(b"x" * MAX_MESSAGE_BYTES)[:-1])
    assert framer.pending_bytes == MAX_MESSAGE_BYTES + 1
    assert framer.feed(b"x\x00") == [b"x" * MAX_MESSAGE_BYTES]
    assert framer.pending_bytes == 1


@pytest.mark.parametrize("length", [0, MAX_MESSAGE_BYTES + 1, 0xFFFF])
def test_a_length_outside_the_bound_is_fatal(length: int) -> None:
    framer = Framer()
    with pytest.raises(FramingError, match=str(length)) as caught:
        framer.feed(frame(b"good") + length.to_bytes(2) + b"rest")
    assert caught.value.messages == (b"good",)
    assert caught.value.code is ErrorCode.malformed
    assert caught.value.close_code is CloseCode.protocol_error
    with pytest.raises(FramingError) as again:
        framer.feed(frame(b"good"))
    assert again.value.messages == ()
    assert framer.pending_bytes == 0


@pytest.mark.parametrize("size", [0, MAX_MESSAGE_BYTES + 1])
def test_frame_refuses_what_the_other_side_would(size: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        frame(b"x" * size)
    assert caught.value.code is ErrorCode.too_large


@given(BODIES, st.lists(st.integers(min_value=0), max_size=20))
def test_chunks_do_not_matter(bodies: list[bytes], cuts: list[int]) -> None:
    framer = Framer()
    stream = b"".join(map(frame, bodies))
    got = [message for piece in cut(stream, cuts) for message in framer.feed(piece)]
    assert got == bodies
    assert framer.pending_bytes == 0


@given(st.binary(max_size=600), st.lists(st.integers(min_value=0), max_size=20))
def test_any_bytes_give_the_same_messages_or_one_fault(stream: bytes, cuts: list[int]) -> None:
    def deliver(pieces: list[bytes]) -> tuple[list[bytes], bool]:
        framer, got = Framer(), []
        for piece in pieces:
            try:
                got += framer.feed(piece)
            except FramingError as error:
                return got + list(error.messages), True
        return got, False

    assert deliver(cut(stream, cuts)) == deliver([stream])


@given(st.binary(max_size=600))
def test_bytes_bytearray_and_memoryview_are_the_same(stream: bytes) -> None:
    results = []
    for data in (stream, bytearray(stream), memoryview(stream)):
        try:
            results.append(Framer().feed(data))
        except FramingError as error:
            results.append(list(error.messages))
    assert results[0] == results[1] == results[2]
