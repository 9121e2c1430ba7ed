"""The plain counters of a server; whoever does the thing counts it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Counts"]


@dataclass(slots=True)
class Counts:
    """Counters since the start. They only grow; reading them changes nothing."""

    connections_opened: int = 0
    connections_closed: int = 0
    # By the word of our own close code; else peer (they closed), idle, transport or socket.
    closes: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    requests_aside: int = 0  # ... that kept none after them waiting: they ask the payment provider
    refused: Counter[str] = field(default_factory=Counter)  # errors answered, by the word of their code
    messages_malformed: int = 0  # control messages that could not be decoded
    errors_caught: int = 0  # exceptions that an error boundary of ours caught
    store_failures: int = 0
    media_failures: int = 0  # seats that the engine refused

    frames_in: int = 0  # audio datagrams taken by a room
    engine: Counter[str] = field(default_factory=Counter)  # what the engine said about audio, by its word
    reports: int = 0
    dropped_before_hello: int = 0
    dropped_not_on_stage: int = 0
    dropped_muted: int = 0
    dropped_flood: int = 0
    dropped_malformed: int = 0  # too short, too long, not of this protocol
    dropped_unknown_kind: int = 0

    spaces_opened: int = 0
    spaces_ended: int = 0
    joins: int = 0
    resumed: int = 0  # came back after a lost connection, and were told what they missed
    resumed_afresh: int = 0  # came back, and took a snapshot: what they missed was forgotten
    kicks: int = 0
    people_reported: int = 0
    lists_refused: int = 0  # too many were being read already
    replaced: int = 0
    graph_timeouts: int = 0  # questions about who follows and blocks whom that took too long
    graph_failures: int = 0  # ... and that failed
    locate_failures: int = 0  # times that the application could not say where a Space is
    bubbles_pushed: int = 0  # messages about bubbles, one for each connection it went to
    bubbles_behind: int = 0  # times that a timeline had to wait for the graph
    notices: int = 0  # people who were told of a scheduled Space
    notices_failed: int = 0  # times that who came could not be told what they missed
    events: int = 0  # messages that one event became, one for each person it went to
    happenings: int = 0  # handed to on_event
    happenings_dropped: int = 0
    on_event_failures: int = 0
    webhooks_sent: int = 0  # and acknowledged
    webhooks_failed: int = 0  # attempts that were not
    webhooks_dropped: int = 0  # not kept, for too many waited
    webhooks_expired: int = 0
    provider_events: int = 0  # webhooks of the payment provider that were posted
    provider_events_refused: int = 0  # ... that were not to be believed
    provider_events_failed: int = 0  # ... that could not be posted, and are sent again
    listened_us: int = 0  # time people spent in rooms, added up
    audio_dropped: int = 0  # of connections that are closed: dropped as the oldest of a full queue
    audio_oversized: int = 0
    streams_refused: int = 0
    control_bytes_in: int = 0
    control_bytes_out: int = 0
