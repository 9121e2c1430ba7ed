"""What was found beside what must be reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """One bar. `found` and `bar` are in the unit that the name says."""

    name: str
    found: float | None
    bar: str
    met: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def at_most(name: str, found: float, bar: float) -> Verdict:
    return Verdict(name, found, f"<= {bar:g}", found <= bar)


def at_least(name: str, found: float, bar: float) -> Verdict:
    return Verdict(name, found, f">= {bar:g}", found >= bar)


def holds(name: str, met: bool) -> Verdict:
    """A bar without a number."""
    return Verdict(name, None, "holds", met)


@dataclass(frozen=True)
class Part:
    """What one part of the benchmark gives: rows by the name they have in the JSON, verdicts, remarks."""

    rows: dict[str, list[dict[str, Any]]]
    verdicts: list[Verdict]
    remarks: list[str]
