"""Bounds of one msgpack message, checked over its bytes before anything is built from them.

A message of 16 KiB can claim a thousand nested arrays or unpack into a megabyte of empty maps. This walk
over the bytes allocates nothing but a short stack, stops at the first bound that is passed, and costs at
most as many steps as values are allowed. Formats: the msgpack specification, "Formats".
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "MAX_ANSWER_VALUES",
    "MAX_ARRAY_ITEMS",
    "MAX_BIN_BYTES",
    "MAX_DEPTH",
    "MAX_EXT_BYTES",
    "MAX_MAP_ENTRIES",
    "MAX_STR_BYTES",
    "MAX_VALUES",
    "BoundsError",
    "check_bounds",
    "request_id_of",
]

MAX_DEPTH: Final = 8  # the message itself is 1; the deepest message of ours has 5
MAX_VALUES: Final = 1_024  # all values of a request, containers counted; the largest of ours has about 70
MAX_ANSWER_VALUES: Final = 3_584  # the same of a reply or event; 100 bubbles have about 3,300
MAX_ARRAY_ITEMS: Final = 128
MAX_MAP_ENTRIES: Final = 32
MAX_STR_BYTES: Final = 8_192
MAX_BIN_BYTES: Final = 1_024
MAX_EXT_BYTES: Final = 0  # no message carries an extension type

_NEVER, _SCALAR, _STR, _BIN, _ARRAY, _MAP, _EXT = range(7)

# For 0xc0..0xdf: what kind of value, and how many bytes follow: a length for the sized kinds, else the value.
_HEADS: Final = (
    (_SCALAR, 0), (_NEVER, 0), (_SCALAR, 0), (_SCALAR, 0), (_BIN, 1), (_BIN, 2), (_BIN, 4), (_EXT, 1),
    (_EXT, 2), (_EXT, 4), (_SCALAR, 4), (_SCALAR, 8), (_SCALAR, 1), (_SCALAR, 2), (_SCALAR, 4), (_SCALAR, 8),
    (_SCALAR, 1), (_SCALAR, 2), (_SCALAR, 4), (_SCALAR, 8), (_EXT, 0), (_EXT, 0), (_EXT, 0), (_EXT, 0),
    (_EXT, 0), (_STR, 1), (_STR, 2), (_STR, 4), (_ARRAY, 2), (_ARRAY, 4), (_MAP, 2), (_MAP, 4),
)  # fmt: skip

# For the kinds with a length: its limit, how many values one unit of it is (0: bytes to pass over), its name.
_SIZED: Final = {
    _NEVER: (0, 0, "value of type 0xc1"),
    _STR: (MAX_STR_BYTES, 0, "text"),
    _BIN: (MAX_BIN_BYTES, 0, "binary value"),
    _ARRAY: (MAX_ARRAY_ITEMS, 1, "array"),
    _MAP: (MAX_MAP_ENTRIES, 2, "map"),
    _EXT: (MAX_EXT_BYTES, 0, "extension value"),
}

_UINT_BYTES: Final = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}


class BoundsError(ValueError):
    """The bytes are not one msgpack value within the bounds; the message says which and where."""


def check_bounds(body: bytes, most_values: int = MAX_VALUES) -> None:
    """Raises BoundsError unless `body` is exactly one msgpack value within every bound above.

    UTF-8 and the keys of maps are left to the unpacking that follows.
    """
    end, at, values, missing = len(body), 0, 0, 1
    outer: list[int] = []  # for each open container around the current one: how many values it still misses
    while True:
        if at >= end:
            raise BoundsError(f"message is cut off after {end} bytes")
        first = body[at]
        at += 1
        missing -= 1
        values += 1
        if values > most_values:
            raise BoundsError(f"message has more than {most_values} values")
        children = 0
        if 0x80 <= first < 0xE0:
            children, at = _enter(body, at, first)
        if children:
            if len(outer) == MAX_DEPTH:
                raise BoundsError(f"message is nested deeper than {MAX_DEPTH} at byte {at}")
            if children > end - at:
                raise BoundsError(f"{children} values are claimed where {end - at} bytes are left")
            outer.append(missing)
            missing = children
        while not missing:
            if not outer:
                if at != end:
                    raise BoundsError(f"message of {end} bytes has its value end at byte {at}")
                return
            missing = outer.pop()


def _enter(body: bytes, at: int, first: int) -> tuple[int, int]:
    """How many values the container that begins with `first` holds (0: none), and where to read on."""
    if first < 0xA0:  # fixmap, fixarray
        count = first & 0x0F
        return (2 * count if first < 0x90 else count), at
    if first < 0xC0:  # fixstr
        return 0, at + (first & 0x1F)
    kind, width = _HEADS[first - 0xC0]
    if kind == _SCALAR:
        return 0, at + width
    limit, values, what = _SIZED[kind]
    size = int.from_bytes(body[at : at + width])
    if kind in (_NEVER, _EXT):  # an extension of 0 bytes is none the less one
        raise BoundsError(f"{what} at byte {at - 1}: this protocol uses none")
    if size > limit:
        raise BoundsError(f"{what} of size {size} at byte {at - 1} is over the limit of {limit}")
    at += width
    return (size * values, at) if values else (0, at + size)


def request_id_of(body: bytes) -> int | None:
    """The request id, read from the first bytes of a message whatever follows them, or None.

    So a request that cannot be decoded can still be answered. Only a whole array header, an unsigned tag and
    an id of 1..2³²−1 count.
    """
    first = body[0] if body else 0
    if 0x90 <= first < 0xA0:
        at, items = 1, first & 0x0F
    elif first in (0xDC, 0xDD):
        width = 2 if first == 0xDC else 4
        at, items = 1 + width, int.from_bytes(body[1 : 1 + width])
    else:
        return None
    tag, at = _uint(body, at)
    number, _ = _uint(body, at)
    if items < 2 or tag is None or number is None or not 1 <= number <= 0xFFFF_FFFF:
        return None
    return number


def _uint(body: bytes, at: int) -> tuple[int | None, int]:
    if at >= len(body):
        return None, at
    first = body[at]
    if first < 0x80:
        return first, at + 1
    width = _UINT_BYTES.get(first)
    if width is None or at + 1 + width > len(body):
        return None, len(body)
    return int.from_bytes(body[at + 1 : at + 1 + width]), at + 1 + width
