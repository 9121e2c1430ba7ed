"""A lost connection that is not made anew: given up, refused by the server, unwanted; and the pauses."""

from __future__ import annotations

import asyncio
import random
from itertools import islice

import pytest

from signaling.client import (
    ConnectError,
    ConnectionClosed,
    ConnectionState,
)
from signaling.client.returning import FIRST_PAUSE_S, LONGEST_PAUSE_S, come_back, pauses
from signaling.protocol import CloseCode
from signaling.protocol.messages import Hello, Leave, Resume
from tests.signaling.scripted_server import (
    PATIENCE_MS,
    SPACE,
    Stage,
    keeping,
    kinds,
    lose,
    take,
    tell,
    until,
)


def test_it_is_given_up_when_the_place_is_gone() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        timeline = await client.timeline()
        await anext(timeline)
        lose(stage)
        assert kinds(await take(space.events(), 1)) == ["Reconnecting"]
        began = stage.loop.time()
        ending = await client.wait_closed()
        assert 100 < stage.loop.time() - began <= PATIENCE_MS / 1000
        assert (ending.code, "120 s" in ending.message) == ("idle_timeout", True)
        for iterator in (space.events(), space.listen(), timeline, client.notices()):
            with pytest.raises(ConnectionClosed) as caught:
                async for _ in iterator:
                    pass
            assert caught.value.message == ending.message
        for verb in (space.ask(), client.live(), client.join(SPACE)):
            with pytest.raises(ConnectionClosed):
                await verb
        assert space.over == "closed"

    tell(story)


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("removed", CloseCode.removed),
        ("replaced", CloseCode.replaced),
        ("protocol_error", CloseCode.protocol_error),
        ("token_expired", CloseCode.token_expired),
        ("done", CloseCode.done),
    ],
)
def test_where_the_server_says_no_it_is_left_at_that(code: str, number: int) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(number)
        assert (await client.wait_closed()).code == code
        with pytest.raises(ConnectionClosed):
            await anext(space.events())
        await asyncio.sleep(60)
        assert len(stage.sessions) == 1

    tell(story)


def test_who_does_not_want_it_is_told_at_once() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect(resume=False)
        space = await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        assert (await client.wait_closed()).code == "overloaded"
        assert space.over == "closed"

    tell(story)


def test_who_leaves_in_between_leaves_no_place_behind() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        lose(stage)
        await until(lambda: not client.is_connected)
        leaving = asyncio.ensure_future(space.leave())
        await asyncio.sleep(1)
        await stage.serve(keeping())
        await leaving
        assert stage.session.kinds() == [Hello, Resume, Leave, Leave]
        assert (space.over, client.space, client.is_connected) == ("left", None, True)

    tell(story)


def test_closing_in_between_ends_everything_at_once() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        space = await client.join(SPACE)
        lose(stage)
        await until(lambda: client.stats.attempts == 2)
        began = stage.loop.time()
        await client.close()
        assert stage.loop.time() - began < 5
        assert space.over == "left"
        assert kinds([event async for event in space.events()]) == ["Reconnecting"]
        assert client.closed is not None

    tell(story)


def test_a_callback_that_fails_keeps_nobody_from_coming_back() -> None:
    def fail(state: ConnectionState) -> None:
        raise ZeroDivisionError

    async def story(stage: Stage) -> None:
        await stage.serve(keeping())
        client = await stage.connect()
        client.on_connection = fail
        await client.join(SPACE)
        stage.session.handle.close(CloseCode.overloaded)
        await until(lambda: client.stats.returns == 1)

    tell(story)


def test_another_server_in_the_same_place_is_not_trusted() -> None:
    """What another attempt cannot change is not tried again."""

    async def attempt() -> None:
        attempts.append(1)
        raise ConnectError("pin_mismatch", "another certificate")

    attempts: list[int] = []

    async def story(stage: Stage) -> None:
        loss = ConnectionClosed("idle_timeout", "")
        with pytest.raises(ConnectionClosed, match="another certificate") as caught:
            await come_back(attempt, loss, patience_ms=60_000, clock=stage.clock, dice=random.Random(1))
        assert (caught.value.code, len(attempts)) == ("idle_timeout", 1)

    tell(story)


def test_pauses_grow_to_a_bound_and_differ_from_client_to_client() -> None:
    taken = [list(islice(pauses(random.Random(seed), 1_000), 9)) for seed in range(50)]
    assert taken[3] == list(islice(pauses(random.Random(3), 1_000), 9))
    assert len({first for first, *_ in taken}) == 50
    for first, *later in taken:
        assert 1 <= first <= 2
        longest = [2, 4, 8, 16, 30, 30, 30, 30]
        assert all(most / 2 <= pause <= most for pause, most in zip(later, longest, strict=True))
    assert (FIRST_PAUSE_S, LONGEST_PAUSE_S) == (1, 30)
