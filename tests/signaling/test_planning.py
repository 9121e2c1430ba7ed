"""Scheduled Spaces: announced, moved, called off, started; and who is told when, also after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from signaling.config import HostingConfig, PeopleConfig
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules.plans import LIMITS
from signaling.server.notices import MISSED_MAX
from signaling.store import Store
from tests.signaling.memory_graph import PlainGraph
from tests.signaling.server_world import Caller
from tests.signaling.town import Town, pushed, tell
from tests.virtual.loop import run

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
SOON, LIVE, CANCELLED, MOVED = range(4)


def in_ms(town: Town, ahead_ms: int) -> int:
    """A time from now, in milliseconds since the epoch."""
    return town.around.wall_us() // 1_000 + ahead_ms


async def jump(town: Town, minutes: float) -> None:
    """Let minutes pass without ticking through them; alarms ring on the way, a minute apart."""
    for _ in range(round(minutes)):
        town.now_us += MINUTE_MS * 1_000 - 20_000
        town.tick()
        await town.settle()


async def planned(town: Town, host: Caller, ahead_ms: int = HOUR_MS, title: str = "Tea") -> wire.PlannedSpace:
    """Somebody schedules a Space."""
    answer = await host.ask(wire.Schedule, title, in_ms(town, ahead_ms), ["Cake"])
    assert isinstance(answer, wire.Planned), answer
    return answer.planned


async def fan(town: Town, user: str, host: str, space: bytes) -> Caller:
    """Somebody follows a host and wants to be told of a Space."""
    caller = await town.known(user)
    await town.follow(caller, host)
    assert isinstance(await caller.ask(wire.Remind, space), wire.Ok)
    return caller


def told(caller: Caller) -> list[int]:
    """What somebody was told since the last call."""
    return [notice.what for notice in pushed(caller, wire.Notice)]


def test_a_scheduled_space_is_announced_moved_and_called_off() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        plan = await planned(town, ann)
        assert (plan.host, plan.title, plan.topics) == ("ann", "Tea", ["cake"])
        moved = await ann.ask(wire.Reschedule, plan.space, in_ms(town, 2 * HOUR_MS))
        assert moved.planned.starts_ms - plan.starts_ms > MINUTE_MS
        assert [each.space for each in (await bo.ask(wire.ListPlanned, "ann")).plans] == [plan.space]
        assert isinstance(await ann.ask(wire.Cancel, plan.space), wire.Ok)
        assert (await bo.ask(wire.ListPlanned, "ann")).plans == []
        assert (await ann.ask(wire.Cancel, plan.space)).code == ErrorCode.not_planned
        peeked = await bo.ask(wire.Peek, plan.space)
        assert (peeked.state, peeked.settings.title) == (3, "Tea")

    tell(story)


def test_only_its_host_may_move_start_or_call_off() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        plan = await planned(town, ann, 10 * MINUTE_MS)
        for kind, *fields in (
            (wire.Reschedule, plan.space, in_ms(town, HOUR_MS)),
            (wire.Cancel, plan.space),
            (wire.Start, plan.space),
        ):
            assert (await bo.ask(kind, *fields)).code == ErrorCode.not_permitted
            assert (await bo.ask(kind, bytes(16), *fields[1:])).code == ErrorCode.no_such_space
        assert isinstance(await ann.ask(wire.Start, plan.space), wire.Joined)

    tell(story)


def test_ten_at_a_time_up_to_thirty_days_ahead() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        for ahead_ms in (-MINUTE_MS, 0, 30 * 24 * HOUR_MS + MINUTE_MS):
            answer = await ann.ask(wire.Schedule, "Tea", in_ms(town, ahead_ms))
            assert answer.code == ErrorCode.bad_time
        for number in range(LIMITS.per_host):
            await planned(town, ann, 30 * 24 * HOUR_MS - number * MINUTE_MS)
        answer = await ann.ask(wire.Schedule, "Tea", in_ms(town, HOUR_MS))
        assert answer.code == ErrorCode.too_many_planned
        assert str(LIMITS.per_host) in answer.message
        assert (await ann.ask(wire.Schedule, "\u202e", in_ms(town, HOUR_MS))).code == ErrorCode.bad_value

    tell(story)


def test_the_server_holds_so_many_plans_and_no_more() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        plan = await planned(town, ann)
        answer = await bo.ask(wire.Schedule, "Tea", in_ms(town, HOUR_MS))
        assert (answer.code, answer.retry_after_ms > 0) == (ErrorCode.too_many_planned, True)
        await ann.ask(wire.Cancel, plan.space)
        await planned(town, bo)

    tell(story, people=PeopleConfig(plans=1))


def test_a_started_space_is_live_under_its_id_and_who_wanted_to_know_is_told() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann)
        bo = await fan(town, "bo", "ann", plan.space)
        cy = await town.known("cy")
        assert (await ann.ask(wire.Start, plan.space)).code == ErrorCode.bad_time
        await jump(town, 50)
        told(ann)
        live = await ann.ask(wire.Start, plan.space)
        assert (live.space, live.title, live.settings.topics) == (plan.space, "Tea", ["cake"])
        await town.settle()
        (notice,) = pushed(bo, wire.Notice)
        assert (notice.what, notice.space, notice.title, notice.host_name) == (LIVE, plan.space, "Tea", "ann")
        assert told(cy) == []
        assert isinstance(await bo.ask(wire.Join, plan.space), wire.Joined)
        assert (await bo.ask(wire.ListPlanned, "ann")).plans == []
        assert (await bo.ask(wire.Remind, plan.space)).code == ErrorCode.not_planned
        assert isinstance(await ann.ask(wire.End), wire.Ok)
        assert (await ann.ask(wire.Start, plan.space)).code == ErrorCode.not_planned

    tell(story)


def test_a_second_live_space_is_not_started() -> None:
    async def story(town: Town) -> None:
        ann, _ = await town.host("ann")
        plan = await planned(town, ann, 10 * MINUTE_MS)
        assert (await ann.ask(wire.Start, plan.space)).code == ErrorCode.already_in_space
        again = await town.known("ann")
        assert (await again.ask(wire.Start, plan.space)).code == ErrorCode.already_hosting
        assert [each.space for each in (await again.ask(wire.ListPlanned)).plans] == [plan.space]

    tell(story)


def test_the_host_is_told_half_an_hour_before() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        await planned(town, ann)
        await jump(town, 29)
        assert told(ann) == []
        await jump(town, 2)
        assert told(ann) == [SOON]
        await jump(town, 20)
        assert told(ann) == []

    tell(story)


def test_a_host_who_was_away_is_told_when_they_come() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        await planned(town, ann)
        await ann.hang_up()
        await jump(town, 40)
        again = await town.known("ann")
        await town.pass_time(0.1)
        assert told(again) == [SOON]
        await again.hang_up()
        third = await town.known("ann")
        await town.pass_time(0.1)
        assert told(third) == [], "once"

    tell(story)


def test_a_plan_that_nobody_starts_is_called_off() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann, 40 * MINUTE_MS)
        bo = await fan(town, "bo", "ann", plan.space)
        await jump(town, 99)
        assert told(bo) == []
        await jump(town, 3)
        assert told(bo) == [CANCELLED]
        assert told(ann) == [SOON, CANCELLED]
        assert (await bo.ask(wire.Peek, plan.space)).state == 3
        assert len(town.parts.planning) == 0

    tell(story)


def test_who_is_reminded_is_told_of_another_time_and_of_the_end() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann)
        bo = await fan(town, "bo", "ann", plan.space)
        listed = (await bo.ask(wire.ListPlanned)).plans
        assert [(each.reminded, each.reminders) for each in listed] == [(True, 1)]
        later = in_ms(town, 3 * HOUR_MS)
        await ann.ask(wire.Reschedule, plan.space, later)
        await town.settle()
        (notice,) = pushed(bo, wire.Notice)
        assert (notice.what, notice.starts_ms) == (MOVED, later)
        await ann.ask(wire.Cancel, plan.space)
        await town.settle()
        assert told(bo) == [CANCELLED]

    tell(story)


def test_who_takes_a_reminder_back_is_told_nothing() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann)
        bo = await fan(town, "bo", "ann", plan.space)
        assert isinstance(await bo.ask(wire.Remind, plan.space, False), wire.Ok)
        await ann.ask(wire.Cancel, plan.space)
        await town.settle()
        assert told(bo) == []

    tell(story)


def test_reminders_are_for_followers() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        plan = await planned(town, ann)
        assert (await bo.ask(wire.Remind, plan.space)).code == ErrorCode.not_permitted
        assert (await bo.ask(wire.Remind, bytes(16))).code == ErrorCode.no_such_space
        await ann.ask(wire.Block, "bo")
        answer = await bo.ask(wire.Remind, plan.space)
        absent = await bo.ask(wire.Remind, bytes(16))
        assert answer.code == absent.code == ErrorCode.no_such_space
        assert answer.message.replace(plan.space.hex(), "ID") == absent.message.replace(bytes(16).hex(), "ID")

    tell(story)


def test_what_was_missed_is_told_once_at_the_next_hello() -> None:
    async def story(town: Town) -> None:
        ann, zoe = await town.people_named("ann", "zoe")
        one, two = await planned(town, ann), await planned(town, zoe, title="Cake")
        bo = await fan(town, "bo", "ann", one.space)
        await town.follow(bo, "zoe")
        await bo.ask(wire.Remind, two.space)
        await bo.hang_up()
        await town.pass_time(0.1)
        await ann.ask(wire.Cancel, one.space)
        await zoe.ask(wire.Reschedule, two.space, in_ms(town, 2 * HOUR_MS))
        await town.settle()
        again = await town.known("bo")
        await town.pass_time(0.1)
        assert sorted(told(again)) == [CANCELLED, MOVED]
        await again.hang_up()
        third = await town.known("bo")
        await town.pass_time(0.1)
        assert told(third) == []

    tell(story)


def test_what_began_and_ended_while_one_was_away_is_no_news() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann, 10 * MINUTE_MS)
        bo = await fan(town, "bo", "ann", plan.space)
        await bo.hang_up()
        await ann.ask(wire.Start, plan.space)
        await ann.ask(wire.End)
        await town.settle()
        again = await town.known("bo")
        await town.pass_time(0.1)
        assert told(again) == []

    tell(story)


def test_no_more_than_the_latest_are_told_of_what_was_missed() -> None:
    async def story(town: Town) -> None:
        hosts = [await town.known(f"h{number}") for number in range(6)]
        bo = await town.known("bo")
        plans = []
        for number, host in enumerate(hosts):
            await town.follow(bo, f"h{number}")
            for _ in range(10):
                plan = await planned(town, host)
                plans.append((host, plan))
                await town.pass_time(1)
                assert isinstance(await bo.ask(wire.Remind, plan.space), wire.Ok)
        await bo.hang_up()
        for host, plan in plans:
            await host.ask(wire.Cancel, plan.space)
        again = await town.known("bo")
        await town.pass_time(0.2)
        assert len(told(again)) == MISSED_MAX

    tell(story)


def test_a_block_silences_reminders() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann)
        bo = await fan(town, "bo", "ann", plan.space)
        await ann.ask(wire.Block, "bo")
        await ann.ask(wire.Cancel, plan.space)
        await town.settle()
        assert told(bo) == []
        await bo.hang_up()
        again = await town.known("bo")
        await town.pass_time(0.1)
        assert told(again) == []
        assert (await again.ask(wire.ListPlanned, "ann")).plans == []

    tell(story)


def test_plans_are_listed_by_time_page_by_page() -> None:
    async def story(town: Town) -> None:
        ann, bo, cy = await town.people_named("ann", "bo", "cy")
        await town.follow(cy, "ann")
        later = await planned(town, ann, 3 * HOUR_MS)
        first = await planned(town, ann, HOUR_MS)
        await planned(town, bo, 2 * HOUR_MS)
        mine = await planned(town, cy, 2 * HOUR_MS)
        page = await cy.ask(wire.ListPlanned, "", 2)
        rest = await cy.ask(wire.ListPlanned, "", 2, page.more)
        assert [each.space for each in (*page.plans, *rest.plans)] == [first.space, mine.space, later.space]
        assert rest.more is None
        await ann.ask(wire.SetProfile, "", "ann_lee")
        assert len((await cy.ask(wire.ListPlanned, "@Ann_Lee")).plans) == 2
        assert (await cy.ask(wire.ListPlanned, "@nobody")).code == ErrorCode.no_such_person
        assert (await cy.ask(wire.ListPlanned, "", 2, b"no cursor")).code == ErrorCode.bad_value

    tell(story)


def test_a_scheduled_space_can_be_peeked_at() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann)
        bo = await fan(town, "bo", "ann", plan.space)
        peeked = await bo.ask(wire.Peek, plan.space)
        assert (peeked.state, peeked.starts_ms, peeked.reminded) == (0, plan.starts_ms, True)
        assert not (await ann.ask(wire.Peek, plan.space)).reminded

    tell(story)


def test_the_gate_is_asked_again_at_the_start() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        await town.follow(bo, "ann")
        plan = await planned(town, ann, 10 * MINUTE_MS)
        await bo.ask(wire.Unfollow, "ann")
        assert (await ann.ask(wire.Start, plan.space)).code == ErrorCode.too_few_followers

    tell(story, hosting=HostingConfig(min_followers=1))


def test_a_graph_that_fails_stops_no_plan() -> None:
    graph = PlainGraph()
    graph.edges = {("bo", "ann")}

    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        plan = await planned(town, ann)
        bo = await town.known("bo")
        assert isinstance(await bo.ask(wire.Remind, plan.space), wire.Ok)
        graph.fails = OSError("no network")
        await town.pass_time(0.1)
        assert (await bo.ask(wire.Remind, plan.space)).code == ErrorCode.busy
        assert isinstance(await ann.ask(wire.Cancel, plan.space), wire.Ok), "its host needs no graph"
        await town.settle()
        assert (told(bo), town.counts.notices_failed) == ([], 1)
        graph.fails = None
        await bo.hang_up()
        again = await town.known("bo")
        await town.pass_time(0.1)
        assert told(again) == [CANCELLED], "told when the graph answers"

    tell(story, graph=graph)


def twice(path: Path, *stories: Callable[[Town], Awaitable[None]]) -> None:
    """Tell each story in a town of its own, one after the other, over the same file."""
    for story in stories:
        store = Store(f"sqlite+aiosqlite:///{path}")

        async def whole(story: Callable[[Town], Awaitable[None]], store: Store) -> None:
            town = Town(store)
            await store.open()
            try:
                await town.parts.planning.restore()
                await story(town)
            finally:
                await town.close()

        run(whole(story, store), external_busy=lambda store=store: store.in_progress > 0)  # type: ignore[misc]


def test_plans_outlive_the_server(tmp_path: Path) -> None:
    kept: list[bytes] = []

    async def before(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        kept.append((await planned(town, ann)).space)
        await fan(town, "bo", "ann", kept[0])

    async def after(town: Town) -> None:
        assert len(town.parts.planning) == 1
        ann, bo = await town.people_named("ann", "bo")
        await jump(town, 31)
        assert told(ann) == [SOON]
        await jump(town, 20)
        live = await ann.ask(wire.Start, kept[0])
        assert (live.space, live.title) == (kept[0], "Tea")
        await town.settle()
        assert told(bo) == [LIVE]

    twice(tmp_path / "spaces.sqlite", before, after)


def test_a_plan_that_lapsed_while_the_server_was_down_is_called_off(tmp_path: Path) -> None:
    kept: list[bytes] = []

    async def before(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        kept.append((await planned(town, ann, 2 * MINUTE_MS)).space)

    async def after(town: Town) -> None:
        town.now_us += 3 * HOUR_MS * 1_000
        town.tick()
        await town.settle()
        (bo,) = await town.people_named("bo")
        assert (await bo.ask(wire.Peek, kept[0])).state == 3

    twice(tmp_path / "spaces.sqlite", before, after)


def test_two_starts_at_once_open_one_space() -> None:
    async def story(town: Town) -> None:
        ann, again = await town.known("ann"), await town.known("ann")
        plan = await planned(town, ann, 10 * MINUTE_MS)
        answers = await asyncio.gather(ann.ask(wire.Start, plan.space), again.ask(wire.Start, plan.space))
        assert sum(isinstance(answer, wire.Joined) for answer in answers) == 1
        (refused,) = [answer for answer in answers if isinstance(answer, wire.Error)]
        assert refused.code in (ErrorCode.already_hosting, ErrorCode.not_planned)

    tell(story)
