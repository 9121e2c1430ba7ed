"""The timeline: which bubbles somebody is shown, in which order, and what is pushed when to whom."""

from __future__ import annotations

import asyncio

import pytest

from signaling.config import PeopleConfig
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.server.bubbles import KNOWN_MAX
from tests.signaling.memory_graph import MemoryGraph, PlainGraph
from tests.signaling.server_world import Caller
from tests.signaling.town import Town, pushed, tell

COUNTS_S = PeopleConfig().count_interval_ms / 1_000


async def watching(town: Town, user: str, *followed: str) -> Caller:
    """Somebody who follows others and watches the timeline."""
    caller = await town.known(user)
    await town.follow(caller, *followed)
    await town.timeline(caller)
    return caller


async def soon(town: Town) -> None:
    """Long enough for bubbles to be pushed, and not for counts."""
    await town.pass_time(0.2)


def test_live_spaces_of_whom_one_follows_are_bubbles() -> None:
    async def story(town: Town) -> None:
        await town.host("ann")
        await town.host("bo")
        cy = await town.known("cy")
        await town.follow(cy, "ann")
        await soon(town)
        answer = await cy.ask(wire.Timeline, True)
        (bubble,) = answer.bubbles
        assert (bubble.host, bubble.title, bubble.people, bubble.known_on_stage) == ("ann", "Tea", 1, 1)
        assert [person.user for person in bubble.known] == ["ann"]
        assert answer.subscribed

    tell(story)


def test_a_space_that_goes_live_and_ends_is_pushed_within_a_fifth_of_a_second() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        cy = await watching(town, "cy", "ann")
        dee = await watching(town, "dee")
        opened = await ann.ask(wire.Open, "Tea", ["cake"])
        await soon(town)
        (event,) = pushed(cy)
        assert (event.serial, event.bubble.space, event.bubble.topics) == (0, opened.space, ["cake"])
        assert isinstance(await ann.ask(wire.End), wire.Ok)
        await soon(town)
        (gone,) = pushed(cy, wire.BubbleGone)
        assert gone.space == opened.space
        assert not pushed(dee), "who follows nobody there is told nothing"
        assert not pushed(dee, wire.BubbleGone)

    tell(story)


def test_a_followed_speaker_makes_a_bubble_and_a_followed_listener_does_not() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("host")
        await town.listener("bo", space)
        cy = await watching(town, "cy", "bo")
        await soon(town)
        assert not pushed(cy)
        bo = await town.known("bo")
        await bo.ask(wire.Join, space)
        await bo.ask(wire.Ask)
        await host.ask(wire.Admit, "bo")
        await soon(town)
        (event,) = pushed(cy)
        assert (event.bubble.known_on_stage, event.bubble.host) == (1, "host")
        assert isinstance(await bo.ask(wire.Move), wire.Ok)
        await soon(town)
        (gone,) = pushed(cy, wire.BubbleGone)
        assert gone.space == space

    tell(story)


def test_who_is_inside_is_named_and_counted_with_those_on_stage_first() -> None:
    async def story(town: Town) -> None:
        _, space = await town.host("zoe")
        inside = [f"u{number}" for number in range(7)]
        for user in inside:
            await town.listener(user, space)
        cy = await town.known("cy")
        await town.follow(cy, "zoe", *inside)
        await soon(town)
        (bubble,) = (await cy.ask(wire.Timeline, True)).bubbles
        assert [person.user for person in bubble.known] == ["zoe", "u0", "u1", "u2", "u3"]
        assert len(bubble.known) == KNOWN_MAX
        assert (bubble.known_count, bubble.known_on_stage, bubble.people) == (8, 1, 8)

    tell(story)


def test_most_followed_people_on_stage_come_first_then_the_largest() -> None:
    async def story(town: Town) -> None:
        one, first = await town.host("one")
        await town.host("two")
        _, third = await town.host("three")
        for number in range(3):
            await town.listener(f"x{number}", third)
        await town.speaker("ann", first, one)
        cy = await town.known("cy")
        await town.follow(cy, "one", "two", "three", "ann")
        await soon(town)
        answer = await cy.ask(wire.Timeline, True)
        assert [bubble.host for bubble in answer.bubbles] == ["one", "three", "two"]

    tell(story)


def test_how_many_are_inside_is_pushed_every_few_seconds_at_most() -> None:
    async def story(town: Town) -> None:
        _, space = await town.host("ann")
        cy = await watching(town, "cy", "ann")
        await soon(town)
        pushed(cy)
        for number in range(10):
            await town.listener(f"x{number}", space)
            await town.pass_time(0.1)
        assert not pushed(cy)
        await town.pass_time(COUNTS_S)
        (event,) = pushed(cy)
        assert event.bubble.people == 11

    tell(story)


