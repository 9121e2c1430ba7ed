"""Conductor: takes a load through its phases, looks at all clocks once a second, and writes the report."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from signaling.load.company import Company
from signaling.load.errors import LoadError
from signaling.load.lateness import ticks_between
from signaling.load.meter import Meter, Reading
from signaling.load.plan import LoadPlan
from signaling.load.report import Phase, Report, conditions
from signaling.load.spawned import SpawnedServer, Statistics

__all__ = ["Conductor"]

_SETTLE_S: Final = (
    0.7  # frames have half a second to arrive; so long is waited before and after a measurement
)
_SAMPLE_S: Final = 1.0


class Conductor:
    """One load. `run` is the usual way through it; `begin`, `join`, `say`, `end_phase` are its steps.

    `report` holds what is known, also when it is interrupted. `on_sample` is called once a second.
    """

    def __init__(
        self,
        plan: LoadPlan,
        company: Company,
        *,
        meter: Meter | None = None,
        spawned: SpawnedServer | None = None,
        on_sample: Callable[[dict[str, Any]], None] = lambda sample: None,
    ) -> None:
        self.plan = plan
        self.company = company
        self.phase = "opening"
        self.space = plan.space
        pid = getattr(meter, "pid", None)
        self.report = Report(
            plan,
            datetime.now(UTC),
            conditions(),
            {"address": plan.server, "pid": pid, "spawned": spawned is not None, "plane": None},
        )
        if spawned is not None:
            self.report.server["plane"] = spawned.plane
        self._meter = meter
        self._spawned = spawned
        self._on_sample = on_sample
        self._began_s = time.monotonic()
        self._marked_s = self._began_s
        self._at_mark: tuple[Reading | None, Statistics | None] = (None, None)
        self._last: dict[str, Any] = {}
        self._sampling: asyncio.Task[None] | None = None

    async def run(self) -> Report:
        """Open, speak, let all join, measure, leave. LoadError; whatever happens, all leave."""
        await self.begin()
        await self.say(True)
        await self.join(self.plan.listeners, self.plan.rate)
        if self.plan.listeners and not (await self.company.totals())["listeners"]:
            await self.end_phase()
            raise LoadError(
                "nobody_joined", f"not one of {self.plan.listeners} listeners got in{self._why()}"
            )
        await asyncio.sleep(_SETTLE_S)
        await self.end_phase("listening")
        await asyncio.sleep(self.plan.duration_s)
        await self.end_phase("over")
        return self.report

    async def begin(self) -> None:
        """The host and the speakers come; sampling begins."""
        if not self.space:
            self.space = await self.company.open()
            await self.company.stage(self.space, self.plan.speakers - 1)
        else:
            await self.company.stage(self.space, self.plan.speakers)
        self.report.server["space"] = self.space
        await self._mark("joining")
        self._sampling = asyncio.create_task(self._sample())

    async def join(self, n: int, rate: float) -> None:
        """So many more listeners; done when each is in or has failed."""
        await self.company.join(self.space, n, rate)

    async def say(self, talking: bool) -> None:
        """All on stage speak, or are silent."""
        await self.company.say(talking and self.plan.speakers > 0)

    async def end_phase(self, following: str = "") -> Phase:
        """Put what was measured since the last mark into the report; the next phase begins."""
        phase = await self.measured()
        self.report.phases.append(phase)
        await self._mark(following or self.phase)
        return phase

    async def measured(self) -> Phase:
        """What was measured since the last mark, as of now."""
        self._raise_fault()
        stats = await self.company.stats()
        reading = self._meter.read() if self._meter is not None else None
        latest = self._spawned.latest if self._spawned is not None else None
        before, line_before = self._at_mark
        phase = Phase(self.phase, time.monotonic() - self._marked_s, stats)
        if reading is not None:
            phase.server_rss_bytes = reading.rss_bytes
            if before is not None:
                phase.server_cpu_s = reading.cpu_s - before.cpu_s
        if latest is not line_before:
            phase.ticks = ticks_between(line_before, latest)
        return phase

    async def stop(self, *, interrupted: bool = False) -> None:
        """All leave. An interrupted load keeps what it has measured."""
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)
        if interrupted:
            self.report.interrupted = True
            with contextlib.suppress(LoadError):
                self.report.phases.append(await self.measured())
        await self.company.quit()

    # Inside

    async def _mark(self, phase: str) -> None:
        await self.company.mark()
        self.phase = phase
        self._marked_s = time.monotonic()
        reading = self._meter.read() if self._meter is not None else None
        self._at_mark = (reading, self._spawned.latest if self._spawned is not None else None)
        self._last = {"at_s": self._marked_s, "reading": reading, "line": self._at_mark[1]}

    async def _sample(self) -> None:
        at_s = time.monotonic()
        while True:
            at_s = max(at_s + _SAMPLE_S, time.monotonic())
            await asyncio.sleep(at_s - time.monotonic())
            sample = self._make_sample(await self.company.totals())
            self.report.samples.append(sample)
            self._on_sample(sample)

    def _make_sample(self, totals: dict[str, float]) -> dict[str, Any]:
        """One second: what came in it, and what it cost."""
        now_s = time.monotonic()
        last = self._last
        before = last.get("totals", {})
        seconds = max(1e-3, now_s - last["at_s"])
        reading = self._meter.read() if self._meter is not None else None
        line = self._spawned.latest if self._spawned is not None else None
        new = {name: max(0, round(totals[name] - before.get(name, 0))) for name in ("expected", "received")}
        sample: dict[str, Any] = {
            "at_s": round(now_s - self._began_s, 3),
            "phase": self.phase,
            "listeners": round(totals["listeners"]),
            "joined": round(totals["joined"]),
            "failed": round(totals["failed"]),
            **new,
            "delivered_pct": round(100 * new["received"] / new["expected"], 3) if new["expected"] else None,
            "load_cpu_pct": round(100 * (totals["cpu_s"] - before.get("cpu_s", 0)) / seconds, 2),
            "server_cpu_pct": None,
            "server_rss_bytes": None,
            "tick_late": None,
        }
        if reading is not None:
            sample["server_rss_bytes"] = reading.rss_bytes
            if last["reading"] is not None:
                spent_s = reading.cpu_s - last["reading"].cpu_s
                sample["server_cpu_pct"] = round(100 * spent_s / seconds, 2)
        if line is not last["line"]:
            ticks = ticks_between(last["line"], line)
            sample["tick_late"] = ticks.to_json() if ticks is not None else None
        self._last = {"at_s": now_s, "reading": reading, "line": line, "totals": totals}
        return sample

    def _raise_fault(self) -> None:
        if self._sampling is not None and self._sampling.done() and not self._sampling.cancelled():
            fault = self._sampling.exception()
            if fault is not None:
                raise fault

    def _why(self) -> str:
        for phase in self.report.phases:
            for key, message in phase.stats["examples"].items():
                return f": {message} [{key}]"
        return ""
