"""Loss recovery: what is asked of a sender, by stories and properties; loops over lossy links."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.client.playout import Playout
from signaling.client.talker import Talker, Voice
from spacecore import (
    FULL,
    Advice,
    Recovery,
    Report,
    Space,
    pack_audio,
    pack_report,
    parse_audio,
    parse_report,
)
from spacecore._opus import packet_carries_fec
from tests.signals import Samples, frames, voice

SECOND_US = 1_000_000
FRAME_US = 20_000
SECOND = 50

Loses = Callable[[], bool]


def clean() -> bool:
    return False


def losing(pct: float, seed: int) -> Loses:
    dice = random.Random(seed)
    return lambda: dice.random() < pct / 100


def bursting(pct: float, burst: float, seed: int) -> Loses:
    """Gilbert's model: P(loss | loss) = 1 - 1 / B, P(loss | no loss) = P / (1 - P) / B."""
    dice = random.Random(seed)
    lost = False
    begins = pct / (100 - pct) / burst

    def step() -> bool:
        nonlocal lost
        lost = dice.random() < (1 - 1 / burst if lost else begins)
        return lost

    return step


# --- what is asked for ----------------------------------------------------------------------------------


def after(*seconds: tuple[int, int], frames_in: int = SECOND) -> list[Advice]:
    """The advice after each second with so many lost, in so many runs."""
    recovery = Recovery()
    return [
        recovery.note(frames_in, lost, bursts, at * SECOND_US) for at, (lost, bursts) in enumerate(seconds)
    ]


def test_nothing_is_asked_for_where_nothing_is_lost() -> None:
    assert after(*[(0, 0)] * 20) == [Advice()] * 20


def test_one_frame_in_a_while_is_no_reason() -> None:
    assert after(*[(1, 1), (0, 0), (0, 0), (0, 0), (0, 0)] * 4) == [Advice()] * 20


def test_fec_is_asked_for_at_once_and_taken_back_when_it_is_over() -> None:
    seconds = after(*[(0, 0)] * 20, *[(3, 3)] * 5, *[(0, 0)] * 20)
    assert [one.expect_pct for one in seconds[20:25]] == [10] * 5
    assert seconds[27].expect_pct == 10
    assert seconds[-1] == Advice()
    # Within 15 s, and not before it has been clean for 5.
    assert [one.expect_pct for one in seconds].index(0, 20) in range(30, 40)


def test_more_is_expected_where_more_is_lost() -> None:
    assert after(*[(10, 9)] * 8)[-1].expect_pct == 20


def test_copies_are_asked_for_where_frames_are_lost_in_a_row() -> None:
    pairs = after(*[(4, 2)] * 6)[-1]
    assert (pairs.copies, pairs.distance, pairs.most_kbps) == (1, 2, 32)
    longer = after(*[(5, 2)] * 6)[-1]
    assert (longer.copies, longer.distance, longer.most_kbps) == (2, 2, 24)
    assert after(*[(3, 3)] * 6)[-1].copies == 0
    assert after(*[(1, 1), (3, 1), (0, 0), (0, 0), (0, 0), (0, 0)] * 2)[-1].copies == 0


def test_copies_are_asked_for_where_the_next_frame_is_often_lost_too() -> None:
    assert after(*[(5, 5)] * 6)[-1].copies == 1


def test_it_does_not_swing_between_two_answers() -> None:
    """Loss on the edge: what is asked for changes at most once in 5 s."""
    dice = random.Random(4)
    seconds = [(sum(dice.random() < 0.011 for _ in range(SECOND)), 0) for _ in range(120)]
    given_out = after(*seconds)
    changes = [at for at in range(1, 120) if given_out[at] != given_out[at - 1]]
    assert len(changes) <= 24  # each time back is at least 5 s after it was asked for


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200)), max_size=30))
def test_whatever_is_counted_the_advice_is_within_bounds(counts: list[tuple[int, int, int]]) -> None:
    recovery = Recovery()
    for at, (expected, lost, bursts) in enumerate(counts):
        advice = recovery.note(expected, min(lost, expected), min(bursts, lost, expected), at * SECOND_US)
        assert advice.expect_pct in (0, 10, 20)
        assert advice.copies in (0, 1, 2)
        assert (advice.distance == 2) == (advice.copies > 0) == (advice.most_kbps > 0)
    for at in range(len(counts), len(counts) + 60):
        advice = recovery.note(SECOND, 0, 0, at * SECOND_US)
    assert advice == Advice()


