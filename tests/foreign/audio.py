"""The two ends of an audio stream: numbering and DTX on the way up, a small jitter buffer on the way down."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from tests.foreign.opus import FRAME_SAMPLES, RATE, Decoder, Encoder, OpusError, Samples, lasts_20_ms
from tests.foreign.wire import Audio, Report

EMPTY_FRAME = b"\x78"
DTX_BYTES = 2
FRAME_MS = 20

_RAMP_SAMPLES = 240
_MAX_CONCEALED = 5
_MAX_WAITING = 50
_START_DELAY_MS, _MIN_DELAY_MS, _MAX_DELAY_MS = 40, 20, 400
_NEW_NUMBERING_SAMPLES = 5 * RATE


def level_of(pcm: Samples) -> int:
    """Loudness in -dBov: 0 is loudest, 127 is digital silence."""
    rms = float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))
    return 127 if rms <= 0 else int(np.clip(round(-20 * np.log10(rms)), 0, 127))


class Uplink:
    """Makes the datagrams of one stream: seq counts what is sent, timestamp follows the capture."""

    def __init__(self, encoder: Encoder, *, seq: int = 65_530, redundancy: int = 0) -> None:
        self._encoder = encoder
        self._seq = seq
        self.redundancy = redundancy
        self._before: tuple[int, bytes] | None = None
        self._silent = False

    def restart(self) -> None:
        """A new stream: another seat."""
        self._encoder.reset()
        self._before, self._silent = None, False

    def capture(self, pcm: Samples, timestamp: int) -> bytes | None:
        """The datagram for 960 samples captured at `timestamp`; None where DTX sends nothing."""
        frame = self._encoder.encode(pcm)
        if len(frame) <= DTX_BYTES and self._silent:
            return None
        return self._datagram(frame, timestamp, level_of(pcm))

    def hush(self, timestamp: int) -> bytes | None:
        """The frame that says "silence from here" when capturing stops; None if that was said already."""
        return None if self._silent else self._datagram(EMPTY_FRAME, timestamp, 127)

    def _datagram(self, frame: bytes, timestamp: int, level: int) -> bytes:
        timestamp %= 1 << 32
        redundant: tuple[bytes, ...] = ()
        if self.redundancy and self._before and self._before[0] == (timestamp - FRAME_SAMPLES) % (1 << 32):
            redundant = (self._before[1],)
        packet = Audio(
            seq=self._seq,
            timestamp=timestamp,
            new=(frame,),
            redundant=redundant,
            voice=level < 50,
            level=level,
        )
        self._silent = len(frame) <= DTX_BYTES
        self._before = None if self._silent else (timestamp, frame)
        self._seq = (self._seq + 1) % (1 << 16)
        return packet.pack()


@dataclass(frozen=True)
class _Frame:
    seq: int
    timestamp: int
    data: bytes
    gain: float = 1.0
    prime: tuple[bytes, ...] = ()
    source_changed: bool = False


def _signed(difference: int, bits: int) -> int:
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half


class Downlink:
    """The jitter buffer and decoder of the one stream that comes down; frames are kept by number."""

    def __init__(self) -> None:
        self.seats: tuple[int, ...] = ()
        self.late = self.dropped = self.concealed = self.repaired = 0
        self.numberings = self.source_changes = 0
        self._decoder = Decoder()
        self._frames: dict[int, _Frame] = {}
        self._newest: tuple[int, int] | None = None
        self._newest_s = 0.0
        self._newest_is_silent = False
        self._played_seq: int | None = None
        self._cursor = 0
        self._silent = True
        self._run = 0
        self._gain = 1.0
        self._delay_ms = _START_DELAY_MS
        self._transit_ms: deque[float] = deque(maxlen=100)
        self._sizes: deque[int] = deque(maxlen=100)
        self._arrived: deque[int] = deque(maxlen=250)
        self._received = self._expected = self._concealed_before = 0

    def put(self, packet: Audio, now_s: float) -> None:
        """Take a datagram that arrived at `now_s`."""
        seq, timestamp = self._unwrapped(packet, now_s)
        self.seats = packet.seats or ()
        self.source_changes += packet.source_changed
        last = timestamp + FRAME_SAMPLES * (len(packet.new) - 1)
        self._transit_ms.append(now_s * 1000 - last * 1000 / RATE)
        self._sizes.append(len(packet.new))
        back = 1 + packet.distance_2
        oldest = back + len(packet.redundant) - 1
        for k, data in enumerate(packet.redundant):
            number = oldest - k
            self._keep(_Frame(seq - number, timestamp - FRAME_SAMPLES * number, data, self._factor(packet)))
        for k, data in enumerate(packet.new):
            first = k == 0
            self._received += seq + k not in self._arrived
            self._arrived.append(seq + k)
            self._keep(
                _Frame(
                    seq + k,
                    timestamp + FRAME_SAMPLES * k,
                    data,
                    self._factor(packet),
                    packet.prime if first else (),
                    packet.source_changed and first,
                )
            )

    @staticmethod
    def _factor(packet: Audio) -> float:
        return float(10 ** (packet.gain_quarter_db / 80))

    def _unwrapped(self, packet: Audio, now_s: float) -> tuple[int, int]:
        """seq and timestamp that count on without wrapping; begins anew at a new numbering."""
        count = len(packet.new)
        if self._newest is None:
            seq, timestamp, ahead = packet.seq, packet.timestamp, count
        else:
            ahead = _signed(packet.seq - self._newest[0], 16)
            later = _signed(packet.timestamp - self._newest[1], 32)
            seq, timestamp = self._newest[0] + ahead, self._newest[1] + later
            astray = abs(later - (now_s - self._newest_s) * RATE)
            if (ahead <= 0 and later > 0) or astray > _NEW_NUMBERING_SAMPLES:
                self._begin_anew()
                ahead = 1
            elif ahead <= 0:
                return seq, timestamp
            no_loss = packet.source_changed or self._newest_is_silent
            ahead = count if no_loss else ahead + count - 1
        self._expected += ahead
        self._newest_s, self._newest_is_silent = now_s, len(packet.new[-1]) <= DTX_BYTES
        self._newest = seq + count - 1, timestamp + FRAME_SAMPLES * (count - 1)
        return seq, timestamp

    def _begin_anew(self) -> None:
        self._frames.clear()
        self._transit_ms.clear()
        self._sizes.clear()
        self._arrived.clear()
        self._played_seq, self._silent, self._run = None, True, 0
        self.numberings += 1

    def _keep(self, frame: _Frame) -> None:
        """Put one frame in its place, unless it is a duplicate, too late, or no frame of 20 ms."""
        if not lasts_20_ms(frame.data):
            self.dropped += 1
            return
        if frame.seq in self._frames:
            return
        played = self._played_seq is not None and frame.seq <= self._played_seq
        if played or (not self._silent and frame.timestamp < self._cursor):
            self.late += not played
            return
        if self._silent and not self._frames:
            self._adapt()
            self._cursor = frame.timestamp - self._delay_ms * RATE // 1000
        self._frames[frame.seq] = frame
        if len(self._frames) > _MAX_WAITING:
            del self._frames[min(self._frames)]
            self.dropped += 1

    def _jitter_ms(self) -> float:
        if not self._transit_ms:
            return 0.0
        return float(np.percentile(self._transit_ms, 95) - min(self._transit_ms))

    def _adapt(self) -> None:
        """Choose the delay of the next talk, in whole frames: what network and bundles need."""
        frames = _START_DELAY_MS / FRAME_MS
        if len(self._transit_ms) > 10:
            frames = -(-self._jitter_ms() // FRAME_MS) + 1
        frames += max(self._sizes, default=1) - 1
        self._delay_ms = int(np.clip(frames * FRAME_MS, _MIN_DELAY_MS, _MAX_DELAY_MS))

    def play(self) -> Samples:
        """The next 20 ms."""
        due, self._cursor = self._cursor, self._cursor + FRAME_SAMPLES
        frame = self._frames[min(self._frames)] if self._frames else None
        if frame is not None and frame.timestamp < self._cursor:
            return self._decoded(frame)
        if self._silent or (frame is not None and frame.source_changed):
            return np.zeros(FRAME_SAMPLES, dtype=np.float32)
        follows = frame is not None and frame.timestamp == due + FRAME_SAMPLES and not frame.prime
        if (
            frame is not None
            and follows
            and self._played_seq is not None
            and frame.seq > self._played_seq + 1
        ):
            self.repaired += 1
            return self._decoder.decode(frame.data, fec=True) * np.float32(self._gain)
        self._run += 1
        if self._run > _MAX_CONCEALED:
            self._silent = True
            return np.zeros(FRAME_SAMPLES, dtype=np.float32)
        self.concealed += 1
        return self._decoder.decode(None) * np.float32(self._gain)

    def _repairs(self, frame: _Frame, due: int) -> bool:
        """Whether the next frame there is may carry FEC for the one that is missing."""
        missed_number = self._played_seq is not None and frame.seq > self._played_seq + 1
        return missed_number and frame.timestamp == due + FRAME_SAMPLES and not frame.prime

    def _decoded(self, frame: _Frame) -> Samples:
        del self._frames[frame.seq]
        self._played_seq, self._run = frame.seq, 0
        self._cursor = frame.timestamp + FRAME_SAMPLES
        self._silent = len(frame.data) <= DTX_BYTES
        try:
            for prime in frame.prime:
                self._decoder.decode(prime)
            pcm = self._decoder.decode(frame.data)
        except OpusError:
            self.dropped += 1
            pcm = self._decoder.decode(None)
        gain = np.full(FRAME_SAMPLES, frame.gain, dtype=np.float32)
        gain[:_RAMP_SAMPLES] = np.linspace(self._gain, frame.gain, _RAMP_SAMPLES)
        self._gain = frame.gain
        return pcm * gain

    def loses(self) -> bool:
        """Whether more than 2 % of the frames since the last report are missing, of a second or more."""
        return self._expected >= 50 and 50 * (self._expected - self._received) > self._expected

    def report(self) -> Report | None:
        """What to tell the sender of the time since the last report; None if nothing came."""
        if self._newest is None or not self._received:
            return None
        report = Report(
            highest_seq=self._newest[0] % (1 << 16),
            received=self._received,
            lost=max(0, self._expected - self._received),
            concealed=self.concealed - self._concealed_before,
            jitter_ms=int(self._jitter_ms()),
            delay_ms=self._delay_ms,
        )
        self._received = self._expected = 0
        self._concealed_before = self.concealed
        return report
