"""What titles, names, user ids, topics and posts may contain."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from signaling.rules.permissions import Refused

USER_CHARS = 64
NAME_CHARS = 50
TOPIC_CHARS = 30
BODY_CHARS = 500

# Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9): they make a line
# read differently from what it says.
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Nothing of these is seen by itself: joiners and the like, blanks, marks on letters that are not there.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Mn", "Me"})
_UNSEEN = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a pattern that are blank


def clean_text(what: str, value: str, limit_chars: int) -> str | Refused:
    """Return `value` without surrounding blanks, or why it cannot be a `what`: empty, too long, with control
    or bidirectional characters, or with nothing that can be seen."""
    return _clean(what, value, limit_chars, "")


def clean_body(what: str, value: str) -> str | Refused:
    """As `clean_text`, for what may have several lines: a post, a note, a pin, a report. Up to BODY_CHARS."""
    return _clean(what, value, BODY_CHARS, "\n")


def topic(value: str) -> str | Refused:
    """A topic in its one form: NFKC, case folded, single blanks between words; `Ｊazz` and `JAZZ` are `jazz`.

    Doing it twice changes nothing. Refused: bad_value.
    """
    return clean_text("topic", " ".join(filter(None, _folded(value).split(" "))), TOPIC_CHARS)


def topics(values: Iterable[str], limit: int) -> tuple[str, ...] | Refused:
    """Topics in their one form, in the order given; what is named twice counts once. Refused: bad_value."""
    kept: dict[str, None] = {}
    for value in values:
        found = topic(value)
        if isinstance(found, Refused):
            return found
        kept[found] = None
    if len(kept) > limit:
        return Refused(
            "bad_value",
            f"{len(kept)} topics are named and {limit} is the limit; leave out {len(kept) - limit}.",
        )
    return tuple(kept)


def user_id(value: str) -> str | Refused:
    """An account's id, as a token's subject carries it. Blanks round it are refused: a key is not trimmed."""
    checked = clean_text("user id", value, USER_CHARS)
    if isinstance(checked, str) and checked != value:
        return Refused("bad_value", f"The user id {value!r} has blanks round it; leave them out.")
    return checked


def display_name(value: str, user: str) -> str | Refused:
    """A name to show; where none is given it is made from the user id."""
    if not value.strip():
        return user[:NAME_CHARS]
    return clean_text("name", value, NAME_CHARS)


def _folded(value: str) -> str:
    """NFKC with case folded. Folding may make more to fold: as often as Unicode's own NFKC_Casefold needs."""
    for _ in range(3):
        value = unicodedata.normalize("NFKC", value.casefold())
    return value


def _clean(what: str, value: str, limit_chars: int, also: str) -> str | Refused:
    stripped = value.strip()
    if not stripped:
        return Refused("bad_value", f"The {what} is empty; give it 1 to {limit_chars} characters.")
    if len(stripped) > limit_chars:
        return Refused(
            "bad_value",
            f"The {what} has {len(stripped)} characters, {limit_chars} is the limit; shorten it.",
        )
    for place, char in enumerate(stripped):
        if char in also:
            continue
        if char in _BIDIRECTIONAL or unicodedata.category(char) in _FORBIDDEN_CATEGORIES:
            return Refused(
                "bad_value",
                f"The {what} has U+{ord(char):04X} at place {place}; control and bidirectional characters "
                "are not allowed, leave it out.",
            )
    if not any(_is_seen(char) for char in stripped):
        return Refused("bad_value", f"The {what} shows nothing; give it a character that can be seen.")
    return stripped


def _is_seen(char: str) -> bool:
    return char not in _UNSEEN and unicodedata.category(char) not in _UNSEEN_CATEGORIES
