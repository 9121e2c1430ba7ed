"""Two senders under one window: what streams may fill, what is kept for audio, and what a loss costs."""

from __future__ import annotations

from dataclasses import dataclass

from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.tls import Epoch

from signaling.quic.congestion import SharedReno

PACKET = 1200


@dataclass
class Audio:
    in_flight_bytes: int = 0


def sent(bytes_: int, at_s: float = 1.0) -> QuicSentPacket:
    return QuicSentPacket(
        epoch=Epoch.ONE_RTT,
        in_flight=True,
        is_ack_eliciting=True,
        is_crypto_packet=False,
        packet_number=1,
        packet_type=QuicPacketType.ONE_RTT,
        sent_time=at_s,
        sent_bytes=bytes_,
    )


def free(reno: SharedReno) -> int:
    return reno.congestion_window - reno.bytes_in_flight


def test_alone_it_is_plain_reno() -> None:
    reno = SharedReno(max_datagram_size=PACKET)
    assert free(reno) == 10 * PACKET
    reno.on_packet_sent(packet=sent(500))
    assert reno.bytes_in_flight == 500
    reno.on_packet_acked(now=2.0, packet=sent(500))
    assert (reno.bytes_in_flight, reno.congestion_window) == (0, 10 * PACKET + 500)


def test_streams_leave_two_packets_and_what_audio_has_in_flight() -> None:
    reno = SharedReno(max_datagram_size=PACKET)
    reno.other = audio = Audio()
    assert free(reno) == 8 * PACKET
    audio.in_flight_bytes = 1000
    assert free(reno) == 8 * PACKET - 1000
    reno.on_packet_sent(packet=sent(PACKET))
    assert free(reno) == 7 * PACKET - 1000


def test_what_audio_has_in_flight_does_not_become_aioquics_own() -> None:
    reno = SharedReno(max_datagram_size=PACKET)
    reno.other = audio = Audio(3000)
    reno.on_packet_sent(packet=sent(PACKET))
    audio.in_flight_bytes = 0
    reno.on_packet_sent(packet=sent(PACKET))
    audio.in_flight_bytes = 700
    reno.on_packets_expired(packets=[sent(PACKET)])
    reno.on_packet_acked(now=2.0, packet=sent(PACKET))
    reno.other = None
    assert reno.bytes_in_flight == 0


def test_one_packet_always_fits_however_much_audio_is_in_flight() -> None:
    reno = SharedReno(max_datagram_size=PACKET)
    reno.other = Audio(1_000_000)
    assert free(reno) == PACKET
    reno.on_packet_sent(packet=sent(PACKET))
    assert free(reno) == 0
    reno.on_persistent_congestion()
    assert reno.congestion_window == 2 * PACKET
    reno.on_packet_acked(now=2.0, packet=sent(PACKET))
    assert free(reno) >= PACKET


def test_a_small_window_keeps_half_of_itself_for_audio() -> None:
    reno = SharedReno(max_datagram_size=PACKET)
    reno.other = Audio()
    reno.on_persistent_congestion()
    assert free(reno) == PACKET


def test_losses_of_one_recovery_period_are_one_event() -> None:
    reno = SharedReno(max_datagram_size=PACKET)
    reno.other = Audio()
    for _ in range(20):
        reno.other_lost(sent_s=1.0, now_s=2.0)
    assert reno.congestion_window == 5 * PACKET
    reno.other_lost(sent_s=1.9, now_s=2.1)  # sent before the first was noticed
    assert reno.congestion_window == 5 * PACKET
    reno.other_lost(sent_s=2.05, now_s=2.2)
    assert reno.congestion_window == 5 * PACKET // 2
