"""Finding Spaces: pages of the list, search by title and topic, a look from outside, and who is hidden."""

from __future__ import annotations

import re

import pytest

from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.server import directory
from tests.signaling.server_world import Caller
from tests.signaling.town import Town, tell


async def opened(town: Town, user: str, title: str, *topics: str) -> bytes:
    """Somebody opens a Space."""
    host = await town.known(user)
    answer = await host.ask(wire.Open, title, list(topics))
    assert isinstance(answer, wire.Joined), answer
    return bytes(answer.space)


async def found(caller: Caller, text: str = "", topic: str = "", limit: int = 50) -> list[str]:
    """The titles that a search finds, over all pages."""
    titles: list[str] = []
    after = None
    while True:
        page = await caller.ask(wire.ListSpaces, limit, after, text, topic)
        assert isinstance(page, wire.Spaces), page
        assert len(page.spaces) <= limit
        titles += [row.title for row in page.spaces]
        after = page.more
        if after is None:
            return titles


def test_titles_and_topics_are_searched_without_regard_to_case() -> None:
    async def story(town: Town) -> None:
        await opened(town, "ann", "Morning TEA", "Cake")
        await opened(town, "bo", "Ｔｅａ at night", "jazz", "cake")
        await opened(town, "cy", "Coffee", "jazz")
        dee = await town.known("dee")
        assert await found(dee, "tea") == ["Ｔｅａ at night", "Morning TEA"]
        assert await found(dee, "", "CAKE") == ["Ｔｅａ at night", "Morning TEA"]
        assert await found(dee, "coffee", "jazz") == ["Coffee"]
        assert await found(dee, "tea", "tea") == []
        assert await found(dee, "%") == await found(dee, "_") == []
        assert len(await found(dee)) == 3

    tell(story)


def test_a_search_goes_on_where_a_page_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_TURN_SPACES", 2)

    async def story(town: Town) -> None:
        for number in range(9):
            await opened(town, f"h{number}", f"{'Tea' if number % 2 else 'Coffee'} {number}")
        dee = await town.known("dee")
        assert await found(dee, "tea", limit=1) == ["Tea 7", "Tea 5", "Tea 3", "Tea 1"]
        assert await found(dee, "tea", limit=3) == ["Tea 7", "Tea 5", "Tea 3", "Tea 1"]
        assert len(await found(dee, limit=2)) == 9

    tell(story)


def test_a_row_says_who_what_and_how_many() -> None:
    async def story(town: Town) -> None:
        host = await town.known("ann")
        space = (await host.ask(wire.Open, "Tea", ["cake"])).space
        await town.speaker("bo", space, host)
        dee = await town.listener("dee", space)
        (row,) = (await dee.ask(wire.ListSpaces)).spaces
        assert (row.host, row.host_name, row.people, row.on_stage) == ("ann", "ann", 3, 2)
        assert (row.topics, row.kind) == (["cake"], "")

    tell(story)


def test_a_peek_shows_stage_and_count_and_leaves_no_trace() -> None:
    async def story(town: Town) -> None:
        host = await town.known("ann")
        space = (await host.ask(wire.Open, "Tea", ["cake"])).space
        await town.speaker("bo", space, host)
        dee = await town.known("dee")
        await town.pass_time(1)
        host.peer.take()
        peeked = await dee.ask(wire.Peek, space)
        assert (peeked.settings.title, peeked.settings.topics, peeked.state) == ("Tea", ["cake"], 1)
        assert ([seat.user for seat in peeked.stage], peeked.people) == (["ann", "bo"], 2)
        await town.pass_time(1)
        assert host.peer.take() == [], "nobody is told"
        assert dee.session.place is None
        assert (await host.ask(wire.ListPeople)).people == [
            wire.Person("ann", "ann"),
            wire.Person("bo", "bo"),
        ]

    tell(story)


def test_an_ended_space_can_still_be_peeked_at() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("ann")
        await host.ask(wire.End)
        dee = await town.known("dee")
        peeked = await dee.ask(wire.Peek, space)
        assert (peeked.state, peeked.settings.title, peeked.stage, peeked.people) == (2, "Tea", [], 0)

    tell(story)


def test_whoever_is_blocked_is_answered_as_if_there_were_no_such_space() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("ann")
        bo, cy = await town.people_named("bo", "cy")
        await host.ask(wire.Block, "bo")
        await cy.ask(wire.Block, "ann")
        for who in (bo, cy):
            hidden, absent = await who.ask(wire.Peek, space), await who.ask(wire.Peek, bytes(16))
            assert hidden.code == absent.code == ErrorCode.no_such_space
            ids = re.compile(f"{space.hex()}|{bytes(16).hex()}")
            assert ids.sub("ID", hidden.message) == ids.sub("ID", absent.message)
            assert hidden.retry_after_ms == absent.retry_after_ms
            assert await found(who) == []
            assert await found(who, "tea") == []
        joined = await bo.ask(wire.Join, space)
        absent = await bo.ask(wire.Join, bytes(16))
        assert joined.code == absent.code == ErrorCode.no_such_space
        await host.ask(wire.End)
        assert (await bo.ask(wire.Peek, space)).code == ErrorCode.no_such_space, "also when it is over"

    tell(story)


def test_a_page_of_hidden_spaces_is_short_and_goes_on() -> None:
    async def story(town: Town) -> None:
        for number in range(6):
            await opened(town, f"h{number}", f"Tea {number}")
        dee = await town.known("dee")
        for number in (5, 4):
            await dee.ask(wire.Block, f"h{number}")
        first = await dee.ask(wire.ListSpaces, 2)
        assert first.spaces == []
        assert first.more is not None
        assert await found(dee, limit=2) == ["Tea 3", "Tea 2", "Tea 1", "Tea 0"]

    tell(story)


def test_searching_too_often_says_when_to_try_again() -> None:
    async def story(town: Town) -> None:
        dee = await town.known("dee")
        answers = [await dee.ask(wire.ListSpaces, 50, None, "tea") for _ in range(21)]
        assert answers[-1].code == ErrorCode.too_often
        assert answers[-1].retry_after_ms > 0
        assert isinstance(await dee.ask(wire.ListSpaces), wire.Spaces), "the plain list is not a search"

    tell(story)


def test_bad_values_are_refused_by_code() -> None:
    async def story(town: Town) -> None:
        dee = await town.known("dee")
        assert (await dee.ask(wire.ListSpaces, 50, b"short")).code == ErrorCode.bad_value
        assert (await dee.ask(wire.ListSpaces, 0)).code == ErrorCode.bad_value
        assert (await dee.ask(wire.Peek, b"short")).code == ErrorCode.bad_value
        assert (await dee.ask(wire.Open, "Tea", ["a", "b", "c", "d"])).code == ErrorCode.bad_value
        assert (await dee.ask(wire.Open, "Tea", ["a\u202eb"])).code == ErrorCode.bad_value
        assert (await dee.ask(wire.Open, "Tea", [], 9)).code == ErrorCode.bad_value

    tell(story)


def test_a_space_opens_with_all_that_was_asked_for() -> None:
    async def story(town: Town) -> None:
        host = await town.known("ann")
        answer = await host.ask(wire.Open, "  Tea ", ["Cake", "CAKE"], 2)
        assert (answer.title, answer.settings.topics, answer.settings.who_may_speak) == ("Tea", ["cake"], 2)

    tell(story)
