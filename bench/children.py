"""Starts the processes of a measurement, each on a core of its own, and talks with them in lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

Line = dict[str, Any]


class BenchError(Exception):
    """A measurement cannot go on; the sentence says what to do."""


def two_cores() -> tuple[int, int]:
    """The core of the server and the core of the load; the same one where there is only one."""
    if not hasattr(os, "sched_getaffinity"):
        raise BenchError("this system cannot pin a program to a core; measure on Linux")
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[min(1, len(cores) - 1)]


def allow_many_files() -> None:
    """Each listener has a socket of its own: raise the soft limit to the hard one, for all children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Child:
    """One process of ours. It writes lines of JSON, each with its `event`; we may write such lines to it.

    A line is stamped when it arrives, together with the CPU time that the process had used by then: so a
    counter of the process and its CPU belong to the same moment. Only the last 4,096 lines are kept.
    `hands` are descriptors that it gets under the same numbers.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        core: int,
        environment: Mapping[str, str] | None = None,
        stamped: str = "",
        hands: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.core = core
        self._stamped = stamped
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._lines: deque[Line] = deque(maxlen=4096)
        self._news = threading.Condition()
        self._ended = False
        self._task = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env=os.environ | dict(environment or {}),
            text=True,
            pass_fds=hands,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )
        # Its threads are not there yet, and all of them inherit this.
        os.sched_setaffinity(self._task.pid, {core})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._task.pid

    @property
    def cpu_s(self) -> float:
        """CPU time of the whole process so far, all of its threads, by its own CPU clock."""
        return time.clock_gettime((~self.pid << 3) | 2)

    @property
    def rss_kb(self) -> int:
        """Resident memory at this moment."""
        with open(f"/proc/{self.pid}/status") as status:  # noqa: PTH123 - no file that a Path could help with
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise self._failure("it has no memory any more")

    @property
    def said(self) -> str:
        """What it has written to its standard error so far."""
        number = self._words.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    def tell(self, **fields: Any) -> None:
        """Write it a line."""
        if self._task.stdin is None:
            raise RuntimeError("a child always has an input")
        try:
            self._task.stdin.write(json.dumps(fields) + "\n")
            self._task.stdin.flush()
        except OSError as error:
            raise self._failure("it takes no more orders") from error

    def wait_for(self, event: str, timeout_s: float = 30.0, *, key: str = "event") -> Line:
        """The next line of this event; what came before it is dropped. BenchError if it tells of an error."""
        end_s = time.monotonic() + timeout_s
        with self._news:
            while True:
                while self._lines:
                    line = self._lines.popleft()
                    if line.get(key) == event:
                        return line
                    if "error" in line:
                        raise self._failure(str(line["error"]))
                if self._ended:
                    raise self._failure(f"it ended before it said {event!r}")
                left_s = end_s - time.monotonic()
                if left_s <= 0 or not self._news.wait(left_s):
                    raise self._failure(f"it did not say {event!r} within {timeout_s:g} s")

    def forget(self) -> None:
        """Drop the lines that were not waited for."""
        with self._news:
            self._lines.clear()

    def ask(self, event: str, timeout_s: float = 30.0, **fields: Any) -> Line:
        """Write it a line and wait for its answer."""
        self.tell(**fields)
        return self.wait_for(event, timeout_s)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End it, politely at first; with `timeout_s` 0 at once."""
        if self._task.poll() is None and timeout_s > 0:
            self._task.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._task.wait(timeout_s)
        if self._task.poll() is None:
            self._task.kill()
            self._task.wait()
        self._reader.join()
        for pipe in (self._task.stdin, self._task.stdout, self._words):
            if pipe is not None:
                with contextlib.suppress(OSError):  # the end that took what was still in it is gone
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        if self._task.stdout is None:
            return
        for text in self._task.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if line.get("event") == self._stamped:
                with contextlib.suppress(OSError):  # it has ended meanwhile; then nobody needs the stamp
                    line |= {"at_s": time.monotonic(), "used_s": self.cpu_s}
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _failure(self, what: str) -> BenchError:
        said = self.said.strip().splitlines()
        return BenchError(f"the {self.name}: {what}" + (f" ({said[-1]})" if said else ""))
