"""Who may host: gates by followers, age of the account and a list, for each kind of Space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from signaling.rules.graph import Graph
from signaling.rules.permissions import ALLOWED, Allowed, Refused

_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_KINDS_NAMED = 10


@dataclass(frozen=True, slots=True)
class HostGate:
    """What a host needs; every gate must be passed. ValueError for numbers below 0.

    `allow` names user ids; where it is empty everybody may.
    """

    min_followers: int = 600
    min_account_age_us: int = 0
    allow: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        for name, value in (
            ("min_followers", self.min_followers),
            ("min_account_age_us", self.min_account_age_us),
        ):
            if value < 0:
                raise ValueError(f"the gate {name} is {value}; set it to 0 or more")


def may_host(  # noqa: PLR0917 - each is a fact of its own
    user: str,
    kind: str,
    graph: Graph,
    account_created_us: int | None,
    gates: Mapping[str, HostGate],
    now_us: int,
) -> Allowed | Refused:
    """Decide whether `user` may open, schedule or start a Space of this `kind`, "" for the ordinary one.

    `account_created_us` is None where it is not known; that passes only where no age is asked for.
    Refused: bad_value (no such kind), not_listed, account_too_young (with the time to wait, where it is
    known), too_few_followers.
    """
    gate = gates.get(kind)
    if gate is None:
        return _no_such_kind(kind, gates)
    if gate.allow and user not in gate.allow:
        return Refused(
            "not_listed",
            f"{_of(kind)} are hosted by {len(gate.allow)} named people and {user!r} is not one of them; "
            "ask who runs this server to be named.",
        )
    if gate.min_account_age_us:
        young = _too_young(kind, account_created_us, gate.min_account_age_us, now_us)
        if young is not None:
            return young
    if gate.min_followers:
        held = graph.followers_count(user)
        if held < gate.min_followers:
            return Refused(
                "too_few_followers",
                f"You have {held} followers and {_of(kind)} need {gate.min_followers} of their host; "
                f"come back with {gate.min_followers - held} more.",
            )
    return ALLOWED


def _too_young(kind: str, created_us: int | None, needed_us: int, now_us: int) -> Refused | None:
    needed = _age(needed_us)
    if created_us is None:
        return Refused(
            "account_too_young",
            f"The age of your account is not known and {_of(kind)} need {needed}; ask who runs this server.",
        )
    wait_us = created_us + needed_us - now_us
    if wait_us <= 0:
        return None
    return Refused(
        "account_too_young",
        f"Your account is {_age(now_us - created_us)} old and {_of(kind)} need {needed} of their host; "
        f"come back in {_age(wait_us)}.",
        min(-(-wait_us // 1_000), 0xFFFF_FFFF),
    )


def _no_such_kind(kind: str, gates: Mapping[str, HostGate]) -> Refused:
    known = sorted(name for name in gates if name)
    named = ", ".join(known[:_KINDS_NAMED]) + (", …" if len(known) > _KINDS_NAMED else "")
    listed = f"name one of {named}, or none" if known else "name none"
    return Refused(
        "bad_value", f"There is no kind of Space named {kind[:16]!r}, of {len(known)} there are; {listed}."
    )


def _of(kind: str) -> str:
    return f"Spaces of the kind {kind!r}" if kind else "Spaces"


def _age(age_us: int) -> str:
    """For a person to read: in days from two days on, else in seconds."""
    if age_us >= 2 * _DAY_US:
        return f"{round(age_us / _DAY_US, 1):g} days"
    return f"{round(max(0, age_us) / _SECOND_US, 1):g} seconds"
