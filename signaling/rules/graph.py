"""What the rules have to know of who follows and blocks whom, and the facts gathered for one act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Graph(Protocol):
    """Answers at once, without I/O. Who is not known follows nobody, blocks nobody, and has no followers."""

    def followers_count(self, user: str) -> int:
        """How many people follow `user`."""
        ...

    def follows(self, follower: str, followed: str) -> bool:
        """Whether `follower` follows `followed`."""
        ...

    def blocked(self, blocker: str, user: str) -> bool:
        """Whether `blocker` has blocked `user`."""
        ...


@dataclass(frozen=True)
class KnownGraph:
    """Facts that were gathered before an act: (follower, followed) and (blocker, blocked)."""

    followers: Mapping[str, int] = field(default_factory=dict)
    edges: frozenset[tuple[str, str]] = frozenset()
    blocks: frozenset[tuple[str, str]] = frozenset()

    def followers_count(self, user: str) -> int:
        """How many people follow `user`; 0 where that was not gathered."""
        return self.followers.get(user, 0)

    def follows(self, follower: str, followed: str) -> bool:
        """Whether `follower` was found to follow `followed`."""
        return (follower, followed) in self.edges

    def blocked(self, blocker: str, user: str) -> bool:
        """Whether `blocker` was found to have blocked `user`."""
        return (blocker, user) in self.blocks


NOBODY_KNOWN = KnownGraph()
"""Nobody follows or blocks anybody."""