@pytest.mark.parametrize("counts", [(-1, 0, 0), (5, 6, 1), (5, 3, 4), (1 << 31, 0, 0)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        Recovery().note(*counts, 0)


# --- a speaker, a room and a listener -------------------------------------------------------------------


@dataclass
class Line:
    """One person speaks through a lossy way up into a room, one listens over a lossy way down."""

    sound: list[Samples]
    redundancy: int = 2
    up: Loses = clean
    down: Loses = clean
    space: Space = field(default_factory=lambda: Space(complexity=0, loudness=False))
    talker: Talker = field(default_factory=lambda: Talker(Voice(complexity=0, dtx=False)))
    listener: Playout = field(default_factory=lambda: Playout(0))
    now_us: int = 0
    frames: int = 0
    vote: int = 0
    concealed: int = 0  # in the room
    sent: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.space.add_seat(3)

    def run(self, seconds: float, *, up: Loses | None = None, down: Loses | None = None) -> None:
        self.up, self.down = up or self.up, down or self.down
        for _ in range(round(seconds * SECOND)):
            self._frame()

    def concealed_in(self, seconds: float) -> float:
        """The share of frames concealed in the room from now on, in %."""
        before = self.concealed
        self.run(seconds)
        return 100 * (self.concealed - before) / (seconds * SECOND)

    def _frame(self) -> None:
        datagram = self.talker.speak(self.sound[self.frames % len(self.sound)], self.now_us)
        assert datagram is not None
        self.sent.append(datagram)
        if not self.up():
            self.space.put(3, datagram, self.now_us)
        tick = self.space.tick(self.now_us + 5_000)
        for seat, report in tick.reports:
            assert seat == 3
            self.concealed += parse_report(report).concealed
            self.talker.on_report(report, self.redundancy)
        for audience, mixed in tick.packets:
            if audience == FULL:
                self.heard.append(mixed)
                if not self.down():
                    self.listener.put(mixed, self.now_us + 10_000)
        self.listener.take_due(self.now_us + 20_000)
        if self.frames % 250 == 249:
            said = self.listener.take_report()
            if said is not None:
                self.vote = self.space.report(None, said, self.now_us, vote=self.vote)
        self.frames += 1
        self.now_us += FRAME_US


@pytest.fixture(scope="module")
def sound() -> list[Samples]:
    return frames(voice(5, 4.0))


def test_a_network_that_turns_lossy_is_repaired_within_three_seconds_and_left_alone_when_it_is_clean(
    sound: list[Samples],
) -> None:
    line = Line(sound, redundancy=0)
    line.run(5)
    assert (line.talker.stats.fec_pct, line.talker.stats.bitrate_bps) == (0, 48_000)
    line.run(3, up=losing(10, seed=11))
    assert line.talker.stats.fec_pct >= 10
    assert line.concealed_in(8) < 3.5  # of 10 %: FEC repairs all but what is lost in a row
    line.run(18, up=clean)
    assert (line.talker.stats.fec_pct, line.talker.stats.bitrate_bps) == (0, 48_000)


def test_bursts_bring_copies_and_copies_repair_them(sound: list[Samples]) -> None:
    concealed = []
    for redundancy in (2, 0):
        line = Line(sound, redundancy=redundancy)
        line.run(6, up=bursting(6, 2.2, seed=3))
        assert (line.talker.stats.copies > 0) == (redundancy > 0)
        concealed.append(line.concealed_in(10))
        last = parse_audio(line.sent[-1], down=False)
        assert len(last.redundant) == line.talker.stats.copies
        if redundancy:
            assert last.redundant[-1] == parse_audio(line.sent[-3], down=False).frames[0]
        else:
            assert not any(parse_audio(each, down=False).redundant for each in line.sent)
    assert concealed[0] < 0.7 * concealed[1]
    assert line.space.stats.told == 16


def test_without_loss_not_a_byte_is_other_than_without_recovery(sound: list[Samples]) -> None:
    line = Line(sound)
    line.run(4)
    plain = Talker(Voice(complexity=0, dtx=False))
    assert line.sent == [plain.speak(sound[n], n * FRAME_US) for n in range(200)]
    bare = Space(complexity=0, loudness=False, fec=False)
    bare.add_seat(3)
    mixed = []
    for n, datagram in enumerate(line.sent):
        bare.put(3, datagram, n * FRAME_US)
        mixed += [data for audience, data in bare.tick(n * FRAME_US + 5_000).packets if audience == FULL]
    assert line.heard == mixed


def test_the_mix_makes_fec_for_a_listener_who_loses(sound: list[Samples]) -> None:
    line = Line(sound)
    line.run(2)
    assert line.space.stats.fec_pct == 0
    line.run(11, down=losing(8, seed=6))
    assert line.space.stats.fec_pct == 10
    recovered = line.listener.stats.recovered
    line.run(4)
    assert line.listener.stats.recovered > recovered + 5
    line.run(17, down=clean)
    assert line.space.stats.fec_pct == 0


def test_a_speaker_who_says_nothing_is_told_nothing() -> None:
    space = Space(complexity=0)
    space.add_seat(1)
    assert not any(space.tick(n * FRAME_US).reports for n in range(120))
    assert space.stats.told == 0


def test_reports_that_are_none_are_counted_and_change_nothing() -> None:
    space = Space(complexity=0)
    whole = pack_report(Report(1, 0, 0xFFFF, 0xFFFF, 0, 0, 0xFFFF))
    for data in (b"", b"\x00", whole[:13], b"\x00\x01" + whole[2:], bytes(1500)):
        assert space.report(None, data, 0, vote=7) == 7
    assert (space.stats.malformed, space.stats.reports) == (5, 0)
    assert space.report(200, whole, 0) > 0  # of a seat that nobody has: a vote like another
    assert space.stats.reports == 1


@settings(max_examples=15)
@given(st.lists(st.binary(max_size=24), max_size=40))
def test_one_who_lies_moves_the_mix_no_further_than_one_vote(lies: list[bytes]) -> None:
    """Twenty people, one of whom says anything at any time: the worst tenth are two, of whom one lies."""
    space = Space(complexity=0)
    votes = [space.report(None, pack_report(Report(0, 250, 0, 0, 0, 0)), 0) for _ in range(20)]
    for body in lies:
        votes[0] = space.report(None, b"\x00\x02" + body, 0, vote=votes[0])
    for n in range(SECOND + 1):
        space.tick(n * FRAME_US)
    assert space.stats.fec_pct in (0, 10, 20)
    votes[0] = space.report(None, pack_report(Report(0, 250, 0, 0, 0, 0)), SECOND_US, vote=votes[0])
    for n in range(SECOND + 1, 13 * SECOND):
        space.tick(n * FRAME_US)
    assert space.stats.fec_pct == 0


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=49, max_size=49), st.integers(0, 0xFFFF))
def test_what_is_told_is_what_arrived(arrives: list[bool], first_seq: int) -> None:
    """Against a plain count: the gaps before the newest number that came, and in how many runs they are."""
    space = Space(complexity=0, loudness=False)
    space.add_seat(1)
    came = [True, *arrives]
    told: list[Report] = []
    for n, arrived in enumerate(came):
        if arrived:
            datagram = pack_audio(
                [b"\x78" + bytes(20)],
                seq=(first_seq + n) & 0xFFFF,
                timestamp=960 * n,
                redundant=[b"\x78" + bytes(20)] * (n % 3),
                distance=2,
            )
            space.put(1, datagram, n * FRAME_US)
        told += [parse_report(data) for _, data in space.tick(n * FRAME_US + 5_000).reports]
    newest = max(n for n, arrived in enumerate(came) if arrived)
    lost = [n for n in range(newest) if not came[n]]
    [report] = told
    assert (report.received, report.lost) == (newest + 1 - len(lost), len(lost))
    assert report.bursts == sum(n - 1 not in lost for n in lost)
    assert report.highest_seq == (first_seq + newest) & 0xFFFF


