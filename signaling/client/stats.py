"""Counters of the client; reading them changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from signaling.client.playout import PlayoutStats
from signaling.client.talker import TalkerStats

__all__ = ["ClientStats", "SpaceStats"]


@dataclass(slots=True)
class SpaceStats:
    """Of one Space, since it was joined."""

    events_dropped: int = 0  # obsolete ones, because nobody read `events()`
    stale_events: int = 0  # older than a snapshot
    gaps: int = 0  # in the serials of events
    resyncs: int = 0  # fresh snapshots asked for because of a gap
    frames_dropped: int = 0  # because a `listen()` was not read
    callback_errors: int = 0  # exceptions out of `on_pcm`
    datagrams_refused: int = 0  # too large for the path, or the connection was over
    talker: TalkerStats = field(default_factory=TalkerStats)
    playout: PlayoutStats | None = None


@dataclass(slots=True)
class ClientStats:
    """Of one client, since it connected."""

    renewals: int = 0
    renewal_failures: int = 0
    hops: int = 0  # times that a join was sent to another server
    losses: int = 0  # connections that were lost
    attempts: int = 0  # to make one anew
    returns: int = 0  # attempts that succeeded
    notices_dropped: int = 0  # because nobody read `notices()`
    stray_audio: int = 0  # datagrams while in no Space
