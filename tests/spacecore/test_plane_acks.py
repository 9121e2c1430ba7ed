"""Acknowledgements, loss and congestion of the data plane, against models in plain Python."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from spacecore._plane import DONE, SLOW, VIOLATION, Plane
from tests.oracles import plane_reference as reference
from tests.oracles.plane_reference import datagram
from tests.spacecore.plane_peers import T0_US, Peer

quick = settings(deadline=None, max_examples=120, derandomize=True)
MS_US = 1000
FLOOR_BYTES = 16 * 1024


def as_ranges(numbers: set[int]) -> list[tuple[int, int]]:
    """[(start, stop), …] of a set, ascending."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found


# The receive space


@quick
@given(st.lists(st.tuples(st.sampled_from("aaad"), st.integers(0, 400), st.integers(1, 6)), max_size=300))
def test_ranges_are_those_of_a_set(acts):
    connection = Plane(connections=1).open()
    numbers: set[int] = set()
    for act, at, length in acts:
        if act == "a":
            before = as_ranges(numbers)
            numbers |= set(range(at, at + length))
            if len(as_ranges(numbers)) > 64:  # the oldest range is forgotten
                start, stop = as_ranges(numbers)[0]
                numbers -= set(range(start, stop))
                assert len(before) == 64
            connection.range_add(at, at + length)
        else:
            numbers = {number for number in numbers if number >= at}
            connection.range_drop(at)
        assert connection.ranges() == as_ranges(numbers)


@quick
@given(st.lists(st.integers(0, 700), max_size=200))
def test_the_window_knows_what_came_and_takes_the_old_for_seen(numbers):
    connection = Plane(connections=1).open()
    marked: set[int] = set()
    top = -1
    for number in numbers:
        connection.mark(number)
        marked.add(number)
        top = max(top, number)
        for asked in range(max(0, top - 140), top + 3):
            assert connection.seen(asked) == (asked <= top - 128 or asked in marked)


@pytest.mark.parametrize(("every", "delay_ms"), [(10, 600), (2, 20), (1, 0)])
def test_packets_of_datagrams_are_acknowledged_by_number_or_by_time(every, delay_ms):
    peer = Peer()
    peer.connection.set_ack_policy(every, delay_ms)
    for count in range(1, every + 1):
        now_us = T0_US + count
        assert peer.give(peer.packet(datagram(b"x")), now_us)[0] == DONE
        due_us = now_us if count == every else T0_US + 1 + delay_ms * MS_US
        assert peer.connection.ack_due_us == due_us
    packet = peer.read(peer.connection.acknowledge(T0_US + every))
    assert packet.acks == [[(0, every - 1)]]
    assert peer.connection.ack_due_us is None


def test_a_ping_is_acknowledged_at_once_and_an_ack_never():
    peer = Peer()
    peer.connection.set_ack_policy(10, 600)
    peer.connection.seal(b"x", T0_US)
    assert peer.acknowledge([(0, 0)], T0_US) == DONE
    assert peer.connection.ack_due_us is None
    assert peer.give(peer.packet(b"\x01", datagram(b"x")), T0_US + 7)[0] == DONE
    assert peer.connection.ack_due_us == T0_US + 7


def test_an_ack_tells_of_at_most_32_ranges_newest_first():
    peer = Peer()
    for pn in range(0, 100, 2):
        peer.give(peer.packet(datagram(b"x"), pn=pn))
    found = peer.read(peer.connection.acknowledge(T0_US))
    assert found.acks == [[(pn, pn) for pn in range(98, 34, -2)]]


def test_an_ack_makes_way_where_the_datagram_needs_the_packet():
    peer = Peer()
    for pn in range(0, 100, 2):
        peer.give(peer.packet(datagram(b"x"), pn=pn))
    largest = peer.connection.largest_payload_bytes
    full = peer.connection.seal(bytes(largest), T0_US)
    assert full is not None
    assert len(full) == 1200
    assert peer.read(full).acks == []
    near = peer.connection.seal(bytes(largest - 40), T0_US)
    assert near is not None
    assert len(near) <= 1200
    assert len(peer.read(near).acks[0]) >= 1


