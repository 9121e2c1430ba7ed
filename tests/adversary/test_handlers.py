"""Messages of every verb, valid and mutated, by people of every standing: no exception leaves a handler."""

from __future__ import annotations

from tests.adversary.handlers import pelt

SEED = 1
MESSAGES = 700  # a million of them: python -m tests.adversary.handlers --messages 1000000


def test_every_message_is_answered_and_none_raises() -> None:
    coverage = pelt(MESSAGES, SEED)
    repeat = f"repeat:  python -m tests.adversary.handlers --messages {MESSAGES} --seed {SEED}"
    assert coverage.messages >= MESSAGES
    assert (coverage.errors, coverage.caught, coverage.unanswered) == ([], 0, []), repeat
    assert coverage.faulty >= 20, "mutated ones are among them"
    assert len(coverage.granted) > 20, "and many are granted: who speaks is inside and may"
