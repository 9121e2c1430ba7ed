"""Under which names, units and labels a server's statistics are exported to Prometheus, and which are not.

A statistic that stands in none of these tables is exported as a counter under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["LEFT_OUT", "Named", "has_help", "named"]


@dataclass(frozen=True, slots=True)
class Named:
    """Where a statistic goes: the metric (without `spaces_` and `_total`), perhaps one label's value."""

    name: str
    help: str
    is_gauge: bool = False
    label: str = ""
    value: str = ""
    factor: float = 1


_US: Final = 1e-6
_MS: Final = 1e-3

LEFT_OUT: Final[Mapping[str, str]] = {
    "closes": "the sum of spaces_connections_ended_total",
    "refused": "the sum of spaces_requests_refused_total",
    "engine": "the sum of spaces_audio_judged_total",
    "frames_out": "the sum of spaces_audio_frames_sent_total",
    "media_ticks_skipped": "spaces_ticks_skipped_total says the same",
    "media_late_us_p50": "a percentile since the start; spaces_tick_late_seconds has all, over any time",
    "media_late_us_p99": "as media_late_us_p50",
    "media_late_us_max": "spaces_tick_late_max_seconds says the same",
    "cpu_s": "process_cpu_seconds_total says the same",
}
"""Statistics that are not exported → why."""

FAMILIES: Final[Mapping[str, tuple[str, str, str]]] = {
    "closes_": (
        "connections_ended",
        "cause",
        "Connections that ended, by the word of our close code or who closed.",
    ),
    "refused_": ("requests_refused", "code", "Requests answered with an error, by its code."),
    "dropped_": (
        "audio_received_dropped",
        "cause",
        "Datagrams of audio from people that were dropped, by cause.",
    ),
    "engine_": ("audio_judged", "outcome", "Frames that came in, by what the mixer did with them."),
}
"""Beginnings of statistics that there is one of for each word → metric, label, help."""

LABELLED: Final[Mapping[str, tuple[str, str, str]]] = {
    "frames_out_full": ("audio_frames_sent", "audience", "listeners"),
    "frames_out_seat": ("audio_frames_sent", "audience", "speakers"),
    "control_bytes_in": ("control_bytes", "direction", "in"),
    "control_bytes_out": ("control_bytes", "direction", "out"),
    "udp_datagrams_in": ("udp_datagrams", "direction", "in"),
    "udp_datagrams_out": ("udp_datagrams", "direction", "out"),
    "reports_received": ("heard_frames", "outcome", "received"),
    "reports_lost": ("heard_frames", "outcome", "lost"),
    "reports_concealed": ("heard_frames", "outcome", "concealed"),
}
"""Statistics that are one metric together → metric, label, its value."""

_LABELLED_HELP: Final[Mapping[str, str]] = {
    "audio_frames_sent": "Frames of audio sent, one for each person it went to.",
    "control_bytes": "Bytes of messages.",
    "udp_datagrams": "UDP datagrams.",
    "heard_frames": "Frames as listeners report them; concealed ones were lost or late.",
}

GAUGES: Final[Mapping[str, Named]] = {
    name: Named(metric, text, is_gauge=True, factor=factor)
    for name, metric, text, factor in (
        ("now_connections", "connections", "Connections that are open, handshakes included.", 1),
        ("now_half_open", "connections_half_open", "Handshakes under way.", 1),
        ("now_spaces", "live", "Spaces that are live.", 1),
        ("now_people", "people", "People inside Spaces.", 1),
        ("now_known_people", "known_people", "People who are connected and known by a token.", 1),
        ("now_timelines", "timelines", "People whose timeline is pushed.", 1),
        ("now_planned", "planned", "Scheduled Spaces.", 1),
        ("now_delivering", "delivering", "Ticketed Spaces whose delivery is written down.", 1),
        ("now_store_operations", "store_operations", "Transactions under way or waiting.", 1),
        ("ticker_worst_late_us", "tick_late_max_seconds", "The latest tick since the start.", _US),
        (
            "reports_jitter_ms_mean",
            "heard_jitter_mean_seconds",
            "Jitter, mean of all reports since the start.",
            _MS,
        ),
        (
            "reports_jitter_ms_max",
            "heard_jitter_max_seconds",
            "Jitter, the largest reported since the start.",
            _MS,
        ),
        (
            "reports_delay_ms_mean",
            "heard_delay_mean_seconds",
            "Delay of listeners' buffers, mean since the start.",
            _MS,
        ),
    )
}
"""What is no counter."""

