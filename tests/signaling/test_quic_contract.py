"""Holds every private name and every behaviour of aioquic that signaling/quic relies on. Fails on an upgrade.

If the first test fails: read what changed in aioquic's quic/connection.py between the two versions, make the
others pass, then add the new version to TESTED_VERSIONS in signaling/quic/versions.py.
"""

from __future__ import annotations

import ast
import inspect
from collections import deque
from collections.abc import Callable
from pathlib import Path

import aioquic
import pytest
from aioquic._buffer import Buffer
from aioquic.quic.congestion.reno import RenoCongestionControl
from aioquic.quic.connection import QuicConnection, QuicConnectionState
from aioquic.quic.crypto import CryptoContext, derive_key_iv_hp, next_key_phase
from aioquic.quic.packet import pull_quic_transport_parameters, push_quic_transport_parameters
from aioquic.quic.packet_builder import PACKET_NUMBER_SEND_SIZE
from aioquic.quic.rangeset import RangeSet
from aioquic.quic.recovery import (
    MAX_ACK_RANGES,
    QuicPacketNumberWindow,
    QuicPacketRecovery,
    QuicPacketSpace,
)
from aioquic.tls import CipherSuite, Epoch
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.quic import bridge, versions
from signaling.quic.bridge_guards import GuardedConnection
from signaling.quic.congestion import SharedReno
from signaling.quic.errors import AioquicError
from signaling.quic.events import Ending
from signaling.quic.shared_space import SharedSpace
from spacecore._plane import Plane
from tests.signaling.quic_pair import CLIENT, SERVER, Pair

ROOT = Path(__file__).parents[2]


def test_this_aioquic_was_read_and_tested() -> None:
    assert aioquic.__version__ in versions.TESTED_VERSIONS, __doc__


@pytest.mark.parametrize("version", ["1.6.1", "1.7.1", "1.7.3", "1.8.0", "2.0.0", "nonsense"])
def test_versions_that_were_not_tested_are_refused(version: str) -> None:
    with pytest.raises(AioquicError, match=r"aioquic==1\.7\.2") as caught:
        versions.check_version(version)
    assert caught.value.code == "aioquic_version"


@pytest.mark.parametrize("version", versions.TESTED_VERSIONS)
def test_a_tested_version_is_taken(version: str) -> None:
    versions.check_version(version)


@pytest.mark.parametrize("native", [False, True])
def test_every_private_name_exists_and_has_the_type_that_is_used(native: bool) -> None:
    pair = Pair(native=native)
    pair.client.send_stream(b"x")
    pair.run(0.1)
    for quic in (pair.client._quic, pair.accepted._quic):
        assert type(quic) is (bridge.SharedConnection if native else GuardedConnection)
        assert quic._max_datagram_size == 1200
        assert quic._remote_max_datagram_frame_size == 65535
        assert len(quic._peer_cid.cid) == 8
        assert type(quic._datagrams_pending) is deque
        assert type(quic._streams) is dict
        assert quic._local_max_streams_bidi.value == quic._local_max_streams_bidi.sent == 4
        assert quic._local_max_streams_uni.value == quic._local_max_streams_uni.sent == 0
        assert quic._state is QuicConnectionState.CONNECTED
        assert quic._close_event is None
        assert isinstance(quic._loss._rtt_smoothed, float)
        sender = quic._streams[0].sender
        assert isinstance(sender._buffer_stop - sender._buffer_start, int)
    assert pair.client._quic.tls._peer_certificate is not None
    assert pair.accepted._quic.tls._peer_certificate is None
    assert PACKET_NUMBER_SEND_SIZE == 2


# What a connection shares with the native data plane


def parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_every_method_that_is_overridden_or_wrapped_has_the_signature_that_is_used() -> None:
    expected = {
        QuicConnection._initialize: ["self", "peer_cid"],
        QuicConnection._serialize_transport_parameters: ["self"],
        QuicConnection._parse_transport_parameters: ["self", "data", "from_session_ticket"],
        QuicConnection._log_key_updated: ["self", "key_type", "trigger"],
        QuicConnection._log_key_retired: ["self", "key_type", "trigger"],
        QuicConnection._idle_timeout: ["self"],
        QuicConnection._write_stream_limits: ["self", "builder", "space", "stream"],
        QuicConnection._write_connection_limits: ["self", "builder", "space"],
        QuicConnection._handle_stream_frame: ["self", "context", "frame_type", "buf"],
        QuicConnection._handle_path_challenge_frame: ["self", "context", "frame_type", "buf"],
        QuicConnection._stream_is_discarded: ["self", "stream_id"],
        QuicConnection.receive_datagram: ["self", "data", "addr", "now"],
        QuicConnection.datagrams_to_send: ["self", "now"],
        QuicConnection.handle_timer: ["self", "now"],
        QuicConnection.close: ["self", "error_code", "frame_type", "reason_phrase"],
        QuicConnection.request_key_update: ["self"],
        QuicConnection.send_ping: ["self", "uid"],
        QuicPacketRecovery.on_ack_received: ["self", "ack_rangeset", "ack_delay", "now", "space"],
        RenoCongestionControl.on_packets_lost: ["self", "now", "packets"],
        RenoCongestionControl.__init__: ["self", "max_datagram_size"],
        derive_key_iv_hp: ["cipher_suite", "secret", "version"],
        next_key_phase: ["self"],
    }
    assert {function: parameters(function) for function in expected} == expected


def test_every_shared_name_exists_and_has_the_type_that_is_used() -> None:
    plain = Pair(native=False)
    plain.run(0.1)
    for quic in (plain.client._quic, plain.accepted._quic):
        assert isinstance(quic._packet_number, int)
        assert isinstance(quic._close_at, float)
        assert isinstance(quic._ack_eliciting_sent_since_receipt, bool)
        assert isinstance(quic._connect_called, bool)
        assert quic._handshake_confirmed is True
        assert quic._close_pending is quic._probe_pending is False
        assert quic._ping_pending == quic._retire_connection_ids == []
        assert quic._network_paths[0].is_validated is True
        assert quic._network_paths[0].addr in (SERVER, CLIENT)
        assert quic._local_ack_delay_exponent == quic._remote_ack_delay_exponent == 3
        assert set(quic._spaces) == {Epoch.INITIAL, Epoch.HANDSHAKE, Epoch.ONE_RTT}
        assert quic._loss.spaces == list(quic._spaces.values())
        pair = quic._cryptos[Epoch.ONE_RTT]
        assert pair._update_key_requested is False
        for context in (pair.send, pair.recv):
            assert type(context) is CryptoContext
            assert context.key_phase == 0
            assert isinstance(context.secret, bytes)
            assert context.cipher_suite in CipherSuite
            assert context.version == 1
        loss = quic._loss
        assert type(loss._cc) is SharedReno
        assert loss._rtt_initialized is True
        for seconds in (loss._rtt_smoothed, loss._rtt_variance, loss._rtt_min, loss._rtt_latest):
            assert isinstance(seconds, float)
        assert isinstance(loss._rtt_first_sample_time, float)
        assert loss.max_ack_delay == 0.025


def test_the_shared_space_has_every_attribute_of_aioquics_own() -> None:
    own = {name for name in vars(QuicPacketSpace(is_application_data=True)) if not name.startswith("_")}
    shared = SharedSpace(Plane(connections=1).open())
    assert [name for name in sorted(own) if not hasattr(shared, name)] == []
    reference = QuicPacketSpace(is_application_data=True)
    for name in own - {"ack_queue", "received_packets"}:
        assert getattr(shared, name) == getattr(reference, name), name


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(0, 300))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_shared_ranges_and_window_are_aioquics(numbers: list[int], forgotten: int) -> None:
    shared = SharedSpace(Plane(connections=1).open())
    reference = QuicPacketSpace(is_application_data=True)
    for number in numbers:
        assert (number in shared.received_packets) == (number in reference.received_packets)
        for space in (shared, reference):
            if number not in space.received_packets:
                space.received_packets.add(number)
                space.ack_queue.add(number)
                if len(space.ack_queue) > MAX_ACK_RANGES:
                    space.ack_queue.shift()
        assert list(shared.ack_queue) == list(reference.ack_queue)
    if numbers:
        assert shared.ack_queue.bounds() == reference.ack_queue.bounds()
        assert shared.ack_queue[-1] == reference.ack_queue[-1]
    for space in (shared, reference):
        space.ack_queue.subtract(0, forgotten + 1)
    assert list(shared.ack_queue) == list(reference.ack_queue)
    assert len(shared.ack_queue) == len(reference.ack_queue)


