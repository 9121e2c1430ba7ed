"""The steps of random histories in which hosts keep order and people write."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from signaling import rules
from signaling.rules import Changes, Role, talk
from tests.signaling.rules_histories import (
    LIMITS,
    SERVICES,
    History,
    Pick,
    leaders,
    numbers,
    people,
    voices,
)
from tests.signaling.rules_model import SECOND_US


class OrderAndTalk(History):
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
        is_put_out = whom not in (model.host, model.rightful) and model.known(whom)
        assert self.command(
            owner, lambda state: rules.shut_out(state, owner, whom, model.now_us), True, own=not is_put_out
        )
        if is_put_out:
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

    # Talk

    @rule(one=people, reply_to=st.integers(0, 2))
    def post(self, one: Pick, reply_to: int) -> None:
        model, user = self.model, self.who(one)
        possible = user in model.inside and reply_to < model.next_post
        if self.attempt(lambda state: talk.post(state, user, "Hello", reply_to, model.now_us), possible):
            model.next_post += 1

    @rule(by=leaders, one=people, there=st.booleans())
    def delete_post(self, by: Pick, one: Pick, there: bool) -> None:
        """`one` wrote it, who may have left by now, or been banned."""
        model, actor, author = self.model, self.who(by), self.who(one)
        own = actor == author and actor in model.inside
        gone = not model.known(author)
        others = model.leads(actor) and actor != author and (gone or actor in model.services)
        possible = there and (own or others or model.above(actor, author))
        self.command(
            actor,
            lambda state: talk.delete_post(state, actor, 1, author if there else None, model.now_us),
            possible,
            own,
        )

    @rule(one=people)
    def note(self, one: Pick) -> None:
        model, user = self.model, self.who(one)
        possible = user in model.inside and not model.leads(user)
        if self.attempt(lambda state: talk.note(state, user, "Psst", model.now_us), possible):
            model.next_note += 1

    @rule(one=people, other=people)
    def report_and_react(self, one: Pick, other: Pick) -> None:
        """Neither changes anything of the Space."""
        model, user, whom = self.model, self.who(one), self.who(other)
        here, before = user in model.inside, self.state
        self.attempt(
            lambda state: talk.report(state, user, whom, "spam", "", model.now_us), here and user != whom
        )
        self.attempt(lambda state: talk.react(state, user, "heart", model.now_us), here)
        assert self.state is before

    @rule(by=leaders)
    def pin(self, by: Pick) -> None:
        model, actor = self.model, self.who(by)
        possible = model.leads(actor) and actor not in model.services and len(model.pins) < LIMITS.pins
        if self.command(actor, lambda state: talk.pin(state, actor, "Read me", model.now_us), possible):
            model.pins.append(model.next_pin)
            model.next_pin += 1

    @rule(by=leaders, number=st.integers(0, 4))
    def unpin(self, by: Pick, number: int) -> None:
        model, actor = self.model, self.who(by)
        possible = model.leads(actor) and actor not in model.services and number in model.pins
        if self.command(actor, lambda state: talk.unpin(state, actor, number, model.now_us), possible):
            model.pins.remove(number)
