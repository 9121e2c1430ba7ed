"""Every key of `spaces room`: what it asks the server for."""

from __future__ import annotations

import pytest

from signaling.cli.room.keys import KEYS
from signaling.cli.room.rows import Rows
from signaling.protocol import messages as wire
from signaling.protocol.messages import Person, Queue, StageSeat
from signaling.protocol.terms import REACTIONS
from signaling.rules.talk import REPORT_REASONS
from tests.signaling.room_world import Room, in_room

TYPED = ("h", "i", "enter")

# What I am, whom I choose, the keys, and what the server is asked for then.
GUEST = [
    (("y",), wire.Accept(1)),
    (("n",), wire.Refuse(1)),
    *((("r", str(at)), wire.React(1, name)) for at, name in enumerate(REACTIONS, 1)),
    (("p", *TYPED), wire.Post(1, "hi")),
    (("P", *TYPED), wire.Post(1, "hi", 8)),
    (("tab", "up", "up", "P", *TYPED), wire.Post(1, "hi", 7)),
    (("tab", "up", "D"), wire.DeletePost(1, 8)),
    (("N", *TYPED), wire.Note(1, "hi")),
    (("l",), wire.Move(1, "")),
    (("home", "R", "2", *TYPED), wire.Report(1, "hana", REPORT_REASONS[1], "hi")),
    (("home", "down", "R", "1", "enter"), wire.Report(1, "bo", REPORT_REASONS[0], "")),
    (("S",), wire.Share(1, 0)),
    (("a",), wire.Ask(1)),
]
HOST = [
    ("dan", ("enter",), wire.Admit(1, "dan")),
    ("fay", ("enter",), wire.Invite(1, "fay")),
    ("dan", ("d",), wire.Decline(1, "dan")),
    ("fay", ("U",), wire.Uninvite(1, "fay")),
    ("bo", ("k",), wire.Mute(1, "bo")),
    ("bo", ("K",), wire.Mute(1, "bo", True)),
    ("cy", ("K",), wire.Unmute(1, "cy")),
    ("bo", ("v",), wire.Volume(1, "bo", 90)),
    ("cy", ("V",), wire.Volume(1, "cy", 60)),
    ("bo", ("v", "v"), wire.Volume(1, "bo", 80)),
    ("bo", ("V",), wire.Volume(1, "bo", 90)),  # the server has not told yet that they are at 80
    ("bo", ("l",), wire.Move(1, "bo")),
    ("bo", ("x", "1"), wire.Remove(1, "bo", 0)),
    ("fay", ("x", "2"), wire.Remove(1, "fay", 1)),
    ("dan", ("x", "3"), wire.Remove(1, "dan", 2)),
    ("bo", ("c",), wire.Promote(1, "bo")),
    ("cy", ("c",), wire.Demote(1, "cy")),
    ("cy", ("H", "y"), wire.HandOver(1, "cy")),
    ("", ("L",), wire.Change(1, locked=True)),
    ("", ("i", *TYPED), wire.Pin(1, "hi")),
    ("", ("I", "1"), wire.Unpin(1, 4)),
    ("", ("M",), wire.MuteAll(1)),
    ("", ("s", "1", *TYPED), wire.Change(1, title="Tea & trainshi")),
    ("", ("s", "2", "comma", *TYPED), wire.Change(1, topics=["tea", "trains", "hi"])),
    ("", ("s", "2", "ctrl+u", "enter"), wire.Change(1, topics=[])),
    ("", ("s", "3", "2"), wire.Change(1, who_may_speak=1)),
    ("", ("s", "4", "2"), wire.Change(1, queue_order=1)),
    ("", ("e", "y"), wire.End(1)),
    ("", ("S", "1"), wire.Share(1, 0)),
    ("", ("S", "2"), wire.Share(1, 1)),
    ("", ("m",), wire.Mute(1, "")),
]


def test_each_key_is_pressed_in_these_tests():
    pressed = {key for keys, _ in GUEST for key in keys} | {key for _, keys, _ in HOST for key in keys}
    of_the_room_alone = {"question_mark", "q", "space"}  # they ask the server for nothing
    assert {key.press for key in KEYS} - pressed == of_the_room_alone


def test_a_listeners_keys():
    async def story(room: Room) -> None:
        for keys, wanted in GUEST:
            await told(room, keys, wanted)
            room.visit.app.base.query_one("#posts", Rows).choose(None)
            room.visit.app.base.query_one("#people", Rows).focus().choose(None)

    in_room(story)


@pytest.mark.parametrize("cases", [HOST[:13], HOST[13:]], ids=["stage", "order"])
def test_a_hosts_keys(cases):
    async def story(room: Room) -> None:
        for user, keys, wanted in cases:
            if user:
                await room.choose(user)
            await told(room, keys, wanted)

    in_room(story, role=2)


async def told(room, keys, wanted):
    """Press these; the server is asked for this then, and nothing stays open."""
    room.session.requests.clear()
    await room.press(*keys)
    await room.asked(wanted)
    if wanted.__class__ is wire.Share:
        await room.shows("spaces join spaces://")
        await room.press("escape")
    await room.until(lambda: len(room.visit.app.screen_stack) == 1)


