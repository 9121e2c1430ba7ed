"""The media side's rounds: deadlines as the Python ticker keeps them, commands, rooms, queues at bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.media.ticker import Ticker
from spacecore import FULL, Space
from spacecore._media import Media, Room
from spacecore._plane import Plane
from spacecore.errors import MediaError
from tests.media_pair import TICK_US, World, sound

START_US = 5_000_000


@settings(deadline=None)
@given(st.lists(st.integers(0, 30 * TICK_US), max_size=60))
def test_ticks_are_due_as_the_ticker_in_python_says(pauses: list[int]) -> None:
    media, ticker, now_us = Media(Plane(connections=1)), Ticker(START_US), START_US
    media.step(now_us)
    ticker.due(now_us)
    for pause_us in pauses:
        now_us += pause_us
        assert media.step(now_us) == len(ticker.due(now_us))
        assert media.next_us == ticker.next_us
    stats, counts = media.stats, ticker.counts
    assert (stats.ticks, stats.late, stats.skipped, stats.resyncs) == (
        *(counts.ticks, counts.late, counts.skipped, counts.resyncs),
    )
    assert stats.worst_late_us == counts.worst_late_us
    assert sum(ticks for _, ticks in media.lateness()) == counts.ticks


def test_a_room_ticks_at_its_deadlines_not_when_somebody_came_round_to_it() -> None:
    world = World()
    space, room = world.room(1)
    listener = world.join()
    room.enter(listener.near)
    world.run(3)
    world.now_us += 2 * TICK_US + 777
    for _ in range(3):
        space.put_pcm(1, sound(1, world.now_us))
    world.tick()
    assert space.stats.ticks == 6
    stamps = [packet.timestamp for packet in listener.heard]
    assert stamps == [i * 960 for i in range(6)]


def test_the_time_must_be_microseconds() -> None:
    with pytest.raises(ValueError, match="not nanoseconds"):
        Media(Plane(connections=1)).step(1 << 61)


@pytest.mark.parametrize("late_us", [0, 1, 31, 63, 64, 100, 999, 1_000, 19_999, 59_999])
def test_lateness_is_known_within_a_thirty_second_part(late_us: int) -> None:
    media = Media(Plane(connections=1))
    media.step(START_US)
    for n in range(1, 200):
        media.step(START_US + n * TICK_US * 4 + late_us)
    buckets = [us for us, ticks in media.lateness() if ticks >= 199]
    assert len(buckets) >= 1
    of_first = max(us for us in buckets if us <= late_us)
    assert of_first <= late_us <= of_first + max(1, of_first // 32)
    stats = media.stats
    assert stats.late_ms_p50 <= stats.late_ms_p99 <= (3 * TICK_US + late_us) * 33 / 32_000 + 0.001


def test_quantiles_of_lateness() -> None:
    media = Media(Plane(connections=1))
    media.step(START_US)
    for n in range(1, 1_000):
        media.step(START_US + n * TICK_US + (5_000 if n % 50 == 0 else 100))
    assert media.stats.late_ms_p50 == pytest.approx(0.1, rel=0.05)
    assert media.stats.late_ms_p99 == pytest.approx(5.0, rel=0.05)
    assert media.stats.worst_late_us == 5_000


# --- commands -----------------------------------------------------------------------------------------


def test_commands_are_taken_up_to_their_bound_and_not_one_more() -> None:
    world = World(commands=8, connections=16)
    room = world.media.add_room(Space())
    people = [world.join() for _ in range(9)]
    for person in people[:6]:
        room.enter(person.near)
    with pytest.raises(MediaError) as caught:
        room.enter(people[6].near)  # it might need a second one, to make the list longer
    assert caught.value.code == "media_stalled"
    assert world.media.stats.commands_full == 1
    world.tick()
    assert room.stats.entries == 6
    room.enter(people[6].near)


def test_what_is_refused_has_changed_nothing() -> None:
    world = World(commands=4, connections=16)
    _, room = world.room(1)
    people = [world.join() for _ in range(4)]
    room.enter(people[0].near)
    room.enter(people[1].near)
    with pytest.raises(MediaError):
        room.enter(people[2].near)
    with pytest.raises(MediaError):
        room.seat(people[0].near, 1)
    world.run(2)
    assert [len(person.seqs) for person in people] == [2, 2, 0, 0]


def test_rooms_have_a_bound() -> None:
    world = World(rooms=2)
    rooms = [world.media.add_room(Space()) for _ in range(2)]
    with pytest.raises(MediaError) as caught:
        world.media.add_room(Space())
    assert caught.value.code == "too_many_rooms"
    rooms[0].close()
    with pytest.raises(MediaError):
        world.media.add_room(Space())
    world.tick()
    assert world.media.add_room(Space()).index == 0


def test_a_closed_room_is_let_go_of_and_does_nothing() -> None:
    world = World()
    space, room = world.room(1)
    listener = world.join()
    room.enter(listener.near)
    world.run(2)
    room.close()
    room.close()
    world.run(2)
    assert room.is_closed and len(listener.seqs) == 2
    assert len(world.media) == 0
    assert room.stats is None and room.applied == 0 and room.take_frames() == []
    assert world.media.stats.full_sent == 2, "what it did still counts"
    room.leave(listener.near)
    for call in (
        lambda: room.enter(listener.near),
        lambda: room.seat(listener.near, 1),
        room.clear,
        room.subscribe,
    ):
        with pytest.raises(MediaError) as caught:
            call()
        assert caught.value.code == "room_closed"
    assert space.stats.ticks == 2


def test_a_room_goes_on_without_its_handle_and_ends_with_its_media() -> None:
    world = World()
    space, room = world.room(1)
    listener = world.join()
    room.enter(listener.near)
    del room
    world.run(3)
    assert len(listener.seqs) == 3
    world.media.add_room(Space()).close()  # not taken any more
    world.media = Media(world.server)
    space.tick(world.now_us)
    assert space.stats.ticks == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("rooms", 0), ("rooms", 1 << 17), ("packets", 0), ("commands", 3), ("audio_per_s", -1)],
)
def test_sizes_are_checked(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        Media(Plane(connections=1), **{name: value})


def test_arguments_of_rooms_are_checked() -> None:
    world = World()
    _, room = world.room(1)
    person = world.join()
    with pytest.raises(ValueError, match="not 4"):
        room.enter(person.near, bundle=4)
    room.enter(person.near)
    for seat in (-1, 256):
        with pytest.raises(ValueError, match="0 to 255"):
            room.seat(person.near, seat)
    with pytest.raises(ValueError, match="got 4, 200"):
        world.media.add_room(Space(), bundle=4)
    with pytest.raises(ValueError, match="65536"):
        room.subscribe(0)
    with pytest.raises(TypeError):
        Room()


def test_a_silent_room_in_which_people_come_and_go_keeps_a_short_list() -> None:
    world = World()
    room = world.media.add_room(Space(keep_alive_ms=0))
    people = [world.join() for _ in range(8)]
    longest = 0
    for _ in range(200):
        for person in people:
            room.enter(person.near)
            room.leave(person.near)
        world.tick()
        longest = max(longest, room.stats.entries)
    assert longest <= 24
    assert room.stats.stale >= 8 * 200 - 24


# --- outlets ------------------------------------------------------------------------------------------


def test_an_outlet_gets_every_packet_and_loses_the_newest_when_it_sleeps() -> None:
    world = World()
    _, room = world.room(1, 2)
    room.subscribe(8)
    with pytest.raises(MediaError) as caught:
        room.subscribe()
    assert caught.value.code == "subscribed"
    world.run(2)
    frames = room.take_frames()
    assert [audience for audience, _, _ in frames] == [FULL, 1, 2] * 2
    world.run(4)
    assert room.stats.outlet_dropped == 12 - 8
    kept = room.take_frames()
    assert len(kept) == 8 and room.take_frames() == []
    assert kept[0][1] != frames[0][1]
    world.run(1)
    assert len(room.take_frames()) == 3


def test_what_was_sealed_waits_up_to_its_bound() -> None:
    world = World(connections=1_001)
    _, room = world.room(1)
    for _ in range(1_000):
        room.enter(world.join().near)
    for _ in range(33):
        for space, seat in world.speakers:
            space.put_pcm(seat, sound(seat, world.now_us))
        world.media.step(world.now_us)
        world.now_us += TICK_US
    assert len(world.media.take_sent()) == 32_768
    assert world.media.stats.sent_dropped == 33_000 - 32_768
