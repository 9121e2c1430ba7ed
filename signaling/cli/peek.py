"""`spaces peek`: a look at a Space without joining it."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.meters import role_word
from signaling.cli.money import price_word
from signaling.cli.printing import facts, print_json, time_of
from signaling.cli.running import run_loop
from signaling.cli.selling import terms_rows
from signaling.cli.telling import POLICY_WORDS
from signaling.client import Peeked, TicketRequired
from signaling.protocol import messages as wire

__all__ = ["STATES", "run", "view"]

STATES: Final = ("scheduled", "live", "ended", "cancelled", "timed out")


def run(options: ConnectionOptions, space: str, *, as_json: bool) -> int:
    """Show it; returns 0."""
    return run_loop(_peek(options, space, as_json))


async def _peek(options: ConnectionOptions, space: str, as_json: bool) -> int:
    options, where = place(options, space)
    async with await dial(options) as client:
        try:
            seen: Peeked | wire.TicketRequired = await client.peek(where)
        except TicketRequired as error:
            seen = error.offer
    if as_json:
        print_json(seen)
    else:
        Console(highlight=False).print(view(seen) if isinstance(seen, Peeked) else offer_view(seen))
    return 0


def offer_view(seen: wire.TicketRequired) -> Table:
    """What one without a ticket is told, one line a fact."""
    return facts(
        [
            ("Space", seen.space.hex()),
            ("Title", seen.title),
            ("State", f"{_state_word(seen.state)}, for holders of tickets"),
            ("Host", f"{seen.host_name} ({seen.host})"),
            ("Starts", time_of(seen.starts_ms) if seen.starts_ms and seen.state == 0 else ""),
            *terms_rows(seen.terms),
            ("You", f"at place {seen.place} of the waiting list" if seen.place else ""),
            ("Ticket", f"spaces buy {seen.space.hex()}"),
        ]
    )


def view(seen: Peeked) -> Table:
    """What a Space is, one line a fact."""
    settings = seen.settings
    state = _state_word(seen.state)
    rows = [
        ("Space", seen.space.hex()),
        ("Title", settings.title),
        ("State", f"{state}, locked" if settings.locked else state),
        ("Host", f"{seen.host_name} ({seen.host})"),
        ("About", ", ".join(settings.topics)),
        ("Kind", settings.kind),
        ("Ticket", price_word(seen.price)),
        ("Starts", time_of(seen.starts_ms) if seen.starts_ms and seen.state == 0 else ""),
        ("Reminder", "you will be told" if seen.reminded else ""),
    ]
    if seen.state == 1:
        if settings.who_may_speak < len(POLICY_WORDS):
            rows.append(("Speaking", POLICY_WORDS[settings.who_may_speak]))
        rows.append(("People", str(seen.people)))
        rows += [("On stage", f"{row.name}, {role_word(row.role)}") for row in seen.stage]
    return facts(rows)


def _state_word(state: int) -> str:
    return STATES[state] if state < len(STATES) else f"in state {state}"
