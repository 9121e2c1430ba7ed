"""EventLog: the last events of one Space as they were sent, for those who missed some."""

from __future__ import annotations

from collections import deque

__all__ = ["BYTES_KEPT", "EVENTS_KEPT", "EventLog"]

EVENTS_KEPT = 256
"""Events of a Space that can be told again; the oldest is forgotten."""
BYTES_KEPT = 65_536
"""Bytes of them."""


class EventLog:
    """A ring of (serial, bytes). **What it gives out has no gap: all events since a serial, or nothing.**

    Where events were forgotten, whoever missed them takes a fresh snapshot. `forgotten` counts them.
    """

    __slots__ = ("_bytes", "_entries", "_last", "_most_bytes", "_most_events", "forgotten")

    def __init__(self, most_events: int = EVENTS_KEPT, most_bytes: int = BYTES_KEPT) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._entries: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._last = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return self._bytes

    def put(self, serial: int, data: bytes) -> None:
        """Keep an event that is being sent. ValueError for a serial that does not follow on the last one."""
        if serial != self._last + 1:
            raise ValueError(f"event {serial} does not follow on {self._last}; put every event, in order")
        self._last = serial
        self._entries.append((serial, data))
        self._bytes += len(data)
        while len(self._entries) > self._most_events or self._bytes > self._most_bytes:
            _, oldest = self._entries.popleft()
            self._bytes -= len(oldest)
            self.forgotten += 1

    def since(self, serial: int) -> list[bytes] | None:
        """The events after `serial`, in order. None where some are forgotten, or `serial` never was."""
        if not self._last - len(self._entries) <= serial <= self._last:
            return None
        return [data for number, data in self._entries if number > serial]
