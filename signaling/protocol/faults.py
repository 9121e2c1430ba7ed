"""Says what is wrong with a message that does not fit its struct: the field, its value, what is allowed."""

from __future__ import annotations

import functools
import types
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, inspect, structs

from signaling.protocol.codes import ErrorCode
from signaling.protocol.fields import (
    BODY_PATTERN,
    LINE_PATTERN,
    VISIBLE_BODY_PATTERN,
    VISIBLE_LINE_PATTERN,
)
from signaling.protocol.messages import MESSAGE_NAMES

__all__ = ["BUILTIN_TYPES", "explain"]

# Without this msgspec would accept base64 text where bytes are meant.
BUILTIN_TYPES: Final = (bytes,)

_FIRST_FIELD: Final = 1  # item 0 of a message is its tag
_PATTERNS: Final = {
    LINE_PATTERN: " without control or direction characters",
    VISIBLE_LINE_PATTERN: ", not blank and without control or direction characters",
    BODY_PATTERN: " without control or direction characters other than ends of lines",
    VISIBLE_BODY_PATTERN: ", not blank and without control or direction characters other than ends of lines",
}


class _Field(NamedTuple):
    """One field of a message: its full name, its type with and without limits, and the type in words."""

    where: str
    kind: Any
    unlimited: Any
    required: bool
    allowed: str


def explain(kind: type[Struct], items: list[Any]) -> tuple[ErrorCode, str]:
    """Code and sentence for `items` that cannot be converted to `kind`. Of texts only the length is shown.

    `malformed`: a field is missing or of another type. `bad_value`: the type is right, the value is refused.
    """
    for at, field in enumerate(_fields(kind), start=_FIRST_FIELD):
        if at >= len(items):
            if field.required:
                return ErrorCode.malformed, f"{field.where} is missing; it must be {field.allowed}"
            break
        if not _fits(items[at], field.kind):
            known = _fits(items[at], field.unlimited)
            fault = f"{field.where} is {_shown(items[at])}; it must be {field.allowed}"
            return (ErrorCode.bad_value if known else ErrorCode.malformed), fault
    return ErrorCode.malformed, f"{MESSAGE_NAMES[kind]} has not the shape of this message"


@functools.cache
def _fields(kind: type[Struct]) -> tuple[_Field, ...]:
    """Reflected once a message type, so that a flood of faulty messages costs little more than good ones."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        _Field(
            f"{MESSAGE_NAMES[kind]}.{field.name}",
            hints[field.name],
            _without_limits(hints[field.name]),
            field.required,
            _allowed(inspect.type_info(hints[field.name])),
        )
        for field in structs.fields(kind)
    )


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind, builtin_types=BUILTIN_TYPES)
    except msgspec.ValidationError:
        return False
    return True


def _without_limits(kind: Any) -> Any:
    """The same type without its Meta: what decides between a wrong type and a refused value."""
    if get_origin(kind) is Annotated:
        return _without_limits(get_args(kind)[0])
    arguments = tuple(_without_limits(part) for part in get_args(kind))
    if not arguments:
        return kind
    if get_origin(kind) in (types.UnionType, Union):
        return Union[arguments]  # noqa: UP007 - built at run time
    return get_origin(kind)[arguments if len(arguments) > 1 else arguments[0]]


def _allowed(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType(types=parts):
            text = " or ".join(_allowed(part) for part in parts)
        case inspect.IntType(ge=low, le=high):
            text = f"a whole number from {low} to {high}"
        case inspect.StrType(min_length=low, max_length=high, pattern=pattern):
            text = f"text of {low or 0} to {high} characters{_PATTERNS.get(pattern or '', '')}"
        case inspect.BytesType(min_length=low, max_length=high):
            text = f"binary of {low} bytes" if low == high else f"binary of {low or 0} to {high} bytes"
        case inspect.DictType(max_length=high, value_type=value):
            text = f"a map of at most {high} entries from text to {_allowed(value)}"
        case inspect.ListType(max_length=high, item_type=inspect.StrType() as item):
            text = f"an array of at most {high} texts, each {_allowed(item)}"
        case inspect.ListType(max_length=high):
            text = f"an array of at most {high} rows"
        case inspect.StructType(cls=cls):
            text = f"a row of {', '.join(cls.__struct_fields__)}"
        case _:
            text = "nil" if isinstance(kind, inspect.NoneType) else "true or false"
    return text


def _shown(value: object) -> str:
    match value:
        case None | True | False:
            text = {None: "nil", True: "true", False: "false"}[value]
        case int():
            text = f"the number {value}"
        case str():
            text = f"text of {len(value)} characters"
        case bytes():
            text = f"binary of {len(value)} bytes"
        case dict():
            text = f"a map of {len(value)} entries"
        case list():
            text = f"an array of {len(value)} items"
        case _:
            text = "a fraction"
    return text
