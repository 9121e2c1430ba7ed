"""CPU and memory of processes: of the server, by its number, and of ourselves."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from signaling.load.errors import LoadError

__all__ = ["Meter", "Reading", "ServerMeter"]

_SCHED_CLOCK: Final = 2  # CPUCLOCK_SCHED of Linux: user and system time together, in nanoseconds


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU time since the process began, and the memory that it holds now."""

    cpu_s: float
    rss_bytes: int


class Meter(Protocol):
    """What can be read."""

    def read(self) -> Reading | None:
        """None once the process is gone."""


class ServerMeter:
    """A process of this machine by its number. LoadError: no_such_pid, no_cpu_clock.

    CPU time is read from the kernel's clock of the process (clock_getcpuclockid(3)); no permission needed.
    """

    def __init__(self, pid: int) -> None:
        if sys.platform != "linux":
            raise LoadError(
                "no_cpu_clock", "--pid reads a process's CPU clock, which only Linux has; leave it out"
            )
        if pid < 1 or not Path(f"/proc/{pid}").exists():
            raise LoadError(
                "no_such_pid", f"there is no process {pid}; --pid is the server's, on this machine"
            )
        self.pid = pid
        self._clock = (~pid << 3) | _SCHED_CLOCK
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def read(self) -> Reading | None:
        """As of now; None once it is gone."""
        try:
            cpu_s = time.clock_gettime(self._clock)
            pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        except (OSError, IndexError, ValueError):
            return None
        return Reading(cpu_s, pages * self._page_bytes)
