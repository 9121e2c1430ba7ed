"""Types of spacecore._receiver."""

from typing import NamedTuple

from typing_extensions import Buffer

__all__ = ["Heard", "Receiver", "ReceiverStats"]

class Heard(NamedTuple):
    status: str
    pcm: memoryview
    level: int
    seq: int | None
    seats: tuple[int, ...]

class ReceiverStats(NamedTuple):
    datagrams: int
    malformed: int
    bad_duration: int
    late: int
    duplicate: int
    reordered: int
    overflow_dropped: int
    restarts: int
    frames: int
    recovered: int
    concealed: int
    waits: int
    accelerated: int
    stretched: int
    decode_errors: int
    target_ms: float
    delay_ms: float
    stale_dropped: int
    restart_dropped: int
    skipped: int
    recovered_samples: int
    concealed_samples: int
    interrupted_samples: int
    accelerated_samples: int
    stretched_samples: int
    dropped_samples: int
    silence_samples: int
    held_samples: int

class Receiver:
    def __init__(self, *, down: bool = True, channels: int = 1) -> None: ...
    def put(self, datagram: Buffer, now_us: int) -> str: ...
    def pull(self, now_us: int) -> Heard: ...
    @property
    def stats(self) -> ReceiverStats: ...
