"""The keys of the room: what each does, and for whom. Bindings, the last line and the help are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text
from textual.binding import Binding

__all__ = ["HELP_KEY", "KEYS", "Key", "bindings", "footer", "help_table"]


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `label` stands in the last line, where one is given; `does` in the help."""

    press: str
    action: str
    does: str
    label: str = ""
    hosts: bool = False
    shown: str = ""

    @property
    def name(self) -> str:
        """As people read it."""
        return self.shown or self.press


HELP_KEY: Final = Key("question_mark", "help", "this list", "all keys", shown="?")

KEYS: Final = (
    HELP_KEY,
    Key("m", "mute", "switch your voice off, or on again", "mute"),
    Key("space", "talk", "with --push-to-talk: hold it down to be heard", shown="Space"),
    Key("a", "ask", "ask to speak, or ask no longer", "ask"),
    Key("y", "accept", "accept the invitation to speak"),
    Key("n", "refuse", "turn the invitation down"),
    Key("r", "react", "react: then a digit", "react"),
    Key("p", "post", "write a post for all", "post"),
    Key("P", "reply", "reply to the chosen post, or to the last one", "reply"),
    Key("D", "delete_post", "take the chosen post away: your own, or any (hosts)"),
    Key("N", "note", "a private note to the hosts", "note"),
    Key("l", "listen", "back to the listeners: you, or whom you chose (hosts)"),
    Key("R", "report", "report the chosen person to whoever runs the server"),
    Key("S", "share", "a link to this Space; hosts: or one that lets somebody speak"),
    Key("q", "leave", "leave; a host without a co-host ends the Space by that", "leave"),
    Key("enter", "admit", "admit who asks, invite who listens", "admit", True, "Enter"),
    Key("d", "decline", "decline who asks", "decline", True),
    Key("U", "uninvite", "take the invitation back", "", True),
    Key("k", "mute_person", "mute them: they may unmute", "mute", True),
    Key("K", "hold", "hold them muted, or let go", "hold", True),
    Key("v", "quieter", "turn them down by a tenth", "", True),
    Key("V", "louder", "turn them up by a tenth", "", True),
    Key("x", "remove", "put them out: asks whether they may come back", "remove", True),
    Key("c", "co_host", "make them a co-host, or a speaker again", "", True),
    Key("H", "hand_over", "make them the host (asks)", "", True),
    Key("L", "lock", "lock the room to new arrivals, or open it", "", True),
    Key("i", "pin", "pin something for all to see", "", True),
    Key("I", "unpin", "take a pinned item away", "", True),
    Key("M", "mute_all", "mute all but the hosts", "", True),
    Key("s", "settings", "title, topics, who may speak, order of the queue", "settings", True),
    Key("e", "end", "end the Space for everybody (asks)", "end", True),
)
_MOVING: Final = (
    ("↑ ↓", "choose a person or a post"),
    ("Tab", "from the people to the posts, and back"),
    ("Escape", "close what was opened"),
    ("Ctrl-C", "leave, as q"),
)


def bindings() -> list[Binding]:
    """For textual. Ctrl-C leaves from everywhere, also while something is typed."""
    return [
        *(Binding(key.press, key.action, key.does, show=False) for key in KEYS),
        Binding("ctrl+c", "leave", "leave", show=False, priority=True),
    ]


def footer(is_host: bool, is_invited: bool, width: int) -> Text:
    """The keys that matter most to one, as many as there is room for; the way out and the help always."""
    ordered = [key for key in KEYS if key.label and (is_host or not key.hosts)]
    first = [key for key in ordered if key.action in ("help", "leave")]
    rest = [key for key in ordered if key not in first]
    if is_host:
        rest.sort(key=lambda key: not key.hosts)
    hints = [(key.name, key.label) for key in (*first, *rest)]
    if is_invited:
        hints = [("y", "accept"), ("n", "refuse"), *hints]
    return _fitting(hints, width)


def help_table() -> Table:
    """All keys."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for name, does in _MOVING:
        table.add_row(name, does)
    for title, hosts in (("For everybody", False), ("For hosts, of whom you chose", True)):
        table.add_row("", Text(f"\n{title}", "dim"))
        for key in KEYS:
            if key.hosts is hosts:
                table.add_row(key.name, key.does)
    return table


def _fitting(hints: Iterable[tuple[str, str]], width: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for name, label in hints:
        hint = Text.assemble((name, "bold"), f" {label}  ")
        if line.cell_len + hint.cell_len - 2 > width:
            break
        line.append_text(hint)
    return line