SINGLE: Final[Mapping[str, Named]] = {
    name: Named(metric, text, factor=factor)
    for name, metric, text, factor in (
        (
            "buffer_delay_us",
            "buffer_delay_seconds",
            "Delays in seats' jitter buffers, added up; by spaces_buffered.",
            _US,
        ),
        (
            "buffer_target_us",
            "buffer_target_seconds",
            "Delays aimed at there, added up; by spaces_buffered.",
            _US,
        ),
        ("frames_in", "audio_frames_received", "Datagrams of audio taken by a room.", 1),
        (
            "frames_out_bundled",
            "audio_frames_bundled",
            "Frames sent together with another in one datagram.",
            1,
        ),
        ("frames_out_refused", "audio_frames_refused", "Frames that a connection could not take.", 1),
        ("frames_out_nobody", "audio_frames_unheard", "Frames mixed for nobody.", 1),
        ("datagrams_out_full", "audio_datagrams_sent", "Datagrams of audio sent to listeners.", 1),
        ("listened_s", "listened_seconds", "Time people spent in rooms, added up.", 1),
        (
            "media_thread_cpu_s",
            "media_thread_cpu_seconds",
            "CPU of the thread that mixes, seals and sends.",
            1,
        ),
        ("tick_s", "tick_seconds", "Time spent in ticks.", 1),
        ("ticker_ticks", "ticks", "Ticks of 20 ms that were run.", 1),
        ("ticker_late", "ticks_late", "Ticks run 20 ms or more after their time.", 1),
        ("ticker_skipped", "ticks_skipped", "Ticks that were not run: too late.", 1),
        ("ticker_resyncs", "ticks_resyncs", "Times that ticks were skipped.", 1),
        ("reports", "reports_taken", "Receiver reports taken from people.", 1),
    )
}
"""Counters under another name, or in another unit."""

