"""MediaRoom: one Space's room as the server sees it, on whichever plane: seats, people, outlets, serials."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from signaling.media.audience import Audience, AudienceCounts, MixedFrame, Outlet, Subscriber
from signaling.media.figures import Reports
from signaling.media.ticker import TICK_US
from signaling.media.volume import SILENT_PCT, gain_db

__all__ = ["Engine", "EngineTick", "MediaRoom", "PlainRoom", "Seats"]


class EngineTick(Protocol):
    """What is used of `spacecore.Tick`."""

    @property
    def packets(self) -> tuple[tuple[int, bytes], ...]: ...
    @property
    def excluded(self) -> frozenset[int]: ...
    @property
    def applied(self) -> int: ...
    @property
    def reports(self) -> tuple[tuple[int, bytes], ...]: ...
    @property
    def audible(self) -> tuple[int, ...]: ...
    @property
    def dominant(self) -> int | None: ...


class Seats(Protocol):
    """What is used of `spacecore.Space` by whoever asks for changes; each returns its serial."""

    def add_seat(self, seat: int) -> int: ...
    def remove_seat(self, seat: int) -> int: ...
    def mute(self, seat: int, muted: bool = True) -> int: ...
    def set_gain(self, seat: int, gain_db: float) -> int: ...


class Engine(Seats, Protocol):
    """What is used of `spacecore.Space` by whoever ticks it too."""

    def put(self, seat: int, datagram: bytes, now_us: int) -> str: ...
    def report(self, seat: int | None, datagram: bytes, now_us: int, *, vote: int = 0) -> int: ...
    def tick(self, now_us: int) -> EngineTick: ...


class MediaRoom(ABC):
    """Seats and people in, frames out. **The fan-out set is the roster: nobody else hears.**

    One loop calls everything. `enter`, `seat` and `leave` take effect at once: after `leave` nothing more is
    sent to that person. Changes of seats take effect with the next tick, and `when_applied` tells.
    """

    __slots__ = (
        "_muted",
        "_outlets",
        "_seats",
        "_silent",
        "_waiting",
        "applied",
        "dominant",
        "is_closed",
        "on_talk",
        "space",
        "talking",
    )

    def __init__(self, space: bytes, seats: Seats) -> None:
        self.space = space
        self._seats = seats
        self._muted: set[int] = set()
        self._silent: set[int] = set()  # at a volume of 0
        self._outlets: list[Outlet] = []
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self.applied = 0
        """Serial of the last change that is known to be in effect."""
        self.is_closed = False
        self.talking: frozenset[int] = frozenset()
        """The seats that are heard, the pauses between their words included."""
        self.dominant: int | None = None
        """The seat that dominates the conversation; see spacecore.Tick."""
        self.on_talk: Callable[[], None] | None = None
        """Called when either has changed. Each seat begins and stops at most some times a second."""

    # Seats

    def add_seat(self, seat: int, *, muted: bool = False, volume_pct: int = 100) -> int:
        """A new stream begins in this seat; returns the change's serial. Raises spacecore.SpacecoreError."""
        serial = self._seats.add_seat(seat)
        self._muted.discard(seat)
        self._silent.discard(seat)
        if muted:
            self._muted.add(seat)
            serial = self._seats.mute(seat, True)
        return serial if volume_pct == 100 else self.set_volume(seat, volume_pct)

    def remove_seat(self, seat: int) -> int:
        """The stream in this seat is over; returns the serial of the change. Raises spacecore.SeatError."""
        self._muted.discard(seat)
        self._silent.discard(seat)
        return self._seats.remove_seat(seat)

    def mute(self, seat: int, muted: bool) -> int:
        """Fade a seat out or in; returns the serial of the change. Raises spacecore.SeatError."""
        _keep(self._muted, seat, muted)
        return self._seats.mute(seat, muted or seat in self._silent)

    def set_volume(self, seat: int, volume_pct: int) -> int:
        """How loud a seat is mixed, 0 (silent) to 100; `volume.gain_db` is the law. Returns the serial.

        Muting and the volume know nothing of each other: what was muted stays so. Raises spacecore.SeatError.
        """
        if volume_pct == SILENT_PCT:
            self._silent.add(seat)
            return self._seats.mute(seat, True)
        serial = self._seats.set_gain(seat, gain_db(volume_pct))
        if seat in self._silent:
            self._silent.discard(seat)
            serial = self._seats.mute(seat, seat in self._muted)
        return serial

    @abstractmethod
    def put(self, seat: int, datagram: bytes, now_us: int) -> str:
        """A datagram from the person in `seat`; returns a word for what became of it."""

    @abstractmethod
    def report(self, user: str, datagram: bytes, now_us: int) -> None:
        """A receiver report of somebody inside, where it did not come over the native plane."""

    def reports(self) -> Reports:
        """What its listeners have reported, where that is counted: on the native plane."""
        return Reports()

    # People

    @property
    @abstractmethod
    def listening(self) -> frozenset[str]:
        """Who is sent what is mixed."""

    @abstractmethod
    def enter(self, user: str, subscriber: Subscriber) -> None:
        """`user` hears the full mix over `subscriber` from now on, and over no other one."""

    @abstractmethod
    def seat(self, user: str, seat: int | None) -> None:
        """`user`, who is inside, is in this seat from now on, or (None) among the listeners."""

    @abstractmethod
    def leave(self, user: str) -> None:
        """`user` is sent nothing more. Leaving twice does nothing."""

    @abstractmethod
    def clear(self) -> None:
        """Nobody is sent anything more."""

    # Outlets

    def subscribe(self, outlet: Outlet) -> None:
        """Publish every frame there too, from the next tick on."""
        self._outlets.append(outlet)

    def unsubscribe(self, outlet: Outlet) -> None:
        """Publish there no more. ValueError if it was not subscribed."""
        self._outlets.remove(outlet)

    # Time

    @property
    @abstractmethod
    def ticked_us(self) -> int:
        """The time of all ticks so far. A room that stands still falls behind the clock."""

    def when_applied(self, serial: int, call: Callable[[], None]) -> None:
        """Call once the change `serial` is in effect: at once, or after a tick. Serials must not decrease.

        As many can wait as changes fit in the engine's command ring; a change beyond that is refused there.
        """
        if serial <= self.applied or self.is_closed:
            call()
        else:
            self._waiting.append((serial, call))

    def close(self) -> None:
        """No tick and no frame any more; whoever waits is called, as nothing is mixed."""
        self.is_closed = True
        self.clear()
        self._outlets.clear()
        while self._waiting:
            self._waiting.popleft()[1]()

    # For the kinds of room

    def _publish(self, audience: int, datagram: bytes, excluded: frozenset[int]) -> None:
        frame = MixedFrame(self.space, audience, datagram, excluded)
        for outlet in self._outlets:
            outlet.publish(frame)

    def _hears(self, talking: Iterable[int], dominant: int | None) -> None:
        """Note who talks, and call whoever wants to know of a change."""
        seats = frozenset(talking)
        if (seats, dominant) == (self.talking, self.dominant):
            return
        self.talking, self.dominant = seats, dominant
        if self.on_talk is not None and not self.is_closed:
            self.on_talk()

    def _has_applied(self, serial: int) -> None:
        """Call whoever waits for a change that now is in effect."""
        self.applied = max(self.applied, serial)
        while self._waiting and self._waiting[0][0] <= self.applied:
            self._waiting.popleft()[1]()


