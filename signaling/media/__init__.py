"""Media: when rooms tick, what a room is to the server, and who is sent what it mixes."""

from __future__ import annotations

from signaling.media.audience import Audience, AudienceCounts, MixedFrame, Outlet, Subscriber
from signaling.media.room import MediaRoom
from signaling.media.ticker import TICK_US, Ticker, TickerCounts

__all__ = [
    "TICK_US",
    "Audience",
    "AudienceCounts",
    "MediaRoom",
    "MixedFrame",
    "Outlet",
    "Subscriber",
    "Ticker",
    "TickerCounts",
]