def test_where_one_needs_a_ticket_that_is_shown_and_hosts_put_out_for_cause_too():
    async def story(room: Room) -> None:
        await room.shows("ticket 12.50 USD")
        for user, key, wanted in (
            ("bo", "2", wire.Remove(1, "bo", 1, True)),
            ("fay", "4", wire.Remove(1, "fay", 1, False)),
            ("dan", "5", wire.Remove(1, "dan", 2, False)),
        ):
            await room.choose(user)
            await told(room, ("x", key), wanted)

    in_room(story, role=2, price=wire.PriceRow(1_250, "USD", 2))


def test_a_co_hosts_keys_are_the_same():
    async def story(room: Room) -> None:
        await room.choose("dan")
        await room.press("enter")
        await room.asked(wire.Admit(1, "dan"))

    in_room(story, role=3)


def test_who_is_muted_unmutes_and_who_asked_asks_no_longer():
    async def story(room: Room) -> None:
        await room.press("a")
        await room.asked(wire.Ask(1))
        room.tell(Queue(11, [Person("ada", "Ada")], 1))
        await room.shows("you ask to speak, place 1 of 1")
        await room.press("a")
        await room.asked(wire.Decline(1, "ada"))
        mine = StageSeat(5, "ada", "Ada", 1, True)
        room.tell(Queue(12, [], 0), wire.Stage(13, [mine]), wire.You(13, 1, 5, True))
        await room.shows("you are a speaker, muted")
        await room.press("m")
        await room.asked(wire.Unmute(1, ""))

    in_room(story)


def test_what_is_asked_can_be_left_unanswered():
    async def story(room: Room) -> None:
        before = len(room.session.requests)
        await room.choose("bo")
        for keys in (("x",), ("e",), ("H",), ("s", "1"), ("i",), ("I",), ("p",), ("R", "1")):
            await room.press(*keys)
            await room.until(lambda: len(room.visit.app.screen_stack) > 1)
            await room.press("escape")
            await room.until(lambda: len(room.visit.app.screen_stack) == 1)
        await room.press("e", "n")
        await room.press("x", "9", "q", "escape")  # neither of these is a choice, nor leaves
        await room.press("i", "space", "enter")  # nothing is typed
        await room.pilot.pause()
        assert len(room.session.requests) == before
        assert room.visit.space.over is None

    in_room(story, role=2)


def test_hosts_keys_say_to_others_whose_they_are():
    async def story(room: Room) -> None:
        before = len(room.session.requests)
        for key in KEYS:
            if key.hosts and key.press != "enter":
                room.visit.board.said.clear()
                await room.press(key.press)
                await room.shows("Only hosts ")
        assert len(room.visit.app.screen_stack) == 1
        assert len(room.session.requests) == before

    in_room(story)


def test_without_a_choice_nobody_is_met():
    async def story(room: Room) -> None:
        before = len(room.session.requests)
        for key in ("enter", "d", "k", "K", "v", "V", "x", "c", "H", "l", "U", "R"):
            room.visit.board.said.clear()
            await room.press(key)
            await room.shows("Nobody is chosen")
        await room.press("D")
        await room.shows("No post is chosen")
        assert len(room.session.requests) == before

    in_room(story, role=2)


def test_the_choice_follows_a_person_and_goes_with_them():
    async def story(room: Room) -> None:
        await room.choose("dan")
        room.tell(Queue(11, [Person("gil", "Gil"), Person("eve", "Eve"), Person("dan", "Dan")], 3))
        await room.shows("3. Dan")
        assert room.chosen == "dan"
        room.tell(Queue(12, [Person("gil", "Gil"), Person("eve", "Eve")], 2))
        await room.shows("Asking to speak (2)")
        assert room.chosen == "dan"  # they listen, as the list that was fetched says
        room.tell(
            Queue(13, [Person("gil", "Gil")], 1), wire.Stage(14, [StageSeat(3, "eve", "Eve", 1, False)])
        )
        await room.shows("On stage (1)", "Asking to speak (1)")
        await room.choose("gil")
        room.tell(Queue(15, [], 0))
        await room.until(lambda: "Asking" not in room.text)
        assert room.chosen is None  # not whoever slipped into their place
        await room.press("enter")
        await room.shows("Nobody is chosen")

    in_room(story, role=2)


def test_the_help_names_every_key():
    async def story(room: Room) -> None:
        await room.press("question_mark")
        for key in KEYS:
            await room.shows(key.does)
        await room.press("q")  # closes the help, and nothing else
        await room.until(lambda: len(room.visit.app.screen_stack) == 1)
        assert room.visit.space.over is None

    in_room(story, size=(80, 60))


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_one_leaves(key):
    async def story(room: Room) -> None:
        await room.press(key)
        await room.until(lambda: not room.visit.app.is_running)
        left.append(room.session)

    left = []
    visit = in_room(story)
    assert left[0].kinds()[-1] is wire.Leave
    assert visit.space.over == "left"
    assert visit.app.return_code == 0


def test_ctrl_c_leaves_also_while_something_is_typed():
    async def story(room: Room) -> None:
        await room.press("p", "h", "q")
        assert room.visit.app.is_running
        await room.press("ctrl+c")
        await room.until(lambda: not room.visit.app.is_running)

    assert in_room(story).space.over == "left"
