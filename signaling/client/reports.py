"""What a receiver report says of the frames that arrived (docs/protocol.md, "Receiver report")."""

from __future__ import annotations

from collections import deque

from signaling.protocol.datagram import (
    FRAME_SAMPLES,
    MAX_DTX_FRAME_BYTES,
    Report,
    pack_report,
    parse_audio,
)
from spacecore import PacketError

__all__ = ["Arrivals"]

_SAMPLES_PER_MS = 48
_LOSSY_PCT = 2  # from here on a server would rather know at once
_LEAST_FRAMES = 50  # 1 s: of fewer frames a percentage says little
# What put says of a datagram whose new frames are no fresh arrivals.
_REFUSED = frozenset({"duplicate", "too_large", "bad_duration"})


class Arrivals:
    """Counts frames between two reports: received, lost by the gaps in seq, and the spread of arrivals.

    Redundant copies do not count. A late frame makes good a loss, but never below zero for an interval. Of an
    interval the last 512 arrivals are kept: 10 s. A datagram arrives with its last new frame: those before it
    in a bundle have waited for it at the sender, which is not the network's doing.
    """

    def __init__(self) -> None:
        self._highest: int | None = None  # seq, unwrapped
        self._reported: int | None = None  # the highest seq of the last report
        self._received = 0
        self._bursts = 0  # runs of missing numbers
        self._silent = False  # the newest frame said so
        self._told_lossy = False  # by the last report
        self._base: int | None = None  # arrival − timestamp of the first datagram, in samples
        self._delays: deque[int] = deque(maxlen=512)  # arrival − timestamp, relative to that of the first

    def note(self, datagram: bytes, status: str, now_us: int) -> None:
        """One audio datagram, and what the jitter buffer said of it. What cannot be parsed is passed over."""
        if status in _REFUSED:
            return
        try:
            packet = parse_audio(datagram, down=True)
        except PacketError:
            return
        if status == "restart" or self._highest is None:
            self._begin(packet.seq)
        self._received += len(packet.frames)
        self._advance(packet.seq, packet.frames, packet.source_changed)
        self._measure(packet.timestamp + (len(packet.frames) - 1) * FRAME_SAMPLES, now_us)

    @property
    def is_news(self) -> bool:
        """More than 2 % of at least a second were lost since the last report, which told of no such loss."""
        expected = self._expected
        return (
            not self._told_lossy
            and expected >= _LEAST_FRAMES
            and 100 * (expected - self._received) > _LOSSY_PCT * expected
        )

    def take_report(self, concealed: int, delay_ms: int) -> bytes | None:
        """The report datagram on what came since the last, or None if nothing came."""
        if self._highest is None or self._reported is None or not self._received:
            return None
        expected = self._expected
        lost = max(0, expected - self._received)
        self._told_lossy = 100 * lost > _LOSSY_PCT * expected
        report = Report(
            highest_seq=self._highest & 0xFFFF,
            received=self._received,
            lost=lost,
            concealed=concealed,
            jitter_ms=self._spread_ms(),
            delay_ms=delay_ms,
            bursts=min(self._bursts, lost),
        )
        self._reported = self._highest
        self._received = self._bursts = 0
        self._delays.clear()
        return pack_report(report)

    @property
    def _expected(self) -> int:
        if self._highest is None or self._reported is None:
            return 0
        return self._highest - self._reported

    def _begin(self, seq: int) -> None:
        self._highest = self._reported = seq - 1
        self._received = self._bursts = 0
        self._silent = False
        self._base = None
        self._delays.clear()

    def _advance(self, seq: int, frames: tuple[bytes, ...], source_changed: bool) -> None:
        """Move the highest seq. A jump after silence or to another source is no loss: numbers go on there."""
        if self._highest is None or self._reported is None:
            return
        ahead = ((seq - self._highest + 0x8000) & 0xFFFF) - 0x8000
        newest = ahead + len(frames) - 1
        if newest <= 0:
            return
        if ahead > 0 and (source_changed or self._silent):
            self._reported += ahead - 1
        elif ahead > 1:
            self._bursts += 1
        self._highest += newest
        self._silent = len(frames[-1]) <= MAX_DTX_FRAME_BYTES

    def _measure(self, timestamp: int, now_us: int) -> None:
        transit = now_us * _SAMPLES_PER_MS // 1000 - timestamp
        if self._base is None:
            self._base = transit
        self._delays.append(((transit - self._base + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000)

    def _spread_ms(self) -> int:
        """The 95th percentile of the arrivals above the fastest."""
        delays = sorted(self._delays)
        return (delays[(len(delays) * 95 - 1) // 100] - delays[0]) // _SAMPLES_PER_MS
