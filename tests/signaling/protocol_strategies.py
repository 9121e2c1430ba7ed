"""Hypothesis strategies for every message, built from the limits that stand in the structs' own types."""

from __future__ import annotations

from functools import cache

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from signaling.protocol.messages import EVENT_TYPES, REPLY_TYPES, REQUEST_TYPES

UNSAFE = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f",
    *map(chr, range(0x2028, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
]
CHARACTERS = st.characters(codec="utf-8", exclude_characters=UNSAFE)


def values(kind: inspect.Type) -> st.SearchStrategy:  # noqa: PLR0911 - one line a type
    """Values that the limits of `kind` allow, edges included. Long texts are kept short to stay fast."""
    match kind:
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.StrType(min_length=low, max_length=high):
            texts = st.text(CHARACTERS, min_size=low or 0, max_size=min(high, 100))
            return texts if not low else texts.filter(lambda text: bool(text.strip()))
        case inspect.BytesType(min_length=low, max_length=high):
            return st.binary(min_size=low or 0, max_size=high)
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(values(key), values(value), max_size=6)
        case inspect.ListType(item_type=item):
            return st.lists(values(item), max_size=3)
        case inspect.UnionType(types=parts):
            return st.one_of([values(part) for part in parts])
        case inspect.StructType(cls=cls):
            return of(cls)
    raise TypeError(f"no strategy for {kind}")


@cache
def of(cls: type[msgspec.Struct]) -> st.SearchStrategy:
    """Valid values of one struct, every field given."""
    info = inspect.type_info(cls)
    return st.builds(cls, **{field.name: values(field.type) for field in info.fields})


def requests() -> st.SearchStrategy:
    return st.one_of([of(kind) for kind in REQUEST_TYPES])


def from_server() -> st.SearchStrategy:
    return st.one_of([of(kind) for kind in (*REPLY_TYPES, *EVENT_TYPES)])