def test_a_new_title_reaches_everybody_who_is_shown_the_space() -> None:
    async def story(town: Town) -> None:
        ann, space = await town.host("ann")
        cy = await watching(town, "cy", "ann")
        await soon(town)
        pushed(cy)
        answer = await ann.ask(wire.Change, "Coffee")
        if isinstance(answer, wire.Error):
            pytest.fail(f"the title cannot be changed: {answer}")
        await soon(town)
        (event,) = pushed(cy)
        assert event.bubble.title == "Coffee"
        assert space == event.bubble.space

    tell(story)


def test_following_somebody_changes_what_one_is_shown_at_once() -> None:
    async def story(town: Town) -> None:
        await town.host("ann")
        cy = await watching(town, "cy")
        await soon(town)
        await town.follow(cy, "ann")
        await town.pass_time(0.04)
        assert len(pushed(cy)) == 1
        await cy.ask(wire.Unfollow, "ann")
        await town.pass_time(0.04)
        assert len(pushed(cy, wire.BubbleGone)) == 1

    tell(story)


def test_people_who_block_each_other_never_see_each_others_spaces() -> None:
    async def story(town: Town) -> None:
        ann, space = await town.host("ann")
        await town.speaker("bo", space, ann)
        cy = await watching(town, "cy", "ann", "bo")
        await soon(town)
        assert await town.timeline(cy) == ["Tea"]
        await cy.ask(wire.Block, "ann")
        await town.pass_time(0.04)
        assert len(pushed(cy, wire.BubbleGone)) == 1
        pushed(cy)
        await ann.ask(wire.Mute)
        await soon(town)
        assert not pushed(cy), "also not through bo, whom cy follows"
        assert await town.timeline(cy) == []
        await cy.ask(wire.Unblock, "ann")
        await town.pass_time(0.04)
        assert [event.bubble.known_on_stage for event in pushed(cy)] == [1], "bo is still followed"

    tell(story)


def test_a_block_by_the_host_hides_a_space_that_opens_later() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        cy = await watching(town, "cy", "bo")
        await ann.ask(wire.Block, "cy")
        opened = await ann.ask(wire.Open, "Tea")
        await bo.ask(wire.Join, opened.space)
        await bo.ask(wire.Ask)
        await ann.ask(wire.Admit, "bo")
        await soon(town)
        assert not pushed(cy)
        assert await town.timeline(cy) == []

    tell(story)


def test_who_was_banned_is_shown_nothing_of_the_space() -> None:
    async def story(town: Town) -> None:
        ann, space = await town.host("ann")
        await town.listener("cy", space)
        await ann.ask(wire.Remove, "cy")
        cy = await watching(town, "cy", "ann")
        await soon(town)
        assert not pushed(cy)

    tell(story)


def test_a_stage_change_is_looked_at_by_those_it_concerns_alone() -> None:
    """The cost of one change does not grow with all who watch."""

    async def story(town: Town) -> None:
        for number in range(60):
            await watching(town, f"w{number}", "host" if number < 5 else "nobody-special")
        host, space = await town.host("host")
        await soon(town)
        before, looked = town.counts.bubbles_pushed, []
        shows = town.parts.timeline._shows
        show = shows.show
        shows.show = lambda subscriber, *rest: looked.append(subscriber.user) or show(subscriber, *rest)  # type: ignore[method-assign]
        await town.speaker("bo", space, host)
        await soon(town)
        assert looked == [], "nobody who watches follows bo"
        await host.ask(wire.End)
        await soon(town)
        assert sorted(looked) == [f"w{number}" for number in range(5)]
        assert town.counts.bubbles_pushed == before + 5

    async def prepared(town: Town) -> None:
        await town.known("nobody-special")
        await town.known("host")
        await story(town)

    tell(prepared)


def test_the_same_bubble_is_encoded_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(town: Town) -> None:
        from signaling.server import shows

        (ann,) = await town.people_named("ann")
        watchers = [await watching(town, f"w{number}", "ann") for number in range(20)]
        encoded: list[object] = []
        encode = shows.encode
        monkeypatch.setattr(shows, "encode", lambda message: encoded.append(message) or encode(message))
        await ann.ask(wire.Open, "Tea")
        await soon(town)
        assert all(len(pushed(watcher)) == 1 for watcher in watchers)
        assert len(encoded) == 1

    tell(story)


