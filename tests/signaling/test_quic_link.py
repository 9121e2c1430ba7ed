"""Link: two of them back to back, without a socket and without waiting."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.quic import bridge
from signaling.quic.errors import TooSlow
from signaling.quic.events import Audio, Cause, Closed, ControlData, Established, LinkEvent
from signaling.quic.limits import LinkLimits
from tests.signaling.quic_pair import CLIENT, KINDS, SERVER, Pair, carried, carry


@pytest.fixture(scope="module", autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    carry(request.param)
    yield request.param
    carry("aioquic")


def frames(events: Sequence[LinkEvent]) -> list[bytes]:
    return [event.datagram for event in events if isinstance(event, Audio)]


def test_handshake_and_control_both_ways() -> None:
    pair = Pair()
    assert pair.client_events == [Established()]
    assert pair.server_events == [Established()]
    assert pair.client.send_stream(b"hello")
    pair.run(0.1)
    assert pair.server_events[1:] == [ControlData(b"hello")]
    assert pair.accepted.send_stream(b"welcome" * 1000)
    pair.run(1)
    assert pair.control(pair.client_events) == b"welcome" * 1000
    assert pair.accepted.control_backlog_bytes == 0
    assert pair.client.stats.control_bytes_in == 7000


def test_server_cannot_write_before_the_client_opened_the_stream() -> None:
    pair = Pair()
    assert not pair.accepted.send_stream(b"too early")
    assert pair.accepted.closed is None


def test_nothing_can_be_sent_before_the_handshake() -> None:
    pair = Pair(handshake=False)
    assert not pair.client.send_stream(b"x")
    assert not pair.client.send_audio(b"x")
    assert pair.client.stats.audio_unready == 1
    assert pair.client.max_audio_bytes == 0


def test_largest_datagram_passes_and_one_byte_more_is_refused() -> None:
    pair = Pair()
    largest = pair.client.max_audio_bytes
    assert largest == 1170  # 1200 - 11 (header with an 8-byte id) - 16 (tag) - 3 (frame header)
    assert pair.client.send_audio(bytes(largest))
    assert not pair.client.send_audio(bytes(largest + 1))
    assert pair.client.send_audio(b"behind it")
    pair.run(0.1)
    assert frames(pair.server_events) == [bytes(largest), b"behind it"]
    assert pair.client.stats.audio_oversized == 1
    assert pair.client.stats.audio_out == 2


def test_largest_datagram_passes_behind_an_acknowledgement_and_beside_control_data() -> None:
    pair = Pair()
    pair.client.send_stream(b"x" * 5000)
    pair.pump()
    pair.accepted.send_stream(b"y" * 5000)
    for _ in range(3):
        assert pair.accepted.send_audio(bytes(pair.accepted.max_audio_bytes))
    pair.run(1)
    assert frames(pair.client_events) == [bytes(1170)] * 3


def test_a_datagram_that_no_longer_fits_does_not_block_those_behind() -> None:
    pair = Pair(native=False)
    pair.run(0.1)
    assert pair.client.send_audio(bytes(pair.client.max_audio_bytes))
    assert pair.client.send_audio(b"next")
    pair.client._quic._peer_cid.cid += bytes(12)  # the peer could switch to a longer id at any time
    packets = pair.client.take_datagrams(pair.now_s)
    assert len(packets) == 1
    assert pair.client.stats.audio_oversized == 1
    assert not bridge.pending_datagrams(pair.client._quic)


@given(st.integers(1, 70_000), st.integers(1, 20))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_peers_own_limit_counts_too(limit_bytes: int, cid_bytes: int) -> None:
    pair = Pair(handshake=False)
    quic = pair.client._quic
    quic._remote_max_datagram_frame_size = limit_bytes
    quic._peer_cid.cid = bytes(cid_bytes)
    largest = pair.client.max_audio_bytes
    length_bytes = 1 if largest <= 63 else 2
    assert 0 <= largest <= 1200 - 3 - cid_bytes - 16 - 3
    assert largest == 0 or 1 + length_bytes + largest <= limit_bytes
    larger = largest + 1
    assert 1 + (1 if larger <= 63 else 2) + larger > min(limit_bytes, 1200 - 3 - cid_bytes - 16), (
        "it could be larger"
    )


def test_full_queue_drops_the_oldest_while_the_peer_stalls() -> None:
    pair = Pair()
    pair.to_client_open = False  # no acknowledgement comes back: the congestion window fills
    waiting_most = 0
    for number in range(200):
        assert pair.client.send_audio(number.to_bytes(2, "big") + bytes(1000))
        assert pair.client.audio_waiting <= 10
        pair.pump()
        waiting_most = max(waiting_most, pair.client.audio_waiting)
        assert not bridge.pending_datagrams(pair.client._quic)
    stats = pair.client.stats
    assert waiting_most == 10
    assert stats.audio_dropped == 200 - stats.audio_out - 10
    assert stats.audio_dropped > 150
    pair.to_client_open = True
    pair.run(5)
    # What waited was the newest, and it arrives now, in order.
    numbers = [int.from_bytes(frame[:2], "big") for frame in frames(pair.server_events)]
    assert numbers[-10:] == list(range(190, 200))
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("queue", [1, 3])
def test_queue_at_its_bound_and_one_past_it(queue: int) -> None:
    pair = Pair(client_limits=LinkLimits(audio_queue=queue))
    for number in range(queue):
        pair.client.send_audio(bytes([number]))
    assert (pair.client.audio_waiting, pair.client.stats.audio_dropped) == (queue, 0)
    pair.client.send_audio(bytes([queue]))
    assert (pair.client.audio_waiting, pair.client.stats.audio_dropped) == (queue, 1)
    pair.run(0.1)
    assert frames(pair.server_events) == [bytes([number + 1]) for number in range(queue)]


def test_control_backlog_at_its_bound_and_one_past_it() -> None:
    pair = Pair(client_limits=LinkLimits(control_backlog_bytes=1000))
    pair.to_server_open = False
    assert pair.client.send_stream(b"x" * 1000)
    pair.pump()  # sent, but not acknowledged: it still counts
    with pytest.raises(TooSlow, match=r"1001 bytes .* 1000 allowed") as caught:
        pair.client.send_stream(b"y")
    assert caught.value.code == "too_slow"
    pair.to_server_open = True
    pair.run(2)
    assert pair.client.control_backlog_bytes == 0
    assert pair.client.send_stream(b"y")
    pair.run(1)
    assert pair.control(pair.server_events) == b"x" * 1000 + b"y"


@pytest.mark.parametrize("stream_id", [4, 8])
def test_other_streams_are_refused_and_counted(stream_id: int) -> None:
    pair = Pair()
    pair.client.send_stream(b"hel")
    pair.client._quic.send_stream_data(stream_id, b"smuggled")
    pair.run(1)
    assert pair.accepted.stats.streams_refused == (2 if stream_id == 8 else 1)  # 8 opens 4 as well
    assert pair.accepted.closed is None
    pair.client.send_stream(b"lo")
    pair.run(1)
    assert pair.control(pair.server_events) == b"hello"


def test_streams_of_the_server_are_refused_by_the_client() -> None:
    pair = Pair()
    pair.accepted._quic.send_stream_data(1, b"pushed")
    pair.accepted._quic.send_stream_data(5, b"pushed")
    pair.run(1)
    assert pair.client.stats.streams_refused == 2
    assert pair.client_events == [Established()]


def test_refusing_streams_without_end_closes() -> None:
    pair = Pair(server_limits=LinkLimits(refused_streams=5))
    for number in range(1, 40):
        if pair.client.closed:
            break
        pair.client._quic.send_stream_data(number * 4, b"x", end_stream=True)
        pair.run(0.2)
    assert pair.accepted.stats.streams_refused == 6
    assert pair.client.closed == Closed(0x1, pair.accepted.closed.reason, by_peer=True)  # type: ignore[union-attr]


def test_more_streams_than_announced_is_a_violation() -> None:
    pair = Pair()
    pair.client._quic._remote_max_streams_bidi = 100
    pair.client._quic.send_stream_data(4 * 4, b"the fifth")
    pair.run(1)
    assert pair.accepted.closed is not None
    assert (pair.accepted.closed.cause, pair.accepted.closed.code) == (Cause.TRANSPORT, 0x4)


@pytest.mark.parametrize("by_server", [True, False])
def test_close_code_arrives_at_once(by_server: bool) -> None:
    pair = Pair()
    closer, other = (pair.accepted, pair.client) if by_server else (pair.client, pair.accepted)
    closer.close(0x5, "removed by the host")
    closer.close(0x7, "only the first counts")
    pair.pump()
    assert closer.closed == Closed(0x5, "removed by the host", by_peer=False)
    assert other.closed == Closed(0x5, "removed by the host", by_peer=True)
    events = pair.client_events if by_server else pair.server_events
    assert events[-1] == other.closed
    assert not other.send_stream(b"x")
    assert not other.send_audio(b"x")
    pair.run(5)
    assert pair.client.terminated
    assert pair.accepted.terminated
    assert [type(event) for event in pair.client_events] == [Established, Closed]


def test_a_long_reason_is_cut() -> None:
    pair = Pair()
    pair.accepted.close(0x1, "ä" * 5000)
    pair.pump()
    assert pair.client.closed is not None
    assert pair.client.closed.reason == "ä" * 100


def test_a_lost_close_is_repeated_while_the_peer_sends() -> None:
    pair = Pair()
    pair.to_client_open = False
    pair.accepted.close(0x5, "removed")
    pair.pump()
    assert pair.client.closed is None
    pair.to_client_open = True
    pair.client.send_audio(b"still talking")
    pair.run(0.01)
    assert pair.client.closed == Closed(0x5, "removed", by_peer=True)


def test_close_before_the_handshake_is_complete() -> None:
    pair = Pair(handshake=False)
    pair.client.close(0x0, "changed my mind")
    pair.pump()
    assert pair.client_events == [Closed(0x0, "changed my mind", by_peer=False)]
    pair.run(5)
    assert pair.client.terminated


def test_end_of_the_control_stream_closes() -> None:
    pair = Pair()
    pair.client._quic.send_stream_data(0, b"last words", end_stream=True)
    pair.run(0.1)
    assert pair.control(pair.server_events) == b"last words"
    assert pair.accepted.closed == Closed(0x0, "the control stream was ended", by_peer=False)


@pytest.mark.parametrize("how", ["reset_stream", "stop_stream"])
def test_reset_of_the_control_stream_closes(how: str) -> None:
    pair = Pair()
    pair.client.send_stream(b"hello")
    pair.pump()
    getattr(pair.client._quic, how)(0, 0)
    pair.run(1)
    assert pair.accepted.closed is not None
    assert pair.accepted.closed.code == 0x1


def test_silence_ends_with_the_idle_timeout_and_pings_prevent_it() -> None:
    pair = Pair(client_limits=LinkLimits(idle_timeout_s=5.0), server_limits=LinkLimits(idle_timeout_s=5.0))
    for _ in range(5):
        pair.client.ping()
        pair.client.ping()  # one on its way is enough
        pair.run(4)
    assert pair.client.closed is None
    assert pair.accepted.closed is None
    pair.run(11)
    assert pair.client.closed == Closed(0, "nothing was heard for up to 5 s", by_peer=False, cause=Cause.IDLE)
    assert pair.accepted.terminated
    assert pair.accepted.timer() is None


def test_another_protocol_is_refused() -> None:
    pair = Pair(alpn="chess/1")
    assert pair.client.closed is not None
    assert (pair.client.closed.cause, pair.client.closed.code) == (Cause.TRANSPORT, 0x178)
    assert Established() not in pair.server_events


def test_a_clock_that_steps_back_is_held() -> None:
    pair = Pair()
    pair.run(1)
    for at_s in (pair.now_s, pair.now_s + 0.1):
        pair.client.send_audio(b"x")
        for data, _ in pair.client.take_datagrams(at_s):
            pair.accepted.receive(data, CLIENT, at_s)
    # An acknowledgement is due, and its delay since the last arrival would be negative.
    assert len(pair.accepted.take_datagrams(pair.now_s + 0.05)) == 1
    pair.now_s += 0.1
    pair.run(1)
    assert pair.client.closed is None


@given(st.binary(max_size=1500))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_garbage_changes_nothing(data: bytes) -> None:
    pair = garbage_pair(carried())
    before = pair.accepted.stats.packets_in
    pair.accepted.receive(data, CLIENT, pair.now_s)
    pair.client.receive(data, SERVER, pair.now_s)
    pair.accepted.receive(b"\x40" + pair.accepted.host_cid + data, ("10.9.9.9", 1), pair.now_s)
    assert pair.accepted.stats.packets_in == before + 2
    assert pair.accepted.closed is None
    assert pair.client.closed is None
    assert pair.accepted.take_events() == []


@cache
def garbage_pair(native: bool) -> Pair:
    return Pair(native=native)


def test_aioquic_is_quiet() -> None:
    assert not logging.getLogger("quic").isEnabledFor(logging.WARNING)


def test_round_trip_time_is_measured() -> None:
    pair = Pair()
    assert pair.accepted.rtt_s > 0
    assert pair.accepted.peer_address == CLIENT
    assert pair.client.peer_certificate_der is not None
