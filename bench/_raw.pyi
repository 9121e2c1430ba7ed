"""Types of bench/_raw.pyx, for the checker."""

from array import array
from collections.abc import Sequence

TICK_US: int
PACKETS_PER_CALL: int
MAX_PACKET_BYTES: int

def timer_late_ns(seconds: float) -> array[int]: ...

class RawSender:
    def __init__(
        self, fd: int, addresses: Sequence[bytes], *, packet_bytes: int, groups: int = 1
    ) -> None: ...
    def run(self, seconds: float) -> tuple[int, int, int]: ...