def test_a_full_timeline_keeps_the_first_and_fills_up_again() -> None:
    async def story(town: Town) -> None:
        hosts = [await town.host(f"h{number}") for number in range(5)]
        for number, (_, space) in enumerate(hosts):
            for guest in range(number):
                await town.listener(f"g{number}-{guest}", space)
        cy = await town.known("cy")
        await town.follow(cy, *(f"h{number}" for number in range(5)))
        await soon(town)
        answer = await cy.ask(wire.Timeline, True)
        assert [bubble.host for bubble in answer.bubbles] == ["h4", "h3", "h2"]
        await hosts[4][0].ask(wire.End)
        await town.pass_time(0.4)
        assert [event.bubble.host for event in pushed(cy)] == ["h1"]
        assert len(pushed(cy, wire.BubbleGone)) == 1

    tell(story, people=PeopleConfig(bubbles=3))


def test_a_bubble_that_ranks_higher_takes_the_place_of_the_last() -> None:
    async def story(town: Town) -> None:
        await town.host("h0")
        await town.host("h1")
        big, space = await town.host("h2")
        for guest in range(3):
            await town.listener(f"g{guest}", space)
        await town.known("sol")
        cy = await watching(town, "cy", "h0", "h1", "sol")
        await soon(town)
        sol = await town.listener("sol", space)
        await sol.ask(wire.Ask)
        await big.ask(wire.Admit, "sol")
        await soon(town)
        assert [event.bubble.host for event in pushed(cy)][-1:] == ["h2"]
        assert len(pushed(cy, wire.BubbleGone)) == 1

    tell(story, people=PeopleConfig(bubbles=2))


def test_a_space_that_grows_takes_the_place_of_a_smaller_one() -> None:
    async def story(town: Town) -> None:
        spaces = [(await town.host(f"h{number}"))[1] for number in range(3)]
        for number in (0, 1):
            await town.listener(f"first{number}", spaces[number])
        cy = await town.known("cy")
        await town.follow(cy, "h0", "h1", "h2")
        await soon(town)
        answer = await cy.ask(wire.Timeline, True)
        assert sorted(bubble.host for bubble in answer.bubbles) == ["h0", "h1"]
        for number in range(3):
            await town.listener(f"late{number}", spaces[2])
        await town.pass_time(2 * COUNTS_S)
        assert [event.bubble.host for event in pushed(cy)] == ["h2"]
        assert len(pushed(cy, wire.BubbleGone)) == 1

    tell(story, people=PeopleConfig(bubbles=2))


def test_so_many_watch_and_no_more() -> None:
    async def story(town: Town) -> None:
        one, two, three = await town.people_named("one", "two", "three")
        assert await town.timeline(one) == await town.timeline(two) == []
        answer = await three.ask(wire.Timeline, True)
        assert (answer.code, answer.retry_after_ms > 0) == (ErrorCode.too_many_subscribers, True)
        assert isinstance(await three.ask(wire.Timeline, False), wire.Bubbles), "a look is still possible"
        await one.hang_up()
        assert await town.timeline(three) == []

    tell(story, people=PeopleConfig(subscribers=2))


def test_so_many_pairs_of_watcher_and_followed_are_held_and_no_more() -> None:
    graph = MemoryGraph()
    graph.edges = {(user, f"u{number}") for user in ("one", "two") for number in range(600)}

    async def story(town: Town) -> None:
        one, two = await town.people_named("one", "two")
        await town.timeline(one)
        assert (await two.ask(wire.Timeline, True)).code == ErrorCode.too_many_subscribers
        assert isinstance(await two.ask(wire.Timeline, False), wire.Bubbles)
        await one.ask(wire.Timeline, False)
        await town.timeline(two)

    tell(story, graph=graph, people=PeopleConfig(edges=1_000))


def test_who_does_not_watch_any_more_is_told_nothing_and_nothing_is_kept_of_them() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        cy = await watching(town, "cy", "ann")
        answer = await cy.ask(wire.Timeline, False)
        assert not answer.subscribed
        await ann.ask(wire.Open, "Tea")
        await soon(town)
        assert not pushed(cy)
        timeline = town.parts.timeline
        assert (len(timeline), timeline._interests.edges) == (0, 0)
        await town.timeline(cy)
        await cy.hang_up()
        assert (len(timeline), timeline._interests.edges) == (0, 0)
        assert not timeline._interests._shown_to

    tell(story)


