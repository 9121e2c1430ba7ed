"""Services: they watch over a Space and act on it, hear nothing, and are nobody in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Audited
from tests.signaling.server_world import Caller, World
from tests.virtual.loop import run


def tell(story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        world = World()
        await story(world)
        await world.end()

    run(whole())


async def service(world: World, space: bytes) -> Caller:
    caller = await world.known("service-1")
    joined = await caller.ask(wire.Oversee, space)
    assert isinstance(joined, wire.Joined), joined
    assert (joined.role, joined.seat) == (0, None)
    return caller


def test_a_service_is_told_the_events_and_counts_as_nobody() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        backend = await service(world, space)
        hall = world.halls[space]
        assert (len(hall), len(world.whereabouts)) == (1, 1)
        assert hall.room.listening == {"host"}
        await world.listener("ann", space)
        await world.pass_time(0.2)
        assert backend.peer.take(wire.Audience)[-1].count == 1
        people = await backend.ask(wire.ListPeople)
        assert [person.user for person in people.people] == ["ann", "host"]
        backend.speak()
        assert world.counts.dropped_not_on_stage == 1
        await host.ask(wire.End)
        assert [event.reason for event in backend.peer.take(wire.Ended)] == ["host_ended"]
        assert backend.session.place is None

    tell(story)


def test_a_service_keeps_order_and_every_act_is_audited() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        await world.listener("bo", space)
        backend = await service(world, space)
        for request in (
            (wire.Mute, "ann"),
            (wire.Mute, "host"),
            (wire.Change, "Better"),
            (wire.Invite, "bo"),
            (wire.Uninvite, "bo"),
            (wire.Move, "ann"),
            (wire.Remove, "ann"),
            (wire.Unban, "ann"),
        ):
            assert isinstance(await backend.ask(*request), wire.Ok), request
        assert ann.peer.closed is not None
        shared = await backend.ask(wire.Share, 1, 60)
        assert shared.expires_in_ms == 60_000
        assert isinstance(await backend.ask(wire.End), wire.Ok)
        acts = [it for it in world.records.written if isinstance(it, Audited) and it.actor == "service-1"]
        assert [act.action for act in acts] == [
            "oversee", "mute", "mute", "change", "invite", "uninvite", "move", "ban", "unban",
            "share_speaker", "end",
        ]  # fmt: skip

    tell(story)


@pytest.mark.parametrize("request_", [wire.Ask, wire.Accept, wire.Refuse, wire.Unmute])
def test_what_is_for_people_is_not_for_services(request_: type) -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        backend = await service(world, space)
        assert (await backend.ask(request_)).code == ErrorCode.not_permitted
        elsewhere = await world.known("service-2")
        for kind, *fields in ((wire.Join,), (wire.Resume, 0)):
            assert (await elsewhere.ask(kind, space, *fields)).code == ErrorCode.not_permitted

    tell(story)


def test_to_oversee_takes_a_service_and_a_live_space() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.known("ann")
        assert (await ann.ask(wire.Oversee, space)).code == ErrorCode.not_permitted
        backend = await world.known("service-1")
        assert (await backend.ask(wire.Oversee, bytes(16))).code == ErrorCode.no_such_space
        assert (await backend.ask(wire.End)).code == ErrorCode.not_in_space

    tell(story)


def test_a_service_may_watch_over_one_after_the_other_and_over_several_connections() -> None:
    async def story(world: World) -> None:
        host, tea = await world.host("host")
        other, coffee = await world.host("other")
        first, second = await service(world, tea), await service(world, tea)
        assert isinstance(await first.ask(wire.Oversee, coffee), wire.Joined)
        await host.ask(wire.Change, "Green tea")
        await other.ask(wire.Change, "Black coffee")
        await world.pass_time(0.2)
        assert [event.settings.title for event in first.peer.take(wire.Settings)] == ["Black coffee"]
        assert [event.settings.title for event in second.peer.take(wire.Settings)] == ["Green tea"]
        assert second.peer.closed is None
        assert isinstance(await second.ask(wire.Leave), wire.Ok)
        assert (second.session.place, len(world.directory)) == (None, 2)
        await first.hang_up()
        await other.ask(wire.Change, "Coffee")
        await world.pass_time(0.2)
        assert first.peer.take(wire.Settings) == []
        assert world.counts.errors_caught == 0

    tell(story)


def test_a_service_acts_as_often_as_it_has_to_and_a_person_does_not() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        people = [f"u{number}" for number in range(24)]
        for user in people:
            await world.listener(user, space)
        backend = await service(world, space)
        answers = [await host.ask(wire.Invite, user) for user in people]
        refused = [answer for answer in answers if isinstance(answer, wire.Error)]
        assert {answer.code for answer in refused} == {ErrorCode.too_often}
        for user in people:
            assert isinstance(await backend.ask(wire.Invite, user), wire.Ok)

    tell(story)
