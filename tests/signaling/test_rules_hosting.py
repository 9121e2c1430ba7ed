"""Who may host: each gate at its number and one below, and that a refusal says both numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.protocol import ErrorCode
from signaling.rules import ALLOWED, Refused
from signaling.rules.graph import NOBODY_KNOWN, KnownGraph
from signaling.rules.hosting import HostGate, may_host

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US
OPEN = HostGate(min_followers=0)


def followed_by(count: int) -> KnownGraph:
    return KnownGraph(followers={"ann": count})


def refused(answer: object, code: str) -> Refused:
    assert isinstance(answer, Refused), answer
    assert answer.code == code
    assert code in ErrorCode.__members__
    assert answer.message.endswith(".")
    assert ";" in answer.message, "a refusal names a remedy"
    return answer


def test_the_number_of_followers_needed_and_one_below() -> None:
    gates = {"": HostGate()}
    assert may_host("ann", "", followed_by(600), None, gates, NOW_US) == ALLOWED
    answer = refused(may_host("ann", "", followed_by(599), None, gates, NOW_US), "too_few_followers")
    assert answer.message == (
        "You have 599 followers and Spaces need 600 of their host; come back with 1 more."
    )
    assert answer.retry_after_ms == 0


def test_each_kind_has_its_own_gates() -> None:
    gates = {"": HostGate(10), "show": HostGate(1_000), "class": OPEN}
    assert may_host("ann", "", followed_by(10), None, gates, NOW_US) == ALLOWED
    assert may_host("ann", "class", NOBODY_KNOWN, None, gates, NOW_US) == ALLOWED
    answer = refused(may_host("ann", "show", followed_by(10), None, gates, NOW_US), "too_few_followers")
    assert "Spaces of the kind 'show' need 1000" in answer.message


@pytest.mark.parametrize(
    ("kinds", "remedy"),
    [
        ((), "of 0 there are; name none."),
        (("show", "class"), "of 2 there are; name one of class, show, or none."),
        (tuple(f"k{n:02}" for n in range(12)), "k08, k09, …, or none."),
    ],
)
def test_a_kind_that_there_is_not(kinds: tuple[str, ...], remedy: str) -> None:
    gates = {"": OPEN, **dict.fromkeys(kinds, OPEN)}
    answer = refused(may_host("ann", "x" * 1_000, NOBODY_KNOWN, None, gates, NOW_US), "bad_value")
    assert answer.message.endswith(remedy)
    assert len(answer.message) < 200


def test_the_age_of_the_account_needed_and_a_moment_below() -> None:
    gates = {"": HostGate(0, 7 * DAY_US)}
    assert may_host("ann", "", NOBODY_KNOWN, NOW_US - 7 * DAY_US, gates, NOW_US) == ALLOWED
    answer = refused(
        may_host("ann", "", NOBODY_KNOWN, NOW_US - 7 * DAY_US + 1, gates, NOW_US), "account_too_young"
    )
    assert answer.retry_after_ms == 1
    answer = refused(
        may_host("ann", "", NOBODY_KNOWN, NOW_US - 3 * DAY_US, gates, NOW_US), "account_too_young"
    )
    assert answer.message == (
        "Your account is 3 days old and Spaces need 7 days of their host; come back in 4 days."
    )
    assert answer.retry_after_ms == 4 * 86_400_000


def test_an_account_of_unknown_age_passes_only_where_none_is_asked_for() -> None:
    assert may_host("ann", "", NOBODY_KNOWN, None, {"": OPEN}, NOW_US) == ALLOWED
    answer = may_host("ann", "", NOBODY_KNOWN, None, {"": HostGate(0, DAY_US)}, NOW_US)
    assert "is not known" in refused(answer, "account_too_young").message


def test_a_clock_that_was_set_back_asks_for_no_longer_than_can_be_told() -> None:
    answer = may_host("ann", "", NOBODY_KNOWN, NOW_US + 400 * DAY_US, {"": HostGate(0, DAY_US)}, NOW_US)
    assert refused(answer, "account_too_young").retry_after_ms == 0xFFFF_FFFF


def test_a_list_names_who_may_and_the_other_gates_hold_too() -> None:
    gates = {"": HostGate(5, 0, frozenset({"ann", "bob"}))}
    assert may_host("ann", "", followed_by(5), None, gates, NOW_US) == ALLOWED
    refused(may_host("ann", "", followed_by(4), None, gates, NOW_US), "too_few_followers")
    answer = refused(may_host("cat", "", followed_by(5), None, gates, NOW_US), "not_listed")
    assert "2 named people and 'cat' is not one of them" in answer.message


@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.one_of(st.none(), st.integers(0, 40)),
    st.integers(0, 20),
    st.sets(st.sampled_from(["ann", "bob"])),
)
def test_who_passes_every_gate_and_nobody_else(
    held: int, needed: int, age_us: int | None, needed_us: int, listed: set[str]
) -> None:
    gates = {"": HostGate(needed, needed_us, frozenset(listed))}
    created_us = None if age_us is None else NOW_US - age_us
    answer = may_host("ann", "", followed_by(held), created_us, gates, NOW_US)
    old_enough = needed_us == 0 or (age_us is not None and age_us >= needed_us)
    assert (answer == ALLOWED) == (held >= needed and old_enough and (not listed or "ann" in listed))


@pytest.mark.parametrize("wrong", [{"min_followers": -1}, {"min_account_age_us": -1}])
def test_gates_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is -1; set it to 0 or more"):
        HostGate(**wrong)
