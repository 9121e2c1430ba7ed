"""Random histories of twenty people: the rules against a simple model, invariants after each step.

A failure prints the steps that lead to it; they can be run again as they stand.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from signaling import rules
from signaling.rules import Outcome, Role, Settings, SpeakPolicy
from tests.signaling.rules_histories import LIMITS, PEOPLE, Pick, leaders, numbers, people, voices
from tests.signaling.rules_histories_order import OrderAndTalk
from tests.signaling.rules_model import SECOND_US, Model
from tests.signaling.rules_server import Server

SPACE = bytes(16)
END_US = 60 * SECOND_US  # until then nobody ends it, or most histories would be short


class Histories(OrderAndTalk):
    @initialize(present=st.booleans(), crowd=st.integers(0, 7))
    def open_it(self, present: bool, crowd: int) -> None:
        self.server, self.model = Server(), Model("ann", LIMITS)
        self.old, self.digests = [], []
        outcome = rules.open_space(SPACE, Settings("T"), "ann", "Ann", 0, limits=LIMITS, present=present)
        assert isinstance(outcome, Outcome)
        if not present:
            self.model.lose("ann")
        self.keep(outcome)
        if present and crowd:
            for user in PEOPLE[1 : 1 + crowd]:
                self.join(user)
            self.come_up_and_be_promoted("bob")
            self.come_up("cat")

    # Doors

    @rule(one=people)
    def join(self, one: Pick) -> None:
        user = self.who(one)
        name, now_us = user.title(), self.model.now_us
        possible = self.model.can_join(user)
        if self.attempt(lambda state: rules.join(state, user, name, now_us, self.graph), possible):
            self.model.come(user)

    @rule(one=people, number=numbers)
    def join_by_link(self, one: Pick, number: int) -> None:
        user = self.who(one)
        name, now_us, digest = user.title(), self.model.now_us, self.digest(number)
        possible = self.model.can_join(user)
        good = possible and self.link_is_good(user, digest)
        if self.attempt(
            lambda state: rules.join(state, user, name, now_us, self.graph, invite_digest=digest), good
        ):
            self.model.come(user)
            self.use_link(user, digest)

    @rule(one=people, number=numbers)
    def redeem(self, one: Pick, number: int) -> None:
        user = self.who(one)
        digest, now_us = self.digest(number), self.model.now_us
        possible = user in self.model.inside and self.model.listens(user) and self.link_is_good(user, digest)
        if self.attempt(lambda state: rules.redeem(state, user, digest, now_us), possible):
            self.use_link(user, digest)

    @rule(one=people)
    def resume(self, one: Pick) -> None:
        user = self.who(one)
        model, now_us = self.model, self.model.now_us
        possible = model.at_the_door(user) and (user in model.inside or model.is_kept(user))
        if self.attempt(lambda state: rules.resume(state, user, now_us, self.graph), possible):
            model.come(user)

    @rule(one=people)
    def return_(self, one: Pick) -> None:
        user = self.who(one)
        model, now_us = self.model, self.model.now_us
        possible = not model.over and (user in model.inside or model.is_kept(user))
        if self.attempt(lambda state: rules.returned(state, user, now_us), possible):
            model.come(user)

    @rule(one=people)
    def leave(self, one: Pick) -> None:
        user = self.who(one)
        if user == self.model.rightful and self.model.now_us <= END_US:
            return
        possible = user in self.model.inside
        if self.attempt(lambda state: rules.leave(state, user, self.model.now_us), possible):
            self.model.leave(user)

    @rule(one=people)
    def lose(self, one: Pick) -> None:
        user = self.who(one)
        if user != self.model.host:
            self.lose_even_the_host(user)

    def lose_even_the_host(self, user: str) -> None:
        assert self.attempt(lambda state: rules.lost(state, user, self.model.now_us), True)
        self.model.lose(user)

    @rule(one=people)
    def come_invited(self, one: Pick) -> None:
        user = self.who(one)
        self.join(user)
        self.invite(self.model.host, user)

    @rule(away_s=st.integers(0, 12))
    def the_host_is_away_for_a_while(self, away_s: int) -> None:
        self.lose_even_the_host(self.model.host)
        self.pass_time(away_s)

    @precondition(lambda self: self.model.now_us > END_US)
    @rule(by=leaders)
    def end(self, by: Pick) -> None:
        actor = self.who(by)
        possible = not self.model.over and (self.model.is_host(actor) or actor in self.model.services)
        if self.command(actor, lambda state: rules.end(state, actor, self.model.now_us), possible):
            self.model.end()

    @rule(step_s=st.integers(0, 8))
    def pass_time(self, step_s: int) -> None:
        self.model.pass_time(step_s * SECOND_US)
        due_us, now_us = self.state.deadline_us, self.model.now_us
        outcome = rules.on_time(self.state, now_us)
        assert bool(outcome.effects) == (due_us is not None and now_us >= due_us)
        self.keep(outcome)
        assert self.state.deadline_us is None or self.state.deadline_us > now_us

    # The way up and down

    @rule(one=people)
    def ask(self, one: Pick) -> None:
        user = self.who(one)
        model = self.model
        asked_by_right = model.policy == SpeakPolicy.EVERYONE or (
            model.policy == SpeakPolicy.FOLLOWED and (model.rightful, user) in model.follows
        )
        possible = (
            user in model.inside
            and model.listens(user)
            and user not in model.queue
            and not model.is_invited(user)
            and asked_by_right
            and len(model.queue) < LIMITS.queue
        )
        if self.attempt(lambda state: rules.ask(state, user, model.now_us, self.graph), possible):
            model.queue.append(user)

    @rule(one=people)
    def come_and_ask(self, one: Pick) -> None:
        user = self.who(one)
        self.join(user)
        self.ask(user)

    @rule(one=people)
    def come_up(self, one: Pick) -> None:
        user = self.who(one)
        self.come_and_ask(user)
        self.admit(self.model.host, user)

    @rule(by=leaders, other=people)
    def admit(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        possible = (
            model.leads(actor) and whom in model.queue and whom in model.inside and model.stage_is_free()
        )
        if self.command(actor, lambda state: rules.admit(state, actor, whom, model.now_us), possible):
            model.queue.remove(whom)
            model.put_on_stage(whom)

    @rule(by=leaders, other=people)
    def decline(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        own = actor == whom and actor in model.inside
        possible = whom in model.queue and (model.leads(actor) or own)
        if self.command(actor, lambda state: rules.decline(state, actor, whom, model.now_us), possible, own):
            model.queue.remove(whom)

    @rule(by=leaders, other=people)
    def invite(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        room = whom in model.invites or len(model.invites) < LIMITS.invites
        possible = model.leads(actor) and model.listens(whom) and whom not in model.queue and room
        expires_us = model.invites[whom] if model.is_invited(whom) else model.now_us + LIMITS.invite_us
        if self.command(actor, lambda state: rules.invite(state, actor, whom, model.now_us), possible):
            model.invites[whom] = expires_us

    @rule(by=leaders, other=people)
    def uninvite(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        possible = model.leads(actor) and whom in model.invites
        if self.command(actor, lambda state: rules.uninvite(state, actor, whom, model.now_us), possible):
            del model.invites[whom]

    @rule(one=people, accepts=st.booleans())
    def answer_invitation(self, one: Pick, accepts: bool) -> None:
        user = self.who(one)
        model, verb = self.model, rules.accept if accepts else rules.refuse
        possible = user in model.inside and model.is_invited(user)
        room = model.stage_is_free() or not accepts
        if self.attempt(lambda state: verb(state, user, model.now_us), possible and room):
            del model.invites[user]
            if accepts:
                model.put_on_stage(user, muted=True)

    @rule(by=leaders, other=voices)
    def promote(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        possible = (
            model.is_host(actor)
            and whom in model.inside
            and model.speaks(whom, Role.SPEAKER)
            and len(model.co_hosts) < LIMITS.co_hosts
        )
        if self.command(actor, lambda state: rules.promote(state, actor, whom, model.now_us), possible):
            model.give_role(whom, Role.CO_HOST)

    @rule(one=people)
    def come_up_and_be_promoted(self, one: Pick) -> None:
        user = self.who(one)
        self.come_up(user)
        self.promote(self.model.host, user)

    @rule(by=leaders, other=voices)
    def demote(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        by_host = model.is_host(actor) and model.above(actor, whom)
        own = actor == whom and whom in model.inside
        possible = model.speaks(whom, Role.CO_HOST) and (by_host or own)
        if self.command(actor, lambda state: rules.demote(state, actor, whom, model.now_us), possible):
            model.give_role(whom, Role.SPEAKER)

    @rule(by=leaders, other=voices)
    def hand_over(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        possible = (
            model.is_host(actor) and whom in model.stage and whom in model.inside and model.above(actor, whom)
        )
        if self.command(actor, lambda state: rules.hand_over(state, actor, whom, model.now_us), possible):
            if actor == model.rightful:
                model.rightful = whom
            model.hosts(whom, model.former_role(whom))

    @rule(by=leaders, other=voices)
    def move(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        own = actor == whom and whom in model.inside and whom != model.host
        possible = whom in model.stage and (own or model.above(actor, whom))
        if self.command(actor, lambda state: rules.move(state, actor, whom, model.now_us), possible, own):
            model.off_stage(whom)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=120, stateful_step_count=60, deadline=None, derandomize=True)
