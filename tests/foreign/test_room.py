"""What the foreign client makes of snapshots, events and bubbles; its messages are those of the page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.foreign.numbers import Event, Reply
from tests.foreign.room import Room
from tests.foreign.test_wire import MESSAGES
from tests.foreign.timeline import Timeline
from tests.foreign.wire import Message

ADA, ZOE = ["ada", "Ada"], ["zoe", "Zoë"]
AT_MS = 1767225600000


def golden(number: int) -> Message:
    """The first message of this number that the page shows."""
    return next(list(value) for _, way, _, value in MESSAGES if way == "s2c" and value[0] == number)


def room() -> Room:
    """A room as the page shows it, at event 41."""
    return Room.of(golden(Reply.JOINED))


def test_a_snapshot_has_what_hosts_set_and_pinned() -> None:
    here = room()
    assert (here.host, here.resume_ms, here.invited) == ("ada", 120_000, False)
    assert here.settings == ["Tea & trains", ["tea", "night trains"], 0, 1, False, ""]
    assert [pin[1] for pin in here.pins] == ["Timetables: trains.example.org"]
    assert here.row_of("bo") == [3, "bo", "Bo", 3, True, False, 100, False]
    assert here.row_of("nobody") is None


def test_a_snapshot_of_an_older_server_and_of_a_newer_one_is_read() -> None:
    joined = golden(Reply.JOINED)
    assert Room.of(joined[:9]) == Room(*joined[2:9], waiting=1)
    assert Room.of([*joined, "new", 7]) == room()


@pytest.mark.parametrize(
    ("event", "name", "value"),
    [
        ([Event.SETTINGS, 42, ["New", [], 2, 0, True, ""]], "title", "New"),
        ([Event.SETTINGS, 42, ["New", [], 2, 0, True, ""]], "settings", ["New", [], 2, 0, True, ""]),
        ([Event.POST_ADDED, 42, [1, *ZOE, "Hi", AT_MS, 0]], "posts", {1: [1, *ZOE, "Hi", AT_MS, 0]}),
        ([Event.REACTIONS, 42, {"clap": 3}], "reactions", {"clap": 3}),
        ([Event.PINS, 42, []], "pins", []),
    ],
)
def test_events_to_everybody_are_applied(event: Message, name: str, value: Any) -> None:
    here = room()
    assert here.apply(event)
    assert (getattr(here, name), here.serial) == (value, 42)


def test_a_post_that_was_taken_away_is_shown_no_more() -> None:
    here = room()
    here.apply([Event.POST_ADDED, 42, [1, *ZOE, "Hi", AT_MS, 0]])
    here.apply([Event.POST_DELETED, 43, 1])
    here.apply([Event.POST_DELETED, 44, 7])
    assert here.posts == {}


def test_private_events_count_whatever_their_serial_is() -> None:
    here = room()
    here.apply_private([Event.INVITED, 7, *ADA, 600_000])
    assert here.invited
    here.apply_private([Event.INVITED, 7, *ADA, 0])
    assert not here.invited
    here.apply_private([Event.NOTED, 7, [1, *ZOE, "Louder!", AT_MS]])
    here.apply_private([Event.ANSWERED, 7, "zoe", False])
    assert (here.notes, here.answers) == ([[1, *ZOE, "Louder!", AT_MS]], [["zoe", False]])
    assert here.serial == 41


def test_a_resumed_room_goes_on_where_it_was() -> None:
    here = room()
    here.apply([Event.POST_ADDED, 42, [1, *ZOE, "Hi", AT_MS, 0]])
    again = here.resumed([Reply.RESUMED, 2, here.space, 42, 1, 4, True])
    assert (again.role, again.seat, again.muted, again.serial) == (1, 4, True, 42)
    assert list(again.posts) == [1]
    assert again.apply([Event.AUDIENCE, 43, 9]) and again.audience == 9


def bubble(number: int, on_stage: int, people: int, title: str = "Tea") -> Message:
    return [bytes([number]) * 16, title, *ADA, [], [ADA], 1, on_stage, people, "", "from a newer server"]


def test_bubbles_stand_in_the_order_of_the_page_as_they_change() -> None:
    timeline = Timeline.of([bubble(1, 2, 5), bubble(2, 1, 90)])
    timeline.apply([Event.BUBBLE_CHANGED, 0, bubble(3, 1, 91)])
    timeline.apply([Event.BUBBLE_CHANGED, 0, bubble(4, 1, 91)])
    assert [shown.space[0] for shown in timeline.bubbles()] == [1, 3, 4, 2]
    timeline.apply([Event.BUBBLE_CHANGED, 0, bubble(2, 3, 1, "Moved up")])
    timeline.apply([Event.BUBBLE_GONE, 0, bytes([3]) * 16])
    timeline.apply([Event.BUBBLE_GONE, 0, bytes([9]) * 16])
    assert [(shown.space[0], shown.title) for shown in timeline.bubbles()] == [
        (2, "Moved up"),
        (1, "Tea"),
        (4, "Tea"),
    ]


def test_the_bubbles_of_the_page_are_read() -> None:
    timeline = Timeline.of(golden(Reply.BUBBLES)[2])
    timeline.apply(golden(Event.BUBBLE_CHANGED))
    [shown] = timeline.bubbles()
    assert (shown.title, shown.known, shown.known_on_stage, shown.people) == (
        "Tea & trains",
        [ADA, ZOE],
        2,
        231,
    )
    timeline.apply(golden(Event.BUBBLE_GONE))
    assert timeline.bubbles() == []
