"""Where configuration comes from: a TOML file, the environment, flags; the later wins. Nothing is ignored."""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from signaling.config.errors import ConfigError
from signaling.config.hosting import HostingConfig, KindConfig, PeopleConfig, kind_of
from signaling.config.operating import AdminConfig, LogConfig
from signaling.config.pay import HttpConfig, PayConfig
from signaling.config.talk import TalkConfig
from signaling.config.tickets import TicketsConfig
from signaling.config.tree import (
    AuthConfig,
    LimitsConfig,
    ListenConfig,
    MediaConfig,
    ServerConfig,
    StoreConfig,
    TlsConfig,
)
from signaling.config.webhooks import WebhooksConfig

__all__ = ["ENVIRONMENT_PREFIX", "SETTINGS", "load_config"]

ENVIRONMENT_PREFIX = "SPACES_"
_OF_CLIENTS = frozenset(
    f"{ENVIRONMENT_PREFIX}{name}"
    for name in ("SERVER", "NAME", "TOKEN", "TOKEN_FILE", "FINGERPRINT", "CA_FILE", "TRACEBACK")
)
_LIKE = 0.85  # an unknown variable this like one of ours is a slip of the pen, not somebody else's

_SECTIONS: Mapping[str, Any] = {
    kind.section: kind
    for kind in (
        ListenConfig,
        TlsConfig,
        AuthConfig,
        StoreConfig,
        LimitsConfig,
        MediaConfig,
        TalkConfig,
        WebhooksConfig,
        HostingConfig,
        PeopleConfig,
        TicketsConfig,
        PayConfig,
        HttpConfig,
        AdminConfig,
        LogConfig,
    )
}


def _settings() -> dict[str, Any]:
    found = {}
    for section, kind in _SECTIONS.items():
        hints = typing.get_type_hints(kind)
        found.update({f"{section}.{item.name}": hints[item.name] for item in fields(kind)})
    return found


SETTINGS: Mapping[str, Any] = types.MappingProxyType(_settings())
"""`section.name` of every setting → its type."""


def load_config(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> ServerConfig:
    """Read `file` (TOML), then `environment` (SPACES_LISTEN_PORT=…), then `overrides` ({"listen.port": …}).

    Overrides that are None are left out, so that flags can be passed on as they are. Paths in a file are
    relative to the file, others to the working directory. Raises ConfigError.
    """
    values: dict[str, object] = {}
    if file is not None:
        values.update(_from_file(file))
    values.update(_from_environment(environment or {}))
    for key, value in (overrides or {}).items():
        if key not in SETTINGS:
            raise _unknown(key, SETTINGS)
        if value is not None:
            values[key] = _parse(key, value) if isinstance(value, str) else _shape(key, value, Path())
    sections = {
        section: kind(**{key.split(".", 1)[1]: value for key, value in values.items() if _in(key, section)})
        for section, kind in _SECTIONS.items()
    }
    return ServerConfig(**sections)


def _in(key: str, section: str) -> bool:
    return key.split(".", 1)[0] == section


def _from_file(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            tables = tomllib.load(stream)
    except OSError as error:
        raise ConfigError(
            "file_unreadable", str(file), f"cannot be read: {error.strerror}; name a TOML file that can"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("not_toml", str(file), f"is not TOML: {error}; correct it there") from error
    values: dict[str, object] = {}
    for section, table in tables.items():
        if section not in _SECTIONS:
            raise _unknown(section, _SECTIONS)
        if not isinstance(table, dict):
            raise ConfigError("wrong_type", section, f"is a table of settings; write it as [{section}]")
        for name, value in table.items():
            key = f"{section}.{name}"
            if key not in SETTINGS:
                raise _unknown(key, SETTINGS)
            values[key] = _shape(key, value, file.parent)
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    ours = {ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key in SETTINGS}
    sections = tuple(f"{ENVIRONMENT_PREFIX}{section.upper()}_" for section in _SECTIONS)
    values: dict[str, object] = {}
    for variable, text in environment.items():
        key = ours.get(variable)
        if key is not None:
            values[key] = _parse(key, text)
        elif variable in _OF_CLIENTS:
            continue
        elif variable.startswith(ENVIRONMENT_PREFIX) and (
            variable.startswith(sections) or difflib.get_close_matches(variable, ours, 1, _LIKE)
        ):
            raise _unknown(variable, ours)
    return values


def _unknown(key: str, known: Mapping[str, object]) -> ConfigError:
    nearest = difflib.get_close_matches(key, known, 1, 0.0)
    return ConfigError(
        "unknown_key", key, f"there is no such setting among {len(known)}; the nearest is {nearest[0]}"
    )


def _shape(key: str, value: object, base: Path) -> object:
    """A value as TOML or a program gives it, made what the tree holds. Wrong types are left to the tree."""
    wanted = _plain(SETTINGS[key])
    if wanted is Path and isinstance(value, str):
        return _path(base, value)
    if wanted is tuple and isinstance(value, list | tuple):
        if not all(isinstance(item, str) for item in value):
            raise ConfigError("wrong_type", key, "lists what is no text; put each in quotes")
        return tuple(value)
    if wanted is Mapping and isinstance(value, Mapping):
        if KindConfig in typing.get_args(SETTINGS[key]):
            return {str(name): kind_of(f"{key}.{name}", item) for name, item in value.items()}
        wrong = [name for name, item in value.items() if not isinstance(item, str | Path)]
        if wrong:
            raise ConfigError("wrong_type", f"{key}.{wrong[0]}", "is no text; put it in quotes")
        paths = _holds_paths(key)
        return {str(name): _path(base, item) if paths else str(item) for name, item in value.items()}
    return value


def _holds_paths(key: str) -> bool:
    return Path in typing.get_args(SETTINGS[key])


def _path(base: Path, path: str | Path) -> Path:
    return base / Path(path).expanduser()


def _parse(key: str, text: str) -> object:
    """Text of the environment or of a flag, made what the tree holds."""
    if typing.get_origin(SETTINGS[key]) is Literal:
        return _choice(key, text, typing.get_args(SETTINGS[key]))
    reader = _READERS[_plain(SETTINGS[key])]
    try:
        return _shape(key, reader(text), Path())
    except ValueError as error:
        # The text itself is not repeated: it may be a secret in the wrong place.
        raise ConfigError("wrong_type", key, f"what is given is no {error}; write one") from None


def _choice(key: str, text: str, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if text == str(choice):
            return choice
    words = ", ".join(str(choice) for choice in choices)
    raise ConfigError("not_a_choice", key, f"what is given is none of {len(choices)} choices; write {words}")


def _plain(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    return typing.get_origin(hint) or hint


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("whole number") from None


def _switch(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("true or false")


def _pairs(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    if not all(name.strip() and value.strip() for name, _, value in pairs):
        raise ValueError("list of kid=value, separated by commas")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


_READERS: Mapping[Any, Callable[[str], object]] = {
    int: _whole,
    bool: _switch,
    str: str,
    Path: str,
    Mapping: _pairs,
    tuple: _words,
}
