"""Who was heard for how long, in sentences for people."""

from __future__ import annotations

from signaling.client import TalkerRow, Talkers

__all__ = ["talk_sentences"]


def talk_sentences(talkers: Talkers) -> list[str]:
    """One for each, who longest first; or the one that says that there is nobody."""
    if not talkers.talkers:
        return ["Nobody was heard."]
    said = [_sentence(row) for row in talkers.talkers]
    more = talkers.people - len(said)
    return [*said, f"{more} more were heard."] if more > 0 else said


def _sentence(row: TalkerRow) -> str:
    turns = "1 turn" if row.turns == 1 else f"{row.turns} turns"
    now = ", and goes on" if row.talking else ""
    return f"{_length(row.talk_ms)}  {row.name or row.user}, {turns}{now}"


def _length(ms: int) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:3}:{seconds:02}"