def test_what_the_peer_knows_we_have_is_told_no_more():
    peer = Peer()
    for _ in range(3):
        peer.give(peer.packet(datagram(b"x")))
    assert peer.read(peer.connection.acknowledge(T0_US)).pn == 0
    assert peer.acknowledge([(0, 0)], T0_US) == DONE
    assert peer.connection.ranges() == [(3, 4)]


# Acknowledgements of ours


def test_an_ack_of_a_packet_never_sent_is_a_violation_and_changes_nothing():
    peer = Peer()
    peer.connection.seal(b"x", T0_US)
    before = (peer.connection.ranges(), peer.connection.stats.acked, peer.connection.rtt_us)
    assert peer.acknowledge([(1, 1)], T0_US) == VIOLATION
    assert peer.acknowledge([(0, 2**61)], T0_US) == VIOLATION
    assert (peer.connection.ranges(), peer.connection.stats.acked, peer.connection.rtt_us) == before
    assert not peer.connection.acked(1, 1, True, 0, T0_US)
    assert peer.acknowledge([(0, 0)], T0_US) == DONE


def test_acks_that_reach_packets_of_the_other_stack_are_its_business_too():
    peer = Peer()
    peer.connection.seal(b"x", T0_US)
    peer.connection.packet_number = 2  # the other stack sent number 1
    peer.connection.set_others(in_flight=[1])
    assert peer.acknowledge([(0, 1)], T0_US) == SLOW
    assert (
        peer.connection.stats.acked == 1
    )  # ours has had its fate at once: windows do not wait for the other stack
    assert peer.connection.ranges() == []  # but the packet itself is not taken in
    assert peer.connection.acked(0, 1, True, 0, T0_US)
    assert peer.connection.stats.acked == 1
    peer.connection.set_others()
    assert peer.acknowledge([(0, 1)], T0_US) == DONE


def test_the_other_stack_is_told_once_of_each_packet_and_once_that_it_is_passed():
    """While it is slow to look, every further ACK would otherwise queue up for it."""
    peer = Peer()
    for _ in range(30):
        peer.connection.seal(b"x", T0_US)
    peer.connection.packet_number = 40
    others = [5, 12, 30]
    peer.connection.set_others(in_flight=others)
    acks = [
        ([(0, 4)], DONE),
        ([(0, 5)], SLOW),
        ([(0, 6)], DONE),
        ([(13, 14), (0, 6)], DONE),  # 12 is missing, by less than three
        ([(13, 15), (0, 6)], SLOW),
        ([(13, 16), (0, 6)], DONE),
        ([(0, 16)], SLOW),
        ([(0, 29)], DONE),
        ([(0, 33)], SLOW),
        ([(0, 34)], DONE),
    ]
    for ranges, verdict in acks:
        assert peer.acknowledge(ranges, T0_US) == verdict
        peer.connection.set_others(in_flight=others)  # it still has not looked
    peer.connection.set_others(in_flight=[35, 36])
    assert peer.acknowledge([(0, 35)], T0_US) == SLOW
    peer.connection.set_others(in_flight=range(20, 29))  # too many to tell apart
    assert peer.acknowledge([(0, 36)], T0_US) == SLOW
    assert peer.acknowledge([(0, 37)], T0_US) == SLOW
    assert peer.acknowledge([(0, 19)], T0_US) == DONE


@quick
@given(st.binary(min_size=1, max_size=40))
def test_malformed_acks_are_left_to_the_other_stack(data):
    peer = Peer()
    for _ in range(20):
        peer.connection.seal(b"x", T0_US)
    verdict, found = peer.give(peer.packet(b"\x02" + data))
    assert verdict in (DONE, SLOW, VIOLATION)
    assert found == [] or verdict == DONE
    stats = peer.connection.stats
    assert stats.acked + stats.lost <= 20


