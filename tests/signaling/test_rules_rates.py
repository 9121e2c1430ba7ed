"""Rates: a bucket lets no more pass than it says, people are counted apart, and memory stays bounded."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.config import TalkConfig
from signaling.protocol import ErrorCode
from signaling.rules import ALLOWED, Refused
from signaling.rules.rates import RATES, Bucket, Rate, RateKind, Rates

SECOND_US = 1_000_000
SET_IN_TALK = {
    RateKind.POST: "posts",
    RateKind.NOTE: "notes",
    RateKind.REACTION: "reactions",
    RateKind.ASK: "asks",
    RateKind.INVITE: "invites",
    RateKind.REPORT: "reports",
}
T0 = 1_700_000_000 * SECOND_US
pauses_us = st.lists(st.integers(0, 300_000), max_size=100)


@given(pauses_us, st.integers(1, 50), st.integers(1, 20))
def test_a_bucket_lets_never_more_pass_than_burst_and_rate(pauses: list[int], per_s: int, burst: int) -> None:
    bucket, now_us, passed = Bucket(Rate.per_second(per_s, burst)), 0, 0
    for pause_us in pauses:
        now_us += pause_us
        wait_ms = bucket.wait_ms(now_us)
        taken = bucket.take(now_us)
        assert taken == (wait_ms == 0)
        passed += taken
        assert passed <= burst + now_us * per_s / SECOND_US + 0.001
    assert bucket.take(now_us + bucket.wait_ms(now_us) * 1000)


@pytest.mark.parametrize("kind", RateKind)
def test_every_kind_at_its_burst_and_one_past_it(kind: RateKind) -> None:
    rates, rate = Rates(), RATES[kind]
    for _ in range(rate.burst):
        assert rates.take(kind, "ann", T0) == ALLOWED
    refused = rates.take(kind, "ann", T0)
    assert isinstance(refused, Refused)
    assert refused.code == "too_often" == ErrorCode.too_often.name
    assert refused.retry_after_ms == -(-rate.every_us // 1_000)
    assert f"{rate.burst + 1} {kind} at once are more than the limit of {rate.burst}" in refused.message
    assert refused.message.endswith(f"; try again in {refused.retry_after_ms / 1_000:g} s.")
    again_us = T0 + refused.retry_after_ms * 1_000
    assert isinstance(rates.take(kind, "ann", again_us - 1_000), Refused)
    assert rates.take(kind, "ann", again_us) == ALLOWED


def test_people_and_kinds_are_counted_apart() -> None:
    rates = Rates({RateKind.POST: Rate(1, SECOND_US)})
    assert rates.take(RateKind.POST, "ann", T0) == ALLOWED
    assert isinstance(rates.take(RateKind.POST, "ann", T0), Refused)
    assert rates.take(RateKind.POST, "bob", T0) == ALLOWED
    assert rates.take(RateKind.NOTE, "ann", T0) == ALLOWED


def test_what_was_refused_does_not_put_the_time_off() -> None:
    rates = Rates({RateKind.NOTE: Rate(1, SECOND_US)})
    rates.take(RateKind.NOTE, "ann", T0)
    for step_us in range(0, SECOND_US, 1_000):
        assert isinstance(rates.take(RateKind.NOTE, "ann", T0 + step_us), Refused)
    assert rates.take(RateKind.NOTE, "ann", T0 + SECOND_US) == ALLOWED


def test_full_buckets_are_forgotten() -> None:
    """Ten acts a second, each of somebody else, for an hour: kept are those of the last seconds."""
    rates, most = Rates({RateKind.POST: Rate(1, 10 * SECOND_US)}), 0
    for number in range(36_000):
        rates.take(RateKind.POST, f"user-{number}", T0 + number * SECOND_US // 10)
        most = max(most, len(rates))
    assert most <= 256, "no more than where sweeping begins"
    assert rates.forgotten == 0, "none before it was full"


@pytest.mark.parametrize("kept", [1, 4, 300])
def test_at_the_bound_the_fullest_are_forgotten_and_counted(kept: int) -> None:
    rates = Rates({RateKind.REPORT: Rate(2, SECOND_US)}, kept=kept)
    for number in range(kept):
        for _ in range(1 + (number >= kept - 1)):  # the last one's is the least full
            assert rates.take(RateKind.REPORT, f"user-{number}", T0) == ALLOWED
    assert (len(rates), rates.forgotten) == (kept, 0)
    assert rates.take(RateKind.REPORT, "one-more", T0) == ALLOWED
    assert len(rates) <= kept
    assert rates.forgotten == max(1, kept // 4)
    held = isinstance(rates.take(RateKind.REPORT, f"user-{kept - 1}", T0), Refused)
    assert held == (kept > 1), "whoever was held back the most still is"


@given(
    st.lists(
        st.tuples(
            st.integers(0, SECOND_US),
            st.sampled_from(["ann", "bob", "cat", "dan"]),
            st.sampled_from([RateKind.POST, RateKind.FOLLOW]),
        ),
        max_size=150,
    )
)
def test_rates_agree_with_one_bucket_for_each(acts: list[tuple[int, str, RateKind]]) -> None:
    """Forgetting full buckets cannot be seen from outside."""
    chosen = {RateKind.POST: Rate(2, 700_000), RateKind.FOLLOW: Rate(1, 300_000)}
    with patch("signaling.rules.rates._SWEEP_FROM", 2):
        agree_with_one_bucket_for_each(chosen, acts)


def agree_with_one_bucket_for_each(
    chosen: dict[RateKind, Rate], acts: list[tuple[int, str, RateKind]]
) -> None:
    rates = Rates(chosen)
    model: dict[tuple[str, RateKind], Bucket] = {}
    now_us = T0
    for pause_us, user, kind in acts:
        now_us += pause_us
        bucket = model.setdefault((user, kind), Bucket(chosen[kind]))
        wait_ms, allowed = bucket.wait_ms(now_us), bucket.take(now_us)
        answer = rates.take(kind, user, now_us)
        assert (answer == ALLOWED) == allowed
        if isinstance(answer, Refused):
            assert answer.retry_after_ms == wait_ms > 0
    assert len(rates) <= len(model)


@pytest.mark.parametrize("wrong", [Rate(0, 1), Rate(1, 0), Rate(-1, 5)])
def test_rates_that_cannot_be(wrong: Rate) -> None:
    with pytest.raises(ValueError, match="set both to at least 1"):
        Rates({RateKind.POST: wrong})
    with pytest.raises(ValueError, match="set it to at least 1"):
        Rates(kept=0)


def test_rates_that_can_be_set_begin_at_the_defaults() -> None:
    talk = TalkConfig()
    for kind, name in SET_IN_TALK.items():
        every_us = getattr(talk, f"{name}_every_ms") * 1_000
        assert Rate(getattr(talk, f"{name}_burst"), every_us) == RATES[kind]


def test_the_page_of_limits_says_the_others() -> None:
    page = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
    rows = re.findall(r"^\| ([a-zS ]+) \| (\d+) \| ([\d.]+) s \|$", page, re.MULTILINE)
    assert [(kind, Rate(int(burst), round(float(every_s) * SECOND_US))) for kind, burst, every_s in rows] == [
        (kind.value, RATES[kind]) for kind in RateKind if kind not in SET_IN_TALK
    ]
