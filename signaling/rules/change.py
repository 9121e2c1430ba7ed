"""How verbs build their outcome: one change of a Space, its parts in one place each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

from signaling.rules.effects import (
    AskClosed,
    Asked,
    AudienceChanged,
    Banned,
    Effect,
    Ended,
    Entered,
    HostAbsent,
    HostReturned,
    Left,
    OnStage,
    QueueChanged,
    RoleChanged,
    SeatAdded,
    SeatMuted,
    SeatRemoved,
    StageChanged,
    Waiting,
)
from signaling.rules.roles import Role, State
from signaling.rules.roster import Roster
from signaling.rules.state import SpaceState


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

    def enter(self, user: str, name: str) -> None:
        self.state = replace(self.state, roster=self.state.roster.with_person(user, name))
        self.add(Entered(user, name))

    def go(self, user: str, why: str, effect: Effect) -> None:
        """Take `user` out at every door at once: stage, queue and roster; `effect` says how to tell them."""
        if user in self.state.on_stage:
            self.free_seat(user)
        if user in self.state.asks:
            self.close_ask(user, why)
        self.state = replace(self.state, roster=self.state.roster.without(user))
        self.add(effect)

    def take_seat(self, user: str, name: str, role: Role, muted: bool = False) -> None:
        """Put `user` on stage at the lowest number that is free and did not become free just now.

        Audio of the last one on a number may still be on its way; it must not be heard as the next one's.
        """
        held = {place.seat for place in self.state.on_stage.values()}
        taken = held | self._before.resting_seats | self._freed
        seat = next(number for number in count() if number not in taken)
        place = OnStage(seat, user, name, role, muted)
        self._set_stage({**self.state.on_stage, user: place})
        self.add(SeatAdded(seat, user, name, role, muted))

    def free_seat(self, user: str) -> OnStage:
        place = self.state.on_stage[user]
        self._freed.add(place.seat)
        self._set_stage({who: held for who, held in self.state.on_stage.items() if who != user})
        self.add(SeatRemoved(place.seat, user))
        return place

    def set_muted(self, user: str, muted: bool) -> None:
        place = self.state.on_stage[user]._replace(muted=muted)
        self.state = replace(self.state, on_stage={**self.state.on_stage, user: place})
        self.add(SeatMuted(place.seat, user, muted))

    def open_ask(self, user: str) -> None:
        waiting = Waiting(user, self.state.roster.name_of(user))
        self.state = replace(self.state, asks={**self.state.asks, user: waiting})
        self.add(Asked(waiting.user, waiting.name))

    def close_ask(self, user: str, how: str) -> None:
        others = {who: waiting for who, waiting in self.state.asks.items() if who != user}
        self.state = replace(self.state, asks=others)
        self.add(AskClosed(user, how))

    def ban(self, user: str) -> None:
        name = self.state.roster.name_of(user)
        self.state = replace(self.state, banned=self.state.banned | {user})
        self.add(Banned(user, name, self.state.host))

    def lose_host(self, now_us: int) -> None:
        """The host's stream and connection are gone; the place on stage is kept for them."""
        host = self.state.host
        self.add(SeatRemoved(self.state.on_stage[host].seat, host))
        self.state = replace(self.state, roster=self.state.roster.without(host), absent_since_us=now_us)
        self.add(Left(host), HostAbsent(now_us + self.state.limits.host_grace_us))

    def regain_host(self, name: str) -> None:
        """The absent host is back: inside again, and on stage under a new number for a new stream."""
        host = self.state.host
        self.enter(host, name)
        place = self.state.on_stage[host]
        self._freed.add(place.seat)  # its SeatRemoved went out when the host was lost
        self._set_stage({who: held for who, held in self.state.on_stage.items() if who != host})
        self.state = replace(self.state, absent_since_us=None)
        self.take_seat(host, name, Role.HOST, place.muted)
        self.add(HostReturned(host))

    def tell(self, user: str) -> None:
        """`user` is told what they are now."""
        role = self.state.role_of(user) or Role.LISTENER
        self.add(RoleChanged(user, role, self.state.seat_of(user), self.state.muted(user)))

    def end(self, reason: str, now_us: int) -> Outcome:
        """Everybody is out and nothing more can happen; Ended stands for all of it."""
        ended = replace(
            self.state,
            state=State.ENDED,
            roster=Roster(),
            on_stage={},
            asks={},
            resting_seats=frozenset(),
            absent_since_us=None,
            ended_us=now_us,
            ended_reason=reason,
        )
        return Outcome(ended, (Ended(reason),))

    def outcome(self) -> Outcome:
        """Close the change: who is inside is told of the stage, the queue and the audience if they differ."""
        before, after = self._before, self.state
        if before is after:
            return Outcome(after)
        stage_before, stage_after = before.stage(), after.stage()
        if stage_before != stage_after:
            self.add(StageChanged(tuple(stage_after)))
        if before.asks is not after.asks and list(before.asks) != list(after.asks):
            self.add(QueueChanged(tuple(after.queue())))
        if before.audience_count != after.audience_count:
            self.add(AudienceChanged(after.audience_count))
        return Outcome(after, tuple(self._effects))

    def _set_stage(self, on_stage: dict[str, OnStage]) -> None:
        self.state = replace(self.state, on_stage=on_stage, resting_seats=frozenset(self._freed))
