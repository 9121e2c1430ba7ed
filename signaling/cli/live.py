"""`spaces live`: which Spaces are live."""

from __future__ import annotations

import json
from typing import Final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial
from signaling.cli.running import run_loop
from signaling.client import LiveSpace

__all__ = ["run", "view"]

_TABLE_WIDTH: Final = 64  # the ids alone take 32


def run(options: ConnectionOptions, *, most: int, as_json: bool) -> int:
    """List them; returns 0, also if there are none."""
    return run_loop(_list(options, most, as_json))


async def _list(options: ConnectionOptions, most: int, as_json: bool) -> int:
    async with await dial(options) as client:
        found = await client.live(most)
    console = Console()
    if as_json:
        rows = [
            {"space": row.space.hex(), "title": row.title, "host": row.host_name, "people": row.people}
            for row in found
        ]
        console.out(json.dumps(rows, ensure_ascii=False), highlight=False)
    elif found:
        console.print(view(found, console.width))
        console.print(f"\nListen:  spaces join {found[0].space.hex()}", soft_wrap=True, highlight=False)
    else:
        console.print("Nothing is live. Open a Space:  spaces host --title 'Hello'", highlight=False)
    return 0


def view(found: list[LiveSpace], width: int) -> RenderableType:
    """A table, or where that is too wide two lines a Space."""
    return _table(found) if width >= _TABLE_WIDTH else _lines(found)


def _lines(found: list[LiveSpace]) -> Text:
    return Text("\n").join(
        Text(f"{row.space.hex()}\n  {row.title} · {row.host_name} · {row.people}") for row in found
    )


def _table(found: list[LiveSpace]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Space", no_wrap=True)
    table.add_column("Title")
    table.add_column("Host")
    table.add_column("People", justify="right")
    for row in found:
        table.add_row(row.space.hex(), Text(row.title), Text(row.host_name), str(row.people))
    return table
