"""Hosting: whether somebody may host a Space of a kind; gathers what the rule has to know, and asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from signaling.config import HostingConfig, ServerConfig
from signaling.rules import Refused
from signaling.rules.graph import NOBODY_KNOWN
from signaling.rules.hosting import HostGate, may_host
from signaling.server.relations import Relations
from signaling.store import Store, accounts

__all__ = ["Hosting", "gates_of"]

_SECOND_US = 1_000_000


def gates_of(config: ServerConfig) -> Mapping[str, HostGate]:
    """The gates of every kind of Space there is, "" for the ordinary one."""
    hosting = config.hosting
    return {kind: _gate(hosting, kind, config.auth.development) for kind in ("", *hosting.kinds)}


class Hosting:
    """The one gate of Open, Schedule, Start and Create. `wall_us` is the time since the epoch."""

    def __init__(
        self,
        gates: Mapping[str, HostGate],
        relations: Relations,
        store: Store,
        wall_us: Callable[[], int],
    ) -> None:
        self._gates = gates
        self._relations = relations
        self._store = store
        self._wall_us = wall_us

    async def refused(self, user: str, kind: str) -> Refused | None:
        """Why `user` may not host a Space of this kind, or None. What no gate asks for is not looked up.

        Refused: bad_value (no such kind), not_listed, account_too_young, too_few_followers. Raises GraphError
        and StoreError.
        """
        gate = self._gates.get(kind, HostGate(0))
        graph, created_us = NOBODY_KNOWN, None
        if gate.min_followers:
            graph = await self._relations.gather(followers_of=[user])
        if gate.min_account_age_us:
            async with self._store.transaction() as connection:
                account = await accounts.get(connection, user)
            # Of whom nothing is known yet, this is the first moment.
            created_us = self._wall_us() if account is None else account.created_us
        allowed = may_host(user, kind, graph, created_us, self._gates, self._wall_us())
        return allowed if isinstance(allowed, Refused) else None


def _gate(hosting: HostingConfig, kind: str, development: bool) -> HostGate:
    own = hosting.kinds[kind] if kind else None
    age_s, allow = hosting.min_account_age_s, hosting.allow
    if own is not None:
        age_s = age_s if own.min_account_age_s is None else own.min_account_age_s
        allow = allow if own.allow is None else own.allow
    return HostGate(
        hosting.followers_needed(kind, development=development), age_s * _SECOND_US, frozenset(allow)
    )
