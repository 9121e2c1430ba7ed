"""What an operator sees of a server at one moment; the server takes it, metrics and status tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Health", "Reading", "SpaceReading", "Spaces", "Steps"]

Steps = list[tuple[int, int]]
"""[(µs, how often), …]: so much time, or up to the next step more; since the start."""


@dataclass(frozen=True, slots=True)
class Health:
    """fault: why the process should be started anew; why: why nobody is to be sent here. Usually empty."""

    fault: str = ""
    why: str = ""

    @property
    def ready(self) -> bool:
        """Whether people may be sent here."""
        return not self.why


@dataclass(frozen=True, slots=True)
class SpaceReading:
    """One live Space. What is counted grows from its opening on.

    `received` to `concealed` are frames, as those who listen over the native plane report them.
    """

    space: str  # its id, hex
    title: str
    people: int
    on_stage: int
    queue: int
    talking: int
    requests_waiting: int
    received: int
    lost: int
    concealed: int
    decodes: int
    encodes: int
    passed: int


@dataclass(frozen=True, slots=True)
class Spaces:
    """The largest Spaces, by people, and how much there is in the others together."""

    listed: tuple[SpaceReading, ...] = ()
    others: int = 0
    other_people: int = 0
    other_on_stage: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """A server at one moment. `statistics` and all below are empty before it listens.

    loop_lag, tick_lateness: since the start. Times are seconds, `monotonic_s` of the machine's own clock.
    """

    version: str
    pid: int
    monotonic_s: float
    uptime_s: float
    health: Health
    address: str = ""
    plane: str = ""
    plane_note: str = ""
    statistics: Mapping[str, int | float] = field(default_factory=dict)
    tick_lateness: Steps = field(default_factory=list)
    loop_lag: Steps = field(default_factory=list)
    spaces: Spaces = field(default_factory=Spaces)
