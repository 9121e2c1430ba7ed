"""The outbox: in order for each Space, again until it is acknowledged, and never more than its bound."""

from __future__ import annotations

import random

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store import Outgoing, outbox
from tests.signaling.store_stories import Told

ONE, TWO = bytes(16), bytes([1]) * 16
SEED = 3


async def first(connection: AsyncConnection, space: bytes = ONE, receiver: str = "") -> Outgoing:
    found = await outbox.first(connection, space, receiver=receiver)
    assert found is not None
    return found


def test_a_space_goes_on_only_when_its_first_is_acknowledged(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        assert await outbox.first(connection, ONE) is None
        for number, space in enumerate((ONE, ONE, TWO, ONE)):
            assert await outbox.add(connection, space, f"e{number}", b"body %d" % number, 10 + number)
        event = await first(connection)
        assert (event.event_id, event.space, event.body, event.made_us) == ("e0", ONE, b"body 0", 10)
        assert event == await first(connection), "asking changes nothing"
        assert (await first(connection, TWO)).event_id == "e2"
        assert await outbox.waiting(connection) == {ONE: 10, TWO: 12}
        assert await outbox.put_off(connection, event, 90)
        assert await outbox.waiting(connection) == {ONE: 90, TWO: 12}, "nothing of its Space overtakes it"
        again = await first(connection)
        assert (again.event_id, again.attempts) == ("e0", 1)
        assert await outbox.acknowledge(connection, again)
        assert not await outbox.acknowledge(connection, again), "once"
        assert not await outbox.put_off(connection, again, 99)
        assert (await first(connection)).event_id == "e1"
        assert await outbox.waiting(connection) == {ONE: 11, TWO: 12}
        assert await outbox.count(connection) == 3

    told(story)


def test_receivers_do_not_wait_for_each_other(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        for receiver in ("a", "b"):
            for number in range(2):
                await outbox.add(connection, ONE, f"e{number}", b"", 1, receiver=receiver)
        await outbox.acknowledge(connection, await first(connection, receiver="a"))
        assert (await first(connection, receiver="a")).event_id == "e1"
        assert (await first(connection, receiver="b")).event_id == "e0"
        assert (await outbox.count(connection, "a"), await outbox.count(connection, "b")) == (1, 2)
        assert await outbox.waiting(connection, receiver="c") == {}
        with pytest.raises(IntegrityError):
            await outbox.add(connection, TWO, "e1", b"", 1, receiver="b")

    told(story)


def test_at_the_bound_the_newest_is_left_out(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "EVENTS_MAX", 3)

    async def story(connection: AsyncConnection) -> None:
        kept = [await outbox.add(connection, ONE, f"e{number}", b"", 1) for number in range(4)]
        assert kept == [True, True, True, False]
        assert await outbox.add(connection, ONE, "e9", b"", 1, receiver="other")
        await outbox.acknowledge(connection, await first(connection))
        assert await outbox.add(connection, ONE, "e4", b"", 1)
        assert await outbox.count(connection) == 3

    told(story)


def test_any_history_delivers_each_space_in_its_order(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        rng = random.Random(SEED)
        added: dict[bytes, list[str]] = {ONE: [], TWO: []}
        got: dict[bytes, list[str]] = {ONE: [], TWO: []}
        now_us = number = 0
        while number < 30 or await outbox.count(connection):
            now_us += 1
            if number < 30 and rng.random() < 0.5:
                space = rng.choice((ONE, TWO))
                await outbox.add(connection, space, f"e{number}", b"", now_us)
                added[space].append(f"e{number}")
                number += 1
            for space in await outbox.waiting(connection):
                event = await first(connection, space)
                if rng.random() < 0.5:
                    await outbox.put_off(connection, event, now_us + rng.randrange(1, 4))
                elif await outbox.acknowledge(connection, event):
                    got[event.space].append(event.event_id)
        assert got == added, f"seed {SEED}"

    told(story)
