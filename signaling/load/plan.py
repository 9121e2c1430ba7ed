"""LoadPlan: what load is wanted. Checked as a whole when it is made; plain data that can be sent on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from signaling.load.errors import LoadError

__all__ = ["ADDRESSES", "MAX_PEOPLE", "PLANES", "LoadPlan"]

MAX_PEOPLE: Final = 60_000
"""Listeners of one process: each has a socket, and a port or an address of its own."""

ADDRESSES: Final = ("ports", "loopback")
PLANES: Final = ("native", "aioquic")

# Option as it stands on the command line: lowest and highest value.
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "listeners": (0, 1_000_000),
    "speakers": (0, 32),
    "join_rate": (0, 100_000),
    "at_once": (1, 10_000),
    "ramp_s": (0, 86_400),
    "duration_s": (0, 604_800),
    "bundle": (1, 3),
    "bundle_delay_ms": (0, 10_000),
    "ack_every": (1, 1_000),
    "ack_delay_ms": (0, 600),
    "loss_pct": (0, 100),
    "delay_ms": (0, 10_000),
    "jitter_ms": (0, 10_000),
    "workers": (1, 64),
    "worker": (0, 63),
    "seed": (0, 2**63 - 1),
    "timeout_s": (0.1, 600),
    "port": (1, 65_535),
}


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A whole load, or with `worker` the part of it that one process makes. LoadError(bad_value).

    `ramp_s` spreads the joins evenly over so many seconds; `join_rate` is joins a second, 0 as fast as they
    get in, with `at_once` of them under way. `bundle` is the most frames that listeners take in a datagram.
    Loss, delay and jitter are of each direction, of all packets, handshakes included. With `space` (hex) the
    listeners join one that is live, else a host opens one and is the first of the speakers.
    """

    host: str = "127.0.0.1"
    port: int = 4433
    fingerprint: str | None = None
    cafile: str | None = None
    space: str = ""
    title: str = "Load"
    listeners: int = 100
    speakers: int = 1
    join_rate: float = 0.0
    at_once: int = 100
    ramp_s: float = 0.0
    duration_s: float = 10.0
    bundle: int = 3
    bundle_delay_ms: int = 40
    ack_every: int = 10
    ack_delay_ms: int = 600
    reports: bool = True
    loss_pct: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 1
    plane: str = "native"
    addresses: str = "ports"
    workers: int = 1
    worker: int = 0
    timeout_s: float = 10.0
    check_bytes: bool = True

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise LoadError("bad_value", f"{name} is {value:g}; it may be {least:g} to {most:g}")
        if self.plane not in PLANES or self.addresses not in ADDRESSES:
            raise LoadError(
                "bad_value",
                f"plane is {self.plane!r} and addresses {self.addresses!r}; they may be one of "
                f"{', '.join(PLANES)} and of {', '.join(ADDRESSES)}",
            )
        if self.listeners > MAX_PEOPLE * self.workers:
            raise LoadError(
                "bad_value",
                f"{self.listeners} listeners are more than the {MAX_PEOPLE} that one process can hold; "
                f"give it --processes {-(-self.listeners // MAX_PEOPLE)}",
            )
        if self.ramp_s and self.join_rate:
            raise LoadError(
                "bad_value", "a ramp and a rate of joins are both given and say the same; leave one out"
            )

    @property
    def rate(self) -> float:
        """Joins a second of all workers together; 0: as fast as they come."""
        return self.listeners / self.ramp_s if self.ramp_s else self.join_rate

    @property
    def server(self) -> str:
        """Host and port, as one writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def people(self) -> int:
        """Everybody, the host included."""
        host = 1 if self.worker == 0 and not self.space else 0
        return self.listeners + max(host, self.speakers)

    @property
    def first_number(self) -> int:
        """The number of this worker's first person; no other worker's has it."""
        return self.worker * (MAX_PEOPLE + 64)

    def at(self, host: str, port: int, fingerprint: str) -> Self:
        """The same load at another server."""
        return replace(self, host=host, port=port, fingerprint=fingerprint, cafile=None)

    def share(self, worker: int) -> Self:
        """What this worker does: its part of the listeners and of the rate; the first has the stage."""
        listeners = self.listeners // self.workers + (worker < self.listeners % self.workers)
        return replace(
            self,
            worker=worker,
            listeners=listeners,
            speakers=self.speakers if worker == 0 else 0,
            at_once=max(1, self.at_once // self.workers),
            join_rate=self.rate / self.workers,
            ramp_s=0.0,
            seed=(self.seed + worker * 7919) % 2**63,
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(**values)
