"""Holds every private name and every behaviour of aioquic that signaling/quic relies on. Fails on an upgrade.

If the first test fails: read what changed in aioquic's quic/connection.py between the two versions, make the
others pass, then add the new version to TESTED_VERSIONS in signaling/quic/private.py.
"""

from __future__ import annotations

import ast
from collections import deque
from pathlib import Path

import aioquic
import pytest
from aioquic.quic.connection import QuicConnectionState
from aioquic.quic.packet_builder import PACKET_NUMBER_SEND_SIZE

from signaling.quic import private
from signaling.quic.errors import AioquicError
from tests.signaling.quic_pair import CLIENT, SERVER, Pair

ROOT = Path(__file__).parents[2]


def test_this_aioquic_was_read_and_tested() -> None:
    assert aioquic.__version__ in private.TESTED_VERSIONS, __doc__


@pytest.mark.parametrize("version", ["1.6.1", "1.7.1", "1.7.3", "1.8.0", "2.0.0", "nonsense"])
def test_versions_that_were_not_tested_are_refused(version: str) -> None:
    with pytest.raises(AioquicError, match=r"aioquic==1\.7\.2") as caught:
        private.check_version(version)
    assert caught.value.code == "aioquic_version"


@pytest.mark.parametrize("version", private.TESTED_VERSIONS)
def test_a_tested_version_is_taken(version: str) -> None:
    private.check_version(version)


def test_every_private_name_exists_and_has_the_type_that_is_used() -> None:
    pair = Pair()
    pair.client.send_stream(b"x")
    pair.run(0.1)
    for quic in (pair.client._quic, pair.accepted._quic):
        assert type(quic) is private.FixedWindows
        assert quic._max_datagram_size == 1200
        assert quic._remote_max_datagram_frame_size == 65535
        assert len(quic._peer_cid.cid) == 8
        assert type(quic._datagrams_pending) is deque
        assert type(quic._streams) is dict
        assert {quic._local_max_streams_bidi.value, quic._local_max_streams_uni.value} == {4}
        assert {quic._local_max_streams_bidi.sent, quic._local_max_streams_uni.sent} == {4}
        assert quic._state is QuicConnectionState.CONNECTED
        assert quic._close_event is None
        assert isinstance(quic._loss._rtt_smoothed, float)
        sender = quic._streams[0].sender
        assert isinstance(sender._buffer_stop - sender._buffer_start, int)
    assert pair.client._quic.tls._peer_certificate is not None
    assert pair.accepted._quic.tls._peer_certificate is None
    assert PACKET_NUMBER_SEND_SIZE == 2


def test_stream_limits_are_what_the_peer_is_told() -> None:
    pair = Pair()
    assert pair.client._quic._remote_max_streams_bidi == 4
    assert pair.client._quic._remote_max_streams_uni == 4
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
    assert private.ending(pair.client._quic) is None
    pair.accepted.close(0x5, "gone")
    pair.pump()
    ending = private.ending(pair.client._quic)
    assert ending == private.Ending(0x5, "gone", transport=False, by_peer=True, terminated=False)
    assert pair.client._quic._state is QuicConnectionState.DRAINING
    assert pair.client._quic.next_event() is None
    own = private.ending(pair.accepted._quic)
    assert own == private.Ending(0x5, "gone", transport=False, by_peer=False, terminated=False)
    pair.run(5)
    assert private.ending(pair.client._quic).terminated  # type: ignore[union-attr]


def test_idle_timeout_is_recognised_by_its_reason() -> None:
    pair = Pair()
    pair.now_s += 100
    pair.client._quic.handle_timer(pair.now_s)
    ending = private.ending(pair.client._quic)
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


def test_private_names_are_used_in_one_module_only() -> None:
    for path in (ROOT / "signaling" / "quic").glob("*.py"):
        if path.name == "private.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Attribute) and node.attr.startswith("_")):
                continue
            owner = node.value
            inside = isinstance(owner, ast.Attribute) and owner.attr == "_quic"
            local = isinstance(owner, ast.Name) and owner.id == "quic"
            assert not (inside or local), f"{path.name}:{node.lineno} reads aioquic's {node.attr}"
