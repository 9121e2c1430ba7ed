"""Whose work is being done: the connection and the Space that a line of the log is about."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["CONNECTION", "SPACE"]

CONNECTION: ContextVar[int | None] = ContextVar("connection", default=None)
"""The number of a connection: set round whatever it asks for, and inherited by the tasks begun there."""

SPACE: ContextVar[bytes | None] = ContextVar("space", default=None)
"""The id of a Space: set in its actor's task."""
