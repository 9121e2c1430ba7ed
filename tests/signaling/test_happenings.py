"""Happenings: which effects an application is told of, in which words, and that the page lists them all."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from pathlib import Path
from typing import Any, get_args

import pytest

from signaling import rules
from signaling.rules import Effect, Outcome, Settings, SpaceState, talk
from signaling.server import happenings as told
from signaling.server.counts import Counts
from signaling.server.feed import HAPPENINGS_KEPT, Feed
from signaling.server.happenings import KINDS, VERSION, Happening, What
from signaling.server.happenings_page import table
from signaling.server.scribe import NOT_TOLD, TOLD, Scribe

PAGE = Path(__file__).parents[2] / "docs" / "embedding-server.md"
SPACE = bytes(16)


def test_every_effect_is_told_or_left_out_on_purpose() -> None:
    effects = set(get_args(Effect))
    assert set(TOLD) | NOT_TOLD | {rules.StageChanged} == effects
    assert not set(TOLD) & NOT_TOLD


def test_the_page_lists_every_kind_as_the_code_has_it() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), (
        "put there what python -m signaling.server.happenings_page says"
    )


def test_kinds_have_words_and_plain_fields() -> None:
    assert len(KINDS) == len(get_args(What))
    for word, kind in KINDS.items():
        assert word == word.lower()
        assert kind.__doc__
        for item in dataclasses.fields(kind):
            assert item.type in ("str", "int", "bool", "tuple[str, ...]"), f"{word}.{item.name}"


def test_a_happening_is_one_line_of_json() -> None:
    what = told.SpaceOpened("Tea ☕", ("a", "b"), "", "everyone", "arrival", False, "ada", "Ada")
    happening = Happening("00" * 16, bytes(range(16)), 1_000, what)
    assert json.loads(happening.as_json()) == happening.as_dict()
    assert happening.as_dict() == {
        "version": VERSION,
        "id": "00" * 16,
        "kind": "space_opened",
        "space": bytes(range(16)).hex(),
        "at_ms": 1_000,
        "data": {
            "title": "Tea ☕",
            "topics": ["a", "b"],
            "space_kind": "",
            "who_may_speak": "everyone",
            "queue_order": "arrival",
            "locked": False,
            "host": "ada",
            "host_name": "Ada",
        },
    }
    assert dataclasses.replace(happening, missed=3).as_dict()["missed"] == 3


class Story:
    """A Space whose every outcome is told."""

    def __init__(self) -> None:
        self.scribe = Scribe()
        self.state: SpaceState | None = None

    def tell(self, outcome: Any) -> list[What]:
        """Keep an outcome; returns what is told of it."""
        assert isinstance(outcome, Outcome), outcome
        drafted = self.scribe.draft(SPACE, outcome.effects)
        assert self.scribe.draft(SPACE, outcome.effects) == drafted  # a draft changes nothing
        self.scribe.keep(SPACE, outcome.effects)
        self.state = outcome.state
        return drafted

    def act(self, verb: Any, *arguments: Any, **options: Any) -> list[What]:
        return self.tell(verb(self.state, *arguments, **options))


@pytest.fixture
def story() -> Story:
    """Ada hosts, Bob and Cy listen."""
    made = Story()
    opened = made.tell(rules.open_space(SPACE, Settings("Tea"), "ada", "Ada", 0))
    assert opened == [
        told.SpaceOpened("Tea", (), "", "everyone", "arrival", False, "ada", "Ada"),
        told.PersonOnStage("ada", "Ada", "host"),
    ]
    for user in ("bob", "cy"):
        assert made.act(rules.join, user, user.title(), 0) == []  # nobody is told who listens
    return made


def on_stage(story: Story, user: str) -> None:
    story.act(rules.ask, user, 0)
    story.act(rules.admit, "ada", user, 0)


def test_the_way_up_and_down(story: Story) -> None:
    assert story.act(rules.ask, "bob", 0) == [told.AskOpened("bob", "Bob")]
    assert story.act(rules.admit, "ada", "bob", 0) == [
        told.AskClosed("bob", "admitted"),
        told.Moderated("ada", "admit", "bob", ""),
        told.PersonOnStage("bob", "Bob", "speaker"),
    ]
    assert story.act(rules.mute, "bob", "", 0) == []  # their own affair
    assert story.act(rules.move, "bob", "", 0) == [told.PersonOffStage("bob")]


def test_roles_change_and_a_mute_by_another_is_moderation(story: Story) -> None:
    on_stage(story, "bob")
    promoted = story.act(rules.promote, "ada", "bob", 0)
    assert told.RoleChanged("bob", "Bob", "co_host") in promoted
    assert told.Moderated("ada", "promote", "bob", "") in promoted
    assert story.act(rules.mute, "ada", "bob", 0) == [told.Moderated("ada", "mute", "bob", "")]
    handed = story.act(rules.hand_over, "ada", "bob", 0)
    assert told.HostChanged("bob", "Bob", "handed_over") in handed
    assert told.RoleChanged("bob", "Bob", "host") in handed


def test_a_kick_is_told_whole(story: Story) -> None:
    on_stage(story, "bob")
    assert story.act(rules.remove, "ada", "bob", 0) == [
        told.PersonBanned("bob", "Bob", "ada"),
        told.PersonRemoved("bob", "removed"),
        told.Moderated("ada", "ban", "bob", ""),
        told.PersonOffStage("bob"),
    ]
    assert story.act(rules.unban, "ada", "bob", 0) == [
        told.PersonUnbanned("bob"),
        told.Moderated("ada", "unban", "bob", ""),
    ]


def test_a_lost_connection_is_told_when_the_place_is_gone(story: Story) -> None:
    on_stage(story, "bob")
    assert story.act(rules.lost, "bob", 0) == []
    assert story.state is not None
    due_us = story.state.deadline_us
    assert due_us is not None
    assert story.act(rules.on_time, due_us) == [told.PersonOffStage("bob")]


def test_who_is_back_in_time_was_never_away(story: Story) -> None:
    on_stage(story, "bob")
    assert story.act(rules.lost, "bob", 0) == []
    assert story.act(rules.resume, "bob", 1) == []


def test_the_end_is_the_last_that_is_told(story: Story) -> None:
    assert story.act(rules.end, "ada", 0)[-1] == told.SpaceEnded("host_ended", "ended")
    assert story.scribe._stages == {}


def test_a_space_that_changes_its_title_tells_all_its_settings(story: Story) -> None:
    changed = story.act(rules.change_settings, "ada", rules.Changes(title="Coffee", locked=True), 0)
    assert told.SpaceChanged("Coffee", (), "", "everyone", "arrival", True) in changed


def test_posts_pins_and_reports_are_told_and_notes_and_reactions_are_not(story: Story) -> None:
    posted = story.act(talk.post, "bob", "hello", 0, 0)
    assert posted == [told.PostAdded(1, "bob", "Bob", "hello", 0)]
    assert story.act(talk.post, "cy", "hi", 1, 0) == [told.PostAdded(2, "cy", "Cy", "hi", 1)]
    assert story.act(talk.note, "bob", "for hosts only", 0) == []
    assert story.act(talk.react, "bob", "heart", 0) == []
    assert told.PinAdded(1, "ada", "the rules") in story.act(talk.pin, "ada", "the rules", 0)
    assert told.PinRemoved(1) in story.act(talk.unpin, "ada", 1, 0)
    reported = story.act(talk.report, "bob", "cy", "spam", "again and again", 0)
    assert told.PersonReported("cy", "bob", "spam", "again and again") in reported
    assert story.act(talk.delete_post, "ada", 1, "bob", 0) == [
        told.PostDeleted(1, "ada"),
        told.Moderated("ada", "delete_post", "bob", "post 1"),
    ]


def test_invitations_are_told_and_links_only_as_moderation(story: Story) -> None:
    assert story.act(rules.share_speaker, "ada", bytes(32), 0, 0) == [
        told.Moderated("ada", "share_speaker", "", "")
    ]
    invited = story.act(rules.invite, "ada", "bob", 0)
    assert told.InviteOpened("bob", "Bob", "ada") in invited
    assert story.act(rules.accept, "bob", 0) == [
        told.InviteClosed("bob", "accepted"),
        told.PersonOnStage("bob", "Bob", "speaker"),
    ]


# on_event


def happening(number: int) -> Happening:
    return Happening(f"{number:032x}", SPACE, 0, told.PeopleCounted(number, 1))


def test_an_on_event_that_raises_is_counted_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    got: list[int] = []

    def on_event(it: Happening) -> None:
        got.append(it.as_dict()["data"]["people"])
        if len(got) == 1:
            raise RuntimeError("of the application")

    async def story() -> Counts:
        counts = Counts()
        feed = Feed(on_event, counts)
        feed.start()
        for number in range(3):
            feed.put(happening(number))
        await feed.close(1)
        return counts

    with caplog.at_level(logging.ERROR):
        counts = asyncio.run(story())
    assert got == [0, 1, 2]
    assert (counts.happenings, counts.on_event_failures, counts.happenings_dropped) == (3, 1, 0)
    assert "of the application" in caplog.text


def test_a_slow_on_event_loses_the_newest_at_the_bound() -> None:
    async def story() -> None:
        counts, gate = Counts(), asyncio.Event()
        got: list[str] = []

        async def on_event(it: Happening) -> None:
            await gate.wait()
            got.append(it.id)

        feed = Feed(on_event, counts)
        feed.start()
        feed.put(happening(0))
        await asyncio.sleep(0)  # it is taken, and waits at the gate
        for number in range(1, HAPPENINGS_KEPT + 1):
            feed.put(happening(number))
        assert (len(feed), counts.happenings_dropped) == (HAPPENINGS_KEPT, 0)
        feed.put(happening(5_000))
        assert (len(feed), counts.happenings_dropped) == (HAPPENINGS_KEPT, 1)
        gate.set()
        await feed.close(10)
        assert got == [happening(number).id for number in range(HAPPENINGS_KEPT + 1)]

    asyncio.run(story())


def test_an_on_event_that_hangs_does_not_hinder_the_end() -> None:
    async def story() -> None:
        counts = Counts()

        async def on_event(it: Happening) -> None:
            await asyncio.get_running_loop().create_future()

        feed = Feed(on_event, counts)
        feed.start()
        feed.put(happening(0))
        feed.put(happening(1))
        await asyncio.sleep(0)
        await feed.close(0.01)
        assert counts.happenings_dropped == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())
