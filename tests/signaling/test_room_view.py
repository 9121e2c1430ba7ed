"""What `spaces room` shows: whole screens, small ones, hostile names, refusals, the connection, the end."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from rich.text import Text
from textual.app import App, ComposeResult

from signaling.cli.room.acts import ACTS_KEPT
from signaling.cli.room.rows import Row, Rows
from signaling.cli.room.sight import REPLACEMENT, one_line, printable, safe
from signaling.protocol import CloseCode, ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.messages import Person, PostRow, Request, SpaceSettings, StageSeat
from tests.signaling.room_picture import draw
from tests.signaling.room_world import HOST_STAGE, Room, in_room, screen_text, script_of
from tests.signaling.scripted_server import Answer, Session, joined, refusing, usual
from tests.virtual.loop import run

BIDIRECTIONAL = "\u202e\u2066\u200f"


def seen(words: tuple[str, ...], **told) -> str:
    """The screen as a story left it when all was drawn."""
    screens = []

    async def story(room: Room) -> None:
        await room.shows(*words)
        screens.append(room.text)

    in_room(story, **told)
    return screens[0]


def test_a_listeners_screen():
    assert seen(words=("Which line?", "Dan")) == LISTENERS_SCREEN


def test_a_hosts_screen():
    assert seen(words=("Which line?", "too loud", "Fay"), role=2) == HOSTS_SCREEN


LISTENERS_SCREEN = """\
Tea & trains
6 here · you are a listener · #tea · #trains
On stage (3)                    ▏▪ Timetable: example.org
○ ········ Hana  host           ▏Bo  The old one runs again
○ ········ Bo                   ▏Fay ↳ Bo: The old one runs again  Which line?
○ held     Cy  speaker, held mu…▏
Asking to speak (2)             ▏
1. Dan                          ▏
2. Eve                          ▏
Listening (3)                   ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏




? all keys  q leave  m mute  a ask  r react  p post  P reply  N note"""
HOSTS_SCREEN = """\
Tea & trains
6 here · you are the host · #tea · #trains
On stage (3)                    ▏▪ Timetable: example.org
○ ········ Ada (you)  host      ▏Bo  The old one runs again
○ ········ Bo                   ▏Fay ↳ Bo: The old one runs again  Which line?
○ held     Cy  co-host, held mu…▏
Asking to speak (2)             ▏
1. Dan                          ▏
2. Eve                          ▏
Listening (3)                   ▏
   Fay                          ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏
                                ▏✉ Fay  Bo is too loud

You are on stage without a sound: name --audio FILE, or install the extra 'play'


