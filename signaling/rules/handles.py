"""Handles: one normalised form, and a skeleton that two handles which look alike have in common.

A handle is 3 to 30 letters, digits, `_` and `.`, in lower case (PRECIS UsernameCaseMapped, RFC 8265).
Letters of any script may be used, mixed as far as UTS #39 calls it *highly restrictive*: all of one script,
or Latin with those of Japanese, Chinese or Korean; and digits of one kind. A character's script is the one
that Scripts.txt gives it, not its extensions; what is common to several scripts goes with each.

The skeleton follows UTS #39, 4 (confusables.txt), over NFD and with case folded. On top, `i` counts as `l`,
for what is shown in lower case may be read and copied as `I`; and `w` counts as `vv`. A handle is unique if
its skeleton is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple, cast

from signaling.rules.permissions import Refused
from signaling.rules.text import clean_text

__all__ = ["HANDLE_CHARS", "HANDLE_CHARS_MIN", "RESERVED", "Handle", "new_handle", "normalise", "skeleton"]

HANDLE_CHARS_MIN: Final = 3
HANDLE_CHARS: Final = 30

_RESERVED = """
admin administrator all anonymous anyone api audience cohost co_host co.host deleted everybody
everyone help here host hosts listener listeners moderator nobody none null official owner root
security server service settings space spaces speaker speakers staff support system team undefined
unknown user users www
"""
RESERVED: Final = frozenset(_RESERVED.split())
"""Words that no handle may be, nor look like."""

_RAW_CHARS = 64  # before normalising; what the wire carries
_PASSES = 8  # no character needs more than three
_OURS = str.maketrans({"i": "l", "w": "vv"})
_LRM = "\u200e"
_MARKS_IN_A_ROW = 4  # UTS #39, 5.4
_LIMIT = f"{HANDLE_CHARS_MIN} to {HANDLE_CHARS} characters"
_ALSO = "_."
_ANY_SCRIPT = frozenset({"COMMON", "INHERITED"})
_TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)


class Handle(NamedTuple):
    """A handle as it is shown and looked up, and what has to be unique."""

    handle: str
    skeleton: str


def new_handle(value: str) -> Handle | Refused:
    """The handle that somebody asks for, with its skeleton. Refused: bad_value, also for a reserved word.

    Whether it is taken is for the store to say. The first call loads large tables (see `prepare`).
    """
    handle = normalise(value)
    if isinstance(handle, Refused):
        return handle
    found = skeleton(handle)
    word = _reserved().get(found)
    if word is not None:
        return _refused(
            f"The handle {handle!r} is or looks like the word {word!r}, which is kept; choose another."
        )
    return Handle(handle, found)


def normalise(value: str) -> str | Refused:
    """The one form of a handle, with or without an `@` before it; doing it twice changes nothing.

    Refused: bad_value. Never raises.
    """
    cleaned = clean_text("handle", value.strip().removeprefix("@"), _RAW_CHARS)
    if isinstance(cleaned, Refused):
        return cleaned
    try:
        handle = _enforce()(cleaned)
    except UnicodeEncodeError as error:
        return _not_precis(error)
    refused = _shape(handle) or _characters(handle) or _scripts(handle)
    return handle if refused is None else refused


def skeleton(handle: str) -> str:
    """What `handle` looks like: two handles that can be taken for each other have the same. Never raises."""
    listed, text = _look_alikes(), unicodedata.normalize("NFD", handle)
    for _ in range(_PASSES):
        text, before = _once(text, listed), text
        if text == before:
            break
    return text.translate(_OURS)


def prepare() -> None:
    """Load all tables now (about 0.1 s), for a server that does not want to pause at the first handle."""
    new_handle("prepared")


def _shape(handle: str) -> Refused | None:
    if not HANDLE_CHARS_MIN <= len(handle) <= HANDLE_CHARS:
        return _refused(
            f"The handle has {len(handle)} characters and {_LIMIT} are the limit; choose another."
        )
    if not handle[0].isalnum():
        return _refused(f"The handle begins with {handle[0]!r}; begin with a letter or a digit.")
    if handle.endswith(".") or ".." in handle:
        return _refused(
            "The handle has a dot at its end or beside another; put dots one by one between others."
        )
    return None


def _characters(handle: str) -> Refused | None:
    marks, zeros = 0, set()
    for place, char in enumerate(handle):
        category = unicodedata.category(char)
        marks = marks + 1 if category.startswith("M") else 0
        if char not in _ALSO and not category.startswith(("L", "M")) and category != "Nd":
            return _refused(
                f"The handle has U+{ord(char):04X} at place {place}; use letters, digits, '_' and '.' only."
            )
        if marks > _MARKS_IN_A_ROW:
            return _refused(
                f"The handle has {marks} marks in a row and {_MARKS_IN_A_ROW} is the limit; leave some out."
            )
        if category == "Nd":
            zeros.add(ord(char) - unicodedata.decimal(char))
    if len(zeros) > 1:
        return _refused(f"The handle has digits of {len(zeros)} kinds and 1 is the limit; use those of one.")
    return None


def _scripts(handle: str) -> Refused | None:
    script = _script_of()
    scripts = {script(char) for char in handle} - _ANY_SCRIPT
    if len(scripts) <= 1 or any(scripts <= allowed for allowed in _TOGETHER):
        return None
    named = " and ".join(sorted(name.replace("_", " ").title() for name in scripts))
    return _refused(f"The handle mixes letters of {named} and 1 script is the limit; use those of one.")


def _not_precis(error: UnicodeEncodeError) -> Refused:
    if error.reason.endswith("bidi_rule"):
        return _refused(
            "The handle mixes directions of writing and 1 is the limit (RFC 5893, the Bidi Rule); use one."
        )
    if error.end - error.start != 1:
        return _refused("The handle has no one form in lower case; use letters, digits, '_' and '.' only.")
    char = error.object[error.start]
    return _refused(
        f"The handle has U+{ord(char):04X} at place {error.start}; use letters, digits, '_' and '.' only."
    )


def _refused(message: str) -> Refused:
    return Refused("bad_value", message)


def _once(text: str, listed: Mapping[str, str]) -> str:
    """Replace what is listed, and fold case; what comes of folding may be listed in its turn."""
    return unicodedata.normalize("NFD", "".join(listed.get(char, char) for char in text).casefold())


# Two libraries with large tables. They are read when the first handle is: most programs that import the rules
# never see one. What is built is never changed, so threads may share it; at worst two build it at one time.


@cache
def _enforce() -> Callable[[str], str]:
    from precis_i18n import get_profile  # noqa: PLC0415 - see above

    return get_profile("UsernameCaseMapped").enforce


@cache
def _script_of() -> Callable[[str], str]:
    from confusable_homoglyphs.categories import alias  # noqa: PLC0415 - see above

    return cast("Callable[[str], str]", alias)


@cache
def _reserved() -> Mapping[str, str]:
    return {skeleton(word): word for word in sorted(RESERVED)}


@cache
def _look_alikes() -> Mapping[str, str]:
    """Each character that looks like others → what stands for them all.

    The library lists pairs both ways, without saying which of the two stands for them. In confusables.txt,
    where they come from, it is the one that has several others, or is several characters; of a mere pair we
    take the smaller. Some stand between the marks of direction that the file has round them.
    """
    from confusable_homoglyphs.utils import load  # noqa: PLC0415 - its module `confusables` would keep 16 MB

    pairs: dict[str, list[str]] = {}
    for char, found in load("confusables.json").items():
        pairs.setdefault(char.strip(_LRM), []).extend(each["c"].strip(_LRM) for each in found)
    stands_for: dict[str, str] = {}
    for char, found in pairs.items():
        others = set(found)
        if len(char) == 1 and len(others) == 1:
            other = others.pop()
            mere_pair = len(other) == 1 and len(set(pairs[other])) == 1
            if not mere_pair or other < char:
                stands_for[char] = other
    return stands_for
