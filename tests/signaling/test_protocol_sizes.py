"""The largest messages: every answer fits its frame and its bounds once its rows are cut to their room."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from signaling.config import LimitsConfig
from signaling.protocol import MAX_MESSAGE_BYTES, decode_from_server, decode_request, encode, fit_rows
from signaling.protocol.bounds import MAX_ANSWER_VALUES, MAX_DEPTH, MAX_VALUES
from signaling.protocol.messages import (
    EVENT_TYPES,
    REPLY_TYPES,
    REQUEST_TYPES,
    Bubble,
    Bubbles,
    Joined,
    LiveSpace,
    Peeked,
    Person,
    PinRow,
    Spaces,
    SpaceSettings,
    StageSeat,
)
from signaling.protocol.terms import DEFAULT_LIMITS
from signaling.protocol.wire import QUEUE_ROWS_BYTES

WIDE = "\U0001f600"  # four bytes in UTF-8
LENGTH_BYTES = 2


def largest(kind: inspect.Type, name: str = "") -> Any:  # noqa: PLR0911 - one line a type
    """The value of a type that takes most bytes; tokens are ASCII, whatever their limit of characters."""
    match kind:
        case inspect.IntType(le=high):
            return high
        case inspect.BoolType():
            return True
        case inspect.StrType(max_length=high):
            return ("t" if name == "token" else WIDE) * high
        case inspect.BytesType(max_length=high):
            return b"\xff" * high
        case inspect.DictType(max_length=high, value_type=value):
            return {f"{at:k>32}": largest(value) for at in range(high)}
        case inspect.ListType(max_length=high, item_type=item):
            return [largest(item)] * high
        case inspect.UnionType(types=(inner, inspect.NoneType())):
            return largest(inner)
        case inspect.StructType(cls=cls):
            return fullest(cls)
    raise TypeError(f"no largest value for {kind}")


def fullest(cls: type[msgspec.Struct]) -> Any:
    """A struct in which everything is largest; lists of rows are cut to their room, beside each other."""
    values = {field.name: largest(field.type, field.name) for field in inspect.type_info(cls).fields}
    beside: list[msgspec.Struct] = [value for value in values.values() if isinstance(value, msgspec.Struct)]
    for name, value in values.items():
        if isinstance(value, list) and isinstance(value[0], msgspec.Struct) and is_message(cls):
            values[name] = fit_rows(value, beside=beside)
            beside += values[name]
    return cls(**values)


def is_message(cls: type[msgspec.Struct]) -> bool:
    return cls.__struct_config__.tag is not None


def count(value: Any) -> int:
    """Values of a message, containers and keys counted."""
    if isinstance(value, dict):
        return 1 + sum(1 + count(item) for item in value.values())
    return 1 + sum(map(count, value)) if isinstance(value, list) else 1


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@pytest.mark.parametrize("kind", (*REQUEST_TYPES, *REPLY_TYPES, *EVENT_TYPES), ids=lambda kind: kind.__name__)
def test_the_largest_message_of_every_kind_fits_and_is_read(kind: type[msgspec.Struct]) -> None:
    message = fullest(kind)
    data = encode(message)
    assert len(data) <= LENGTH_BYTES + MAX_MESSAGE_BYTES
    body = data[LENGTH_BYTES:]
    assert (decode_request(body) if kind in REQUEST_TYPES else decode_from_server(body)) == message


@pytest.mark.parametrize("kind", (*REQUEST_TYPES, *REPLY_TYPES, *EVENT_TYPES), ids=lambda kind: kind.__name__)
def test_no_message_has_more_values_or_depth_than_the_bounds(kind: type[msgspec.Struct]) -> None:
    """Of short texts a list holds all its rows: what it has then is allowed to be read."""
    values = {field.name: largest(field.type) for field in inspect.type_info(kind).fields}
    items = [kind.__struct_config__.tag, *msgspec.to_builtins(list(values.values()))]
    assert count(items) <= (MAX_VALUES if kind in REQUEST_TYPES else MAX_ANSWER_VALUES)
    assert depth(items) <= MAX_DEPTH


# --- what a server sends at its limits ----------------------------------------------------------------------

SETTINGS = fullest(SpaceSettings)


def stage_of(people: int) -> list[StageSeat]:
    return [fullest(StageSeat)] * people


def joined(stage: list[StageSeat]) -> Joined:
    """As the server makes it: the stage whole, then what has room of the pins, then of the queue."""
    pins = fit_rows([fullest(PinRow)] * DEFAULT_LIMITS["pins"], beside=[*stage, SETTINGS])
    queue = fit_rows([fullest(Person)] * 100, QUEUE_ROWS_BYTES, beside=[*stage, SETTINGS, *pins])
    others = {
        field.name: largest(field.type)
        for field in inspect.type_info(Joined).fields
        if field.name not in ("stage", "queue", "pins", "settings")
    }
    return Joined(**others, stage=stage, queue=queue, pins=pins, settings=SETTINGS)


def test_joined_holds_a_full_stage_every_pin_and_the_head_of_the_queue() -> None:
    message = joined(stage_of(DEFAULT_LIMITS["stage"]))
    assert len(message.stage) == DEFAULT_LIMITS["stage"]
    assert len(message.pins) == DEFAULT_LIMITS["pins"]
    assert message.queue
    assert len(encode(message)) <= LENGTH_BYTES + MAX_MESSAGE_BYTES


def test_joined_and_peeked_fit_with_the_largest_stage_that_can_be_configured() -> None:
    [setting] = [item for item in fields(LimitsConfig) if item.name == "stage"]
    stage = stage_of(setting.metadata["high"])
    assert len(encode(joined(stage))) <= LENGTH_BYTES + MAX_MESSAGE_BYTES
    others = {
        field.name: largest(field.type)
        for field in inspect.type_info(Peeked).fields
        if field.name not in ("stage", "settings")
    }
    message = Peeked(**others, stage=stage, settings=SETTINGS)
    assert len(encode(message)) <= LENGTH_BYTES + MAX_MESSAGE_BYTES


def test_usual_bubbles_are_all_told_at_once() -> None:
    known = [Person(f"u-{number:032x}", "Somebody Likely") for number in range(5)]
    bubble = Bubble(bytes(16), "Tea & trains " * 4, "u-" + "0" * 32, "Ada", ["tea"], known[:3], 3, 2, 214)
    bubbles = fit_rows([bubble] * DEFAULT_LIMITS["bubbles"])
    assert len(bubbles) == DEFAULT_LIMITS["bubbles"]
    assert decode_from_server(encode(Bubbles(1, bubbles))[LENGTH_BYTES:]) == Bubbles(1, bubbles)


def test_a_page_of_a_hundred_short_spaces_is_read() -> None:
    live = [LiveSpace(bytes(16), "Tea", "Ada", 2, "ada", ["a", "b", "c"], 1)] * 100
    message = Spaces(1, fit_rows(live))
    assert message.spaces == live
    assert decode_from_server(encode(message)[LENGTH_BYTES:]) == message
