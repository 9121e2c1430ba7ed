"""Runs a server that the package manager installed, in a folder of its own and on one core; its CPU clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

START_S = 20.0
STOP_S = 5.0
_LOG = "log.txt"
_SBIN = os.pathsep + "/usr/sbin"  # where Debian puts mumble-server, and users have no path to


class MissingError(Exception):
    """What a row needs is not on this machine; the sentence says how to get it."""


class PeerError(Exception):
    """A server did not do what the row needs."""


def find(name: str, *programs: str, package: str) -> str:
    """The path of the first of these programs.

    Raises:
        MissingError: none is installed.
    """
    for program in programs:
        path = shutil.which(program, path=os.environ.get("PATH", os.defpath) + _SBIN)
        if path:
            return path
    raise MissingError(f"{name} is not installed here: sudo apt-get install -y {package}")


def first_line(command: Sequence[str], containing: str) -> str:
    """The first line with that word of what a program says of itself, on either channel."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.strip() for line in lines if containing in line), "unknown")


class Server:
    """A running server. `folder` is its own, and gone after `close`.

    `command` makes the command line once the folder is there; it writes what configuration it needs into it.
    """

    def __init__(self, command: Callable[[Path], Sequence[str]], *, core: int) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="peer-")
        self.folder = Path(self._temporary.name)
        self._log = (self.folder / _LOG).open("wb")
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})  # a child and all its threads inherit it
        try:
            line = command(self.folder)
            self.name = Path(line[0]).name
            self._child = subprocess.Popen(
                line,
                cwd=self.folder,
                stdout=self._log,
                stderr=self._log,
                stdin=subprocess.DEVNULL,
            )
        except BaseException:
            self._tidy()
            raise
        finally:
            os.sched_setaffinity(0, mine)

    @property
    def pid(self) -> int:
        return self._child.pid

    def cpu_ms(self) -> float:
        """User and system time of all its threads so far."""
        return cpu_ms(self.pid)

    def wait_for(self, condition: Callable[[], bool], what: str, within_s: float = START_S) -> None:
        """Return once the condition holds.

        Raises:
            PeerError: the server ended, or took longer; with the end of its log.
        """
        until = time.monotonic() + within_s
        while not condition():
            if self._child.poll() is not None:
                raise PeerError(f"{self.name} ended before {what}: {self.tail()}")
            if time.monotonic() > until:
                raise PeerError(f"{self.name}: {what} took longer than {within_s:g} s: {self.tail()}")
            time.sleep(0.02)

    def tail(self) -> str:
        """The end of what it logged."""
        return (self.folder / _LOG).read_text("utf-8", "replace")[-800:].strip() or "it logged nothing"

    def close(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._tidy()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tidy(self) -> None:
        self._log.close()
        self._temporary.cleanup()


def cpu_ms(pid: int) -> float:
    """CPU time of a running program, user and system, by its own clock (clock_getcpuclockid; not in Python).

    Raises:
        OSError: there is no such program.
    """
    return time.clock_gettime(~pid << 3 | 2) * 1000
