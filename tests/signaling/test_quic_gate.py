"""The gate: caps, Retry, deadline, refusals; pure, with time as an argument."""

from __future__ import annotations

from aioquic._buffer import Buffer
from aioquic.quic.packet import QuicPacketType, pull_quic_header

from signaling.quic.address_tokens import RETRY_S, AddressTokens
from signaling.quic.gate import Admission, Gate, GateLimits
from signaling.quic.packets import (
    INITIAL_BYTES,
    VERSIONS,
    Initial,
    long_header,
    parse_initial,
    version_negotiation,
)
from signaling.quic.prefixes import prefix_of
from tests.signaling.quic_pair import Pair

ADDRESS = ("203.0.113.7", 40000)
INITIAL = Initial(1, b"ORIGINAL", b"CLIENTID", b"")


def fill(gate: Gate, count: int, now_s: float = 0.0) -> None:
    for number in range(count):
        gate.opened(number, now_s)


def header(data: bytes) -> object:
    return pull_quic_header(Buffer(data=data), host_cid_length=8)


def test_below_the_limit_everybody_may_begin() -> None:
    gate = Gate(GateLimits(retry_above=3))
    fill(gate, 2)
    assert gate.judge(INITIAL, ADDRESS, 0.0) == Admission(b"ORIGINAL", None, prefix_of(ADDRESS[0]))


def test_from_the_limit_on_an_address_must_be_proven() -> None:
    clock = [1_000.0]
    gate = Gate(GateLimits(retry_above=3), tokens=AddressTokens(b"k" * 32, wall=lambda: clock[0]))
    fill(gate, 3)
    answer = gate.judge(INITIAL, ADDRESS, 1.0)
    assert isinstance(answer, bytes)
    packet = header(answer)
    assert packet.packet_type is QuicPacketType.RETRY  # type: ignore[attr-defined]
    assert packet.destination_cid == b"CLIENTID"  # type: ignore[attr-defined]
    again = Initial(1, packet.source_cid, b"CLIENTID", packet.token)  # type: ignore[attr-defined]
    prefix = prefix_of(ADDRESS[0])
    assert gate.judge(again, ADDRESS, 1.1) == Admission(b"ORIGINAL", again.destination_cid, prefix)
    assert gate.stats.retries == 1
    # The token is of use to nobody else, nor later, nor for another id.
    for initial, address, wall_s in (
        (again, ("203.0.113.8", 40000), 1_000.0),
        (again, ("203.0.113.7", 40001), 1_000.0),
        (again, ADDRESS, 1_000.1 + RETRY_S),
        (again._replace(destination_cid=b"ANOTHER1"), ADDRESS, 1_000.0),
        (again._replace(token=again.token[:-1] + b"?"), ADDRESS, 1_000.0),
    ):
        clock[0] = wall_s
        refused = gate.judge(initial, address, 1.2)
        assert isinstance(refused, bytes)
        assert header(refused).packet_type is QuicPacketType.INITIAL  # type: ignore[attr-defined]
    assert gate.stats.bad_tokens == 5
    clock[0] = 1_000.0 + RETRY_S
    assert isinstance(gate.judge(again, ADDRESS, 1.2), Admission), "the last moment"


def test_a_token_is_checked_also_when_the_rush_is_over() -> None:
    gate = Gate(GateLimits(retry_above=1))
    fill(gate, 1)
    packet = header(gate.judge(INITIAL, ADDRESS, 0.0))  # type: ignore[arg-type]
    gate.established(0)
    again = Initial(1, packet.source_cid, b"CLIENTID", packet.token)  # type: ignore[attr-defined]
    prefix = prefix_of(ADDRESS[0])
    assert gate.judge(again, ADDRESS, 0.1) == Admission(b"ORIGINAL", again.destination_cid, prefix)


def test_half_open_cap_ignores_even_proven_addresses() -> None:
    gate = Gate(GateLimits(half_open=5, retry_above=3))
    fill(gate, 4)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 0.0), bytes)
    fill(gate, 5)
    assert gate.judge(INITIAL, ADDRESS, 0.0) is None
    assert gate.stats.ignored_half_open == 1
    gate.gone(2)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 0.0), bytes)


def test_total_cap_and_a_closed_gate_refuse() -> None:
    gate = Gate(GateLimits(connections=2))
    fill(gate, 2)
    gate.established(0)
    gate.established(1)
    answer = gate.judge(INITIAL, ADDRESS, 0.0)
    assert isinstance(answer, bytes)
    assert len(answer) < 100, "the answer is smaller than the question"
    gate.gone(0)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 0.0), Admission)
    gate.accepting = False
    assert isinstance(gate.judge(INITIAL, ADDRESS, 0.0), bytes)
    assert gate.stats.refused_full == 2


def test_refusals_have_a_budget() -> None:
    gate = Gate(GateLimits(connections=0, refusals_per_s=3))
    answers = [gate.judge(INITIAL, ADDRESS, 5.0 + step / 10) for step in range(10)]
    assert [answer is not None for answer in answers] == [True] * 3 + [False] * 7
    assert gate.stats.ignored_flood == 7
    assert gate.judge(INITIAL, ADDRESS, 6.1) is not None


def test_handshakes_expire_in_order_and_once() -> None:
    gate = Gate(GateLimits(handshake_s=10.0))
    assert gate.deadline() is None
    gate.opened(1, 0.0)
    gate.opened(2, 1.0)
    gate.opened(3, 2.0)
    gate.established(2)
    assert gate.deadline() == 10.0
    assert gate.expired(9.9) == []
    assert gate.expired(10.0) == [1]
    assert gate.expired(10.0) == []
    assert gate.expired(100.0) == [3]
    assert (gate.half_open, gate.connections) == (0, 3)
    assert gate.stats.handshakes_expired == 2


def test_the_defaults_are_the_documented_ones() -> None:
    limits = GateLimits()
    assert (limits.half_open, limits.retry_above, limits.handshake_s) == (512, 128, 10.0)


def test_a_real_initial_is_read_and_its_parts_are_not() -> None:
    pair = Pair(handshake=False)
    ((data, _),) = pair.client.take_datagrams(0.0)
    initial = parse_initial(data)
    assert initial is not None
    assert initial.version in VERSIONS
    head = long_header(data)
    assert head is not None
    assert head == (initial.version, initial.destination_cid, initial.source_cid)
    assert parse_initial(data[: INITIAL_BYTES - 1]) is None
    for length in range(7 + 16):
        assert long_header(data[:length]) is None or length >= 23
    assert parse_initial(b"\xff" + data[1:]) is None  # not an Initial
    assert parse_initial(bytes(1200)) is None
    # An id shorter than eight bytes.
    assert parse_initial(data[:5] + b"\x00" + data[14:] + bytes(8)) is None


def test_version_negotiation_names_our_versions_and_swaps_the_ids() -> None:
    unknown = b"\xc0\x1a\x2a\x3a\x4a\x08DESTINAT\x04SRCE" + bytes(1200)
    head = long_header(unknown)
    assert head is not None
    packet = header(version_negotiation(head))
    assert packet.packet_type is QuicPacketType.VERSION_NEGOTIATION  # type: ignore[attr-defined]
    assert (packet.destination_cid, packet.source_cid) == (b"SRCE", b"DESTINAT")  # type: ignore[attr-defined]
    assert set(VERSIONS) <= set(packet.supported_versions)  # type: ignore[attr-defined]
