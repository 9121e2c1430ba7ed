"""Properties of the wire: round trips, other versions, and that no bytes escape the error types."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.protocol import Framer, ProtocolError, decode_from_server, decode_request, encode, fit_rows
from signaling.protocol.bounds import BoundsError, check_bounds, request_id_of
from signaling.protocol.messages import EVENT_TYPES, REPLY_TYPES, REQUEST_TYPES, Person, Queue
from tests.signaling.protocol_strategies import from_server, of, requests

EVERY_TYPE = (*REQUEST_TYPES, *REPLY_TYPES, *EVENT_TYPES)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def body_of(message: msgspec.Struct) -> bytes:
    [body] = Framer().feed(encode(message))  # type: ignore[arg-type]
    return body


def decode(kind: type[msgspec.Struct], body: bytes) -> Any:
    return decode_request(body) if kind in REQUEST_TYPES else decode_from_server(body)


def shape(value: Any) -> Any:
    """What a message is on the wire, as plain lists; made without the encoder under test."""
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        return ([] if tag is None else [tag]) + [
            shape(getattr(value, name)) for name in value.__struct_fields__
        ]
    if isinstance(value, list):
        return [shape(item) for item in value]
    return value


@given(requests())
def test_requests_round_trip(message: msgspec.Struct) -> None:
    assert decode_request(body_of(message)) == message


@given(from_server())
def test_replies_and_events_round_trip(message: msgspec.Struct) -> None:
    assert decode_from_server(body_of(message)) == message


@given(requests() | from_server())
def test_an_independent_msgpack_writes_the_same_bytes(message: msgspec.Struct) -> None:
    assert body_of(message) == msgpack.packb(shape(message))


@given(st.lists(requests(), max_size=5), st.integers(1, 40))
def test_a_stream_in_chunks_gives_the_same_messages(messages: list[Any], size: int) -> None:
    stream = b"".join(map(encode, messages))
    framer = Framer()
    got = [
        decode_request(body)
        for at in range(0, len(stream), size)
        for body in framer.feed(stream[at : at + size])
    ]
    assert got == messages


@pytest.mark.parametrize("kind", EVERY_TYPE)
@settings(max_examples=10)  # of each of 121 types
@given(data=st.data())
def test_unknown_fields_at_the_end_are_ignored(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    message = data.draw(of(kind))
    later = data.draw(st.lists(ANYTHING, min_size=1, max_size=3))
    assert decode(kind, msgpack.packb(shape(message) + later)) == message


@pytest.mark.parametrize("kind", EVERY_TYPE)
@settings(max_examples=10)  # of each of 121 types
@given(data=st.data())
def test_missing_fields_take_their_defaults_or_are_refused(
    kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    message = data.draw(of(kind))
    fields = msgspec.structs.fields(kind)
    required = sum(field.required for field in fields)
    given_fields = data.draw(st.integers(0, len(fields)))
    body = msgpack.packb(shape(message)[: 1 + given_fields])
    if given_fields < required:
        with pytest.raises(ProtocolError) as caught:
            decode(kind, body)
        assert caught.value.code.name == "malformed"
        return
    got = decode(kind, body)
    for at, field in enumerate(fields):
        expected = getattr(message, field.name) if at < given_fields else default_of(field)
        assert getattr(got, field.name) == expected


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


@given(st.binary(max_size=400))
def test_any_bytes_raise_nothing_but_protocol_errors(body: bytes) -> None:
    for decoder in (decode_request, decode_from_server):
        try:
            decoder(body)
        except ProtocolError as error:
            assert error.request_id == request_id_of(body)


@given(ANYTHING, st.integers(0, 130), st.integers(0, 2**32))
def test_any_value_after_a_tag_and_id_is_answered_with_that_id(value: Any, tag: int, number: int) -> None:
    body = msgpack.packb([tag, number, value])
    try:
        decode_request(body)
    except ProtocolError as error:
        assert error.request_id == (number if 1 <= number < 2**32 else None)


@given(requests() | from_server(), st.data())
def test_damaged_messages_raise_nothing_but_protocol_errors(message: Any, data: st.DataObject) -> None:
    body = bytearray(body_of(message))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    for decoder in (decode_request, decode_from_server):
        try:
            decoder(bytes(body))
        except ProtocolError as error:
            assert str(error)


@given(ANYTHING)
def test_the_walk_over_the_bytes_agrees_with_msgpack(value: Any) -> None:
    body = msgpack.packb(value)
    check_bounds(body)
    with pytest.raises(BoundsError):
        check_bounds(body + b"\x00")
    with pytest.raises(BoundsError):
        check_bounds(body[:-1])


@given(st.lists(of(Person), max_size=30), st.integers(0, 4_000))
def test_fitting_rows_are_a_prefix_within_the_room(rows: list[Person], room_bytes: int) -> None:
    fitting = fit_rows(rows, room_bytes)
    assert fitting == rows[: len(fitting)]
    spent = sum(len(msgpack.packb(shape(row))) for row in fitting)
    assert spent <= room_bytes
    assert len(fitting) == len(rows) or spent + len(msgpack.packb(shape(rows[len(fitting)]))) > room_bytes


def test_the_longest_names_fit_once_cut_to_their_room() -> None:
    rows = [Person("\U0001f600" * 64, "\U0001f600" * 50)] * 100
    with pytest.raises(ProtocolError) as caught:
        encode(Queue(1, rows, 100))
    assert caught.value.code.name == "too_large"
    assert 0 < len(fit_rows(rows)) < 100
    encode(Queue(1, fit_rows(rows), 100))
