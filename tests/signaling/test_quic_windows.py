"""What one peer can make a link hold: streams have a window of fixed size and few pieces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aioquic.quic.stream import QuicStreamSender

from signaling.quic.events import CLOSE_PROTOCOL_ERROR, Closed
from tests.signaling.quic_pair import KINDS, Pair, carry


@pytest.fixture(scope="module", autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    carry(request.param)
    yield request.param
    carry("aioquic")


def send_at(pair: Pair, offset: int, data: bytes) -> None:
    """Have the client send bytes of the control stream out of their order."""
    stream = pair.client._quic._streams[0]
    stream.sender = QuicStreamSender(stream_id=0, writable=True)
    stream.sender._buffer_start = stream.sender._buffer_stop = offset
    pair.client._quic._remote_max_data_used = 0
    pair.client._quic.send_stream_data(0, data)
    pair.run(0.1)


def greeted() -> Pair:
    pair = Pair()
    pair.run(0.1)
    pair.client.send_stream(b"hello")
    pair.run(0.1)
    return pair


def test_a_peer_that_leaps_ahead_is_given_no_more_window() -> None:
    pair = greeted()
    stream = pair.client._quic._streams[0]
    for _ in range(8):
        send_at(pair, stream.max_stream_data_remote - 1, b"x")
    held = pair.accepted._quic._streams[0].receiver._buffer
    assert len(held) <= pair.server_limits.max_stream_data_bytes


def test_a_stream_in_many_pieces_closes_the_connection_once() -> None:
    pair = greeted()
    limit = pair.server_limits.fragments
    for n in range(limit):
        send_at(pair, 10 + 2 * n, b"x")
    assert pair.accepted.closed is None
    send_at(pair, 10 + 2 * limit, b"x")
    closed = [event for event in pair.server_events if isinstance(event, Closed)]
    assert [event.code for event in closed] == [CLOSE_PROTOCOL_ERROR]


@pytest.mark.parametrize("to_server", [True, False])
def test_credit_follows_what_was_delivered(to_server: bool) -> None:
    pair = greeted()
    pair.accepted.send_stream(b"welcome")
    pair.run(0.1)
    sender, events = (pair.client, pair.server_events) if to_server else (pair.accepted, pair.client_events)
    before = len(pair.control(events))
    piece = bytes(range(256)) * 40
    for _ in range(60):
        assert sender.send_stream(piece)
        pair.run(0.1)
    assert pair.control(events)[before:] == piece * 60


@pytest.mark.parametrize(("how", "code"), [("ended", 0x0), ("ended inside a message", 0x0), ("reset", 0x1)])
def test_the_end_of_the_control_stream_is_the_end_of_the_connection(how: str, code: int) -> None:
    """As docs/protocol.md says under "Connection"."""
    pair = greeted()
    if how == "ended inside a message":
        pair.client.send_stream(b"\x00\x05ab")
    if how == "reset":
        pair.client._quic.reset_stream(0, 0)
    else:
        pair.client._quic.send_stream_data(0, b"", end_stream=True)
    pair.run(0.1)
    assert pair.accepted.closed is not None
    assert pair.accepted.closed.code == code


def test_streams_without_end_close_the_connection_once() -> None:
    pair = greeted()
    quic = pair.client._quic
    for _ in range(pair.server_limits.refused_streams + 1):
        quic.send_stream_data(quic.get_next_available_stream_id(), b"x")
        pair.run(0.1)
    closed = [event for event in pair.server_events if isinstance(event, Closed)]
    assert len(closed) == 1