def test_five_hundred_ranges_cost_no_more_than_the_packets_we_wait_for():
    """The work is bounded; that every range is still honoured is what can be seen from outside."""
    peer = Peer()
    for _ in range(1100):
        peer.connection.seal(b"x", T0_US)
        peer.connection.set_others(window_bytes=10**6)
    sent = peer.connection.stats.sent
    ranges = [(pn, pn) for pn in range(sent - 1, sent - 1001, -2)]
    assert len(ranges) == 500
    assert peer.acknowledge(ranges, T0_US + 10) == DONE
    stats = peer.connection.stats
    assert stats.acked == 64  # every second of the 128 that are remembered
    assert stats.acked + stats.lost + 1 >= sent - 3
    assert peer.connection.in_flight_packets <= 4


def test_round_trip_time_follows_rfc_9002():
    peer = Peer()
    peer.connection.set_ack_parameters(3, 3, 600)
    smoothed = variance = least = 0.0
    now_us = T0_US
    for index, (rtt_us, delay_us) in enumerate(
        [(100_000, 0), (140_000, 32_000), (90_000, 8_000), (700_000, 560_000)]
    ):
        peer.connection.seal(b"x", now_us)
        pn = index
        now_us += rtt_us
        peer.give(peer.packet(reference.ack([(pn, pn)], delay_us >> 3)), now_us)
        if index == 0:
            smoothed, variance, least = rtt_us, rtt_us / 2, rtt_us
        else:
            least = min(least, rtt_us)
            adjusted = rtt_us - delay_us if rtt_us >= least + delay_us else rtt_us
            variance = 0.75 * variance + 0.25 * abs(smoothed - adjusted)
            smoothed = 0.875 * smoothed + 0.125 * adjusted
        found = peer.connection.rtt_us
        assert found[0] == pytest.approx(smoothed, abs=3)
        assert found[1] == pytest.approx(variance, abs=3)
        assert found[2:] == (least, rtt_us)


def test_a_delay_beyond_what_was_announced_counts_as_path():
    peer = Peer()
    peer.connection.set_ack_parameters(3, 3, 25)
    for _ in range(2):
        peer.connection.seal(b"x", T0_US)
    peer.acknowledge([(0, 0)], T0_US + 10_000)
    peer.give(peer.packet(reference.ack([(0, 1)], 500_000 >> 3)), T0_US + 510_000)
    assert peer.connection.rtt_us[0] == (7 * 10_000 + 485_000) // 8


# Loss and congestion


def test_three_later_packets_make_a_loss():
    peer = Peer()
    for _ in range(5):
        peer.connection.seal(b"x", T0_US)
    assert peer.acknowledge([(1, 2)], T0_US + 1) == DONE
    assert peer.connection.stats.lost == 0
    assert peer.acknowledge([(3, 3)], T0_US + 2) == DONE
    assert (peer.connection.stats.lost, peer.connection.stats.acked) == (1, 3)
    assert peer.connection.lost_sent_us == T0_US


def test_nine_eighths_of_a_round_trip_make_a_loss():
    peer = Peer()
    peer.connection.seal(b"x", T0_US)
    peer.connection.seal(b"x", T0_US)
    assert peer.acknowledge([(1, 1)], T0_US + 80_000) == DONE
    assert peer.connection.stats.lost == 0
    peer.connection.detect_loss(T0_US + 89_000)
    assert peer.connection.stats.lost == 0
    peer.connection.detect_loss(T0_US + 90_000)
    assert peer.connection.stats.lost == 1


def test_a_lost_tail_does_not_silence_audio():
    """All that fills the window is lost, so nothing would ever be acknowledged: probes go on."""
    peer = Peer()
    sealed = 0
    while peer.connection.seal(bytes(900), T0_US) is not None:
        sealed += 1
    assert 16 <= sealed <= FLOOR_BYTES // 900
    timeout_us = peer.connection.probe_timeout_us
    times = [
        at_us
        for at_us in range(T0_US, T0_US + 4 * timeout_us, 20 * MS_US)
        if peer.connection.seal(b"x", at_us)
    ]
    assert times[0] <= T0_US + timeout_us + 20 * MS_US
    assert max(b - a for a, b in itertools.pairwise(times)) <= timeout_us + 20 * MS_US
    assert times[-1] - times[-2] == 20 * MS_US  # given up as lost: the window is free
    assert peer.connection.stats.window_dropped > 0


