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
ELSEWHERE = ("198.51.100.9", 40000)
INITIAL = Initial(1, b"ORIGINAL", b"CLIENTID", b"")


def fill(gate: Gate, count: int, now_s: float = 0.0) -> None:
    for number in range(count):
        gate.opened(number, now_s)


def begin(gate: Gate, number: int, address: tuple[str, int], now_s: float) -> None:
    admission = gate.judge(INITIAL, address, now_s)
    assert isinstance(admission, Admission)
    gate.opened(number, now_s, admission)


def after_retry(answer: bytes) -> Initial:
    """What a client says then."""
    packet = header(answer)
    return Initial(1, packet.source_cid, b"CLIENTID", packet.token)  # type: ignore[attr-defined]


def returning(gate: Gate) -> Initial:
    """Of somebody who was here before, at ADDRESS."""
    return INITIAL._replace(token=gate.tokens.for_return(ADDRESS))


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


def test_half_open_connections_of_a_prefix_at_their_bound_and_one_past_it() -> None:
    gate = Gate(GateLimits(half_open_per_prefix=4, retry_above=100))
    begin(gate, 1, ADDRESS, now_s=0.0)
    begin(gate, 2, ("203.0.113.99", 1), now_s=0.0)
    # From half of the bound on its addresses must be proven; those of others need not be.
    answer = gate.judge(INITIAL, ADDRESS, 0.0)
    assert isinstance(answer, bytes)
    assert isinstance(gate.judge(INITIAL, ELSEWHERE, 0.0), Admission)
    for number in (3, 4):
        proven = gate.judge(after_retry(answer), ADDRESS, 0.0)
        assert isinstance(proven, Admission)
        gate.opened(number, 0.0, proven)
    assert gate.judge(after_retry(answer), ADDRESS, 0.0) is None, "one past it"
    assert gate.stats.ignored_prefix == 1
    assert isinstance(gate.judge(INITIAL, ELSEWHERE, 0.0), Admission)
    gate.established(1)
    assert isinstance(gate.judge(after_retry(answer), ADDRESS, 0.0), Admission)


def test_connections_of_a_prefix_at_their_bound_and_one_past_it() -> None:
    gate = Gate(GateLimits(connections_per_prefix=2))
    for number in (1, 2):
        begin(gate, number, ("203.0.113.7", number), now_s=0.0)
        gate.established(number)
    refused = gate.judge(INITIAL, ("203.0.113.200", 1), 0.0)
    assert isinstance(refused, bytes)
    assert header(refused).packet_type is QuicPacketType.INITIAL  # type: ignore[attr-defined]
    assert gate.stats.refused_prefix == 1
    assert isinstance(gate.judge(INITIAL, ("203.0.114.1", 1), 0.0), Admission)
    gate.gone(1)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 0.0), Admission)
    gate.gone(2)
    assert gate.prefixes == 0, "nothing is kept of who is gone"


def test_loopback_is_a_prefix_like_any_other() -> None:
    gate = Gate(GateLimits(connections_per_prefix=1))
    begin(gate, 1, ("127.0.0.1", 5), now_s=0.0)
    assert isinstance(gate.judge(INITIAL, ("127.0.0.2", 6), 0.0), bytes)
    assert gate.stats.refused_prefix == 1


def test_garbage_makes_a_rush_for_a_second() -> None:
    gate = Gate(GateLimits(retry_above=2))
    gate.wasted(10.0)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 10.5), Admission)
    gate.wasted(10.5)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 10.9), bytes)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 11.0), Admission)


def test_who_returns_has_a_lane_that_no_rush_closes() -> None:
    gate = Gate(GateLimits(half_open=2, retry_above=1, connections=2, connections_per_prefix=2))
    fill(gate, 2)
    back = returning(gate)
    assert not isinstance(gate.judge(INITIAL, ADDRESS, 0.0), Admission)
    admission = gate.judge(back, ADDRESS, 0.0)
    assert isinstance(admission, Admission)
    assert admission.returning is not None
    gate.opened(10, 0.0, admission)
    assert gate.judge(back, ADDRESS, 0.0) is None, "one handshake at a time for one token"
    assert gate.stats.ignored_returning == 1
    gate.established(10)
    assert isinstance(gate.judge(back, ADDRESS, 0.0), Admission)
    assert gate.stats.returned == 1
    # From another address it is proven first, and the lane is kept.
    retried = gate.judge(back, ELSEWHERE, 0.0)
    assert isinstance(retried, bytes)
    proven = gate.judge(after_retry(retried), ELSEWHERE, 0.0)
    assert isinstance(proven, Admission)
    assert proven.returning == admission.returning
    assert proven.original_cid == b"ORIGINAL"


def test_the_lane_of_who_returns_at_its_bound_and_one_past_it() -> None:
    gate = Gate(GateLimits(returning=2, connections=1))
    for number in (1, 2):
        admission = gate.judge(returning(gate), ADDRESS, 0.0)
        assert isinstance(admission, Admission)
        gate.opened(number, 0.0, admission)
    assert gate.judge(returning(gate), ADDRESS, 0.0) is None
    assert gate.stats.ignored_returning == 1
    # Up to so many connections beyond those of all: with the third they are.
    gate.established(1)
    third = gate.judge(returning(gate), ADDRESS, 0.0)
    assert isinstance(third, Admission)
    gate.opened(3, 0.0, third)
    gate.established(2)
    assert isinstance(gate.judge(returning(gate), ADDRESS, 0.0), bytes)
    assert gate.stats.refused_full == 1
    assert gate.expired(10.0) == [3]
    assert gate.half_open == 0


def test_a_token_of_return_that_is_good_for_nothing_makes_a_stranger() -> None:
    gate = Gate()
    old = AddressTokens(b"another key" * 4)
    admission = gate.judge(INITIAL._replace(token=old.for_return(ADDRESS)), ADDRESS, 0.0)
    assert admission == Admission(b"ORIGINAL", None, prefix_of(ADDRESS[0]))
    assert gate.stats.bad_tokens == 1


def test_made_up_tokens_at_their_bound_and_one_past_it() -> None:
    gate = Gate(GateLimits(refusals_per_s=3))
    made_up = INITIAL._replace(token=b"\xff" * 77)
    answers = [gate.judge(made_up, ADDRESS, 5.0) for _ in range(5)]
    assert [answer is not None for answer in answers] == [True] * 3 + [False] * 2
    assert (gate.stats.bad_tokens, gate.stats.ignored_flood) == (5, 2)
    assert isinstance(gate.judge(INITIAL, ADDRESS, 5.0), Admission), "who shows none is not concerned"
    assert gate.judge(made_up, ADDRESS, 6.0) is not None, "nor anybody a second later"


def test_processes_with_the_same_key_take_each_others_tokens() -> None:
    one, other = (Gate(GateLimits(retry_above=0), tokens=AddressTokens(b"k" * 32)) for _ in range(2))
    answer = one.judge(INITIAL, ADDRESS, 0.0)
    assert isinstance(answer, bytes)
    assert isinstance(other.judge(after_retry(answer), ADDRESS, 0.0), Admission)


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
