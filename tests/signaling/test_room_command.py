"""`spaces room` as people start it: on a terminal of its own, with a real server; and what it refuses."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from fcntl import ioctl
from functools import partial

import pytest

from signaling.cli.room.command import Visit
from signaling.client import RequestRefused, Role, Space
from tests.scenarios.venue import LOOPBACK, Venue, tell, until
from tests.signaling.cli_world import run_command
from tests.signaling.room_world import Room
from tests.signaling.test_cli_rooms import ROOT, Command, serving

pytestmark = pytest.mark.scenario

PATIENCE_S = 60


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A development server for these stories: the options with which the others find it."""
    folder = tmp_path_factory.mktemp("server")
    command, options = serving(folder, partial(Command, folder))
    yield options
    command.child.kill()
    command.child.communicate()


class Terminal:
    """A terminal of 80 × 24, and what was written to it so far."""

    def __init__(self, near):
        self.near = near
        self.written = ""

    def shows(self, words):
        """Read until these words were written after the last ones that were waited for."""
        deadline_s = time.monotonic() + PATIENCE_S
        while words not in self.written:
            ready, _, _ = select.select([self.near], [], [], deadline_s - time.monotonic())
            assert ready, f"{words!r} was not shown; {self.written[-2000:]!r}"
            self.written += os.read(self.near, 65_536).decode(errors="replace")
        self.written = self.written.partition(words)[2]

    def press(self, keys):
        os.write(self.near, keys.encode())


@contextmanager
def room(folder, *arguments):
    """`spaces room` on a terminal; afterwards the terminal is as it was."""
    near, far = pty.openpty()
    ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(far)
    child = subprocess.Popen(
        [sys.executable, "-m", "signaling.cli", "room", *arguments],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), "TERM": "xterm"},
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
        preexec_fn=lambda: ioctl(far, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
    )
    try:
        yield Terminal(near), child
        assert child.wait(PATIENCE_S) is not None
        assert termios.tcgetattr(far) == before
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        os.close(near)
        os.close(far)


def test_a_host_opens_a_room_admits_a_guest_and_leaves(tmp_path, where):
    opened = room(tmp_path, "--open", "Evening talk", *where, "--name", "Ada")
    with opened as (hall, hosting):
        hall.shows("Evening talk")
        with room(tmp_path, *where, "--name", "Ben") as (ben, guest):
            ben.shows("Evening talk")
            ben.press("a")
            hall.shows("Ben asks to speak.")
            hall.press("\x1b[B\x1b[B\r")  # past Ada herself, and Enter
            hall.shows("You let Ben speak.")
            ben.shows("You may speak now.")
            hall.press("q")
            hall.shows("\x1b[?1049l")  # the other screen is gone
            ben.shows("The Space is over: the host left.")
        assert guest.returncode == 0
    assert hosting.returncode == 0


@pytest.mark.parametrize("how", ["ctrl-c", signal.SIGTERM, signal.SIGHUP])
def test_one_leaves_by_ctrl_c_and_by_signals(tmp_path, where, how):
    with room(tmp_path, "--open", "Short", *where, "--name", "Ada") as (hall, hosting):
        hall.shows("Short")
        if how == "ctrl-c":
            hall.press("\x03")
        else:
            hosting.send_signal(how)
        hall.shows("\x1b[?1049l")
    assert hosting.returncode == 0
    assert "Traceback" not in hall.written
    assert run_command("live", *where).stdout.startswith("Nothing is live.")


def test_who_is_put_out_is_told_on_the_terminal_that_is_left(tmp_path, where):
    with room(tmp_path, "--open", "Strict", *where, "--name", "Ada") as (hall, _):
        hall.shows("Strict")
        with room(tmp_path, *where, "--name", "Ben") as (ben, guest):
            ben.shows("Strict")
            hall.shows("Ben")
            hall.press("\x1b[B\x1b[Bx")
            hall.shows("Put Ben out?")
            hall.press("2")
            hall.shows("Ben is out.")
            ben.shows("\x1b[?1049l")
            ben.shows("spaces room: a host removed you from this Space [removed]")
        assert guest.returncode == 1
        hall.press("e")
        hall.shows("End the Space")
        hall.press("y")
        hall.shows("The Space is over: the host ended it.")


def at_the_real_server(tmp_path, story):
    """Ada's room, on a screen that is not there, and Ben, who is in it with the library alone."""

    async def whole(venue: Venue) -> None:
        async with await venue.enter("Ada") as ada, await venue.enter("Ben") as ben:
            visit = Visit(await ada.open("Evening"))
            visit.begin()
            async with visit.app.run_test(size=(80, 24)) as pilot:
                await story(Room(pilot, visit, None), await ben.join(visit.space.id))
            await visit.end()
            assert visit.board.ending == "The Space is over: the host ended it."

    tell(whole, tmp_path, LOOPBACK)


def test_the_stage_at_the_real_server(tmp_path):
    async def story(room: Room, ben: Space) -> None:
        await ben.ask()
        await room.shows("Asking to speak (1)", "1. Ben")
        await room.press("end", "enter")
        await until(lambda: ben.seat is not None, ben)
        await room.shows("On stage (2)")
        await room.press("v")
        await room.shows("at 90 %")
        await room.press("K")
        await room.shows("held")
        with pytest.raises(RequestRefused, match="keeps you muted"):
            await ben.unmute()
        await room.press("K")
        await room.shows("may unmute again")
        await ben.unmute()
        await room.press("c")
        await until(lambda: ben.role is Role.CO_HOST, ben)
        await room.press("l")
        await until(lambda: ben.seat is None, ben)
        await room.press("L")
        await room.shows("locked")
        await room.press("e", "y")
        await room.until(lambda: not room.visit.app.is_running)

    at_the_real_server(tmp_path, story)


def test_talk_at_the_real_server(tmp_path):
    async def story(room: Room, ben: Space) -> None:
        await ben.post("hi")
        await room.shows("Ben  hi")
        await room.press("P", "y", "o", "enter")
        await room.shows("Ada ↳ Ben: hi  yo")
        await ben.note("so")
        await room.shows("✉ Ben  so")
        await ben.react("heart")
        await room.shows("♥ 1/s")
        await room.press("i", "o", "k", "enter")
        await room.shows("▪ ok")
        assert [pin.text for pin in ben.pins] == ["ok"]
        await room.press("I", "1")
        await room.until(lambda: "▪" not in room.text)
        await room.press("s", "1", "ctrl+u", "N", "e", "w", "enter")
        await room.shows("New")
        await until(lambda: ben.title == "New", ben)
        await room.press("end", "c")  # of one who is not on stage
        await room.shows("To promote a listener is for nobody", "[not_permitted]")
        await room.press("e", "y")
        await room.until(lambda: not room.visit.app.is_running)

    at_the_real_server(tmp_path, story)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("00" * 16, "--open", "x"), "two_spaces"),
        (("--open", "x", "--audio", "a.wav", "--microphone"), "two_sounds"),
        (("--open", "x"), "no_terminal"),
    ],
)
def test_what_cannot_be_meant(arguments, code):
    result = run_command("room", *arguments)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"[{code}]\n")


def test_the_help_says_what_it_is():
    said = run_command("room", "--help").stdout
    for word in ("stage, queue, posts", "--open", "--play", "--audio", "Press ?"):
        assert word in said
