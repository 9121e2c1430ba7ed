"""Who hears a room: listeners and seats, bundles, loss, connections in other hands, slots used again."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore import FULL, Report, pack_report
from spacecore._plane import TX
from spacecore.errors import MediaError, PlaneError
from tests.media_pair import Listener, World, sound

SECOND = 50
LOSSY_TICKS = 30 * SECOND


def loss(lost: int, received: int = 50) -> bytes:
    return pack_report(
        Report(highest_seq=0, received=received, lost=lost, concealed=lost, jitter_ms=5, delay_ms=60)
    )


def consecutive(listener: Listener) -> bool:
    """Whether the frames heard are complete and in order, from the first one on."""
    return listener.seqs == [(listener.seqs[0] + i) & 0xFFFF for i in range(len(listener.seqs))]


def test_everyone_in_the_room_and_nobody_else_hears() -> None:
    world = World()
    _, room = world.room(1)
    _, other = world.room(2)
    here, there, nowhere = [world.join() for _ in range(5)], world.join(), world.join()
    for listener in here:
        room.enter(listener.near)
    other.enter(there.near)
    world.run(20)
    for listener in here:
        assert listener.datagrams == here[0].datagrams
        assert len(listener.seqs) == 20 and consecutive(listener)
    assert len(there.seqs) == 20
    assert there.datagrams != here[0].datagrams
    assert nowhere.datagrams == []
    assert world.media.stats.full_sent == 6 * 20


def test_leaving_takes_effect_at_once() -> None:
    world = World()
    _, room = world.room(1)
    stays, leaves = world.join(), world.join()
    room.enter(stays.near)
    room.enter(leaves.near)
    world.run(5)
    room.leave(leaves.near)
    world.run(5)
    assert (len(stays.seqs), len(leaves.seqs)) == (10, 5)
    assert room.stats.entries == 1 and room.stats.stale == 1
    room.leave(leaves.near)
    room.enter(leaves.near)
    world.run(5)
    assert len(leaves.seqs) == 10


def test_entering_twice_is_hearing_once() -> None:
    world = World()
    _, room = world.room(1)
    listener = world.join()
    for _ in range(3):
        room.enter(listener.near)
        room.leave(listener.near)
        room.enter(listener.near)
        world.tick()
    world.run(5)
    assert len(listener.seqs) == 8 and consecutive(listener)


def test_a_connection_hears_one_room_at_a_time() -> None:
    world = World()
    _, first = world.room(1)
    _, second = world.room(2)
    listener = world.join()
    first.enter(listener.near)
    world.run(3)
    second.enter(listener.near)
    world.run(4)
    assert first.stats.sent_full == 3
    assert second.stats.sent_full == 4


def test_those_in_seats_get_their_own_mix_and_nobody_hears_themselves() -> None:
    world = World()
    _, room = world.room(1, 2, silent=(3,))
    first, second, silent, listener = (world.join() for _ in range(4))
    for each, seat in ((first, 1), (second, 2), (silent, 3), (listener, None)):
        room.enter(each.near)
        if seat is not None:
            room.seat(each.near, seat)
    room.subscribe()
    world.run(20)
    frames = room.take_frames()
    for each, audience in ((first, 1), (second, 2), (silent, FULL), (listener, FULL)):
        assert each.datagrams == [d for a, d, _ in frames if a == audience]
    assert {excluded for a, _, excluded in frames if a == FULL} == {frozenset({1, 2})}
    assert first.heard[-1].seats == (2,)
    assert room.stats.sent_seat == 40 and room.stats.sent_full == 40 and room.stats.nobody == 0


def test_a_lone_speaker_hears_nothing_and_a_packet_for_an_empty_seat_is_counted() -> None:
    world = World()
    _, room = world.room(1)
    alone = world.join()
    room.enter(alone.near)
    room.seat(alone.near, 1)
    world.run(10)
    assert {len(packet.frames[0]) for packet in alone.heard} <= {1}, "a pause at most"
    world.room(5, 6)
    world.run(10)
    assert world.media.stats.nobody >= 20


def test_a_seat_given_up_is_hearing_the_full_mix_again() -> None:
    world = World()
    _, room = world.room(1, 2)
    person = world.join()
    room.enter(person.near, bundle=2)
    room.seat(person.near, 1)
    world.run(5)
    assert {packet.seats for packet in person.heard} == {(2,)}
    room.seat(person.near, None)
    world.run(5)
    assert person.heard[-1].seats in ((1, 2), (2, 1))
    assert consecutive(person)


@pytest.mark.parametrize(
    ("most", "room_most", "expected"), [(1, 3, 1), (2, 2, 2), (3, 3, 3), (3, 2, 2), (2, 3, 2), (3, 1, 1)]
)
def test_a_bundle_is_as_large_as_listener_and_room_allow(most: int, room_most: int, expected: int) -> None:
    world = World()
    _, room = world.room(1, bundle=room_most)
    listeners = [world.join() for _ in range(6)]
    for listener in listeners:
        room.enter(listener.near, bundle=most)
    world.run(4)
    sent = []
    for _ in range(12):
        before = room.stats.sent_full
        world.tick()
        sent.append(room.stats.sent_full - before)
    assert set(sent) == {6 // expected}, "each tick has its share of the packets"
    for listener in listeners:
        assert listener.sizes[0] == 1, "the first frame comes at once"
        assert set(listener.sizes[2:]) == {expected}
        assert consecutive(listener)
    assert sum(room.stats.by_bundle) == 6 and room.stats.by_bundle[expected - 1] == 6


def test_automatic_bundles_begin_above_the_bound() -> None:
    world = World()
    _, room = world.room(1, bundle=0, bundle_above=4)
    listeners = [world.join() for _ in range(5)]
    for listener in listeners[:4]:
        room.enter(listener.near, bundle=3)
    world.run(6)
    assert room.stats.by_bundle == (4, 0, 0)
    room.enter(listeners[4].near, bundle=3)
    world.run(6)
    assert room.stats.by_bundle == (0, 5, 0)
    room.leave(listeners[0].near)
    world.run(6)
    assert room.stats.by_bundle == (4, 0, 0)
    for listener in listeners[1:]:
        assert consecutive(listener) and max(listener.sizes) == 2
        assert abs(len(listener.seqs) - (12 if listener is listeners[4] else 18)) <= 1


def test_somebody_in_a_seat_always_gets_single_frames() -> None:
    world = World()
    _, room = world.room(1, bundle=3, silent=(2,))
    person = world.join()
    room.enter(person.near, bundle=3)
    room.seat(person.near, 2)
    world.run(10)
    assert person.sizes == [1] * 10


def test_a_pause_is_never_held_back_and_takes_what_waits_with_it() -> None:
    for offset in range(3):
        world = World()
        space, room = world.room(1, bundle=3)
        listeners = [world.join() for _ in range(3)]
        for listener in listeners:
            room.enter(listener.near, bundle=3)
        room.subscribe()
        world.run(10 + offset)
        world.hush(space)
        frames: list[tuple[int, bytes, frozenset[int]]] = []
        while not frames or len(frames[-1][1]) > 20:
            world.tick()
            frames = room.take_frames() or frames
        last = frames[-1][1]
        for listener in listeners:
            assert consecutive(listener)
            assert listener.heard[-1].frames[-1] == last[13 + last[12] :], (
                "everyone has the pause in its own tick"
            )


def test_what_waits_when_the_stream_breaks_goes_out_first() -> None:
    world = World()
    space, room = world.room(1, bundle=3)
    listeners = [world.join() for _ in range(3)]
    for listener in listeners:
        room.enter(listener.near, bundle=3)
    for _ in range(3):
        world.run(7)
        # A tick that the media side knows nothing of: its frame is nobody's, and the next one joins nothing.
        space.put_pcm(1, sound(1, world.now_us))
        space.tick(world.now_us)
    world.run(9)
    expected = [seq for seq in range(33) if seq not in (7, 15, 23)]
    for listener in listeners:
        assert listener.seqs == expected[: len(listener.seqs)]
        assert len(listener.seqs) >= len(expected) - 2
        assert all(packet.timestamp == packet.seq * 960 for packet in listener.heard), (
            "no datagram reaches over the gap"
        )
    assert room.stats.missed == 9, "as the numbers tell: three frames that three people did not get"


def test_one_who_comes_during_silence_is_not_sent_what_was_said_before() -> None:
    world = World()
    space, room = world.room(1)
    space.add_seat(2)
    first = world.join()
    room.enter(first.near)
    world.run(10)
    world.hush(space)
    world.run(60)
    late = world.join()
    room.enter(late.near)
    world.run(10)
    assert late.datagrams == []


def test_a_listener_with_loss_gets_single_frames_until_it_has_stayed_away() -> None:
    world = World()
    _, room = world.room(1, bundle=2)
    good, bad = world.join(), world.join()
    for listener in (good, bad):
        room.enter(listener.near, bundle=2)
    world.run(10)
    world.send(bad, loss(lost=1, received=49))
    world.run(4)
    assert bad.sizes[-1] == 2, "2 % is not above 2 %"
    world.send(bad, loss(lost=2, received=97))
    world.run(10)
    assert bad.sizes[-6:] == [1] * 6 and good.sizes[-4:] == [2] * 4
    assert room.stats.lossy == 1 and room.stats.by_bundle == (1, 1, 0)
    world.run(LOSSY_TICKS - 12)
    assert bad.sizes[-1] == 1
    world.run(14)
    assert bad.sizes[-1] == 2 and room.stats.lossy == 0
    assert consecutive(bad) and consecutive(good)


def test_frames_for_a_held_connection_wait_and_the_oldest_is_dropped() -> None:
    world = World()
    _, room = world.room(1)
    held, other = world.join(), world.join()
    for listener in (held, other):
        room.enter(listener.near)
    world.run(4)
    for ticks in (1, 3, 4, 7):
        before = len(other.seqs)
        held.near.hold()
        elsewhere(world.run, ticks)
        packets = held.near.release(world.now_us)
        assert len(other.seqs) == before + ticks, "the others lose nothing"
        for packet, _ in packets:
            held.take(packet, world.now_us)
        assert held.seqs[-min(3, ticks) :] == other.seqs[-min(3, ticks) :]
        assert len(packets) == min(3, ticks)
        world.run(3)
        assert held.seqs[-6:][-3:] == other.seqs[-3:], "no frame comes twice"
    assert len(set(held.seqs)) == len(held.seqs)
    assert room.stats.held == 1 + 3 + 4 + 7
    assert world.server.stats.held_dropped == 1 + 4


def elsewhere(call: object, *arguments: object) -> None:
    """Call in another thread, which does not hold what this one holds, and wait for it."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            call(*arguments)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def test_who_leaves_while_held_is_not_sent_what_waited() -> None:
    world = World()
    _, room = world.room(1)
    listener = world.join()
    room.enter(listener.near)
    world.run(4)
    listener.near.hold()
    elsewhere(world.run, 2)
    room.leave(listener.near)
    assert listener.near.release(world.now_us) == []
    assert room.stats.held == 2


