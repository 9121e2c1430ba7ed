"""Who is sent what a room mixes. Mixing knows only outlets; the people behind this server are one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from signaling.media.hearing import Hearing

if TYPE_CHECKING:
    from spacecore._plane import Connection

__all__ = ["FULL", "Audience", "AudienceCounts", "MixedFrame", "Outlet", "Sender", "Subscriber", "Takes"]

FULL = -1
"""The audience of everyone who hears the full mix, as `spacecore.FULL`."""


class Sender(Protocol):
    """Anything that takes datagrams. It never raises, and False means that this one was not taken."""

    @property
    def send_audio(self) -> Callable[[bytes], bool]: ...


class Takes(NamedTuple):
    """What somebody said that they take, in docs/protocol.md's words."""

    bundle: int = 1
    """The most frames in one datagram while they only listen, 1 to 3."""
    redundancy: int = 0
    """The most copies of frames before, in one datagram, 0 to 2."""
    reports: bool = False
    """Whether they want to hear how their audio arrives."""


class Subscriber(Sender, Protocol):
    """Somebody inside a Space, as a room reaches them."""

    @property
    def connection(self) -> Connection | None:
        """Their connection on the native plane; without one `send_audio` is used."""

    @property
    def takes(self) -> Takes:
        """What they take of what can be sent to them."""


class MixedFrame(NamedTuple):
    """One packet of one tick for one set of people in a Space.

    `audience` is FULL: everyone in the Space but those in the seats `excluded`; or the seat of the one person
    it is for.
    """

    space: bytes
    audience: int
    datagram: bytes
    excluded: frozenset[int]


class Outlet(Protocol):
    """Where a room's frames are published: the people on this server, another shard, an edge, a recording."""

    def publish(self, frame: MixedFrame) -> None: ...


@dataclass(slots=True)
class AudienceCounts:
    """Counters since the start, shared by all Spaces of a server."""

    full_sent: int = 0  # datagrams with the full mix
    seat_sent: int = 0  # datagrams with a mix-minus
    refused: int = 0  # not taken by a subscriber: its connection is closing, or its datagrams are too small
    nobody: int = 0  # frames for a seat that was left in the meantime


class Audience:
    """People of one Space whom the loop sends to. **The fan-out set is the roster: nobody else hears.**

    `enter`, `seat` and `leave` take effect with the next frame. Listeners and people on stage are held apart,
    so that a frame for 10,000 listeners asks nothing of each.
    """

    __slots__ = ("_counts", "_listeners", "_seat_of", "_seated", "_told", "hearing")

    def __init__(self, counts: AudienceCounts) -> None:
        self._counts = counts
        self._listeners: dict[str, Callable[[bytes], bool]] = {}
        self._seated: dict[int, tuple[str, Callable[[bytes], bool]]] = {}
        self._seat_of: dict[str, int] = {}
        self._told: dict[str, Callable[[bytes], bool]] = {}
        self.hearing = Hearing()

    def __len__(self) -> int:
        return len(self._listeners) + len(self._seated)

    def __contains__(self, user: object) -> bool:
        return user in self._listeners or user in self._seat_of

    @property
    def users(self) -> frozenset[str]:
        """Who is sent something."""
        return frozenset(self._listeners) | frozenset(self._seat_of)

    def enter(self, user: str, subscriber: Subscriber) -> None:
        """`user` hears the full mix over `subscriber` from now on, and over no other one."""
        self.leave(user)
        self._listeners[user] = subscriber.send_audio
        self.hearing.enter(user, subscriber.takes.redundancy)
        if subscriber.takes.reports:
            self._told[user] = subscriber.send_audio

    def seat(self, user: str, seat: int | None) -> None:
        """`user`, who is inside, is in this seat from now on, or (None) among the listeners."""
        held = self._seat_of.pop(user, None)
        send = self._listeners.pop(user) if held is None else self._seated.pop(held)[1]
        if seat is None:
            self._listeners[user] = send
        else:
            self._seated[seat] = (user, send)
            self._seat_of[user] = seat

    def leave(self, user: str) -> None:
        """`user` is sent nothing more. Leaving twice does nothing."""
        self._listeners.pop(user, None)
        self._told.pop(user, None)
        self.hearing.leave(user)
        seat = self._seat_of.pop(user, None)
        if seat is not None:
            del self._seated[seat]

    def clear(self) -> None:
        """Nobody is sent anything more."""
        self._listeners.clear()
        self._seated.clear()
        self._seat_of.clear()
        self._told.clear()
        self.hearing.clear()

    def publish(self, frame: MixedFrame) -> None:
        """Send one frame to those it is for."""
        if frame.audience == FULL:
            self._publish_full(frame.datagram, frame.excluded)
            return
        held = self._seated.get(frame.audience)
        if held is None:
            self._counts.nobody += 1
        elif held[1](frame.datagram):
            self._counts.seat_sent += 1
        else:
            self._counts.refused += 1

    def seat_of(self, user: str) -> int | None:
        """The seat in which `user` is, None for a listener."""
        return self._seat_of.get(user)

    def tell(self, seat: int, datagram: bytes) -> None:
        """A receiver report for the person in this seat, if they want it."""
        user = self._seated.get(seat, ("", None))[0]
        if user in self._told:
            self._told[user](datagram)

    def _publish_full(self, datagram: bytes, excluded: frozenset[int]) -> None:
        if self.hearing.is_needed:
            self._publish_copies(datagram, excluded)
            return
        sent = 0
        for send in self._listeners.values():
            sent += send(datagram)
        refused = len(self._listeners) - sent
        for seat, (_, send) in self._seated.items():
            if seat not in excluded:
                taken = send(datagram)
                sent += taken
                refused += not taken
        self._counts.full_sent += sent
        self._counts.refused += refused

    def _publish_copies(self, datagram: bytes, excluded: frozenset[int]) -> None:
        """As `_publish_full`, where somebody gets copies of frames before."""
        variants: dict[int, bytes] = {}
        self.hearing.put(datagram)
        for user, send in self._listeners.items():
            taken = send(self.hearing.variant(user, datagram, variants))
            self._counts.full_sent += taken
            self._counts.refused += not taken
        for seat, (user, send) in self._seated.items():
            if seat not in excluded:
                taken = send(self.hearing.variant(user, datagram, variants))
                self._counts.full_sent += taken
                self._counts.refused += not taken
