"""Many sockets served natively: over real loopback sockets, turn by turn, in times that the test says."""

from __future__ import annotations

import os
import socket
from contextlib import closing, contextmanager

import pytest

from signaling.load._swarm import Swarm
from signaling.load._tally import Board
from spacecore import pack_audio, parse_report
from spacecore._plane import Plane
from tests.oracles import plane_reference as reference
from tests.spacecore.plane_peers import Peer

T0_US = 1_000_000
NO_STAMPS = 0  # real time on our clock is far away then, and the time of reading stands in


@contextmanager
def wires(n):
    """A server's socket and n clients' sockets connected to it."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        clients = []
        try:
            for _ in range(n):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                clients.append(client)
                client.setblocking(False)
                client.connect(server.getsockname())
            yield server, clients
        finally:
            for client in clients:
                client.close()


def audio(seq, n=1):
    frames = [b"\x78frame" + (seq + k).to_bytes(4) for k in range(n)]
    return pack_audio(frames, seq=seq, timestamp=seq * 960, level=20, seats=[0])


class Listeners:
    """A swarm whose members are native connections, each with its peer at the server's socket."""

    def __init__(self, n, server, clients, **impairment):
        self.server = server
        self.clients = clients
        self.board = Board(n)
        self.swarm = Swarm(n, self.board, **impairment)
        plane = Plane(connections=n)
        self.peers = [Peer(plane, seed=seed, address=server.getsockname()) for seed in range(n)]
        for index, (client, peer) in enumerate(zip(clients, self.peers, strict=True)):
            assert self.swarm.add(client.fileno()) == index
            peer.connection.set_ack_policy(3, 600)
            self.swarm.attach(index, peer.connection)
            self.board.listen(index, T0_US)
            self.swarm.hear(index, index, T0_US)

    def send(self, index, *frames):
        packet = self.peers[index].packet(*frames)
        self.server.sendto(packet, self.clients[index].getsockname())
        return packet

    def answer(self, index):
        """What the peer reads next from anybody, opened with this one's keys."""
        return self.peers[index].read(self.server.recv(2000))


@contextmanager
def listeners(n, **impairment):
    with wires(n) as (server, clients):
        yield Listeners(n, server, clients, **impairment)


def test_without_a_connection_all_packets_come_back():
    with wires(2) as (server, clients):
        swarm = Swarm(2, Board(1))
        assert [swarm.add(client.fileno()) for client in clients] == [0, 1]
        assert swarm.pump(T0_US, NO_STAMPS) == []
        for number, client in enumerate(clients):
            server.sendto(b"to %d" % number, client.getsockname())
        assert sorted(swarm.pump(T0_US, NO_STAMPS)) == [(0, b"to 0", T0_US), (1, b"to 1", T0_US)]
        swarm.send(1, b"up", T0_US)
        assert server.recvfrom(100) == (b"up", clients[1].getsockname())
        stats = swarm.stats
        assert (stats.packets_in, stats.slow, stats.native, stats.packets_out) == (2, 2, 0, 1)


def test_audio_is_opened_counted_and_acknowledged():
    with listeners(2) as all_of:
        for seq in range(3):
            for index in range(2):
                all_of.send(index, reference.datagram(audio(seq)))
            assert all_of.swarm.pump(T0_US + seq * 20_000, NO_STAMPS) == []
        delivery = all_of.board.stats(T0_US + 1_000_000)
        assert (delivery.expected, delivery.received, delivery.mismatched) == (6, 6, 0)
        stats = all_of.swarm.stats
        assert (stats.native, stats.slow, stats.acks_out) == (6, 0, 2)
        opened = all_of.answer(0)  # at the third, as the policy says
        assert opened.plain[0] in (2, 3)
        assert opened.plain[1] == 2  # the largest number


def test_an_acknowledgement_leaves_after_its_delay():
    with listeners(1) as all_of:
        all_of.send(0, reference.datagram(audio(0)))
        all_of.swarm.pump(T0_US, NO_STAMPS)
        all_of.swarm.pump(T0_US + 599_000, NO_STAMPS)
        assert all_of.swarm.stats.acks_out == 0
        all_of.swarm.pump(T0_US + 600_000, NO_STAMPS)
        all_of.swarm.pump(T0_US + 1_300_000, NO_STAMPS)
        assert all_of.swarm.stats.acks_out == 1
        assert all_of.answer(0).plain[1] == 0


