"""A room on the native plane as the server sees it: who is told what, at once, and by which way frames go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from signaling.media import AudienceCounts, MixedFrame, Takes
from signaling.media.audience import FULL
from signaling.media.figures import OF_ENGINES
from signaling.media.native import NativeRoom, NativeRooms
from tests.signaling.server_fakes import FakeEngine

SPACE = bytes(16)


class FakeConnection:
    is_open = True

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Guest:
    """Somebody with or without a connection on the plane."""

    def __init__(self, name: str, *, native: bool = True, bundle: int = 1) -> None:
        self.connection: Any = FakeConnection(name) if native else None
        self.takes = Takes(bundle)
        self.heard: list[bytes] = []

    def send_audio(self, datagram: bytes) -> bool:
        self.heard.append(datagram)
        return True


class FakeNative:
    """A `spacecore._media.Room` that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.frames: list[tuple[int, bytes, frozenset[int]]] = []
        self.applied = 0
        self.takes = True
        self.talking: tuple[int, ...] = ()
        self.dominant: int | None = None
        self.stats = None

    def enter(self, connection: Any, *, bundle: int, redundancy: int, reports: bool) -> None:
        self.told.append(("enter", repr(connection), bundle))

    def seat(self, connection: Any, seat: int | None, muted: bool = False) -> None:
        self.told.append(("seat", repr(connection), seat, muted))

    def leave(self, connection: Any) -> None:
        self.told.append(("leave", repr(connection)))

    def clear(self) -> None:
        self.told.append(("clear",))

    def close(self) -> None:
        self.told.append(("close",))

    def subscribe(self, n: int) -> None:
        self.told.append(("subscribe", n))

    def put(self, seat: int, datagram: bytes, now_us: int) -> bool:
        self.told.append(("put", seat, datagram))
        return self.takes

    def take_frames(self) -> list[tuple[int, bytes, frozenset[int]]]:
        frames, self.frames = self.frames, []
        return frames

    def take(self) -> list[tuple[Any, ...]]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def native() -> FakeNative:
    return FakeNative()


@pytest.fixture
def room(native: FakeNative) -> NativeRoom:
    return NativeRoom(SPACE, FakeEngine(), native, AudienceCounts(), set())  # type: ignore[arg-type]


def test_people_come_sit_down_and_go(room: NativeRoom, native: FakeNative) -> None:
    room.enter("ann", Guest("ann", bundle=3))
    room.enter("bo", Guest("bo"))
    assert room.listening == {"ann", "bo"}
    room.add_seat(4, muted=True)
    room.seat("bo", 4)
    room.mute(4, False)
    room.seat("bo", None)
    room.remove_seat(4)
    room.leave("bo")
    room.leave("bo")
    assert native.take() == [
        ("enter", "ann", 3),
        ("enter", "bo", 1),
        ("seat", "bo", 4, True),
        ("seat", "bo", 4, False),
        ("seat", "bo", None, False),
        ("leave", "bo"),
    ]
    assert room.listening == {"ann"}


def test_who_talks_is_told_when_it_changes(room: NativeRoom, native: FakeNative) -> None:
    told = []
    room.on_talk = lambda: told.append((sorted(room.talking), room.dominant))
    room.listen_in()
    native.talking, native.dominant = (1, 4), None
    room.listen_in()
    room.listen_in()
    native.dominant = 4
    room.listen_in()
    room.close()
    native.talking = ()
    room.listen_in()
    assert told == [([1, 4], None), ([1, 4], 4)]


def test_a_newer_connection_takes_the_place_of_the_older(room: NativeRoom, native: FakeNative) -> None:
    room.enter("ann", Guest("old"))
    room.seat("ann", 1)
    room.enter("ann", Guest("new"))
    room.mute(1, True)
    assert native.take() == [
        ("enter", "old", 1),
        ("seat", "old", 1, False),
        ("leave", "old"),
        ("enter", "new", 1),
    ], "nobody sits in seat 1 any more"


