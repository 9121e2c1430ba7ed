"""What the store keeps of Spaces: the rules' outcomes written and read again, and what it refuses itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling import rules
from signaling.rules import OnStage, Outcome, Refused, Role, SpaceState, Waiting
from signaling.store import (
    StoredSpace,
    StoreError,
    accounts,
    bans,
    is_durable,
    record,
    spaces,
    stage,
    tables,
)
from tests.signaling.store_stories import Told

SPACE, OTHER = bytes(range(16)), bytes(16)


async def open_one(connection: AsyncConnection, space: bytes, host: str, now_us: int = 1) -> None:
    await spaces.add(
        connection, space=space, title=f"{host}'s", host=host, host_name=host.title(), now_us=now_us
    )


class Written:
    """Keeps a Space as the server does: decide, write, adopt; and compares the store after each step."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.now_us = 0
        self.state: SpaceState

    async def keep(self, answer: Outcome | Refused) -> None:
        assert isinstance(answer, Outcome), answer
        self.now_us += 1
        await record(self.connection, answer.state.space, answer.effects, self.now_us)
        self.state = answer.state
        space = self.state.space
        kept = list(self.state.on_stage.values())
        assert sorted(await stage.on_stage(self.connection, space)) == sorted(kept)
        assert await stage.waiting(self.connection, space) == self.state.queue()
        assert await bans.banned(self.connection, space) == self.state.banned
        stored = await spaces.get(self.connection, space)
        assert stored is not None
        assert (stored.title, stored.host, stored.host_name) == ("Sea talk", "ann", "Ann")
        assert (stored.state, stored.ended_reason or "") == (self.state.state, self.state.ended_reason)

    async def act(self, verb: Callable[..., Outcome | Refused], *args: str) -> None:
        await self.keep(verb(self.state, *args, self.now_us))


