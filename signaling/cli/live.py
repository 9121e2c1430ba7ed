"""`spaces live`: which Spaces are live."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial
from signaling.cli.running import run_loop
from signaling.client import LiveSpace

__all__ = ["run"]


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
        console.print(_table(found))
        console.print(f"\nListen:  spaces join {found[0].space.hex()}", soft_wrap=True, highlight=False)
    else:
        console.print("Nothing is live. Open a Space:  spaces host --title 'Hello'", highlight=False)
    return 0


def _table(found: list[LiveSpace]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Space", no_wrap=True)
    table.add_column("Title")
    table.add_column("Host")
    table.add_column("People", justify="right")
    for row in found:
        table.add_row(row.space.hex(), Text(row.title), Text(row.host_name), str(row.people))
    return table