_HELP: Final[Mapping[str, str]] = {
    "connections_opened": "Handshakes completed.",
    "connections_closed": "Connections that are over.",
    "requests": "Requests of people.",
    "requests_aside": "Requests that wait for the payment provider beside others.",
    "messages_malformed": "Control messages that could not be decoded.",
    "errors_caught": "Exceptions that an error boundary of ours caught: each is a fault of the server.",
    "store_failures": "Times that the store failed.",
    "store_refused": "Transactions refused because too many were waiting.",
    "media_failures": "Seats that the engine refused.",
    "spaces_opened": "Spaces that were opened.",
    "spaces_ended": "Spaces that have ended.",
    "joins": "People who came into a Space.",
    "resumed": "People who came back and were told what they missed.",
    "resumed_afresh": "People who came back and took a snapshot.",
    "kicks": "People removed from a Space.",
    "people_reported": "Reports of people about people.",
    "lists_refused": "Lists that were not read: too many were being read.",
    "replaced": "Connections replaced by a newer one of the same person.",
    "graph_timeouts": "Questions about the graph of people that took too long.",
    "graph_failures": "Questions about the graph of people that failed.",
    "locate_failures": "Times that the application could not say where a Space is.",
    "bubbles_pushed": "Messages about bubbles.",
    "bubbles_behind": "Times that a timeline waited for the graph.",
    "notices": "People told of a scheduled Space.",
    "notices_failed": "Times that who came could not be told what they missed.",
    "events": "Messages that events became, one for each person.",
    "happenings": "Happenings handed to on_event.",
    "happenings_dropped": "Happenings dropped: on_event is too slow.",
    "on_event_failures": "Times that on_event raised.",
    "webhooks_sent": "Webhooks sent and acknowledged.",
    "webhooks_failed": "Attempts to send a webhook that failed.",
    "webhooks_dropped": "Webhooks not kept: too many waited.",
    "webhooks_expired": "Webhooks given up.",
    "provider_events": "Webhooks of the payment provider that were posted.",
    "provider_events_refused": "Webhooks of the payment provider that were not to be believed.",
    "provider_events_failed": "Webhooks of the payment provider that could not be posted.",
    "audio_dropped": "Datagrams of audio to people dropped as the oldest of a full queue.",
    "audio_oversized": "Datagrams of audio to people that were too long to send.",
    "streams_refused": "Streams refused that a client may not open.",
    "decodes": "Opus frames decoded.",
    "encodes": "Opus frames encoded.",
    "passed": "Frames passed on as they came.",
    "passed_measured": "Frames passed on that were also decoded, to measure them.",
    "source_switches": "Changes between mixing and passing on.",
    "primed": "Frames sent to prime decoders at such a change.",
    "buffered": "Frames taken out of seats' jitter buffers.",
    "reports_told": "Reports sent to speakers about how their voice arrives.",
    "media_held": "Frames that waited for a connection which the loop held.",
    "media_held_dropped": "Frames dropped there: too many connections were held.",
    "media_packets_dropped": "Packets for the loop dropped by the media thread: the loop is behind.",
    "media_notices_dropped": "Notices for the loop that had to wait: the loop is behind.",
    "media_puts_dropped": "Datagrams for the media thread dropped: it is behind.",
    "media_commands_full": "Times that the media thread's command ring was full.",
    "media_closed_room": "Datagrams for a room that had ended.",
    "media_acks_alone": "Packets sent to acknowledge only.",
    "media_acks_full": "Times that the table of acknowledgements due was full.",
    "media_copied": "Copies of frames sent to who loses many.",
    "media_wakes": "Times that the media thread woke.",
    "media_reads": "Times that the media thread read the socket.",
    "media_socket_errors": "Errors of the socket that the media thread met.",
    "media_missed": "Frames not sent to people whose connection was held or full.",
    "media_frames_dropped": "Frames dropped for outlets of the loop, such as recordings.",
    "plane_sealed": "Packets sealed natively.",
    "plane_sent": "Packets sent natively.",
    "plane_send_calls": "Calls of the kernel to send.",
    "plane_send_blocked": "Times that the socket's send buffer was full.",
    "plane_send_errors": "Packets that the kernel refused to send.",
    "plane_received": "Packets read natively.",
    "plane_receive_calls": "Calls of the kernel to receive.",
    "plane_done": "Packets that were wholly taken natively.",
    "plane_slow": "Packets left to aioquic.",
    "plane_dropped": "Packets dropped: forged, duplicate or too late.",
    "plane_violations": "Packets that broke the protocol.",
    "plane_busy": "Packets left to the loop because it held the connection.",
    "plane_unknown_cid": "Packets of no connection of ours.",
    "plane_acks_sent": "Acknowledgements sent natively.",
    "plane_truncated": "Packets that were too long to be read.",
    "plane_held": "Frames held for a connection that was held.",
    "plane_held_dropped": "Frames dropped there as the oldest.",
    "udp_send_dropped": "Datagrams dropped because the socket's buffer was full.",
    "udp_socket_errors": "Errors that the socket told.",
    "udp_garbage": "Datagrams that are no packet of QUIC, or Initials that could not be decrypted.",
    "udp_unknown_cid": "Packets of connections that are forgotten or never were.",
    "udp_version_negotiations": "Clients told which versions there are.",
    "udp_handler_errors": "Exceptions in handlers of connections: each is a fault of the server.",
    "udp_flood_dropped": "Packets dropped unread: one connection sent too many a second.",
    "udp_too_slow": "Connections closed for taking control data too slowly.",
    "inbox_control": "Packets of control handed to the loop.",
    "inbox_handshakes": "Packets of handshakes handed to the loop.",
    "inbox_handshakes_dropped": "Packets of handshakes dropped: too many waited.",
    "gate_admitted": "First packets that began a handshake.",
    "gate_retries": "First packets answered with Retry.",
    "gate_bad_tokens": "Retry tokens that were not ours or too old.",
    "gate_refused_full": "Connections refused: the server is full.",
    "gate_returned": "Handshakes that began in the lane of people who return.",
    "gate_refused_prefix": "Connections refused: their address prefix has its share.",
    "gate_ignored_prefix": "First packets ignored: too many handshakes of their prefix were under way.",
    "gate_ignored_returning": "First packets of people who return ignored: too many, or the token is in use.",
    "gate_ignored_half_open": "First packets ignored: too many handshakes were under way.",
    "gate_ignored_flood": "Refusals that were not sent: too many a second.",
    "gate_handshakes_expired": "Handshakes that took too long.",
}


def has_help(statistic: str) -> bool:
    """Whether it is left out, or has words of its own: every statistic that is always there should."""
    found = named(statistic)
    return found is None or found.help != _unexplained(statistic)


def named(statistic: str) -> Named | None:
    """Where a statistic goes; None for one that is left out."""
    if statistic in LEFT_OUT:
        return None
    known = GAUGES.get(statistic) or SINGLE.get(statistic)
    if known is not None:
        return known
    if statistic in LABELLED:
        metric, label, value = LABELLED[statistic]
        return Named(metric, _LABELLED_HELP[metric], label=label, value=value)
    for beginning, (metric, label, text) in FAMILIES.items():
        if statistic.startswith(beginning):
            return Named(metric, text, label=label, value=statistic.removeprefix(beginning))
    text = _HELP.get(statistic, _unexplained(statistic))
    if statistic.startswith("now_"):
        return Named(statistic.removeprefix("now_"), text, is_gauge=True)
    return Named(statistic, text)


def _unexplained(statistic: str) -> str:
    return f"{statistic} of Server.statistics()."