def _keep(seats: set[int], seat: int, wanted: bool) -> None:
    if wanted:
        seats.add(seat)
    else:
        seats.discard(seat)


class PlainRoom(MediaRoom):
    """A room that the loop ticks, whose people the loop sends to.

    Every live room ticks, also one without seats: the tick is where the engine applies what was asked, and
    counts the time to the next keep-alive. Without anybody audible it costs a few microseconds.
    """

    __slots__ = ("_audience", "_engine", "_ticks")

    def __init__(self, space: bytes, engine: Engine, counts: AudienceCounts | None = None) -> None:
        super().__init__(space, engine)
        self._engine = engine
        self._ticks = 0
        self._audience = Audience(counts or AudienceCounts())
        self.subscribe(self._audience)

    @property
    def listening(self) -> frozenset[str]:
        """Who is sent what is mixed."""
        return self._audience.users

    def enter(self, user: str, subscriber: Subscriber) -> None:
        """As MediaRoom says."""
        self._audience.enter(user, subscriber)

    def seat(self, user: str, seat: int | None) -> None:
        """As MediaRoom says."""
        self._audience.seat(user, seat)

    def leave(self, user: str) -> None:
        """As MediaRoom says."""
        self._audience.leave(user)

    def clear(self) -> None:
        """As MediaRoom says."""
        self._audience.clear()

    @property
    def ticked_us(self) -> int:
        """As MediaRoom says."""
        return self._ticks * TICK_US

    def put(self, seat: int, datagram: bytes, now_us: int) -> str:
        """A datagram from the person in `seat`; returns the engine's word for what became of it."""
        return self._engine.put(seat, datagram, now_us)

    def report(self, user: str, datagram: bytes, now_us: int) -> None:
        """As MediaRoom says."""
        audience = self._audience
        audience.hearing.report(self._engine, user, audience.seat_of(user), datagram, now_us)

    def tick(self, now_us: int) -> None:
        """20 ms of the room: mix, publish, and call whoever waits for a change that now has been applied."""
        tick = self._engine.tick(now_us)
        self._ticks += 1
        for audience, datagram in tick.packets:
            self._publish(audience, datagram, tick.excluded)
        for seat, datagram in tick.reports:
            self._audience.tell(seat, datagram)
        self._hears(tick.audible, tick.dominant)
        self._has_applied(tick.applied)
