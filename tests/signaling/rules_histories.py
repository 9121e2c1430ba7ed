"""What random histories of the rules share: who is drawn, how an act is asked for, and what always holds."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from signaling import rules
from signaling.rules import (
    Action,
    Allowed,
    KnownGraph,
    Outcome,
    Refused,
    Role,
    SpaceLimits,
    SpaceState,
    may,
)
from tests.signaling.rules_model import SECOND_US, Model
from tests.signaling.rules_server import Server
from tests.signaling.rules_stories import code, photograph

PEOPLE = (
    *("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ida", "jon"),
    *("kim", "lea", "max", "nia", "oli", "pia", "quy", "ray", "sue", "tom"),
)
SERVICES = ("backend", "spare")
LIMITS = SpaceLimits(
    stage=5,
    queue=3,
    people=12,
    absent=5,
    invites=2,
    links=2,
    pins=2,
    host_grace_us=10 * SECOND_US,
    host_timeout_us=10 * SECOND_US,
    resume_us=25 * SECOND_US,
    invite_us=15 * SECOND_US,
    speak_link_us=20 * SECOND_US,
    speak_link_most_us=30 * SECOND_US,
)
Pick = tuple[str, int] | str  # a pool and which of it, or the very one


# Drawn evenly, nearly all acts would be refused: who does it and to whom is mostly one of those who could.
ANYBODY = ("anybody", "inside", "on stage", "away", "asking", "invited", "co-host")
VOICES = ("on stage", "on stage", "co-host", *ANYBODY)
LEADERS = ("host", "host", "host", "co-host", "backend", "inside")
people, voices, leaders = (
    st.tuples(st.sampled_from(pools), st.integers(0, 19)) for pools in (ANYBODY, VOICES, LEADERS)
)
numbers = st.integers(0, 3)


class History(RuleBasedStateMachine):
    """A Space, the server that carries its effects out, and the model that says what is possible."""

    server: Server
    model: Model
    state: SpaceState
    old: list[tuple[SpaceState, tuple[object, ...]]]
    digests: list[bytes]

    @property
    def graph(self) -> KnownGraph:
        return KnownGraph({}, frozenset(self.model.follows), frozenset(self.model.blocks))

    def keep(self, outcome: Outcome) -> None:
        self.server.carry_out(outcome)
        self.state = outcome.state

    def attempt(self, answer: Callable[[SpaceState], Outcome | Refused], possible: bool) -> bool:
        """Ask for an act; `possible` says the model. The state it was asked of stays as it was."""
        before = self.state
        picture = photograph(before)
        answered = answer(before)
        assert photograph(before) == picture, "a state is a value"
        if isinstance(answered, Refused):
            assert not possible, answered
            code(answered)
            return False
        assert possible, "the model refuses this"
        self.old = [*self.old[-3:], (before, picture)]
        self.keep(answered)
        return True

    def command(
        self, actor: str, answer: Callable[[SpaceState], Outcome | Refused], possible: bool, own: bool = False
    ) -> bool:
        """An act on others stands in the audit log under the name of who did it; one on oneself does not."""
        lines, before = len(self.server.audit), self.state
        done = self.attempt(answer, possible)
        if done and self.state is not before:
            assert [line.actor for line in self.server.audit[lines:]] == ([] if own else [actor])
        return done

    def who(self, pick: Pick) -> str:
        """One of the pool; where it is empty one of those inside."""
        if isinstance(pick, str):
            return pick
        model = self.model
        pools = {
            "inside": sorted(model.inside),
            "on stage": sorted(model.stage),
            "away": sorted(model.away),
            "asking": model.queue,
            "invited": sorted(model.invites),
            "host": [model.host, model.host, model.rightful],
            "co-host": model.co_hosts,
            "backend": list(SERVICES),
        }
        pool = PEOPLE if pick[0] == "anybody" else pools[pick[0]] or pools["inside"] or PEOPLE
        return pool[pick[1] % len(pool)]

    def digest(self, number: int) -> bytes:
        return self.digests[-1 - number] if number < len(self.digests) else bytes(32)

    # What always holds

    def link_is_good(self, user: str, digest: bytes) -> bool:
        link = self.model.links.get(digest)
        if link is None:
            return False
        _, expires_us, used_by = link
        if used_by == user:
            return True
        if used_by or self.model.now_us >= int(str(expires_us)):
            return False
        stays = user in self.model.inside or self.model.is_kept(user)
        on_stage = (user in self.model.stage and stays) or user == self.model.rightful
        freed = 0 if stays or user not in self.model.invites else 1
        return on_stage or len(self.model.invites) - freed < LIMITS.invites

    def use_link(self, user: str, digest: bytes) -> None:
        link = self.model.links[digest]
        if link[2] or user in self.model.stage:
            return
        link[2] = user
        if user in self.model.queue:
            self.model.queue.remove(user)
        self.model.invites[user] = self.model.now_us + LIMITS.invite_us

    @invariant()
    def effects_and_model_tell_the_same(self) -> None:
        self.model.is_what(self.state)
        self.server.sees(self.state)
        assert bool(self.server.ended) == bool(self.model.over)

    @invariant()
    def only_those_speak_who_may(self) -> None:
        heard = {user for user, _, _ in self.server.mix.values()}
        for user in PEOPLE:
            assert isinstance(may(user, Action.SPEAK, self.state), Allowed) == (user in heard)
            assert isinstance(may(user, Action.HEAR, self.state), Allowed) == (user in self.server.fan_out)
        assert not heard & self.model.banned

    @invariant()
    def bounds_hold(self) -> None:
        state = self.state
        assert len(state.on_stage) <= state.stage_taken <= LIMITS.stage or not state.is_live
        assert len(state.roster) <= LIMITS.people
        assert len(state.asks) <= LIMITS.queue
        assert len(state.invites) <= LIMITS.invites
        assert len(state.links) <= LIMITS.links
        assert len(state.pins) <= LIMITS.pins
        assert len(state.absent) <= LIMITS.absent
        assert len(state.co_hosts) <= LIMITS.co_hosts
        assert all(0 <= place.seat < LIMITS.seats for place in state.on_stage.values())
        assert len({place.seat for place in state.on_stage.values()}) == len(state.on_stage)

    @invariant()
    def a_live_space_has_one_host(self) -> None:
        hosts = [place.user for place in self.state.stage() if place.role is Role.HOST]
        assert hosts == ([self.state.host] if self.state.is_live else [])
        if self.state.is_live and self.state.inside(self.state.rightful_host):
            assert self.state.host == self.state.rightful_host

    @invariant()
    def nobody_banned_is_inside_or_let_in_at_any_door(self) -> None:
        for user in self.model.banned:
            assert not self.state.is_known(user)
            if self.state.is_live:
                for digest in (b"", *self.state.links):
                    answer = rules.join(self.state, user, "X", self.model.now_us, invite_digest=digest)
                    assert code(answer) == "removed"
                assert code(rules.resume(self.state, user, self.model.now_us)) == "removed"
                assert code(rules.returned(self.state, user, self.model.now_us)) == "not_in_space"
            assert user not in {link.used_by for link in self.state.links.values()}

    @invariant()
    def old_states_stay_what_they_were(self) -> None:
        for state, picture in self.old:
            assert photograph(state) == picture

    @invariant()
    def an_ended_space_is_empty(self) -> None:
        if self.server.ended:
            state = self.state
            assert not (state.roster or state.on_stage or state.asks or state.invites or state.absent)
            assert state.deadline_us is None
            assert state.ended_us is not None
