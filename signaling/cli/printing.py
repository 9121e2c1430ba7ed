"""What commands print: JSON for programs, tables for people, times and durations for both to read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["duration", "facts", "listing", "plain", "print_json", "time_of", "yes_or_no"]

_TABLE_WIDTH: Final = 64  # the ids alone take 32
_UNSAID: Final = frozenset({"id"})  # of replies: the number of the request
_STEPS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def plain(value: Any) -> Any:
    """Rows and replies as JSON can hold them: fields by their names in the protocol, ids in hex."""
    if isinstance(value, Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name not in _UNSAID}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return [plain(each) for each in value]


def print_json(value: Any, console: Console | None = None) -> None:
    """One line of JSON, at once."""
    (console or Console()).out(json.dumps(plain(value), ensure_ascii=False), highlight=False)


def listing(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> RenderableType:
    """A table, or where that is too wide two lines a row; the first column is the id, never cut."""
    if width < _TABLE_WIDTH:
        return Text("\n").join(Text(f"{row[0]}\n  {' · '.join(filter(None, row[1:]))}") for row in rows)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for at, column in enumerate(columns):
        justify: JustifyMethod = "right" if column == "People" else "left"
        table.add_column(column, no_wrap=at == 0, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """One line a fact, those without content left out."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for name, fact in rows:
        if fact:
            table.add_row(name, Text(fact))
    return table


def time_of(at_ms: int) -> str:
    """A moment since the epoch as a clock on this machine's wall would show it, with the zone."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%a %d %b %Y %H:%M %Z")


def duration(seconds: float) -> str:
    """Two units at most: `2 h 5 min`."""
    left = round(seconds)
    parts = []
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def yes_or_no(so: bool) -> str:
    """In a table."""
    return "yes" if so else "no"
