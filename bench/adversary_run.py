"""One attack beside an honest room: a server, people, an adversary, each in a process of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.children import Child
from bench.crowd import Crowd
from bench.ladder import Cores
from bench.rows import CLIENT_ACK_EVERY, SKIPPED, Case, Heard, Round, late_ms
from bench.served import Served
from signaling.config import LimitsConfig

__all__ = ["PROFILE", "Siege", "besiege"]

SPEAKERS, LISTENERS = 4, 50
PROFILE: Mapping[str, str] = {}
"""Limits that differ from the production profile: none. They are printed with the figures."""
_DEFAULTS = {  # benches of capacity raise them
    f"SPACES_LIMITS_{name.upper()}": str(getattr(LimitsConfig(), name))
    for name in ("connections", "connections_per_prefix", "half_open_per_prefix")
}
_WARM_UP_S = 3.0
_QUIET_S = 3.0
_SPARE_S = 60.0
_LAST_FRAMES_S = 0.7
_COOL_S = 35.0  # after idle time-outs and handshakes' deadlines nothing of an attack may be left
_SAMPLE_S = 0.1
_TOLD = ("gate_", "inbox_", "closes_", "udp_", "messages_", "dropped_", "refused_", "streams_")
_ERRORS = ("errors_caught", "udp_handler_errors", "media_failures", "store_failures")


@dataclass(frozen=True)
class Siege:
    """What was seen of one attack. `quiet` is the server with its honest room alone, before."""

    quiet: Round
    attacked: Round
    heard: Heard
    tally: Mapping[str, int]
    marks: Mapping[str, float]
    before_kb: int
    most_kb: int
    after_kb: int
    files: tuple[int, int]
    tracebacks: int

    @property
    def late_ms(self) -> float:
        """So late 99 of 100 ticks were at most."""
        return late_ms([self.attacked], "native")

    @property
    def cpu_us_per_packet(self) -> float:
        """CPU of the server for each packet of the attack, beyond what the honest room takes."""
        usual_s = self.quiet.cpu_s / self.quiet.seconds * self.attacked.seconds
        return max(0.0, self.attacked.cpu_s - usual_s) * 1e6 / max(1, self.tally.get("packets", 0))

    @property
    def errors(self) -> int:
        """Exceptions that some boundary caught, and tracebacks that were written."""
        return self.tracebacks + int(sum(self.attacked.grown(name) for name in _ERRORS))

    def grown(self, name: str) -> float:
        """By how much a counter of the server grew."""
        return self.attacked.grown(name)

    def summary(self) -> dict[str, Any]:
        """All of it, for the record."""
        before, after = self.attacked.begin.figures, self.attacked.end.figures
        moved = {
            name: value - before.get(name, 0)
            for name, value in after.items()
            if name.startswith(_TOLD) and value != before.get(name, 0)
        }
        return {
            "adversary": dict(self.tally) | dict(self.marks),
            "delivered_pct": 100.0 * self.heard.received / max(1, self.heard.expected),
            "quiet_late_ms_p99": late_ms([self.quiet], "native"),
            "ticks_skipped": self.attacked.grown(SKIPPED),
            "server_core_pct": 100 * self.attacked.cpu_s / self.attacked.seconds,
            "quiet_core_pct": 100 * self.quiet.cpu_s / self.quiet.seconds,
            "rss_kb": [self.before_kb, self.most_kb, self.after_kb],
            "files": list(self.files),
            "errors": self.errors,
            "counters": moved,
        }


def besiege(name: str, seconds: float, seed: int, cores: Cores) -> Siege:
    """Carry out one attack (`soak`: all at once); BenchError where it cannot be measured."""
    case = Case("native", LISTENERS, 1, CLIENT_ACK_EVERY, seconds, 1)
    people = ("--speakers", str(SPEAKERS), "--addresses", "loopback")
    with (
        Served(case, cores.server, {**_DEFAULTS, **PROFILE}) as server,
        Crowd(server.address, server.fingerprint, server.key, case, cores.load, more=people) as crowd,
        _adversary(name, server, crowd.space, seconds, seed, core=cores.load) as adversary,
    ):
        crowd.join(LISTENERS)
        crowd.talk()
        adversary.wait_for("ready")
        time.sleep(_WARM_UP_S)
        first = server.sample()
        begin = server.sample(first.at_s + _QUIET_S)
        crowd.mark()
        files, before_kb = _files(server.pid), server.rss_kb
        with _Memory(server) as memory:
            adversary.tell(go=True)
            done = adversary.wait_for("done", seconds + _SPARE_S)
            end = server.sample()
        time.sleep(_LAST_FRAMES_S)
        heard = crowd.heard()
        if name == "soak":
            time.sleep(_COOL_S)
        return Siege(
            quiet=Round(1.0, first, begin),
            attacked=Round(1.0, begin, end),
            heard=heard,
            tally=done["tally"],
            marks=done["marks"],
            before_kb=before_kb,
            most_kb=memory.most_kb,
            after_kb=server.rss_kb,
            files=(files, _files(server.pid)),
            tracebacks=server.said.count("Traceback (most recent call last)"),
        )


def _adversary(name: str, server: Served, space: str, seconds: float, seed: int, *, core: int) -> Child:
    attack = "everything" if name == "soak" else name
    return Child(
        "adversary",
        [
            *("-m", "tests.adversary", attack, "--server", server.address, "--key", str(server.key)),
            *("--space", space, "--seconds", f"{seconds:g}", "--seed", str(seed)),
        ],
        core=core,
    )


def _files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class _Memory:
    """The most resident memory that a process has while this is open, looked at ten times a second."""

    def __init__(self, server: Served) -> None:
        self.most_kb = server.rss_kb
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self.most_kb = max(self.most_kb, self._server.rss_kb)
