"""The server: sessions, one actor a Space, the front desk, and the clock that drives the rooms."""

from __future__ import annotations

from signaling.server.authority import Authority, signing_key
from signaling.server.happenings import Happening
from signaling.server.people import PeopleGraph
from signaling.server.server import Bind, Server
from signaling.server.statistics import Statistics

__all__ = ["Authority", "Bind", "Happening", "PeopleGraph", "Server", "Statistics", "signing_key"]