? all keys  q leave  Enter admit  d decline  k mute  K hold  x remove"""


@pytest.mark.parametrize("size", [(60, 16), (59, 15), (40, 12), (20, 8), (10, 5), (3, 3), (1, 1)])
def test_a_small_terminal_breaks_nothing(size):
    async def story(room: Room) -> None:
        for key in ("down", "tab", "up", "question_mark", "escape", "r", "escape", "p", "h", "escape"):
            await room.press(key)
        if size[0] >= 20:
            await room.shows("Tea & trains")
        assert all(len(line) <= size[0] for line in room.text.splitlines())
        await room.pilot.resize_terminal(100, 30)
        await room.shows("Tea & trains", "2. Eve", "Which line?", "too loud")
        await room.pilot.resize_terminal(*size)
        await room.press("q")

    assert in_room(story, role=2, size=size).space.over == "left"


def test_narrow_people_stand_above_posts():
    lines = seen(words=("The old one",), size=(40, 24)).splitlines()
    at = [
        next(at for at, line in enumerate(lines) if word in line)
        for word in ("On stage", "Timetable", "? all")
    ]
    assert at == sorted(at)


def test_what_others_write_is_no_markup():
    names = SpaceSettings("[red]Tea[/red] [@click=app.bell]x[/]", ["[b]"])
    stage = [StageSeat(0, "hana", "[bold]Hana[/]", 2, False), StageSeat(1, "bo", "\\[Bo", 1, False)]
    posts = [PostRow(1, "bo", "[/]", "[link=http://x]here[/link]\n$text [/nothing]", 5)]
    notes = [wire.NoteRow(1, "bo", "[u]Bo", "[/u]", 5)]
    screen = seen(
        words=(
            "[red]Tea[/red] [@click=app.bell]x[/]",
            "[bold]Hana[/]",
            "\\[Bo",
            "#[b]",
            "[link=http://x]here",
        ),
        role=3,
        settings=names,
        stage=stage,
        queue=[Person("eve", "[i]Eve[/i]")],
        posts=posts,
        notes=notes,
    )
    assert all(word in screen for word in ("$text [/nothing]", "1. [i]Eve[/i]", "[u]Bo  [/u]"))


def test_what_steers_a_terminal_never_reaches_it():
    """The protocol refuses it in names and posts; an explanation and the name of a reaction are free."""
    evil = f"no\x1b]0;owned\x07\x1b[2J\x9b31m{BIDIRECTIONAL}[red]\r\n\tend"

    async def story(room: Room) -> None:
        await room.press("a")
        await room.shows("[red]\ufffd \ufffdend [no_such_space]")
        room.tell(wire.Reactions(11, {f"h\x1b[31m{BIDIRECTIONAL}": 3}))
        await room.shows("3/s")
        drawn = room.text
        assert not any(unicodedata.category(char) == "Cc" for char in drawn.replace("\n", ""))
        assert not any(char in drawn for char in BIDIRECTIONAL)
        assert REPLACEMENT in drawn

    in_room(story, script=refusing(wire.Ask, ErrorCode.no_such_space, evil))


def test_texts_are_cleaned_and_keep_their_styles():
    assert printable("a\tb\x00\u202ec\nd é 👩‍🚒") == "a\ufffdb\ufffd\ufffdc\nd é 👩‍🚒"
    assert one_line(" a\n b\u2028c ") == "a b\ufffdc"
    text = safe(Text.assemble("x\x1b", ("[b]", "red")))
    assert (text.plain, text.spans[0].start, text.spans[0].style) == ("x\ufffd[b]", 2, "red")
    harmless = Text("fine")
    assert safe(harmless) is harmless


def test_wide_and_endless_names_stay_in_their_columns():
    stage = [StageSeat(0, "hana", "漢" * 50, 2, False), StageSeat(1, "bo", "e" + "\u0301" * 49, 1, False)]
    posts = [
        PostRow(1, "bo", "漢" * 50, "x" * 500, 5),
        PostRow(2, "bo", "Bo", "a\n\n" * 100, 6),
        PostRow(3, "bo", "Bo", "end", 7),
    ]
    screen = seen(words=("Bo  a", "▏…", "Bo  end"), stage=stage, posts=posts)
    assert "漢漢漢" in screen
    assert screen.splitlines()[3].count("▏") == 1


@pytest.mark.parametrize(
    ("kind", "keys"),
    [(wire.Ask, ("a",)), (wire.Mute, ("m",)), (wire.React, ("r", "1")), (wire.Post, ("p", "x", "enter"))],
)
def test_a_refusal_is_told_in_the_servers_words(kind, keys):
    sentence = "You may do this again in 3 s; the limit is 5 at once."

    async def story(room: Room) -> None:
        await room.press(*keys)
        await room.shows(sentence, "[too_often]")
        await room.press("l")  # the room goes on
        await room.asked(wire.Move(1, ""))

    in_room(story, script=refusing(kind, ErrorCode.too_often, sentence, 3000))


def test_keys_that_come_too_fast_are_counted_and_said():
    def script(session: Session, request: Request) -> Answer:
        return None if isinstance(request, wire.Mute) else usual(session, request)

    async def story(room: Room) -> None:
        await room.press(*["m"] * (ACTS_KEPT + 1))  # one is under way, the others wait
        assert room.visit.acts.dropped == 0
        await room.press("m")
        assert room.visit.acts.dropped == 1
        await room.shows(f"{ACTS_KEPT} keys wait for the server already")

    in_room(story, script=script)


def test_what_happens_is_shown_as_it_happens():
    async def story(room: Room) -> None:
        room.tell(wire.Settings(11, SpaceSettings("Coffee", ["coffee"], 1, 0, True)))
        await room.shows("Coffee  locked", "#coffee", "whom the host follows may speak")
        room.tell(wire.PostAdded(12, PostRow(9, "dan", "Dan", "Good evening", 5)), wire.PostDeleted(13, 7))
        await room.shows("Dan  Good evening", "Fay ↳ an earlier post  Which line?")
        room.tell(wire.Pins(14, []), wire.Audience(15, 41))
        await room.until(lambda: "Timetable" not in room.text and "44 here" in room.text)
        room.tell(wire.Invited(15, "hana", "Hana", 600_000))
        await room.shows("you are invited to speak (y/n)", "y accept  n refuse", "Hana invites you to speak.")
        room.tell(wire.Reactions(16, {"heart": 12, "clap": 3}))
        await room.shows("♥ 12/s (12)", "👏 3/s (3)")
        await room.until(lambda: "/s" not in room.text)  # they rise, and fade
        await room.shows("♥ 12   👏 3")

    in_room(story)


def test_who_becomes_a_host_sees_the_notes_and_the_listeners_and_no_longer_after_it():
    async def story(room: Room) -> None:
        await room.shows("Which line?")
        assert "too loud" not in room.text
        room.tell(wire.Stage(11, HOST_STAGE[:1]), wire.You(11, 3, 0, False))
        await room.shows("you are a co-host", "Bo is too loud", "   Fay")
        room.tell(wire.Noted(11, wire.NoteRow(4, "eve", "Eve", "Thank you", 7)))
        await room.shows("✉ Eve  Thank you")
        room.tell(wire.You(11, 0, None, False))
        await room.until(lambda: "too loud" not in room.text and "   Fay" not in room.text)

    in_room(story)


def test_a_lost_connection_is_shown_and_comes_back():
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.Hello):
            return wire.Welcome(request.id, "ada", "Ada", 900_000, "", {}, {"bundle": 1, "resume": 1})
        if isinstance(request, wire.Resume):
            return joined(request.id, serial=40, audience=9, resume_ms=120_000, title="Still here")
        return script_of(0, resume_ms=120_000)(session, request)

    async def story(room: Room) -> None:
        room.session.handle.close(CloseCode.overloaded, "busy")
        await room.shows("connection lost, trying to come back")
        await room.press("a")  # waits until there is a connection again
        await room.shows("Still here", "10 here", "Which line?")
        assert "The connection is there again." in [each.text for each in room.visit.board.said]
        await room.asked(wire.Ask(1))
        assert "connection lost" not in room.text

    in_room(story, script=script)


def test_the_end_and_a_removal_end_the_room():
    async def over(room: Room, event: wire.Event) -> None:
        await room.press("p", "h")  # also while something is open
        room.tell(event)
        await room.until(lambda: not room.visit.app.is_running)

    ended = in_room(lambda room: over(room, wire.Ended(11, "host_ended")))
    assert ended.board.ending == "The Space is over: the host ended it."
    removed = in_room(lambda room: over(room, wire.Removed(10, "banned")))
    assert (removed.board.ending, removed.board.removed) == ("", "banned")


def test_a_fault_of_the_view_is_told_without_what_it_held(capsys):
    async def story(room: Room) -> None:
        def broken(*_: object) -> None:
            secret = "hunter2"  # noqa: F841, S105 - a traceback with its locals would show it
            raise ZeroDivisionError("broken")

        room.visit.app.draw = broken  # type: ignore[method-assign]
        await room.until(lambda: not room.visit.app.is_running)

    with pytest.raises(Exception, match="broken"):
        in_room(story)
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err


def test_the_picture_for_the_page(tmp_path: Path):
    draw(tmp_path / "room.svg")
    svg = (tmp_path / "room.svg").read_text("utf-8").replace("&#160;", " ")
    for word in ("Old machines, new tricks", "Leslie", "12/s", "very", "Edsger is a little loud", "decline"):
        assert word in svg
    assert "@font-face" not in svg
    kept = Path(__file__).parents[2] / "docs" / "room.svg"
    assert "Old&#160;machines" in kept.read_text("utf-8")


def test_rows_are_chosen_by_arrows_and_clicks():
    class Pane(App[None]):
        def compose(self) -> ComposeResult:
            yield Rows(id="rows")

    async def story() -> None:
        async with Pane().run_test(size=(20, 5)) as pilot:
            rows = pilot.app.query_one(Rows)
            rows.focus()
            rows.show([])
            await pilot.press("down", "up")
            assert rows.chosen is None
            rows.show(
                [
                    Row(Text("head")),
                    *(Row(Text(f"row {at} " + "long " * 9), at, wraps=True) for at in range(9)),
                ]
            )
            await pilot.press("up")
            assert rows.chosen == 0
            await pilot.press("end")
            assert rows.chosen == 8
            await pilot.pause()
            assert "row 8" in screen_text(pilot.app)  # it scrolled there
            await pilot.press("pageup", "up", "up")
            assert rows.chosen == 0
            rows.show([Row(Text("other"), "x"), Row(Text("nothing"))])
            assert rows.chosen is None
            await pilot.click(Rows, offset=(1, 1))  # what has no key
            assert rows.chosen is None
            await pilot.click(Rows, offset=(1, 0))
            assert rows.chosen == "x"
            rows.choose("no such")
            assert rows.chosen is None

    run(story(), limit_s=600)
