"""Adaptive jitter buffer: puts the frames of one stream back in order and decides when each is due."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, final

from typing_extensions import Buffer

__all__ = ["JitterBuffer", "JitterStats", "PullStatus", "Pulled", "PutResult", "Scale"]

class PutResult(IntEnum):
    """What became of a frame that was put: OK, REORDERED, RESTART and OVERFLOW are stored, the others not."""

    OK = 0
    REORDERED = 1
    DUPLICATE = 2
    LATE = 3
    RESTART = 4
    OVERFLOW = 5
    TOO_LARGE = 6

class PullStatus(IntEnum):
    """What is due: nothing (silence), a frame, its recovery from the next packet, or its concealment."""

    WAIT = 0
    FRAME = 1
    FEC = 2
    LOST = 3

class Scale(IntEnum):
    """What the delay still wants of the consumer, where the sound allows it; the fast ones are bolder."""

    NONE = 0
    ACCELERATE = 1
    FAST_ACCELERATE = 2
    STRETCH = 3
    FAST_STRETCH = 4

class JitterStats(NamedTuple):
    """Counters since the start, in frames unless named otherwise.

    put = duplicate + late + too_large + redundant_ignored + frames + accelerated + overflow_dropped
    + stale_dropped + restart_dropped + len(buffer); the number of pulls = frames + fec + lost + waits.
    """

    put: int
    reordered: int
    duplicate: int
    late: int
    restarts: int
    too_large: int
    redundant_used: int
    redundant_ignored: int
    overflow_dropped: int
    stale_dropped: int
    restart_dropped: int
    frames: int
    fec: int
    lost: int
    waits: int
    accelerated: int
    stretched: int
    interrupted: int
    accelerated_samples: int
    stretched_samples: int
    target_us: int
    delay_us: int

@final
class Pulled:
    """What one pull yielded.

    `payload` is the frame, with FEC the next packet, else empty. `timestamp` is unwrapped and rises from
    frame to frame within a stream. `prime` frames are decoded and discarded before `payload`. `dtx`: the
    source goes silent with this frame. `after_gap`: the first frame after WAIT or DTX. `room_samples`: so
    much may be removed or added, as `scale` says. `standing`: the frame concealed may still come, due then.
    """

    @property
    def status(self) -> PullStatus: ...
    @property
    def scale(self) -> Scale: ...
    @property
    def room_samples(self) -> int: ...
    @property
    def standing(self) -> bool: ...
    @property
    def level(self) -> int: ...
    @property
    def source_changed(self) -> bool: ...
    @property
    def seq(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def prime(self) -> tuple[bytes, ...]: ...
    @property
    def dtx(self) -> bool: ...
    @property
    def after_gap(self) -> bool: ...

@final
class JitterBuffer:
    """Jitter buffer of one stream of 20 ms Opus frames at 48 kHz.

    `put` every frame as it arrives and `pull` once every 20 ms, with the time of one monotonic clock. It
    holds at most 61 frames that wait and the three pulled last; what does not fit drops the oldest. Nothing
    that a network can send makes it raise. One thread at a time. The delay aimed at is at least
    `least_target_us`.
    """

    def __init__(self, *, least_target_us: int = 5000) -> None: ...
    def __len__(self) -> int: ...
    def put(
        self,
        seq: int,
        timestamp: int,
        payload: Buffer,
        now_us: int,
        *,
        level: int = 0,
        source_changed: bool = False,
        redundant: bool = False,
        has_fec: bool = False,
        n_behind: int = 0,
        prime: Sequence[Buffer] = (),
    ) -> PutResult:
        """Take one frame; the bytes are copied.

        `timestamp` counts samples at 48 kHz; `level` is RFC 6464's byte; `redundant` marks a second copy of a
        frame sent before, `has_fec` in-band FEC of the frame before; `n_behind` frames follow in the same
        datagram, which it waited for; `prime` is at most 2 frames to decode and discard first.
        Raises ValueError for a number that its field cannot hold.
        """

    def pull(self, now_us: int) -> Pulled:
        """What is due now."""

    def history(self, back: int) -> Pulled | None:
        """The frame pulled `back` frames ago (1 to 3), or None: it primes a decoder that joins in."""

    def note_scaled(self, samples: int) -> None:
        """Time scaling removed (−) or added (+) samples of what was pulled."""

    def note_emptied(self) -> None:
        """What was held of what was pulled was played where no frame was due, or thrown away."""

    @property
    def stats(self) -> JitterStats:
        """Counters since the start; reading changes nothing."""

    @property
    def target_ms(self) -> float:
        """The delay aimed at, above the fastest packet of the last 2 s."""

    @property
    def delay_ms(self) -> float:
        """The delay of the frame pulled last, above the fastest packet of the last 2 s."""
