"""The report of a load as plain values with a stable shape; docs/load.md describes every key."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import spacecore
from signaling.load.figures import Cuts, Histogram, cuts_of, ms
from signaling.load.lateness import Ticks
from signaling.load.plan import LoadPlan

__all__ = ["VERSION", "Phase", "Report", "conditions", "hints"]

VERSION: Final = 1
"""Of the shape: keys are only ever added to it."""

# What the server says that stands in the way, and what to do about it.
_REMEDIES: Final = {
    "handshake: server_full": "the server takes no more connections: raise limits.connections "
    "(SPACES_LIMITS_CONNECTIONS) where it runs",
    "handshake: refused": "nobody listens at that address: check --server, or start one with --spawn-server",
    "handshake: timeout": "handshakes are not completed in time: the server is busy or drops first packets "
    "(limits.half_open); lower --at-once or --join-rate, or raise --timeout",
    "handshake: idle": "the server does not answer: check --server, and that no firewall stops UDP",
    "hello: bad_token": "the server asks for tokens: one for each person, by --tokens FILE or --key FILE",
    "hello: not_authenticated": "the server asks for tokens: --tokens FILE or --key FILE",
    "hello: hello_timeout": "this side was too slow to say hello within 3 s: lower --at-once, or give more "
    "--processes",
    "hello: busy": "the server is busy registering people: give tokens (--key FILE), or lower --join-rate",
    "hello: overloaded": "the server is overloaded: lower --join-rate",
    "join: busy": "the Space is full: raise limits.people (SPACES_LIMITS_PEOPLE) where the server runs",
    "join: no_such_space": "the Space is not live: see  spaces live",
    "admit: stage_full": "the stage is full: raise limits.stage (SPACES_LIMITS_STAGE), or fewer --speakers",
    "stage: queue_full": "too many ask to speak: raise limits.queue (SPACES_LIMITS_QUEUE)",
    "inside: replaced": "two people had the same token: give one for each",
    "inside: too_slow": "this side did not take its control data: give more --processes",
}


@dataclass(slots=True)
class Phase:
    """One measurement, between two marks. `stats` as `Measures.stats` has them; the server's where known."""

    name: str
    seconds: float
    stats: dict[str, Any]
    server_cpu_s: float | None = None
    server_rss_bytes: int | None = None
    ticks: Ticks | None = None

    @property
    def delivered_pct(self) -> float:
        """Of the frames that should have come; 100 if there were none."""
        delivery = self.stats["delivery"]
        expected = delivery["expected"]
        return 100.0 * delivery["received"] / expected if expected else 100.0

    @property
    def gaps(self) -> Cuts:
        """Times between datagrams, µs."""
        return Histogram.from_json(self.stats["gaps"]).cuts()

    @property
    def jitters(self) -> Cuts:
        """Of listener-seconds, µs."""
        return Histogram.from_json(self.stats["jitters"]).cuts()

    @property
    def listener_s(self) -> float:
        """Seconds of listening of all together: expected frames are 50 a second each."""
        return float(self.stats["delivery"]["expected"]) / 50

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        stats, delivery = self.stats, self.stats["delivery"]
        joins = cuts_of(stats["joins_us"])
        return {
            "name": self.name,
            "seconds": round(self.seconds, 3),
            "delivered_pct": round(self.delivered_pct, 4),
            "listener_s": round(self.listener_s, 3),
            "delivery": {
                **{name: value for name, value in delivery.items() if name != "longest_gap_us"},
                "lost": max(0, delivery["expected"] - delivery["received"]),
            },
            "gap": self.gaps.to_json(),
            "jitter": self.jitters.to_json(),
            "joins": {
                "joined": joins.n,
                "per_s": round(joins.n * 1e6 / stats["joining_us"], 2) if stats["joining_us"] else 0.0,
                "join": joins.to_json(),
                "handshake": cuts_of(stats["handshakes_us"]).to_json(),
            },
            "failures": failures(stats),
            "network": stats["swarm"],
            "server": self._server(),
            "load": self._load(),
            "worst": [
                {
                    **{name: value for name, value in row.items() if not name.endswith("_us")},
                    "longest_gap_ms": ms(row["longest_gap_us"]),
                    "jitter_ms": ms(row["jitter_us"]),
                }
                for row in stats["worst"]
            ],
            "distributions": {"gap": stats["gaps"], "jitter": stats["jitters"]},
        }

    def _server(self) -> dict[str, Any]:
        cpu_s = self.server_cpu_s
        per = None if cpu_s is None or not self.listener_s else round(cpu_s * 1000 / self.listener_s, 4)
        return {
            "cpu_s": None if cpu_s is None else round(cpu_s, 4),
            "cpu_pct": None if cpu_s is None or not self.seconds else round(100 * cpu_s / self.seconds, 2),
            "cpu_ms_per_listener_s": per,
            "rss_bytes": self.server_rss_bytes,
            "tick_late": None if self.ticks is None else self.ticks.to_json(),
        }

    def _load(self) -> dict[str, Any]:
        stats = self.stats
        turns = Histogram.from_json(stats["turns"]).cuts()
        return {
            "cpu_s": round(stats["cpu_s"], 4),
            "cpu_pct": round(100 * stats["cpu_s"] / self.seconds, 2) if self.seconds else 0.0,
            "rss_bytes": stats["rss_bytes"],
            "turn": turns.to_json(),
            "spoken": stats["spoken"],
            "talk_late_ms_max": ms(stats["talk_late_us"]),
        }


