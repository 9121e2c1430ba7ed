"""The foreign client on stage: invitations, held mutes, links to speak; and how it comes back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.foreign.client import LISTENER, SPEAKER
from tests.foreign.numbers import CloseCode, ErrorCode
from tests.scenarios.foreign_stories import (
    ABSENT,
    HELD,
    MUTED,
    VOLUME,
    WAIT_S,
    again_at,
    comes_up,
    fran_id,
    guest_at,
    refused,
    server_at,
    shown,
    story,
    two_at,
    until,
)

pytestmark = pytest.mark.scenario


def test_an_invited_listener_comes_up_muted_and_a_held_mute_holds(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (_, fran, otto):
            space = await otto.open("Invited")
            room = await fran.join(space.id)
            await refused(ErrorCode.NOT_INVITED, fran.accept())
            await space.invite(fran_id(fran))
            await fran.until(lambda: room.invited, WAIT_S)
            await fran.refuse()
            await space.invite(fran_id(fran))
            await fran.accept()
            await fran.until(lambda: room.seat is not None, WAIT_S)
            assert (room.role, room.muted, room.invited) == (SPEAKER, True, False)
            await fran.unmute()
            await fran.until(lambda: not room.muted, WAIT_S)

            await space.mute(fran_id(fran), hold=True)
            await fran.until(lambda: shown(room, fran, HELD) is True, WAIT_S)
            await refused(ErrorCode.HELD_MUTED, fran.unmute())
            await space.unmute(fran_id(fran))
            await fran.until(lambda: shown(room, fran, HELD) is False, WAIT_S)
            assert room.muted
            await fran.unmute()
            await space.volume(fran_id(fran), 50)
            await fran.until(lambda: shown(room, fran, VOLUME) == 50, WAIT_S)
            assert shown(room, fran, MUTED) is False

    story(tell)


def test_a_link_to_speak_brings_one_person_up_once(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (server, fran, otto), guest_at(server, "Gus") as gus:
            here = await fran.open("By link")
            link = await fran.share(speak=True, lifetime_s=3600)
            assert re.fullmatch(r"spaces://\S+:\d+/" + here.space.hex() + r"\?speak=[0-9a-f]{32}", link)
            assert link.startswith(await fran.share() + "?")

            space = await otto.join(link)
            assert space.invited
            await space.accept()
            await until(space, lambda: space.seat is not None)
            await fran.until(lambda: here.answers == [[otto.user, True]], WAIT_S)
            await refused(ErrorCode.INVITE_LAPSED, gus.join_link(link))
            assert gus.room is None
            room = await gus.join_link(link.partition("?")[0])
            assert (room.role, room.invited) == (LISTENER, False)
            await gus.leave()

            other = await fran.share(speak=True)
            await fran.unshare(other)
            await refused(ErrorCode.NOT_INVITED, gus.join_link(other))

    story(tell)


def test_a_closed_connection_keeps_the_place_in_the_queue(tmp_path: Path) -> None:
    async def tell() -> None:
        async with (
            server_at(tmp_path) as server,
            guest_at(server, "Hana") as hana,
            guest_at(server, "Gus") as gus,
        ):
            here = await hana.open("Queue")
            async with guest_at(server, "Fran") as fran:
                await fran.join(here.space)
                await fran.ask()
                await gus.join(here.space)
                await gus.ask()
                both = [fran_id(fran), fran_id(gus)]
                await hana.until(lambda: here.users_asking() == both, WAIT_S)
            await hana.until(lambda: here.audience == 1, WAIT_S)
            await hana.change(title="Still waiting")
            assert here.users_asking() == both
            async with again_at(server, fran) as again:
                assert fran.left is not None
                assert await again.resume(fran.left)
                back = again.room
                assert back is not None
                await again.until(lambda: back.title == "Still waiting", WAIT_S)
                assert back.users_asking() == both
                await hana.admit(both[0])
                await again.until(lambda: back.seat is not None, WAIT_S)

    story(tell)


def test_who_is_on_stage_is_shown_as_absent_and_who_is_banned_meanwhile_stays_out(tmp_path: Path) -> None:
    async def tell() -> None:
        async with server_at(tmp_path) as server, guest_at(server, "Hana") as hana:
            here = await hana.open("Away")
            async with guest_at(server, "Fran") as fran:
                await fran.join(here.space)
                await fran.ask()
                await hana.admit(fran_id(fran))
                await fran.until(fran.may_speak, WAIT_S)
            await hana.until(lambda: shown(here, fran, ABSENT) is True, WAIT_S)
            await hana.remove(fran_id(fran))
            await hana.until(lambda: here.row_of(fran_id(fran)) is None, WAIT_S)
            async with again_at(server, fran) as again:
                assert fran.left is not None
                await refused(ErrorCode.REMOVED, again.resume(fran.left))
                await refused(ErrorCode.REMOVED, again.join(here.space))

    story(tell)


def test_what_is_no_longer_kept_is_a_snapshot_and_a_newer_connection_replaces_the_older(
    tmp_path: Path,
) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (server, fran, otto):
            space = await otto.open("Snapshot")
            room = await comes_up(fran, space)
            async with again_at(server, fran) as again:
                room.serial += 1000  # as of a server that has begun to count anew
                assert not await again.resume(room)
                assert again.room is not None
                assert (again.room.role, again.room.title) == (SPEAKER, "Snapshot")
                await fran.until(lambda: fran.closed is not None, WAIT_S)
                assert fran.closed is not None and fran.closed.code == CloseCode.REPLACED
                await again.leave()
                await refused(ErrorCode.RESUME_LAPSED, again.resume(room))

    story(tell)
