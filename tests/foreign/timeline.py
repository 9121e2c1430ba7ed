"""The bubbles of the people one follows, kept up to date by events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.foreign.numbers import Event
from tests.foreign.wire import Message


@dataclass
class Bubble:
    """A row of `bubbles`; fields that a newer server adds at its end are passed over."""

    space: bytes
    title: str
    host: str
    host_name: str
    topics: list[str]
    known: list[Message]
    known_count: int
    known_on_stage: int
    people: int
    kind: str = ""

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """Where it stands: most of those one follows on stage, then the largest, then the lower id."""
        return -self.known_on_stage, -self.people, self.space


@dataclass
class Timeline:
    """What is shown at the top."""

    shown: dict[bytes, Bubble] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Message]) -> Timeline:
        """The answer to `timeline`, whose rows come in order."""
        bubbles = [Bubble(*row[:10]) for row in rows]
        return cls({bubble.space: bubble for bubble in bubbles})

    def apply(self, event: Message) -> None:
        """A bubble came, changed or went."""
        if event[0] == Event.BUBBLE_GONE:
            self.shown.pop(event[2], None)
        elif event[0] == Event.BUBBLE_CHANGED:
            bubble = Bubble(*event[2][:10])
            self.shown[bubble.space] = bubble

    def bubbles(self) -> list[Bubble]:
        """In the order of the page."""
        return sorted(self.shown.values(), key=lambda bubble: bubble.rank)
