"""Rows: a pane of lines that scrolls, in which one row can be chosen. What is drawn is cleaned here."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Final

from rich.console import Console
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from signaling.cli.room.sight import safe

__all__ = ["Row", "Rows"]

_MOST_LINES: Final = 12  # of one row: 500 characters on 46 columns; many short lines do not fill the pane
_CHOSEN: Final = Style(reverse=True)
_CHOSEN_ELSEWHERE: Final = Style(underline=True)


class Row:
    """One thing in a pane, with the key by which it can be chosen; None for what cannot.

    A row that wraps takes as many lines as it needs; another is cut with an ellipsis. The lines are kept:
    give the same row again and they are not made anew.
    """

    __slots__ = ("_lines", "_width", "key", "text", "wraps")

    def __init__(self, text: Text, key: Hashable | None = None, *, wraps: bool = False) -> None:
        self.key = key
        self.text = text
        self.wraps = wraps
        self._width = 0
        self._lines: list[Text] = []

    def lines(self, console: Console, width: int) -> list[Text]:
        """As they are drawn on so many columns."""
        if width != self._width:
            self._width = width
            text = Text().append_text(safe(self.text))  # a line that is rendered alone shows only its spans
            if self.wraps:
                self._lines = list(text.wrap(console, width, overflow="fold"))
                if len(self._lines) > _MOST_LINES:
                    self._lines[_MOST_LINES - 1 :] = [Text("…")]
            else:
                text.plain = text.plain.replace("\n", " ")
                text.truncate(width, overflow="ellipsis")
                self._lines = [text]
            for line in self._lines:
                line.end = ""
        return self._lines


class Rows(ScrollView, can_focus=True):
    """Shows rows. The choice follows its key wherever that moves; if it is gone, nothing is chosen.

    So an act never meets somebody who only happened to slip under the cursor.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "choose the one before", show=False),
        Binding("down", "step(1)", "choose the next", show=False),
        Binding("pageup", "step(-8)", "further up", show=False),
        Binding("pagedown", "step(8)", "further down", show=False),
        Binding("home", "step(-1000000)", "the first", show=False),
        Binding("end", "step(1000000)", "the last", show=False),
    ]

    def __init__(self, *, id: str, tail: bool = False, most_lines: int = 0) -> None:  # noqa: A002 - textual's name
        """`tail`: the end is what is seen, while nothing is chosen. `most_lines`: as high as what is in it,
        up to this; else as high as there is room."""
        super().__init__(id=id)
        self._tail = tail
        self._most_lines = most_lines
        self._rows: Sequence[Row] = ()
        self._lines: list[tuple[Text, Row]] = []
        self._chosen: Hashable | None = None
        self._place = -1  # where the choice was last, among what can be chosen

    @property
    def chosen(self) -> Any:
        """The key of the row that is chosen, or None."""
        return self._chosen

    def choose(self, key: Hashable | None) -> None:
        """Choose the row with this key, or none."""
        keys = self._keys()
        self._chosen = key if key in keys else None
        if self._chosen is not None:
            self._place = keys.index(key)
            self._reveal()
        self.refresh()

    def show(self, rows: Sequence[Row]) -> None:
        """Show these from now on."""
        self._rows = rows
        if self._chosen is not None and self._chosen not in (keys := self._keys()):
            self._chosen, self._place = None, min(self._place, len(keys)) - 1
        elif self._chosen is not None:
            self._place = keys.index(self._chosen)
        self._lay_out()

    def on_resize(self, event: Resize) -> None:
        """Another width wraps differently."""
        self._lay_out()

    def on_click(self, event: Click) -> None:
        """Choose what is clicked."""
        at = event.y + self.scroll_offset.y
        if at < len(self._lines) and self._lines[at][1].key is not None:
            self.choose(self._lines[at][1].key)

    def action_step(self, by: int) -> None:
        """Choose another."""
        keys = self._keys()
        if not keys:
            return
        if self._chosen is None:
            # The first step enters: at the end where the end is what one sees, else where the choice was.
            start = len(keys) if self._tail else self._place
            place = start + by if by > 0 else max(start, 1) + by
        else:
            place = self._place + by
        self.choose(keys[max(0, min(place, len(keys) - 1))])

    def render_line(self, y: int) -> Strip:
        """Of textual: one line of what is visible."""
        at = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        text, row = self._lines[at]
        strip = Strip(text.render(self.app.console)).adjust_cell_length(width)
        if row.key is not None and row.key == self._chosen:
            strip = strip.apply_style(_CHOSEN if self.has_focus else _CHOSEN_ELSEWHERE)
        return strip.apply_style(self.rich_style)

    def _keys(self) -> list[Hashable]:
        return [row.key for row in self._rows if row.key is not None]

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        if width <= 0:
            return
        console = self.app.console
        self._lines = [(line, row) for row in self._rows for line in row.lines(console, width)]
        size = Size(width, len(self._lines))
        if self.virtual_size != size:
            self.virtual_size = size
            if self._most_lines:
                self.styles.height = min(len(self._lines), self._most_lines)
        if self._tail and self._chosen is None:
            self.scroll_end(animate=False)
        self.refresh()

    def _reveal(self) -> None:
        held = [at for at, (_, row) in enumerate(self._lines) if row.key == self._chosen]
        if held:
            region = Region(0, held[0], 1, len(held))
            self.scroll_to_region(region, animate=False, immediate=True)