def test_two_connections_of_one_person_are_told_the_same() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        cy = await watching(town, "cy", "ann")
        other = await town.known("cy")
        await town.timeline(other)
        await ann.ask(wire.Open, "Tea")
        await soon(town)
        assert len(pushed(cy)) == len(pushed(other)) == 1
        await cy.hang_up()
        await ann.ask(wire.End)
        await soon(town)
        assert len(pushed(other, wire.BubbleGone)) == 1

    tell(story)


def test_what_is_followed_while_the_timeline_is_read_counts() -> None:
    async def story(town: Town) -> None:
        await town.host("ann")
        await soon(town)
        cy, again = await town.known("cy"), await town.known("cy")
        cy.send(wire.Timeline, True)
        again.send(wire.Follow, "ann")
        await town.pass_time(0.3)
        shown = [bubble.title for each in cy.peer.take(wire.Bubbles) for bubble in each.bubbles]
        assert shown + [event.bubble.title for event in pushed(cy)] == ["Tea"]

    tell(story)


# Graphs of an embedder


def test_a_graph_that_cannot_list_is_asked_about_people_on_stage() -> None:
    graph = PlainGraph()
    graph.edges = {("cy", "ann"), ("cy", "bo"), ("cy", "dee")}

    async def story(town: Town) -> None:
        ann, space = await town.host("ann")
        await town.listener("dee", space)
        cy = await town.known("cy")
        await soon(town)
        assert await town.timeline(cy) == ["Tea"]
        bo = await town.known("bo")
        opened = await bo.ask(wire.Open, "Cake")
        await soon(town)
        (event,) = pushed(cy)
        assert event.bubble.space == opened.space
        for host in (ann, bo):
            await host.ask(wire.End)
        await soon(town)
        assert len(pushed(cy, wire.BubbleGone)) == 2
        assert town.parts.timeline._interests.edges == 0, "nothing is kept of people on no stage"

    tell(story, graph=graph)


def test_somebody_followed_and_blocked_in_an_embedders_graph_is_not_named() -> None:
    graph = PlainGraph()
    graph.edges = {("cy", "ann"), ("cy", "bo")}
    graph.blocks = {("bo", "cy")}

    async def story(town: Town) -> None:
        ann, space = await town.host("ann")
        await town.speaker("bo", space, ann)
        cy = await town.known("cy")
        await soon(town)
        (bubble,) = (await cy.ask(wire.Timeline, True)).bubbles
        assert [person.user for person in bubble.known] == ["ann"]

    tell(story, graph=graph)


def test_timelines_catch_up_when_a_graph_answers_again() -> None:
    graph = MemoryGraph()
    graph.edges = {("cy", "ann")}

    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        cy = await town.known("cy")
        await town.timeline(cy)
        graph.fails = OSError("no network")
        assert isinstance(await ann.ask(wire.Open, "Tea"), wire.Joined), "no Space is stopped by it"
        await soon(town)
        assert not pushed(cy)
        assert town.counts.bubbles_behind == 1
        graph.fails = None
        await town.pass_time(6)
        assert [event.bubble.title for event in pushed(cy)] == ["Tea"]

    tell(story, graph=graph)


def test_a_graph_that_hangs_at_the_timeline_is_answered_with_busy() -> None:
    graph = MemoryGraph()

    async def story(town: Town) -> None:
        (cy,) = await town.people_named("cy")
        graph.hangs = True
        cy.send(wire.Timeline, True)
        await town.settle()
        await asyncio.sleep(town.people.graph_timeout_ms / 1_000)
        await town.settle()
        (answer,) = cy.peer.take(wire.Error)
        assert answer.code == ErrorCode.busy
        assert len(town.parts.timeline) == 0
        graph.hangs = False
        assert await town.timeline(cy) == []

    tell(story, graph=graph)


def test_bubbles_of_long_names_fit_into_one_message() -> None:
    users = [f"{number:02}" + "x" * 60 for number in range(40)]
    graph = MemoryGraph()
    graph.edges = {("cy", user) for user in users}

    async def story(town: Town) -> None:
        for user in users:
            host = await town.known(f"{user}/{'é' * 48}")
            opened = await host.ask(wire.Open, "ü" * 100, ["ä" * 30, "ö" * 30, "å" * 30])
            assert isinstance(opened, wire.Joined)
        cy = await town.known("cy")
        await soon(town)
        answer = await cy.ask(wire.Timeline, True)
        assert isinstance(answer, wire.Bubbles)
        assert 10 < len(answer.bubbles) < 40

    tell(story, graph=graph)
