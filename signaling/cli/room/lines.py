"""What stands in the panes of a room, as rows and lines, made of its Space and its board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from signaling.cli.meters import FULL_PCT, SILENT_FROM, Levels, meter, role_word, state_words
from signaling.cli.money import price_word
from signaling.cli.room.board import LISTENERS_SHOWN, Board, Said
from signaling.cli.room.rows import Row
from signaling.cli.room.sight import one_line, printable
from signaling.cli.telling import POLICY_WORDS
from signaling.client import Role, StageSeat
from signaling.protocol.terms import REACTIONS

__all__ = [
    "GLYPHS",
    "about_line",
    "note_rows",
    "others_rows",
    "pin_rows",
    "post_rows",
    "reaction_line",
    "said_rows",
    "stage_rows",
    "title_line",
]

GLYPHS: Final = dict(zip(REACTIONS, ("♥", "😂", "👏", "🔥", "💯", "👋", "😢", "😮"), strict=True))
_METER_WIDTH: Final = 8
_BUBBLES: Final = 5  # so many rise at once at most
_RISING_S: Final = 1.5  # for so long after it was told is a second's count bright,
_FADED_S: Final = 4.0  # and gone after this
_QUOTE_CHARS: Final = 30


def title_line(board: Board) -> Text:
    """What the Space is called, and what is out of the ordinary."""
    line = Text(one_line(board.space.title), "bold", no_wrap=True, overflow="ellipsis")
    if not board.is_connected:
        line.append("  connection lost, trying to come back", "bold red")
    if board.space.settings.locked:
        line.append("  locked", "yellow")
    price = price_word(board.space.price)
    if price:
        line.append(f"  ticket {price}", "yellow")
    return line


def about_line(board: Board) -> Text:
    """How many are here, what I am, what it is about."""
    space = board.space
    people = space.audience + sum(not row.absent for row in space.stage)
    line = Text(no_wrap=True, overflow="ellipsis", style="dim")
    line.append(f"{people} here · ")
    line.append(_me(board), "bold")
    if space.invited:
        line.append(" · you are invited to speak (y/n)", "bold green")
    elif board.is_asking:
        place = next((at for at, row in enumerate(space.queue, 1) if row.user == space.me), None)
        line.append(
            " · you ask to speak" + (f", place {place} of {space.waiting}" if place else ""), "yellow"
        )
    topics = "".join(f" · #{one_line(topic)}" for topic in space.settings.topics)
    line.append(topics)
    if 0 < space.settings.who_may_speak < len(POLICY_WORDS):
        line.append(f" · {POLICY_WORDS[space.settings.who_may_speak]}")
    return line


def stage_rows(board: Board, levels: Levels) -> list[Row]:
    """Who is on stage and how loud."""
    stage = board.space.stage
    rows = [_heading(f"On stage ({len(stage)})")]
    return rows + [Row(_on_stage(row, levels, board.space.me), row.user) for row in stage]


def others_rows(board: Board) -> list[Row]:
    """Who asks to speak, with their places, and who listens, as far as one may choose them."""
    space = board.space
    rows = []
    if space.waiting:
        rows.append(_heading(f"Asking to speak ({space.waiting})"))
        for place, person in enumerate(space.queue, 1):
            rows.append(Row(Text(f"{place}. {one_line(person.name)}", "yellow"), person.user))
        rows += _more(space.waiting - len(space.queue))
    rows.append(_heading(f"Listening ({space.audience})"))
    elsewhere = {row.user for row in space.stage} | {row.user for row in space.queue}
    listening = [person for person in board.listeners if person.user not in elsewhere]
    rows += [Row(Text(f"   {one_line(person.name)}"), person.user) for person in listening]
    if len(board.listeners) >= LISTENERS_SHOWN:
        rows += _more(space.audience - len(listening) - space.waiting)
    return rows


def pin_rows(board: Board) -> list[Row]:
    """What is pinned."""
    return [Row(Text.assemble(("▪ ", "bold cyan"), _body(pin.text)), wraps=True) for pin in board.space.pins]


def post_rows(board: Board) -> list[Row]:
    """The posts; a reply says to what."""
    posts = {post.post: post for post in board.posts}
    rows = []
    for post in posts.values():
        text = Text(one_line(post.name), "bold cyan")
        if post.reply_to:
            to = posts.get(post.reply_to)
            quoted = f"{one_line(to.name)}: {_short(to.text)}" if to else "an earlier post"
            text.append(f" ↳ {quoted}", "dim not bold")
        text.append_text(Text(f"  {_body(post.text)}", "not bold default"))
        rows.append(Row(text, post.post, wraps=True))
    return rows or [Row(Text("No posts yet; p writes one.", "dim"))]


def note_rows(board: Board) -> list[Row]:
    """Notes to the hosts."""
    return [
        Row(Text.assemble((f"✉ {one_line(note.name)}  ", "bold magenta"), _body(note.text)), wraps=True)
        for note in board.notes
    ]


def reaction_line(board: Board, now_s: float) -> Text:
    """The reactions of the last second as they rise and fade, and how many there were since one came."""
    line = Text(no_wrap=True, overflow="ellipsis")
    age_s = now_s - board.reacted_s
    counts = board.reactions if age_s < _FADED_S else {}
    for name, total in sorted(board.space.reactions.items(), key=lambda each: (-each[1], each[0])):
        glyph = GLYPHS.get(name, one_line(name))
        count = counts.get(name, 0)
        if count:
            left = max(1, round(min(count, _BUBBLES) * (1 - age_s / _FADED_S)))
            line.append(f"{glyph * left} {count}/s ", "bold" if age_s < _RISING_S else "dim")
            line.append(f"({total})   ", "dim")
        else:
            line.append(f"{glyph} {total}   ", "dim")
    return line


def said_rows(said: Sequence[Said], *, wraps: bool) -> list[Row]:
    """What was said, the newest below and bright."""
    rows = []
    for each in said:
        newest = each is said[-1]
        style = ("bold red" if newest else "red") if each.is_error else ("" if newest else "dim")
        rows.append(Row(Text(one_line(each.text), style), wraps=wraps))
    return rows


def _me(board: Board) -> str:
    space = board.space
    words = f"you are {'the' if space.role is Role.HOST else 'a'} {role_word(space.role)}"
    if space.seat is None:
        return words
    own = next((row for row in space.stage if row.user == space.me), None)
    if own is not None and own.held:
        return f"{words}, held muted"
    return f"{words}, muted" if space.muted else words


def _heading(words: str) -> Row:
    return Row(Text(words, "bold underline"))


def _more(count: int) -> list[Row]:
    return [Row(Text(f"   and {count} more", "dim"))] if count > 0 else []


def _on_stage(row: StageSeat, levels: Levels, me: str) -> Text:
    level = levels.of(row.seat)
    talking = level < SILENT_FROM and not row.muted and not row.absent
    text = Text("● " if talking else "○ ", "bold green" if talking else "bright_black")
    if row.absent or row.muted:
        word = "away" if row.absent else "held" if row.held else "muted"
        text.append(word.ljust(_METER_WIDTH), "red" if word != "muted" else "dim")
    else:
        text.append_text(meter(level, _METER_WIDTH))
    text.append(f" {one_line(row.name)}", "bold" if talking else "default")
    if row.user == me:
        text.append(" (you)", "dim")
    if row.role != Role.SPEAKER or row.held or row.volume_pct != FULL_PCT:
        text.append(f"  {state_words(row)}", "dim not bold")
    return text


def _body(text: str) -> str:
    """What somebody wrote, without its empty lines."""
    return "\n".join(line for line in printable(text).split("\n") if line.strip())


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _QUOTE_CHARS else f"{line[: _QUOTE_CHARS - 1]}…"
