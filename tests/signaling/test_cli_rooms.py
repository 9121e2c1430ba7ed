"""The commands together, each a process of its own, as people use them: serve, host, live, join, Ctrl-C."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from signaling.cli.sound.samples import frames_of
from signaling.cli.sound.sinks import open_recording
from signaling.cli.sound.sources import load
from tests.signals import voice

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]


class Command:
    """A running `spaces …`, of which lines are read as they come."""

    def __init__(self, folder, *arguments, terminal=None):
        env = {name: value for name, value in os.environ.items() if not name.startswith("SPACES_")}
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        self.child = subprocess.Popen(
            [sys.executable, "-m", "signaling.cli", *arguments],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C reaches who has the terminal, so this must be the terminal of a session of its own.
            start_new_session=terminal is not None,
            preexec_fn=None if terminal is None else lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )

    def line(self, containing=""):
        """The next line with this in it."""
        for text in self.child.stdout:
            if containing in text:
                return text.strip()
        raise AssertionError(f"{containing!r} was not said; {self.child.stderr.read()}")

    def end(self, number=signal.SIGINT):
        """Interrupt it; its status, what else it said, and its complaints."""
        self.child.send_signal(number)
        return self.wait()

    def wait(self):
        said, complaints = self.child.communicate(timeout=30)
        return self.child.returncode, said, complaints


@pytest.fixture
def start(tmp_path):
    """Start commands in one directory; what still runs at the end is killed."""
    running = []

    def begin(*arguments, terminal=None):
        running.append(Command(tmp_path, *arguments, terminal=terminal))
        return running[-1]

    yield begin
    for command in reversed(running):
        if command.child.poll() is None:
            command.child.kill()
        command.child.communicate()


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A development server for all of these stories: the options with which the others find it."""
    folder = tmp_path_factory.mktemp("server")
    command, options = serving(folder, partial(Command, folder))
    yield options
    command.child.kill()
    command.child.communicate()


def serving(folder, begin):
    """Start a server, and wait until it listens."""
    data_dir = folder / "data"
    arguments = ("serve", "--dev", "--json", "--port", "0", "--data-dir", str(data_dir))
    command = begin(*arguments)
    listening = json.loads(command.line("listening"))
    assert listening["development"] is True
    assert listening["fingerprint"].startswith("sha256:")
    return command, ["--server", listening["address"], "--data-dir", str(data_dir)]


def speech(path, seconds):
    recording = open_recording(path)
    for frame in frames_of(voice(1, seconds)):
        recording.write(frame)
    recording.close()


def grows_to(path, size_bytes):
    """Wait until so much was written."""
    deadline_s = time.monotonic() + 30
    while not path.exists() or path.stat().st_size < size_bytes:
        assert time.monotonic() < deadline_s


def test_somebody_hosts_somebody_listens_and_both_leave_cleanly(tmp_path, start, where):
    speech(tmp_path / "talk.wav", 3)
    hosting = start(
        "host", "--title", "Morning talk", "--audio", "talk.wav", "--loop", *where, "--name", "Ada"
    )
    space = hosting.line("Space").split()[1]

    status, said, _ = start("live", "--json", *where).wait()
    assert status == 0
    [row] = json.loads(said)
    assert (row["space"], row["title"], row["host_name"], row["people"]) == (space, "Morning talk", "Ada", 1)

    # Nobody needs to name the only Space there is; the speaker's file is heard, then they listen again.
    guest = start("join", "--ask", "--audio", "talk.wav", "--out", "heard.wav", *where, "--name", "Ben")
    assert guest.line("You asked") == "You asked to speak; the host decides."
    assert hosting.line("Ben") == "Ben asks to speak."
    listening = start("join", space, "--out", "heard.opus", *where, "--name", "Cleo")
    assert listening.line("Space") == f"Space {space}  Morning talk"
    (tmp_path / "kept.opus").write_bytes(b"an earlier one")
    status, said, _ = start("join", "00" * 16, "--out", "kept.opus", *where).wait()
    assert status == 1
    assert (tmp_path / "kept.opus").read_bytes() == b"an earlier one"  # who does not get in keeps it

    status, said, complaints = guest.end(signal.SIGTERM)
    assert (status, complaints) == (0, "")
    assert said.splitlines()[-1] == "What was heard is in heard.wav."
    status, _, complaints = hosting.end()
    assert (status, complaints) == (0, "")
    assert listening.line("over") == "The Space is over: the host ended it."
    status, _, complaints = listening.wait()
    assert (status, complaints) == (0, "")
    heard = load(tmp_path / "heard.opus", 60)
    assert np.abs(heard).max() > 0.05


