"""The table of happenings in docs/embedding-server.md: `python -m signaling.server.happenings_page`."""

from __future__ import annotations

import inspect
from dataclasses import fields

from signaling.server.happenings import KINDS

__all__ = ["table"]

_TYPES = {"str": "text", "int": "number", "bool": "true or false", "tuple[str, ...]": "list of text"}


def table() -> str:
    """Markdown: one row a kind, in the order of the code."""
    rows = ["| kind | what has happened | data |", "|---|---|---|"]
    for word, kind in KINDS.items():
        data = ", ".join(f"`{item.name}` {_TYPES[str(item.type)]}" for item in fields(kind))
        rows.append(f"| `{word}` | {' '.join((inspect.getdoc(kind) or '').split())} | {data} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(), end="")
