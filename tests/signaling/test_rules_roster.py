"""The roster against plain dicts: every version stays what it was, whichever is read next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.rules import Roster

USERS = st.sampled_from("abcdef")
STEPS = st.lists(
    st.tuples(st.integers(0, 1_000), USERS, st.one_of(st.none(), st.text(max_size=3))), max_size=40
)


@given(STEPS)
def test_versions_branch_and_stay(steps: list[tuple[int, str, str | None]]) -> None:
    versions: list[tuple[Roster, dict[str, str]]] = [(Roster(), {})]
    for pick, user, name in steps:
        roster, model = versions[pick % len(versions)]
        if name is None:
            if user not in model:
                with pytest.raises(KeyError):
                    roster.without(user)
                continue
            changed = {who: what for who, what in model.items() if who != user}
            versions.append((roster.without(user), changed))
        else:
            versions.append((roster.with_person(user, name), {**model, user: name}))
    for roster, model in versions:
        assert len(roster) == len(model)
        assert list(roster) == sorted(model)
        assert roster.page("", 10) == sorted(model.items())
        assert roster.page("c", 2) == [item for item in sorted(model.items()) if item[0] > "c"][:2]
        for user in "abcdef":
            assert (user in roster) == (user in model)
    for (one, model_one), (other, model_other) in zip(versions, reversed(versions), strict=True):
        assert (one == other) == (model_one == model_other)


def test_a_long_history_is_walked_without_recursion() -> None:
    first = newest = Roster()
    for number in range(20_000):
        newest = newest.with_person(f"u{number}", "x")
    assert list(first) == []
    assert len(list(newest)) == len(newest) == 20_000
    assert len(first) == 0
    del newest
    assert list(first) == []


def test_counting_an_older_version_leaves_the_table_with_the_newest() -> None:
    """Every act compares how many were inside before and after it: that must not undo and redo the change."""
    before = Roster().with_person("a", "A")
    after = before.with_person("b", "B")
    assert (len(before), len(after)) == (1, 2)
    assert after._table is not None
    assert before._table is None


def test_it_is_no_key_and_compares_only_with_its_kind() -> None:
    with pytest.raises(TypeError):
        hash(Roster())
    assert Roster() != {}
    assert repr(Roster().with_person("a", "A")) == "Roster({'a': 'A'})"
    with pytest.raises(KeyError):
        Roster().name_of("a")