def test_what_is_not_audio_goes_to_the_link_byte_for_byte():
    with listeners(1) as all_of:
        stream = bytes([0x08, 0x00]) + b"control"
        packet = all_of.send(0, stream)
        assert all_of.swarm.pump(T0_US, NO_STAMPS) == [(0, packet, T0_US)]
        long_header = b"\xc0" + bytes(30)
        all_of.server.sendto(long_header, all_of.clients[0].getsockname())
        assert all_of.swarm.pump(T0_US, NO_STAMPS) == [(0, long_header, T0_US)]


def test_forged_and_repeated_packets_mean_nothing():
    with listeners(1) as all_of:
        packet = all_of.send(0, reference.datagram(audio(0)))
        all_of.server.sendto(packet, all_of.clients[0].getsockname())
        all_of.server.sendto(packet[:-1] + b"x", all_of.clients[0].getsockname())
        assert all_of.swarm.pump(T0_US, NO_STAMPS) == []
        stats = all_of.swarm.stats
        assert (stats.native, stats.dropped) == (1, 2)
        assert all_of.board.stats(T0_US).frames == 1


def test_an_acknowledgement_of_what_was_never_sent_goes_to_the_link():
    with listeners(1) as all_of:
        all_of.send(0, reference.ack([(99, 99)]))
        assert len(all_of.swarm.pump(T0_US, NO_STAMPS)) == 1
        assert all_of.swarm.stats.violations == 1


def test_reports_are_sent_every_five_seconds():
    with listeners(1) as all_of:
        all_of.swarm.hear(0, 0, T0_US, reports=True)
        for seq in range(500):
            all_of.send(0, reference.datagram(audio(seq)))
            all_of.swarm.pump(T0_US + seq * 20_000, NO_STAMPS)
        assert all_of.swarm.stats.reports_out == 2
        reports = []
        while len(reports) < 2:
            reports += [parse_report(body) for body in all_of.answer(0).datagrams]
        assert reports[1].highest_seq - reports[0].highest_seq == reports[1].received == 250
        assert reports[1].lost == 0


def test_the_kernels_stamp_says_when_a_packet_came():
    import time

    with wires(1) as (server, clients):
        swarm = Swarm(1, Board(1))
        swarm.add(clients[0].fileno())
        before_us = time.time_ns() // 1000
        server.sendto(b"x", clients[0].getsockname())
        after_us = time.time_ns() // 1000
        # On a clock that is 5 s ahead of real time, read 3 s later.
        [(_, _, arrived_us)] = swarm.pump(after_us + 8_000_000, 5_000_000)
        assert before_us <= arrived_us - 5_000_000 <= after_us


def test_loss_is_what_was_asked_for_and_the_same_again():
    def lost(seed):
        with wires(1) as (server, clients):
            swarm = Swarm(1, Board(1), loss_pct=20, seed=seed)
            swarm.add(clients[0].fileno())
            got = []
            for number in range(400):
                server.sendto(b"\x80" + number.to_bytes(2), clients[0].getsockname())
                swarm.send(0, b"up", T0_US)
                got += [int.from_bytes(data[1:]) for _, data, _ in swarm.pump(T0_US, NO_STAMPS)]
            stats = swarm.stats
            assert stats.lost_in == 400 - len(got)
            assert stats.lost_out == 400 - stats.packets_out
            return got, stats.lost_in, stats.lost_out

    found = lost(7)
    assert 50 <= found[1] <= 110
    assert 50 <= found[2] <= 110
    assert lost(7) == found
    assert lost(8) != found


def test_a_delay_holds_packets_back_in_both_directions():
    with wires(1) as (server, clients):
        swarm = Swarm(1, Board(1), delay_us=50_000, jitter_us=10_000)
        swarm.add(clients[0].fileno())
        assert swarm.due_us is None
        for number in range(50):
            server.sendto(bytes([0x80, number]), clients[0].getsockname())
        swarm.send(0, b"up", T0_US)
        assert swarm.pump(T0_US, NO_STAMPS) == []
        assert swarm.stats.packets_out == 0
        assert T0_US + 40_000 <= swarm.due_us <= T0_US + 60_000
        came = swarm.pump(T0_US + 39_999, NO_STAMPS) + swarm.pump(T0_US + 60_000, NO_STAMPS)
        assert sorted(data[1] for _, data, _ in came) == list(range(50))
        times = [arrived_us for _, _, arrived_us in came]
        assert times == sorted(times)
        assert T0_US + 40_000 <= times[0] < times[-1] <= T0_US + 60_000
        assert [data[0] for _, data, _ in came] != list(range(50))  # jitter reorders
        assert server.recv(10) == b"up"


