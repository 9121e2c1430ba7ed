"""Who talks: times by hand and by property, and stories of a Space whose mixer says who is heard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.server.talking import (
    SPACES_REMEMBERED,
    TALK_TOLD_EVERY_US,
    TALKERS_KEPT,
    TalkBook,
    Talking,
    TalkTimes,
)
from tests.signaling.server_world import World
from tests.signaling.test_overseers import service, tell

SECOND_US = 1_000_000
SITTING = {0: ("ada", "Ada"), 1: ("bo", "Bo")}


def rows(answer: wire.Talkers) -> list[tuple[str, int, int, bool]]:
    return [(row.user, row.talk_ms, row.turns, row.talking) for row in answer.talkers]


def test_turns_are_counted_and_their_lengths_added_up() -> None:
    talking = Talking(TalkTimes())
    talking.on_change([0], 0, SITTING, 0)
    talking.on_change([0, 1], 0, SITTING, 2 * SECOND_US)
    talking.on_change([1], 0, SITTING, 3 * SECOND_US)
    talking.on_change([0, 1], 1, SITTING, 10 * SECOND_US)
    answer = talking.times.answer(7, 11 * SECOND_US)
    assert rows(answer) == [("bo", 9_000, 1, True), ("ada", 4_000, 2, True)]
    assert (answer.id, answer.people, answer.heard_ms) == (7, 2, 13_000)


def test_a_turn_belongs_to_who_began_it() -> None:
    """The seat may have another person by the time the mixer says that it is silent."""
    talking = Talking(TalkTimes())
    talking.on_change([0], 0, SITTING, 0)
    talking.on_change([], 0, {0: ("cy", "Cy")}, SECOND_US)
    talking.on_change([9], 0, SITTING, 2 * SECOND_US)  # nobody sits there any more
    assert rows(talking.times.answer(1, 3 * SECOND_US)) == [("ada", 1_000, 1, False)]


def test_the_end_of_a_space_is_the_end_of_every_turn() -> None:
    book = TalkBook()
    talking = Talking(book.open(bytes(16)))
    talking.on_change([0], 0, SITTING, 0)
    book.close(bytes(16), 5 * SECOND_US)
    assert rows(book.of(bytes(16)).answer(1, 99 * SECOND_US)) == [("ada", 5_000, 1, False)]


def test_more_people_than_are_kept_and_one_past_it() -> None:
    times = TalkTimes()
    for at in range(TALKERS_KEPT):
        times.begins(f"u{at}", "", 0)
        times.stops(f"u{at}", (at + 1) * SECOND_US)
    times.begins("one more", "", 0)
    answer = times.answer(1, 0)
    assert answer.people == TALKERS_KEPT + 1
    assert answer.heard_ms == 1_000 * sum(range(1, TALKERS_KEPT + 1)), "the sum keeps who is forgotten"
    assert len(answer.talkers) == wire.MAX_ROWS
    assert answer.talkers[0].user == f"u{TALKERS_KEPT - 1}"


def test_spaces_that_are_over_are_remembered_up_to_a_bound() -> None:
    book = TalkBook()
    for at in range(SPACES_REMEMBERED + 1):
        space = at.to_bytes(16, "big")
        book.open(space).begins("ada", "Ada", 0)
        book.close(space, SECOND_US)
    assert book.of(bytes(16)).answer(1, 0).people == 0
    assert book.of((1).to_bytes(16, "big")).answer(1, 0).people == 1


def test_services_are_told_at_most_so_often_and_always_of_the_last_state() -> None:
    talking = Talking(TalkTimes())
    assert talking.due_us(1) is None
    told = []
    for tick in range(100):
        talking.on_change([0] if tick % 2 else [0, 1], tick % 2, SITTING, tick * 20_000)
        event = talking.take(tick * 20_000, 3)
        told += [event] if event else []
    assert len(told) <= 2 * SECOND_US // TALK_TOLD_EVERY_US + 1
    due_us = talking.due_us(1)
    assert due_us is not None
    assert talking.due_us(0) is None
    assert talking.take(due_us, 3) == wire.Talking(3, [0], 1)
    assert talking.take(due_us + SECOND_US, 3) is None


@given(st.lists(st.tuples(st.sets(st.sampled_from([0, 1, 5])), st.integers(0, 3_000)), max_size=30))
def test_times_are_those_of_a_clock_beside_each_seat(story: list[tuple[set[int], int]]) -> None:
    talking, now_us = Talking(TalkTimes()), 0
    expected: dict[str, int] = {}
    heard: set[int] = set()
    for seats, wait_ms in story:
        talking.on_change(seats, None, SITTING, now_us)
        heard = seats
        now_us += wait_ms * 1_000
        for seat in heard & set(SITTING):
            user = SITTING[seat][0]
            expected[user] = expected.get(user, 0) + wait_ms
    answer = talking.times.answer(1, now_us)
    assert {row.user: row.talk_ms for row in answer.talkers} == expected
    assert {row.user for row in answer.talkers if row.talking} == {SITTING[s][0] for s in heard & {0, 1}}


def test_a_space_knows_who_talked_while_it_is_live_and_when_it_is_over() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        actor = world.directory.get(space)
        assert actor is not None
        seats = {place.user: place.seat for place in actor.state.on_stage.values()}
        engine = world.engines[space]
        engine.audible, engine.dominant = (seats["ann"],), seats["ann"]
        await world.pass_time(3.0)
        engine.audible = ()
        await world.pass_time(2.0)
        found = await host.ask(wire.ListTalkers)
        [(user, ms, turns, now)] = rows(found)
        assert (user, turns, now) == ("ann", 1, False)
        assert 2_900 <= ms <= 3_100
        assert (await ann.ask(wire.ListTalkers)).code == ErrorCode.not_permitted
        assert host.peer.take(wire.Talking) == ann.peer.take(wire.Talking) == []

    tell(story)


def test_a_service_that_oversees_is_told_who_talks_and_nobody_else_is() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        backend = await service(world, space)
        engine = world.engines[space]
        engine.audible = (0,)
        await world.pass_time(0.1)
        engine.dominant = 0
        await world.pass_time(0.5)
        engine.audible = ()
        await world.pass_time(0.5)
        told = backend.peer.take(wire.Talking)
        assert [(event.seats, event.dominant) for event in told] == [([0], None), ([0], 0), ([], 0)]
        assert len({event.serial for event in told}) == 1, "private: no number of the Space is used"
        assert host.peer.take(wire.Talking) == []

    tell(story)
