"""RoomApp: the room on the screen. It draws the Space and the board as they are, ten times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from signaling.cli.meters import Levels
from signaling.cli.room import lines
from signaling.cli.room.acts import Acts
from signaling.cli.room.board import Board
from signaling.cli.room.guest import GuestKeys
from signaling.cli.room.hosting import HostKeys
from signaling.cli.room.keys import bindings, footer
from signaling.cli.room.rows import Row, Rows
from signaling.cli.room.sight import safe
from signaling.cli.room.style import STYLE

__all__ = ["RoomApp"]

_DRAW_S: Final = 0.1  # more costs the sound its time and shows nothing new
_SAID_LINES: Final = 3
_LOW: Final = 16  # lines of a terminal below which one line is for what was said


class RoomApp(GuestKeys, HostKeys):
    """One Space. It ends when one leaves or the Space is over; `failure` is what went wrong in the app."""

    CSS = STYLE
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - as textual declares it
        (0, "-narrow"),
        (60, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012 - as textual declares it
        (0, "-low"),
        (_LOW, "-high"),
    ]

    def __init__(self, board: Board, acts: Acts, levels: Levels, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, as for the board."""
        super().__init__(board, acts)
        self.failure: Exception | None = None
        self._levels = levels
        self._clock = clock
        self._drawn = -1
        self._others: list[Row] = []
        self._written: dict[str, Text] = {}
        self._rows: dict[str, Rows] = {}
        self._lines: dict[str, Static] = {}

    def compose(self) -> ComposeResult:
        """Of textual."""
        yield Static(id="title")
        yield Static(id="about")
        with Horizontal(id="panes"):
            yield Rows(id="people")
            with Vertical(id="talk"):
                yield Rows(id="pins", most_lines=4)
                yield Rows(id="posts", tail=True)
                yield Rows(id="notes", most_lines=4, tail=True)
        yield Static(id="reactions")
        yield Rows(id="said", tail=True)
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Of textual: begin to draw."""
        # Kept: a room that is drawn once more while it closes finds them here, and no longer on the screen.
        self._rows = {rows.id or "": rows for rows in self.query(Rows)}
        self._lines = {line.id or "": line for line in self.query(Static)}
        for name in ("pins", "notes", "said"):
            self._rows[name].can_focus = False
        self.query_one("#people").focus()
        self.run_worker(self._go_on())

    def on_resize(self) -> None:
        """Another size holds another number of lines."""
        self._drawn = -1

    async def _go_on(self) -> None:
        while self.space.over is None and not self.board.is_done:
            self.draw()
            await asyncio.sleep(_DRAW_S)
        self.exit()

    def draw(self) -> None:
        """Show everything as it is now: what moves each time, the rest if something happened."""
        board = self.board
        self._write("reactions", lines.reaction_line(board, self._clock()))
        if board.version != self._drawn:
            self._drawn = board.version
            self._others = lines.others_rows(board)
            self._draw_talk()
        people = [*lines.stage_rows(board, self._levels), *self._others]
        self._rows["people"].show(people)

    def _draw_talk(self) -> None:
        board, width = self.board, max(1, self.size.width)
        self._write("title", lines.title_line(board))
        self._write("about", lines.about_line(board))
        self._write("keys", footer(board.is_host, self.space.invited, width))
        # A sentence is shown whole: it says what to do. Where it has one line, at least how it begins.
        said = list(board.said)[-_SAID_LINES:]
        self._rows["said"].show(lines.said_rows(said, wraps=self.size.height >= _LOW))
        self._rows["pins"].show(lines.pin_rows(board))
        self._rows["posts"].show(lines.post_rows(board))
        self._rows["notes"].show(lines.note_rows(board))

    def _write(self, name: str, text: Text) -> None:
        if self._written.get(name) != text:
            self._written[name] = text
            self._lines[name].update(safe(text))

    def _handle_exception(self, error: Exception) -> None:
        """Of textual, which would print a traceback with everything in it, a token too: it is told like any
        failure of a command instead."""
        if self.failure is None:
            self.failure = error
        super()._handle_exception(error)
        self._exit_renderables.clear()
