"""Handles: one form each, none that can pass for another, and nothing that anybody may type raises."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signaling.rules import Refused, handles
from signaling.rules.handles import RESERVED, Handle, new_handle, normalise, skeleton

anything = st.text(st.characters(exclude_categories=()), max_size=80)
# Most random text is refused at its first character; this is what passes often and sits on the edges.
likely = st.text(st.sampled_from("annbobß1l0oIİıСсесΣςσ日本カｶ한ना्مح٥५_.@ ́̈̂Ａ９-\u202e"), max_size=40)


def message(value: str) -> str:
    answer = new_handle(value)
    assert isinstance(answer, Refused), answer
    assert answer.code == "bad_value"
    assert answer.message.endswith(".")
    assert ";" in answer.message, "a refusal names a remedy"
    return answer.message


def accepted(value: str) -> Handle:
    answer = new_handle(value)
    assert isinstance(answer, Handle), answer
    return answer


@pytest.mark.parametrize(
    ("typed", "handle"),
    [
        ("ann", "ann"),
        ("@Ann_B.7", "ann_b.7"),
        ("  ANN  ", "ann"),
        ("ＡＮＮ９", "ann9"),
        ("ｶﾀｶﾅ", "カタカナ"),
        ("Jose\u0301", "josé"),
        ("Straße", "straße"),
        ("ΟΔΟΣ", "οδος"),
        ("日本のニュース", "日本のニュース"),
        ("radio東京", "radio東京"),
        ("한국radio", "한국radio"),
        ("आवाज़", "आवाज\u093c"),
        ("صوت7", "صوت7"),
        ("x" * 30, "x" * 30),
        ("xyz", "xyz"),
    ],
)
def test_handles_that_can_be(typed: str, handle: str) -> None:
    assert accepted(typed).handle == handle


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        ("", "is empty"),
        ("@", "is empty"),
        ("ab", "has 2 characters and 3 to 30 characters are the limit"),
        ("x" * 31, "has 31 characters and 3 to 30 characters are the limit"),
        ("x" * 65, "has 65 characters, 64 is the limit"),
        ("a\x00bc", "U+0000 at place 1"),
        ("a\nbc", "U+000A at place 1"),
        ("ann\u202ebob", "U+202E at place 3"),
        ("ann\u200fbob", "U+200F at place 3"),
        ("ann\u200bbob", "U+200B at place 3"),
        ("ann\u200dbob", "U+200D at place 3"),
        ("ann\u034fbob", "U+034F at place 3"),
        ("ann\u3164bob", "U+3164 at place 3"),
        ("ann\ud800", "U+D800 at place 3"),
        ("ann bob", "U+0020 at place 3"),
        ("ann-bob", "U+002D at place 3"),
        ("ann@bob", "U+0040 at place 3"),
        ("@@ann", "begins with '@'"),
        ("ann💜", "U+1F49C at place 3"),
        ("ﬁnn", "U+FB01 at place 0"),
        ("_ann", "begins with '_'"),
        (".ann", "begins with '.'"),
        ("\u0301ann", "begins with '\u0301'"),
        ("ann.", "a dot at its end or beside another"),
        ("a..nn", "a dot at its end or beside another"),
        ("аnn", "mixes letters of Cyrillic and Latin and 1 script is the limit"),
        ("pαul", "mixes letters of Greek and Latin"),
        ("한국ニュース", "mixes letters of Hangul and Katakana"),
        ("7१2", "digits of 2 kinds and 1 is the limit"),
        ("annصوت", "mixes directions of writing"),
        ("x\u0301\u0301\u0301\u0301\u0301yz", "has 5 marks in a row and 4 is the limit"),
        ("Admin", "is or looks like the word 'admin'"),
        ("ADM1N", "is or looks like the word 'admin'"),
        ("h0st", "is or looks like the word 'host'"),
        ("co.host", "is or looks like the word 'co.host'"),
        ("spaces", "is or looks like the word 'spaces'"),
    ],
)
def test_handles_that_cannot_be(typed: str, part: str) -> None:
    assert part in message(typed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "paypaI"),
        ("paypal", "paypa1"),
        ("paypal", "PAYPAL"),
        ("paypal", "раураӏ"),
        ("lllll", "1Il1i"),
        ("google", "g00gle"),
        ("google", "ɡооɡⅼе"),
        ("modern", "rnodern"),
        ("wave", "vvave"),
        ("scope", "ѕсоре"),
        ("соре", "cope"),
        ("strasse", "straße"),
        ("jose\u0301", "josé"),
        ("カタカナ", "力夕力ナ"),
        ("二二二", "ニニニ"),
        ("٥٥٥م", "۵۵۵م"),
    ],
)
def test_look_alikes_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one.casefold()) == skeleton(other.casefold())


@pytest.mark.parametrize(
    ("one", "other"),
    [("ann", "anna"), ("ann_b", "annb"), ("ann.b", "ann_b"), ("jose", "josé"), ("bob", "rob")],
)
def test_what_looks_different_has_another_skeleton(one: str, other: str) -> None:
    assert accepted(one).skeleton != accepted(other).skeleton


def test_reserved_words_are_handles_but_for_being_reserved() -> None:
    for word in sorted(RESERVED):
        assert normalise(word) == word
        assert f"the word {word!r}" in message(word.upper())


@given(st.one_of(anything, likely))
@example("İİİ")
@example("ΑΣ.Σ")
@example("ΑΑΣ")
def test_normalising_twice_is_normalising_once(value: str) -> None:
    handle = normalise(value)
    if isinstance(handle, Refused):
        assert message(value)
    else:
        assert normalise(handle) == handle
        assert normalise(f" @{handle} ") == handle
        assert unicodedata.is_normalized("NFC", handle)
        assert 3 <= len(handle) <= 30
        assert not {unicodedata.category(char)[0] for char in handle} - set("LMN") - {"P"}


@given(st.one_of(anything, likely))
def test_a_skeleton_is_one_of_a_form_and_of_its_case(value: str) -> None:
    found = skeleton(value)
    assert skeleton(unicodedata.normalize("NFD", value)) == found
    handle = new_handle(value)
    if isinstance(handle, Handle):
        assert handle.skeleton == skeleton(handle.handle)
        loud = new_handle(value.upper())
        assert isinstance(loud, Refused) or loud.skeleton == handle.skeleton


def test_every_character_comes_to_rest_in_a_skeleton() -> None:
    """No chain of look-alikes and case is longer than the passes that are made."""
    listed = handles._look_alikes()
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(chr(number)) not in ("Cs", "Cn", "Co"):
            text = unicodedata.normalize("NFD", chr(number))
            for _ in range(3):
                text = handles._once(text, listed)
            assert handles._once(text, listed) == text, f"U+{number:04X}"


def test_nothing_that_is_listed_stands_for_itself() -> None:
    for char, other in handles._look_alikes().items():
        assert len(char) == 1
        assert other
        assert other != char
        assert "\u200e" not in other


def test_the_tables_are_not_loaded_by_importing_the_rules() -> None:
    program = (
        "import sys, signaling.rules.handles as handles\n"
        "large = ('precis_i18n', 'confusable_homoglyphs', 'urllib.request')\n"
        "assert not [name for name in large if name in sys.modules]\n"
        "handles.prepare()\n"
        "assert [name for name in large[:2] if name not in sys.modules] == []\n"
        "assert 'confusable_homoglyphs.confusables' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_many_threads_may_begin_at_once() -> None:
    for table in (handles._enforce, handles._script_of, handles._reserved, handles._look_alikes):
        table.cache_clear()
    typed = [f"Ann{number}" for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(accepted, typed)) == [accepted(value) for value in typed]
