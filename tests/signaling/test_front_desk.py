"""The front desk: who is let in and under which name, renewing, listing, opening, and what is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from signaling.config import LimitsConfig
from signaling.protocol import HELLO_TIMEOUT_MS, CloseCode, ErrorCode
from signaling.protocol import messages as wire
from tests.signaling.page_tables import PAGE
from tests.signaling.server_world import Caller, World
from tests.virtual.loop import run


def tell(story: Callable[[World], Awaitable[None]], **limits: int) -> None:
    """Run a story in a world of its own."""

    async def whole() -> None:
        world = World(limits=LimitsConfig(**limits))
        await story(world)
        await world.end()

    run(whole())


def figures_on_the_page() -> dict[str, int]:
    """The capabilities and limits of `welcome`, as the specification names them."""
    page = PAGE.read_text(encoding="utf-8")
    section = page[page.index("### Capabilities and limits") : page.index("## Control stream")]
    return {key: int(value) for key, value in re.findall(r"^\| `(\w+)` \| (\d+) \|", section, re.M)}


def test_a_bad_token_is_answered_and_the_connection_closed() -> None:
    async def story(world: World) -> None:
        for token, word in (("bad", "bad_token"), ("old", "token_expired")):
            caller = world.call()
            answer = await caller.ask(wire.Hello, token)
            assert answer.code == ErrorCode[word]
            assert caller.peer.closed is not None
            assert caller.peer.closed[0] == CloseCode[word]

    tell(story)


def test_a_name_comes_from_the_token_else_from_hello() -> None:
    async def story(world: World) -> None:
        for token, given_name, name in (("a/Ann", "Other", "Ann"), ("b", "Bo", "Bo"), ("c", "", "c")):
            assert (await world.call().ask(wire.Hello, token, "", given_name)).name == name

    tell(story)


def test_in_development_mode_an_empty_token_registers_a_user() -> None:
    async def story(world: World) -> None:
        welcome = await world.call().ask(wire.Hello, "", "", "Ann")
        assert welcome.name == "Ann"
        assert world.records.users == [welcome.user]
        again = await world.call().ask(wire.Hello, welcome.token)
        assert (again.user, again.name, again.token) == (welcome.user, "Ann", "")
        world.authority.registers = False
        assert (await world.call().ask(wire.Hello, "")).code == ErrorCode.bad_token

    tell(story)


def test_a_registration_that_the_store_refuses_may_be_tried_again() -> None:
    async def story(world: World) -> None:
        world.records.fails = OSError("disk")
        caller = world.call()
        answer = await caller.ask(wire.Hello, "")
        assert (answer.code, caller.peer.closed) == (ErrorCode.internal, None)
        world.records.fails = None
        assert isinstance(await caller.ask(wire.Hello, ""), wire.Welcome)

    tell(story)


def test_welcome_says_what_the_specification_says() -> None:
    async def story(world: World) -> None:
        welcome = await world.call().ask(wire.Hello, "ann/Ann/900")
        assert welcome.token_expires_ms == 900_000
        assert {**welcome.capabilities, **welcome.limits} == figures_on_the_page()
        assert welcome.capabilities.keys().isdisjoint(welcome.limits)
        assert world.limits.hello_ms == HELLO_TIMEOUT_MS

    tell(story)


def test_welcome_says_the_limits_that_are_set() -> None:
    async def story(world: World) -> None:
        welcome = await world.call().ask(wire.Hello, "ann")
        assert (welcome.limits["stage"], welcome.limits["requests_per_s"]) == (5, 7)

    tell(story, stage=5, requests_per_s=7)


def test_renew_is_for_the_same_subject_only() -> None:
    async def story(world: World) -> None:
        ann = await world.known("ann/Ann/100")
        assert (await ann.ask(wire.Renew, "bo")).code == ErrorCode.wrong_subject
        assert (await ann.ask(wire.Renew, "bad")).code == ErrorCode.bad_token
        assert isinstance(await ann.ask(wire.Renew, "ann/Ann/300"), wire.Ok)
        await world.pass_time(101)
        assert ann.peer.closed is None
        await world.pass_time(200)
        assert ann.peer.closed is not None
        assert ann.peer.closed[0] == CloseCode.token_expired
        assert len(ann.peer.take(wire.TokenExpiring)) == 1

    tell(story)


def test_requests_that_need_a_space_are_refused_outside() -> None:
    async def story(world: World) -> None:
        ann: Caller = await world.known("ann")
        for kind in (wire.Leave, wire.Ask, wire.End, wire.ListPeople, wire.Mute):
            assert (await ann.ask(kind)).code == ErrorCode.not_in_space
        assert (await ann.ask(wire.Join, bytes(16))).code == ErrorCode.no_such_space

    tell(story)


def test_waiting_requests_of_a_connection_that_is_gone_are_forgotten() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.listener("ann", space)
        world.records.gate.clear()
        ann.send(wire.Ask)
        ann.send(wire.Leave)
        await asyncio.sleep(0)
        await ann.hang_up()
        world.records.gate.set()
        await world.settle()
        assert world.halls[space].session_of("ann") is None
        assert world.counts.errors_caught == 0

    tell(story)


def test_a_connection_is_in_one_space_and_a_person_hosts_one() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        _, other = await world.host("bo")
        assert (await host.ask(wire.Open, "More")).code == ErrorCode.already_in_space
        assert (await host.ask(wire.Join, other)).code == ErrorCode.already_in_space
        second = await world.known("host")
        assert (await second.ask(wire.Open, "More")).code == ErrorCode.already_hosting
        assert isinstance(await host.ask(wire.End), wire.Ok)
        assert (await second.ask(wire.Join, space)).code == ErrorCode.no_such_space
        assert isinstance(await second.ask(wire.Open, "More"), wire.Joined)

    tell(story)


def test_there_are_no_more_spaces_than_the_limit() -> None:
    async def story(world: World) -> None:
        await world.host("a")
        await world.host("b")
        third = await world.known("c")
        answer = await third.ask(wire.Open, "Tea")
        assert (answer.code, answer.retry_after_ms > 0) == (ErrorCode.too_many_spaces, True)

    tell(story, spaces=2)


def test_live_spaces_are_listed_the_latest_first() -> None:
    async def story(world: World) -> None:
        spaces = [(await world.host(f"h{number}"))[1] for number in range(5)]
        ann = await world.listener("ann", spaces[4])
        first = await ann.ask(wire.ListSpaces, 2)
        second = await ann.ask(wire.ListSpaces, 2, first.more)
        third = await ann.ask(wire.ListSpaces, 2, second.more)
        listed = [row.space for page in (first, second, third) for row in page.spaces]
        assert (listed, third.more) == (spaces[::-1], None)
        assert [row.people for row in first.spaces] == [2, 1]
        assert (await ann.ask(wire.ListSpaces, 2, b"short")).code == ErrorCode.bad_value

    tell(story)
