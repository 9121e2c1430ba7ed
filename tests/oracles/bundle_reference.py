"""Bundling in plain Python, to compare the native code with: what joins frames, and several in one."""

from __future__ import annotations

from spacecore import AudioPacket, pack_audio, parse_audio

FRAME_TICKS = 960


class BundleReference:
    """The newest contiguous frames, at most three."""

    def __init__(self) -> None:
        self.run: list[AudioPacket] = []

    def put(self, datagram: bytes) -> bool:
        packet = parse_audio(datagram, True)
        joined = bool(self.run) and self._continues(self.run[-1], packet)
        self.run = [*self.run, packet][-3:] if joined else [packet]
        return joined

    @staticmethod
    def _continues(before: AudioPacket, packet: AudioPacket) -> bool:
        return (
            not packet.source_changed
            and packet.seq == (before.seq + 1) % 65_536
            and packet.timestamp == (before.timestamp + FRAME_TICKS) % 2**32
            and packet.gain == before.gain
            and packet.stereo == before.stereo
        )

    @property
    def is_pause(self) -> bool:
        return bool(self.run) and len(self.run[-1].frames[0]) <= 2

    def take(self, frames: int) -> bytes | None:
        chosen = self.run[-frames:]
        first, newest = chosen[0], chosen[-1]
        carried = [*first.prime, *(each.frames[0] for each in chosen)]
        size = 13 + len(newest.seats or ()) + sum(map(len, carried)) + 2 * (len(carried) - 1)
        if size > 1_200:
            return None
        return pack_audio(
            [each.frames[0] for each in chosen],
            seq=first.seq,
            timestamp=first.timestamp,
            level=first.level,
            gain=first.gain,
            prime=first.prime,
            source_changed=first.source_changed,
            stereo=first.stereo,
            seats=newest.seats,
        )
