"""A Space's actor: rules, then the store, then roster, mix and connection in one step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest

from signaling.config import LimitsConfig
from signaling.protocol import CloseCode, ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import AskClosed, Asked, Banned, Effect, Ended, Opened, PlaceGone, SeatAdded, State
from signaling.server import actor as actor_module
from signaling.server import herald as herald_module
from signaling.server.actor import SpaceActor
from signaling.store import StoreError
from tests.signaling.server_world import World
from tests.virtual.loop import run


def tell(story: Callable[[World], Awaitable[None]], **limits: int) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        world = World(limits=LimitsConfig(**limits))
        await story(world)
        await world.end()

    run(whole())


def test_opening_is_written_before_it_is_answered() -> None:
    async def story(world: World) -> None:
        host = await world.known("host/Ada")
        world.records.gate.clear()
        host.send(wire.Open, "Tea")
        await world.settle()
        assert (host.peer.take(wire.Joined), len(world.directory)) == ([], 0)
        world.records.gate.set()
        await world.settle()
        [joined] = host.peer.take(wire.Joined)
        assert (joined.title, joined.role, joined.seat, joined.serial, joined.audience) == ("Tea", 2, 0, 0, 0)
        assert joined.stage == [wire.StageSeat(0, "host", "Ada", 2, False)]
        assert isinstance(world.records.written[0], Opened)
        assert world.engines[joined.space].asked == [("add", 0)]

    tell(story)


def test_a_store_failure_leaves_everything_as_it_was() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.ask(wire.Ask)
        actor, asked = world.directory.get(space), list(world.engines[space].asked)
        assert actor is not None
        before = actor.state
        for error, word in (
            (OSError("disk full"), "internal"),
            (StoreError("busy", "1000 are under way; try again."), "busy"),
            (StoreError("inconsistent", "no row"), "internal"),
        ):
            world.records.fails = error
            answer = await host.ask(wire.Admit, "ann")
            assert answer.code == ErrorCode[word]
        assert actor.state is before
        assert world.engines[space].asked == asked
        assert world.counts.store_failures == 3
        world.records.fails = None
        assert isinstance(await host.ask(wire.Admit, "ann"), wire.Ok)

    tell(story)


def test_a_space_that_the_store_refuses_is_not_opened() -> None:
    async def story(world: World) -> None:
        host = await world.known("host")
        world.records.fails = StoreError("already_hosting", "You host another; end that one.")
        assert (await host.ask(wire.Open, "Tea")).code == ErrorCode.already_hosting
        assert (len(world.directory), host.session.place) == (0, None)
        assert all(hall.room.is_closed for hall in world.halls.values())
        world.records.fails = None
        assert isinstance(await host.ask(wire.Open, "Tea"), wire.Joined)

    tell(story)


def test_a_listener_who_comes_and_goes_writes_nothing() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        written = len(world.records.written)
        ann = await world.listener("ann", space)
        assert isinstance(await ann.ask(wire.Leave), wire.Ok)
        bo = await world.listener("bo", space)
        await bo.hang_up()
        assert len(world.records.written) == written
        assert len(world.halls[space]) == len(world.halls[space].room.listening) == 1

    tell(story)


def test_admitting_gives_a_seat_and_tells_the_one_admitted() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        [you] = ann.peer.take(wire.You)
        assert (you.role, you.seat, you.muted) == (1, 1, False)
        place = ann.session.place
        assert place is not None
        assert (place.seat, place.muted) == (1, False)
        ann.speak()
        assert world.engines[space].asked[-1][:2] == ("put", 1)
        assert {SeatAdded, AskClosed} <= {type(effect) for effect in world.records.written}

    tell(story)


def test_a_kick_leaves_mix_roster_and_connection_in_one_step_and_bans() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        engine, hall = world.engines[space], world.halls[space]
        world.tick()
        request = host.send(wire.Remove, "ann")
        await world.settle()
        # Out of all three, although no tick has passed and the host has no answer yet.
        assert ("remove", 1) in engine.asked
        assert "ann" not in hall.room.listening
        assert ann.peer.closed is not None
        assert ann.peer.closed[0] == CloseCode.removed
        assert [event.reason for event in ann.peer.take(wire.Removed)] == ["removed"]
        assert host.peer.take(wire.Ok) == []
        ann.speak()
        assert ("put", 1) not in [asked[:2] for asked in engine.asked]
        world.tick()
        await world.settle()
        assert host.peer.take(wire.Ok) == [wire.Ok(request)]
        assert any(isinstance(effect, Banned) for effect in world.records.written)
        again = await world.known("ann")
        assert (await again.ask(wire.Join, space)).code == ErrorCode.removed

    tell(story)


def test_removing_a_listener_is_answered_without_a_tick() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        request = host.send(wire.Remove, "ann")
        await world.settle()
        assert host.peer.take(wire.Ok) == [wire.Ok(request)]
        assert ann.peer.take(wire.Removed) != []

    tell(story)


def test_a_second_connection_of_the_same_person_replaces_the_first() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        old = await world.speaker("ann", space, host)
        new = await world.known("ann")
        joined = await new.ask(wire.Join, space)
        assert (joined.role, joined.seat) == (1, 1), "the same seat, for a new stream"
        assert old.peer.closed is not None
        assert old.peer.closed[0] == CloseCode.replaced
        assert old.session.place is None
        await old.hang_up()  # the old connection's end changes nothing
        hall = world.halls[space]
        assert hall.session_of("ann") is new.session
        assert world.engines[space].seats == {0, 1}
        new.speak()
        assert world.engines[space].asked[-1][:2] == ("put", 1)

    tell(story)


def test_joining_where_one_is_gives_a_fresh_snapshot_and_changes_nothing() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await world.pass_time(0.2)
        again = await ann.ask(wire.Join, space)
        assert (again.role, again.audience, again.serial) == (0, 1, world.halls[space].herald.serial)
        assert (ann.peer.closed, host.peer.closed) == (None, None)

    tell(story)


@pytest.mark.parametrize("outage_s", [1, 200, 400])
def test_an_end_that_could_not_be_recorded_is_recorded_later(outage_s: int) -> None:
    """Else the store would refuse the host's next Space until the server is started again."""

    async def story(world: World) -> None:
        host, _ = await world.host()
        world.records.fails = OSError("disk full")
        await host.hang_up()
        await world.pass_time(121)
        assert len(world.directory) == 0
        await world.pass_time(outage_s)
        world.records.fails = None
        world.records.written.clear()
        await world.pass_time(31)
        given_up = outage_s == 400
        assert world.records.written == ([] if given_up else [Ended("host_lost", State.TIMED_OUT)])
        assert all(task.done() for task in world.tasks), "the Space's task has ended"

    tell(story)