def test_a_bundle_that_waits_for_a_held_connection_goes_as_single_frames() -> None:
    world = World()
    _, room = world.room(1, bundle=2)
    listener = world.join()
    room.enter(listener.near, bundle=2)
    world.run(6)
    listener.near.hold()
    elsewhere(world.run, 3)
    for packet, _ in listener.near.release(world.now_us):
        listener.take(packet, world.now_us)
    world.run(6)
    assert consecutive(listener) and max(listener.sizes) == 2


def test_a_slot_used_again_never_gets_what_was_for_its_last_owner() -> None:
    world = World(connections=1)
    _, room = world.room(1)
    old = world.join()
    room.enter(old.near)
    world.run(3)
    slot, generation = old.near.slot, old.near.generation
    old.near.close()
    old.far.close()
    new = world.join()
    assert (new.near.slot, new.near.generation) == (slot, generation + 2)
    world.run(3)
    assert new.datagrams == []
    room.leave(old.near)
    with pytest.raises(PlaneError) as caught:
        room.enter(old.near)
    assert caught.value.code == "closed"
    room.enter(new.near)
    world.run(3)
    assert len(new.seqs) == 3


def test_a_connection_that_may_not_send_is_passed_over_and_counted() -> None:
    world = World()
    _, room = world.room(1)
    barred, small, fine = (world.join() for _ in range(3))
    for listener in (barred, small, fine):
        room.enter(listener.near)
    world.tick()
    barred.near.flags = 0
    small.accepts(20)
    world.run(5)
    assert (len(barred.seqs), len(small.seqs), len(fine.seqs)) == (1, 1, 6)
    assert room.stats.refused == 10
    barred.near.flags = TX
    world.run(2)
    assert barred.seqs[-2:] == fine.seqs[-2:], "nothing of what it missed comes late"


