"""Hall: the live side of one Space: who is inside over which connection, the room, and what each is told."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from signaling import rules
from signaling.media import MediaRoom
from signaling.protocol import CloseCode
from signaling.protocol import messages as wire
from signaling.protocol.wire import encode
from signaling.rules import Effect, SpaceState
from signaling.server.counts import Counts
from signaling.server.events import Bulletin, News
from signaling.server.herald import Herald
from signaling.server.place import Place
from signaling.server.rows import note_row, post_row
from signaling.server.session import Session
from signaling.server.talking import Talking
from signaling.server.whereabouts import Whereabouts
from spacecore.errors import SpacecoreError

__all__ = ["Hall", "Step"]

log = logging.getLogger(__name__)

_US_MS = 1_000
_NEWS = {
    rules.SettingsChanged: News.SETTINGS,
    rules.StageChanged: News.STAGE,
    rules.QueueChanged: News.QUEUE,
    rules.PinsChanged: News.PINS,
    rules.AudienceChanged: News.AUDIENCE,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One change while it is carried out: the Space before and after it, when, and whose snapshot follows.

    `arriving` is told nothing by the way: their snapshot, or what they missed, says it all.
    """

    before: SpaceState
    after: SpaceState
    now_us: int
    arriving: str = ""


class Hall:
    """Carries out what the rules decided. **Mix, roster and connection change in the same step.**

    Nothing here decides or awaits. One actor owns it.
    """

    __slots__ = ("_counts", "_members", "_overseers", "_whereabouts", "herald", "last_removal", "room")

    def __init__(
        self, room: MediaRoom, bulletin: Bulletin, counts: Counts, whereabouts: Whereabouts | None = None
    ) -> None:
        self.room = room
        self.herald = Herald(bulletin)
        self.last_removal = 0
        """The mixer's serial of the last seat that was taken out."""
        self._counts = counts
        self._whereabouts = Whereabouts(counts) if whereabouts is None else whereabouts
        self._members: dict[str, Session] = {}
        self._overseers: dict[int, Session] = {}

    def __len__(self) -> int:
        return len(self._members)

    def session_of(self, user: str) -> Session | None:
        """The connection over which `user` is inside, or None."""
        return self._members.get(user)

    def enter(self, user: str, session: Session, place: Place) -> None:
        """`user` is inside over `session` from now on; a connection they had anywhere before is closed."""
        self._members[user] = session
        session.place = place
        self._whereabouts.entered(user, session)
        self.room.enter(user, session)
        if place.seat is not None:
            self.room.seat(user, place.seat)

    def oversee(self, session: Session, place: Place) -> None:
        """A service is told the events over `session` from now on; it hears nothing and counts as nobody."""
        session.place = place
        self._overseers[session.number] = session

    def dismiss(self, session: Session) -> bool:
        """A service oversees over `session` no more; False if it did not."""
        found = self._overseers.pop(session.number, None)
        if found is not None:
            found.place = None
        return found is not None

    def carry(self, effect: Effect, step: Step) -> None:
        """Carry out one effect; Entered is `enter`, and what is only for the store is passed over."""
        news = _NEWS.get(type(effect))
        if news is not None:
            self.herald.mark(news)
            return
        match effect:
            case rules.Left():
                self._leave(effect.user)
            case rules.Removed():
                self._remove(effect)
            case rules.SeatAdded():
                self._add_seat(effect)
            case rules.SeatChanged():
                self._change_seat(effect, step)
            case rules.SeatRemoved():
                self._remove_seat(effect)
            case rules.Ended():
                self._end(effect.reason)
            case rules.Entered():
                raise ValueError(f"{effect.user!r} enters over a session; call enter with it")
            case _:
                self._pass_on(effect, step)

    @property
    def is_overseen(self) -> bool:
        """Whether a service oversees it."""
        return bool(self._overseers)

    def push(self, now_us: int, state: SpaceState, talking: Talking | None = None) -> int | None:
        """Push what is due, each event encoded once; returns when more is due, or None.

        Who talks is told to services alone: everybody else hears it, and each datagram names them.
        """
        people = len(self._members)
        told = self.herald.take(now_us, people, state)
        if told:
            self._send(b"".join(told), len(told))
        due_us = self.herald.due_us(people)
        if talking is None:
            return due_us
        self._tell_talk(now_us, talking)
        dues = (due_us, talking.due_us(len(self._overseers)))
        return min((due for due in dues if due is not None), default=None)

    def _tell_talk(self, now_us: int, talking: Talking) -> None:
        event = talking.take(now_us, self.herald.serial) if self._overseers else None
        if event is not None:
            data = encode(event)
            self._counts.events += len(self._overseers)
            for session in list(self._overseers.values()):
                session.send_bytes(data)

    def invited(self, user: str, state: SpaceState, now_us: int) -> wire.Invited | None:
        """What tells `user` of their open invitation, or None without one."""
        invitation = state.invites.get(user)
        if invitation is None:
            return None
        left_ms = max(1, (invitation.expires_us - now_us) // _US_MS)
        return wire.Invited(self.herald.serial, invitation.by, _name(state, invitation.by), left_ms)

    # One effect each

    def _leave(self, user: str) -> Session | None:
        self.room.leave(user)
        session = self._members.pop(user, None)
        if session is not None:
            self._whereabouts.left(user, session)
            session.place = None
        return session

    def _remove(self, effect: rules.Removed) -> None:
        session = self._leave(effect.user)
        self._counts.kicks += 1
        if session is not None:
            session.send(wire.Removed(self.herald.serial, effect.reason))
            session.close(CloseCode.removed, "a host removed you from the Space")

    def _add_seat(self, effect: rules.SeatAdded) -> None:
        session = self._members.get(effect.user)
        try:
            self.room.add_seat(effect.seat, muted=effect.muted, volume_pct=effect.volume_pct)
        except SpacecoreError as error:
            self._failed(f"seat {effect.seat} cannot be added", error)
            # They would speak and not be heard: a new connection is another chance.
            if session is not None:
                session.close(CloseCode.internal, "your seat could not be set up; connect again")
            return
        if session is not None and session.place is not None:
            session.place.seat, session.place.muted = effect.seat, effect.muted
            self.room.seat(effect.user, effect.seat)

    def _change_seat(self, effect: rules.SeatChanged, step: Step) -> None:
        if not effect.mixed:
            return
        session = self._members.get(effect.user)
        if session is not None and session.place is not None:
            session.place.muted = effect.muted
        before = step.before.on_stage.get(effect.user)
        try:
            if before is None or before.muted != effect.muted:
                self.room.mute(effect.seat, effect.muted)
            if before is None or before.volume_pct != effect.volume_pct:
                self.room.set_volume(effect.seat, effect.volume_pct)
        except SpacecoreError as error:
            self._failed(f"seat {effect.seat} cannot be muted or made louder", error)

    def _remove_seat(self, effect: rules.SeatRemoved) -> None:
        session = self._members.get(effect.user)
        if session is not None and session.place is not None:
            session.place.seat, session.place.muted = None, False
            self.room.seat(effect.user, None)
        try:
            self.last_removal = self.room.remove_seat(effect.seat)
        except SpacecoreError as error:
            self._failed(f"seat {effect.seat} cannot be removed", error)

    def _pass_on(self, effect: Effect, step: Step) -> None:
        """What was said to all."""
        match effect:
            case rules.Posted(post):
                self.herald.say(lambda serial: wire.PostAdded(serial, post_row(post)))
            case rules.PostGone(number):
                self.herald.say(lambda serial: wire.PostDeleted(serial, number))
            case rules.Reacted():
                self.herald.react(effect.reaction, step.now_us)
            case rules.Reported():
                self._counts.people_reported += 1
            case _:
                self._whisper(effect, step)

    def _whisper(self, effect: Effect, step: Step) -> None:
        """Private events: they repeat the last serial."""
        serial = self.herald.serial
        match effect:
            case rules.RoleChanged(user, role, seat, muted):
                self._tell([user], wire.You(serial, int(role), seat, muted), step)
            case rules.InviteAdded(invitation):
                self._tell([invitation.user], self.invited(invitation.user, step.after, step.now_us), step)
            case rules.InviteClosed(user, "accepted" | "refused" as how):
                self._tell(_hosts(step.after), wire.Answered(serial, user, how == "accepted"), step)
            case rules.InviteClosed(user, "withdrawn" | "lapsed"):
                by = step.before.invites[user].by if user in step.before.invites else step.after.host
                self._tell([user], wire.Invited(serial, by, _name(step.after, by), 0), step)
            case rules.NoteAdded(note):
                self._tell(_hosts(step.after), wire.Noted(serial, note_row(note)), step)
            case _:
                pass

    def _end(self, reason: str) -> None:
        everybody = self._everybody()
        data = self.herald.number(lambda serial: wire.Ended(serial, reason))
        for user, session in self._members.items():
            self._whereabouts.left(user, session)
        self._members, self._overseers = {}, {}
        self.room.close()
        self._counts.events += len(everybody)
        for session in everybody:
            session.place = None
            session.send_bytes(data)

    # Telling

    def _tell(self, users: Iterable[str], message: wire.Event | None, step: Step) -> None:
        for user in users:
            session = self._members.get(user)
            if session is not None and message is not None and user != step.arriving:
                session.send(message)

    def _send(self, data: bytes, events: int) -> None:
        everybody = self._everybody()
        self._counts.events += events * len(everybody)
        for session in everybody:
            session.send_bytes(data)

    def _everybody(self) -> list[Session]:
        """A copy: whoever is too slow is closed while we send."""
        return [*self._members.values(), *self._overseers.values()]

    def _failed(self, what: str, error: SpacecoreError) -> None:
        self._counts.media_failures += 1
        log.error("%s: %s (%s)", what, error, error.code)


def _hosts(state: SpaceState) -> tuple[str, ...]:
    return (state.host, *state.co_hosts)


def _name(state: SpaceState, user: str) -> str:
    """The name of who invites; a service, or a host who has left, goes by their id."""
    return state.name_of(user) if state.is_known(user) else user[: rules.NAME_CHARS]
