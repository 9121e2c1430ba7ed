"""What docs/protocol.md must say of a message's fields, taken from its struct; and the page's own parts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"

# Types whose values are lines of text; the page says so in the meaning or by the name of the field.
_POWERS = {2**32 - 1: "2^32-1", 2**48 - 1: "2^48-1", -(2**48) + 1: "-2^48+1"}


@dataclass(frozen=True)
class Golden:
    """One golden block: the message or datagram, its bytes as sent, and its value in JSON."""

    name: str
    dir: str
    data: bytes
    value: Any
    line: int

    def __str__(self) -> str:
        return f"{self.name}-{self.dir}-line-{self.line}"


def fields_of(kind: type[msgspec.Struct]) -> list[tuple[str, str, str, str]]:
    """For each field the first cells of its row: name, msgpack type, bound, and what an absent one means."""
    info = inspect.type_info(kind)
    return [(field.name, *_type_and_bound(field.type), _absent(field)) for field in info.fields]


def goldens() -> list[Golden]:
    page = PAGE.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```golden name=(\w+) dir=(c2s|s2c)\n(.*?)^```$", page, re.M | re.S):
        lines = match[3].splitlines()
        hexes = [line.split("#")[0] for line in lines if not line.startswith("=")]
        value = " ".join(line[2:] for line in lines if line.startswith("="))
        at = page.count("\n", 0, match.start()) + 1
        found.append(Golden(match[1], match[2], bytes.fromhex("".join(hexes)), json.loads(value), at))
    return found


def table_under(heading: str) -> list[list[str]]:
    """The cells of the first table under the heading of this text, without its two head lines."""
    page = PAGE.read_text(encoding="utf-8")
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page, re.M | re.S)
    if section is None:
        raise LookupError(f"{PAGE.name} has no heading {heading!r}")
    rows = re.search(r"(?:^\|.*\n)+", section[1], re.M)
    if rows is None:
        raise LookupError(f"{heading!r} in {PAGE.name} has no table")
    return [
        [cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows[0].splitlines()[2:]
    ]


def plain(value: Any) -> Any:
    """JSON of a golden block as msgpack values: `{"$bin": hex}` becomes bytes."""
    if isinstance(value, dict):
        return (
            bytes.fromhex(value["$bin"])
            if "$bin" in value
            else {key: plain(item) for key, item in value.items()}
        )
    return [plain(item) for item in value] if isinstance(value, list) else value


def _type_and_bound(kind: inspect.Type) -> tuple[str, str]:
    match kind:
        case inspect.IntType(ge=low, le=high):
            cells = "int", f"{_POWERS.get(low or 0, low)}..{_POWERS.get(high or 0, high)}"
        case inspect.StrType(min_length=low, max_length=high):
            cells = "str", f"{low or 0}..{high} characters"
        case inspect.BytesType(min_length=low, max_length=high):
            cells = "bin", f"{low} bytes" if low == high else f"{low or 0}..{high} bytes"
        case inspect.StructType():
            cells = "array", "a row"
        case inspect.ListType(max_length=high, item_type=inspect.StrType()):
            cells = "array of str", f"0..{high} texts"
        case inspect.ListType(max_length=high, item_type=inspect.IntType()):
            cells = "array of int", f"0..{high} numbers"
        case inspect.ListType(max_length=high):
            cells = "array", f"0..{high} rows"
        case inspect.DictType(max_length=high):
            cells = "map of str to int", f"0..{high} entries"
        case inspect.UnionType(types=(inner, inspect.NoneType())):
            name, bound = _type_and_bound(inner)
            cells = f"{name} or nil", bound
        case inspect.BoolType():
            cells = "bool", "false, true"
        case _:
            raise TypeError(f"the page has no words for {kind}")
    return cells


def _absent(field: inspect.Field) -> str:
    if field.required:
        return "required"
    default = field.default
    if default is msgspec.NODEFAULT:
        default = field.default_factory()
    if default is None:
        return "nil"
    return json.dumps(default.hex() if isinstance(default, bytes) else default)
