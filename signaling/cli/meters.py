"""What the live views are made of: level meters, and who is on stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from signaling.client import Role, Space, StageSeat

__all__ = [
    "FULL_PCT",
    "SILENT",
    "SILENT_FROM",
    "Levels",
    "framed",
    "meter",
    "repair_words",
    "role_word",
    "stage_table",
    "state_words",
]

SILENT: Final = 127
"""The level of silence, in −dBov (RFC 6464)."""
SILENT_FROM: Final = 60
"""−dBov at which a meter is empty: the room itself counts it as silence."""
FULL_PCT: Final = 100
"""The volume of whom nobody turned down."""

_FALL: Final = 1  # dB a frame by which a meter falls back: one can see what lasts 20 ms
_RANK_DB: Final = 6
_LEAST_WIDTH, _WIDTH = 4, 24  # of a meter: it gives way to names on a narrow terminal
_FRAME_WIDTH: Final = 72
_ZONES: Final = ((0.7, "green"), (0.9, "yellow"), (1.0, "red"))
_ROLES: Final = {
    Role.HOST: "host",
    Role.CO_HOST: "co-host",
    Role.SPEAKER: "speaker",
    Role.LISTENER: "listener",
}


class Levels:
    """Levels of people, −dBov, falling back slowly. `hear` takes them frame by frame."""

    def __init__(self) -> None:
        self._levels: dict[object, float] = {}

    def put(self, who: object, level: int) -> None:
        """20 ms of somebody at this level."""
        self._levels[who] = min(float(level), self._levels.get(who, SILENT) + _FALL)

    def hear(self, level: int, seats: tuple[int, ...], others: tuple[int, ...]) -> None:
        """20 ms of a room's mix: who speaks, loudest first, and which seats there are beside.

        A mix tells the order of its voices and not each one's level: the loudest is shown with that of the
        mix, each other 6 dB below the one before.
        """
        for seat in others:
            if seat not in seats:
                self.put(seat, SILENT)
        for rank, seat in enumerate(seats):
            self.put(seat, min(SILENT, level + rank * _RANK_DB))

    def of(self, who: object) -> float:
        """The level to show, −dBov."""
        return self._levels.get(who, SILENT)


def meter(level: float, width: int = _WIDTH) -> Text:
    """A bar for a level in −dBov: empty at 60 and below, full at 0."""
    filled = round(width * max(0.0, min(1.0, 1 - level / SILENT_FROM)))
    text = Text()
    begin = 0
    for part, style in _ZONES:
        end = min(filled, round(width * part))
        text.append("█" * max(0, end - begin), style)
        begin = max(begin, end)
    return text.append("·" * (width - filled), "bright_black")


@dataclass(frozen=True, slots=True)
class _Meter:
    """A meter as wide as there is room for."""

    level: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield meter(self.level, min(_WIDTH, options.max_width))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(_LEAST_WIDTH, options.max_width), min(_WIDTH, options.max_width))


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    role: str
    muted: bool
    level: float


def stage_table(space: Space, levels: Levels) -> Table:
    """Who is on stage, and how loud."""
    rows = [_Row(row.name, state_words(row), row.muted, levels.of(row.seat)) for row in space.stage]
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, min_width=1)
    table.add_column(min_width=_LEAST_WIDTH)  # shrinks before the others do
    table.add_column(no_wrap=True, max_width=32, overflow="ellipsis")
    table.add_column(no_wrap=True, style="dim")
    for row in rows:
        talking = row.level < SILENT_FROM and not row.muted
        mark = Text("●", "bold green") if talking else Text("○", "bright_black")
        bar = Text("muted", "dim") if row.muted else _Meter(row.level)
        table.add_row(mark, bar, Text(row.name, "bold" if talking else ""), row.role)
    return table


@dataclass(frozen=True, slots=True)
class _Framed:
    content: RenderableType
    title: str
    subtitle: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Room is left for the ^C that a terminal writes behind the frame: it must not begin another line.
        width = max(1, min(_FRAME_WIDTH, options.max_width - len("^C")))
        yield Panel(self.content, title=Text(self.title), subtitle=self.subtitle, width=width)


def framed(content: RenderableType, space: Space, leave: str) -> RenderableType:
    """A live view in its frame: the title above, below how to leave as long as the Space is not over."""
    return _Framed(content, space.title, leave if space.over is None else "over")


def repair_words(space: Space) -> str:
    """What is done about the network's loss on my way up; nothing is said where nothing is done."""
    talker = space.stats.talker
    words = [f"repair for {talker.fec_pct} % loss"] if talker.fec_pct else []
    if talker.copies:
        words.append(f"{talker.copies} {'copy' if talker.copies == 1 else 'copies'} of each frame")
    if words and talker.bitrate_bps:
        words.append(f"{talker.bitrate_bps // 1000} kbit/s")
    return "My voice goes out with " + ", ".join(words) + "." if words else ""


def role_word(number: int) -> str:
    """A role of the protocol in a word."""
    try:
        return _ROLES[Role(number)]
    except ValueError:
        return "?"


def state_words(row: StageSeat) -> str:
    """What somebody is on stage, and how it stands with their voice."""
    words = [role_word(row.role)]
    if row.absent:
        words.append("away")
    if row.held:
        words.append("held muted")
    if row.volume_pct != FULL_PCT:
        words.append(f"at {row.volume_pct} %")
    return ", ".join(words)
