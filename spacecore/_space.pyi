"""Types of spacecore._space."""

from typing import NamedTuple

from typing_extensions import Buffer

from spacecore._receiver import ReceiverStats
from spacecore._tap import TapFrame

__all__ = ["FULL", "MAX_SEATS", "Space", "SpaceStats", "Tap", "Tick", "Trace", "put_result"]

FULL: int
MAX_SEATS: int

class Tick(NamedTuple):
    packets: tuple[tuple[int, bytes], ...]
    excluded: frozenset[int]
    levels: dict[int, int]
    audible: tuple[int, ...]
    loudest: tuple[int, ...]
    timestamp: int
    applied: int
    reports: tuple[tuple[int, bytes], ...]
    dominant: int | None

class SpaceStats(NamedTuple):
    ticks: int
    decodes: int
    encodes: int
    encode_errors: int
    packets: int
    pauses: int
    malformed: int
    unknown_seat: int
    reports: int
    wrong_kind: int
    pcm_dropped: int
    disbelieved: int
    buffered: int
    delay_us: int
    target_us: int
    told: int
    fec_pct: int
    passed: int
    measured: int
    switches: int
    primed: int

class Space:
    def __init__(
        self,
        *,
        bitrate_bps: int = 48000,
        complexity: int = 9,
        fec: bool = True,
        loss_pct: int = 0,
        keep_alive_ms: int = 5000,
        loudness: bool = True,
        pass_through: bool = True,
        denoise: bool = False,
    ) -> None: ...
    def add_seat(
        self, seat: int, *, pcm: bool = False, gain_db: float = 0.0, denoise: bool | None = None
    ) -> int: ...
    def remove_seat(self, seat: int) -> int: ...
    def mute(self, seat: int, muted: bool = True) -> int: ...
    def set_gain(self, seat: int, gain_db: float) -> int: ...
    def put(self, seat: int, datagram: Buffer, now_us: int) -> str: ...
    def report(self, seat: int | None, datagram: Buffer, now_us: int, *, vote: int = 0) -> int: ...
    def put_pcm(self, seat: int, pcm: Buffer) -> bool: ...
    def tap(self, *, mix: bool = True, seats: bool = True) -> Tap: ...
    def trace(self, *, audio: bool = False, records: int = 4096) -> Trace: ...
    def follow(self, seat: int, done: str, lag: int = -1) -> None: ...
    def tick(self, now_us: int) -> Tick: ...
    @property
    def stats(self) -> SpaceStats: ...
    def seat_stats(self, seat: int) -> ReceiverStats: ...
    @property
    def seats(self) -> tuple[int, ...]: ...

class Tap:
    def read(self) -> list[TapFrame]: ...
    @property
    def dropped(self) -> int: ...
    def close(self) -> None: ...

class Trace:
    def read(self) -> list[bytes]: ...
    @property
    def dropped(self) -> int: ...
    @property
    def is_over(self) -> bool: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...

def put_result(status: int) -> str: ...