def test_aioquic_is_not_asked_for_an_acknowledgement_of_nothing() -> None:
    shared = SharedSpace(Plane(connections=1).open())
    shared.ack_at = 1.0
    assert shared.ack_at is None
    shared.ack_queue.add(5)
    assert shared.ack_at == 1.0
    shared.ack_queue.subtract(0, 6)
    assert shared.ack_at is None


def test_the_limits_of_what_is_remembered_are_aioquics() -> None:
    assert MAX_ACK_RANGES == 64
    assert QuicPacketNumberWindow()._size == 128


def test_keys_are_announced_at_once_when_tls_or_an_update_installs_them() -> None:
    seen: list[tuple[str, str, bytes | None]] = []

    class Watched(bridge.SharedConnection):
        def _log_key_updated(self, key_type: str, trigger: str) -> None:
            super()._log_key_updated(key_type, trigger)
            if "1rtt" in key_type:
                pair = self._cryptos[Epoch.ONE_RTT]
                context = pair.send if key_type.startswith("client") == self._is_client else pair.recv
                seen.append((key_type, trigger, context.secret))

    pair = Pair(native=True, handshake=False)
    client = pair.client._quic
    client.__class__ = Watched
    client._initialize(client._peer_cid.cid)  # binds the callbacks anew
    client.tls.handle_message(b"", client._crypto_buffers)
    client._push_crypto_data()
    pair.pump()
    pair.run(0.1)
    assert [each[:2] for each in seen] == [("server_1rtt_secret", "tls"), ("client_1rtt_secret", "tls")]
    client.request_key_update()
    pair.client.ping()
    pair.run(0.1)
    assert [each[:2] for each in seen[2:]] == [
        ("server_1rtt_secret", "local_update"),
        ("client_1rtt_secret", "local_update"),
    ]
    pair.accepted._quic.request_key_update()
    pair.accepted.ping()
    pair.run(0.1)
    assert {each[1] for each in seen[4:]} == {"remote_update"}
    assert len({each[2] for each in seen}) == len(seen) == 6  # each time the new secret was there already
    assert client._cryptos[Epoch.ONE_RTT].send.key_phase == 0


def test_aioquic_still_takes_an_acknowledgement_of_what_was_never_sent() -> None:
    # Should this fail one day, aioquic has learnt it, and the bridge need not look.
    pair = Pair(native=False)
    pair.run(0.1)
    quic = pair.client._quic
    quic._take_ack(
        ack_rangeset=RangeSet([range(0, 1_000_000)]),
        ack_delay=0.0,
        now=pair.now_s,
        space=quic._spaces[Epoch.ONE_RTT],
    )
    assert quic._spaces[Epoch.ONE_RTT].largest_acked_packet == 999_999


def test_aioquic_still_keeps_its_own_ack_delay_exponent_whatever_the_peer_says() -> None:
    # Should this fail one day, the bridge need not read it.
    pair = Pair(native=False)
    quic = pair.client._quic
    said = pull_quic_transport_parameters(Buffer(data=pair.accepted._quic._serialize_transport_parameters()))
    said.ack_delay_exponent = 7
    buffer = Buffer(capacity=4096)
    push_quic_transport_parameters(buffer, said)
    quic._parse_transport_parameters(buffer.data)
    assert quic._remote_ack_delay_exponent == 3
    shared = Pair(native=True, handshake=False).client._quic
    shared._parse_transport_parameters(buffer.data, from_session_ticket=True)
    assert shared._remote_ack_delay_exponent == 7


def test_after_a_version_negotiation_the_packet_numbers_go_on() -> None:
    pair = Pair(native=True, handshake=False)
    assert pair.client.take_datagrams(pair.now_s)
    quic = pair.client._quic
    before = quic._packet_number
    assert before > 0
    quic._packet_number = 0  # as aioquic does then
    assert quic._packet_number == before


