"""Rooms: all rooms of a server and what drives them, on one plane. Here the plain one, driven by the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Generic, TypeVar

from signaling.media.audience import AudienceCounts
from signaling.media.figures import OF_ENGINES, Figures, no_figures, of_audiences, of_reports, of_ticker
from signaling.media.room import MediaRoom, PlainRoom
from signaling.media.ticker import Ticker
from spacecore import Space

__all__ = ["PlainRooms", "Rooms"]

_Room = TypeVar("_Room", bound=MediaRoom)
_SECOND_US = 1_000_000


class Rooms(ABC, Generic[_Room]):
    """The rooms that are open. One loop calls `begin` once, `open`, `on_time` at `next_us`, and `figures`.

    `on_failure` is called, within the `except`, for a room in which something raised: the others go on.
    """

    plane: ClassVar[str]
    """The word of `media.plane` for it."""

    def __init__(self, on_failure: Callable[[bytes], None]) -> None:
        self._on_failure = on_failure
        self._open: dict[bytes, tuple[Space, _Room]] = {}
        self._closed = dict.fromkeys(OF_ENGINES, 0)

    def open(self, space: bytes, engine: Space) -> _Room:
        """A room for this Space; from now on `engine` is ticked here and nowhere else."""
        room = self._make(space, engine)
        self._open[space] = (engine, room)
        return room

    @abstractmethod
    def begin(self, now_us: int) -> None:
        """Time begins: the first tick is due now."""

    @property
    @abstractmethod
    def next_us(self) -> int:
        """When `on_time` has something to do."""

    @abstractmethod
    def on_time(self, now_us: int) -> None:
        """Do what is due. Earlier is harmless."""

    @abstractmethod
    def figures(self) -> Figures:
        """Counters since the start; the same names on every plane. Reading them changes nothing."""

    def figures_of(self, space: bytes) -> Figures:
        """What was counted for one room that is open: OF_ENGINES and `of_reports`; empty for another."""
        held = self._open.get(space)
        return {} if held is None else {**_of_engine(held[0]), **of_reports(held[1].reports())}

    @abstractmethod
    def lateness(self) -> list[tuple[int, int]]:
        """[(µs, ticks), …]: how many ticks since the start were so late, or up to the next step later."""

    # For the kinds

    @abstractmethod
    def _make(self, space: bytes, engine: Space) -> _Room: ...

    def _each(
        self, work: Callable[[_Room, int], None], now_us: int, spaces: Iterable[bytes] | None = None
    ) -> None:
        """Do something with these rooms, or with all; those that were closed are forgotten."""
        for space in list(self._open) if spaces is None else spaces:
            _, room = self._open[space]
            try:
                if room.is_closed:
                    self._forget(space)
                else:
                    work(room, now_us)
            except Exception:
                self._on_failure(space)
                room.close()

    def _forget(self, space: bytes) -> None:
        engine, _ = self._open.pop(space)
        for name, value in _of_engine(engine).items():
            self._closed[name] += value

    def _of_engines(self) -> Mapping[str, int]:
        found = dict(self._closed)
        for engine, _ in self._open.values():
            for name, value in _of_engine(engine).items():
                found[name] += value
        return found


def _of_engine(engine: Space) -> Mapping[str, int]:
    stats = engine.stats
    return {name: getattr(stats, of_engine) for name, of_engine in OF_ENGINES.items()}


class PlainRooms(Rooms[PlainRoom]):
    """Rooms that the loop ticks, and whose frames go to each connection through aioquic."""

    plane = "aioquic"

    def __init__(self, clock_us: Callable[[], int], on_failure: Callable[[bytes], None]) -> None:
        super().__init__(on_failure)
        self._clock_us = clock_us
        self._ticker = Ticker(0)
        self._counts = AudienceCounts()
        self._tick_us = 0

    def begin(self, now_us: int) -> None:
        """As Rooms says."""
        self._ticker = Ticker(now_us)

    @property
    def next_us(self) -> int:
        """The next deadline of the grid."""
        return self._ticker.next_us

    def on_time(self, now_us: int) -> None:
        """Run the ticks that are due."""
        due = self._ticker.due(now_us)
        if not due:
            return
        began_us = self._clock_us()
        for tick_us in due:
            self._each(PlainRoom.tick, tick_us)
        self._tick_us += self._clock_us() - began_us

    def figures(self) -> Figures:
        """As Rooms says."""
        return {
            **no_figures(),
            **self._of_engines(),
            **of_audiences(self._counts),
            **of_ticker(self._ticker),
            "tick_s": self._tick_us / _SECOND_US,
        }

    def lateness(self) -> list[tuple[int, int]]:
        """As Rooms says."""
        return self._ticker.lateness.steps()

    def _make(self, space: bytes, engine: Space) -> PlainRoom:
        return PlainRoom(space, engine, self._counts)