def test_a_seat_that_was_removed_is_not_muted_for_the_next_in_it(
    room: NativeRoom, native: FakeNative
) -> None:
    room.enter("ann", Guest("ann"))
    room.add_seat(2, muted=True)
    room.remove_seat(2)
    room.add_seat(2)
    room.seat("ann", 2)
    assert native.take()[-1] == ("seat", "ann", 2, False)


def test_who_has_no_connection_on_the_plane_is_sent_to_by_the_loop(
    room: NativeRoom, native: FakeNative
) -> None:
    ann, closed = Guest("ann", native=False), Guest("closed")
    closed.connection.is_open = False
    room.enter("ann", ann)
    room.enter("bo", closed)
    assert native.take() == [("subscribe", 256)]
    room.seat("bo", 3)
    native.frames = [(FULL, b"mix", frozenset({3})), (3, b"minus", frozenset({3}))]
    room.on_time(20_000)
    assert (ann.heard, closed.heard) == ([b"mix"], [b"minus"])
    room.leave("ann")
    native.frames = [(FULL, b"more", frozenset())]
    room.on_time(40_000)
    assert (ann.heard, closed.heard) == ([b"mix"], [b"minus", b"more"])
    assert room.listening == {"bo"}


def test_an_outlet_of_the_loop_gets_every_frame(room: NativeRoom, native: FakeNative) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.frames: list[MixedFrame] = []

        def publish(self, frame: MixedFrame) -> None:
            self.frames.append(frame)

    native.frames = [(FULL, b"before", frozenset())]
    room.on_time(20_000)
    recorder = Recorder()
    room.subscribe(recorder)
    room.enter("ann", Guest("ann", native=False))
    assert native.take() == [("subscribe", 256)], "once"
    native.frames = [(FULL, b"mix", frozenset({1}))]
    room.on_time(40_000)
    assert recorder.frames == [(SPACE, FULL, b"mix", frozenset({1}))]
    room.unsubscribe(recorder)
    native.frames = [(FULL, b"after", frozenset())]
    room.on_time(60_000)
    assert len(recorder.frames) == 1


def test_audio_that_came_another_way_is_queued_or_refused(room: NativeRoom, native: FakeNative) -> None:
    assert room.put(1, b"frame", 20_000) == "queued"
    native.takes = False
    assert room.put(1, b"frame", 40_000) == "refused"


def test_who_waits_is_called_when_the_media_side_has_applied_it(room: NativeRoom, native: FakeNative) -> None:
    called: list[str] = []
    room.add_seat(0)
    serial = room.remove_seat(0)
    room.when_applied(serial, lambda: called.append("removed"))
    room.on_time(20_000)
    assert called == []
    native.applied = serial
    room.on_time(40_000)
    assert called == ["removed"]
    room.when_applied(room.add_seat(0), lambda: called.append("told by a notice"))
    room.look()
    assert called == ["removed"]
    native.applied = serial + 1
    room.look()
    assert called == ["removed", "told by a notice"]


def test_a_room_that_is_closed_lets_everybody_go(room: NativeRoom, native: FakeNative) -> None:
    called: list[str] = []
    room.enter("ann", Guest("ann"))
    room.when_applied(room.add_seat(0), lambda: called.append("closed"))
    native.take()
    room.close()
    room.close()
    assert native.take() == [("clear",), ("close",)]
    assert (room.listening, called) == (frozenset(), ["closed"])


class FakeMedia:
    """A `spacecore._media.Media` with rooms that are fake."""

    def __init__(self) -> None:
        self.rooms: list[FakeNative] = []
        self.steps: list[int] = []
        self.notices: list[tuple[str, int, int]] = []
        self.next_us = 0

    def add_room(self, engine: Any, *, bundle: int, bundle_above: int) -> FakeNative:
        native = FakeNative()
        native.index = len(self.rooms)  # type: ignore[attr-defined]
        self.rooms.append(native)
        return native

    def step(self, now_us: int) -> int:
        self.steps.append(now_us)
        self.next_us = now_us + 20_000
        return 1

    def take_notices(self) -> list[tuple[str, int, int]]:
        notices, self.notices = self.notices, []
        return notices


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def on_violation(self, slot: int, generation: int) -> None:
        self.told.append(("violation", slot, generation))

    def on_key_update(self, slot: int, generation: int) -> None:
        self.told.append(("key update", slot, generation))


