"""Databases for tests of the store: each kind that is here, empty and for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.signaling.store_stories import KINDS, Told, place, teller


@pytest.fixture(params=KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: in memory, in a file, and of PostgreSQL where a server was started."""
    with place(request.param, tmp_path) as url:
        yield url


@pytest.fixture(params=[kind for kind in KINDS if kind != "file"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Told]:
    """Runs a story in one transaction of an open store."""
    with place(request.param, tmp_path) as url:
        yield teller(url)
