"""`[hosting]` and `[people]`: who may host a Space, and the bounds of what is kept of who follows whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from signaling.config.errors import ConfigError
from signaling.config.section import Section, number

__all__ = ["KINDS_MAX", "MIN_FOLLOWERS", "HostingConfig", "KindConfig", "PeopleConfig"]

MIN_FOLLOWERS = 600
"""How many followers a host needs where nothing else is said."""
KINDS_MAX = 32
_KIND_CHARS = 16
_FOLLOWERS_MOST = 1_000_000_000
_AGE_MOST_S = 3_155_760_000  # a hundred years


@dataclass(frozen=True)
class KindConfig(Section):
    """What one kind of Space asks of its host, where that differs; None is as for all kinds."""

    section: ClassVar[str] = "hosting.kinds"
    min_followers: int | None = None
    min_account_age_s: int | None = None
    allow: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_gate(self.section, self.min_followers, self.min_account_age_s)


@dataclass(frozen=True)
class HostingConfig(Section):
    """Who may host. Every gate must be passed.

    `min_followers` is 600 unless set, and 0 in development mode. `min_account_age_s` counts from the first
    time this server heard of somebody. `allow` names user ids; where it is empty everybody may. `kinds` are
    the kinds of Space there are beside the ordinary one, each with gates of its own where it names them.
    """

    section: ClassVar[str] = "hosting"
    min_followers: int | None = None
    min_account_age_s: int = 0
    allow: tuple[str, ...] = ()
    kinds: Mapping[str, KindConfig] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_gate(self.section, self.min_followers, self.min_account_age_s)
        if len(self.kinds) > KINDS_MAX:
            raise ConfigError(
                "out_of_range", "hosting.kinds", f"{len(self.kinds)} are named and {KINDS_MAX} is the limit"
            )
        for kind, gate in self.kinds.items():
            if not (kind.isidentifier() and kind.isascii() and len(kind) <= _KIND_CHARS):
                raise ConfigError(
                    "out_of_range",
                    f"hosting.kinds.{kind[:_KIND_CHARS]}",
                    f"a kind has 1 to {_KIND_CHARS} letters, digits or underscores of ASCII; name it so",
                )
            if not isinstance(gate, KindConfig):
                raise ConfigError(
                    "wrong_type", f"hosting.kinds.{kind}", f"is no table; write it as [hosting.kinds.{kind}]"
                )

    def followers_needed(self, kind: str, *, development: bool) -> int:
        """How many followers the host of a Space of this kind needs. KeyError for a kind there is not."""
        wanted = self.kinds[kind].min_followers if kind else None
        if wanted is None:
            wanted = self.min_followers
        if wanted is None:
            return 0 if development else MIN_FOLLOWERS
        return wanted


@dataclass(frozen=True)
class PeopleConfig(Section):
    """Bounds of the graph of people and of what is pushed about it; docs/limits.md says what each does."""

    section: ClassVar[str] = "people"
    follows: int = number(5_000, 1, 100_000)
    blocks: int = number(5_000, 1, 100_000)
    cached: int = number(100_000, 1_000, 100_000_000)
    graph_timeout_ms: int = number(2_000, 10, 60_000)
    graph_calls: int = number(64, 1, 10_000)
    subscribers: int = number(10_000, 1, 1_000_000)
    edges: int = number(2_000_000, 1_000, 1_000_000_000)
    plans: int = number(100_000, 1, 10_000_000)
    bubbles: int = number(50, 1, 100)
    bubble_interval_ms: int = number(100, 20, 10_000)
    count_interval_ms: int = number(3_000, 100, 600_000)
    bubbles_per_s: int = number(5_000, 100, 1_000_000)


def _check_gate(section: str, followers: int | None, age_s: int | None) -> None:
    for name, value, most in (
        ("min_followers", followers, _FOLLOWERS_MOST),
        ("min_account_age_s", age_s, _AGE_MOST_S),
    ):
        if value is not None and not 0 <= value <= most:
            raise ConfigError(
                "out_of_range", f"{section}.{name}", f"{value} is outside 0 to {most}; set one of these"
            )


def kind_of(key: str, table: Any) -> KindConfig:
    """One table of `[hosting.kinds]`. Raises ConfigError for what is none."""
    if isinstance(table, KindConfig):
        return table
    if not isinstance(table, Mapping):
        raise ConfigError("wrong_type", key, f"is no table; write it as [{key}]")
    known = ("min_followers", "min_account_age_s", "allow")
    unknown = [name for name in table if name not in known]
    if unknown:
        raise ConfigError(
            "unknown_key", f"{key}.{unknown[0]}", f"there is no such setting; name one of {', '.join(known)}"
        )
    values = dict(table)
    if isinstance(values.get("allow"), list):
        if not all(isinstance(item, str) for item in values["allow"]):
            raise ConfigError("wrong_type", f"{key}.allow", "lists what is no text; put each in quotes")
        values["allow"] = tuple(values["allow"])
    return KindConfig(**values)
