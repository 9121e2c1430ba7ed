"""Evictions: a block takes effect at once, also inside the live Spaces that the blocker hosts."""

from __future__ import annotations

from signaling.server.directory import Directory

__all__ = ["Evictions"]


class Evictions:
    """Tells every live Space of it: who hosts may have changed since it opened, and only the Space knows."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def follow_changed(self, follower: str, followed: str, on: bool) -> None:
        """Who follows whom takes nobody out."""

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        """`blocker` has blocked `user`, or no more."""
        for actor in self._directory:
            actor.block_changed(blocker, user, on)
