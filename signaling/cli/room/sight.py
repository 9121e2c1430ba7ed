"""What comes from others, made fit for a terminal: nothing in it steers that or turns a line around."""

from __future__ import annotations

import re
from typing import Final

from rich.text import Text

from signaling.protocol.fields import BODY_PATTERN

__all__ = ["REPLACEMENT", "one_line", "printable", "safe"]

REPLACEMENT: Final = "\ufffd"
"""Stands for a character that is not shown."""

_HARMLESS: Final = re.compile(BODY_PATTERN)


def printable(text: str) -> str:
    """The same with a mark in place of every control or bidirectional character but the end of a line.

    What the protocol refuses in a post is replaced; sentences of a server and names of a newer one are free.
    """
    if _HARMLESS.match(text):
        return text
    return "".join(char if _HARMLESS.match(char) else REPLACEMENT for char in text)


def one_line(text: str) -> str:
    """As `printable`, with blanks for the ends of lines."""
    return " ".join(printable(text).split())


def safe(text: Text) -> Text:
    """As `printable`: the last thing done to any text before it is drawn. Styles stay where they are."""
    plain = printable(text.plain)
    if plain != text.plain:
        text = text.copy()
        text.plain = plain
    return text
