"""Kill -9 in the middle of any verb: nothing that was acknowledged is lost, nothing is there by half."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signaling.store import Store
from tests.signaling.store_history import Act, history, written
from tests.signaling.store_stories import KINDS, place, refused_open, within

ROOT = Path(__file__).parents[2]
ACTS = 400

# Acts as they come; the number of each goes to the pipe when it is committed. `die_at`: kill yourself before
# the statement of this number, or 0 to go on until somebody else does.
WRITER = """
import asyncio, os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from signaling.store import Store, record
from tests.signaling.store_history import history

url, seed, acts, die_at = sys.argv[1], *map(int, sys.argv[2:])
statements = 0

def count(*_):
    global statements
    statements += 1
    if statements == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    store = Store(url)
    await store.open()
    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    for act in history(seed, acts):
        async with store.transaction() as connection:
            await record(connection, act.space, act.effects, act.now_us)
        print(act.number, flush=True)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture(params=[kind for kind in KINDS if kind != "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that outlasts a process."""
    with place(request.param, tmp_path) as found:
        yield found


def start(url: str, seed: int, die_at: int) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", WRITER, url, *map(str, (seed, ACTS, die_at))]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def expect(url: str, seed: int, acknowledged: int, repeat: str) -> None:
    """All acts up to the last acknowledged one are there, and perhaps the next, which was under way."""
    acts = list(history(seed, ACTS))
    under_way = acts[acknowledged] if acknowledged < len(acts) else None

    async def story(store: Store) -> None:
        async with store.transaction() as connection:
            for act in _last_of_each_space(acts[:acknowledged]):
                found = await written(connection, act.space)
                wanted = [act.kept]
                if under_way is not None and under_way.space == act.space:
                    wanted.append(under_way.kept)
                # Blocks are of people, not of one Space: those of the last act count.
                assert any(_but_blocks(found) == _but_blocks(each) for each in wanted), repeat

    within(url, story)


def _last_of_each_space(acts: list[Act]) -> list[Act]:
    return list({act.space: act for act in acts}.values())


def _but_blocks(kept: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kept.items() if name != "blocked"}


@pytest.mark.parametrize("die_at", sorted(random.Random(7).sample(range(20, 900), 4)))
def test_killed_between_two_statements(url: str, die_at: int) -> None:
    with start(url, die_at, die_at) as writer:
        assert writer.stdout is not None
        numbers = [int(line) for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    assert numbers == list(range(1, len(numbers) + 1))
    expect(url, die_at, len(numbers), f"{len(numbers)} acts of history({die_at}, {ACTS}), die_at={die_at}")


def test_killed_at_any_moment_it_leaves_no_lock(url: str) -> None:
    with start(url, 1, 0) as writer:
        assert writer.stdout is not None
        numbers = [int(writer.stdout.readline()) for _ in range(20)]
        locked = refused_open(url)
        writer.send_signal(signal.SIGKILL)
        numbers += [int(line) for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    assert locked.code == "store_locked", "held by another process"
    assert f"process id {writer.pid}" in locked.message
    expect(url, 1, len(numbers), f"{len(numbers)} acts of history(1, {ACTS})")