def test_a_peer_that_never_acknowledges_is_sent_ever_less_until_it_does():
    peer = Peer()
    sent = [0] * 60
    for second in range(60):
        for tick in range(50):
            now_us = T0_US + second * 1_000_000 + tick * 20 * MS_US
            sent[second] += peer.connection.seal(bytes(150), now_us) is not None
    assert sum(sent[:2]) > 80
    assert sum(sent[10:30]) < 0.5 * 20 * 50
    assert sum(sent[30:]) < 0.2 * 30 * 50
    assert all(sent[second] + sent[second + 1] for second in range(59))  # one asks, again and again
    last = peer.connection.packet_number - 1
    assert peer.acknowledge([(last, last)], now_us) == DONE
    assert (
        sum(peer.connection.seal(bytes(150), now_us + tick * 20 * MS_US) is not None for tick in range(50))
        == 50
    )


def test_the_window_of_the_other_stack_widens_that_of_audio_and_never_narrows_it():
    narrow, wide = Peer(), Peer()
    narrow.connection.set_others(window_bytes=2400)
    wide.connection.set_others(window_bytes=60_000)
    counts = []
    for peer in (narrow, wide):
        while peer.connection.in_flight_packets < 100 and peer.connection.seal(bytes(900), T0_US):
            pass
        counts.append(peer.connection.in_flight_bytes)
    assert FLOOR_BYTES - 1000 < counts[0] <= FLOOR_BYTES
    assert 59_000 < counts[1] <= 60_000


class Fate(RuleBasedStateMachine):
    """Every native packet is acknowledged or lost exactly once, whatever the peer says."""

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.peer = Peer(seed=seed)
        self.now_us = T0_US
        self.sent: list[int] = []  # with a datagram
        self.next_pn = 0

    @rule(count=st.integers(1, 60), size=st.integers(0, 400))
    def seal(self, count: int, size: int) -> None:
        for _ in range(count):
            if self.peer.connection.seal(bytes(size), self.now_us) is not None:
                self.sent.append(self.next_pn)
                self.next_pn += 1

    @rule()
    def acknowledge(self) -> None:
        if self.peer.connection.acknowledge(self.now_us) is not None:
            self.next_pn += 1

    @rule(count=st.integers(1, 5))
    def other_stack_sends(self, count: int) -> None:
        self.next_pn += count
        self.peer.connection.packet_number = self.next_pn

    @rule(data=st.data(), step_us=st.integers(0, 300_000))
    def ack(self, data: st.DataObject, step_us: int) -> None:
        self.now_us += step_us
        if self.next_pn == 0:
            return
        numbers = data.draw(st.sets(st.integers(0, self.next_pn - 1), min_size=1, max_size=12))
        ranges = [(start, stop - 1) for start, stop in reversed(as_ranges(numbers))]
        assert self.peer.acknowledge(ranges, self.now_us) == DONE

    @rule(step_us=st.integers(0, 3_000_000))
    def wait(self, step_us: int) -> None:
        self.now_us += step_us

    @invariant()
    def every_packet_has_one_fate(self) -> None:
        if not hasattr(self, "peer"):
            return
        connection = self.peer.connection
        stats = connection.stats
        assert stats.datagrams_out == len(self.sent)
        in_flight = stats.datagrams_out - stats.acked - stats.lost
        assert 0 <= in_flight <= min(128, connection.in_flight_packets)
        assert (connection.in_flight_bytes == 0) == (in_flight == 0)
        assert connection.in_flight_bytes >= 0
        assert connection.packet_number == self.next_pn


TestFate = Fate.TestCase
TestFate.settings = settings(deadline=None, max_examples=60, stateful_step_count=40, derandomize=True)