def test_a_lost_speaker_leaves_the_room_at_once_and_the_stage_later() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        world.records.fails = OSError("disk")  # a fact does not wait for the store
        await ann.hang_up()
        assert world.engines[space].seats == {0}
        assert "ann" not in world.halls[space].room.listening
        await world.pass_time(121)
        world.records.fails = None
        world.records.written.clear()
        assert isinstance(await host.ask(wire.Mute), wire.Ok)
        assert isinstance(world.records.written[0], PlaceGone), "what is owed is written first"

    tell(story)


def test_the_host_may_come_back_within_the_grace() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await host.hang_up()
        assert world.engines[space].seats == set()
        await world.pass_time(29)
        back = await world.known("host")
        joined = await back.ask(wire.Join, space)
        assert joined.role == 2
        await world.pass_time(5)
        assert (len(world.directory), ann.peer.take(wire.Ended)) == (1, [])
        assert isinstance(await back.ask(wire.Mute), wire.Ok)

    tell(story)


def test_without_its_host_a_space_times_out() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await host.hang_up()
        await world.pass_time(119.9)
        assert ann.peer.take(wire.Ended) == []
        await world.pass_time(0.2)
        [ended] = ann.peer.take(wire.Ended)
        assert ended.reason == "host_lost"
        assert (len(world.directory), ann.session.place, len(world.alarms)) == (0, None, 1)
        assert world.records.written[-1] == Ended("host_lost", State.TIMED_OUT)
        assert world.halls[space].room.is_closed

    tell(story)


@pytest.mark.parametrize(("kind", "reason"), [(wire.End, "host_ended"), (wire.Leave, "host_left")])
def test_everybody_is_told_that_it_ended_and_can_go_elsewhere(kind: type, reason: str) -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.speaker("ann", space, host)
        bo = await world.listener("bo", space)
        assert isinstance(await host.ask(kind), wire.Ok)
        for caller in (host, ann, bo):
            assert [event.reason for event in caller.peer.take(wire.Ended)] == [reason]
            assert (caller.session.place, caller.peer.closed) == (None, None)
        ann.speak()
        assert world.counts.dropped_not_on_stage == 1
        assert isinstance(await ann.ask(wire.Open, "More"), wire.Joined)

    tell(story)


def test_what_waits_when_a_space_ends_is_answered() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        bo = await world.known("bo")
        world.records.gate.clear()
        host.send(wire.End)
        await world.settle()
        ask, join = ann.send(wire.Ask), bo.send(wire.Join, space)
        world.records.gate.set()
        await world.settle()
        assert [(e.id, e.code) for e in ann.peer.take(wire.Error)] == [(ask, ErrorCode.space_ended)]
        assert [(e.id, e.code) for e in bo.peer.take(wire.Error)] == [(join, ErrorCode.no_such_space)]

    tell(story)


