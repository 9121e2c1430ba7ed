"""MediaRoom: one Space's native room as the server sees it, with its outlets and its acknowledgements."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from signaling.media.audience import MixedFrame, Outlet

__all__ = ["Engine", "EngineTick", "MediaRoom"]


class EngineTick(Protocol):
    """What is used of `spacecore.Tick`."""

    @property
    def packets(self) -> tuple[tuple[int, bytes], ...]: ...
    @property
    def excluded(self) -> frozenset[int]: ...
    @property
    def applied(self) -> int: ...


class Engine(Protocol):
    """What is used of `spacecore.Space`."""

    def add_seat(self, seat: int) -> int: ...
    def remove_seat(self, seat: int) -> int: ...
    def mute(self, seat: int, muted: bool = True) -> int: ...
    def put(self, seat: int, datagram: bytes, now_us: int) -> str: ...
    def tick(self, now_us: int) -> EngineTick: ...


class MediaRoom:
    """Seats in, frames out. One loop calls everything; changes take effect with the next tick.

    Every live room ticks, also one without seats: the tick is where the engine applies what was asked, and
    counts the time to the next keep-alive. Without anybody audible it costs a few microseconds.
    """

    __slots__ = ("_engine", "_outlets", "_space", "_waiting", "applied", "is_closed")

    def __init__(self, space: bytes, engine: Engine) -> None:
        self._space = space
        self._engine = engine
        self._outlets: list[Outlet] = []
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self.applied = 0
        """Serial of the last change that a tick has applied."""
        self.is_closed = False

    def subscribe(self, outlet: Outlet) -> None:
        """Publish every frame there too, from the next tick on."""
        self._outlets.append(outlet)

    def unsubscribe(self, outlet: Outlet) -> None:
        """Publish there no more. ValueError if it was not subscribed."""
        self._outlets.remove(outlet)

    def add_seat(self, seat: int, *, muted: bool = False) -> int:
        """A new stream begins in this seat; returns the change's serial. Raises spacecore.SpacecoreError."""
        serial = self._engine.add_seat(seat)
        return self._engine.mute(seat, True) if muted else serial

    def remove_seat(self, seat: int) -> int:
        """The stream in this seat is over; returns the serial of the change. Raises spacecore.SeatError."""
        return self._engine.remove_seat(seat)

    def mute(self, seat: int, muted: bool) -> int:
        """Fade a seat out or in; returns the serial of the change. Raises spacecore.SeatError."""
        return self._engine.mute(seat, muted)

    def put(self, seat: int, datagram: bytes, now_us: int) -> str:
        """A datagram from the person in `seat`; returns the engine's word for what became of it."""
        return self._engine.put(seat, datagram, now_us)

    def tick(self, now_us: int) -> None:
        """20 ms of the room: mix, publish, and call whoever waits for a change that now has been applied."""
        tick = self._engine.tick(now_us)
        for audience, datagram in tick.packets:
            frame = MixedFrame(self._space, audience, datagram, tick.excluded)
            for outlet in self._outlets:
                outlet.publish(frame)
        self.applied = tick.applied
        while self._waiting and self._waiting[0][0] <= tick.applied:
            self._waiting.popleft()[1]()

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
        self._outlets.clear()
        while self._waiting:
            self._waiting.popleft()[1]()
