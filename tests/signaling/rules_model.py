"""A Space as simply as it can be written: the model that random histories of the rules are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

from signaling.rules import Role, SpaceLimits, SpaceState, SpeakPolicy, State

SECOND_US = 1_000_000


@dataclass
class Voice:
    role: Role
    muted: bool = False
    held: bool = False
    volume_pct: int = 100


@dataclass
class Model:
    """Who is where and may what, in plain sets and lists; each `can_…` says whether an act is accepted."""

    host: str
    limits: SpaceLimits
    now_us: int = 0
    rightful: str = ""
    inside: set[str] = field(default_factory=set)
    away: dict[str, int] = field(default_factory=dict)
    stage: dict[str, Voice] = field(default_factory=dict)
    co_hosts: list[str] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)
    spoke: set[str] = field(default_factory=set)
    invites: dict[str, int] = field(default_factory=dict)
    links: dict[bytes, list[object]] = field(default_factory=dict)  # by, expires_us, used_by
    banned: set[str] = field(default_factory=set)
    services: set[str] = field(default_factory=set)
    blocks: set[tuple[str, str]] = field(default_factory=set)
    follows: set[tuple[str, str]] = field(default_factory=set)
    pins: list[int] = field(default_factory=list)
    next_pin: int = 1
    next_post: int = 1
    next_note: int = 1
    policy: int = SpeakPolicy.EVERYONE
    fair: bool = False
    locked: bool = False
    over: str = ""

    def __post_init__(self) -> None:
        self.rightful = self.host
        self.inside.add(self.host)
        self.stage[self.host] = Voice(Role.HOST)
        self.spoke.add(self.host)

    # Who is what

    def known(self, user: str) -> bool:
        return user in self.inside or user in self.away

    def listens(self, user: str) -> bool:
        return self.known(user) and user not in self.stage

    def speaks(self, user: str, *roles: Role) -> bool:
        return user in self.stage and (not roles or self.stage[user].role in roles)

    def is_host(self, user: str) -> bool:
        return user in self.inside and user == self.host

    def leads(self, actor: str) -> bool:
        """Host, co-host or service."""
        here = actor in self.inside and self.speaks(actor, Role.HOST, Role.CO_HOST)
        return not self.over and (here or actor in self.services)

    def rank(self, user: str) -> int:
        if user in (self.host, self.rightful):
            return 3
        if user in self.co_hosts:
            return 2
        return 1 if user in self.stage else 0

    def above(self, actor: str, target: str) -> bool:
        """Whether `actor` has power over `target`, who is inside or away."""
        if not self.leads(actor) or not self.known(target) or actor == target:
            return False
        return self.rank(target) < (3 if actor in self.services else self.rank(actor))

    def stage_is_free(self) -> bool:
        kept = 0 if self.rightful in self.stage else 1
        return len(self.stage) + kept < self.limits.stage

    def is_invited(self, user: str) -> bool:
        return user in self.invites and self.now_us < self.invites[user]

    def is_kept(self, user: str) -> bool:
        return user in self.away and (
            user == self.host or self.now_us < self.away[user] + self.limits.resume_us
        )

    def is_blocked(self, user: str) -> bool:
        return any((owner, user) in self.blocks for owner in {self.host, self.rightful} - {user})

    def at_the_door(self, user: str) -> bool:
        return not (self.over or user in self.banned or user in self.services or self.is_blocked(user))

    # Coming and going

    def can_join(self, user: str) -> bool:
        if not self.at_the_door(user) or user in self.inside:
            return False
        if self.is_kept(user) or user == self.rightful:
            return True
        others = [who for who in self.away if who != user]
        kept = len(others) + (0 if self.known(self.rightful) else 1)
        return not self.locked and len(self.inside) + kept < self.limits.people

    def come(self, user: str) -> None:
        if user in self.away:
            if self.is_kept(user):
                del self.away[user]
            else:
                self.go(user)
        self.inside.add(user)
        if user == self.rightful != self.host:
            self.regain()

    def go(self, user: str) -> None:
        self.inside.discard(user)
        self.away.pop(user, None)
        self.off_stage(user)
        self.invites.pop(user, None)
        if user in self.queue:
            self.queue.remove(user)

    def off_stage(self, user: str) -> None:
        self.stage.pop(user, None)
        if user in self.co_hosts:
            self.co_hosts.remove(user)

    def lose(self, user: str) -> None:
        if user not in self.inside:
            return
        if len(self.away) >= self.limits.absent:
            others = [who for who in self.away if who != self.host]
            plain = [
                who for who in others if not (self.rank(who) or who in self.queue or who in self.invites)
            ]
            forgotten = (plain or others or [user])[0]
            self.go(forgotten)
        if user in self.inside:
            self.inside.remove(user)
            self.away[user] = self.now_us

    def leave(self, user: str) -> None:
        if user == self.host:
            following = next((who for who in self.co_hosts if who in self.inside), None)
            if following is None and self.rightful in self.away:
                following = self.rightful
            if user == self.rightful or following is None:
                self.end()
                return
            self.hosts(following, Role.SPEAKER)
        self.go(user)

    def end(self) -> None:
        self.over = "over"
        for part in (
            self.inside,
            self.away,
            self.stage,
            self.co_hosts,
            self.queue,
            self.invites,
            self.links,
            self.pins,
        ):
            part.clear()  # type: ignore[attr-defined]

    # Who hosts

    def give_role(self, user: str, role: Role) -> None:
        if user in self.co_hosts:
            self.co_hosts.remove(user)
        if role is Role.CO_HOST:
            self.co_hosts.append(user)
        self.stage[user].role = role

    def hosts(self, user: str, former: Role) -> None:
        self.give_role(self.host, former)
        self.give_role(user, Role.HOST)
        self.stage[user].held, self.stage[user].volume_pct = False, 100
        self.host = user

    def regain(self) -> None:
        if self.rightful not in self.stage:
            self.put_on_stage(self.rightful)
        self.hosts(self.rightful, self.former_role(self.rightful))

    def former_role(self, coming: str) -> Role:
        others = [who for who in self.co_hosts if who != coming]
        return Role.CO_HOST if len(others) < self.limits.co_hosts else Role.SPEAKER

    def put_on_stage(self, user: str, muted: bool = False) -> None:
        self.stage[user] = Voice(Role.SPEAKER, muted)
        self.spoke.add(user)

    # Time

    def pass_time(self, step_us: int) -> None:
        self.now_us += step_us
        if self.over:
            return
        grace_over_us = self.away.get(self.host, self.now_us) + self.limits.host_grace_us
        if self.host in self.away and self.now_us >= grace_over_us:
            here = [who for who in self.co_hosts if who in self.inside]
            if here:
                self.hosts(here[0], Role.CO_HOST)
            elif self.now_us >= grace_over_us + self.limits.host_timeout_us:
                self.end()
                return
        for user in [who for who in self.away if not self.is_kept(who)]:
            self.go(user)
        self.invites = {user: at_us for user, at_us in self.invites.items() if self.now_us < at_us}

    # The comparison

    def is_what(self, state: SpaceState) -> None:
        assert (state.state is State.LIVE) == (not self.over)
        assert {person.user for person in state.people()} == self.inside
        assert {user: away.since_us for user, away in state.absent.items()} == self.away
        voices = {
            user: Voice(place.role, place.muted, place.held, place.volume_pct)
            for user, place in state.on_stage.items()
        }
        assert voices == self.stage
        assert list(state.co_hosts) == self.co_hosts
        assert (state.host, state.rightful_host) == (self.host, self.rightful)
        ordered = sorted(self.queue, key=lambda user: self.fair and user in self.spoke)
        assert [waiting.user for waiting in state.queue()] == ordered
        assert [state.place_in_queue(user) for user in ordered] == list(range(1, len(ordered) + 1))
        assert {user: invite.expires_us for user, invite in state.invites.items()} == self.invites
        assert (state.banned, state.spoke, state.overseers) == (self.banned, self.spoke, self.services)
        assert state.settings.locked == self.locked
        assert [pin.pin for pin in state.pins] == self.pins
        assert (state.next_pin, state.next_post, state.next_note) == (
            self.next_pin,
            self.next_post,
            self.next_note,
        )
