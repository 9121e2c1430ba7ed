"""Events: numbered per Space, combined within 100 ms, encoded once, newest state; private ones at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from signaling.config import LimitsConfig
from signaling.protocol import messages as wire
from signaling.server.alarms import Alarms
from signaling.server.events import REACTIONS_INTERVAL_US, Bulletin, News
from tests.signaling.server_world import Caller, World
from tests.virtual.loop import run

NUMBERED = (wire.Stage, wire.Queue, wire.Audience, wire.Ended)


def tell(story: Callable[[World], Awaitable[None]], **limits: int) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        world = World(limits=LimitsConfig(**limits))
        await story(world)
        await world.end()

    run(whole())


def numbered(caller: Caller) -> list[Any]:
    return [event for event in caller.peer.take() if isinstance(event, NUMBERED)]


def test_each_event_takes_the_next_serial_and_goes_to_everybody() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await world.pass_time(0.2)
        await ann.ask(wire.Ask)
        await world.pass_time(0.2)
        await host.ask(wire.Admit, "ann")
        await world.pass_time(0.2)
        events = numbered(host)
        assert [event.serial for event in events] == [1, 2, 3, 4, 5]
        assert [type(event) for event in events] == [
            wire.Audience, wire.Queue, wire.Stage, wire.Queue, wire.Audience,
        ]  # fmt: skip
        assert [row.user for row in events[2].stage] == ["host", "ann"]
        assert numbered(ann) == events

    tell(story)


def test_a_first_change_is_told_at_once_and_those_after_it_are_combined() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        for number in range(7):
            await world.listener(f"u{number}", space)
        await world.settle()
        assert host.peer.take(wire.Audience) == [wire.Audience(1, 1)]
        world.tick(4)
        await world.settle()
        assert host.peer.take(wire.Audience) == []
        world.tick()
        await world.settle()
        assert host.peer.take(wire.Audience) == [wire.Audience(2, 7)], "only the newest state"
        await world.pass_time(1)
        assert host.peer.take() == []

    tell(story)


def test_a_snapshot_and_the_events_after_it_fit_together() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        await world.listener("ann", space)
        bo = await world.known("bo")
        joined = await bo.ask(wire.Join, space)
        assert (joined.serial, joined.audience) == (1, 2), "newer than event 1 and told again by event 2"
        await world.pass_time(0.2)
        assert numbered(bo) == [wire.Audience(2, 2)]

    tell(story)


def test_private_events_come_at_once_and_repeat_the_last_serial() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.ask(wire.Ask)
        await world.pass_time(0.2)
        last = world.halls[space].herald.serial
        host.send(wire.Admit, "ann")
        await world.settle()
        assert ann.peer.take(wire.You) == [wire.You(last, 1, 1, False)]
        world.tick(10)
        await world.settle()
        last = world.halls[space].herald.serial
        host.send(wire.Mute, "ann")
        await world.settle()
        assert ann.peer.take(wire.You) == [wire.You(last, 1, 1, True)]
        world.tick(10)
        await world.settle()
        last = world.halls[space].herald.serial
        host.send(wire.Remove, "ann")
        await world.settle()
        assert ann.peer.take(wire.Removed) == [wire.Removed(last, "removed")]

    tell(story)


def test_the_end_is_told_at_once_and_is_the_last_event() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await world.listener("bo", space)  # a change that is still to be told
        host.send(wire.End)
        await world.settle()
        assert numbered(ann)[-1] == wire.Ended(2, "host_ended")
        await world.pass_time(1)
        assert numbered(ann) == []

    tell(story)


def test_the_stage_is_in_order_of_seat_and_an_absent_host_is_muted() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        await world.pass_time(0.2)
        ann.peer.take()
        await host.hang_up()
        await world.pass_time(0.2)
        [stage] = ann.peer.take(wire.Stage)
        assert [(row.seat, row.user, row.muted) for row in stage.stage] == [
            (0, "host", True),
            (1, "ann", False),
        ]

    tell(story)


def test_a_large_audience_is_counted_less_often() -> None:
    bulletin = Bulletin(100_000, 10_000)
    bulletin.mark(News.AUDIENCE)
    assert bulletin.take(0, 5_000) == [News.AUDIENCE]
    bulletin.mark(News.AUDIENCE)
    assert bulletin.due_us(5_000) == 500_000
    bulletin.mark(News.STAGE)
    assert bulletin.due_us(5_000) == 100_000
    assert bulletin.take(100_000, 5_000) == [News.STAGE]
    assert bulletin.take(499_999, 5_000) == []
    assert bulletin.take(500_000, 5_000) == [News.AUDIENCE]


@given(st.lists(st.tuples(st.integers(0, 90_000), st.sampled_from([*News, None])), max_size=60))
def test_pushes_keep_their_distance_and_nothing_is_forgotten(history: list[tuple[int, News | None]]) -> None:
    bulletin, now_us, pushed_us = Bulletin(100_000, 10_000), 0, None
    changed: set[News] = set()
    for pause_us, news in history:
        now_us += pause_us
        if news is News.REACTIONS:
            bulletin.mark_reactions(now_us)
        elif news is not None:
            bulletin.mark(news)
        if news is not None:
            changed.add(news)
        taken = bulletin.take(now_us, 10)
        if taken:
            assert pushed_us is None or now_us - pushed_us >= 100_000
            assert taken == sorted(taken)
            pushed_us = now_us
            changed -= set(taken)
    due_us = bulletin.due_us(10)
    assert (due_us is None) == (not changed)
    while (due_us := bulletin.due_us(10)) is not None:
        now_us = max(now_us, due_us)
        told = set(bulletin.take(now_us, 10))
        assert told
        assert told <= changed
        changed -= told
    assert changed == set()


def test_reactions_are_counted_for_a_second_and_no_change_waits_for_them() -> None:
    bulletin = Bulletin(100_000, 10_000)
    bulletin.mark_reactions(0)
    bulletin.mark_reactions(900_000)
    assert bulletin.due_us(10) == REACTIONS_INTERVAL_US
    bulletin.mark(News.STAGE)
    assert bulletin.take(950_000, 10) == [News.STAGE]
    assert bulletin.due_us(10) == 1_050_000
    assert bulletin.take(1_050_000, 10) == [News.REACTIONS]
    assert bulletin.due_us(10) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 50))), max_size=200))
def test_an_alarm_rings_once_at_its_last_time(wishes: list[tuple[str, int | None]]) -> None:
    told: list[int] = []
    alarms, rung, wanted = Alarms(told.append), [], {}
    for key, at_us in wishes:
        alarms.set(key, at_us, lambda now_us, key=key: rung.append((now_us, key)))
        wanted[key] = at_us
        live = [each for each in wanted.values() if each is not None]
        if live:
            assert alarms.next_us is not None
            assert alarms.next_us <= min(live)
            assert min(told) <= min(live)
    for now_us in range(60):
        for ring in alarms.take_due(now_us):
            ring(now_us)
    assert sorted(rung) == sorted((at_us, key) for key, at_us in wanted.items() if at_us is not None)
    assert len(alarms) == 0
