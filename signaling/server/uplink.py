"""What happens to a datagram that came up: into the room of its sender, or dropped and counted."""

from __future__ import annotations

from typing import Protocol

from signaling.protocol.datagram import DATAGRAM_MAX_BYTES, KIND_AUDIO, KIND_REPORT, MAX_DTX_FRAME_BYTES
from signaling.rules.rates import Bucket, Rate
from signaling.server.counts import Counts
from signaling.server.place import Place
from spacecore._media import Media
from spacecore._plane import Connection

__all__ = ["NativeUplink", "TakesDatagrams", "Uplink"]

_HEAD_BYTES = 2
_AUDIO_HEAD_BYTES = 12
_REPORT_BYTES = 14
# One frame that says "silence from here". Somebody who is muted sends it as the last word: without it the
# jitter buffer would take the silence for loss.
_SILENCE_BYTES = _AUDIO_HEAD_BYTES + MAX_DTX_FRAME_BYTES


class TakesDatagrams(Protocol):
    """What a session does with the datagrams of somebody known."""

    def take(self, place: Place | None, datagram: bytes, now_us: int) -> None:
        """One datagram of somebody who is at `place`. Never raises."""


class NativeUplink:
    """Datagrams of a connection on the native plane that came through aioquic, judged as the others are."""

    __slots__ = ("_connection", "_media")

    def __init__(self, media: Media, connection: Connection) -> None:
        self._media = media
        self._connection = connection

    def take(self, place: Place | None, datagram: bytes, now_us: int) -> None:
        """One datagram; the connection itself says where it belongs."""
        if self._connection.is_open:
            self._media.deliver(self._connection, datagram, now_us)


class Uplink:
    """The data path of one connection. Never raises, never answers: what is wrong is a counter."""

    __slots__ = ("_bucket", "_counts")

    def __init__(self, counts: Counts, per_s: int) -> None:
        self._counts = counts
        self._bucket = Bucket(Rate.per_second(per_s, per_s))

    def take(self, place: Place | None, datagram: bytes, now_us: int) -> None:
        """One datagram of somebody known, who is at `place`."""
        counts = self._counts
        size_bytes = len(datagram)
        if not _HEAD_BYTES <= size_bytes <= DATAGRAM_MAX_BYTES or datagram[0]:
            counts.dropped_malformed += 1
        elif not self._bucket.take(now_us):
            counts.dropped_flood += 1
        elif datagram[1] == KIND_AUDIO:
            self._audio(place, datagram, now_us)
        elif datagram[1] != KIND_REPORT:
            counts.dropped_unknown_kind += 1
        elif size_bytes < _REPORT_BYTES:
            counts.dropped_malformed += 1
        else:
            counts.reports += 1
            if place is not None and place.user:
                place.room.report(place.user, datagram, now_us)

    def _audio(self, place: Place | None, datagram: bytes, now_us: int) -> None:
        counts = self._counts
        if place is None or place.seat is None:
            counts.dropped_not_on_stage += 1
        elif place.muted and len(datagram) > _SILENCE_BYTES:
            counts.dropped_muted += 1
        else:
            counts.frames_in += 1
            counts.engine[place.room.put(place.seat, datagram, now_us)] += 1
