"""Types of signaling.load._swarm."""

from typing import NamedTuple

from typing_extensions import Buffer

from signaling.load._tally import Board
from spacecore._plane import Connection

__all__ = ["DELAYED_PACKETS", "SLOW_PACKETS", "Swarm", "SwarmStats"]

DELAYED_PACKETS: int
SLOW_PACKETS: int

class SwarmStats(NamedTuple):
    packets_in: int
    packets_out: int
    bytes_in: int
    native: int
    slow: int
    dropped: int
    violations: int
    acks_out: int
    reports_out: int
    lost_in: int
    lost_out: int
    overflowed: int
    too_long: int
    send_errors: int
    receive_errors: int

class Swarm:
    limit: int
    n_members: int
    board: Board
    def __init__(
        self,
        members: int,
        board: Board,
        *,
        loss_pct: float = 0,
        delay_us: int = 0,
        jitter_us: int = 0,
        seed: int = 1,
    ) -> None: ...
    def add(self, fd: int) -> int: ...
    def drop(self, index: int) -> None: ...
    def attach(self, index: int, connection: Connection) -> None: ...
    def hear(self, index: int, ear: int, now_us: int, *, reports: bool = False) -> None: ...
    def was_refused(self, index: int) -> bool: ...
    def send(self, index: int, packet: Buffer, now_us: int) -> None: ...
    def put(self, index: int, packet: Buffer, arrived_us: int) -> None: ...
    def pump(self, now_us: int, clock_offset_us: int) -> list[tuple[int, bytes, int]]: ...
    @property
    def due_us(self) -> int | None: ...
    @property
    def stats(self) -> SwarmStats: ...