@dataclass(slots=True)
class Report:
    """Everything that a load has found out."""

    plan: LoadPlan
    began: datetime
    conditions: dict[str, Any]
    server: dict[str, Any]
    phases: list[Phase] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def main(self) -> Phase | None:
        """The phase that counts: that in which all listened, or how far it came."""
        return next((phase for phase in reversed(self.phases) if phase.name == "listening"), None) or (
            self.phases[-1] if self.phases else None
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; see docs/load.md."""
        plan = self.plan.to_json()
        return {
            "version": VERSION,
            "tool": f"spaces load {spacecore.__version__}",
            "began": self.began.isoformat(timespec="seconds"),
            "interrupted": self.interrupted,
            "delivered_pct": round(self.main.delivered_pct, 4) if self.main else None,
            "conditions": self.conditions,
            "plan": plan,
            "server": self.server,
            "phases": [phase.to_json() for phase in self.phases],
            "samples": self.samples,
            "hints": hints(self.phases),
        }


def failures(stats: dict[str, Any]) -> list[dict[str, Any]]:
    """Who did not get in or was cut off: at which step, by which code, how often, and a sentence on it."""
    found = []
    for key, n in sorted(stats["failures"].items(), key=lambda item: -item[1]):
        at, _, code = key.partition(": ")
        found.append({"at": at, "code": code, "n": n, "message": stats["examples"].get(key, "")})
    return found


def hints(phases: Sequence[Phase]) -> list[str]:
    """What stood in the way, with the remedy: limits that were hit, a load generator that was too slow."""
    found: dict[str, None] = {}
    for phase in phases:
        for key in phase.stats["failures"]:
            if key in _REMEDIES:
                found[_REMEDIES[key]] = None
        if phase.seconds and phase.stats["cpu_s"] / phase.seconds > 0.9:
            share = phase.stats["cpu_s"] / phase.seconds
            found[f"the load itself used {share:.2f} cores while {phase.name}: give more --processes"] = None
        if phase.stats["swarm"]["overflowed"]:
            found["more packets were delayed at one time than 65,536: give a shorter --delay-ms"] = None
        if phase.stats["delivery"]["mismatched"]:
            found[
                "listeners of one mix got different bytes for the same frame: that is the server's fault"
            ] = None
    return list(found)


def conditions() -> dict[str, Any]:
    """Machine and software as of now."""
    model = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "spacecore": spacecore.__version__,
        "command": " ".join(["spaces", *sys.argv[1:]]),
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
