"""Random histories of twenty people: the rules against a simple model, invariants after each step.

A failure prints the steps that lead to it; they can be run again as they stand.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from signaling import rules
from signaling.rules import Changes, Outcome, Role, Settings, SpeakPolicy
from tests.signaling.rules_histories import LIMITS, PEOPLE, SERVICES, History, Pick
from tests.signaling.rules_model import SECOND_US, Model
from tests.signaling.rules_server import Server

SPACE = bytes(16)
END_US = 60 * SECOND_US  # until then nobody ends it, or most histories would be short
# Drawn evenly, nearly all acts would be refused: who does it and to whom is mostly one of those who could.
ANYBODY = ("anybody", "inside", "on stage", "away", "asking", "invited", "co-host")
VOICES = ("on stage", "on stage", "co-host", *ANYBODY)
LEADERS = ("host", "host", "host", "co-host", "backend", "inside")
people, voices, leaders = (
    st.tuples(st.sampled_from(pools), st.integers(0, 19)) for pools in (ANYBODY, VOICES, LEADERS)
)
numbers = st.integers(0, 3)


class Histories(History):
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

    # Order

    @rule(by=leaders, other=voices, hold=st.booleans())
    def mute(self, by: Pick, other: Pick, hold: bool) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        own = actor == whom and whom in model.inside
        others = model.above(actor, whom) or (actor in model.services and model.known(whom) and actor != whom)
        possible = not model.over and whom in model.stage and ((own and not hold) or others)
        if self.command(
            actor, lambda state: rules.mute(state, actor, whom, model.now_us, hold), possible, own
        ):
            model.stage[whom].muted = True
            model.stage[whom].held |= hold

    @rule(by=leaders, other=voices)
    def unmute(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        own = actor == whom and whom in model.stage and whom in model.inside
        others = model.above(actor, whom) or (actor in model.services and model.known(whom) and actor != whom)
        possible = (own and not model.stage[whom].held) or (others and whom in model.stage)
        if self.command(actor, lambda state: rules.unmute(state, actor, whom, model.now_us), possible, own):
            if own:
                model.stage[whom].muted = False
            model.stage[whom].held = False

    @rule(by=leaders, hold=st.booleans())
    def mute_all(self, by: Pick, hold: bool) -> None:
        actor, model = self.who(by), self.model
        if self.command(
            actor, lambda state: rules.mute_all(state, actor, model.now_us, hold), model.leads(actor)
        ):
            for voice in model.stage.values():
                if voice.role is Role.SPEAKER:
                    voice.muted, voice.held = True, voice.held or hold

    @rule(by=leaders, other=voices, volume_pct=st.integers(-1, 101))
    def set_volume(self, by: Pick, other: Pick, volume_pct: int) -> None:
        whom = self.who(other)
        actor, model, now_us = self.who(by), self.model, self.model.now_us
        possible = (
            actor not in SERVICES
            and whom in model.stage
            and model.above(actor, whom)
            and 0 <= volume_pct <= 100
        )
        if self.command(
            actor, lambda state: rules.set_volume(state, actor, whom, volume_pct, now_us), possible
        ):
            model.stage[whom].volume_pct = volume_pct

    @rule(by=leaders, other=voices, how=numbers)
    def remove(self, by: Pick, other: Pick, how: int) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        possible = model.above(actor, whom) and how <= 2
        if self.command(actor, lambda state: rules.remove(state, actor, whom, model.now_us, how), possible):
            model.go(whom)
            model.links = {key: link for key, link in model.links.items() if whom not in (link[0], link[2])}
            if how:
                model.banned.add(whom)
            if how == 2:
                model.blocks.add((model.rightful, whom))
                assert (model.rightful, whom) in self.server.blocks

    @rule(one=people, other=voices)
    def shut_out(self, one: Pick, other: Pick) -> None:
        """Who blocks in the graph alone; where it is one whose Space it is, the server asks for this."""
        model, owner, whom = self.model, self.who(one), self.who(other)
        if owner not in (model.host, model.rightful) or owner == whom:
            return
        model.blocks.add((owner, whom))
        assert self.attempt(lambda state: rules.shut_out(state, whom, model.now_us), True)
        if whom not in (model.host, model.rightful) and model.known(whom):
            model.go(whom)
            model.links = {key: link for key, link in model.links.items() if whom not in (link[0], link[2])}

    @rule(by=leaders, other=people)
    def unban(self, by: Pick, other: Pick) -> None:
        whom = self.who(other)
        actor, model = self.who(by), self.model
        possible = model.leads(actor) and whom in model.banned
        if self.command(actor, lambda state: rules.unban(state, actor, whom, model.now_us), possible):
            model.banned.remove(whom)

    @rule(by=leaders, policy=st.integers(0, 3), fair=st.booleans(), locked=st.booleans())
    def change(self, by: Pick, policy: int, fair: bool, locked: bool) -> None:
        actor, model = self.who(by), self.model
        wanted = Changes(who_may_speak=policy, queue_order=int(fair), locked=locked)
        possible = model.leads(actor) and policy <= 2
        if self.command(
            actor, lambda state: rules.change_settings(state, actor, wanted, model.now_us), possible
        ):
            model.policy, model.fair, model.locked = policy, fair, locked

    @rule(service=st.sampled_from(SERVICES))
    def oversee(self, service: str) -> None:
        model = self.model
        if self.attempt(lambda state: rules.oversee(state, service, model.now_us), not model.over):
            model.services.add(service)

    @rule(one=people, other=people, blocks=st.booleans())
    def the_graph_changes(self, one: Pick, other: Pick, blocks: bool) -> None:
        owner, user = self.who(one), self.who(other)
        if owner != user:
            (self.model.blocks if blocks else self.model.follows).symmetric_difference_update({(owner, user)})

    @rule(by=leaders, lifetime_s=st.integers(0, 31))
    def share_speaker(self, by: Pick, lifetime_s: int) -> None:
        actor, model, digest = self.who(by), self.model, (len(self.digests) + 1).to_bytes(32)
        kept = {key: link for key, link in model.links.items() if model.now_us < int(str(link[1]))}
        used = next((key for key, link in kept.items() if link[2]), None)
        room = len(kept) < LIMITS.links or used is not None
        possible = model.leads(actor) and room and lifetime_s <= 30
        if self.command(
            actor,
            lambda state: rules.share_speaker(state, actor, digest, lifetime_s * SECOND_US, model.now_us),
            possible,
        ):
            if len(kept) == LIMITS.links and used is not None:
                del kept[used]
            expires_us = model.now_us + (lifetime_s * SECOND_US or LIMITS.speak_link_us)
            model.links = {**kept, digest: [actor, expires_us, ""]}
            self.digests.append(digest)

    @rule(by=leaders, number=numbers)
    def unshare(self, by: Pick, number: int) -> None:
        actor, model, digest = self.who(by), self.model, self.digest(number)
        possible = model.leads(actor)
        if self.command(actor, lambda state: rules.unshare(state, actor, digest, model.now_us), possible):
            model.links = {key: link for key, link in model.links.items() if key != digest or link[2]}


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=120, stateful_step_count=60, deadline=None, derandomize=True)
