"""What two senders on one connection owe each other, and the fate of every packet: acknowledged or lost."""

from __future__ import annotations

import random

from tests.signaling.quic_wire import ONE_RTT, Wire, ack_frame

MAX_DATA = b"\x10\x41\x00"  # a frame that only aioquic understands


# Congestion: audio is neither starved nor gagged, and does not starve control


def test_streams_do_not_starve_audio() -> None:
    wire = Wire()
    wire.client.send_stream_data(0, b"open")
    wire.run(0.1)
    assert wire.server.send_stream(bytes(1_000_000))
    wire.quic._loss._cc.congestion_window = 4800
    assert wire.speak(1.5) == 75
    wire.run(5)
    assert len(wire.audio_down()) == 75
    assert len(wire.control_down()) == 1_000_000


def test_streams_see_what_audio_has_in_flight_and_leave_it_room() -> None:
    wire = Wire()
    loss = wire.quic._loss
    assert loss.congestion_window - loss.bytes_in_flight <= loss.congestion_window - 2400
    before = loss.bytes_in_flight
    assert wire.fan_out(bytes(1000))
    assert loss.bytes_in_flight - before == wire.connection.in_flight_bytes > 1000


def test_audio_may_have_the_whole_window_in_flight() -> None:
    wire = Wire()
    wire.quic._loss._cc.congestion_window = 40_000
    wire.server.ping()
    wire.flush()
    while wire.fan_out(bytes(1000)):
        pass
    assert 38_000 < wire.connection.in_flight_bytes <= 40_000


def test_audio_does_not_starve_control() -> None:
    wire = Wire()
    wire.client.send_stream_data(0, b"open")
    wire.run(0.1)
    wire.quic._loss._cc.congestion_window = 2400
    while wire.fan_out(bytes(1000)):  # as much in flight as audio may have
        pass
    assert wire.connection.in_flight_bytes > 2400
    wire.server.send_stream(b"news" * 200)
    wire.run(0.011)
    assert wire.control_down() == b"news" * 200


def test_a_lost_tail_does_not_gag_audio() -> None:
    wire = Wire()
    wire.speak(0.5)
    wire.settle()
    wire.drop = lambda to_server, data: not to_server
    while wire.fan_out(bytes(1000)):
        pass
    wire.drop = lambda to_server, data: False
    before = len(wire.audio_down())
    assert wire.speak(1) >= 40  # refused for a probe timeout at the most
    wire.settle()
    assert len(wire.audio_down()) - before >= 40


def test_a_peer_that_never_acknowledges_has_a_bounded_amount_in_flight() -> None:
    wire = Wire(idle_s=60.0, delay_s=0.1)
    wire.speak(0.5)
    wire.settle()
    wire.drop = lambda to_server, data: to_server
    taken = 0
    for number in range(500):
        taken += wire.fan_out(number.to_bytes(2, "big") + bytes(1000))
        wire.run(0.02)
        assert wire.connection.in_flight_bytes <= 16 * 1024 + 1100  # the window, and one that asks
        assert wire.connection.in_flight_packets <= 128
    assert 20 <= taken < 100  # of 500: the patience doubles while nothing is acknowledged
    wire.drop = lambda to_server, data: False
    wire.client.send_ping(1)
    wire.settle()
    assert wire.speak(1) >= 45  # the first ones ask whether it is there again


def test_a_burst_of_native_losses_halves_the_window_once() -> None:
    wire = Wire()
    wire.speak(0.5)
    wire.settle()
    window = wire.quic._loss.congestion_window
    assert window >= 12_000
    wire.drop = lambda to_server, data: not to_server
    for _ in range(10):
        assert wire.fan_out(bytes(100))
    wire.drop = lambda to_server, data: False
    wire.speak(0.3)
    wire.server.ping()
    wire.settle()
    assert wire.connection.stats.lost == 10
    assert wire.quic._loss.congestion_window == window // 2


def test_native_losses_that_are_found_one_after_the_other_halve_the_window_once() -> None:
    wire = Wire(delay_s=0.1)
    wire.speak(1)
    wire.settle()
    window = wire.quic._loss.congestion_window
    before = wire.connection.stats.lost
    for number in range(30):
        lost = number in (0, 4, 8)  # all sent before the first of them is missed
        wire.drop = lambda to_server, data, lost=lost: lost and not to_server  # type: ignore[misc]
        assert wire.fan_out(bytes(100))
        wire.drop = lambda to_server, data: False
        wire.server.wake()  # aioquic learns of losses when it is called
        wire.run(0.02)
    assert wire.connection.stats.lost == before + 3
    assert wire.quic._loss.congestion_window == window // 2


# Every native packet is acknowledged, or lost, once


def test_an_acknowledgement_that_aioquic_reads_counts_for_native_packets() -> None:
    wire = Wire()
    wire.drop = lambda to_server, data: True
    for _ in range(3):
        assert wire.fan_out(bytes(100))
    wire.now_s += 0.05
    packet = wire.crafted(MAX_DATA + ack_frame(wire.connection.packet_number - 1, first_range=2))
    wire.server.receive(packet, wire.client_address, wire.now_s)
    assert wire.connection.stats.acked == 3
    assert wire.connection.in_flight_bytes == 0
    assert wire.connection.rtt_us[0] == 50_000


def test_native_datagrams_of_the_peer_are_acknowledged() -> None:
    wire = Wire()
    for _ in range(55):
        wire.client.send_datagram_frame(b"up")
        wire.run(0.02)
    wire.settle()
    assert wire.audio_up() == [b"up"] * 55
    assert wire.client._spaces[ONE_RTT].ack_eliciting_in_flight == 0
    assert wire.client._loss.bytes_in_flight == 0


def test_each_native_packet_is_acknowledged_or_lost_exactly_once() -> None:
    wire = Wire()
    dice = random.Random(11)
    wire.drop = lambda to_server, data: dice.random() < 0.1
    taken = wire.speak(10)
    wire.drop = lambda to_server, data: False
    taken += wire.speak(1)
    wire.settle()
    stats = wire.connection.stats
    assert stats.datagrams_out == taken
    assert stats.acked + stats.lost == taken
    assert wire.connection.in_flight_bytes == 0
    assert stats.acked == len(wire.audio_down())
    assert 20 < stats.lost < 100


def test_a_lost_acknowledgement_of_aioquics_does_not_send_all_others_to_it() -> None:
    wire = Wire()
    wire.to_server(wire.crafted(b"\x31\x01a"))
    wire.run(0.011)
    wire.quic.shared_space.ack_at = wire.now_s
    assert len(wire.quic.datagrams_to_send(wire.now_s)) == 1  # and it never arrives
    assert len(wire.quic.shared_space.sent_packets) == 1
    slow = wire.connection.stats.slow
    assert wire.speak(1) >= 45  # the first ones ask whether it is there again
    wire.settle()
    assert wire.connection.stats.acked == 50
    assert wire.connection.stats.slow == slow
