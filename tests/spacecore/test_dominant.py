"""Who dominates: the decision against its oracle, and stories of a conversation."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore import FULL, Space, parse_audio
from tests.oracles import dominant_reference as reference
from tests.people import TICK_US
from tests.signals import FRAME

TONE = np.sin(2 * np.pi * 400 * np.arange(FRAME) / 48_000).astype(np.float32)
SECOND = 50


class Conversation:
    """PCM seats that say tones of given levels, and all that was decided."""

    def __init__(self, seats: tuple[int, ...]) -> None:
        self.space = Space(complexity=0, loudness=False)
        for seat in seats:
            self.space.add_seat(seat, pcm=True)
        self.seats = seats
        self.ticks = 0
        self.levels: dict[int, list[int]] = {seat: [] for seat in seats}
        self.decided: list[int | None] = []
        self.named: tuple[int, ...] = ()

    def say(self, dbov: dict[int, int], ticks: int) -> int | None:
        """Seats at so many dB below full scale (RMS) for a while; who dominates after it."""
        for _ in range(ticks):
            for seat, level in dbov.items():
                self.space.put_pcm(seat, TONE * np.float32(2**0.5 * 10 ** (-level / 20)))
            tick = self.space.tick(self.ticks * TICK_US)
            self.ticks += 1
            for seat in self.seats:
                self.levels[seat].append(tick.levels[seat] if seat in tick.audible else 127)
            full = [data for audience, data in tick.packets if audience == FULL]
            self.named = parse_audio(full[0], down=True).seats if full else ()
            self.decided.append(tick.dominant)
        return self.decided[-1]


def test_nobody_dominates_before_anybody_spoke() -> None:
    talk = Conversation((1, 2))
    assert talk.say({}, SECOND) is None
    assert talk.say({2: 26}, 20) == 2


def test_a_cough_takes_nothing_over_and_a_speech_does() -> None:
    talk = Conversation((1, 2))
    talk.say({1: 26}, 2 * SECOND)
    assert talk.say({1: 26, 2: 20}, 10) == 1
    assert talk.say({1: 26}, SECOND) == 1
    assert talk.say({2: 26}, 2 * SECOND) == 2  # the other has stopped


def test_who_dominates_stays_so_in_silence_until_removed() -> None:
    talk = Conversation((1, 2))
    talk.say({2: 26}, SECOND)
    assert talk.say({}, 3 * SECOND) == 2
    talk.space.remove_seat(2)
    assert talk.space.tick(talk.ticks * TICK_US).dominant is None


def test_the_dominant_seat_is_named_first_though_another_is_louder() -> None:
    talk = Conversation((1, 2, 3))
    talk.say({3: 30}, 2 * SECOND)
    assert talk.say({1: 24, 3: 30}, 10) == 3
    assert talk.named == (3, 1)


def test_a_room_that_is_silent_notes_nothing() -> None:
    """And goes on as if it had: the second before is forgotten by then."""
    talk = Conversation((1, 2))
    talk.say({1: 26}, SECOND)
    talk.say({}, 10 * SECOND)
    assert talk.say({2: 26}, SECOND) == 2


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from([1, 4, 9]), st.integers(10, 60), max_size=3),
            st.integers(1, 40),
        ),
        min_size=2,
        max_size=8,
    )
)
def test_decisions_are_those_of_the_oracle(parts: list[tuple[dict[int, int], int]]) -> None:
    talk = Conversation((1, 4, 9))
    for dbov, ticks in parts:
        talk.say(dbov, ticks)
    dominant, judged, unheard = None, 0, 0
    for at, decided in enumerate(talk.decided):
        heard = any(levels[at] < 127 for levels in talk.levels.values())
        unheard = 0 if heard else unheard + 1
        judged += unheard <= 50
        if judged == 15:
            judged = 0
            dominant = reference.decide({s: levels[: at + 1] for s, levels in talk.levels.items()}, dominant)
        assert decided == dominant, f"tick {at}"
