"""One Space as a value: who is inside, on stage, waiting, invited, away and banned; and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signaling.rules.limits import SpaceLimits
from signaling.rules.money import Price
from signaling.rules.parts import Absence, Invitation, OnStage, Person, Pin, SpeakLink, Waiting
from signaling.rules.roles import Role, Standing, State, Target
from signaling.rules.roster import Roster
from signaling.rules.settings import QueueOrder, Settings

SPACE_ID_BYTES = 16
# When to try a full room or queue again: people come and go in seconds, not in milliseconds.
RETRY_FULL_MS = 5_000


@dataclass(frozen=True, slots=True)
class SpaceState:
    """A Space at one moment. **Immutable: a verb makes a new state, the old one stays valid.**

    `roster` is the fan-out set: who is inside over a live connection. `absent` is whose connection was lost,
    the earliest first: what they were is kept, also in `on_stage`, `asks` and `invites`, and they are not in
    the roster. The mappings are never changed in place. `resting_seats` were freed by the last change of the
    stage. `co_hosts` are in the order of becoming it. `lapsed_invites` and `lapsed_links` are the last
    ones that lapsed, no more than may be open: who comes too late is told so.

    `founder` opened the Space. `rightful_host` is who hosts unless a co-host stands in while they are away:
    the founder until they hand over. They are the host again as soon as they return. `price` is that of a
    ticket; None: it needs none.
    """

    space: bytes
    settings: Settings
    host: str
    host_name: str
    opened_us: int
    founder: str
    rightful_host: str
    limits: SpaceLimits = field(default_factory=SpaceLimits)
    state: State = State.LIVE
    roster: Roster = field(default_factory=Roster)
    on_stage: Mapping[str, OnStage] = field(default_factory=dict)
    co_hosts: tuple[str, ...] = ()
    asks: Mapping[str, Waiting] = field(default_factory=dict)
    spoke: frozenset[str] = frozenset()
    invites: Mapping[str, Invitation] = field(default_factory=dict)
    links: Mapping[bytes, SpeakLink] = field(default_factory=dict)
    lapsed_invites: tuple[str, ...] = ()
    lapsed_links: tuple[bytes, ...] = ()
    pins: tuple[Pin, ...] = ()
    next_post: int = 1
    next_note: int = 1
    next_pin: int = 1
    absent: Mapping[str, Absence] = field(default_factory=dict)
    banned: frozenset[str] = frozenset()
    overseers: frozenset[str] = frozenset()
    resting_seats: frozenset[int] = frozenset()
    ended_us: int | None = None
    ended_reason: str = ""
    price: Price | None = None

    @property
    def title(self) -> str:
        """The title as it is now."""
        return self.settings.title

    @property
    def is_live(self) -> bool:
        """Whether people can be inside."""
        return self.state is State.LIVE

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose blocks hold at the doors: the host, and the rightful one where another stands in."""
        return (self.host,) if self.host == self.rightful_host else (self.host, self.rightful_host)

    # Lists

    def stage(self) -> list[OnStage]:
        """Everyone on stage: host, co-hosts, then in the order of coming up. The absent are muted."""
        shown = [self._shown(place) for place in self.on_stage.values()]
        shown.sort(key=lambda place: self._rank(place.user))
        return shown

    def queue(self) -> list[Waiting]:
        """Who asks to speak, in the order of places: the earliest first, or first-timers before all."""
        asks = list(self.asks.values())
        if self.settings.queue_order is QueueOrder.FAIR:
            asks.sort(key=lambda waiting: waiting.user in self.spoke)
        return asks

    def place_in_queue(self, user: str) -> int:
        """The place of `user` in the queue, from 1; 0 for who does not ask."""
        places = (place for place, waiting in enumerate(self.queue(), 1) if waiting.user == user)
        return next(places, 0)

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
        return len(self.roster) - sum(1 for user in self.on_stage if user not in self.absent)

    @property
    def places_kept(self) -> int:
        """How many who are not inside have a place kept: the absent, and a rightful host who is gone."""
        return len(self.absent) + (0 if self.is_known(self.rightful_host) else 1)

    @property
    def stage_taken(self) -> int:
        """How many places on stage are taken; one stays free for a rightful host who is gone."""
        return len(self.on_stage) + (0 if self.rightful_host in self.on_stage else 1)

    # Times

    @property
    def deadline_us(self) -> int | None:
        """When `on_time` will have something to do, or None. It may be past: then at once."""
        if not self.is_live:
            return None
        due_us = [invitation.expires_us for invitation in self.invites.values()]
        host = self.absent.get(self.host)
        if host is not None:
            wait_us = 0 if self.stand_in() else self.limits.host_timeout_us
            due_us.append(host.since_us + self.limits.host_grace_us + wait_us)
        earliest = next((away for user, away in self.absent.items() if user != self.host), None)
        if earliest is not None:
            due_us.append(earliest.since_us + self.limits.resume_us)
        return min(due_us, default=None)

    def stand_in(self) -> str | None:
        """The co-host who would stand in for the host: of those who are here, who has been it longest."""
        return next((user for user in self.co_hosts if user in self.roster), None)

    # One person

    def inside(self, user: str) -> bool:
        """Whether `user` is inside: whether they are sent audio and events."""
        return user in self.roster

    def is_known(self, user: str) -> bool:
        """Whether `user` is inside, or away with their place kept."""
        return user in self.roster or user in self.absent

    def name_of(self, user: str) -> str:
        """The name of who is inside, absent or on stage; KeyError for others."""
        away = self.absent.get(user) or self.on_stage.get(user)
        return self.roster.name_of(user) if away is None else away.name

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
        """How `user` stands to this Space as one who acts, for the permission table."""
        if user in self.banned:
            return Standing.BANNED
        if user in self.overseers:
            return Standing.SERVICE
        role = self.role_of(user)
        return Standing.OUTSIDE if role is None else Standing[role.name]

    def aimed_at(self, user: str) -> Target:
        """What `user` is as one at whom an act is aimed: the absent are what they were.

        A stand-in has no power over the rightful host.
        """
        if user in self.banned:
            return Target.BANNED
        if not self.is_known(user):
            return Target.OUTSIDE
        if user in self.owners:
            return Target.HOST
        place = self.on_stage.get(user)
        return Target.LISTENER if place is None else Target[place.role.name]

    def _shown(self, place: OnStage) -> OnStage:
        return place._replace(muted=True, absent=True) if place.user in self.absent else place

    def _rank(self, user: str) -> int:
        if user == self.host:
            return -1
        return self.co_hosts.index(user) if user in self.co_hosts else len(self.co_hosts)