def test_a_late_frame_is_no_loss_and_an_early_one_twice_is_one() -> None:
    space = Space(complexity=0, loudness=False)
    space.add_seat(1)
    order = [0, 1, 3, 2, 4, 4, 5, 7, 6]
    for n, seq in enumerate(order):
        space.put(1, pack_audio([b"\x78" + bytes(20)], seq=seq, timestamp=960 * seq), n * FRAME_US)
    reports = [parse_report(data) for n in range(SECOND) for _, data in space.tick(n * FRAME_US).reports]
    assert [(one.received, one.lost, one.highest_seq) for one in reports] == [(8, 0, 7)]


def test_who_is_heard_gets_fec_in_their_own_mix_by_their_own_reports(sound: list[Samples]) -> None:
    space = Space(complexity=0, loudness=False)
    for seat in (1, 2):
        space.add_seat(seat, pcm=True)
    carried: dict[int, int] = {1: 0, 2: 0}
    for n in range(4 * SECOND):
        for seat in (1, 2):
            space.put_pcm(seat, sound[(n + 40 * seat) % len(sound)])
        if n % SECOND == 0:
            space.report(1, pack_report(Report(0, 46, 4, 4, 5, 40, 4)), n * FRAME_US)
            for vote in range(30):  # the others hear well: the mix need not care
                space.report(None, pack_report(Report(0, 250, 0, 0, 5, 40)), n * FRAME_US, vote=vote)
        for audience, data in space.tick(n * FRAME_US).packets:
            if audience in carried:
                carried[audience] += packet_carries_fec(parse_audio(data, True).frames[0])
    assert carried[1] > SECOND and carried[2] == 0


def test_a_speaker_who_is_passed_on_makes_the_fec_that_the_mix_would_have_made(sound: list[Samples]) -> None:
    for pass_through, expected in ((True, 10), (False, 0)):
        line = Line(sound, space=Space(complexity=0, loudness=False, pass_through=pass_through))
        line.space.report(None, pack_report(Report(0, 230, 20, 20, 5, 40, 20)), 0)
        line.run(3)
        assert line.space.stats.fec_pct == 10
        assert line.talker.stats.fec_pct == expected
        assert line.talker.stats.copies == 0
