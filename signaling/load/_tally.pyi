"""Types of signaling.load._tally."""

from typing import NamedTuple

from typing_extensions import Buffer

__all__ = ["KNOWN_FRAMES", "Board", "Delivery", "EarDelivery"]

KNOWN_FRAMES: int

class Delivery(NamedTuple):
    listeners: int
    expected: int
    received: int
    datagrams: int
    bytes: int
    frames: int
    duplicates: int
    late: int
    strays: int
    malformed: int
    mismatched: int
    pauses: int
    bundled: int
    longest_gap_us: int
    deaf: int

class EarDelivery(NamedTuple):
    ear: int
    expected: int
    received: int
    longest_gap_us: int
    jitter_us: int

class Board:
    n_ears: int
    def __init__(self, ears: int, *, check_bytes: bool = True) -> None: ...
    def listen(self, index: int, joined_us: int) -> None: ...
    def end(self, index: int, now_us: int) -> None: ...
    def hear(self, index: int, datagram: Buffer, arrived_us: int) -> None: ...
    def sample(self) -> None: ...
    def mark(self, now_us: int) -> None: ...
    def stats(self, now_us: int) -> Delivery: ...
    def totals(self, now_us: int) -> tuple[int, int, int]: ...
    def rows(self, now_us: int) -> list[EarDelivery]: ...
    def gaps(self) -> dict[int, int]: ...
    def jitters(self) -> dict[int, int]: ...
    def report(self, index: int) -> bytes | None: ...