def test_a_guest_is_admitted_speaks_and_listens_again(tmp_path, start, where):
    speech(tmp_path / "short.wav", 1)
    hosting = start("host", "--audio", "short.wav", "--loop", "--admit-all", *where, "--name", "Ada")
    hosting.line("Space")
    guest = start("join", "--ask", "--audio", "short.wav", *where, "--name", "Ben")
    assert hosting.line("on stage") == "Ben is on stage."
    assert hosting.line("left the stage") == "Ben left the stage."  # when the file was said
    assert hosting.end()[0] == 0
    assert guest.line("over") == "The Space is over: the host ended it."
    assert guest.wait()[0] == 0


def test_a_space_ends_with_the_hosts_file(tmp_path, start, where):
    speech(tmp_path / "short.wav", 1)
    status, said, complaints = start("host", "--audio", "short.wav", *where).wait()
    assert (status, complaints) == (0, "")
    assert said.startswith("Space ")
    status, said, _ = start("live", *where).wait()
    assert status == 0
    assert said.startswith("Nothing is live.")


def test_the_server_stops_with_people_inside(tmp_path, start):
    server, where = serving(tmp_path, start)
    hosting = start("host", "--admit-all", *where, "--name", "Ada")  # without a file a voice speaks the title
    hosting.line("Space")
    listening = start("join", "--out", "heard.wav", *where, "--name", "Cleo")
    listening.line("Space")
    grows_to(tmp_path / "heard.wav", 50_000)
    status, said, complaints = server.end(signal.SIGTERM)
    assert (status, complaints) == (0, "")
    stopped = json.loads(said.splitlines()[-1])
    assert stopped["event"] == "stopped"
    assert stopped["statistics"]["spaces_ended"] == 1
    assert stopped["statistics"]["errors_caught"] == 0
    for command in (hosting, listening):
        status, said, complaints = command.wait()
        assert "Traceback" not in complaints
        assert "server" in said + complaints
        assert status in (0, 1)
    assert len(load(tmp_path / "heard.wav", 60)) >= 24_000  # its header was finished


def test_at_a_terminal_the_host_admits_with_a_key(tmp_path, start, where):
    speech(tmp_path / "talk.wav", 3)
    near, far = pty.openpty()
    before = termios.tcgetattr(far)
    try:
        hosting = start(
            "host", "-t", "Keys", "-a", "talk.wav", "--loop", *where, "--name", "Ada", terminal=far
        )
        shown(near, "Keys")
        guest = start("join", "--ask", "--audio", "talk.wav", *where, "--name", "Ben")
        shown(near, "a admits Ben")
        os.write(near, b"xa")  # a key that means nothing is passed over
        assert guest.line("speak now") == "You may speak now."
        shown(near, "Ben is on stage")
        os.write(near, b"\x03")  # Ctrl-C, as the terminal sends it
        shown(near, "\x1b[?25h")  # the cursor is back
        assert hosting.child.wait(30) == 0
        assert guest.wait()[0] == 0
        assert termios.tcgetattr(far) == before
    finally:
        os.close(near)
        os.close(far)


def shown(terminal, words):
    """Read what a terminal shows until these words."""
    seen = ""
    while words not in seen:
        seen += os.read(terminal, 65_536).decode(errors="replace")


def test_a_token_names_who_one_is(start, where, tmp_path):
    status, token, _ = start("token", "ada", "--name", "Ada Lovelace", *where[2:]).wait()
    assert status == 0
    (tmp_path / "token").write_text(token)
    hosting = start("host", "--token-file", "token", *where)
    hosting.line("Space")
    assert json.loads(start("live", "--json", *where).wait()[1])[0]["host_name"] == "Ada Lovelace"
    status, _, complaints = start("live", "--token", "not.a.token", *where).wait()
    assert status == 1
    assert complaints.strip().endswith("[bad_token]")
    status, _, complaints = start("live", *where[:2], "--data-dir", "none").wait()
    assert status == 1
    assert complaints.count(";") == 1  # one remedy, in options
    assert "--fingerprint" in complaints
