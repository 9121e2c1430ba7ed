"""`[talk]`: how often one person, and all in a Space together, may post, note, react and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from signaling.config.section import Section, number

__all__ = ["TalkConfig"]

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class TalkConfig(Section):
    """`…_burst` at once after a pause, then one more every `…_every_ms`, for each person on this server.

    `space_…_per_s` bound what all people in one Space do together: each post goes to everybody there, each
    note to every host.
    """

    section: ClassVar[str] = "talk"
    posts_burst: int = number(5, 1, 1_000)
    posts_every_ms: int = number(3_000, 1, _DAY_MS)
    notes_burst: int = number(3, 1, 1_000)
    notes_every_ms: int = number(10_000, 1, _DAY_MS)
    reactions_burst: int = number(10, 1, 1_000)
    reactions_every_ms: int = number(200, 1, _DAY_MS)
    asks_burst: int = number(3, 1, 1_000)
    asks_every_ms: int = number(10_000, 1, _DAY_MS)
    invites_burst: int = number(20, 1, 1_000)
    invites_every_ms: int = number(1_000, 1, _DAY_MS)
    reports_burst: int = number(3, 1, 1_000)
    reports_every_ms: int = number(60_000, 1, _DAY_MS)
    space_posts_per_s: int = number(10, 1, 1_000)
    space_notes_per_s: int = number(5, 1, 1_000)
