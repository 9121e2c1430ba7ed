"""A crowd for ten seats, at one server over QUIC and at four on one PostgreSQL: none is oversold or lost.

With 200 buyers, which takes 20 s of CPU:  python -m tests.crowd "$(mktemp -d)" quic 200 10 1
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import postgres

ROOT = Path(__file__).parents[2]
SEATS = 10
# In real time, so a busy machine may take long for what costs it little.
pytestmark = pytest.mark.timeout(280)


def crowd(folder: Path, kind: str, buyers: int, seed: int, *more: str) -> dict[str, Any]:
    words = [str(folder), kind, str(buyers), str(SEATS), str(seed), *more]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crowd", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"python -m tests.crowd {' '.join(words)}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def expect_all_sold_once(found: dict[str, Any]) -> None:
    assert (found["captured"], found["seats_sold"], found["seats_held"]) == (SEATS, SEATS, 0), found
    assert found["is_right"], found
    assert found["lapsed"] > 0, found


def test_four_processes_of_buyers_at_one_server(tmp_path: Path) -> None:
    found = crowd(tmp_path, "quic", 40, 1)
    expect_all_sold_once(found)
    assert found["holders"] == SEATS, found
    assert found["second"].startswith("store_locked: "), "a second server has the same file"
    assert f"process id {found['server']}, one server is the limit" in found["second"]


@pytest.mark.postgres
def test_four_servers_on_one_database(tmp_path: Path) -> None:
    url = postgres.database(tmp_path)
    try:
        expect_all_sold_once(crowd(tmp_path, "tills", 200, 1, url))
    finally:
        postgres.drop(url)