def test_a_whole_space_is_written_as_it_goes(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        kept = Written(connection)
        await kept.keep(rules.open_space(SPACE, rules.Settings("Sea talk"), "ann", "Ann", 0))
        for user in ("bob", "cat", "dan"):
            await kept.act(rules.join, user, user.title())
        for user in ("cat", "bob", "dan"):
            await kept.act(rules.ask, user)
        await kept.act(rules.admit, "ann", "bob")
        await kept.act(rules.admit, "ann", "dan")
        await kept.act(rules.decline, "ann", "cat")
        await kept.act(rules.mute, "ann", "bob")
        await kept.act(rules.returned, "bob")
        await kept.act(rules.unmute, "bob", "")
        await kept.act(rules.move, "bob", "")
        await kept.act(rules.ask, "bob")
        await kept.act(rules.remove, "ann", "bob")
        await kept.act(rules.remove, "ann", "dan")
        await kept.act(rules.lost, "ann")
        await kept.act(rules.join, "ann", "Ann")
        await kept.act(rules.ask, "cat")
        await kept.act(rules.lost, "cat")
        await kept.act(rules.end, "ann")
        assert await spaces.get(connection, SPACE) == StoredSpace(
            SPACE, "Sea talk", "ann", "Ann", "ended", 1, kept.now_us, "host_ended", "ann"
        )

    told(story)


def test_listeners_who_come_and_go_write_nothing() -> None:
    opened = rules.open_space(SPACE, rules.Settings("T"), "ann", "Ann", 0)
    assert isinstance(opened, Outcome)
    assert is_durable(opened.effects)
    joined = rules.join(opened.state, "bob", "Bob", 0)
    assert isinstance(joined, Outcome)
    gone = rules.lost(joined.state, "bob", 0)
    assert joined.effects
    assert gone.effects
    assert not is_durable(joined.effects)
    assert not is_durable(gone.effects)


def test_accounts_take_over_new_names(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        assert await accounts.get(connection, "ann") is None
        assert await accounts.ensure(connection, "ann", "Ann", 1)
        assert not await accounts.ensure(connection, "ann", "Ann", 2)
        assert not await accounts.ensure(connection, "ann", "Anna", 3)
        assert await accounts.get(connection, "ann") == accounts.Account("ann", "Anna", 1)

    told(story)


def test_one_live_space_a_host(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        assert await spaces.hosted_by(connection, "ann") is None
        await open_one(connection, SPACE, "ann")
        with pytest.raises(StoreError, match="one is the limit") as caught:
            await open_one(connection, OTHER, "ann")
        assert caught.value.code == "already_hosting"
        found = await spaces.hosted_by(connection, "ann")
        assert found == StoredSpace(SPACE, "ann's", "ann", "Ann", "live", 1, founder="ann")
        assert await spaces.end(connection, SPACE, "host_left", 9)
        assert not await spaces.end(connection, SPACE, "host_left", 10), "once"
        await open_one(connection, OTHER, "ann")
        assert await spaces.count_live(connection) == 1

    told(story)


SPACE_ROW: dict[str, Any] = {
    "space": OTHER,
    "title": "T",
    "host": "bob",
    "host_name": "Bob",
    "state": "live",
    "opened_us": 1,
    "founder": "bob",
    "title_folded": "t",
}
STAGE_ROW: dict[str, Any] = {"space": SPACE, "user": "bob", "seat": 1, "role": 1, "muted": 0, "since_us": 1}
REFUSED = {
    "a second live Space of one host": tables.spaces.insert().values(SPACE_ROW | {"host": "ann"}),
    "an id of another length": tables.spaces.insert().values(SPACE_ROW | {"space": b"short"}),
    "ended without a time": tables.spaces.update().values(state="ended", ended_reason="x"),
    "ended without a reason": tables.spaces.update().values(state="ended", ended_us=1),
    "a state there is not": tables.spaces.update().values(state="unknown"),
    "a host without an account": tables.spaces.update().values(host="nobody"),
    "a seat that is taken": tables.stage.insert().values(STAGE_ROW | {"seat": 0}),
    "a seat past the last": tables.stage.insert().values(STAGE_ROW | {"seat": 256}),
    "a listener on stage": tables.stage.insert().values(STAGE_ROW | {"role": 0}),
    "half muted": tables.stage.insert().values(STAGE_ROW | {"muted": 2}),
    "the stage of no Space": tables.stage.insert().values(STAGE_ROW | {"space": OTHER}),
    "an account in use": tables.accounts.delete(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_tables_refuse_it_by_themselves(what: str, told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await open_one(connection, SPACE, "ann")
        await stage.seat(connection, SPACE, OnStage(0, "ann", "Ann", Role.HOST, False), 1)
        await accounts.ensure(connection, "bob", "Bob", 1)
        with pytest.raises(IntegrityError):
            await connection.execute(REFUSED[what])

    told(story)


def test_the_rows_they_refuse_are_right_but_for_one_thing(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await open_one(connection, SPACE, "ann")
        await accounts.ensure(connection, "bob", "Bob", 1)
        await connection.execute(tables.spaces.insert().values(SPACE_ROW))
        await connection.execute(tables.stage.insert().values(STAGE_ROW))

    told(story)


def test_what_a_crash_left_live_is_ended(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await open_one(connection, SPACE, "ann", 1)
        await open_one(connection, OTHER, "bob", 2)
        await stage.seat(connection, SPACE, OnStage(0, "ann", "Ann", Role.HOST, False), 1)
        await stage.ask(connection, SPACE, Waiting("cat", "Cat"), 1)
        await bans.ban(connection, SPACE, "dan", "Dan", by="ann", now_us=1)
        await spaces.end(connection, OTHER, "host_left", 3)
        assert await spaces.end_all_live(connection, 7) == 1
        ended = await spaces.get(connection, SPACE)
        assert ended is not None
        assert (ended.state, ended.ended_us, ended.ended_reason) == ("ended", 7, "server_restarted")
        other = await spaces.get(connection, OTHER)
        assert other is not None
        assert (other.ended_us, other.ended_reason) == (3, "host_left")
        assert await stage.on_stage(connection, SPACE) == []
        assert await stage.waiting(connection, SPACE) == []
        assert await bans.is_banned(connection, SPACE, "dan")
        assert await spaces.count_live(connection) == 0
        assert await spaces.end_all_live(connection, 8) == 0

    told(story)


def test_live_spaces_are_paged(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        assert await spaces.list_live(connection) == ([], None)
        ids = [bytes([number]) * 16 for number in range(7)]
        for number, space in enumerate(ids):
            await open_one(connection, space, f"h{number}", now_us=number // 2)
        await spaces.end(connection, ids[4], "host_left", 9)
        seen: list[bytes] = []
        after: bytes | None = None
        for _ in range(3):
            page, after = await spaces.list_live(connection, 2, after)
            seen += [found.space for found in page]
        assert after is None
        assert seen == [ids[6], ids[5], ids[2], ids[3], ids[0], ids[1]], "the latest first"
        assert (await spaces.list_live(connection, 6))[1] is None
        with pytest.raises(StoreError, match="has 3 bytes"):
            await spaces.list_live(connection, 2, b"abc")

    told(story)


def test_what_does_not_fit_the_store_is_told(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await open_one(connection, SPACE, "ann")
        for attempt in (
            stage.unseat(connection, SPACE, "bob"),
            stage.change(connection, SPACE, "bob", role=Role.SPEAKER, muted=True, held=False, volume_pct=100),
            stage.close_ask(connection, SPACE, "bob"),
        ):
            with pytest.raises(StoreError, match="0 rows where 1 is right") as caught:
                await attempt
            assert caught.value.code == "inconsistent"
        with pytest.raises(StoreError, match="No live Space") as caught:
            await record(connection, OTHER, (rules.Ended("host_left"),), 1)
        assert caught.value.code == "no_such_space"
        await bans.ban(connection, SPACE, "bob", "Bob", by="ann", now_us=1)
        await bans.ban(connection, SPACE, "bob", "Bob", by="ann", now_us=2)
        assert await bans.banned(connection, SPACE) == {"bob"}
        rows = await connection.execute(sa.select(tables.spaces.c.state))
        assert list(rows.scalars()) == ["live"]

    told(story)
