"""`spaces timeline`: the bubbles: live Spaces in which somebody one follows is on stage."""

from __future__ import annotations

import contextlib
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial
from signaling.cli.money import price_word
from signaling.cli.printing import listing, print_json, time_of
from signaling.cli.running import Interrupted, run_loop, together
from signaling.cli.screen import Screen
from signaling.client import Bubble, Client, ConnectionState, Notice, Reconnecting, Timeline

__all__ = ["changes", "notice_sentence", "run", "view"]

_NOTICES: Final = (
    "Your Space {title!r} starts {when}:  spaces schedule start {space}",
    "{host} is live with {title!r}:  spaces join {space}",
    "{host} cancelled {title!r}.",
    "{host} moved {title!r} to {when}.",
)


def run(options: ConnectionOptions, *, once: bool, as_json: bool) -> int:
    """Show them and what becomes of them until Ctrl-C; returns 0."""
    with contextlib.suppress(Interrupted):
        run_loop(_show(options, once, as_json))
    return 0


async def _show(options: ConnectionOptions, once: bool, as_json: bool) -> int:
    async with await dial(options) as client:
        timeline = await client.timeline(subscribe=not once)
        if once:
            _print(timeline.bubbles, as_json)
            return 0
        page = _Page(timeline, as_json)
        client.on_connection = page.on_connection
        with Screen(page.view) as screen:
            page.screen = screen
            await together(page.follow(), page.notices(client))
    return 0


class _Page:
    """What is on the screen: the bubbles as they are, and above it what was told."""

    def __init__(self, timeline: Timeline, as_json: bool) -> None:
        self.screen: Screen | None = None
        self._timeline = timeline
        self._as_json = as_json

    async def follow(self) -> None:
        """Tell each change; on a terminal the view shows it."""
        shown: tuple[Bubble, ...] = ()
        first = True
        async for bubbles in self._timeline:
            if self._as_json:
                print_json({"bubbles": bubbles})
            elif self.screen is not None and not self.screen.is_live:
                for line in changes(shown, bubbles):
                    self.screen.say(line)
                if first and not bubbles:
                    self.screen.say("Nobody you follow is on stage. What is live:  spaces live")
            shown, first = bubbles, False

    async def notices(self, client: Client) -> None:
        """Tell what one is told of scheduled Spaces."""
        async for notice in client.notices():
            if self._as_json:
                print_json({"notice": notice})
            elif self.screen is not None:
                self.screen.say(notice_sentence(notice))

    def on_connection(self, state: ConnectionState) -> None:
        """The connection is lost, or there again."""
        lost = isinstance(state, Reconnecting)
        if self._as_json:
            print_json({"connection": "lost" if lost else "back"})
        elif self.screen is not None:
            self.screen.say(
                "The connection is lost; trying to come back." if lost else "The connection is there again."
            )

    def view(self) -> RenderableType:
        """The live view."""
        bubbles = self._timeline.bubbles
        hint = Text("Ctrl-C ends.  Listen:  spaces join ID", "dim")
        if not bubbles:
            return Group(Text("Nobody you follow is on stage.", "dim"), hint)
        width = self.screen.console.width if self.screen is not None else Console().width
        return Group(view(bubbles, width), Text(), hint)


def view(bubbles: tuple[Bubble, ...], width: int) -> RenderableType:
    """A table, or where that is too wide two lines a bubble."""
    with_tickets = any(row.price for row in bubbles)
    rows = [
        [
            *(row.space.hex(), row.title, row.host_name, _known(row), str(row.people)),
            *([price_word(row.price)] * with_tickets),
            ", ".join(row.topics),
        ]
        for row in bubbles
    ]
    columns = ["Space", "Title", "Host", "Whom you follow", "People", *(["Ticket"] * with_tickets), "About"]
    return listing(columns, rows, width)


def changes(before: tuple[Bubble, ...], now: tuple[Bubble, ...]) -> list[str]:
    """What is new, as lines: a Space that is there, one that is gone, others that came on stage."""
    old = {row.space: row for row in before}
    said = [_line(row) for row in now if row.space not in old]
    said += [
        _line(row)
        for row in now
        if row.space in old
        and (row.title, row.known, row.known_count)
        != (old[row.space].title, old[row.space].known, old[row.space].known_count)
    ]
    there = {row.space for row in now}
    return said + [f"{row.space.hex()}  {row.title}: no longer" for row in before if row.space not in there]


def notice_sentence(notice: Notice) -> str:
    """What a notice says."""
    words = _NOTICES[notice.what] if notice.what < len(_NOTICES) else "There is news of {title!r} of {host}."
    return words.format(
        title=notice.title,
        host=notice.host_name,
        space=notice.space.hex(),
        when=time_of(notice.starts_ms) if notice.starts_ms else "soon",
    )


def _print(bubbles: tuple[Bubble, ...], as_json: bool) -> None:
    console = Console(highlight=False)
    if as_json:
        print_json({"bubbles": bubbles}, console)
    elif bubbles:
        console.print(view(bubbles, console.width))
    else:
        console.print("Nobody you follow is on stage. What is live:  spaces live")


def _line(row: Bubble) -> str:
    people = "1 person" if row.people == 1 else f"{row.people} people"
    ticket = f", a ticket costs {price_word(row.price)}" if row.price else ""
    return f"{row.space.hex()}  {row.title}: {_known(row)}, {people}{ticket}"


def _known(row: Bubble) -> str:
    names = ", ".join(person.name for person in row.known)
    more = row.known_count - len(row.known)
    return f"{names} and {more} more" if more > 0 else names