def test_frames_too_large_for_one_datagram_together_go_one_by_one() -> None:
    world = World()
    _, room = world.room(1, bundle=2)
    listener = world.join()
    room.enter(listener.near, bundle=2)
    world.run(6)
    n_bytes = len(listener.datagrams[-1])
    listener.accepts(n_bytes - 20)
    before = room.stats
    world.run(6)
    after = room.stats
    assert after.refused == before.refused
    assert after.sent_full - before.sent_full == after.frames - before.frames == 6


def test_clearing_a_room_silences_it_at_once() -> None:
    world = World()
    _, room = world.room(1)
    listeners = [world.join() for _ in range(4)]
    for listener in listeners:
        room.enter(listener.near)
    world.run(2)
    room.clear()
    world.run(2)
    assert {len(listener.seqs) for listener in listeners} == {2}
    with pytest.raises(MediaError) as caught:
        room.seat(listeners[0].near, 3)
    assert caught.value.code == "not_inside"
    room.enter(listeners[0].near)
    world.run(2)
    assert [len(listener.seqs) for listener in listeners] == [4, 2, 2, 2]


def test_the_list_of_a_room_grows_and_what_has_left_makes_place() -> None:
    world = World(connections=200)
    _, room = world.room(1)
    listeners = [world.join() for _ in range(100)]
    for _ in range(3):
        for listener in listeners:
            room.enter(listener.near)
        world.run(2)
    assert {len(listener.seqs) for listener in listeners} == {6}
    assert room.stats.entries == 100


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["enter", "enter", "leave", "seat", "stand", "hold", "tick", "tick", "tick", "clear"]
        ),
        st.integers(0, 3),
        st.integers(0, 1),
        st.integers(1, 3),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(ACTS)
