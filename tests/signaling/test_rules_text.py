"""Topics and what may have several lines: one form, bounds, and characters that are not allowed."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.protocol.fields import BODY_PATTERN
from signaling.rules import Refused, text

anything = st.text(st.characters(exclude_categories=()), max_size=40)


def message(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    assert answer.code == "bad_value"
    assert ";" in answer.message or ", leave it out" in answer.message, "a refusal names a remedy"
    return answer.message


@pytest.mark.parametrize(
    ("typed", "topic"),
    [
        ("jazz", "jazz"),
        (" Jazz ", "jazz"),
        ("ＪＡＺＺ", "jazz"),
        ("deep  sea   diving", "deep sea diving"),
        ("Straße", "strasse"),
        ("ΟΔΟΣ", "οδοσ"),
        ("Cafe\u0301", "café"),
        ("ﬁlm", "film"),
        ("№ 1", "no 1"),
        ("x" * 30, "x" * 30),
        ("日本", "日本"),
    ],
)
def test_a_topic_has_one_form(typed: str, topic: str) -> None:
    assert text.topic(typed) == topic


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        ("", "topic is empty; give it 1 to 30"),
        (" \u3000 ", "topic is empty"),
        ("x" * 31, "topic has 31 characters, 30 is the limit"),
        ("ﷺ" * 2, "topic has 36 characters, 30 is the limit"),
        ("a\nb", "U+000A at place 1"),
        ("a\u202eb", "U+202E at place 1"),
        ("a\ud800", "U+D800 at place 1"),
        ("\u200b\u200b", "topic shows nothing"),
        ("\u3164", "topic shows nothing"),
        ("\ufe0f", "topic shows nothing"),
    ],
)
def test_topics_that_cannot_be(typed: str, part: str) -> None:
    assert part in message(text.topic(typed))
    assert part in message(text.topics(["jazz", typed], 3))


def test_topics_at_their_limit_and_one_past_it() -> None:
    assert text.topics(["Sea", "jazz", "ＳＥＡ", "news"], 3) == ("sea", "jazz", "news")
    assert text.topics([], 0) == ()
    assert "4 topics are named and 3 is the limit; leave out 1" in message(text.topics(list("abcd"), 3))


@given(anything)
def test_a_topic_is_folded_once_and_for_all(value: str) -> None:
    once = text.topic(value)
    if isinstance(once, str):
        assert text.topic(once) == once
        assert text.topic(f"  {once} ") == once
        again = text.topic(once.upper())
        assert isinstance(again, Refused) or again == text.topic(again)
    else:
        assert message(once)


def test_every_character_comes_to_rest_in_a_topic() -> None:
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(chr(number)) not in ("Cs", "Cn", "Co"):
            folded = text._folded(chr(number))
            assert text._folded(folded) == folded, f"U+{number:04X}"


def test_a_body_may_have_lines() -> None:
    assert text.clean_body("post", " one\n\ntwo \n") == "one\n\ntwo"
    assert text.clean_body("post", "x" * 500) == "x" * 500


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("", "The post is empty; give it 1 to 500 characters"),
        ("\n \n", "The post is empty"),
        ("x" * 501, "The post has 501 characters, 500 is the limit"),
        ("a\r\nb", "U+000D at place 1"),
        ("a\tb", "U+0009 at place 1"),
        ("a\u2028b", "U+2028 at place 1"),
        ("a\u2067b", "U+2067 at place 1"),
    ],
)
def test_bodies_that_cannot_be(value: str, part: str) -> None:
    assert part in message(text.clean_body("post", value))


def test_rules_and_wire_refuse_the_same_characters_in_a_body() -> None:
    """All of the basic plane but surrogates, which no valid UTF-8 holds."""
    body = re.compile(BODY_PATTERN)
    differ = [
        f"U+{number:04X}"
        for number in range(0x10000)
        if not 0xD800 <= number <= 0xDFFF
        and bool(body.match(f"a{chr(number)}b"))
        == isinstance(text.clean_body("post", f"a{chr(number)}b"), Refused)
    ]
    assert differ == []
