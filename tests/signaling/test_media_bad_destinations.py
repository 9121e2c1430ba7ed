"""A batch of packets of which some cannot be sent: each bad destination costs its own packets only."""

from __future__ import annotations

import random
import time

import pytest

from tests.media_pair import join
from tests.signaling.test_media_thread import Venue, consecutive, take

# What a kernel refuses: no port, broadcast without leave to, a family that the socket does not have.
BAD = [("127.0.0.1", 0), ("255.255.255.255", 4_433), ("::1", 4_433)]
FRAMES = 40


class Crowd(Venue):
    """Passes over what comes from elsewhere: of so many ports one was somebody else's a moment ago."""

    def read(self, of: int) -> list[int]:
        server = self.socket.getsockname()
        while True:
            try:
                packet, address = self.sockets[of].recvfrom(2_048)
            except BlockingIOError:
                return self.listeners[of].seqs
            if address == server:
                take(self.listeners[of], packet, address)


@pytest.mark.parametrize("where", ["first", "among the others", "last"])
def test_a_bad_destination_does_not_silence_the_others(where: str) -> None:
    venue = Crowd(70)  # more than one system call takes
    try:
        bad = [
            join(venue.server, venue.clients, address, venue.socket.getsockname(), random.Random(i))
            for i, address in enumerate(BAD)
        ]
        ends = [each.near for each in venue.listeners]
        at = {"first": 0, "among the others": 33, "last": len(ends)}[where]
        ends[at:at] = [each.near for each in bad]
        for end in ends:
            venue.room.enter(end)
        venue.thread.start()
        began_s = time.monotonic()
        for i in range(len(venue.listeners)):
            assert consecutive(venue.hear(i, FRAMES)), f"listener {i} missed something"
        assert time.monotonic() - began_s < FRAMES * 0.02 + 5
        venue.thread.stop()
        stats = venue.server.stats
        assert stats.send_errors >= len(BAD) * FRAMES
        assert stats.send_errors % len(BAD) == 0
        assert stats.sealed == stats.sent + stats.send_errors + stats.send_blocked
        assert stats.send_blocked == 0
        for each in bad:
            assert each.near.in_flight_packets <= 128
    finally:
        venue.close()
