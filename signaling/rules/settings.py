"""What hosts set for a Space, and how it is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from signaling.rules.permissions import Refused
from signaling.rules.text import clean_text
from signaling.rules.text import topics as topics_of

KIND_CHARS = 16


class SpeakPolicy(IntEnum):
    """Who may ask to speak; whoever is invited may speak under each. The numbers are those of the wire."""

    EVERYONE = 0
    FOLLOWED = 1
    INVITED = 2


class QueueOrder(IntEnum):
    """Who comes first in the queue: who asked first, or who has not been on stage yet."""

    ARRIVAL = 0
    FAIR = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """`locked`: nobody new may come in. `kind` is the embedder's word for this sort of Space."""

    title: str
    topics: tuple[str, ...] = ()
    who_may_speak: SpeakPolicy = SpeakPolicy.EVERYONE
    queue_order: QueueOrder = QueueOrder.ARRIVAL
    locked: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a host wants otherwise; None leaves it as it is."""

    title: str | None = None
    topics: Sequence[str] | None = None
    who_may_speak: int | None = None
    queue_order: int | None = None
    locked: bool | None = None


def checked(settings: Settings, title_chars: int, topics: int) -> Settings | Refused:
    """The settings with title, topics and kind as they are kept, at most so many topics, or what is wrong.

    Refused: bad_value.
    """
    title = clean_text("title", settings.title, title_chars)
    if isinstance(title, Refused):
        return title
    named = topics_of(settings.topics, topics)
    if isinstance(named, Refused):
        return named
    if settings.kind:
        kind = clean_text("kind", settings.kind, KIND_CHARS)
        if isinstance(kind, Refused):
            return kind
    return replace(settings, title=title, topics=named, kind=settings.kind.strip())


def changed(settings: Settings, changes: Changes, title_chars: int, topics: int) -> Settings | Refused:
    """The settings with these changes. Refused: bad_value."""
    if changes.title is not None:
        settings = replace(settings, title=changes.title)
    if changes.topics is not None:
        settings = replace(settings, topics=tuple(changes.topics))
    if changes.who_may_speak is not None:
        if changes.who_may_speak not in tuple(SpeakPolicy):
            return _no_number("who may speak", changes.who_may_speak, SpeakPolicy)
        settings = replace(settings, who_may_speak=SpeakPolicy(changes.who_may_speak))
    if changes.queue_order is not None:
        if changes.queue_order not in tuple(QueueOrder):
            return _no_number("the order of the queue", changes.queue_order, QueueOrder)
        settings = replace(settings, queue_order=QueueOrder(changes.queue_order))
    if changes.locked is not None:
        settings = replace(settings, locked=changes.locked)
    return checked(settings, title_chars, topics)


def _no_number(what: str, value: int, choices: type[IntEnum]) -> Refused:
    words = ", ".join(f"{choice.value} ({choice.name.lower()})" for choice in choices)
    return Refused("bad_value", f"{value} says nothing about {what}; give one of {words}.")
