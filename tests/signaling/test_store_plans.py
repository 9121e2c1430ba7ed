"""Scheduled Spaces in the store: announced, moved, begun, cancelled, found; and who has been told."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Person, Settings
from signaling.rules.plans import (
    HostTold,
    Plan,
    PlanAdded,
    PlanCancelled,
    PlanMoved,
    PlanStarted,
    ReminderSet,
    ReminderTaken,
)
from signaling.store import Listed, StoredSpace, StoreError, accounts, follows, plans, spaces, tables
from signaling.store.record_plans import record_plan
from tests.signaling.store_stories import Told

ONE, TWO, THREE = (bytes([number]) * 16 for number in (1, 2, 3))


async def planned(
    connection: AsyncConnection,
    space: bytes,
    host: str,
    starts_us: int,
    *,
    title: str = "T",
    topics: str = "",
) -> None:
    await plans.add(
        connection,
        space=space,
        title=title,
        host=host,
        host_name=host.title(),
        starts_us=starts_us,
        now_us=1,
        topics=topics.split(),
    )


def ids(found: list[Listed]) -> list[bytes]:
    return [listed.plan.space for listed in found]


def test_a_plan_goes_its_way_by_the_rules(told: Told) -> None:
    plan = Plan(ONE, Settings("Sea talk", ("sea",), kind="class"), "ann", "Ann", 100)

    async def story(connection: AsyncConnection) -> None:
        await record_plan(connection, [PlanAdded(plan)], 1)
        stored = StoredSpace(
            ONE, "Sea talk", "ann", "Ann", "scheduled", None, None, None, "ann", ("sea",), "class"
        )
        for name in ("bob", "cat"):
            await accounts.ensure(connection, name, name.title(), 1)
            await record_plan(connection, [ReminderSet(ONE, name), ReminderSet(ONE, name)], 1)
        await record_plan(connection, [ReminderTaken(ONE, "cat"), HostTold(ONE)], 2)
        listed = await plans.get(connection, "bob", ONE)
        assert listed is not None
        assert (listed.reminders, listed.reminded, listed.plan.notice_us) == (1, True, 2)
        await record_plan(connection, [PlanMoved(ONE, 200)], 3)
        listed = await plans.get(connection, "cat", ONE)
        assert listed is not None
        assert (listed.reminded, listed.plan.starts_us, listed.plan.notice_us) == (False, 200, None)
        await record_plan(connection, [PlanStarted(ONE)], 4)
        await spaces.add(connection, space=ONE, title="Now", host="ann", host_name="Ann", now_us=4)
        live = await spaces.get(connection, ONE)
        assert live is not None
        assert (live.state, live.title, live.opened_us, live.starts_us) == ("live", "Now", 4, 200)
        assert (live.topics, stored.topics) == ((), ("sea",))
        assert await plans.get(connection, "bob", ONE) is None

    told(story)


def test_only_what_is_scheduled_is_moved_begun_or_cancelled(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await planned(connection, ONE, "ann", 100)
        await record_plan(connection, [PlanCancelled(ONE, "host_cancelled")], 5)
        stored = await spaces.get(connection, ONE)
        assert stored is not None
        assert (stored.state, stored.ended_us, stored.ended_reason) == ("cancelled", 5, "host_cancelled")
        for attempt in (
            plans.move(connection, ONE, 200, 6),
            plans.cancel(connection, ONE, "again", 6),
            plans.host_told(connection, ONE, 6),
            plans.remind(connection, ONE, "ann", True, 6),
        ):
            with pytest.raises(StoreError) as caught:
                await attempt
            assert caught.value.code == "no_such_space"
        with pytest.raises(StoreError, match="is cancelled") as caught:
            await spaces.add(connection, space=ONE, title="T", host="ann", host_name="Ann", now_us=7)
        assert caught.value.code == "inconsistent"

    told(story)


def test_plans_are_found_by_host_by_follows_and_by_words(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await planned(connection, ONE, "ann", 300, title="Straße & 100 %", topics="sea tea")
        await planned(connection, TWO, "bob", 100, title="Hills_and hills", topics="sea")
        await planned(connection, THREE, "cat", 200, title="HILLS", topics="tea")
        await accounts.ensure(connection, "eve", "Eve", 1)
        await follows.follow(connection, "eve", "bob", 1)
        await follows.follow(connection, "eve", "ann", 1)
        assert ids((await plans.upcoming(connection, "eve"))[0]) == [TWO, ONE], "the next first"
        assert ids((await plans.upcoming(connection, "cat"))[0]) == [THREE], "one's own"
        assert ids((await plans.upcoming(connection, "eve", host="cat"))[0]) == [THREE]
        for text, topic, wanted in (
            ("STRASSE", "", [ONE]),
            ("100 %", "", [ONE]),
            ("hills", "", [TWO, THREE]),
            ("hills_", "", [TWO]),
            ("%", "", [ONE]),
            ("\\", "", []),
            ("", "Sea", [TWO, ONE]),
            ("hills", "TEA", [THREE]),
            ("", "se", []),
        ):
            assert ids((await plans.upcoming(connection, "eve", text=text, topic=topic))[0]) == wanted, text
        first, more = await plans.upcoming(connection, "eve", 1)
        assert ids(first) == [TWO]
        assert ids((await plans.upcoming(connection, "eve", 1, more))[0]) == [ONE]
        page, more = await plans.all_scheduled(connection, 2)
        assert [plan.space for plan in page] == [TWO, THREE]
        rest, last = await plans.all_scheduled(connection, 2, more)
        assert ([plan.space for plan in rest], last) == ([ONE], None)
        assert await plans.count_of(connection, "ann") == 1
        with pytest.raises(StoreError, match="has 3 bytes"):
            await plans.upcoming(connection, "eve", after=b"abc")

    told(story)


def test_who_was_away_is_told_once_what_they_missed(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        for name in ("bob", "cat"):
            await accounts.ensure(connection, name, name.title(), 1)
        for space, host in ((ONE, "ann"), (TWO, "dan"), (THREE, "eve")):
            await planned(connection, space, host, 100)
            for name in ("bob", "cat"):
                assert await plans.remind(connection, space, name, True, 2)
        assert await plans.reminded(connection, ONE) == ([Person("bob", "Bob"), Person("cat", "Cat")], "")
        assert await plans.reminded(connection, ONE, limit=1) == ([Person("bob", "Bob")], "bob")
        assert await plans.untold(connection, "bob") == []
        await plans.move(connection, ONE, 200, 3)
        await plans.cancel(connection, TWO, "host_cancelled", 4)
        await spaces.add(connection, space=THREE, title="T", host="eve", host_name="Eve", now_us=5)
        missed = [(plan.space, plan.state) for plan in await plans.untold(connection, "bob")]
        assert missed == [(THREE, "live"), (TWO, "cancelled"), (ONE, "scheduled")]
        for space, _ in missed:
            await plans.told(connection, space, ["bob"], 6)
        assert await plans.untold(connection, "bob") == []
        assert len(await plans.untold(connection, "cat", 2)) == 2
        await plans.move(connection, ONE, 300, 7)
        assert [plan.space for plan in await plans.untold(connection, "bob")] == [ONE]
        with pytest.raises(StoreError, match="no account"):
            await plans.remind(connection, ONE, "nobody", True, 8)

    told(story)


REFUSED = {
    "a plan without a time": tables.spaces.update().values(starts_us=None),
    "scheduled and opened": tables.spaces.update().values(opened_us=1),
    "scheduled and over": tables.spaces.update().values(ended_us=1),
    "a policy there is not": tables.spaces.update().values(who_may_speak=3),
    "an order there is not": tables.spaces.update().values(queue_order=2),
    "half locked": tables.spaces.update().values(locked=2),
    "a reminder of nobody": tables.reminders.insert().values(space=ONE, user="no", told_us=1),
    "a topic twice": tables.space_topics.insert().values(space=ONE, place=9, topic="sea"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_tables_refuse_it_by_themselves(what: str, told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await planned(connection, ONE, "ann", 100, topics="sea")
        with pytest.raises(IntegrityError):
            await connection.execute(REFUSED[what])

    told(story)
