"""What one connection can make us hold or do, at each bound and one past it; and tokens to come back with."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Iterator

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import Epoch, SessionTicket

from signaling.quic.bridge_guards import CHALLENGES_KEPT
from signaling.quic.certificate import Trust
from signaling.quic.endpoint import connect
from signaling.quic.errors import ConnectError
from signaling.quic.events import CLOSE_PROTOCOL_ERROR, Cause
from signaling.quic.gate import GateLimits
from signaling.quic.limits import LinkLimits
from signaling.quic.skips import KEPT, Skips
from tests.adversary import frames
from tests.signaling.quic_pair import CLIENT, KINDS, SERVER, House, Pair, Recorder, carry, certificate
from tests.signaling.quic_wire import Wire
from tests.virtual.loop import run

PROTOCOL_VIOLATION = int(QuicErrorCode.PROTOCOL_VIOLATION)
GAP = LinkLimits().gap_bytes
PIECES = LinkLimits().fragments


@pytest.fixture(scope="module", autouse=True, params=KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    carry(request.param)
    yield request.param
    carry("aioquic")


def inject(pair: Pair, *payload: bytes, heard: bool = False) -> None:
    """Authentic packets of the client with these frames; it does not hear the answers unless it is to."""
    client, pair.to_client_open = pair.client._quic, heard
    crypto = client._cryptos[Epoch.ONE_RTT]
    for frame in payload:
        number = client._packet_number
        client._packet_number += 1
        head = bytes([0x41 | crypto.key_phase << 2]) + client._peer_cid.cid + (number & 0xFFFF).to_bytes(2)
        pair.accepted.receive(crypto.encrypt_packet(head, frame.ljust(4, b"\0"), number), CLIENT, pair.now_s)
    pair.run(0.1)
    pair.to_client_open = True


def greeted(**limits: int) -> Pair:
    pair = Pair(server_limits=LinkLimits(**limits))
    pair.run(0.1)
    pair.client.send_stream(b"hello")
    pair.run(0.1)
    return pair


def held_bytes(pair: Pair) -> int:
    streams = pair.accepted._quic._streams.values()
    return sum(len(stream.receiver._buffer) for stream in streams)


def test_a_gap_at_its_bound_and_one_byte_past_it() -> None:
    pair = greeted()
    inject(pair, frames.stream(0, 5 + GAP, b"x"))
    assert pair.accepted.closed is None
    pair = greeted()
    inject(pair, frames.stream(0, 5 + GAP + 1, b"x"))
    assert pair.accepted.closed is not None
    assert pair.accepted.closed.code == CLOSE_PROTOCOL_ERROR
    assert "bytes missing" in pair.accepted.closed.reason
    assert held_bytes(pair) == 0, "nothing was kept of it"


def test_the_gap_is_what_is_missing_in_all() -> None:
    pair = greeted()
    inject(pair, frames.stream(0, 5 + GAP // 2, b"x" * 1_000), frames.stream(0, 5 + GAP + 1_000, b"x"))
    assert pair.accepted.closed is None
    inject(pair, frames.stream(0, 5 + GAP + 1_002, b"x"))
    assert pair.accepted.closed is not None


@pytest.mark.parametrize("stream_id", [4, 8])
def test_a_stream_that_begins_with_a_gap(stream_id: int) -> None:
    pair = greeted()
    inject(pair, frames.stream(stream_id, GAP, b"x"))
    assert pair.accepted.closed is None
    inject(pair, frames.stream(stream_id + 4, GAP + 1, b"x"))
    assert pair.accepted.closed is not None


def test_pieces_at_their_bound_and_one_past_it_in_one_packet() -> None:
    for more in (0, 1):
        pair = greeted()
        inject(pair, b"".join(frames.stream(0, 10 + 2 * n, b"x") for n in range(PIECES + more)))
        assert (pair.accepted.closed is not None) is bool(more)


def test_pieces_that_meet_are_one() -> None:
    pair = greeted()
    inject(pair, b"".join(frames.stream(0, 10 + 2 * n, b"x") for n in range(PIECES)))
    inject(pair, frames.stream(0, 11, b"x"), frames.stream(0, 10 + 2 * PIECES, b"x"))
    assert pair.accepted.closed is None


@pytest.mark.parametrize("epoch", [Epoch.ONE_RTT, Epoch.INITIAL])
@pytest.mark.parametrize("past", [0, 1])
def test_a_gap_in_the_handshake_is_no_larger(epoch: Epoch, past: int) -> None:
    """Any stranger can send that: before it is known who they are."""
    pair = Pair(handshake=epoch is not Epoch.INITIAL)
    crypto = frames.crypto(GAP + past, b"x")
    if epoch is Epoch.ONE_RTT:
        pair.run(0.1)
        inject(pair, crypto)
    else:
        client = pair.client._quic
        packets = pair.client.take_datagrams(pair.now_s)
        pair._to_server(packets[0][0])
        keys, far = client._cryptos_initial[client._version], frames.crypto(2_000 + GAP + past, b"x")
        body = far.ljust(1_200, b"\0")
        head = bytes([0xC1]) + client._version.to_bytes(4) + b"\x08" + client._peer_cid.cid
        head += b"\x08" + client.host_cid + b"\0" + (0x4000 | len(body) + 18).to_bytes(2) + b"\x00\x09"
        pair.accepted.receive(keys.encrypt_packet(head, body, 9), CLIENT, pair.now_s)
    streams = pair.accepted._quic._crypto_streams
    assert all(len(stream.receiver._buffer) <= GAP + 1 for stream in streams.values())
    if epoch is Epoch.ONE_RTT:
        assert (pair.accepted.closed is not None) is bool(past)
        if past:
            assert pair.accepted.closed is not None
            assert pair.accepted.closed.code == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED


def test_four_streams_may_be_open_and_none_that_only_they_write_to() -> None:
    pair = greeted(peer_streams=4)
    for number in (4, 8, 12):
        inject(pair, frames.stream(number, 0, b"x"))
    assert pair.accepted.closed is None
    inject(pair, frames.stream(4 * 10, 0, b"x"))
    assert pair.accepted.closed is not None
    assert pair.accepted.closed.code == QuicErrorCode.STREAM_LIMIT_ERROR
    pair = greeted()
    inject(pair, frames.stream(2, 0, b"x"))
    assert pair.accepted.closed is not None
    assert pair.accepted.closed.code == QuicErrorCode.STREAM_LIMIT_ERROR


def test_credit_of_the_connection_follows_what_was_delivered() -> None:
    """At the bound, and one byte past it: what is held of four streams counts together."""
    limits = {"max_data_bytes": 40_000, "max_stream_data_bytes": 16_000, "gap_bytes": 16_000}
    pair = greeted(**limits)
    quic = pair.accepted._quic
    for number in (4, 8):
        inject(pair, frames.stream(number, 15_000, b"x"))  # held: its beginning is missing
    assert quic._local_max_data.used == 5 + 2 * 15_001
    inject(pair, frames.stream(0, 5, b"y" * 1_000))  # delivered
    held = quic._local_max_data.used - 1_005
    assert quic._local_max_data.value <= 1_005 + 40_000
    assert quic._local_max_data.value - quic._local_max_data.used <= 40_000 - held
    room = quic._local_max_data.value - quic._local_max_data.used
    inject(pair, frames.stream(12, room - 1, b"x"))
    assert pair.accepted.closed is None, "at the bound"
    inject(pair, frames.stream(12, room, b"x"))
    assert pair.accepted.closed is not None
    assert pair.accepted.closed.code == QuicErrorCode.FLOW_CONTROL_ERROR


def test_challenges_of_a_path_at_their_bound_and_one_past_it() -> None:
    pair = greeted()
    answers: list[bytes] = []
    client = pair.client._quic
    client._handle_path_response_frame = lambda context, kind, buf: answers.append(buf.pull_bytes(8))
    handlers = client._QuicConnection__frame_handlers
    handlers[0x1B] = (client._handle_path_response_frame, handlers[0x1B][1])
    inject(
        pair, b"".join(frames.path_challenge(bytes([n]) * 8) for n in range(CHALLENGES_KEPT + 1)), heard=True
    )
    assert answers == [bytes([n]) * 8 for n in range(CHALLENGES_KEPT)]
    inject(pair, frames.path_challenge(b"another."), heard=True)
    assert answers[-1] == b"another.", "the next is answered again"


def test_packets_of_one_connection_at_their_bound_and_one_past_it() -> None:
    async def story() -> None:
        async with House(limits=LinkLimits(packets_per_s=60)) as house:
            client = await house.connect()
            await asyncio.sleep(5)
            stats, link = house.listener.stats, house.sessions[0].handle
            junk = b"\x40" + client.handle._link._quic._peer_cid.cid + bytes(40)
            before = stats.datagrams_in
            for _ in range(60):
                house.listener._on_packet(junk, ("10.0.0.2", 1), 0.0, native_first=True)
            assert stats.flood_dropped == 0
            house.listener._on_packet(junk, ("10.0.0.2", 1), 0.0, native_first=True)
            long = b"\xc0\x00\x00\x00\x01\x08" + junk[1:9] + b"\x00" + bytes(40)
            house.listener._on_packet(long, ("10.0.0.2", 1), 0.0, native_first=True)
            assert (stats.flood_dropped, stats.datagrams_in - before) == (2, 62)
            await asyncio.sleep(1)
            house.listener._on_packet(junk, ("10.0.0.2", 1), 0.0, native_first=True)
            assert stats.flood_dropped == 2
            client.handle.send_stream(b"still here")
            await asyncio.sleep(1)
            assert link.closed is None
            assert house.sessions[0].control == b"still here"

    run(story(), limit_s=600)


# Packet numbers that are left out


def test_which_numbers_are_left_out_follows_from_the_seed_alone() -> None:
    def left_out(seed: bytes) -> list[int]:
        skips, sent, out = Skips(seed), -1, []
        for _ in range(5_000):
            number = skips.next(sent + 1)
            if number != sent + 1:
                out.append(sent + 1)
            sent = number
        return out

    out = left_out(b"one seed")
    assert out == left_out(b"one seed")
    assert out != left_out(b"another.")
    pauses = [after - before - 1 for before, after in itertools.pairwise(out)]
    assert len(pauses) > 15
    assert all(64 <= pause <= 64 + 255 for pause in pauses)


def test_so_many_numbers_are_remembered_and_one_more_forgets_the_oldest() -> None:
    skips, number, out = Skips(b"seed"), 0, []
    while len(out) <= KEPT:
        following = skips.next(number)
        if following != number:
            out.append(number)
        number = following + 1
        if len(out) == KEPT:
            assert all(skips.within(range(each, each + 1)) for each in out)
    assert not skips.within(range(out[0], out[0] + 1))
    assert all(skips.within(range(each, each + 1)) for each in out[1:])
    assert not skips.within(range(out[-1] + 1, number))


def skipping(wire: Wire, most: int = 400) -> int:
    """Have the server send until a number was left out; which."""
    before = wire.connection.packet_number
    for _ in range(most):
        wire.fan_out(b"sound" * 20)
        wire.run(0.02)
        seen = {number for _, number in wire.opened if number >= before}
        missing = set(range(before, max(seen, default=before))) - seen
        if missing:
            return min(missing)
    raise AssertionError("no number was left out")


def test_an_ack_of_a_number_that_was_left_out_ends_the_connection() -> None:
    wire = Wire()
    wire.client.send_stream_data(0, b"\x00\x05ab")
    wire.settle()
    skipped = skipping(wire)
    wire.run(1)
    assert wire.server_closed() is None, "an honest peer acknowledges around it"
    wire.to_server(wire.crafted(frames.ack(skipped)))
    wire.settle()
    closed = wire.server_closed()
    assert closed is not None
    assert (closed.code, closed.cause) == (PROTOCOL_VIOLATION, Cause.TRANSPORT)


@pytest.mark.parametrize("ahead", [0, 1, 1_000])
def test_an_ack_of_what_was_sent_last_and_of_what_was_never_sent(ahead: int) -> None:
    pair = greeted()
    pair.accepted.send_stream(b"to be acknowledged")
    pair.to_client_open = False
    pair.run(0.001)
    latest = pair.accepted._quic._packet_number - 1
    inject(pair, frames.ack(latest + ahead))
    assert (pair.accepted.closed is not None) is bool(ahead)
    if ahead:
        assert pair.accepted.closed is not None
        assert pair.accepted.closed.code == PROTOCOL_VIOLATION


def test_a_plain_connection_leaves_numbers_out_and_an_honest_client_lives_with_it() -> None:
    pair = greeted()
    quic = pair.accepted._quic
    began = quic._packet_number
    for _ in range(400):
        assert pair.accepted.send_stream(b"x")
        pair.run(0.03)
    assert pair.accepted.closed is None
    assert pair.client.closed is None
    skips = quic.skips
    if skips is not None:
        left_out = [each for each in skips._skipped if each >= began]
        assert left_out
        inject(pair, frames.ack(left_out[-1]))
        assert pair.accepted.closed is not None
        assert pair.accepted.closed.code == PROTOCOL_VIOLATION


# Tokens to come back with


def test_who_was_here_comes_back_through_a_rush() -> None:
    async def story() -> None:
        async with House(gate=GateLimits(half_open=4, retry_above=2, connections=5)) as house:
            client = await house.connect()
            await asyncio.sleep(1)
            assert client.handle.return_token == b""
            house.sessions[0].handle.let_return()
            await asyncio.sleep(1)
            token = client.handle.return_token
            assert token
            for number in range(1_000, 1_004):
                house.listener.gate.opened(number, house.clock())
            with pytest.raises(ConnectError):
                await house.connect("10.0.0.3", timeout_s=2)
            back: list[Recorder] = []

            def on_link(handle: object) -> Recorder:
                back.append(Recorder(handle))  # type: ignore[arg-type]
                return back[-1]

            for host in ("10.0.0.2", "10.0.0.9"):  # from elsewhere it is proven by a Retry first
                await connect(
                    *SERVER,
                    on_link,
                    trust=Trust(pin=certificate().fingerprint),
                    clock=house.clock,
                    open_transport=house.network.opener(host),
                    return_token=token,
                    timeout_s=5,
                )
            assert house.listener.gate.stats.returned == 2
            assert house.listener.gate.stats.retries == 1
            house.clients += back
            for number in range(1_000, 1_004):
                house.listener.gate.gone(number)

    run(story(), limit_s=600)


def test_a_token_that_is_lost_on_the_way_is_sent_again() -> None:
    pair = greeted()
    pair.to_client_open = False
    pair.accepted.give_return_token(b"come back with this")
    pair.run(0.01)
    pair.to_client_open = True
    pair.run(3)
    assert pair.client.return_token == b"come back with this"
    pair.accepted.give_return_token(b"a later one")
    pair.run(1)
    assert pair.client.return_token == b"a later one"


def test_a_client_may_not_send_such_a_token() -> None:
    pair = greeted()
    buffer = Buffer(capacity=32)
    buffer.push_uint_var(0x07)
    buffer.push_uint_var(5)
    buffer.push_bytes(b"token")
    inject(pair, bytes(buffer.data))
    assert pair.accepted.closed is not None
    assert pair.accepted.closed.code == PROTOCOL_VIOLATION


def test_no_session_tickets_and_so_no_early_data() -> None:
    """0-RTT data can be replayed by whoever saw it: no client is ever given what it takes for that."""
    given: list[SessionTicket] = []
    pair = Pair(handshake=False)
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["spaces/1"], verify_mode=ssl.CERT_NONE, server_name="localhost"
    )
    client = QuicConnection(configuration=configuration, session_ticket_handler=given.append)
    client.connect(SERVER, pair.now_s)
    for _ in range(5):
        for data, _ in client.datagrams_to_send(pair.now_s):
            pair._to_server(data)
        for data, _ in pair.accepted.take_datagrams(pair.now_s):
            client.receive_datagram(data, SERVER, pair.now_s)
    assert client.tls.state.name == "CLIENT_POST_HANDSHAKE"
    assert given == []
    assert not client.tls.early_data_accepted
