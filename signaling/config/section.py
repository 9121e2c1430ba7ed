"""A section of the configuration: what every one of its values is checked for when it is made."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from signaling.config.errors import ConfigError

__all__ = ["Section", "number", "unset_number"]


def number(default: float, low: float, high: float) -> Any:
    """A number with its default and its range."""
    return field(default=default, metadata={"low": low, "high": high})


def unset_number(low: float, high: float) -> Any:
    """A number with its range and no default: None means that it is worked out, or that there is none."""
    return field(default=None, metadata={"low": low, "high": high})


class Section:
    """Checks every value against its annotation, and numbers against their range, when a section is made."""

    section: ClassVar[str]

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for item in fields(self):  # type: ignore[arg-type]  # every section is a dataclass
            key = f"{self.section}.{item.name}"
            value = getattr(self, item.name)
            _check_type(key, value, hints[item.name])
            low, high = item.metadata.get("low"), item.metadata.get("high")
            if low is not None and value is not None and not low <= value <= high:
                raise ConfigError(
                    "out_of_range", key, f"{value} is outside {low} to {high}; set one of these"
                )


def _check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    """Raises ConfigError (`not_a_choice`) for what is none of these words and numbers."""
    # True equals 1 to Python, not to people.
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        words = ", ".join(str(choice) for choice in choices)
        given = value if isinstance(value, str | int | float) else _given(value)
        raise ConfigError("not_a_choice", key, f"{given} is none of {len(choices)} choices; write {words}")


def _check_type(key: str, value: object, wanted: Any) -> None:
    if typing.get_origin(wanted) is Literal:
        _check_choice(key, value, typing.get_args(wanted))
        return
    allowed = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    for kind in allowed:
        origin = typing.get_origin(kind) or kind
        if origin is float and type(value) is int:
            return
        # bool is an int to Python, not to people.
        if isinstance(value, origin) and (origin is bool or not isinstance(value, bool)):
            return
    names = " or ".join("nothing" if kind is type(None) else _name(kind) for kind in allowed)
    raise ConfigError("wrong_type", key, f"{_given(value)} stands where {names} belongs; write one")


_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    Mapping: "a table",
    dict: "a table",
    list: "a list",
    tuple: "a list",
}


def _name(kind: Any) -> str:
    return _WORDS.get(typing.get_origin(kind) or kind, "a list")


def _given(value: object) -> str:
    return _WORDS.get(type(value), f"a {type(value).__name__}")  # TOML also knows dates and times
