"""`spaces peek`: a look at a Space without joining it."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.meters import role_word
from signaling.cli.printing import facts, print_json, time_of
from signaling.cli.running import run_loop
from signaling.cli.telling import POLICY_WORDS
from signaling.client import Peeked

__all__ = ["STATES", "run", "view"]

STATES: Final = ("scheduled", "live", "ended", "cancelled", "timed out")


def run(options: ConnectionOptions, space: str, *, as_json: bool) -> int:
    """Show it; returns 0."""
    return run_loop(_peek(options, space, as_json))


async def _peek(options: ConnectionOptions, space: str, as_json: bool) -> int:
    options, where = place(options, space)
    async with await dial(options) as client:
        seen = await client.peek(where)
    if as_json:
        print_json(seen)
    else:
        Console(highlight=False).print(view(seen))
    return 0


def view(seen: Peeked) -> Table:
    """What a Space is, one line a fact."""
    settings = seen.settings
    state = STATES[seen.state] if seen.state < len(STATES) else f"in state {seen.state}"
    rows = [
        ("Space", seen.space.hex()),
        ("Title", settings.title),
        ("State", f"{state}, locked" if settings.locked else state),
        ("Host", f"{seen.host_name} ({seen.host})"),
        ("About", ", ".join(settings.topics)),
        ("Kind", settings.kind),
        ("Starts", time_of(seen.starts_ms) if seen.starts_ms and seen.state == 0 else ""),
        ("Reminder", "you will be told" if seen.reminded else ""),
    ]
    if seen.state == 1:
        if settings.who_may_speak < len(POLICY_WORDS):
            rows.append(("Speaking", POLICY_WORDS[settings.who_may_speak]))
        rows.append(("People", str(seen.people)))
        rows += [("On stage", f"{row.name}, {role_word(row.role)}") for row in seen.stage]
    return facts(rows)
