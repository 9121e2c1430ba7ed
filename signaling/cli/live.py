"""`spaces live`: which Spaces are live."""

from __future__ import annotations

from rich.console import Console, RenderableType

from signaling.cli.connecting import ConnectionOptions, dial
from signaling.cli.money import price_word
from signaling.cli.printing import listing, print_json
from signaling.cli.running import run_loop
from signaling.client import LiveSpace

__all__ = ["run", "view"]


def run(options: ConnectionOptions, *, most: int, text: str, topic: str, as_json: bool) -> int:
    """List them; returns 0, also if there are none."""
    return run_loop(_list(options, most, text, topic, as_json))


async def _list(options: ConnectionOptions, most: int, text: str, topic: str, as_json: bool) -> int:
    async with await dial(options) as client:
        found = await client.live(most, text=text, topic=topic)
    console = Console()
    if as_json:
        print_json(found, console)
    elif found:
        console.print(view(found, console.width))
        console.print(f"\nListen:  spaces join {found[0].space.hex()}", soft_wrap=True, highlight=False)
    elif text or topic:
        console.print("Nothing live is like that. See all of them:  spaces live", highlight=False)
    else:
        console.print("Nothing is live. Open a Space:  spaces host --title 'Hello'", highlight=False)
    return 0


def view(found: list[LiveSpace], width: int) -> RenderableType:
    """A table, or where that is too wide two lines a Space."""
    with_topics = any(row.topics for row in found)
    with_tickets = any(row.price for row in found)
    rows = [
        [
            *(row.space.hex(), row.title, row.host_name, str(row.people)),
            *([price_word(row.price)] * with_tickets),
            *([", ".join(row.topics)] * with_topics),
        ]
        for row in found
    ]
    columns = ["Space", "Title", "Host", "People", *(["Ticket"] * with_tickets), *(["About"] * with_topics)]
    return listing(columns, rows, width)
