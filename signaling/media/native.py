"""The native plane: rooms that tick, fan out and take audio in without the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from signaling.media.audience import Audience, AudienceCounts, Outlet, Subscriber
from signaling.media.figures import Figures, Reports, of_native
from signaling.media.room import MediaRoom
from signaling.media.rooms import Rooms
from signaling.media.ticker import TICK_US, Ticker
from spacecore import Space
from spacecore._media import Media, Room
from spacecore._plane import Connection, Plane

__all__ = [
    "BUNDLES",
    "FRAMES_KEPT",
    "MOST_ROOMS",
    "NativeRoom",
    "NativeRooms",
]

BUNDLES = {"auto": 0, 1: 1, 2: 2, 3: 3}
"""The setting `media.bundle` → what `Media.add_room` takes."""

MOST_ROOMS = (1 << 17) - 1
"""The most that `Media` takes."""
FRAMES_KEPT = 256
"""Frames of a room that wait for the loop, where something of the loop takes them; the newest is dropped."""

_IDLE_US = 80_000  # beyond the next deadline


class NativeRoom(MediaRoom):
    """A room that `Media` ticks. Who has no connection on the plane is served by the loop, as outlets are.

    `busy` are the Spaces whose rooms have something to do for the loop; a room adds its own.

    **The truth about who hears is with each connection, under its lock**, so `enter`, `seat` and `leave` are
    in effect when they return, whatever the media thread is doing.
    """

    __slots__ = (
        "_busy",
        "_connections",
        "_engine",
        "_native",
        "_others",
        "_reports",
        "_takes_frames",
        "_user_in",
    )

    def __init__(
        self, space: bytes, engine: Space, native: Room, counts: AudienceCounts, busy: set[bytes]
    ) -> None:
        super().__init__(space, engine)
        self._engine = engine
        self._busy = busy
        self._native = native
        self._connections: dict[str, Connection] = {}
        self._user_in: dict[int, str] = {}
        self._others = Audience(counts)
        self._takes_frames = False
        self._reports = Reports()

    # Seats

    def mute(self, seat: int, muted: bool) -> int:
        """As MediaRoom says; what the person in it sends is dropped at once."""
        connection = self._connections.get(self._user_in.get(seat, ""))
        if connection is not None and connection.is_open:
            self._native.seat(connection, seat, muted=muted)
        return super().mute(seat, muted)

    def put(self, seat: int, datagram: bytes, now_us: int) -> str:
        """A datagram that came through aioquic; returns `queued` or `refused`."""
        return "queued" if self._native.put(seat, datagram, now_us) else "refused"

    def report(self, user: str, datagram: bytes, now_us: int) -> None:
        """Who is not on the plane is counted, and no more: what they hear is made for those who are."""

    # People

    @property
    def listening(self) -> frozenset[str]:
        """Who is sent what is mixed."""
        return frozenset(self._connections) | self._others.users

    def enter(self, user: str, subscriber: Subscriber) -> None:
        """As MediaRoom says."""
        self.leave(user)
        connection = subscriber.connection
        if connection is not None and connection.is_open:
            self._connections[user] = connection
            takes = subscriber.takes
            self._native.enter(
                connection, bundle=takes.bundle, redundancy=takes.redundancy, reports=takes.reports
            )
        else:
            self._others.enter(user, subscriber)
            if self._others not in self._outlets:
                self.subscribe(self._others)

    def seat(self, user: str, seat: int | None) -> None:
        """As MediaRoom says."""
        self._unseat(user)
        if seat is not None:
            self._user_in[seat] = user
        connection = self._connections.get(user)
        if connection is None:
            self._others.seat(user, seat)
        elif connection.is_open:  # else it is lost, and the Space will learn of it
            self._native.seat(connection, seat, muted=seat in self._muted)

    def leave(self, user: str) -> None:
        """As MediaRoom says."""
        self._unseat(user)
        connection = self._connections.pop(user, None)
        if connection is None:
            self._others.leave(user)
        else:
            self._native.leave(connection)

    def clear(self) -> None:
        """As MediaRoom says."""
        self._connections.clear()
        self._user_in.clear()
        self._others.clear()
        self._native.clear()

    # Outlets and time

    def subscribe(self, outlet: Outlet) -> None:
        """As MediaRoom says."""
        super().subscribe(outlet)
        self._busy.add(self.space)
        if not self._takes_frames:
            self._takes_frames = True
            self._native.subscribe(FRAMES_KEPT)

    @property
    def ticked_us(self) -> int:
        """As MediaRoom says."""
        return self._engine.stats.ticks * TICK_US

    def when_applied(self, serial: int, call: Callable[[], None]) -> None:
        """As MediaRoom says."""
        super().when_applied(serial, call)
        self._busy.add(self.space)

    def close(self) -> None:
        """As MediaRoom says."""
        if not self.is_closed:
            self._busy.add(self.space)
            super().close()
            self.reports()
            self._native.close()

    def on_time(self, now_us: int) -> None:
        """Publish what was mixed since the last call, and call whoever waits for what was applied."""
        if self._takes_frames:
            for audience, datagram, excluded in self._native.take_frames():
                self._publish(audience, datagram, frozenset(excluded))
        self.look()
        if not self._takes_frames and not self._waiting:
            self._busy.discard(self.space)

    def look(self) -> None:
        """Call whoever waits for a change that by now is in effect."""
        self._has_applied(self._native.applied)

    def listen_in(self) -> None:
        """Somebody else talks than before."""
        self._hears(self._native.talking, self._native.dominant)

    def reports(self) -> Reports:
        """What its listeners have reported; once it is closed, what they had."""
        stats = self._native.stats
        if stats is not None:
            self._reports = Reports.of(stats)
        return self._reports

    def _unseat(self, user: str) -> None:
        for seat in [seat for seat, holder in self._user_in.items() if holder == user]:
            del self._user_in[seat]


class Connections(Protocol):
    """Who is told about connections of the plane, by slot and generation."""

    def on_violation(self, slot: int, generation: int) -> None: ...
    def on_key_update(self, slot: int, generation: int) -> None: ...


class NativeRooms(Rooms[NativeRoom]):
    """Rooms of one `Media`, which a thread drives, or else `on_time`: then it is stepped."""

    plane = "native"

    def __init__(
        self,
        media: Media,
        plane: Plane,
        *,
        bundle: int,
        bundle_above: int,
        on_failure: Callable[[bytes], None],
        tell: Connections,
    ) -> None:
        super().__init__(on_failure)
        self.media = media
        self.is_stepped = True
        """Whether `on_time` runs the ticks; False while a thread does."""
        self._plane = plane
        self._bundle = bundle
        self._bundle_above = bundle_above
        self._tell = tell
        self._counts = AudienceCounts()
        self._reports = Reports()
        self._by_index: dict[int, NativeRoom] = {}
        self._busy: set[bytes] = set()
        self._ticker = Ticker(0)

    def begin(self, now_us: int) -> None:
        """As Rooms says."""
        self._ticker = Ticker(now_us)

    @property
    def next_us(self) -> int:
        """The next deadline of a grid of 20 ms, or, where the ticks are run here, what is due before it.

        Where a thread runs them and no room has anything to publish here, a look now and then is enough.
        """
        if self.is_stepped:
            return min(self._ticker.next_us, self.media.next_us)
        return self._ticker.next_us if self._busy else self._ticker.next_us + _IDLE_US

    def on_time(self, now_us: int) -> None:
        """Run the ticks that are due, if no thread does; publish what was mixed, and pass notices on."""
        self._ticker.due(now_us)
        if self.is_stepped:
            self.media.step(now_us)
        if self._busy:
            self._each(NativeRoom.on_time, now_us, list(self._busy))
        self.take_notices()

    def take_notices(self) -> None:
        """Pass on what the media side has to tell."""
        for word, first, second in self.media.take_notices():
            if word in ("applied", "talk"):
                room = self._by_index.get(first)
                if room is not None and word == "talk":
                    room.listen_in()
                elif room is not None:
                    room.look()
            elif word == "violation":
                self._tell.on_violation(first, second)
            else:
                self._tell.on_key_update(first, second)

    def figures(self) -> Figures:
        """As Rooms says."""
        reports = Reports()
        reports.add(self._reports)
        for _, room in self._open.values():
            reports.add(room.reports())
        found = of_native(self.media.stats, self._plane.stats, self._counts, reports)
        found.update(self._of_engines())
        return found

    def lateness(self) -> list[tuple[int, int]]:
        """As Rooms says."""
        return self.media.lateness()

    def _make(self, space: bytes, engine: Space) -> NativeRoom:
        native = self.media.add_room(engine, bundle=self._bundle, bundle_above=self._bundle_above)
        room = NativeRoom(space, engine, native, self._counts, self._busy)
        self._by_index[native.index] = room
        return room

    def _forget(self, space: bytes) -> None:
        _, room = self._open[space]
        self._busy.discard(space)
        self._reports.add(room.reports())
        super()._forget(space)
