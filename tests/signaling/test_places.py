"""Who comes to a Space that is not here is sent to the server that has it, as the application says."""

from __future__ import annotations

import asyncio

import pytest

from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.server.counts import Counts
from signaling.server.places import LOCATE_MS, Places
from tests.signaling.town import Town, tell
from tests.virtual.loop import run

HERE, THERE, NOWHERE = b"h" * 16, b"t" * 16, b"n" * 16
ADDRESS = "other.example:4433"


async def locate(space: bytes) -> str | None:
    return ADDRESS if space == THERE else None


@pytest.mark.parametrize(
    "request_of", [lambda s: (wire.Join, s), lambda s: (wire.Resume, s, 0), lambda s: (wire.Peek, s)]
)
def test_who_comes_to_a_space_of_another_server_is_told_where_it_is(request_of: object) -> None:
    async def story(town: Town) -> None:
        caller = await town.known("ann")
        answer = await caller.ask(*request_of(THERE))  # type: ignore[operator]
        assert isinstance(answer, wire.Elsewhere), answer
        assert answer.address == ADDRESS
        answer = await caller.ask(*request_of(NOWHERE))  # type: ignore[operator]
        assert isinstance(answer, wire.Error)
        assert answer.code == ErrorCode.no_such_space

    tell(story, locate=locate)


def test_a_space_that_is_here_is_not_asked_for() -> None:
    asked: list[bytes] = []

    async def noted(space: bytes) -> str | None:
        asked.append(space)
        return ADDRESS

    async def story(town: Town) -> None:
        _, space = await town.host("ann")
        ben = await town.known("ben")
        assert isinstance(await ben.ask(wire.Join, space), wire.Joined)
        assert asked == []

    tell(story, locate=noted)


@pytest.mark.parametrize("address", ["", "x" * 256])
def test_what_is_no_address_is_no_answer(address: str) -> None:
    async def wrong(space: bytes) -> str | None:
        return address

    counts = Counts()
    assert run(Places(wrong, counts).address_of(THERE)) is None
    assert counts.locate_failures == 1


def test_an_application_that_fails_or_hangs_harms_nobody() -> None:
    async def fails(space: bytes) -> str | None:
        raise OSError("its database is gone")

    async def hangs(space: bytes) -> str | None:
        await asyncio.Event().wait()
        return ADDRESS

    async def timed() -> float:
        began_s = asyncio.get_running_loop().time()
        assert await Places(hangs, counts).address_of(THERE) is None
        return asyncio.get_running_loop().time() - began_s

    counts = Counts()
    assert run(Places(fails, counts).address_of(THERE)) is None
    assert counts.locate_failures == 1
    assert run(timed()) == pytest.approx(LOCATE_MS / 1_000)
    assert counts.locate_failures == 2
