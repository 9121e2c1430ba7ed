"""Reads docs/embedding.md: its programs, what they print, and the module compiled from outside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "embedding.md"


class Program(NamedTuple):
    """A block of the page: its source, the line it starts on, and the output printed below it, if any."""

    line: int
    source: str
    output: str | None


def blocks(language: str) -> list[Program]:
    """The page's fenced blocks in a language, each with the text block that follows it directly."""
    text = PAGE.read_text("utf-8")
    found = re.finditer(
        rf"^```{language}\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.MULTILINE | re.DOTALL
    )
    return [Program(text.count("\n", 0, each.start()) + 2, each.group(1), each.group(2)) for each in found]
