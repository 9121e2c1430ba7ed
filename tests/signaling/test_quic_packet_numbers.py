"""No packet number is used twice under one key, judged by what an unmodified aioquic client has opened."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet_builder import QuicPacketBuilder

from spacecore.errors import PlaneError
from tests.signaling.quic_wire import ONE_RTT, Wire

SEED = 20_261
OPERATIONS = 100_000


class Storm:
    """Random operations of both ends on a wire without delay that loses packets."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.wire = Wire(delay_s=0.0)
        self.written = bytearray()
        self.refused = 0
        self.updated_at = (0, 0)
        self.wire.client.send_stream_data(0, b"open")
        self.wire.run(0.1)
        self.choices: list[tuple[float, Callable[[], None]]] = [
            (0.62, self.seal),
            (0.10, self.listen),
            (0.05, self.write),
            (0.04, self.queue),
            (0.02, self.wire.server.ping),
            (0.02, self.speak),
            (0.13, self.answer),
            (0.01, self.tick),
            (0.0005, lambda: self.update(self.wire.quic)),
            (0.0005, lambda: self.update(self.wire.client)),
            (0.001, self.wire.quic.change_connection_id),
            (0.001, self.wire.client.change_connection_id),
        ]

    def run(self, operations: int) -> None:
        weights = [weight for weight, _ in self.choices]
        actions = [action for _, action in self.choices]
        for action in self.dice.choices(actions, weights, k=operations):
            self.wire.now_s += 0.0004
            action()

    def seal(self) -> None:
        """As a fan-out does, beside the link."""
        wire = self.wire
        sealed = wire.connection.seal(b"audio", wire.now_us)
        if sealed is None:
            self.refused += 1
        elif self.dice.random() > 0.02:
            wire.client.receive_datagram(sealed, ("10.0.0.1", 4433), wire.now_s)

    def update(self, quic: QuicConnection) -> None:
        """Not before the other side has read a packet under the present keys: RFC 9001 section 6.1."""
        wire = self.wire
        read = (wire.opened[-1][1], wire.connection.largest_pn)
        if read[0] >= self.updated_at[0] and read[1] >= self.updated_at[1]:
            self.updated_at = (wire.connection.packet_number, wire.client._packet_number)
            quic.request_key_update()
            quic.send_ping(99)

    def queue(self) -> None:
        self.wire.server.send_audio(b"through the link")

    def write(self) -> None:
        data = self.dice.randbytes(self.dice.randrange(1, 600))
        if self.wire.server.control_backlog_bytes < 100_000 and self.wire.server.send_stream(data):
            self.written += data

    def listen(self) -> None:
        """Our link sends what it has."""
        wire = self.wire
        for data, _ in wire.server.take_datagrams(wire.now_s):
            if self.dice.random() > 0.02:
                wire.client.receive_datagram(data, ("10.0.0.1", 4433), wire.now_s)

    def speak(self) -> None:
        self.wire.client.send_datagram_frame(b"up")

    def answer(self) -> None:
        """The client sends what it has; a fifth of its acknowledgements is lost."""
        wire = self.wire
        for data, _ in wire.client.datagrams_to_send(wire.now_s):
            if self.dice.random() > 0.2:
                wire.server.receive(data, wire.client_address, wire.now_s)
        while (event := wire.client.next_event()) is not None:
            wire.client_events.append(event)
        wire.server.take_events()

    def tick(self) -> None:
        for end in (self.wire.client, self.wire.server):
            at_s = end.timer() if end is self.wire.server else end.get_timer()  # type: ignore[union-attr]
            if at_s is not None and at_s <= self.wire.now_s:
                (end.on_timer if end is self.wire.server else end.handle_timer)(self.wire.now_s)  # type: ignore[union-attr]


def test_packet_numbers_never_repeat() -> None:
    storm = Storm(SEED)
    storm.run(OPERATIONS)
    wire = storm.wire
    wire.run(5)
    shown = f"repeat with Storm({SEED}).run({OPERATIONS})"
    assert wire.server.closed is None, shown
    opened = wire.opened
    assert len(opened) > OPERATIONS // 2, shown
    assert len(set(opened)) == len(opened), shown
    # One counter for both stacks: a number does not even come again under another key.
    assert len({number for _, number in opened}) == len(opened), shown
    assert len({key for key, _ in opened}) > 50, shown
    assert wire.control_down() == bytes(storm.written), shown
    stats = wire.connection.stats
    assert stats.acked > OPERATIONS // 4, shown
    assert storm.refused < OPERATIONS // 10, shown


def test_the_packet_number_cannot_go_back() -> None:
    wire = Wire()
    before = wire.connection.packet_number
    with pytest.raises(PlaneError) as caught:
        wire.quic._packet_number -= 1
    assert caught.value.code == "went_back"
    assert wire.quic._packet_number == wire.connection.packet_number == before


def test_native_sending_is_barred_while_aioquic_builds() -> None:
    wire = Wire()
    built: list[bytes | None] = []
    build = wire.quic._write_application

    def spy(*arguments: object) -> None:
        built.append(wire.connection.seal(b"in between", wire.now_us))
        build(*arguments)  # type: ignore[arg-type]

    wire.quic._write_application = spy  # type: ignore[method-assign, assignment]
    wire.server.ping()
    wire.flush()
    assert built == [None]
    assert wire.fan_out(b"afterwards")
    wire.settle()
    assert wire.audio_down() == [b"afterwards"]


def test_an_error_while_aioquic_builds_gives_no_number_back() -> None:
    wire = Wire()
    build = wire.quic._write_application
    sealed: list[int] = []

    def broken(builder: QuicPacketBuilder, *arguments: object) -> None:
        build(builder, *arguments)  # type: ignore[arg-type]
        builder.flush()
        sealed.append(builder.packet_number - 1)
        raise RuntimeError("as a fault inside aioquic would")

    wire.quic._write_application = broken  # type: ignore[method-assign, assignment]
    wire.server.ping()
    with pytest.raises(RuntimeError):
        wire.flush()
    del wire.quic._write_application
    assert wire.connection.packet_number > sealed[0]
    assert wire.is_native  # the lock was given back, and what may be done is what aioquic's state says
    assert wire.fan_out(b"still")
    wire.settle()
    assert len(set(wire.opened)) == len(wire.opened)


def test_a_number_after_a_long_run_without_acknowledgement_takes_four_bytes() -> None:
    wire = Wire()
    wire.connection.packet_number += 40_000
    assert wire.fan_out(b"far ahead")
    wire.settle()
    assert wire.audio_down() == [b"far ahead"]
    assert wire.client._spaces[ONE_RTT].largest_received_packet > 40_000
