"""What a program may give for a person, a Space, a policy or a time, and what of it goes on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from signaling.client.errors import RequestRefused
from signaling.links import LinkError, parse_link
from signaling.protocol.messages import (
    Bubble,
    LiveSpace,
    NoteRow,
    Peeked,
    Person,
    PlannedSpace,
    PostRow,
    Profile,
    StageSeat,
)

__all__ = [
    "ORDERS",
    "POLICIES",
    "QueueOrder",
    "RemoveHow",
    "Where",
    "WhichPeople",
    "Who",
    "WhoMaySpeak",
    "entry",
    "milliseconds",
    "order_number",
    "people_number",
    "policy_number",
    "removal_number",
    "space_id",
    "user_id",
]

Who = str | Person | StageSeat | PostRow | NoteRow | Profile
"""A person: their user id, or a row of a queue, a stage, a list of people or of posts."""
Where = bytes | str | LiveSpace | Bubble | PlannedSpace | Peeked
"""A Space: its id (16 bytes, or hex), a link to it, or a row of a list.

Of a link only the Space and the secret are read: it is looked for on the server that one is connected to, so
that a link from a stranger sends no token anywhere.
"""
WhoMaySpeak = Literal["everyone", "followed", "invited"]
"""Who may ask to speak: everyone, whom the host follows, or nobody: hosts invite."""
QueueOrder = Literal["arrival", "fair"]
"""Whose turn it is: who asked first, or who has not spoken here yet before all others."""
RemoveHow = Literal["remove", "ban", "block"]
"""Whether they may come back: yes, not to this Space, or to no Space of the host."""
WhichPeople = Literal["following", "followers", "blocked"]
"""Whom I follow, who follows me, whom I block."""

POLICIES: Final = ("everyone", "followed", "invited")
ORDERS: Final = ("arrival", "fair")
_LINK: Final = "spaces://"
_REMOVALS: Final = ("remove", "ban", "block")
_PEOPLE: Final = ("following", "followers", "blocked")


def user_id(who: Who) -> str:
    """The user id of a person."""
    return who if isinstance(who, str) else who.user


def entry(where: Where) -> tuple[bytes, bytes]:
    """The id of a Space, and the secret of a link that lets one speak there, else empty. RequestRefused."""
    if not isinstance(where, str) or not where.strip().lower().startswith(_LINK):
        return space_id(where), b""
    try:
        link = parse_link(where)
    except LinkError as error:
        raise RequestRefused(error.code, str(error)) from error
    return link.space, link.speak


def space_id(where: Where) -> bytes:
    """The id of a Space. RequestRefused(bad_value) for what is none."""
    if not isinstance(where, str | bytes):
        return where.space
    if isinstance(where, str) and where.strip().lower().startswith(_LINK):
        return entry(where)[0]
    try:
        value = bytes.fromhex(where.strip()) if isinstance(where, str) else where
    except ValueError:
        value = b""
    if len(value) != 16:
        raise RequestRefused(
            "bad_value", f"{where[:64]!r} is no id of a Space: it has 16 bytes, or 32 hexadecimal digits"
        )
    return value


def policy_number(word: WhoMaySpeak) -> int:
    """On the wire. ValueError."""
    return _number("who_may_speak", word, POLICIES)


def order_number(word: QueueOrder) -> int:
    """On the wire. ValueError."""
    return _number("queue_order", word, ORDERS)


def removal_number(word: RemoveHow) -> int:
    """On the wire. ValueError."""
    return _number("how", word, _REMOVALS)


def people_number(word: WhichPeople) -> int:
    """On the wire. ValueError."""
    return _number("which", word, _PEOPLE)


def milliseconds(name: str, when: datetime) -> int:
    """Since the epoch. ValueError for a time that does not say its zone: elsewhere it is another one."""
    if when.tzinfo is None:
        raise ValueError(
            f"{name} is {when.isoformat()} without a time zone; give one, as when.astimezone() does for yours"
        )
    return round(when.timestamp() * 1000)


def _number(name: str, word: str, words: tuple[str, ...]) -> int:
    if word not in words:
        raise ValueError(f"{name} is {word!r}; it must be one of {', '.join(words)}")
    return words.index(word)
