"""Who may read what is kept of a Space without being in it: who had it, and a service."""

from __future__ import annotations

import pytest

from signaling.rules import ALLOWED, Past, may_look_back, no_such_space

SPACE = bytes(range(16))
PAST = Past("stand-in", "founder", frozenset({"heir"}))


@pytest.mark.parametrize("user", ["stand-in", "founder", "heir"])
def test_who_had_it_may(user: str) -> None:
    assert may_look_back(user, SPACE, PAST) == ALLOWED


def test_a_service_may() -> None:
    assert may_look_back("backend", SPACE, PAST, is_service=True) == ALLOWED


@pytest.mark.parametrize("user", ["co-host", "listener", ""])
def test_to_anybody_else_it_is_not_there(user: str) -> None:
    assert may_look_back(user, SPACE, PAST) == no_such_space(SPACE) == may_look_back(user, SPACE, None)


def test_a_space_that_never_was_is_there_for_nobody() -> None:
    assert may_look_back("backend", SPACE, None, is_service=True) == no_such_space(SPACE)
