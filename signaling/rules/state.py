"""One Space as a value: who is inside, on stage, waiting and banned; and the limits it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signaling.rules.effects import OnStage, Person, Waiting
from signaling.rules.roles import Role, Standing, State
from signaling.rules.roster import Roster

SPACE_ID_BYTES = 16
SEATS_MAX = 200


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """The bounds of one Space. ValueError for values that make no Space.

    `people` counts everyone inside, on stage or not. `host_grace_us` is how long a Space waits for a
    host whose connection was lost.
    """

    stage: int = 13
    queue: int = 100
    people: int = 10_000
    title_chars: int = 100
    host_grace_us: int = 30_000_000

    @property
    def seats(self) -> int:
        """How many seat numbers there are, from 0: two more than places, for on a full stage one may rest
        from the last change while another is freed and its holder seated anew."""
        return self.stage + 2

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("stage", self.stage, 1, SEATS_MAX),
            ("queue", self.queue, 0, 1_000),
            ("people", self.people, self.stage, 1_000_000),
            ("title_chars", self.title_chars, 1, 1_000),
            ("host_grace_us", self.host_grace_us, 0, 3_600_000_000),
        ):
            if not low <= value <= high:
                raise ValueError(f"the limit {name} is {value}; set it to {low} to {high}")


@dataclass(frozen=True, slots=True)
class SpaceState:
    """A Space at one moment. **Immutable: a verb makes a new state, the old one stays valid.**

    `roster` is the fan-out set: who is inside over a live connection. The mappings are never changed
    in place. `resting_seats` were freed by the last change of the stage. `absent_since_us` is set while
    the host's connection is gone: their place on stage is kept, they are not in the roster.
    """

    space: bytes
    title: str
    host: str
    host_name: str
    opened_us: int
    limits: SpaceLimits = field(default_factory=SpaceLimits)
    state: State = State.LIVE
    roster: Roster = field(default_factory=Roster)
    on_stage: Mapping[str, OnStage] = field(default_factory=dict)
    asks: Mapping[str, Waiting] = field(default_factory=dict)
    banned: frozenset[str] = frozenset()
    resting_seats: frozenset[int] = frozenset()
    absent_since_us: int | None = None
    ended_us: int | None = None
    ended_reason: str = ""

    def stage(self) -> list[OnStage]:
        """Everyone on stage, the host first, then in the order of coming up. An absent host is muted."""
        shown = [self._shown(place) for place in self.on_stage.values()]
        shown.sort(key=lambda place: place.role is not Role.HOST)
        return shown

    def queue(self) -> list[Waiting]:
        """Who asks to speak, the earliest first."""
        return list(self.asks.values())

    def people(self, after: str = "", limit: int = 1_000_000) -> list[Person]:
        """People inside in the order of their ids, at most `limit`, those behind `after`."""
        return [Person(user, name) for user, name in self.roster.page(after, limit)]

    @property
    def people_count(self) -> int:
        """How many are inside, on stage or not."""
        return len(self.roster)

    @property
    def audience_count(self) -> int:
        """How many listen: inside and not on stage."""
        absent = 0 if self.absent_since_us is None else 1
        return len(self.roster) - (len(self.on_stage) - absent)

    @property
    def deadline_us(self) -> int | None:
        """When `on_time` will have something to do, or None."""
        if self.absent_since_us is None:
            return None
        return self.absent_since_us + self.limits.host_grace_us

    def inside(self, user: str) -> bool:
        """Whether `user` is inside: whether they are sent audio and events."""
        return user in self.roster

    def role_of(self, user: str) -> Role | None:
        """The role of a person inside, None for anybody else."""
        if user not in self.roster:
            return None
        place = self.on_stage.get(user)
        return Role.LISTENER if place is None else place.role

    def seat_of(self, user: str) -> int | None:
        """The seat of a person on stage, None for anybody else."""
        place = self.on_stage.get(user)
        return None if place is None else place.seat

    def muted(self, user: str) -> bool:
        """Whether a person on stage is muted; False for anybody else."""
        place = self.on_stage.get(user)
        return place is not None and place.muted

    def standing(self, user: str) -> Standing:
        """How `user` stands to this Space, for the permission table."""
        if user in self.banned:
            return Standing.BANNED
        role = self.role_of(user)
        return Standing.OUTSIDE if role is None else Standing[role.name]

    def _shown(self, place: OnStage) -> OnStage:
        if place.user == self.host and self.absent_since_us is not None:
            return place._replace(muted=True)
        return place
