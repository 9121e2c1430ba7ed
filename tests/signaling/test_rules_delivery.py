"""Delivered time: what counts, what is missed, and that no history makes more or less of it than there is."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from signaling.rules.delivery import STALL_US, UNHEARD_US, Airtime, Frames, Hearing, delivered_us

SECOND_US = 1_000_000
TICK_US = 20_000


@dataclass
class Evening:
    """One Space and one person, as somebody with a clock would drive them."""

    now_us: int = 1_000
    ticked_us: int = 0
    frames: Frames = field(default_factory=Frames)
    air: Airtime = field(default_factory=Airtime)
    hearing: Hearing = field(default_factory=Hearing)
    is_on: bool = True

    def __post_init__(self) -> None:
        self.air.look(self.now_us, self.ticked_us, self.is_on)

    def pass_(
        self, seconds: float, sent: int = 0, acked: int = 0, lost: int = 0, ticked: float = 1.0
    ) -> None:
        span_us = round(seconds * SECOND_US)
        self.now_us += span_us
        self.ticked_us += round(span_us * ticked)
        before = self.frames
        self.frames = Frames(before.sent + sent, before.acked + acked, before.lost + lost)
        self.air.look(self.now_us, self.ticked_us, self.is_on)

    def host(self, is_there: bool) -> None:
        self.is_on = is_there
        self.air.look(self.now_us, self.ticked_us, is_there)

    def come(self) -> None:
        self.hearing.come(self.air, self.frames)

    def look(self) -> int:
        self.hearing.look(self.air, self.frames)
        return self.hearing.missed_us

    def leave(self) -> int:
        self.hearing.leave(self.air, self.frames)
        return self.hearing.missed_us

    def lose(self, *, known: bool = True) -> int:
        self.hearing.lose(self.air, self.frames if known else None)
        return self.hearing.missed_us


def test_what_arrives_is_delivered_and_silence_misses_nothing() -> None:
    it = Evening()
    it.come()
    it.pass_(10, sent=500, acked=500)
    assert it.look() == 0
    it.pass_(10)
    assert it.look() == 0
    it.pass_(10, sent=500, acked=497)
    assert it.look() == 0, "three are on their way"
    it.pass_(1, acked=3)
    assert it.leave() == 0
    assert it.air.on_air_us == 31 * SECOND_US


def test_of_what_is_lost_on_the_way_the_share_of_the_time_is_missed() -> None:
    it = Evening()
    it.come()
    it.pass_(10, sent=500, acked=400, lost=100)
    assert it.look() == 2 * SECOND_US
    it.pass_(10, sent=500, acked=250)
    it.look()
    it.pass_(10, lost=250)
    assert it.look() == 2 * SECOND_US + 5 * SECOND_US + 10 * SECOND_US, "nothing came for ten seconds"


def test_who_is_heard_of_no_more_misses_what_was_not_acknowledged() -> None:
    it = Evening()
    it.come()
    it.pass_(10, sent=500, acked=500)
    it.look()
    it.pass_(10, sent=500, acked=150)
    assert it.look() == 0, "the rest may come yet"
    it.pass_(10, sent=500)
    assert it.look() == 17 * SECOND_US
    it.pass_(1, acked=850)
    assert it.look() == 0, "it did"
    it.pass_(10, sent=500)
    assert it.lose() == 10 * SECOND_US


def test_a_last_moment_without_word_counts_as_heard_and_a_longer_one_not() -> None:
    for seconds, missed_us in ((UNHEARD_US / SECOND_US - 0.1, 0), (UNHEARD_US / SECOND_US, UNHEARD_US)):
        it = Evening()
        it.come()
        it.pass_(seconds, sent=50)
        assert it.leave() == missed_us


def test_from_a_lost_connection_until_they_are_back_everything_is_missed() -> None:
    it = Evening()
    it.come()
    it.pass_(10, sent=500, acked=500)
    it.lose()
    it.pass_(30)
    it.come()
    it.pass_(10, sent=500, acked=500)
    assert it.look() == 30 * SECOND_US
    it.pass_(4)
    assert it.lose(known=False) == 34 * SECOND_US, "what was sent last is not known: it counts as lost"


def test_who_goes_of_their_own_will_or_comes_late_misses_nothing() -> None:
    it = Evening()
    it.pass_(600)
    it.come()
    it.pass_(10, sent=500, acked=500)
    it.leave()
    it.pass_(600)
    assert it.look() == 0
    assert delivered_us(it.air.on_air_us, it.hearing.missed_us) == 1_210 * SECOND_US


def test_without_the_host_it_is_not_on_air_and_nobody_misses_anything() -> None:
    it = Evening()
    it.come()
    it.pass_(10, sent=500, acked=500)
    it.host(False)
    it.lose()
    it.pass_(60)
    assert it.look() == 0
    it.host(True)
    it.pass_(5)
    assert it.look() == 5 * SECOND_US
    assert it.air.on_air_us == 15 * SECOND_US


def test_a_room_that_stands_still_delivers_to_nobody_inside() -> None:
    it, away = Evening(), Hearing()
    it.come()
    it.pass_(10, ticked=0.0)
    away.look(it.air, None)
    assert it.look() == 10 * SECOND_US - STALL_US
    assert away.missed_us == 0
    it.pass_(10, sent=500, acked=500)
    assert it.look() == 10 * SECOND_US - STALL_US, "once"
    for _ in range(1_000):  # a look falls now before a tick, now after it
        it.pass_(0.030, ticked=2 / 3)
        it.pass_(0.010, ticked=2.0)
    assert it.look() <= 10 * SECOND_US - STALL_US + TICK_US


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("pass", "come", "leave", "lose", "gone", "host", "look", "replaced")),
        st.integers(0, 60_000_000),
        st.integers(0, 200),
        st.integers(0, 200),
        st.integers(0, 200),
    ),
    max_size=40,
)


@given(STEPS)
def test_in_every_history_at_most_the_time_on_air_is_missed_and_only_inside_or_lost(
    steps: list[tuple[str, int, int, int, int]],
) -> None:
    it, where, most_us, lost_us = Evening(), "elsewhere", 0, 0
    for word, span_us, more, most_acked, most_lost in steps:
        match word:
            case "pass":
                before_us = it.air.on_air_us
                in_flight = it.frames.sent + more - it.frames.acked - it.frames.lost
                acked = min(most_acked, in_flight)
                lost = min(most_lost, in_flight - acked)
                it.pass_(span_us / SECOND_US, more, acked, lost)
                most_us += it.air.on_air_us - before_us if where != "elsewhere" else 0
                lost_us += it.air.on_air_us - before_us if where == "lost" else 0
            case "come":
                it.come()
                where = "inside"
            case "replaced":
                it.look()
                it.frames = Frames()
                if where == "inside":
                    it.come()
            case "leave":
                it.leave()
                where = "elsewhere"
            case "lose" | "gone":
                it.lose(known=word == "lose")
                where = "lost"
            case "host":
                it.host(not it.is_on)
            case "look":
                it.look()
        assert 0 <= it.hearing.missed_us <= most_us + it.air.stalled_us
    it.look()
    assert lost_us <= it.hearing.missed_us <= it.air.on_air_us
    assert 0 <= delivered_us(it.air.on_air_us, it.hearing.missed_us) <= it.air.on_air_us


@given(st.lists(st.tuples(st.integers(0, 20_000_000), st.integers(0, 1_000), st.booleans()), max_size=30))
def test_without_loss_nothing_is_missed_however_often_it_is_looked(
    steps: list[tuple[int, int, bool]],
) -> None:
    it = Evening()
    it.come()
    for span_us, sent, looks in steps:
        it.pass_(span_us / SECOND_US, sent, sent)
        if looks:
            it.look()
    assert it.leave() == 0
