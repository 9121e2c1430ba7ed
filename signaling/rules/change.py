"""How verbs build their outcome: one change of a Space, its parts in one place each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

from signaling.rules import effects as fx
from signaling.rules.effects import Effect
from signaling.rules.parts import Absence, Invitation, OnStage, SpeakLink, Waiting
from signaling.rules.roles import Role, State
from signaling.rules.roster import Roster
from signaling.rules.state import SpaceState

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an act: the Space as it is from now on, and what the server has to carry out.

    No effects: the act was already done (muting who is muted).
    """

    state: SpaceState
    effects: tuple[Effect, ...] = ()


class Change:
    """One change under way. Parts are called in the order in which the effects are to be carried out."""

    def __init__(self, state: SpaceState) -> None:
        self.state = state
        self._before = state
        self._effects: list[Effect] = []
        self._freed: set[int] = set()

    def add(self, *effects: Effect) -> None:
        self._effects.extend(effects)

    def set(self, **fields: Any) -> None:
        """Change fields of the state; the effects that say so are the caller's."""
        self.state = replace(self.state, **fields)

    def audit(self, actor: str, action: str, target: str = "", detail: str = "") -> None:
        self.add(fx.Audited(actor, str(action), target, detail))

    # Inside and away

    def enter(self, user: str, name: str) -> None:
        self.set(roster=self.state.roster.with_person(user, name))
        self.add(fx.Entered(user, name))

    def go(self, user: str, why: str, effect: Effect | None = None) -> None:
        """Take `user` out at every door at once: stage, queue, invitations and roster.

        `effect` says how to tell who is inside (Left if it is None); there is nobody to tell where the
        connection is lost.
        """
        if user in self.state.absent:
            self.end_absences([user], why)
        else:
            self._give_up_places(user, why)
            self.set(roster=self.state.roster.without(user))
            self.add(fx.Left(user) if effect is None else effect)

    def end_absences(self, users: Iterable[str], why: str) -> None:
        """Nothing is kept any more for these, who are absent. All at once: a thousand may lapse together."""
        absent = dict(self.state.absent)
        for user in users:
            self._give_up_places(user, why)
            self.add(fx.AbsenceOver(user, why))
            del absent[user]
        self.set(absent=absent)

    def lose(self, user: str, until_us: int, now_us: int) -> None:
        """The connection and the stream of `user` are gone; what they were is kept."""
        place = self.state.on_stage.get(user)
        if place is not None:
            self.add(fx.SeatRemoved(place.seat, user, kept=True))
        away = Absence(self.state.name_of(user), now_us)
        if user in self.state.roster:
            self.set(roster=self.state.roster.without(user))
            self.add(fx.Left(user))
        self.set(absent={**self.state.absent, user: away})
        self.add(fx.WentAbsent(user, until_us))

    def come_back(self, user: str) -> None:
        """Somebody absent is what they were, on stage in the seat that was kept for them."""
        self.enter(user, self.state.absent[user].name)
        self.add(fx.CameBack(user))
        if user in self.state.on_stage:
            self.reseat(user)
        self.set(absent=_without(self.state.absent, user))

    # Stage

    def take_seat(self, user: str, name: str, role: Role, muted: bool = False) -> None:
        """Put `user` on stage under a number of their own."""
        self._sit(OnStage(self._free_number(), user, name, role, muted))
        if user not in self.state.spoke:
            self.set(spoke=self.state.spoke | {user})
            self.add(fx.Spoke(user))

    def free_seat(self, user: str) -> None:
        place = self.state.on_stage[user]
        self._freed.add(place.seat)
        self._set_stage(_without(self.state.on_stage, user))
        self.set(co_hosts=tuple(who for who in self.state.co_hosts if who != user))
        if user in self.state.absent:
            self.add(fx.PlaceGone(place.seat, user))
        else:
            self.add(fx.SeatRemoved(place.seat, user))

    def reseat(self, user: str) -> None:
        """A new stream in the same seat: what still comes of the last one is the same person's."""
        place = self.state.on_stage[user]
        if user in self.state.absent:
            self.add(fx.PlaceGone(place.seat, user))
        else:
            self.add(fx.SeatRemoved(place.seat, user))
        self._sit(place)

    def set_place(self, user: str, **fields: Any) -> None:
        """Change role, mute, hold or volume of somebody on stage."""
        place = self.state.on_stage[user]._replace(**fields)
        self.set(on_stage={**self.state.on_stage, user: place})
        mixed = user not in self.state.absent
        seat, _, _, role, muted, held, volume_pct, _ = place
        self.add(fx.SeatChanged(seat, user, role, muted, held, volume_pct, mixed))

    def set_role(self, user: str, role: Role) -> None:
        """Somebody on stage is a speaker or co-host from now on; a new co-host is the last of them."""
        others = tuple(who for who in self.state.co_hosts if who != user)
        self.set(co_hosts=(*others, user) if role is Role.CO_HOST else others)
        self.set_place(user, role=role)

    def make_host(self, user: str, before: Role, how: str) -> None:
        """`user`, who is on stage, hosts from now on; who did is `before` from now on, if still on stage."""
        former = self.state.host
        if former in self.state.on_stage:
            self.set_role(former, before)
        self.set(co_hosts=tuple(who for who in self.state.co_hosts if who != user))
        # Nobody has power over the host's voice: what was done to it as another's is undone.
        self.set_place(user, role=Role.HOST, held=False, volume_pct=100)
        name = self.state.on_stage[user].name
        self.set(host=user, host_name=name)
        self.add(fx.HostChanged(user, name, how))
        for who in (former, user):
            self.tell(who)

    # Asks and invitations

    def open_ask(self, user: str) -> None:
        waiting = Waiting(user, self.state.roster.name_of(user))
        self.set(asks={**self.state.asks, user: waiting})
        self.add(fx.Asked(waiting.user, waiting.name, user not in self.state.spoke))

    def close_ask(self, user: str, how: str) -> None:
        self.set(asks=_without(self.state.asks, user))
        self.add(fx.AskClosed(user, how))

    def open_invite(self, invitation: Invitation) -> None:
        self.set(invites={**self.state.invites, invitation.user: invitation})
        self._forget_lapsed(invitation.user)
        self.add(fx.InviteAdded(invitation))

    def close_invite(self, user: str, how: str) -> None:
        self.set(invites=_without(self.state.invites, user))
        if how == "lapsed":
            lapsed = (*self.state.lapsed_invites, user)
            self.set(lapsed_invites=lapsed[-self.state.limits.invites :])
        self.add(fx.InviteClosed(user, how))

    def add_link(self, digest: bytes, link: SpeakLink) -> None:
        self.set(links={**self.state.links, digest: link})
        self.add(fx.LinkAdded(digest, link))

    def use_link(self, digest: bytes, user: str) -> None:
        used = self.state.links[digest]._replace(used_by=user)
        self.set(links={**self.state.links, digest: used})
        self.add(fx.LinkClosed(digest, "used", user))

    def drop_link(self, digest: bytes, how: str) -> None:
        """A link is no longer known. One that was used is closed already."""
        link = self.state.links[digest]
        self.set(links=_without(self.state.links, digest))
        if how == "lapsed" and not link.used_by:
            lapsed = (*self.state.lapsed_links, digest)
            self.set(lapsed_links=lapsed[-self.state.limits.links :])
        if not link.used_by:
            self.add(fx.LinkClosed(digest, how))

    def ban(self, user: str, by: str) -> None:
        name = self.state.name_of(user)
        self.set(banned=self.state.banned | {user})
        self.add(fx.Banned(user, name, by))

    # The end

    def tell(self, user: str) -> None:
        """`user`, if inside, is told what they are now."""
        role = self.state.role_of(user)
        if role is not None:
            self.add(fx.RoleChanged(user, role, self.state.seat_of(user), self.state.muted(user)))

    def end(self, reason: str, now_us: int, state: State = State.ENDED) -> Outcome:
        """Everybody is out and nothing more can happen; Ended stands for all of it but what is audited."""
        ended = replace(
            self._before,
            state=state,
            roster=Roster(),
            on_stage={},
            co_hosts=(),
            asks={},
            invites={},
            links={},
            lapsed_invites=(),
            lapsed_links=(),
            pins=(),
            resting_seats=frozenset(),
            absent={},
            ended_us=now_us,
            ended_reason=reason,
        )
        return Outcome(ended, (*self._effects, fx.Ended(reason, state)))

    def outcome(self) -> Outcome:
        """Close the change: who is inside is told of stage, queue, audience and pins where they differ."""
        before, after = self._before, self.state
        if before is after:
            return Outcome(after, tuple(self._effects))
        if before.on_stage is not after.on_stage or before.absent is not after.absent:
            stage = after.stage()
            if before.stage() != stage:
                self.add(fx.StageChanged(tuple(stage)))
        if before.asks is not after.asks or before.settings is not after.settings:
            queue = after.queue()
            if before.queue() != queue:
                self.add(fx.QueueChanged(tuple(queue)))
        if before.audience_count != after.audience_count:
            self.add(fx.AudienceChanged(after.audience_count))
        if before.pins != after.pins:
            self.add(fx.PinsChanged(after.pins))
        return Outcome(after, tuple(self._effects))

    def _give_up_places(self, user: str, why: str) -> None:
        if user in self.state.on_stage:
            self.free_seat(user)
        if user in self.state.asks:
            self.close_ask(user, why)
        if user in self.state.invites:
            self.close_invite(user, why)
        self._forget_lapsed(user)

    def _forget_lapsed(self, user: str) -> None:
        if user in self.state.lapsed_invites:
            others = tuple(who for who in self.state.lapsed_invites if who != user)
            self.set(lapsed_invites=others)

    def _free_number(self) -> int:
        """The lowest seat number that is free and did not become free just now.

        Audio of the last one on a number may still be on its way; it must not be heard as the next one's.
        """
        held = {place.seat for place in self.state.on_stage.values()}
        taken = held | self._before.resting_seats | self._freed
        return next(number for number in count() if number not in taken)

    def _sit(self, place: OnStage) -> None:
        self._set_stage({**self.state.on_stage, place.user: place})
        seat, user, name, role, muted, held, volume_pct, _ = place
        self.add(fx.SeatAdded(seat, user, name, role, muted, held, volume_pct))

    def _set_stage(self, on_stage: Mapping[str, OnStage]) -> None:
        self.set(on_stage=on_stage, resting_seats=frozenset(self._freed))


def _without(mapping: Mapping[_K, _V], key: _K) -> dict[_K, _V]:
    kept = dict(mapping)
    del kept[key]
    return kept
