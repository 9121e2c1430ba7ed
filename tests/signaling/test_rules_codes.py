"""The rules and the protocol do not know each other; that they mean the same is held here."""

from __future__ import annotations

import re

from signaling.protocol import codes
from signaling.protocol.fields import LINE_PATTERN
from signaling.rules import CODES, Refused, Role, clean_text

TOKEN_CODES = {"bad_token", "token_expired", "wrong_subject"}
STORE_CODES = {"already_hosting", "busy", "no_such_space"}


def test_every_code_of_the_rules_tokens_and_store_is_one_of_the_protocol() -> None:
    named = {code.name.lower() for code in codes.ErrorCode}
    assert named >= CODES | TOKEN_CODES | STORE_CODES


def test_roles_are_the_numbers_of_the_wire() -> None:
    assert [(role.value, role.name) for role in Role] == [
        (0, "LISTENER"),
        (1, "SPEAKER"),
        (2, "HOST"),
        (3, "CO_HOST"),
    ]


def test_both_refuse_the_same_characters_in_a_line() -> None:
    """All of the basic plane but surrogates, which no valid UTF-8 holds."""
    line = re.compile(LINE_PATTERN)
    differ = [
        f"U+{number:04X}"
        for number in range(0x10000)
        if not 0xD800 <= number <= 0xDFFF
        and bool(line.match(f"a{chr(number)}b"))
        == isinstance(clean_text("title", f"a{chr(number)}b", 9), Refused)
    ]
    assert differ == []
