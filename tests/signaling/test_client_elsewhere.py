"""A join that is sent to another server, and ids of Spaces as people type them."""

from __future__ import annotations

import asyncio
from array import array

import pytest

from signaling.client import (
    ConnectError,
    ConnectionClosed,
    RequestRefused,
)
from signaling.protocol.messages import (
    Audience,
    Elsewhere,
    Join,
    Request,
)
from tests.signaling.scripted_server import (
    SPACE,
    Answer,
    Script,
    Session,
    Stage,
    take,
    tell,
    usual,
)

SILENT = array("f", bytes(3840))


def elsewhere(address: str) -> Script:
    """A server that sends every join on."""

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Join):
            return Elsewhere(request.id, address)
        return usual(session, request)

    return script


@pytest.mark.parametrize("hops", [1, 3])
def test_elsewhere_is_followed(hops: int) -> None:
    async def story(stage: Stage) -> None:
        for n in range(hops):
            await stage.serve(elsewhere(f"10.0.0.{n + 2}:4433"), f"10.0.0.{n + 1}")
        await stage.serve(host=f"10.0.0.{hops + 1}")
        client = await stage.connect()
        space = await client.join(SPACE)
        assert client.stats.hops == hops
        assert len(stage.sessions) == hops + 1
        await space.ask()
        await asyncio.sleep(1)
        assert [session.closed is None for session in stage.sessions] == [False] * hops + [True]
        stage.session.tell(Audience(11, 3))
        assert await take(space.events(), 1) == [Audience(11, 3)]
        assert client.closed is None

    tell(story)


def test_elsewhere_in_a_circle_is_given_up() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(elsewhere("10.0.0.1:4433"))
        client = await stage.connect()
        with pytest.raises(ConnectError) as caught:
            await client.join(SPACE)
        assert caught.value.code == "too_many_hops"
        await asyncio.sleep(1)
        assert [session.closed is None for session in stage.sessions] == [True, False, False, False]
        assert client.closed is None
        assert await client.live() == []

    tell(story)


@pytest.mark.parametrize("address", ["", "10.0.0.66:1", "no address:x"])
def test_elsewhere_leads_nowhere(address: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(elsewhere(address))
        client = await stage.connect(timeout_s=3)
        with pytest.raises((ConnectError, ConnectionClosed)):
            await client.join(SPACE)

    tell(story)


@pytest.mark.parametrize("space", ["", "00", "zz" * 16, b"short"])
def test_bad_space_ids(space: str | bytes) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        with pytest.raises(RequestRefused) as caught:
            await client.join(space)
        assert caught.value.code == "bad_value"
        assert (await client.join(SPACE.hex())).id == SPACE

    tell(story)
