"""Hall: the live side of one Space: who is inside over which connection, the room, and what they are told."""

from __future__ import annotations

import logging

from signaling.media import MediaRoom
from signaling.protocol import CloseCode
from signaling.protocol import messages as wire
from signaling.protocol.wire import encode
from signaling.rules import (
    AudienceChanged,
    Effect,
    Ended,
    Entered,
    Left,
    QueueChanged,
    Removed,
    RoleChanged,
    SeatAdded,
    SeatChanged,
    SeatRemoved,
    SpaceState,
    StageChanged,
)
from signaling.server.counts import Counts
from signaling.server.events import Bulletin, News
from signaling.server.place import Place
from signaling.server.rows import queue_rows, stage_rows
from signaling.server.session import Session
from spacecore.errors import SpacecoreError

__all__ = ["Hall"]

log = logging.getLogger(__name__)


class Hall:
    """Carries out what the rules decided. **Mix, roster and connection change in the same step.**

    Nothing here decides or awaits. One actor owns it.
    """

    __slots__ = ("_counts", "_members", "bulletin", "last_removal", "room")

    def __init__(self, room: MediaRoom, bulletin: Bulletin, counts: Counts) -> None:
        self.room = room
        self.bulletin = bulletin
        self.last_removal = 0
        """The mixer's serial of the last seat that was taken out."""
        self._counts = counts
        self._members: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._members)

    def session_of(self, user: str) -> Session | None:
        """The connection over which `user` is inside, or None."""
        return self._members.get(user)

    def enter(self, user: str, session: Session, place: Place) -> None:
        """`user` is inside over `session` from now on; a connection they had before is closed as replaced."""
        before = self._members.get(user)
        if before is not None and before is not session:
            self._counts.replaced += 1
            before.place = None
            before.close(CloseCode.replaced, "you joined this Space over a newer connection")
        self._members[user] = session
        session.place = place
        self.room.enter(user, session)
        if place.seat is not None:
            self.room.seat(user, place.seat)

    def carry(self, effect: Effect) -> None:
        """Carry out one effect; Entered is `enter`, and what is only for the store is passed over."""
        match effect:
            case Left():
                self._leave(effect.user)
            case Removed():
                self._remove(effect)
            case SeatAdded():
                self._add_seat(effect)
            case SeatChanged(mixed=True):
                self._mute(effect)
            case SeatRemoved():
                self._remove_seat(effect)
            case RoleChanged():
                self._tell(effect)
            case StageChanged():
                self.bulletin.mark(News.STAGE)
            case QueueChanged():
                self.bulletin.mark(News.QUEUE)
            case AudienceChanged():
                self.bulletin.mark(News.AUDIENCE)
            case Ended():
                self._end(effect.reason)
            case Entered():
                raise ValueError(f"{effect.user!r} enters over a session; call enter with it")
            case _:
                pass

    def push(self, now_us: int, state: SpaceState) -> int | None:
        """Push what is due, each event encoded once; returns when more is due, or None."""
        people = len(self._members)
        for news in self.bulletin.take(now_us, people):
            serial = self.bulletin.next_serial()
            self._broadcast(_event(news, serial, state))
        return self.bulletin.due_us(people)

    # One effect each

    def _leave(self, user: str) -> Session | None:
        self.room.leave(user)
        session = self._members.pop(user, None)
        if session is not None:
            session.place = None
        return session

    def _remove(self, effect: Removed) -> None:
        session = self._leave(effect.user)
        self._counts.kicks += 1
        if session is not None:
            session.send(wire.Removed(self.bulletin.serial, effect.reason))
            session.close(CloseCode.removed, "the host removed you from the Space")

    def _add_seat(self, effect: SeatAdded) -> None:
        session = self._members.get(effect.user)
        try:
            self.room.add_seat(effect.seat, muted=effect.muted)
        except SpacecoreError as error:
            self._failed(f"seat {effect.seat} cannot be added", error)
            # They would speak and not be heard: a new connection is another chance.
            if session is not None:
                session.close(CloseCode.internal, "your seat could not be set up; connect again")
            return
        if session is not None and session.place is not None:
            session.place.seat, session.place.muted = effect.seat, effect.muted
            self.room.seat(effect.user, effect.seat)

    def _mute(self, effect: SeatChanged) -> None:
        session = self._members.get(effect.user)
        if session is not None and session.place is not None:
            session.place.muted = effect.muted
        try:
            self.room.mute(effect.seat, effect.muted)
        except SpacecoreError as error:
            self._failed(f"seat {effect.seat} cannot be muted", error)

    def _remove_seat(self, effect: SeatRemoved) -> None:
        session = self._members.get(effect.user)
        if session is not None and session.place is not None:
            session.place.seat, session.place.muted = None, False
            self.room.seat(effect.user, None)
        try:
            self.last_removal = self.room.remove_seat(effect.seat)
        except SpacecoreError as error:
            self._failed(f"seat {effect.seat} cannot be removed", error)

    def _tell(self, effect: RoleChanged) -> None:
        session = self._members.get(effect.user)
        if session is not None:
            serial = self.bulletin.serial
            session.send(wire.You(serial, int(effect.role), effect.seat, effect.muted))

    def _end(self, reason: str) -> None:
        members, self._members = self._members, {}
        self.room.close()
        data = encode(wire.Ended(self.bulletin.next_serial(), reason))
        self._counts.events += len(members)
        for session in members.values():
            session.place = None
            session.send_bytes(data)

    def _broadcast(self, message: wire.FromServer) -> None:
        data = encode(message)
        self._counts.events += len(self._members)
        # A copy: whoever is too slow is closed while we send.
        for session in list(self._members.values()):
            session.send_bytes(data)

    def _failed(self, what: str, error: SpacecoreError) -> None:
        self._counts.media_failures += 1
        log.error("%s: %s (%s)", what, error, error.code)


def _event(news: News, serial: int, state: SpaceState) -> wire.FromServer:
    if news is News.STAGE:
        return wire.Stage(serial, stage_rows(state))
    if news is News.QUEUE:
        return wire.Queue(serial, queue_rows(state), len(state.asks))
    return wire.Audience(serial, state.audience_count)
