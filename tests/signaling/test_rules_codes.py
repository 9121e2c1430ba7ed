"""The rules and the protocol do not know each other; that they mean the same is held here."""

from __future__ import annotations

from signaling.protocol import codes
from signaling.rules import CODES, Role

TOKEN_CODES = {"bad_token", "token_expired", "wrong_subject"}
STORE_CODES = {"already_hosting", "busy", "no_such_space"}


def test_every_code_of_the_rules_tokens_and_store_is_one_of_the_protocol() -> None:
    named = {code.name.lower() for code in codes.ErrorCode}
    assert named >= CODES | TOKEN_CODES | STORE_CODES


def test_roles_are_the_numbers_of_the_wire() -> None:
    assert [(role.value, role.name) for role in Role] == [(0, "LISTENER"), (1, "SPEAKER"), (2, "HOST")]
