"""Loss on the native plane: reports for who is in a seat, copies of frames for who loses many in a row."""

from __future__ import annotations

import pytest

from spacecore import Report, Space, pack_report, parse_audio, parse_report
from spacecore._media import Room
from tests.media_pair import Listener, World
from tests.spacecore.test_media_uplink import Speaker

SECOND = 50
COPIED_S = 30


def loss(lost: int, bursts: int, received: int = 200) -> bytes:
    return pack_report(Report(0, received, lost, lost, 5, 60, bursts))


def stage(world: World, *, reports: bool) -> tuple[Space, Room, Listener]:
    space = Space(complexity=0, keep_alive_ms=0, loudness=False)
    space.add_seat(4)
    room = world.media.add_room(space, bundle=1)
    person = world.join()
    room.enter(person.near, redundancy=2, reports=reports)
    room.seat(person.near, 4)
    world.tick()
    return space, room, person


@pytest.mark.parametrize("reports", [True, False])
def test_who_speaks_is_told_once_a_second_how_it_arrives(
    reports: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    space, room, person = stage(world, reports=reports)
    told: list[bytes] = []
    monkeypatch.setattr("tests.media_pair.parse_audio", lambda data, down: told.append(data))
    speaker = Speaker(world, person, 7)
    for turn in range(4 * SECOND):
        if turn % 10 == 9:
            speaker._seq += 1  # one in ten is lost on the way
        else:
            speaker.speak()
        world.tick()
    kept = [parse_report(data) for data in told if data[1] == 2]
    if not reports:
        assert kept == [] and room.stats.told == 0
        assert space.stats.told == 4  # nobody wants to know
        return
    assert len(kept) == room.stats.told == 4
    assert sum(one.lost for one in kept) in range(15, 21)
    assert all(one.lost == one.bursts for one in kept)
    assert kept[-1].advice is not None and kept[-1].advice.expect_pct >= 10
    assert kept[-1].advice.copies == 1  # one in ten is much, however it is lost


def test_who_loses_many_in_a_row_gets_copies_and_nobody_else_does() -> None:
    world = World()
    _, room = world.room(1)
    people = {most: world.join() for most in (2, 1, 0)}
    for most, person in people.items():
        room.enter(person.near, redundancy=most)
    calm = world.join()
    room.enter(calm.near, redundancy=2)
    world.run(10)
    for _ in range(2):  # by the first one only it is known that single frames are called for
        for person in people.values():
            world.send(person, loss(20, 7))
        world.run(SECOND)
    assert [person.heard[-1].redundant.__len__() for person in people.values()] == [2, 1, 0]
    assert not any(packet.redundant for packet in people[0].heard + calm.heard)
    assert room.stats.copying == 2
    for most in (2, 1):
        heard = people[most].heard
        last = heard[-1]
        assert last.distance == 2
        assert list(last.redundant) == [heard[-1 - back].frames[0] for back in range(1 + most, 1, -1)]
        assert last.frames == calm.heard[-1].frames
    assert calm.datagrams == people[0].datagrams
    world.run((COPIED_S + 1) * SECOND)
    assert not any(person.heard[-1].redundant for person in people.values())
    assert room.stats.copying == 0 and room.stats.copied > 2 * COPIED_S * SECOND - 5


def test_single_losses_of_a_few_per_cent_bring_no_copies() -> None:
    world = World()
    _, room = world.room(1)
    person = world.join()
    room.enter(person.near, redundancy=2)
    world.run(5)
    for _ in range(3):
        world.send(person, loss(10, 10))
        world.run(5)
    assert room.stats.copied == 0
    world.send(person, loss(30, 29))
    world.run(5)
    assert len(person.heard[-1].redundant) == 1


def test_copies_never_reach_over_a_pause() -> None:
    world = World()
    space, room = world.room(1)
    person = world.join()
    room.enter(person.near, redundancy=2)
    world.run(5)
    for _ in range(2):
        world.send(person, loss(40, 8))
        world.run(5)
    before = len(person.heard)
    world.hush(space)
    world.run(2 * SECOND)
    world.speakers.append((space, 1))
    world.run(6)
    again = [packet for packet in person.heard[before:] if len(packet.frames[0]) > 2]
    counts = [len(packet.redundant) for packet in again]
    jumps = [n for n in range(1, len(again)) if again[n].timestamp != again[n - 1].timestamp + 960]
    assert len(jumps) == 1
    assert counts[jumps[0] : jumps[0] + 4] == [0, 0, 1, 2]


@pytest.mark.parametrize("copies", [-1, 3])
def test_a_number_of_copies_that_cannot_be_is_refused(copies: int) -> None:
    world = World()
    _, room = world.room(1)
    with pytest.raises(ValueError, match="redundancy is 0 to 2"):
        room.enter(world.join().near, redundancy=copies)


def test_what_is_sent_is_a_datagram_of_the_protocol() -> None:
    world = World()
    _, room = world.room(1)
    person = world.join()
    room.enter(person.near, redundancy=2)
    world.run(5)
    for _ in range(2):
        world.send(person, loss(40, 8))
        world.run(5)
    packet = parse_audio(person.datagrams[-1], True)
    assert (len(packet.redundant), len(packet.frames), packet.prime) == (2, 1, ())
