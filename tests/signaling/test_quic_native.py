"""Links, listeners and clients that carry audio natively: who does what, when, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from signaling.quic import keys
from signaling.quic.events import Cause
from signaling.quic.limits import CLIENT_ACKS, SERVER_ACKS
from spacecore._plane import RX, SLOW, TX, Plane
from spacecore.errors import PlaneError
from tests.signaling.quic_pair import CLIENT, House, Pair, carry
from tests.signaling.quic_wire import Wire, ack_frame
from tests.virtual.loop import run
from tests.virtual.network import Impairment


@pytest.fixture(autouse=True)
def natively() -> Iterator[None]:
    carry("native")
    yield
    carry("aioquic")


# Links


def test_audio_goes_past_aioquic_in_both_directions() -> None:
    pair = Pair()
    pair.run(0.1)
    slow = [link.connection.stats.slow for link in (pair.client, pair.accepted)]  # type: ignore[union-attr]
    for number in range(100):
        pair.client.send_audio(b"up %d" % number)
        pair.accepted.send_audio(b"down %d" % number)
        pair.run(0.02)
    for link in (pair.client, pair.accepted):
        assert link.connection is not None
        assert link.connection.flags == TX | RX
        stats = link.connection.stats
        assert (stats.datagrams_out, stats.datagrams_in, stats.lost) == (100, 100, 0)
        assert (link.stats.audio_out, link.stats.audio_in) == (100, 100)
    assert [link.connection.stats.slow for link in (pair.client, pair.accepted)] == slow  # type: ignore[union-attr]


def test_a_link_without_a_plane_has_no_connection() -> None:
    pair = Pair(native=False)
    assert pair.client.connection is pair.accepted.connection is None
    pair.client.forget()


def test_one_native_end_is_enough() -> None:
    for side in ("client", "server"):
        pair = Pair(native=False, handshake=False)
        if side == "server":
            pair.server_plane = Plane(connections=1)
        else:
            pair = Pair(native=True, handshake=False)
            pair.server_plane = None
        pair.pump()
        pair.run(0.1)
        pair.client.send_audio(b"up")
        pair.accepted.send_audio(b"down")
        pair.run(0.1)
        assert (pair.client.stats.audio_in, pair.accepted.stats.audio_in) == (1, 1)


def test_a_client_acknowledges_every_tenth_datagram_or_after_600_ms() -> None:
    pair = Pair()
    pair.run(1)
    connection = pair.client.connection
    assert connection is not None
    acks = connection.stats.acks_out
    for _ in range(30):
        pair.accepted.send_audio(b"x")
        pair.run(0.02)
    assert connection.stats.acks_out == acks + 3
    pair.accepted.send_audio(b"alone")
    pair.run(0.599)
    assert connection.stats.acks_out == acks + 3
    pair.run(0.002)
    assert connection.stats.acks_out == acks + 4


def test_a_server_acknowledges_after_20_ms() -> None:
    pair = Pair()
    pair.run(1)
    connection = pair.accepted.connection
    assert connection is not None
    acks = connection.stats.acks_out
    pair.client.send_audio(b"x")
    pair.run(0.019)
    assert connection.stats.acks_out == acks
    pair.run(0.002)
    assert connection.stats.acks_out == acks + 1


def test_an_acknowledgement_rides_on_audio_that_leaves_anyway() -> None:
    pair = Pair()
    pair.run(1)
    packets = pair.accepted.stats.packets_out
    for _ in range(20):
        pair.client.send_audio(b"up")
        pair.accepted.send_audio(b"down")
        pair.run(0.02)
    assert pair.accepted.stats.packets_out == packets + 20
    assert pair.client.connection is not None
    assert pair.client.connection.stats.acked == 20


def test_each_side_advertises_how_long_it_delays_acknowledgements() -> None:
    pair = Pair()
    sent = {link: link._quic._serialize_transport_parameters() for link in (pair.client, pair.accepted)}
    from signaling.quic.configuration import Buffer, pull_quic_transport_parameters

    def promised(link: object) -> int | None:
        return pull_quic_transport_parameters(Buffer(data=sent[link])).max_ack_delay  # type: ignore[index]

    assert promised(pair.client) == CLIENT_ACKS.promised_ms == 600
    assert promised(pair.accepted) == SERVER_ACKS.promised_ms == 25
    assert pair.accepted._quic._loss.max_ack_delay == 0.025
    assert pair.accepted.connection is not None
    pair.accepted.send_audio(b"x")
    pair.run(1)
    assert pair.accepted.connection.probe_timeout_us >= 600_000  # native loss detection does wait that long


def test_a_stream_packet_is_acknowledged_at_once_though_audio_waits() -> None:
    pair = Pair()
    pair.client.send_stream(b"open")
    pair.run(1)
    pair.accepted.send_audio(b"waits up to 600 ms")
    pair.run(0.01)
    pair.accepted.send_stream(b"news")
    pair.run(0.01)
    assert pair.accepted.control_backlog_bytes == 0


def test_a_lost_control_message_is_repaired_soon_though_the_client_promises_600_ms() -> None:
    wire = Wire(promised_ms=600, delay_s=0.02)
    wire.client.send_stream_data(0, b"open")
    for _ in range(100):  # audio flows, as in a room
        wire.fan_out(bytes(150))
        wire.run(0.02)
    wire.drop = lambda to_server, data: not to_server
    wire.server.send_stream(b"news")
    wire.flush()
    wire.drop = lambda to_server, data: False
    sent_s = wire.now_s
    while not wire.control_down():
        wire.run(0.001)
        assert wire.now_s - sent_s < 1, "the repair waits for the acknowledgement delay of audio"
    # A round trip of 40 ms, its variation, 25 ms, and 20 ms of the way there.
    assert wire.now_s - sent_s < 0.13


def test_the_repair_is_as_soon_with_our_own_client() -> None:
    async def story() -> float:
        async with House(impairment=Impairment(delay_s=0.02)) as house:
            client = await house.connect()
            client.handle.send_stream(b"open")
            session = house.sessions[0] if house.sessions else None
            for _ in range(50):
                await asyncio.sleep(0.02)
                session = house.sessions[0]
                session.handle.send_audio(bytes(100))
            assert session is not None
            await asyncio.sleep(1)
            client.control = b""
            down = house.network.direction("10.0.0.1", "10.0.0.2")
            down.is_cut = True
            session.handle.send_stream(b"news")
            await asyncio.sleep(0.001)
            down.is_cut = False
            sent_s = house.clock()
            for _ in range(1000):
                await asyncio.sleep(0.001)
                if b"news" in client.control:
                    break
            return house.clock() - sent_s

    assert run(story(), limit_s=600) < 0.13


def test_the_place_in_the_plane_is_free_when_a_link_is_forgotten() -> None:
    pair = Pair()
    assert pair.server_plane is not None
    assert len(pair.server_plane) == 1
    pair.accepted.forget()
    assert len(pair.server_plane) == 0
    successor = pair.server_plane.open()
    pair.client.send_stream(b"late")
    for data, _ in pair.client.take_datagrams(pair.now_s):
        pair.accepted.receive(data, CLIENT, pair.now_s)
    assert pair.accepted.take_datagrams(pair.now_s) == []
    assert pair.accepted.timer() is None
    pair.accepted.on_timer(pair.now_s)
    pair.accepted.close(0)
    pair.accepted.forget()
    assert (successor.is_open, successor.packet_number, successor.ranges()) == (True, 0, [])


def test_a_full_plane_is_an_error_and_no_silent_change_of_manner() -> None:
    plane = Plane(connections=1)
    Wire(plane=plane).server.forget()
    kept = Wire(plane=plane)
    with pytest.raises(PlaneError) as caught:
        Wire(plane=plane)
    assert caught.value.code == "too_many_connections"
    assert kept.is_native


# Limits of keys


def test_a_used_key_is_replaced() -> None:
    wire = Wire()
    assert wire.fan_out(b"under the old key")
    wire.settle()
    wire.quic._sealed = wire.connection.seal_limit // 2
    wire.server.wake()
    wire.settle()
    assert wire.connection.stats.key_updates == 1
    assert 0 < wire.quic._sealed < 10  # the packet of the update was aioquic's
    assert wire.fan_out(b"under the new key")
    wire.settle()
    assert wire.audio_down() == [b"under the old key", b"under the new key"]
    assert len({key for key, _ in wire.opened}) == 2


def test_the_native_side_asks_for_a_new_key_by_itself() -> None:
    wire = Wire()
    wire.connection.set_others(sealed=wire.connection.seal_limit // 2)
    wire.server.send_audio(b"one more")
    wire.settle()
    wire.settle()
    assert wire.connection.stats.key_updates == 1
    assert not wire.connection.wants_key_update


def test_too_many_packets_that_do_not_open_close_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_GCM_INTEGRITY", 50)
    wire = Wire()
    for number in range(51):
        forged = bytes([0x40]) + wire.server.host_cid + number.to_bytes(40, "big")
        wire.to_server(forged)
    wire.run(0.02)
    assert wire.server.closed is None  # nothing that does not open may make us work
    wire.server.ping()
    wire.run(0.02)
    closed = wire.server.closed
    assert closed is not None
    assert (closed.cause, closed.code) == (Cause.TRANSPORT, 0x0F)


def test_a_packet_of_an_unknown_kind_is_left_to_aioquic() -> None:
    wire = Wire()
    for frames, is_slow in ((b"\x10\x41\x00", True), (ack_frame(1), False)):
        verdict, datagrams = wire.connection.receive(wire.crafted(frames), wire.client_address, wire.now_us)
        assert (verdict == SLOW, datagrams) == (is_slow, [])
