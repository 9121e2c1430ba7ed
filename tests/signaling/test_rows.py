"""Rows of messages: the largest stage and the longest names still fit in what a joiner is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signaling import rules
from signaling.protocol.wire import encode
from signaling.rules import OnStage, Role, SpaceLimits, Waiting
from signaling.server.rows import joined

NAME = "\U0001f600" * 50


def person(number: int) -> str:
    return "\U0001f600" * 63 + chr(0x4E00 + number)


@pytest.mark.parametrize("stage", [13, 20, 32])
def test_a_full_stage_and_a_full_queue_of_long_names_fit_in_joined(stage: int) -> None:
    host = person(0)
    opened = rules.open_space(
        bytes(16), rules.Settings("t" * 100), host, NAME, 0, limits=SpaceLimits(stage=stage)
    )
    assert isinstance(opened, rules.Outcome)
    state = replace(
        opened.state,
        on_stage={person(n): OnStage(n, person(n), NAME, Role.SPEAKER, False) for n in range(stage)},
        asks={person(n): Waiting(person(n), NAME) for n in range(100, 200)},
    )
    told = joined(state, 1, host, 0)
    assert len(told.stage) == stage
    assert told.waiting == 100
    encode(told)  # raises where it is over 16,384 bytes