def test_whatever_people_do_they_hear_their_room_alone_each_frame_once(
    acts: list[tuple[str, int, int, int]],
) -> None:
    world = World(connections=8)
    rooms = [world.room(10 + i, 20 + i, bundle=i + 1, silent=(3,))[1] for i in range(2)]
    people = [world.join() for _ in range(4)]
    where: dict[int, int] = {}
    for act, who, which, most in acts:
        person, room = people[who], rooms[which]
        if act == "enter":
            room.enter(person.near, bundle=most)
            where[who] = which
        elif act == "leave":
            room.leave(person.near)
            if where.get(who) == which:
                del where[who]
        elif act == "clear":
            room.clear()
            where = {someone: place for someone, place in where.items() if place != which}
        elif act in ("seat", "stand") and where.get(who) == which:
            room.seat(person.near, 3 if act == "seat" else None)
        elif act == "hold":
            person.near.hold()
            elsewhere(world.tick)
            for packet, _ in person.near.release(world.now_us):
                person.take(packet, world.now_us)
        before = [len(each.heard) for each in people]
        world.tick()
        for i, each in enumerate(people):
            fresh = each.heard[before[i] :]
            assert fresh == [] or i in where, f"person {i} hears without being anywhere"
            assert all({10 + where[i]} <= set(packet.seats) for packet in fresh), "of its own room"
            numbers = [packet.seq + k for packet in fresh for k in range(len(packet.frames))]
            assert len(set(numbers)) == len(numbers)


def test_a_space_is_ticked_by_one_room_at_a_time() -> None:
    world = World()
    space, room = world.room(1)
    with pytest.raises(MediaError) as caught:
        world.media.add_room(space)
    assert caught.value.code == "room_taken"
    room.close()
    world.tick()
    again = world.media.add_room(space)
    world.run(2)
    assert world.media.stats.rooms == 1 and again.applied >= 1


def test_a_connection_of_another_plane_is_refused() -> None:
    world = World()
    _, room = world.room(1)
    listener = world.join()
    with pytest.raises(MediaError) as caught:
        room.enter(listener.far)
    assert caught.value.code == "other_plane"
    world.run(2)
    assert listener.seqs == []
