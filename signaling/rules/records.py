"""Who may read what is kept of a Space without being in it, also when it is long over."""

from __future__ import annotations

from dataclasses import dataclass

from signaling.rules.permissions import ALLOWED, Allowed, Refused, no_such_space


@dataclass(frozen=True, slots=True)
class Past:
    """Who had a Space, as it is kept: `host` had it last; it was handed over to those in `handed_to`."""

    host: str
    founder: str
    handed_to: frozenset[str] = frozenset()


def may_look_back(
    actor: str, space: bytes, past: Past | None, *, is_service: bool = False
) -> Allowed | Refused:
    """Decide whether `actor` may read who kept order in `space`; `past` is None where there never was one.

    Those may who had it: its founder, its last host, also one who stood in, and whoever it was handed over
    to, who is the rightful host where another stands in. A service may. To anybody else it is not there.
    """
    if past is not None and (is_service or actor in {past.host, past.founder, *past.handed_to}):
        return ALLOWED
    return no_such_space(space)