def test_stream_limits_are_what_the_peer_is_told() -> None:
    pair = Pair()
    assert pair.client._quic._remote_max_streams_bidi == 4
    assert pair.client._quic._remote_max_streams_uni == 0
    assert pair.client._quic._remote_max_data == 256 * 1024
    assert pair.client._quic._remote_max_stream_data_bidi_remote == 64 * 1024


def test_aioquic_still_lets_an_oversized_datagram_block_its_queue() -> None:
    # Should this fail one day, aioquic has learnt it, and the Link may get simpler.
    pair = Pair()
    pair.run(0.1)
    quic = pair.client._quic
    quic.send_datagram_frame(bytes(pair.client.max_audio_bytes + 1))
    quic.send_datagram_frame(b"behind it")
    quic.datagrams_to_send(pair.now_s)
    assert len(quic._datagrams_pending) == 2


def test_the_computed_limit_is_exactly_what_fits() -> None:
    pair = Pair()
    pair.run(0.1)
    quic = pair.client._quic
    quic.send_datagram_frame(bytes(pair.client.max_audio_bytes))
    ((packet, _),) = quic.datagrams_to_send(pair.now_s)
    assert len(packet) == 1200
    assert not quic._datagrams_pending


def test_the_end_is_known_before_the_public_event() -> None:
    pair = Pair()
    assert bridge.ending(pair.client._quic) is None
    pair.accepted.close(0x5, "gone")
    pair.pump()
    ending = bridge.ending(pair.client._quic)
    assert ending == Ending(0x5, "gone", transport=False, by_peer=True, terminated=False)
    assert pair.client._quic._state is QuicConnectionState.DRAINING
    assert pair.client._quic.next_event() is None
    own = bridge.ending(pair.accepted._quic)
    assert own == Ending(0x5, "gone", transport=False, by_peer=False, terminated=False)
    pair.run(5)
    assert bridge.ending(pair.client._quic).terminated  # type: ignore[union-attr]


def test_idle_timeout_is_recognised_by_its_reason() -> None:
    pair = Pair()
    pair.now_s += 100
    pair.client._quic.handle_timer(pair.now_s)
    ending = bridge.ending(pair.client._quic)
    assert ending is not None
    assert (ending.reason, ending.terminated, ending.by_peer) == ("Idle timeout", True, False)


def test_hearing_nothing_is_the_first_flight() -> None:
    pair = Pair(handshake=False)
    assert pair.client.heard_nothing
    pair.pump()
    assert not pair.client.heard_nothing
    assert not pair.accepted.heard_nothing


def test_without_a_first_packet_there_is_no_address_and_nothing_is_called() -> None:
    pair = Pair()
    fresh = type(pair.accepted).accept(
        pair.accepted._quic.configuration, pair.server_limits, original_cid=bytes(8)
    )
    assert fresh.peer_address is None
    assert fresh.timer() is None
    assert fresh.take_datagrams(1.0) == []
    fresh.on_timer(1.0)
    fresh.close(0)
    assert fresh.terminated
    assert (pair.client.peer_address, pair.accepted.peer_address) == (SERVER, CLIENT)


def test_aioquic_is_imported_by_this_package_only() -> None:
    strangers = []
    for path in (ROOT / "signaling").rglob("*.py"):
        if path.parent == ROOT / "signaling" / "quic":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            strangers += [f"{path}: {name}" for name in names if name.split(".")[0] == "aioquic"]
    assert strangers == []


def test_private_names_are_used_in_the_bridge_only() -> None:
    for path in (ROOT / "signaling" / "quic").glob("*.py"):
        if path.name.startswith("bridge"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Attribute) and node.attr.startswith("_")):
                continue
            owner = node.value
            inside = isinstance(owner, ast.Attribute) and owner.attr == "_quic"
            local = isinstance(owner, ast.Name) and owner.id == "quic"
            assert not (inside or local), f"{path.name}:{node.lineno} reads aioquic's {node.attr}"
