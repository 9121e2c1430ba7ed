"""Media: when rooms tick, what a room is to the server, and who is sent what it mixes; on either plane."""

from __future__ import annotations

from signaling.media.audience import Audience, AudienceCounts, MixedFrame, Outlet, Sender, Subscriber, Takes
from signaling.media.figures import Figures, no_figures
from signaling.media.room import MediaRoom, PlainRoom
from signaling.media.rooms import PlainRooms, Rooms
from signaling.media.ticker import TICK_US, Ticker, TickerCounts
from signaling.media.volume import gain_db

__all__ = [
    "TICK_US",
    "Audience",
    "AudienceCounts",
    "Figures",
    "MediaRoom",
    "MixedFrame",
    "Outlet",
    "PlainRoom",
    "PlainRooms",
    "Rooms",
    "Sender",
    "Subscriber",
    "Takes",
    "Ticker",
    "TickerCounts",
    "gain_db",
    "no_figures",
]