def test_a_full_inbox_is_busy_and_empties_again() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        world.records.gate.clear()
        host.send(wire.Mute)
        await world.settle()
        callers = [await world.known(f"u{number}") for number in range(5)]
        for caller in callers:
            caller.send(wire.Join, space)
        assert [error.code for caller in callers for error in caller.peer.take(wire.Error)] == [
            ErrorCode.busy
        ] * 2
        world.records.gate.set()
        await world.settle()
        assert sum(len(caller.peer.take(wire.Joined)) for caller in callers) == 3

    tell(story, inbox=3)


def test_somebody_who_goes_while_the_store_writes_is_not_left_inside() -> None:
    async def story(world: World) -> None:
        host = await world.known("host")
        world.records.gate.clear()
        host.send(wire.Open, "Tea")
        await world.settle()
        await host.hang_up()
        world.records.gate.set()
        await world.settle()
        [actor] = list(world.directory)
        assert (list(actor.state.absent), len(actor.hall)) == (["host"], 0)
        await world.pass_time(121)
        assert len(world.directory) == 0

    tell(story)


def test_a_seat_that_the_engine_refuses_costs_that_connection_only() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.ask(wire.Ask)
        world.engines[space].fails = "add"
        assert isinstance(await host.ask(wire.Admit, "ann"), wire.Ok)
        assert ann.peer.closed is not None
        assert ann.peer.closed[0] == CloseCode.internal
        await ann.hang_up()
        assert world.counts.media_failures == 2
        assert world.directory.get(space) is not None
        assert host.peer.closed is None

    tell(story)


def test_a_bug_in_one_job_is_answered_and_disturbs_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> wire.People:
        raise LookupError("a bug")

    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        monkeypatch.setattr(actor_module, "people_page", broken)
        assert (await ann.ask(wire.ListPeople)).code == ErrorCode.internal
        assert world.counts.errors_caught == 1
        assert isinstance(await ann.ask(wire.Ask), wire.Ok)
        assert isinstance(await host.ask(wire.Admit, "ann"), wire.Ok)

    tell(story)


def test_people_are_paged_in_order() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        for number in range(5):
            await world.listener(f"u{number}", space)
        first = await host.ask(wire.ListPeople, "", 4)
        assert [person.user for person in first.people] == ["host", "u0", "u1", "u2"]
        second = await host.ask(wire.ListPeople, first.more, 4)
        assert ([person.user for person in second.people], second.more) == (["u3", "u4"], "")

    tell(story)


def test_asks_are_written_and_withdrawn() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await ann.ask(wire.Ask)
        assert (await ann.ask(wire.Ask)).code == ErrorCode.already_asked
        assert isinstance(await ann.ask(wire.Decline, "ann"), wire.Ok)
        assert [
            type(effect) for effect in world.records.written if isinstance(effect, Asked | AskClosed)
        ] == [
            Asked,
            AskClosed,
        ]
        assert (await host.ask(wire.Admit, "ann")).code == ErrorCode.not_asked

    tell(story)


def test_an_observer_is_told_what_has_become_so_and_may_fail() -> None:
    class Watcher:
        def __init__(self) -> None:
            self.saw: list[tuple[bytes, int]] = []

        def on_outcome(self, actor: SpaceActor, effects: Sequence[Effect]) -> None:
            self.saw.append((actor.space, len(actor.hall)))
            raise LookupError("a bug")

    async def story(world: World) -> None:
        watcher = Watcher()
        world.around.observers.append(watcher)
        _, space = await world.host()
        await world.listener("ann", space)
        assert watcher.saw == [(space, 1), (space, 2)]
        assert world.counts.errors_caught == 2

    tell(story)


def test_an_event_that_cannot_be_told_costs_that_event_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[wire.StageSeat]:
        raise LookupError("a bug")

    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await world.pass_time(0.2)
        with monkeypatch.context() as patched:
            patched.setattr(herald_module, "stage_rows", broken)
            assert isinstance(await host.ask(wire.Mute), wire.Ok)
            await world.pass_time(0.2)
        assert world.counts.errors_caught == 1
        ann.peer.take()
        last = world.halls[space].herald.serial
        assert isinstance(await host.ask(wire.Unmute), wire.Ok)
        await world.pass_time(0.2)
        assert [event.serial for event in ann.peer.take(wire.Stage)] == [last + 1], "no number was used up"

    tell(story)
