"""Pages of lists, each going on behind the last row of the one before; and text as it is searched."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Column, Select

from signaling.rules import Person
from signaling.store.errors import StoreError

# Values in one query; PostgreSQL takes 32,767 and SQLite as many.
CHUNK: Final = 1_000
_CURSOR_BYTES = 8 + 16

_Key = TypeVar("_Key", str, bytes)


def pack_cursor(at_us: int, space: bytes) -> bytes:
    """Where a list of Spaces goes on: behind the one of this time and id."""
    return at_us.to_bytes(8, "big", signed=True) + space


def parse_cursor(after: bytes) -> tuple[int, bytes]:
    """What `pack_cursor` was given. StoreError inconsistent for what it did not make."""
    if len(after) != _CURSOR_BYTES:
        raise StoreError(
            "inconsistent",
            f"The place to go on from has {len(after)} bytes, {_CURSOR_BYTES} is right; "
            "use the one of the page before.",
        )
    return int.from_bytes(after[:8], "big", signed=True), after[8:]


def person_page(found: list[Person], limit: int) -> tuple[list[Person], str]:
    """Of `limit` + 1 people asked for: the page, and where to go on, "" at the end."""
    if len(found) <= limit:
        return found, ""
    return found[:limit], found[limit - 1].user


def numbered_page(query: Select[Any], number: Column[int], before: int, limit: int) -> Select[Any]:
    """The query for `limit` + 1 rows with numbers below `before` (0: all), the latest first."""
    if before:
        query = query.where(number < before)
    return query.order_by(number.desc()).limit(limit + 1)


def chunks(values: Iterable[_Key]) -> Iterator[list[_Key]]:
    """`values` in parts that fit into a query."""
    left = iter(values)
    while part := list(islice(left, CHUNK)):
        yield part


def folded(text: str) -> str:
    """`text` without the differences that a search overlooks: case and compatible forms (NFKC)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