def test_delayed_audio_arrives_when_it_was_due():
    with listeners(1, delay_us=30_000) as all_of:
        for seq in range(5):
            all_of.send(0, reference.datagram(audio(seq)))
            all_of.swarm.pump(T0_US + seq * 20_000, NO_STAMPS)
        all_of.swarm.pump(T0_US + 1_000_000, NO_STAMPS)  # nobody looked for a while
        assert all_of.board.gaps() == {20_000: 4}


def test_more_slow_packets_than_there_is_room_for_wait_in_the_sockets():
    with wires(16) as (server, clients):
        swarm = Swarm(16, Board(1))
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 400_000)
            swarm.add(client.fileno())
        for _ in range(100):
            for client in clients:
                server.sendto(b"x" * 20, client.getsockname())
        found = []
        for _ in range(20):
            found += swarm.pump(T0_US, NO_STAMPS)
        assert len(found) == 1600
        assert swarm.stats.overflowed == 0


def test_too_long_a_packet_is_counted():
    with wires(1) as (server, clients):
        swarm = Swarm(1, Board(1))
        swarm.add(clients[0].fileno())
        server.sendto(b"x" * 1501, clients[0].getsockname())
        server.sendto(b"", clients[0].getsockname())
        server.sendto(b"y" * 1500, clients[0].getsockname())
        assert [data for _, data, _ in swarm.pump(T0_US, NO_STAMPS)] == [b"y" * 1500]
        assert swarm.stats.too_long == 1


def test_nobody_at_the_other_end_is_noticed():
    with wires(1) as (server, clients):
        swarm = Swarm(1, Board(1))
        swarm.add(clients[0].fileno())
        server.close()
        assert not swarm.was_refused(0)
        swarm.send(0, b"x", T0_US)
        swarm.send(0, b"x", T0_US)  # the answer to the first is known by now
        assert swarm.was_refused(0)


def test_a_dropped_member_is_served_no_more():
    with listeners(2, delay_us=1_000) as all_of:
        for index in range(2):
            all_of.send(index, reference.datagram(audio(0)))
        all_of.swarm.pump(T0_US, NO_STAMPS)
        all_of.swarm.drop(0)
        all_of.swarm.send(0, b"x", T0_US)
        all_of.swarm.pump(T0_US + 2_000, NO_STAMPS)
        assert [row.received + row.expected for row in all_of.board.rows(T0_US + 1_000_000)] == [0, 2]
        assert all_of.swarm.stats.native == 1


def test_a_connection_that_was_closed_is_left_alone():
    with listeners(1) as all_of:
        packet = all_of.send(0, reference.datagram(audio(0)))
        all_of.peers[0].connection.close()
        assert all_of.swarm.pump(T0_US, NO_STAMPS) == [(0, packet, T0_US)]
        all_of.swarm.pump(T0_US + 10_000_000, NO_STAMPS)
        assert all_of.swarm.stats.packets_out == 0


def test_wrong_input():
    board = Board(1)
    for arguments in ({"loss_pct": 101}, {"loss_pct": -1}, {"delay_us": -1}, {"jitter_us": -1}):
        with pytest.raises(ValueError, match="loss is"):
            Swarm(1, board, **arguments)
    for members, given in ((0, board), (1, None)):
        with pytest.raises(ValueError, match="at least 1"):
            Swarm(members, given)
    os.fstat(0)  # a swarm that was never made closes nothing
    swarm = Swarm(1, board)
    with pytest.raises(IndexError, match="member 0"):
        swarm.send(0, b"x", 0)
    with pytest.raises(OSError, match="cannot be waited for"):
        swarm.add(99_999)
    with wires(1) as (_, clients):
        swarm.add(clients[0].fileno())
        with pytest.raises(ValueError, match="which is its limit"):
            swarm.add(clients[0].fileno())
        with pytest.raises(IndexError, match="ear 1"):
            swarm.hear(0, 1, 0)
        for packet in (b"", b"x" * 1501):
            with pytest.raises(ValueError, match=r"outside 1\.\.1500"):
                swarm.send(0, packet, 0)
