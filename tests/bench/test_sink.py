"""The sink counts packets, what sequence numbers leave out, and the times between arrivals."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from bench._sink import Sink

SLICE_US = 2000


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    opened = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for each in opened:
        each.bind(("127.0.0.1", 0))
    yield opened
    for each in opened:
        each.close()


def deliver(sink: Sink, at: socket.socket, *packets: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for packet in packets:
            sender.sendto(packet, at.getsockname())
    sink.run(SLICE_US)


def numbered(*numbers: int, at: int = 2) -> list[bytes]:
    return [bytes(at) + number.to_bytes(2) + b"payload" for number in numbers]


def test_each_socket_is_counted_alone(sockets):
    sink = Sink(3)
    for each in sockets:
        sink.add(each.fileno())
    deliver(sink, sockets[0], *[b"a"] * 40)  # more than one batch
    deliver(sink, sockets[2], b"bc")
    assert (len(sink), sink.packets, sink.n_bytes) == (3, [40, 0, 1], 42)
    assert (sink.last(0), sink.last(1), sink.last(2)) == (b"a", b"", b"bc")
    sink.clear()
    assert (sink.packets, sink.n_bytes, sink.last(2)) == ([0, 0, 0], 0, b"")


@pytest.mark.parametrize(
    ("numbers", "lost", "late"),
    [
        ([5, 6, 7], 0, 0),
        ([65534, 65535, 0, 1], 0, 0),
        ([5, 9, 10], 3, 0),
        ([65534, 1], 2, 0),
        ([5, 7, 6, 8], 0, 1),
        ([5, 5, 6], 0, 1),
    ],
)
def test_gaps_in_the_numbers(sockets, numbers, lost, late):
    sink = Sink(1, seq_at=2, seq_bytes=2)
    sink.add(sockets[0].fileno())
    deliver(sink, sockets[0], *numbered(*numbers))
    assert (sink.packets, sink.lost, sink.late) == ([len(numbers)], [lost], [late])


def test_numbers_of_one_byte(sockets):
    sink = Sink(1, seq_at=0, seq_bytes=1)
    sink.add(sockets[0].fileno())
    deliver(sink, sockets[0], b"\xfe", b"\xff", b"\x00", b"\x03", b"")
    assert (sink.packets, sink.lost) == ([5], [2])


def test_times_between_arrivals(sockets):
    sink = Sink(2)
    sink.add(sockets[0].fileno())
    sink.add(sockets[1].fileno())
    for _ in range(3):
        deliver(sink, sockets[0], b"x")
        deliver(sink, sockets[1], b"x")
    assert sink.gap_ms(0.01) + 0.1 >= 2 * SLICE_US / 1000
    assert sink.gap_ms(0.01) <= sink.gap_ms(0.99) <= sink.longest_gap_ms
    sink.clear()
    deliver(sink, sockets[0], b"x")
    assert (sink.gap_ms(0.5), sink.longest_gap_ms) == (0, 0)


def test_a_stream_is_thrown_away(sockets):
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as near,
        server.accept()[0] as far,
    ):
        sink = Sink(2)
        sink.discard(near.fileno())
        sink.add(sockets[0].fileno())
        far.sendall(bytes(100_000))
        deliver(sink, sockets[0], b"x")
        near.setblocking(False)
        with pytest.raises(BlockingIOError):
            near.recv(1)
        far.shutdown(socket.SHUT_WR)
        deliver(sink, sockets[0], b"y")
    assert (len(sink), sink.packets, sink.last(0)) == (2, [2], b"y")


def test_limits_are_told(sockets):
    sink = Sink(1)
    sink.add(sockets[0].fileno())
    with pytest.raises(ValueError, match="socket 2: the sink was made for 1"):
        sink.add(sockets[1].fileno())
    with pytest.raises(IndexError, match="socket 1: 1 were added"):
        sink.last(1)
    with pytest.raises(OSError, match="cannot be watched"):
        Sink(1).add(-1)
    with pytest.raises(ValueError, match="0 to 2"):
        Sink(1, seq_bytes=3)
