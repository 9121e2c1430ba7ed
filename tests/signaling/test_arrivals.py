"""Doors: who comes in, who comes back to what they were, over which connection, and who stays out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from signaling.config import LimitsConfig
from signaling.links import parse_link
from signaling.protocol import CloseCode, ErrorCode
from signaling.protocol import messages as wire
from signaling.server import herald as herald_module
from signaling.server.log import EventLog
from tests.signaling.server_world import Caller, World
from tests.virtual.loop import run


def tell(story: Callable[[World], Awaitable[None]], **limits: int) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        world = World(limits=LimitsConfig(**limits))
        await story(world)
        await world.end()

    run(whole())


def serial(world: World, space: bytes) -> int:
    return world.halls[space].herald.serial


async def back(world: World, who: str, space: bytes, after: int) -> tuple[Caller, Any]:
    """Somebody connects again and resumes."""
    caller = await world.known(who)
    return caller, await caller.ask(wire.Resume, space, after)


# Coming back


def test_who_comes_back_is_told_what_they_missed_in_order() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await world.pass_time(0.2)
        known = serial(world, space)
        host.peer.take()
        await ann.hang_up()
        await world.listener("bo", space)
        await world.pass_time(0.2)
        await host.ask(wire.Change, "Coffee")
        await world.pass_time(0.2)
        await host.ask(wire.Mute)
        await world.pass_time(0.2)
        missed = [event for event in host.peer.take() if getattr(event, "serial", 0) > known]
        missed = [event for event in missed if not isinstance(event, wire.You)]
        again, resumed = await back(world, "ann", space, known)
        assert resumed == wire.Resumed(resumed.id, space, known, 0, None, False)
        told = again.peer.take()
        assert told[: len(missed)] == missed
        assert [type(event) for event in missed].count(wire.Settings) == 1
        assert told[len(missed)] == wire.You(known + len(missed), 0, None, False)
        assert (world.counts.resumed, world.counts.resumed_afresh) == (1, 0)
        await world.pass_time(0.2)
        [audience] = [*told[len(missed) + 1 :], *again.peer.take()]
        assert audience == wire.Audience(serial(world, space), 2), "and they are told what comes after"

    tell(story)


@pytest.mark.parametrize("known", [0, 999])
def test_what_is_forgotten_or_never_was_makes_a_snapshot(known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(herald_module, "EventLog", lambda: EventLog(most_events=2))

    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        for number in range(4):
            await host.ask(wire.Change, f"Tea {number}")
            await world.pass_time(0.2)
        await ann.hang_up()
        _, joined = await back(world, "ann", space, known)
        assert isinstance(joined, wire.Joined)
        assert (joined.title, joined.role, joined.seat, joined.serial) == (
            "Tea 3", 1, joined.seat, serial(world, space),
        )  # fmt: skip
        assert world.counts.resumed_afresh == 1

    tell(story)


def test_a_speaker_keeps_the_place_on_stage_and_the_seat() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        await ann.ask(wire.Mute)
        await world.pass_time(0.2)
        known = serial(world, space)
        await ann.hang_up()
        assert world.engines[space].seats == {0}, "out of the mix at once"
        await world.pass_time(0.2)
        [stage] = host.peer.take(wire.Stage)[-1:]
        assert [(row.user, row.muted, row.absent) for row in stage.stage] == [
            ("host", False, False),
            ("ann", True, True),
        ]
        await world.pass_time(100)
        again = await world.known("ann")
        again.speak()
        again.peer.take()
        resumed = await again.ask(wire.Resume, space, known)
        assert (resumed.role, resumed.seat, resumed.muted) == (1, 1, True)
        assert world.engines[space].seats == {0, 1}
        assert not [asked for asked in world.engines[space].asked if asked[0] == "put"]
        await again.ask(wire.Unmute)
        again.speak()
        assert world.engines[space].asked[-1][:2] == ("put", 1)

    tell(story)


def test_the_place_in_the_queue_is_kept() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann, bo = await world.listener("ann", space), await world.listener("bo", space)
        await ann.ask(wire.Ask)
        await bo.ask(wire.Ask)
        await world.pass_time(0.2)
        known = serial(world, space)
        await ann.hang_up()
        assert (await host.ask(wire.Admit, "ann")).code == ErrorCode.no_such_person, "while they are away"
        again, _ = await back(world, "ann", space, known)
        joined = await again.ask(wire.Join, space)
        assert [row.user for row in joined.queue] == ["ann", "bo"]
        assert isinstance(await host.ask(wire.Admit, "ann"), wire.Ok)

    tell(story)


def test_after_the_time_is_up_nothing_is_kept() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        await ann.hang_up()
        await world.pass_time(119)
        assert len(world.directory.get(space).state.on_stage) == 2  # type: ignore[union-attr]
        await world.pass_time(1.1)
        assert len(world.directory.get(space).state.on_stage) == 1  # type: ignore[union-attr]
        again, refused = await back(world, "ann", space, 0)
        assert refused.code == ErrorCode.resume_lapsed
        assert (await again.ask(wire.Join, space)).role == 0

    tell(story)


def test_an_invitation_is_told_again_to_who_comes_back() -> None:
    async def story(world: World) -> None:
        host, space = await world.host("host/Hana")
        ann = await world.listener("ann", space)
        await host.ask(wire.Invite, "ann")
        [invited] = ann.peer.take(wire.Invited)
        assert (invited.user, invited.name, invited.expires_in_ms) == ("host", "Hana", 600_000)
        await ann.hang_up()
        await world.pass_time(60)
        again, _ = await back(world, "ann", space, serial(world, space))
        [invited] = again.peer.take(wire.Invited)
        assert 539_000 <= invited.expires_in_ms <= 540_000
        assert isinstance(await again.ask(wire.Accept), wire.Ok)
        assert host.peer.take(wire.Answered)[0].accepted

    tell(story)


def test_one_may_resume_before_the_server_knows_of_the_loss() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        again, resumed = await back(world, "ann", space, serial(world, space))
        assert (resumed.role, resumed.seat) == (1, 1)
        assert ann.peer.closed is not None
        assert ann.peer.closed[0] == CloseCode.replaced
        await ann.hang_up()
        assert world.halls[space].session_of("ann") is again.session
        once_more = await again.ask(wire.Resume, space, serial(world, space))
        assert (once_more.role, once_more.seat) == (1, 1), "and again over the same connection"

    tell(story)


def test_a_space_that_has_ended_is_not_resumed() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.hang_up()
        await host.ask(wire.End)
        _, refused = await back(world, "ann", space, 0)
        assert refused.code == ErrorCode.no_such_space

    tell(story)


# One person, one Space, one connection


def test_a_second_connection_replaces_the_first_also_in_another_space() -> None:
    async def story(world: World) -> None:
        host, tea = await world.host("host")
        _, coffee = await world.host("other")
        old = await world.speaker("ann", tea, host)
        new = await world.listener("ann", coffee)
        assert old.peer.closed is not None
        assert old.peer.closed[0] == CloseCode.replaced
        await world.settle()
        assert (old.session.place, world.counts.replaced) == (None, 1)
        assert world.halls[tea].session_of("ann") is None
        assert "ann" not in world.halls[tea].room.listening
        assert world.engines[tea].seats == {0}
        await old.hang_up()
        await new.ask(wire.Leave)
        resumed = await new.ask(wire.Resume, tea, serial(world, tea))
        assert resumed.role == 1, "the place in the first Space was kept as after a lost connection"
        assert len(world.whereabouts) == 3

    tell(story)


def test_a_join_that_is_refused_replaces_nothing() -> None:
    async def story(world: World) -> None:
        _, tea = await world.host("host")
        other, coffee = await world.host("other")
        ann = await world.listener("ann", tea)
        await other.ask(wire.Change, None, None, None, None, True)
        again = await world.known("ann")
        assert (await again.ask(wire.Join, coffee)).code == ErrorCode.space_locked
        assert (ann.peer.closed, world.halls[tea].session_of("ann")) == (None, ann.session)

    tell(story)


def test_opening_a_space_leaves_the_one_over_the_older_connection() -> None:
    async def story(world: World) -> None:
        _, tea = await world.host("host")
        ann = await world.listener("ann", tea)
        again = await world.known("ann")
        assert isinstance(await again.ask(wire.Open, "Mine"), wire.Joined)
        assert ann.peer.closed is not None
        assert world.halls[tea].session_of("ann") is None

    tell(story)


# Who stays out


async def kick(world: World, host: Caller, how: int = 1) -> None:
    assert isinstance(await host.ask(wire.Remove, "ann", how), wire.Ok)


@pytest.mark.parametrize("how", [1, 2])
def test_who_was_removed_finds_every_door_shut(how: int) -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        await world.listener("ann", space)
        shared = await host.ask(wire.Share, 1)
        secret = parse_link(shared.link).speak
        await kick(world, host, how)
        again = await world.known("ann")
        for request in (
            (wire.Join, space),
            (wire.Join, space, secret),
            (wire.Resume, space, 0),
        ):
            assert (await again.ask(*request)).code == ErrorCode.removed, request
        for request in (wire.Accept, wire.Ask, wire.ListPeople):
            assert (await again.ask(request)).code == ErrorCode.not_in_space
        assert world.halls[space].session_of("ann") is None

    tell(story)


def test_who_was_put_out_kindly_may_come_back_but_not_resume() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        await kick(world, host, 0)
        assert [event.reason for event in ann.peer.take(wire.Removed)] == ["may_return"]
        again = await world.known("ann")
        assert (await again.ask(wire.Resume, space, 0)).code == ErrorCode.resume_lapsed
        assert (await again.ask(wire.Join, space)).role == 0

    tell(story)


def test_the_links_that_a_removed_person_made_or_used_are_revoked() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        await host.ask(wire.Promote, "ann")
        by_ann = parse_link((await ann.ask(wire.Share, 1)).link).speak
        used = parse_link((await host.ask(wire.Share, 1)).link).speak
        bo = await world.listener("bo", space)
        assert (await bo.ask(wire.Join, space, used)).invited
        await host.ask(wire.Remove, "ann")
        await host.ask(wire.Remove, "bo", 0)
        cy = await world.known("cy")
        for secret in (by_ann, used):
            assert (await cy.ask(wire.Join, space, secret)).code == ErrorCode.not_invited
        assert (await cy.ask(wire.Join, space)).invited is False

    tell(story)


def test_who_is_removed_while_away_stays_out() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        known = serial(world, space)
        await ann.hang_up()
        await kick(world, host)
        _, refused = await back(world, "ann", space, known)
        assert refused.code == ErrorCode.removed

    tell(story)


def test_resuming_asks_the_store_at_that_moment() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.hang_up()
        world.records.out.add("ann")
        _, refused = await back(world, "ann", space, 0)
        assert refused.code == ErrorCode.removed
        world.records.out.clear()
        world.records.fails = OSError("disk")
        again, refused = await back(world, "ann", space, 0)
        assert (refused.code, refused.retry_after_ms > 0) == (ErrorCode.busy, True)
        world.records.fails = None
        assert isinstance(await again.ask(wire.Resume, space, 0), wire.Resumed)

    tell(story)


def test_a_ban_that_comes_while_the_store_is_asked_counts() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.hang_up()
        again = await world.known("ann")
        world.records.archive.clear()
        again.send(wire.Resume, space, 0)
        await world.settle()
        await kick(world, host)
        world.records.archive.set()
        await world.settle()
        [error] = again.peer.take(wire.Error)
        assert error.code == ErrorCode.removed

    tell(story)


def test_the_blocked_cannot_tell_a_block_from_an_id_that_never_was() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        secret = parse_link((await host.ask(wire.Share, 1)).link).speak
        world.bonds.blocks.add(("host", "ann"))
        ann = await world.known("ann")
        nowhere = bytes(range(16))
        for kind, *fields in ((wire.Join,), (wire.Join, secret), (wire.Resume, 0)):
            real = await ann.ask(kind, space, *fields)
            false = await ann.ask(kind, nowhere, *fields)
            assert real.code == ErrorCode.no_such_space
            assert real.message.replace(space.hex(), nowhere.hex()) == false.message
        world.bonds.blocks.clear()
        assert isinstance(await ann.ask(wire.Join, space, secret), wire.Joined)

    tell(story)


def test_a_block_from_outside_puts_somebody_out_of_the_blocker_s_space() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        actor = world.directory.get(space)
        assert actor is not None
        world.bonds.blocks.add(("host", "ann"))
        actor.block_changed("bo", "ann", True)
        await world.settle()
        assert ann.peer.closed is None, "only the host's blocks count here"
        actor.block_changed("host", "ann", True)
        await world.settle()
        assert ann.peer.closed is not None
        assert world.engines[space].seats == {0}
        again = await world.known("ann")
        assert (await again.ask(wire.Join, space)).code == ErrorCode.no_such_space
        world.bonds.blocks.clear()
        actor.block_changed("host", "ann", False)
        assert isinstance(await again.ask(wire.Join, space), wire.Joined)

    tell(story)
