"""The foreign client as a backend of an application: it creates a Space, oversees it, and is nobody there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from signaling import tokens
from signaling.server import Server, signing_key
from tests.foreign.client import HOST, LISTENER
from tests.foreign.numbers import ErrorCode
from tests.scenarios.foreign_stories import WAIT_S, foreign_at, fran_id, guest_at, refused, server_at, story

pytestmark = pytest.mark.scenario

BACKEND = "shop"


def service_token(server: Server) -> str:
    """As the operator mints it for a backend."""
    key = signing_key(server.config)
    assert key is not None
    return tokens.mint(
        key,
        tokens.key_id(key.public_key()),
        subject=BACKEND,
        name="",
        issuer=server.config.auth.issuer,
        audience=server.config.auth.audience,
        lifetime_s=600,
        now_s=int(time.time()),
        is_service=True,
    )


def test_a_service_creates_watches_over_and_ends_a_space(tmp_path: Path) -> None:
    async def tell() -> None:
        async with (
            server_at(tmp_path, BACKEND) as server,
            foreign_at(server) as shop,
            guest_at(server, "Hana") as hana,
            guest_at(server, "Gus") as gus,
        ):
            await shop.hello(service_token(server))
            space = await shop.create(fran_id(hana), "For Hana")
            watched = await shop.oversee(space)
            assert (watched.role, watched.seat, watched.audience) == (LISTENER, None, 0)
            room = await hana.join(space)
            assert (room.title, room.role) == ("For Hana", HOST)
            await gus.join(space)
            await shop.until(lambda: watched.audience == 1, WAIT_S)
            assert {row[0] for row in await shop.people()} == {fran_id(hana), fran_id(gus)}
            assert {row[0] for row in await hana.people()} == {fran_id(hana), fran_id(gus)}

            await refused(ErrorCode.NOT_PERMITTED, shop.ask())
            await refused(ErrorCode.NOT_PERMITTED, shop.post("Buy now"))
            await shop.mute(fran_id(hana), hold=True)
            await hana.until(lambda: room.muted, WAIT_S)
            await shop.remove(fran_id(gus))
            await gus.until(lambda: gus.removed is not None, WAIT_S)
            assert await hana.bans() == [fran_id(gus)]
            assert {row[2] for row in await hana.audit()} == {BACKEND}
            await shop.end()
            await hana.until(lambda: hana.ended is not None, WAIT_S)
            assert hana.ended == "service_ended"

    story(tell)


def test_what_is_for_services_is_not_for_people_and_the_other_way_round(tmp_path: Path) -> None:
    async def tell() -> None:
        async with (
            server_at(tmp_path, BACKEND) as server,
            foreign_at(server) as shop,
            guest_at(server, "Hana") as hana,
        ):
            await shop.hello(service_token(server))
            here = await hana.open("Mine")
            await refused(ErrorCode.NOT_PERMITTED, hana.create(fran_id(hana), "Another"))
            await refused(ErrorCode.NOT_PERMITTED, hana.oversee(here.space))
            await refused(ErrorCode.NOT_PERMITTED, shop.open("Mine"))
            await refused(ErrorCode.NOT_PERMITTED, shop.follow(fran_id(hana)))
            await refused(ErrorCode.NO_SUCH_SPACE, shop.oversee(bytes(16)))

    story(tell)
