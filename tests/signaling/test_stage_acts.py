"""Acts on stage at their bounds: full stages and queues, late answers, people who are gone, hosts at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from signaling.config import LimitsConfig
from signaling.links import Link, parse_link
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Audited, Ended, HostChanged, SpaceState
from signaling.store import StoreError
from tests.signaling.server_world import Caller, World
from tests.virtual.loop import run


def tell(story: Callable[[World], Awaitable[None]], **limits: int) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        world = World(limits=LimitsConfig(**limits))
        await story(world)
        assert world.counts.errors_caught == 0
        await world.end()

    run(whole())


def state(world: World, space: bytes) -> SpaceState:
    actor = world.directory.get(space)
    assert actor is not None
    return actor.state


async def no(caller: Caller, code: ErrorCode, kind: type, *fields: object) -> None:
    """It is refused with this code, in a sentence, and nothing has changed for anybody."""
    place = caller.session.place
    assert place is not None
    before, written = place.actor.state, len(caller.world.records.written)
    refused = await caller.ask(kind, *fields)
    assert isinstance(refused, wire.Error), refused
    assert refused.code == code, refused
    assert ";" in refused.message or "," in refused.message, "what is wrong, and the remedy"
    assert place.actor.state == before
    assert len(caller.world.records.written) == written


def test_a_full_stage_takes_nobody_until_one_steps_down() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        bo, cy = await world.listener("bo", space), await world.listener("cy", space)
        await bo.ask(wire.Ask)
        await host.ask(wire.Invite, "cy")
        await no(host, ErrorCode.stage_full, wire.Admit, "bo")
        await no(cy, ErrorCode.stage_full, wire.Accept)
        assert isinstance(await ann.ask(wire.Move), wire.Ok)
        assert isinstance(await cy.ask(wire.Accept), wire.Ok)
        await no(host, ErrorCode.stage_full, wire.Admit, "bo")

    tell(story, stage=2)


def test_the_place_of_a_speaker_who_is_away_is_not_given_to_another() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        bo = await world.listener("bo", space)
        await bo.ask(wire.Ask)
        await ann.hang_up()
        await no(host, ErrorCode.stage_full, wire.Admit, "bo")
        await world.pass_time(120.1)
        assert isinstance(await host.ask(wire.Admit, "bo"), wire.Ok)

    tell(story, stage=2)


def test_full_queues_of_asks_and_invitations() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann, bo = await world.listener("ann", space), await world.listener("bo", space)
        assert isinstance(await ann.ask(wire.Ask), wire.Ok)
        await no(bo, ErrorCode.queue_full, wire.Ask)
        await ann.ask(wire.Decline, "ann")
        assert isinstance(await host.ask(wire.Invite, "ann"), wire.Ok)
        await no(host, ErrorCode.queue_full, wire.Invite, "bo")
        assert isinstance(await host.ask(wire.Uninvite, "ann"), wire.Ok)
        assert isinstance(await host.ask(wire.Invite, "bo"), wire.Ok)
        [first, second] = ann.peer.take(wire.Invited)
        assert (first.expires_in_ms, second.expires_in_ms) == (600_000, 0), "and it is taken back"

    tell(story, queue=1, invites=1)


def test_an_invitation_that_lapsed_is_said_to_be_over_and_cannot_be_accepted() -> None:
    async def story(world: World) -> None:
        host, space = await world.host("host/Hana")
        ann = await world.listener("ann", space)
        await host.ask(wire.Invite, "ann")
        await world.pass_time(5.1)
        lapsed = ann.peer.take(wire.Invited)[-1]
        assert (lapsed.user, lapsed.name, lapsed.expires_in_ms) == ("host", "Hana", 0)
        await no(ann, ErrorCode.invite_lapsed, wire.Accept)
        await no(ann, ErrorCode.invite_lapsed, wire.Refuse)
        assert host.peer.take(wire.Answered) == []

    tell(story, invite_ms=5_000)


def test_acts_on_somebody_who_has_just_left() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.ask(wire.Ask)
        world.records.gate.clear()
        ann.send(wire.Decline, "ann")
        await world.settle()
        ann.send(wire.Leave)
        late = [host.send(wire.Admit, "ann"), host.send(wire.Remove, "ann"), host.send(wire.Mute)]
        world.records.gate.set()
        await world.settle()
        world.tick()
        await world.settle()
        errors = {error.id: error.code for error in host.peer.take(wire.Error)}
        assert errors[late[0]] in (ErrorCode.not_asked, ErrorCode.no_such_person)
        assert errors.get(late[1], ErrorCode.no_such_person) == ErrorCode.no_such_person
        assert [ok.id for ok in host.peer.take(wire.Ok)][-1] == late[2]
        for kind, *fields in (
            (wire.Invite, "ann"), (wire.Volume, "ann", 50), (wire.Promote, "ann"), (wire.HandOver, "ann"),
        ):  # fmt: skip
            await no(host, ErrorCode.no_such_person, kind, *fields)

    tell(story)


def test_acts_on_oneself_that_make_no_sense() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        for kind, *fields in (
            (wire.Remove,), (wire.Invite,), (wire.Promote,), (wire.HandOver,), (wire.Admit,), (wire.Move,),
            (wire.Report, "spam"), (wire.Demote,), (wire.Volume, 50), (wire.Unban,),
        ):  # fmt: skip
            for caller, user in ((host, "host"), (ann, "ann")):
                await no(caller, ErrorCode.not_permitted, kind, user, *fields)

    tell(story)


def test_of_two_hosts_at_once_one_is_first_and_the_other_is_told() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        co = await world.speaker("co", space, host)
        await host.ask(wire.Promote, "co")
        ann = await world.listener("ann", space)
        await ann.ask(wire.Ask)
        for caller in (host, co):
            caller.peer.take()
        for caller in (host, co):
            caller.send(wire.Remove, "ann")
        await world.settle()
        world.tick()
        await world.settle()
        assert [type(answer) for answer in host.peer.take() if isinstance(answer, wire.Reply)] == [wire.Ok]
        [refused] = co.peer.take(wire.Error)
        assert refused.code == ErrorCode.no_such_person
        await no(co, ErrorCode.not_permitted, wire.End)
        await no(co, ErrorCode.not_permitted, wire.Mute, "host")
        await no(host, ErrorCode.no_such_person, wire.Unban, "nobody")
        assert isinstance(await co.ask(wire.Unban, "ann"), wire.Ok)

    tell(story)


def test_links_say_where_and_for_how_long() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        shared = await ann.ask(wire.Share)
        assert (shared.link, shared.expires_in_ms) == (str(Link("spaces.example:4433", space)), 0)
        await no(ann, ErrorCode.not_permitted, wire.Share, 1)
        await no(host, ErrorCode.bad_value, wire.Share, 1, 8 * 86_400)
        speak = await host.ask(wire.Share, 1)
        assert speak.expires_in_ms == 86_400_000
        link = parse_link(speak.link)
        assert (link.address, link.space, len(link.speak)) == ("spaces.example:4433", space, 16)
        elsewhere = str(Link("spaces.example:4433", bytes(16), link.speak))
        for text in ("spaces://", shared.link, elsewhere):
            await no(host, ErrorCode.bad_value, wire.Unshare, text)
        assert isinstance(await host.ask(wire.Unshare, speak.link), wire.Ok)
        assert (await ann.ask(wire.Join, space, link.speak)).code == ErrorCode.not_invited
        fresh = parse_link((await host.ask(wire.Share, 1, 5)).link)
        await world.pass_time(5.1)
        late = await ann.ask(wire.Join, space, fresh.speak)
        assert late.code == ErrorCode.invite_lapsed

    tell(story)


def test_a_link_to_speak_works_for_who_is_inside_already() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        secret = parse_link((await host.ask(wire.Share, 1)).link).speak
        joined = await ann.ask(wire.Join, space, secret)
        assert joined.invited
        assert len(ann.peer.take(wire.Invited)) == 1
        assert (await ann.ask(wire.Join, space, secret)).invited, "opening it again changes nothing"
        assert isinstance(await ann.ask(wire.Accept), wire.Ok)
        again = await world.known("ann")
        assert (await again.ask(wire.Join, space, secret)).role == 1, "nor on another device"

    tell(story)


def test_held_mutes_and_volumes_reach_the_mixer() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        asked = world.engines[space].asked
        asked.clear()
        await host.ask(wire.Mute, "ann", True)
        await no(ann, ErrorCode.held_muted, wire.Unmute)
        await host.ask(wire.Volume, "ann", 50)
        await host.ask(wire.Unmute, "ann")
        await ann.ask(wire.Unmute)
        await host.ask(wire.Volume, "ann", 0)
        assert [what[:2] for what in asked] == [("mute", 1), ("gain", 1), ("mute", 1), ("mute", 1)]
        assert [what[2] for what in asked] == [True, pytest.approx(-12.04, abs=0.01), False, True]
        await ann.hang_up()
        again = await world.known("ann")
        asked.clear()
        await again.ask(wire.Resume, space, 0)
        assert asked == [("add", 1), ("mute", 1, True)], "silent as before"
        assert again.session.place is not None
        assert again.session.place.muted is False

    tell(story)


# The host, and the store


def test_who_stands_in_for_the_host_is_told_and_gives_back() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        co = await world.speaker("co", space, host)
        await host.ask(wire.Promote, "co")
        await host.hang_up()
        await world.pass_time(29.9)
        assert [you.role for you in co.peer.take(wire.You)][-1] == 3
        await world.pass_time(0.2)
        assert [you.role for you in co.peer.take(wire.You)] == [2]
        assert isinstance(await co.ask(wire.Change, "Carrying on"), wire.Ok)
        back = await world.known("host")
        resumed = await back.ask(wire.Resume, space, 0)
        assert resumed.role == 2
        assert [you.role for you in co.peer.take(wire.You)] == [3]
        assert (await co.ask(wire.End)).code == ErrorCode.not_permitted
        hows = [effect.how for effect in world.records.written if isinstance(effect, HostChanged)]
        assert hows == ["absent", "returned"]

    tell(story)


def test_a_stand_in_whom_the_store_refuses_as_host_hosts_all_the_same() -> None:
    """Of who hosts another Space, the store takes no second one; this Space is not to stand still for it."""

    async def story(world: World) -> None:
        host, space = await world.host()
        co = await world.speaker("co", space, host)
        await host.ask(wire.Promote, "co")
        write, told = world.records.write, []

        async def refusing(space: bytes, effects: list[object]) -> None:
            told.append([type(effect).__name__ for effect in effects])
            if any(isinstance(effect, HostChanged) for effect in effects):
                raise StoreError("already_hosting", "You host another; end that one.")
            await write(space, effects)  # type: ignore[arg-type]

        world.records.write = refusing  # type: ignore[method-assign, assignment]
        await host.hang_up()
        await world.pass_time(30.1)
        assert state(world, space).host == "co"
        assert isinstance(await co.ask(wire.Change, "Mine"), wire.Ok)
        assert isinstance(await co.ask(wire.End), wire.Ok)
        assert world.records.written[-1] == Ended("host_ended")
        assert "HostChanged" not in told[-1]

    tell(story)


def test_every_act_of_order_is_in_the_audit() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        await world.speaker("ann", space, host)
        await world.listener("bo", space)
        acts = [
            (wire.Change, "New"), (wire.Mute, "ann", True), (wire.Unmute, "ann"), (wire.Volume, "ann", 10),
            (wire.MuteAll, True), (wire.Promote, "ann"), (wire.Demote, "ann"), (wire.Move, "ann"),
            (wire.Invite, "bo"), (wire.Uninvite, "bo"), (wire.Remove, "bo"), (wire.Unban, "bo"),
            (wire.Pin, "note"), (wire.Unpin, 1), (wire.End,),
        ]  # fmt: skip
        for kind, *fields in acts:
            assert isinstance(await host.ask(kind, *fields), wire.Ok), kind
        audited = [effect.action for effect in world.records.written if isinstance(effect, Audited)]
        assert [word for word in audited if word not in ("admit", "invite")] == [
            "change", "hold", "release", "volume", "mute_all", "promote", "demote", "move", "uninvite", "ban",
            "unban", "pin", "unpin", "end",
        ]  # fmt: skip

    tell(story)