class Engine(FakeEngine):
    stats = SimpleNamespace(**(dict.fromkeys(OF_ENGINES.values(), 1) | {"decodes": 3}))


def rooms_of(media: FakeMedia, listener: Listener, failed: list[bytes]) -> NativeRooms:
    return NativeRooms(
        media,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        bundle=0,
        bundle_above=200,
        on_failure=failed.append,
        tell=listener,
    )


def test_notices_reach_those_they_are_for() -> None:
    media, listener, called = FakeMedia(), Listener(), list[str]()
    rooms = rooms_of(media, listener, [])
    one, two = rooms.open(b"1", Engine()), rooms.open(b"2", Engine())  # type: ignore[arg-type]
    one.when_applied(one.add_seat(0), lambda: called.append("one"))
    two.when_applied(two.add_seat(0), lambda: called.append("two"))
    media.rooms[1].applied = 1
    media.notices = [
        ("violation", 7, 3),
        ("applied", 1, 1),
        ("applied", 99, 1),
        ("key_update", 8, 1),
        ("forged_limit", 9, 5),
    ]
    rooms.take_notices()
    assert called == ["two"]
    assert listener.told == [("violation", 7, 3), ("key update", 8, 1), ("key update", 9, 5)]


def test_rooms_are_stepped_unless_a_thread_drives_them() -> None:
    media = FakeMedia()
    rooms = rooms_of(media, Listener(), [])
    rooms.begin(1_000_000)
    rooms.on_time(1_000_000)
    assert (media.steps, rooms.next_us) == ([1_000_000], 1_020_000)
    media.next_us = 1_005_000  # an acknowledgement is due before the tick
    assert rooms.next_us == 1_005_000
    rooms.is_stepped = False
    rooms.on_time(1_020_000)
    assert (media.steps, rooms.next_us) == ([1_000_000], 1_120_000)  # nobody waits for anything here


def test_a_room_that_fails_is_closed_and_the_others_go_on() -> None:
    class Broken:
        def publish(self, frame: MixedFrame) -> None:
            raise RuntimeError("the disk is full")

    media, failed = FakeMedia(), list[bytes]()
    rooms = rooms_of(media, Listener(), failed)
    one, two = rooms.open(b"1", Engine()), rooms.open(b"2", Engine())  # type: ignore[arg-type]
    ann = Guest("ann", native=False)
    one.subscribe(Broken())
    two.enter("ann", ann)
    for native in media.rooms:
        native.frames = [(FULL, b"mix", frozenset())]
    rooms.on_time(20_000)
    assert (failed, one.is_closed, two.is_closed) == ([b"1"], True, False)
    assert ann.heard == [b"mix"]
    rooms.on_time(40_000)  # the closed one is forgotten, and what it had counted is not
    assert rooms._of_engines()["decodes"] == 6
    assert list(rooms._open) == [b"2"]


def test_the_loop_visits_only_rooms_that_have_something_for_it() -> None:
    media = FakeMedia()
    rooms = rooms_of(media, Listener(), [])
    idle, waited, taped = (rooms.open(name, Engine()) for name in (b"1", b"2", b"3"))  # type: ignore[arg-type]
    assert rooms._busy == set()
    waited.when_applied(waited.add_seat(0), lambda: None)
    taped.enter("ann", Guest("ann", native=False))
    assert rooms._busy == {b"2", b"3"}
    media.rooms[1].applied = 1
    rooms.on_time(20_000)
    assert rooms._busy == {b"3"}
    idle.close()
    rooms.on_time(40_000)
    assert (rooms._busy, set(rooms._open)) == ({b"3"}, {b"2", b"3"})
