"""Happenings: what an application is told of its Spaces, in one vocabulary for `on_event` and for webhooks.

Each kind is one frozen dataclass below. `Scribe` makes them from what the rules decided. Nobody's joining or
leaving is told by name: who listens is known as a count only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias, get_args

__all__ = ["KINDS", "VERSION", "Happening", "What"]

VERSION: Final = 1
"""Fields and kinds are only ever added under one version; what a reader does not know it passes over."""


@dataclass(frozen=True, slots=True)
class SpaceScheduled:
    """A Space is announced."""

    title: str
    topics: tuple[str, ...]
    space_kind: str
    host: str
    host_name: str
    starts_ms: int


@dataclass(frozen=True, slots=True)
class SpaceRescheduled:
    """A scheduled Space begins at another time."""

    starts_ms: int


@dataclass(frozen=True, slots=True)
class SpaceCancelled:
    """A scheduled Space is called off. `reason`: `cancelled` by its host, or `not_started` in time."""

    reason: str


@dataclass(frozen=True, slots=True)
class SpaceOpened:
    """A Space is live."""

    title: str
    topics: tuple[str, ...]
    space_kind: str
    who_may_speak: str
    queue_order: str
    locked: bool
    host: str
    host_name: str


@dataclass(frozen=True, slots=True)
class SpaceChanged:
    """A host or a service changed its settings; all of them, as they are now."""

    title: str
    topics: tuple[str, ...]
    space_kind: str
    who_may_speak: str
    queue_order: str
    locked: bool


@dataclass(frozen=True, slots=True)
class SpaceEnded:
    """A Space is over, for this `reason`. `state`: `ended` or `timed_out`."""

    reason: str
    state: str


@dataclass(frozen=True, slots=True)
class SpaceOverseen:
    """A service has begun to oversee a Space."""

    service: str


@dataclass(frozen=True, slots=True)
class PeopleCounted:
    """How many are inside and how many of them on stage, where that has changed; told now and then."""

    people: int
    on_stage: int


@dataclass(frozen=True, slots=True)
class PersonOnStage:
    """Somebody came on stage as `host`, `co_host` or `speaker`."""

    user: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class PersonOffStage:
    """Somebody is on stage no more."""

    user: str


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """Somebody on stage is now `host`, `co_host` or `speaker`."""

    user: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class HostChanged:
    """Another hosts. `how`: `handed_over`, `absent` (a co-host stands in) or `returned`."""

    host: str
    host_name: str
    how: str


@dataclass(frozen=True, slots=True)
class AskOpened:
    """A listener asks to speak."""

    user: str
    name: str


@dataclass(frozen=True, slots=True)
class AskClosed:
    """`how`: `admitted`, `declined`, `withdrawn`, `left` or `removed`."""

    user: str
    how: str


@dataclass(frozen=True, slots=True)
class InviteOpened:
    """A listener is invited to speak."""

    user: str
    name: str
    by: str


@dataclass(frozen=True, slots=True)
class InviteClosed:
    """`how`: `accepted`, `refused`, `withdrawn`, `lapsed`, `left` or `removed`."""

    user: str
    how: str


@dataclass(frozen=True, slots=True)
class PersonRemoved:
    """Somebody was put out. `reason`: `removed`, or `may_return`."""

    user: str
    reason: str


@dataclass(frozen=True, slots=True)
class PersonBanned:
    """Somebody may not come back to this Space."""

    user: str
    name: str
    by: str


@dataclass(frozen=True, slots=True)
class PersonUnbanned:
    """Somebody may come back to this Space."""

    user: str


@dataclass(frozen=True, slots=True)
class PersonBlocked:
    """The host blocked somebody from all of their Spaces."""

    user: str
    name: str
    by: str


@dataclass(frozen=True, slots=True)
class PersonReported:
    """`by` reported somebody; the evidence is in the store. `text` is theirs."""

    user: str
    by: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class PostAdded:
    """Somebody posted to all inside. `reply_to`: the number of another post, or 0."""

    post: int
    user: str
    name: str
    text: str
    reply_to: int


@dataclass(frozen=True, slots=True)
class PostDeleted:
    """A post was taken away by its author or by who keeps order."""

    post: int
    by: str


@dataclass(frozen=True, slots=True)
class PinAdded:
    """Something was pinned for all to see."""

    pin: int
    user: str
    text: str


@dataclass(frozen=True, slots=True)
class PinRemoved:
    """It is pinned no more."""

    pin: int


@dataclass(frozen=True, slots=True)
class Moderated:
    """A line of the audit log: `actor` did `action`, to `target` if it has one."""

    actor: str
    action: str
    target: str
    detail: str


What: TypeAlias = (
    SpaceScheduled
    | SpaceRescheduled
    | SpaceCancelled
    | SpaceOpened
    | SpaceChanged
    | SpaceEnded
    | SpaceOverseen
    | PeopleCounted
    | PersonOnStage
    | PersonOffStage
    | RoleChanged
    | HostChanged
    | AskOpened
    | AskClosed
    | InviteOpened
    | InviteClosed
    | PersonRemoved
    | PersonBanned
    | PersonUnbanned
    | PersonBlocked
    | PersonReported
    | PostAdded
    | PostDeleted
    | PinAdded
    | PinRemoved
    | Moderated
)

KINDS: Mapping[str, type[What]] = {
    re.sub(r"(?<!^)([A-Z])", r"_\1", kind.__name__).lower(): kind for kind in get_args(What)
}
"""`space_opened` → SpaceOpened, and so on: the word on the outside, and the class."""

_WORDS: Mapping[type[What], str] = {kind: word for word, kind in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that has happened in one Space.

    id: 32 hex digits, the same whenever this is told again. space: 16 bytes. at_ms: since the epoch.
    `missed`: so many before it could not be kept for this receiver, of this or of other Spaces.
    """

    id: str
    space: bytes
    at_ms: int
    what: What
    missed: int = 0

    @property
    def kind(self) -> str:
        """The word for it, such as `space_opened`."""
        return _WORDS[type(self.what)]

    def as_dict(self) -> dict[str, Any]:
        """All of it in what JSON knows; the Space's id in hex."""
        told: dict[str, Any] = {
            "version": VERSION,
            "id": self.id,
            "kind": self.kind,
            "space": self.space.hex(),
            "at_ms": self.at_ms,
            "data": {name: _plain(value) for name, value in asdict(self.what).items()},
        }
        if self.missed:
            told["missed"] = self.missed
        return told

    def as_json(self) -> bytes:
        """`as_dict` in UTF-8: the body of a webhook."""
        return json.dumps(self.as_dict(), ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
