"""What must hold whatever a peer, the network or a clock does while two stacks share a connection.

Each test names its invariant. That no packet number repeats is in test_quic_packet_numbers.py, what is used
of aioquic in test_quic_contract.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from aioquic.quic.connection import QuicConnectionError
from aioquic.quic.rangeset import RangeSet
from aioquic.tls import Epoch

from signaling.quic.events import Cause
from signaling.quic.shared_space import to_us
from spacecore._plane import DONE, TX, Plane
from tests.signaling.quic_pair import Pair
from tests.signaling.quic_wire import ONE_RTT, Wire, ack_frame

PROTOCOL_VIOLATION = 0xA
MAX_DATA = b"\x10\x41\x00"  # a frame that only aioquic understands
STREAM = b"\x0a\x00\x04open"
ELSEWHERE = ("10.9.9.9", 1)


# An acknowledgement of what was never sent ends the connection


@pytest.mark.parametrize("before", [b"", MAX_DATA], ids=["natively", "by aioquic"])
def test_an_optimistic_acknowledgement_closes(before: bytes) -> None:
    wire = Wire()
    wire.to_server(wire.crafted(before + ack_frame(1_000_000)))
    wire.settle()
    closed = wire.server.closed
    assert closed is not None
    assert (closed.cause, closed.code) == (Cause.TRANSPORT, PROTOCOL_VIOLATION)
    told = wire.client_closed()
    assert told is not None
    assert told.error_code == PROTOCOL_VIOLATION


def test_the_next_packet_number_is_the_first_that_was_never_sent() -> None:
    for beyond in (0, 1):
        wire = Wire()
        wire.to_server(wire.crafted(ack_frame(wire.connection.packet_number - 1 + beyond)))
        wire.run(0.01)
        assert (wire.server.closed is not None) == bool(beyond)


@pytest.mark.parametrize("epoch", [Epoch.INITIAL, Epoch.HANDSHAKE, Epoch.ONE_RTT])
def test_an_optimistic_acknowledgement_is_refused_in_every_packet_number_space(epoch: Epoch) -> None:
    wire = Wire()
    with pytest.raises(QuicConnectionError) as caught:
        wire.quic._loss.on_ack_received(
            ack_rangeset=RangeSet([range(0, 1_000_000)]),
            ack_delay=0.0,
            now=wire.now_s,
            space=wire.quic._spaces[epoch],
        )
    assert caught.value.error_code == PROTOCOL_VIOLATION


# A packet counts once, whoever sees it first


def test_a_replay_is_dropped_natively() -> None:
    wire = Wire()
    packet = wire.crafted(b"\x31\x03abc")
    for _ in range(3):
        wire.to_server(packet)
    wire.settle()
    assert wire.audio_up() == [b"abc"]
    assert wire.connection.stats.duplicates == 2


def test_what_aioquic_took_in_is_a_duplicate_natively() -> None:
    wire = Wire()
    packet = wire.crafted(b"\x31\x03abc" + STREAM)
    wire.to_server(packet)
    wire.settle()
    wire.to_server(packet)
    wire.settle()
    assert (wire.audio_up(), wire.control_up()) == ([b"abc"], b"open")
    assert wire.connection.stats.duplicates == 1


def test_what_was_taken_in_natively_is_a_duplicate_for_aioquic() -> None:
    wire = Wire()
    packet = wire.crafted(b"\x31\x03abc")
    wire.server.receive(packet, wire.client_address, wire.now_s)
    wire.server.receive(packet, wire.client_address, wire.now_s, native_first=False)
    wire.settle()
    assert wire.audio_up() == [b"abc"]


# Bytes that are not authentic change nothing


def test_a_damaged_packet_changes_nothing() -> None:
    wire = Wire()
    wire.speak(0.2)
    wire.settle()
    packet = wire.crafted(b"\x31\x03abc" + ack_frame(wire.connection.packet_number - 1))

    def state() -> list[object]:
        connection, quic = wire.connection, wire.quic
        return [
            connection.ranges(),
            connection.largest_pn,
            connection.expected_pn,
            connection.ack_due_us,
            connection.received_us,
            connection.in_flight_bytes,
            wire.server.peer_address,
            len(quic._network_paths),
            quic.get_timer(),
        ]

    wire.quic.handle_timer(wire.now_s)  # aioquic hears of native packets when it is next called
    before = state()
    for at in range(1, len(packet)):
        damaged = bytearray(packet)
        damaged[at] ^= 1 << at % 8
        for address in (wire.client_address, ELSEWHERE):
            wire.server.receive(bytes(damaged), address, wire.now_s)
    assert state() == before
    wire.to_server(packet)
    wire.settle()
    assert wire.audio_up() == [b"abc"]


# Native packets leave only while the connection is confirmed, its peer's address is validated, and it is open


def test_nothing_is_sealed_before_the_handshake_is_confirmed() -> None:
    pair = Pair(handshake=False, native=True)
    for _ in range(10):
        connection = pair.client.connection
        assert connection is not None
        if pair.client._quic._handshake_confirmed:
            assert connection.flags
            break
        assert connection.flags == 0
        assert connection.seal(b"too early", to_us(pair.now_s)) is None
        for data, _ in pair.client.take_datagrams(pair.now_s):
            pair._to_server(data)
        for data, _ in pair.accepted.take_datagrams(pair.now_s):
            pair.client.receive(data, ("10.0.0.1", 4433), pair.now_s)
    else:
        raise AssertionError("the handshake did not complete")


def test_our_close_silences_native_in_the_same_call() -> None:
    wire = Wire()
    assert wire.fan_out(b"before")
    wire.server.close(0)
    assert not wire.fan_out(b"after")
    wire.settle()
    assert wire.audio_down() == [b"before"]


def test_the_peers_close_silences_native() -> None:
    wire = Wire()
    wire.client.close(error_code=0, reason_phrase="bye")
    wire.run(0.02)
    assert wire.server.closed is not None
    assert not wire.fan_out(b"after")


def test_the_keys_are_gone_when_the_closing_period_is_over() -> None:
    wire = Wire()
    wire.server.close(0)
    wire.run(3)
    assert wire.server.terminated
    wire.connection.flags = TX  # even if somebody allowed it
    assert wire.connection.seal(b"x", wire.now_us) is None


def test_rebinding_silences_native_until_the_new_address_is_validated() -> None:
    wire = Wire()
    wire.client_address = ("10.0.0.2", 6000)
    wire.to_server(wire.crafted(b"\x31\x03abc"))
    wire.run(0.0101)
    assert wire.server.peer_address == wire.client_address
    assert wire.audio_up() == [b"abc"]
    assert not wire.fan_out(b"too early")
    wire.run(0.025)  # the challenge goes there, the answer comes back
    assert wire.fan_out(b"validated")
    wire.settle()
    assert wire.audio_down() == [b"validated"]


def test_what_the_native_side_owes_is_acknowledged_by_aioquic_while_it_is_barred() -> None:
    wire = Wire()
    wire.server.receive(wire.crafted(b"\x31\x03abc"), wire.client_address, wire.now_s)
    assert wire.connection.ack_due_us == wire.now_us + 20_000
    space = wire.quic.shared_space
    assert space.ack_at is None
    wire.server.receive(wire.crafted(ack_frame(1)), ("10.0.0.2", 6000), wire.now_s)  # asks for no ACK itself
    assert not wire.is_native
    assert space.ack_at == wire.now_s
    assert wire.server.take_datagrams(wire.now_s)
    assert wire.connection.ack_due_us is space.ack_at is None


def test_an_address_that_never_answers_stays_without_native_audio() -> None:
    wire = Wire()
    packet = wire.crafted(b"\x31\x03abc")
    wire.drop = lambda to_server, data: not to_server
    wire.to_server(packet, ELSEWHERE)
    wire.run(0.05)
    assert wire.server.peer_address == ELSEWHERE
    assert wire.speak(0.5) == 0
    assert wire.sent[0] < 40  # what aioquic asks there is bounded by what came from there
    wire.run(0.5)  # RFC 9000 section 9.3.2: without an answer the address of before counts
    assert wire.server.peer_address == wire.client_address
    assert wire.is_native


# The idle timeout counts what either stack has received


def test_native_packets_keep_the_connection_alive() -> None:
    wire = Wire(idle_s=2.0)
    slow = wire.connection.stats.slow
    for _ in range(100):
        wire.client.send_datagram_frame(b"here")
        wire.run(0.1)
    assert wire.server.closed is None
    assert wire.connection.stats.slow == slow  # aioquic has not seen one of them


def test_silence_ends_the_connection_though_we_send() -> None:
    wire = Wire(idle_s=2.0)
    wire.drop = lambda to_server, data: to_server
    wire.speak(4)
    closed = wire.server.closed
    assert closed is not None
    assert closed.cause is Cause.IDLE
    assert not wire.fan_out(b"x")


# Changes of ids and keys take effect at once


def test_a_new_id_of_the_peer_is_on_the_next_packet() -> None:
    wire = Wire()
    wire.quic.change_connection_id()
    wire.flush()
    sealed = wire.connection.seal(b"x", wire.now_us)
    assert sealed is not None
    assert sealed[1:9] == wire.quic._peer_cid.cid
    wire.run(0.1)
    assert wire.fan_out(b"new id")
    wire.settle()
    assert wire.audio_down() == [b"new id"]


def test_our_new_id_is_found_in_the_plane_as_soon_as_the_peer_uses_it() -> None:
    wire = Wire()
    first = wire.crafted(b"\x01")
    assert wire.plane.find(first) is not None
    wire.client.change_connection_id()
    packet = wire.crafted(b"\x31\x03abc")
    assert packet[1:9] != first[1:9]
    assert wire.plane.find(packet) is None
    wire.to_server(packet)
    wire.settle()
    assert wire.audio_up() == [b"abc"]
    assert wire.plane.find(packet) == (wire.connection.slot, wire.connection.generation)
    assert wire.plane.find(first) is None


def test_the_previous_key_is_kept_for_packets_under_way() -> None:
    wire = Wire()
    late = wire.crafted(b"\x31\x04late")
    wire.quic.request_key_update()
    wire.server.ping()
    wire.settle()
    wire.client.send_datagram_frame(b"new key")
    wire.settle()
    wire.to_server(late)
    wire.settle()
    assert wire.audio_up() == [b"new key", b"late"]
    assert wire.connection.stats.key_updates == 1


def test_garbage_with_a_flipped_phase_causes_no_key_update() -> None:
    wire = Wire()
    dice = random.Random(5)
    derived: list[str] = []
    updated = wire.quic._log_key_updated
    wire.quic._log_key_updated = lambda *arguments: (derived.append("x"), updated(*arguments))  # type: ignore
    for _ in range(200):
        wire.to_server(bytes([0x40 | dice.randrange(64)]) + wire.server.host_cid + dice.randbytes(60))
    wire.settle()
    assert derived == []
    assert wire.connection.stats.forged == 200
    assert wire.connection.stats.slow == 1  # from the handshake


# One bad peer disturbs nobody else


def test_a_peer_that_is_full_does_not_silence_another() -> None:
    plane = Plane(connections=2)
    bad, good = Wire(plane=plane), Wire(plane=plane)
    bad.drop = lambda to_server, data: to_server
    while bad.fan_out(bytes(1000)):
        pass
    bad.to_server(bad.crafted(ack_frame(1_000_000)))
    assert good.speak(1) == 50
    bad.server.close(0)
    bad.server.forget()
    assert len(plane) == 1
    assert good.speak(1) == 50
    good.settle()
    assert len(good.audio_down()) == 100


# A clock that lags behind is harmless


def test_a_stale_now_is_lifted_to_what_the_native_side_has_seen() -> None:
    wire = Wire()
    wire.to_server(wire.crafted(b"\x31\x01a"))
    wire.run(0.02)
    wire.quic.shared_space.ack_at = wire.now_s - 6
    # `now` minus the time of arrival would be negative, and aioquic cannot write that.
    ((packet, _),) = wire.quic.datagrams_to_send(wire.now_s - 5)
    wire.client.receive_datagram(packet, ("10.0.0.1", 4433), wire.now_s)
    assert wire.client._spaces[ONE_RTT].ack_eliciting_in_flight == 0
    wire.quic.handle_timer(wire.now_s - 5)
    wire.quic.receive_datagram(wire.crafted(STREAM), wire.client_address, wire.now_s - 5)
    assert wire.server.closed is None


# The work of one packet is bounded


def test_an_acknowledgement_of_very_many_ranges_is_taken() -> None:
    wire = Wire()
    wire.connection.packet_number += 4_000
    assert wire.speak(0.2) == 10
    top = wire.connection.packet_number - 1
    ranges = 500
    frame = b"\x02" + (top | 0x8000_0000).to_bytes(4, "big") + b"\x00"
    frame += (ranges | 0x4000).to_bytes(2, "big") + b"\x00" + b"\x00\x00" * ranges
    verdict, _ = wire.connection.receive(wire.crafted(frame), wire.client_address, wire.now_us)
    assert verdict == DONE
    assert wire.connection.in_flight_packets <= 128
    assert wire.speak(0.2) == 10


@pytest.mark.parametrize("taken", [Wire.fan_out, lambda wire, data: wire.connection.acknowledge(wire.now_us)])
def test_what_is_remembered_of_native_packets_is_bounded(taken: Callable[[Wire, bytes], object]) -> None:
    wire = Wire()
    wire.drop = lambda to_server, data: True
    for _ in range(1000):
        taken(wire, b"x")
        assert wire.connection.in_flight_packets <= 128


def test_at_most_64_ranges_are_remembered() -> None:
    wire = Wire()
    for number in range(200):
        wire.client._packet_number += 1
        wire.to_server(wire.crafted(b"\x31\x01a"))
        if number % 20 == 0:
            wire.run(0.011)
    assert len(wire.connection.ranges()) <= 64
    wire.settle()
    assert len(wire.audio_up()) == 200
