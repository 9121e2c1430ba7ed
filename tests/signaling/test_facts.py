"""What a request has to know from outside the Space: asked before its turn, and again where that is stale."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from signaling.config import LimitsConfig
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Refused
from signaling.server.relations import GraphError
from tests.signaling.server_world import World
from tests.virtual.loop import run


def tell(story: Callable[[World], Awaitable[None]], **limits: int) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        world = World(limits=LimitsConfig(**limits))
        await story(world)
        await world.end()

    run(whole())


def test_a_graph_that_hangs_keeps_only_those_waiting_who_need_it() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        bo = await world.known("bo")
        world.bonds.gate.clear()
        join = bo.send(wire.Join, space)
        await world.settle()
        assert isinstance(await ann.ask(wire.Ask), wire.Ok)
        assert isinstance(await host.ask(wire.Admit, "ann"), wire.Ok)
        assert bo.peer.take(wire.Joined) == []
        world.bonds.gate.set()
        await world.settle()
        assert [joined.id for joined in bo.peer.take(wire.Joined)] == [join]

    tell(story)


def test_those_who_wait_for_the_graph_count_as_waiting() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        world.bonds.gate.clear()
        callers = [await world.known(f"u{number}") for number in range(5)]
        for caller in callers:
            caller.send(wire.Join, space)
        refused = [error.code for caller in callers for error in caller.peer.take(wire.Error)]
        assert refused == [ErrorCode.busy] * 2
        world.bonds.gate.set()
        await world.settle()
        assert sum(len(caller.peer.take(wire.Joined)) for caller in callers) == 3
        actor = world.directory.get(space)
        assert actor is not None
        assert actor.waiting == 0

    tell(story, inbox=3)


def test_a_graph_that_fails_costs_one_request() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.known("ann")
        world.bonds.fails = OSError("no graph today")
        refused = await ann.ask(wire.Join, space)
        assert (refused.code, refused.retry_after_ms > 0) == (ErrorCode.busy, True)
        world.bonds.fails = GraphError(Refused("busy", "It took 2 s, which is the limit; try again.", 77))
        assert (await ann.ask(wire.Join, space)).retry_after_ms == 77
        world.bonds.fails = None
        assert isinstance(await ann.ask(wire.Join, space), wire.Joined)

    tell(story)


def test_a_block_that_comes_while_the_graph_is_asked_counts() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        actor = world.directory.get(space)
        assert actor is not None
        ann = await world.known("ann")
        world.bonds.gate.clear()
        ann.send(wire.Join, space)
        await world.settle()
        world.bonds.blocks.add(("host", "ann"))  # after the answer was read, before it is given
        actor.block_changed("host", "ann", True)
        world.bonds.gate.set()
        await world.settle()
        [error] = ann.peer.take(wire.Error)
        assert error.code == ErrorCode.no_such_space
        assert world.halls[space].session_of("ann") is None

    tell(story)


def test_who_may_speak_is_asked_by_the_rule_that_holds_at_the_turn() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann, bo = await world.listener("ann", space), await world.listener("bo", space)
        world.bonds.edges.add(("host", "ann"))
        asked = world.bonds.asked
        world.records.gate.clear()
        change = host.send(wire.Change, None, None, 1)  # people the host follows
        await world.settle()
        ann.send(wire.Ask)
        bo.send(wire.Ask)
        await world.settle()
        assert world.bonds.asked == asked, "everybody might ask, when they did"
        world.records.gate.set()
        await world.settle()
        assert [ok.id for ok in host.peer.take(wire.Ok)] == [change]
        assert len(ann.peer.take(wire.Ok)) == 1
        [error] = bo.peer.take(wire.Error)
        assert error.code == ErrorCode.not_invited

    tell(story)


def test_a_space_that_changes_all_the_time_is_busy() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        actor = world.directory.get(space)
        assert actor is not None
        ann = await world.known("ann")
        follows = world.bonds.blocked

        async def changing(blocker: str, user: str) -> bool:
            found = await follows(blocker, user)
            actor.block_changed("host", "somebody", False)
            return found

        world.bonds.blocked = changing  # type: ignore[method-assign]
        assert (await ann.ask(wire.Join, space)).code == ErrorCode.busy
        assert world.bonds.asked == 4
        world.bonds.blocked = follows  # type: ignore[method-assign]
        assert isinstance(await ann.ask(wire.Join, space), wire.Joined)

    tell(story)


def test_a_space_that_ends_while_the_graph_is_asked_is_answered() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await host.ask(wire.Change, None, None, 1)
        bo = await world.known("bo")
        world.bonds.gate.clear()
        bo.send(wire.Join, space)
        ann.send(wire.Ask)
        await world.settle()
        await host.ask(wire.End)
        await world.settle()
        world.bonds.gate.set()
        await world.settle()
        assert [error.code for error in bo.peer.take(wire.Error)] == [ErrorCode.no_such_space]
        assert [error.code for error in ann.peer.take(wire.Error)] == [ErrorCode.space_ended]

    tell(story)
