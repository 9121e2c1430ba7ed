"""Decoding of messages: the limits of each field, bombs, keys, who can be answered, and the stable codes."""

from __future__ import annotations

import time
from typing import Any

import msgpack
import pytest

from signaling.protocol import ErrorCode, ProtocolError, bounds, decode_from_server, decode_request, encode
from signaling.protocol.bounds import (
    MAX_ANSWER_VALUES,
    MAX_ARRAY_ITEMS,
    MAX_BIN_BYTES,
    MAX_DEPTH,
    MAX_MAP_ENTRIES,
    MAX_STR_BYTES,
    MAX_VALUES,
    BoundsError,
    check_bounds,
)
from signaling.protocol.codes import CLOSE_RETRY, ERROR_RETRY, CloseCode, Retry, close_name, error_name
from signaling.protocol.messages import (
    EVENT_TYPES,
    MESSAGE_NAMES,
    REPLY_TYPES,
    REQUEST_TYPES,
    Error,
    Hello,
    Join,
    Mute,
    Ok,
    Open,
    Post,
)


def refused(body: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode_request(body)
    return caught.value


def pack(*items: Any) -> bytes:
    return msgpack.packb(list(items))


def bomb(head: bytes, size: int = 16_384) -> bytes:
    """A message of the greatest length that repeats `head`."""
    return (head * size)[:size]


# --- limits of fields: at the bound, and one past it -------------------------------------------------------

SPACE = bytes(range(16))
AT_AND_PAST = {
    "token": (pack(1, 7, "t" * 4096), pack(1, 7, "t" * 4097)),
    "client": (pack(1, 7, "", "c" * 64), pack(1, 7, "", "c" * 65)),
    "name": (pack(1, 7, "", "", "ñ" * 50), pack(1, 7, "", "", "ñ" * 51)),
    "capabilities": (
        pack(1, 7, "", "", "", {f"k{n}": n for n in range(31)} | {"k" * 32: 0xFFFF_FFFF}),
        pack(1, 7, "", "", "", {"k" * 33: 1}),
    ),
    "capability value": (pack(1, 7, "", "", "", {"k": 0}), pack(1, 7, "", "", "", {"k": -1})),
    "renewed token": (pack(2, 7, "t" * 4096), pack(2, 7, "t" * 4097)),
    "title": (pack(3, 7, "\U0001f600" * 100), pack(3, 7, "a" * 101)),
    "title, least": (pack(3, 7, "a"), pack(3, 7, "")),
    "page": (pack(4, 7, 100), pack(4, 7, 101)),
    "page, least": (pack(4, 7, 1), pack(4, 7, 0)),
    "cursor": (pack(4, 7, 50, b"x" * 64), pack(4, 7, 50, b"x" * 65)),
    "space": (pack(5, 7, SPACE), pack(5, 7, SPACE + b"x")),
    "space, least": (pack(5, 7, SPACE), pack(5, 7, SPACE[1:])),
    "user": (pack(8, 7, "u" * 64), pack(8, 7, "u" * 65)),
    "user, least": (pack(8, 7, "u"), pack(8, 7, "")),
    "people after": (pack(15, 7, "u" * 64, 100), pack(15, 7, "u" * 65, 100)),
    "how to remove": (pack(13, 7, "u", 2), pack(13, 7, "u", 3)),
    "resume from": (pack(16, 7, SPACE, 0xFFFF_FFFF), pack(16, 7, SPACE, 0x1_0000_0000)),
    "list of follows": (pack(21, 7, 2), pack(21, 7, 3)),
    "handle": (pack(23, 7, "", "h" * 64), pack(23, 7, "", "h" * 65)),
    "topics": (pack(3, 7, "t", ["a", "b", "c"]), pack(3, 7, "t", ["a", "b", "c", "d"])),
    "topic": (pack(3, 7, "t", ["a" * 30]), pack(3, 7, "t", ["a" * 31])),
    "topic, least": (pack(3, 7, "t", ["a"]), pack(3, 7, "t", [""])),
    "who may speak": (pack(3, 7, "t", [], 2), pack(3, 7, "t", [], 3)),
    "kind": (pack(3, 7, "t", [], 0, "k" * 16), pack(3, 7, "t", [], 0, "k" * 17)),
    "secret": (pack(5, 7, SPACE, SPACE), pack(5, 7, SPACE, SPACE + b"x")),
    "search": (pack(4, 7, 50, None, "q" * 100), pack(4, 7, 50, None, "q" * 101)),
    "time": (pack(26, 7, "t", 2**48 - 1), pack(26, 7, "t", 2**48)),
    "order of the queue": (pack(34, 7, None, None, None, 1), pack(34, 7, None, None, None, 2)),
    "form of a link": (pack(32, 7, 1), pack(32, 7, 2)),
    "link": (pack(33, 7, "l" * 400), pack(33, 7, "l" * 401)),
    "volume": (pack(43, 7, "u", 100), pack(43, 7, "u", 101)),
    "volume, least": (pack(43, 7, "u", 0), pack(43, 7, "u", -1)),
    "reason": (pack(45, 7, "u", "r" * 100), pack(45, 7, "u", "r" * 101)),
    "report": (pack(45, 7, "u", "", "r" * 500), pack(45, 7, "u", "", "r" * 501)),
    "post": (pack(47, 7, "p" * 500), pack(47, 7, "p" * 501)),
    "post, least": (pack(47, 7, "p"), pack(47, 7, "")),
    "note": (pack(50, 7, "\U0001f600" * 500), pack(50, 7, "n" * 501)),
    "reaction": (pack(52, 7, "r" * 16), pack(52, 7, "r" * 17)),
    "reaction, least": (pack(52, 7, "r"), pack(52, 7, "")),
    "pin": (pack(53, 7, "p" * 280), pack(53, 7, "p" * 281)),
    "price": (pack(58, 7, SPACE, 2**48 - 1, 1, 1), pack(58, 7, SPACE, 2**48, 1, 1)),
    "price, least": (pack(58, 7, SPACE, 0, 1, 1), pack(58, 7, SPACE, -1, 1, 1)),
    "capacity": (pack(58, 7, SPACE, 1, 2**32 - 1, 1), pack(58, 7, SPACE, 1, 2**32, 1)),
    "capacity, least": (pack(58, 7, SPACE, 1, 0, 1), pack(58, 7, SPACE, 1, -1, 1)),
    "currency": (pack(58, 7, SPACE, 1, 1, 1, 0, 0, "USD"), pack(58, 7, SPACE, 1, 1, 1, 0, 0, "DOLL")),
    "key": (pack(60, 7, SPACE, SPACE), pack(60, 7, SPACE, SPACE + b"x")),
    "key, least": (pack(60, 7, SPACE, SPACE), pack(60, 7, SPACE, SPACE[1:])),
    "hold": (pack(62, 7, SPACE), pack(62, 7, SPACE + b"x")),
    "hold, least": (pack(62, 7, SPACE), pack(62, 7, b"")),
    "card": (pack(61, 7, SPACE, "c" * 255, SPACE), pack(61, 7, SPACE, "c" * 256, SPACE)),
    "card, least": (pack(61, 7, SPACE, "c", SPACE), pack(61, 7, SPACE, " ", SPACE)),
    "refund": (pack(128, 7, SPACE, 2**48 - 1, "", SPACE), pack(128, 7, SPACE, 2**48, "", SPACE)),
    "refund, least": (pack(128, 7, SPACE, 0, "", SPACE), pack(128, 7, SPACE, -1, "", SPACE)),
    "reason of a refund": (
        pack(128, 7, SPACE, 0, "r" * 100, SPACE),
        pack(128, 7, SPACE, 0, "r" * 101, SPACE),
    ),
}


@pytest.mark.parametrize("name", AT_AND_PAST)
def test_at_the_limit_and_one_past_it(name: str) -> None:
    at, past = AT_AND_PAST[name]
    decode_request(at)
    error = refused(past)
    assert error.code is ErrorCode.bad_value
    assert error.request_id == 7


@pytest.mark.parametrize(
    ("number", "fine"), [(0, False), (1, True), (0xFFFF_FFFF, True), (0x1_0000_0000, False), (-1, False)]
)
def test_request_ids(number: int, fine: bool) -> None:
    if fine:
        assert decode_request(pack(6, number)).id == number
    else:
        assert refused(pack(6, number)).request_id is None


# --- texts that people read --------------------------------------------------------------------------------

UNSAFE = ["\x00", "\n", "\x1b", "\x7f", "\x85", "\u061c", "\u200e", "\u200f", "\u2028", "\u2029"]
UNSAFE += ["\u202a", "\u202e", "\u2066", "\u2069"]


@pytest.mark.parametrize("char", UNSAFE, ids=ascii)
@pytest.mark.parametrize("where", ["begin", "middle", "end"])
def test_control_and_direction_characters_are_refused(char: str, where: str) -> None:
    text = {"begin": char + "ab", "middle": "a" + char + "b", "end": "ab" + char}[where]
    for body in (pack(3, 7, text), pack(1, 7, "", text), pack(1, 7, "", "", text), pack(10, 7, text)):
        error = refused(body)
        assert (error.code, error.request_id) == (ErrorCode.bad_value, 7)
        assert text not in str(error)


@pytest.mark.parametrize("title", ["Café", "日本語", "שלום עולם", "👩\u200d🚀 talk", "a  b", " a "])
def test_other_writing_is_welcome(title: str) -> None:
    assert decode_request(pack(3, 7, title)) == Open(7, title)


@pytest.mark.parametrize("title", [" ", "\u3000\u00a0"])
def test_a_blank_title_is_refused(title: str) -> None:
    assert refused(pack(3, 7, title)).code is ErrorCode.bad_value


@pytest.mark.parametrize("text", ["One\nTwo", "\n a", "a\n", "\u200d\n."])
def test_the_lines_of_a_post_may_end(text: str) -> None:
    assert decode_request(pack(47, 7, text)) == Post(7, text)


@pytest.mark.parametrize("char", [char for char in UNSAFE if char != "\n"], ids=ascii)
@pytest.mark.parametrize("number", [47, 50, 53])
def test_nothing_else_controls_in_a_post_note_or_pin(char: str, number: int) -> None:
    for text in (char + "ab", "a" + char + "b", "ab" + char):
        assert refused(pack(number, 7, text)).code is ErrorCode.bad_value


@pytest.mark.parametrize("text", ["", " ", "\n", " \n\u3000\n"])
def test_a_blank_post_is_refused(text: str) -> None:
    assert refused(pack(47, 7, text)).code is ErrorCode.bad_value


def test_a_text_costs_no_more_than_its_length() -> None:
    """A pattern that tries every way to cut a text would look at 500 characters a quarter million times."""
    body = pack(47, 7, "a " * 249 + "b\x00")
    spent_s = []
    for _ in range(5):
        before = time.perf_counter()
        refused(body)
        spent_s.append(time.perf_counter() - before)
    assert min(spent_s) < 0.002


def test_a_token_is_never_shown() -> None:
    for body in (pack(1, 7, "secret" * 800), pack(1, 7, b"secret"), pack(1, 7, ["secret"])):
        assert "secret" not in str(refused(body))


def test_the_sentence_names_field_value_and_limit() -> None:
    error = refused(pack(4, 7, 101))
    assert str(error) == "list.limit is the number 101; it must be a whole number from 1 to 100"
    assert str(refused(pack(5, 7))) == "join.space is missing; it must be binary of 16 bytes"
    assert str(refused(pack(5, 7, SPACE, SPACE * 2))) == (
        "join.invite is binary of 32 bytes; it must be binary of 0 to 16 bytes"
    )
    assert str(refused(pack(3, 7, "t", ["a"] * 4))) == (
        "open.topics is an array of 4 items; it must be an array of at most 3 texts, each text of 1 to 30 "
        "characters, not blank and without control or direction characters"
    )
    assert str(refused(pack(34, 7, None, None, 3))) == (
        "change.who_may_speak is the number 3; it must be a whole number from 0 to 2 or nil"
    )
    assert str(refused(pack(47, 7, "\t"))) == (
        "post.text is text of 1 characters; it must be text of 1 to 500 characters, not blank and without "
        "control or direction characters other than ends of lines"
    )
    with pytest.raises(ProtocolError) as caught:
        decode_from_server(pack(102, 7, 5))
    assert str(caught.value) == (
        "settings.settings is the number 5; it must be a row of title, topics, who_may_speak, queue_order, "
        "locked, kind"
    )


# --- shapes ------------------------------------------------------------------------------------------------

WRONG_TYPES = {
    "text for a number": pack(4, 7, "50"),
    "fraction for a number": pack(4, 7, 50.0),
    "bool for a number": pack(4, 7, True),
    "number for text": pack(3, 7, 5),
    "binary for text": pack(3, 7, b"title"),
    "text for binary": pack(5, 7, "AAECAwQFBgcICQoLDA0ODw=="),  # base64 is not taken for binary either
    "array for a map": pack(1, 7, "", "", "", []),
    "text in a map of numbers": pack(1, 7, "", "", "", {"a": "b"}),
    "nil for text": pack(3, 7, None),
    "missing field": pack(3, 7),
    "number for topics": pack(3, 7, "t", 5),
    "number for a topic": pack(3, 7, "t", [5]),
    "number for a choice of yes or no": pack(31, 7, SPACE, 1),
    "fraction for a price": pack(58, 7, SPACE, 12.5, 1, 1),
    "text for a price": pack(58, 7, SPACE, "12.50", 1, 1),
    "terms without a length": pack(58, 7, SPACE, 1250, 1),
}


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_wrong_shape_is_malformed_and_can_be_answered(name: str) -> None:
    error = refused(WRONG_TYPES[name])
    assert (error.code, error.request_id) == (ErrorCode.malformed, 7)


@pytest.mark.parametrize(
    "body", [b"", b"\xc0", b"\x05", b"\x90", pack("x", 7), pack(3), pack(None, 7), msgpack.packb({"a": 1})]
)
def test_what_is_no_message_is_malformed_without_an_id(body: bytes) -> None:
    error = refused(body)
    assert (error.code, error.request_id) == (ErrorCode.malformed, None)


def test_unknown_messages_say_so() -> None:
    for body in (pack(0, 7), pack(126, 7), pack(64, 7, "u", "n", 1), pack(2**63, 7)):
        error = refused(body)
        assert (error.code, error.request_id) == (ErrorCode.unknown_message, 7)
    with pytest.raises(ProtocolError) as caught:
        decode_from_server(pack(6, 7))
    assert caught.value.code is ErrorCode.unknown_message


# --- keys of maps, and types that msgpack has and this protocol has not -------------------------------------


@pytest.mark.parametrize(
    "capabilities",
    [
        b"\x82\xa1a\x01\xa1a\x01",  # twice the same key
        b"\x81\x01\x01",
        b"\x81\xc4\x01a\x01",
        b"\x81\xc0\x01",
        b"\x81\x90\x01",
        b"\x81\xca\x7f\xc0\x00\x00\x01",  # NaN as a key
    ],
)
def test_duplicate_and_other_keys_are_refused(capabilities: bytes) -> None:
    for body in (b"\x96\x01\x07\xa0\xa0\xa0" + capabilities, b"\x93\x06\x07" + capabilities):
        error = refused(body)
        assert (error.code, error.request_id) == (ErrorCode.malformed, 7)


@pytest.mark.parametrize(
    "value",
    [b"\xc1", b"\xd4\x05a", b"\xd6\xff\0\0\0\0", b"\xc7\x00\x05", b"\xa2\xff\xfe", b"\xd9\x02\xc3\x28"],
)
def test_extensions_and_broken_text_are_refused_even_in_unknown_fields(value: bytes) -> None:
    error = refused(b"\x93\x06\x07" + value)
    assert (error.code, error.request_id) == (ErrorCode.malformed, 7)


def test_bytes_after_the_message_are_refused() -> None:
    assert refused(pack(6, 7) + b"\x00").code is ErrorCode.malformed


# --- bombs -------------------------------------------------------------------------------------------------

BOMBS = {
    "nested arrays": bomb(b"\x91"),
    "nested arrays behind an id": b"\x93\x06\x07" + bomb(b"\x91", 16_000),
    "nested wide arrays": bomb(b"\xdc\x00\x80"),
    "nested maps": bomb(b"\x81\xa1a"),
    "claimed array": b"\x93\x06\x07\xdd\xff\xff\xff\xff",
    "claimed map": b"\x93\x06\x07\xdf\xff\xff\xff\xff",
    "claimed text": b"\x93\x06\x07\xdb\xff\xff\xff\xff",
    "claimed binary": b"\x93\x06\x07\xc6\xff\xff\xff\xff",
    "claimed extension": b"\x93\x06\x07\xc9\xff\xff\xff\xff\x05",
    "empty maps": b"\x93\x06\x07" + b"\xdc\x00\x7d" + (b"\xdc\x00\x80" + b"\x80" * 128) * 125,
    "empty arrays": b"\x93\x06\x07" + b"\xdc\x00\x7d" + (b"\xdc\x00\x80" + b"\x90" * 128) * 125,
    "arrays that claim more than is there": b"\x93\x06\x07" + b"\xdc\x00\x80" * 7,
    "fewer items than claimed": b"\x94\x06\x07",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_anything_is_built(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: object, **__: object) -> None:
        raise AssertionError("the bomb reached msgpack")

    monkeypatch.setattr(msgpack, "unpackb", unpack)
    body = BOMBS[name]
    assert len(body) <= 16_384
    error = refused(body)
    assert error.code is ErrorCode.malformed
    assert error.request_id == (7 if body[1:3] == b"\x06\x07" else None)


def test_a_bomb_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most MAX_VALUES values are looked at, and the best of five takes far below 20 ms."""
    seen = 0
    enter = bounds._enter

    def counting(body: bytes, at: int, first: int) -> tuple[int, int]:
        nonlocal seen
        seen += 1
        return enter(body, at, first)

    with monkeypatch.context() as patch:
        patch.setattr(bounds, "_enter", counting)
        for body in BOMBS.values():
            seen = 0
            refused(body)
            assert seen <= MAX_VALUES
    for body in BOMBS.values():
        spent_s = []
        for _ in range(5):
            before = time.perf_counter()
            refused(body)
            spent_s.append(time.perf_counter() - before)
        assert min(spent_s) < 0.02


def test_a_long_answer_may_have_more_values_than_a_request() -> None:
    rows = [[0] * 100] * 35
    body = pack(*rows, *[0] * (MAX_ANSWER_VALUES - 3_536))
    with pytest.raises(BoundsError, match=str(MAX_VALUES)):
        check_bounds(body)
    check_bounds(body, MAX_ANSWER_VALUES)
    with pytest.raises(BoundsError, match=str(MAX_ANSWER_VALUES)):
        check_bounds(pack(*rows, *[0] * (MAX_ANSWER_VALUES - 3_535)), MAX_ANSWER_VALUES)


AT_BOUND = {
    "depth": (b"\x91" * MAX_DEPTH + b"\x01", b"\x91" * (MAX_DEPTH + 1) + b"\x01"),
    "array": (msgpack.packb([0] * MAX_ARRAY_ITEMS), msgpack.packb([0] * (MAX_ARRAY_ITEMS + 1))),
    "map": (
        msgpack.packb({str(n): n for n in range(MAX_MAP_ENTRIES)}),
        msgpack.packb({str(n): n for n in range(MAX_MAP_ENTRIES + 1)}),
    ),
    "text": (msgpack.packb("a" * MAX_STR_BYTES), msgpack.packb("a" * (MAX_STR_BYTES + 1))),
    "binary": (msgpack.packb(b"a" * MAX_BIN_BYTES), msgpack.packb(b"a" * (MAX_BIN_BYTES + 1))),
    "values": (
        msgpack.packb([[0] * 100] * 10 + [0] * (MAX_VALUES - 1 - 1010)),
        msgpack.packb([[0] * 100] * 10 + [0] * (MAX_VALUES - 1010)),
    ),
}


@pytest.mark.parametrize("name", AT_BOUND)
def test_bounds_of_msgpack_at_and_one_past(name: str) -> None:
    at, past = AT_BOUND[name]
    check_bounds(at)
    with pytest.raises(BoundsError, match=r"\d"):
        check_bounds(past)


def test_a_body_over_the_length_of_a_message_is_too_large() -> None:
    error = refused(b"\x93\x06\x07" + b"\xc0" * 16_382)
    assert (error.code, error.request_id) == (ErrorCode.too_large, 7)


# --- the request id of what cannot be decoded ------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "number"),
    [
        (b"\x93\x06\x07\xc1", 7),
        (b"\xdc\x00\x03\x06\xcc\x80\xc1", 128),
        (b"\xdd\x00\x00\x00\x03\xcc\x06\xcd\x01\x00\xc1", 256),
        (b"\x93\x06\xce\xff\xff\xff\xff\xc1", 0xFFFF_FFFF),
        (b"\x93\x06\xcf\x00\x00\x00\x00\x00\x00\x00\x09\xc1", 9),
        (b"\x93\x06\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xc1", None),
        (b"\x93\x06\x00\xc1", None),
        (b"\x93\x06\xff\xc1", None),
        (b"\x93\x06\xd0\x07\xc1", None),
        (b"\x93\xa1a\x07\xc1", None),
        (b"\x91\x06\x07", None),
        (b"\x93\x06", None),
        (b"\x93\x06\xcd\x01", None),
        (b"\xdc\x00", None),
        (b"\x83\x06\x07\xc1", None),
    ],
)
def test_the_id_is_read_from_the_first_bytes(head: bytes, number: int | None) -> None:
    assert refused(head).request_id == number


# --- encoding ----------------------------------------------------------------------------------------------


def test_encoding_is_shortest_and_framed() -> None:
    assert encode(Mute(1)).hex(" ") == "00 05 94 0a 01 a0 c2"
    assert encode(Ok(300)).hex(" ") == "00 05 92 41 cd 01 2c"


def test_encoding_refuses_what_cannot_be_sent() -> None:
    with pytest.raises(ProtocolError) as caught:
        encode(Error(1, ErrorCode.internal, "x" * 16_384))
    assert caught.value.code is ErrorCode.too_large
    with pytest.raises(ProtocolError) as caught:
        encode(Open(1, "\ud800"))
    assert caught.value.code is ErrorCode.bad_value


def test_messages_are_values() -> None:
    assert Join(1, SPACE) == Join(1, SPACE)
    assert Hello(1, "a").capabilities == {}
    with pytest.raises(AttributeError):
        Join(1, SPACE).space = b""  # type: ignore[misc]


# --- numbers -----------------------------------------------------------------------------------------------


def test_every_message_has_its_own_number_and_a_name() -> None:
    numbers = [kind.__struct_config__.tag for kind in (*REQUEST_TYPES, *REPLY_TYPES, *EVENT_TYPES)]
    assert sorted(numbers) == [*range(1, 94), *range(96, 110), *range(112, 120), *range(127, 136)]
    assert len(MESSAGE_NAMES) == len(numbers)


def test_every_code_has_its_advice() -> None:
    assert set(ERROR_RETRY) == set(ErrorCode)
    assert set(CLOSE_RETRY) == set(CloseCode)
    assert [int(code) for code in ErrorCode] == list(range(1, 63))
    assert [int(code) for code in CloseCode] == list(range(0x0, 0xB))
    assert ERROR_RETRY[ErrorCode.busy] is Retry.later
    assert (error_name(5), error_name(99)) == ("bad_token", "unknown_error_99")
    assert (close_name(5), close_name(99)) == ("removed", "unknown_close_99")
