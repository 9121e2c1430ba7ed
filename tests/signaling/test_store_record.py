"""`record`: whatever happens in a Space by the rules, the store has it, after every single act."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling import rules
from signaling.rules import Effect, OnStage, Outcome, Person, Report, Role
from signaling.store import StoreError, is_durable, record, reports, spaces
from signaling.store.record import _WRITERS
from tests.signaling.store_history import history, written
from tests.signaling.store_stories import Told

SPACE = bytes(range(16))
ACTS = 100


@pytest.mark.parametrize("seed", range(3))
def test_the_store_has_what_happened(told: Told, seed: int) -> None:
    async def story(connection: AsyncConnection) -> None:
        for act in history(seed, ACTS):
            await record(connection, act.space, act.effects, act.now_us)
            if is_durable(act.effects):
                found = await written(connection, act.space)
                assert found == act.kept, f"history({seed}, …), act {act.number}: {act.effects}"

    told(story)


def test_every_durable_effect_is_in_one_of_these_histories() -> None:
    seen: set[type[Effect]] = set()
    for seed in range(4):
        for act in history(seed, 800):
            seen |= {type(effect) for effect in act.effects}
    assert set(_WRITERS) - seen == set()


def test_what_is_written_is_what_the_table_of_effects_says() -> None:
    """The column "store" of `signaling.rules.effects`, both ways."""
    rows = [line.split("|") for line in (rules.effects.__doc__ or "").splitlines() if line.startswith("| ")]
    written_there = {cells[1].strip() for cells in rows[1:] if cells[2].strip() and "---" not in cells[1]}
    assert written_there == {effect.__name__ for effect in _WRITERS}


def test_a_lost_connection_writes_nothing() -> None:
    opened = rules.open_space(SPACE, rules.Settings("T"), "ann", "Ann", 0)
    assert isinstance(opened, Outcome)
    lost = rules.lost(opened.state, "ann", 1)
    assert any(isinstance(effect, rules.SeatRemoved) for effect in lost.effects)
    assert not is_durable(lost.effects)


def test_a_service_without_an_account_may_ban_and_be_named(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await spaces.add(connection, space=SPACE, title="T", host="ann", host_name="Ann", now_us=1)
        acts: list[Effect] = [
            rules.Banned("bob", "Bob", "backend"),
            rules.Audited("backend", "ban", "bob"),
            rules.Audited("", "end"),
        ]
        await record(connection, SPACE, acts, 2)
        await record(connection, SPACE, [rules.Unbanned("bob"), rules.Unbanned("bob")], 3)

    told(story)


def test_evidence_is_kept_as_it_was(told: Told) -> None:
    stage = (OnStage(3, "bob", 'Bob, "the" ❤', Role.CO_HOST, True, True, 40, True),)
    roster = (Person("ann", "Ann"), Person("bob", "Bob"))

    async def story(connection: AsyncConnection) -> None:
        await spaces.add(connection, space=SPACE, title="Then", host="ann", host_name="Ann", now_us=1)
        for number in range(3):
            said = Report(SPACE, "ann", "bob", "spam", f"{number}", number, stage, roster, 7)
            await record(connection, SPACE, [rules.Reported(said)], 2)
        await record(connection, SPACE, [rules.SettingsChanged(rules.Settings("Now"))], 3)
        latest, more = await reports.page(connection, limit=2)
        assert [(kept.title, kept.said.text) for kept in latest] == [("Then", "2"), ("Then", "1")]
        assert latest[0].said.stage == stage
        assert latest[0].said.stage[0].role is Role.CO_HOST
        assert (latest[0].said.roster, latest[0].said.people_count) == (roster, 7)
        rest, more = await reports.page(connection, more, 2)
        assert ([kept.said.text for kept in rest], more) == (["0"], 0)
        assert await reports.page(connection, space=bytes(16)) == ([], 0)

    told(story)


@pytest.mark.parametrize(
    ("effect", "code"),
    [
        (rules.Ended("host_left"), "no_such_space"),
        (rules.SettingsChanged(rules.Settings("T")), "no_such_space"),
        (rules.HostChanged("bob", "Bob", "absent"), "no_such_space"),
        (rules.PlaceGone(3, "bob"), "inconsistent"),
        (rules.SeatChanged(3, "bob", Role.SPEAKER, True), "inconsistent"),
        (rules.AskClosed("bob", "left"), "inconsistent"),
        (rules.LinkClosed(bytes(32), "used", "bob"), "inconsistent"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_fit_what_is_there_is_told(told: Told, effect: Effect, code: str) -> None:
    async def story(connection: AsyncConnection) -> None:
        with pytest.raises(StoreError) as caught:
            await record(connection, SPACE, [effect], 1)
        assert caught.value.code == code

    told(story)


def test_nobody_becomes_the_host_of_two(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await spaces.add(connection, space=SPACE, title="T", host="ann", host_name="Ann", now_us=1)
        await spaces.add(connection, space=bytes(16), title="U", host="bob", host_name="Bob", now_us=1)
        with pytest.raises(StoreError, match="one is the limit") as caught:
            await record(connection, SPACE, [rules.HostChanged("bob", "Bob", "absent")], 2)
        assert caught.value.code == "already_hosting"
        await record(connection, SPACE, [rules.HostChanged("cat", "Cat", "absent")], 2)
        stored = await spaces.hosted_by(connection, "cat")
        assert stored is not None
        assert (stored.space, stored.host_name, stored.founder) == (SPACE, "Cat", "ann")

    told(story)
