"""What people see: meters, the stage, sentences about what happens."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from signaling.cli import live
from signaling.cli.meters import SILENT, Levels, framed, meter, repair_words, stage_table
from signaling.cli.screen import Keys, Screen
from signaling.cli.telling import Teller
from signaling.client import (
    Answered,
    Audience,
    Ended,
    Invited,
    LiveSpace,
    Noted,
    NoteRow,
    Person,
    PinRow,
    Pins,
    PostAdded,
    PostDeleted,
    PostRow,
    Queue,
    Reactions,
    Reconnected,
    Reconnecting,
    Removed,
    Role,
    Settings,
    SpaceSettings,
    Stage,
    StageSeat,
    TalkerStats,
    You,
)

ADA = StageSeat(0, "ada", "Ada", int(Role.HOST), False)
BEN = StageSeat(1, "ben", "Ben", int(Role.SPEAKER), False)


def space(*stage, me="cleo", role=Role.LISTENER, queue=()):
    return SimpleNamespace(
        stage=stage,
        me=me,
        role=role,
        queue=queue,
        seat=None,
        title="[b]Talk",
        settings=SpaceSettings("[b]Talk", ["tea"]),
        pins=(),
        over=None,
    )


@pytest.mark.parametrize(
    ("level", "filled"), [(0, 10), (6, 9), (30, 5), (54, 1), (60, 0), (127, 0), (-5, 10)]
)
def test_a_meter_is_as_long_as_it_is_loud(level, filled):
    drawn = meter(level, 10)
    assert drawn.plain == "█" * filled + "·" * (10 - filled)


def test_a_loud_meter_warns():
    assert {str(span.style) for span in meter(0, 10).spans} == {"green", "yellow", "red"}


def test_levels_rise_at_once_and_fall_slowly():
    levels = Levels()
    assert levels.of("ada") == SILENT
    levels.put("ada", 20)
    assert levels.of("ada") == 20
    levels.put("ada", SILENT)
    assert 20 < levels.of("ada") < 30
    levels.put("ada", 10)
    assert levels.of("ada") == 10


def test_the_loudest_has_the_level_of_the_mix():
    levels = Levels()
    levels.hear(20, (2, 0), others=(0, 1, 2))
    assert levels.of(2) == 20
    assert levels.of(0) > 20
    assert levels.of(1) == SILENT


def test_the_stage_shows_who_talks_and_who_is_muted():
    levels = Levels()
    levels.put(0, 20)
    muted = StageSeat(2, "dan", "Dan [bold]x", int(Role.SPEAKER), True)
    console = Console(file=io.StringIO(), width=100)
    console.print(stage_table(space(ADA, BEN, muted), levels))
    ada, ben, dan = console.file.getvalue().splitlines()
    assert "●" in ada
    assert "host" in ada
    assert "○" in ben
    assert "muted" in dan
    assert "Dan [bold]x" in dan  # a name is shown as it is, whatever is in it


def test_on_a_narrow_terminal_meters_give_way_to_names():
    levels = Levels()
    levels.put(0, 0)
    console = Console(file=io.StringIO(), width=40)
    console.print(framed(stage_table(space(ADA, BEN), levels), space(), "Ctrl-C leaves"))
    lines = console.file.getvalue().splitlines()
    assert {len(line.rstrip()) for line in lines} == {38}  # what a terminal writes for Ctrl-C fits behind it
    assert "[b]Talk" in lines[0]
    assert re.search(r"● +█{4,} +Ada +host ", lines[1])
    assert re.search(r"○ +·{4,} +Ben +speaker ", lines[2])


def test_the_frame_says_how_to_leave_until_it_is_over():
    here = space(ADA)
    console = Console(file=io.StringIO(), width=100)
    console.print(framed("", here, "Ctrl-C leaves"))
    assert "Ctrl-C leaves" in console.file.getvalue()
    here.over = "ended"
    console = Console(file=io.StringIO(), width=100)
    console.print(framed("", here, "Ctrl-C leaves"))
    assert "Ctrl-C" not in console.file.getvalue()


def test_the_stage_shows_in_what_state_a_voice_is():
    rows = (
        StageSeat(0, "ada", "Ada", int(Role.HOST), False, absent=True),
        StageSeat(1, "ben", "Ben", int(Role.CO_HOST), False, volume_pct=40),
        StageSeat(2, "dan", "Dan", int(Role.SPEAKER), True, held=True),
        StageSeat(3, "eve", "Eve", 9, False),
    )
    console = Console(file=io.StringIO(), width=100)
    console.print(stage_table(space(*rows), Levels()))
    shown = console.file.getvalue().splitlines()
    for line, words in zip(
        shown, ("host, away", "co-host, at 40 %", "speaker, held muted", "?"), strict=True
    ):
        assert line.rstrip().endswith(words)


@pytest.mark.parametrize(("width", "lines"), [(100, 2), (40, 2)])
def test_what_is_live_is_whole_on_every_terminal(width, lines):
    console = Console(file=io.StringIO(), width=width)
    console.print(live.view([LiveSpace(bytes(16), "[b]Talk", "Ada", 7)], width))
    shown = console.file.getvalue()
    assert len(shown.splitlines()) == lines
    for part in ("00" * 16, "[b]Talk", "Ada", "7"):
        assert part in shown


def test_what_happens_becomes_sentences():
    here = space(ADA)
    teller = Teller(here)
    muted = StageSeat(1, "ben", "Ben", int(Role.SPEAKER), True)
    asking = Queue(1, [Person("ben", "Ben"), Person("cleo", "Cleo")], 2)
    assert teller.sentences(asking) == ["Ben asks to speak.", "You are number 2 of 2 who ask to speak."]
    assert teller.sentences(asking) == []
    first = Queue(1, [Person("cleo", "Cleo")], 1)
    assert teller.sentences(first) == ["You are number 1 of 1 who ask to speak."]
    assert teller.sentences(Queue(1, [], 0)) == []
    assert teller.sentences(first) == ["You are number 1 of 1 who ask to speak."]
    assert teller.sentences(Stage(2, [ADA, BEN])) == ["Ben is on stage."]
    assert teller.sentences(Stage(3, [ADA, muted])) == ["Ben is muted."]
    assert teller.sentences(Stage(4, [ADA, BEN])) == ["Ben is no longer muted."]
    assert teller.sentences(Stage(5, [ADA])) == ["Ben left the stage."]
    assert teller.sentences(Audience(6, 7)) == []
    assert teller.sentences(Ended(7, "host_left")) == ["The Space is over: the host left."]
    assert teller.sentences(Ended(7, "new_reason")) == ["The Space is over: new_reason."]
    assert "removed" in teller.sentences(Removed(7, "host"))[0]


def test_talk_becomes_sentences():
    teller = Teller(space(ADA))
    row = PostRow(1, "ben", "Ben", "Hello\n\nall", 5)
    assert teller.sentences(PostAdded(1, row)) == ["Ben writes: Hello / all"]
    assert teller.sentences(PostDeleted(2, 1)) == teller.sentences(Reactions(3, {"heart": 2})) == []
    note = NoteRow(1, "ben", "Ben", "Too loud", 5)
    assert teller.sentences(Noted(3, note)) == ["Ben notes to the hosts: Too loud"]
    pins = [PinRow(1, "Read this", "ada", 5)]
    assert teller.sentences(Pins(4, pins)) == ["Pinned: Read this"]
    assert teller.sentences(Pins(5, pins)) == teller.sentences(Pins(6, [])) == []
    assert teller.sentences(Invited(6, "ada", "Ada", 60_000)) == ["Ada invites you to speak."]
    assert "taken back" in teller.sentences(Invited(6, "ada", "Ada", 0))[0]
    assert teller.sentences(Answered(6, "ben", True)) == ["ben accepted the invitation."]
    assert teller.sentences(Answered(6, "ben", False)) == ["ben turned down the invitation."]


def test_changes_of_a_space_become_sentences():
    teller = Teller(space(ADA, BEN))
    now = SpaceSettings("Tea", [], 2, 1, True)
    assert teller.sentences(Settings(1, now)) == [
        "The Space is now called 'Tea'.",
        "It has no topics now.",
        "From now on hosts invite to speak.",
        "The Space is locked: nobody new comes in.",
    ]
    assert teller.sentences(Settings(2, now)) == []
    assert teller.sentences(Settings(3, SpaceSettings("Tea", ["a", "b"], 2, 1, False))) == [
        "It is about a, b now.",
        "The Space is open again.",
    ]
    gone = StageSeat(1, "ben", "Ben", 3, False, absent=True)
    assert teller.sentences(Stage(4, [ADA, gone])) == ["Ben lost the connection.", "Ben is a co-host now."]
    assert teller.sentences(Stage(5, [ADA, BEN])) == ["Ben is back."]
    assert "idle_timeout" in teller.sentences(Reconnecting("idle_timeout", 120_000))[0]
    assert teller.sentences(Reconnected(replayed=True)) == ["The connection is there again."]


def test_a_new_role_is_told_once():
    here = space(ADA)
    teller = Teller(here)
    here.role = Role.SPEAKER
    you = You(1, int(Role.SPEAKER), 1, False)
    assert teller.sentences(you) == ["You may speak now."]
    assert teller.sentences(you) == []
    here.role = Role.LISTENER
    assert teller.sentences(you) == ["You are a listener now."]


def test_without_a_terminal_there_are_lines_and_no_live_view():
    console = Console(file=io.StringIO(), width=40)
    with Screen(lambda: pytest.fail("drawn"), console) as screen:
        screen.say("Ada is on stage, and this line is longer than the console is wide.")
    assert not screen.is_live
    assert len(console.file.getvalue().splitlines()) == 1


@pytest.mark.parametrize("name", ["[/]", "[bold]Ben", "a[/b]"])
def test_a_name_is_never_read_as_markup(name):
    console = Console(file=io.StringIO(), width=40)
    with Screen(lambda: "", console) as screen:
        screen.say(f"{name} asks to speak.")
    assert console.file.getvalue() == f"{name} asks to speak.\n"


def test_on_a_terminal_the_view_is_drawn():
    console = Console(file=io.StringIO(), force_terminal=True, width=40)
    with Screen(lambda: "the view", console) as screen:
        screen.say("a line")
    assert screen.is_live
    assert "the view" in console.file.getvalue()
    assert "a line" in console.file.getvalue()


def test_each_key_is_handed_on():
    pressed = []
    taken = Keys(usable=True)
    taken.pressed("x")  # before anybody wants them
    taken.on_key = pressed.append
    taken.pressed("ad")
    assert pressed == ["a", "d"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, ""),
        ({"bitrate_bps": 48_000}, ""),
        ({"fec_pct": 10}, "My voice goes out with repair for 10 % loss."),
        (
            {"fec_pct": 20, "copies": 2, "bitrate_bps": 24_000},
            "My voice goes out with repair for 20 % loss, 2 copies of each frame, 24 kbit/s.",
        ),
    ],
)
def test_what_is_done_about_loss_is_said_where_something_is(state, words):
    assert repair_words(SimpleNamespace(stats=SimpleNamespace(talker=TalkerStats(**state)))) == words
