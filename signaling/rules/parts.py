"""What a Space is made of: people on stage and waiting, invitations, links, posts, notes, pins, reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from signaling.rules.roles import Role


class OnStage(NamedTuple):
    """One person on stage, in the order of the wire. `seat` is what audio datagrams name them by.

    `held`: muted by a host until a host lets go. `absent`: their connection is lost and the place is kept;
    only `SpaceState.stage()` fills it in.
    """

    seat: int
    user: str
    name: str
    role: Role
    muted: bool
    held: bool = False
    volume_pct: int = 100
    absent: bool = False


class Waiting(NamedTuple):
    """One person who asks to speak. Their place in the queue is where they stand in `SpaceState.queue()`."""

    user: str
    name: str


class Person(NamedTuple):
    """One person inside."""

    user: str
    name: str


class Absence(NamedTuple):
    """Whose connection was lost, and when: what they were is kept for them for a while."""

    name: str
    since_us: int


class Invitation(NamedTuple):
    """`by` invites `user`, a listener, to speak; it lapses at `expires_us`."""

    user: str
    name: str
    by: str
    expires_us: int


class SpeakLink(NamedTuple):
    """A link that invites whoever opens it first. The Space knows the SHA-256 digest of its secret only.

    `used_by` is empty until then.
    """

    by: str
    expires_us: int
    used_by: str = ""


class Pin(NamedTuple):
    """Something that a host pinned for all to see. `pin` counts up in a Space."""

    pin: int
    user: str
    text: str
    at_us: int


class Post(NamedTuple):
    """A public post. `post` counts up in a Space; `reply_to` is the number of another, or 0."""

    post: int
    user: str
    name: str
    text: str
    at_us: int
    reply_to: int = 0


class Note(NamedTuple):
    """A private note to the hosts. `note` counts up in a Space."""

    note: int
    user: str
    name: str
    text: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Report:
    """What `reporter` says about `target`, with the evidence: where, when, and who was on stage and inside.

    `people_count` counts everybody who was inside; `roster` may hold fewer of them.
    """

    space: bytes
    reporter: str
    target: str
    reason: str
    text: str
    at_us: int
    stage: tuple[OnStage, ...]
    roster: tuple[Person, ...]
    people_count: int
