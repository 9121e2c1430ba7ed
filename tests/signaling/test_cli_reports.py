"""`spaces reports`: the latest first with what was the case, beside a server that has the store open."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from signaling import rules
from signaling.cli.commands import app
from signaling.rules import OnStage, Person, Report, Role
from signaling.store import Store, record, reports, spaces
from tests.signaling.store_stories import KINDS, place, within

SPACE, OTHER = b"s" * 16, b"t" * 16
STAGE = (
    OnStage(0, "ann", "Ann", Role.HOST, False),
    OnStage(3, "bob", "Bob", Role.CO_HOST, True, True, 40, True),
)
ROSTER = (Person("ann", "Ann"), Person("bob", "Bob"), Person("cy", "Cy\x1b]0;owned\x07"))
NOON_US = 1_893_499_200_000_000


async def reported(store: Store, space: bytes, text: str, at_us: int = NOON_US) -> None:
    said = Report(space, "cy", "bob", "abuse", text, at_us, STAGE, ROSTER, 5)
    async with store.transaction() as connection:
        await record(connection, space, [rules.Reported(said)], at_us)


@pytest.fixture(params=[kind for kind in KINDS if kind != "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store with three reports about two Spaces."""

    async def story(store: Store) -> None:
        async with store.transaction() as connection:
            for space, host in ((SPACE, "ann"), (OTHER, "dan")):
                await spaces.add(
                    connection, space=space, title=f"With {host}", host=host, host_name=host, now_us=1
                )
        await reported(store, SPACE, "First")
        await reported(store, OTHER, "Second\x1b[2J\u202e\x9b31m\nline two")
        await reported(store, SPACE, "Third")

    with place(request.param, tmp_path) as url:
        monkeypatch.setenv("SPACES_STORE_URL", url)
        within(url, story)
        yield url


def said(*words: str) -> str:
    done = CliRunner().invoke(app, ["reports", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_latest_come_first_with_the_evidence(url: str) -> None:
    rows = json.loads(said("--json"))
    assert [row["text"][:6] for row in rows] == ["Third", "Second", "First"]
    first = rows[0]
    assert (first["space"], first["title"], first["at_ms"]) == (SPACE.hex(), "With ann", NOON_US // 1000)
    assert (first["reporter"], first["target"], first["reason"]) == ("cy", "bob", "abuse")
    assert first["people_count"] == 5
    assert first["stage"][1] == {
        **{"seat": 3, "user": "bob", "name": "Bob", "role": "co-host", "muted": True, "held": True},
        **{"volume_pct": 40, "absent": True},
    }
    assert first["roster"][:2] == [{"user": "ann", "name": "Ann"}, {"user": "bob", "name": "Bob"}]


def test_it_reads_as_a_page(url: str) -> None:
    page = said("--limit", "1")
    for part in (SPACE.hex(), "With ann", "bob (Bob), co-host, held, away", "abuse", "Third", "and 2 more"):
        assert part in page
    assert "First" not in page


def test_of_one_space_and_only_so_many(url: str) -> None:
    texts = [row["text"] for row in json.loads(said("--space", SPACE.hex(), "--json"))]
    assert texts == ["Third", "First"]
    assert [row["report"] for row in json.loads(said("--limit", "2", "--json"))] == [3, 2]
    assert said("--space", bytes(16).hex()) == "Nobody was reported.\n"
    refused = CliRunner().invoke(app, ["reports", "--space", "12"])
    assert (refused.exit_code, "[bad_value]" in refused.stderr) == (2, True)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_people_wrote_does_not_steer_the_terminal(url: str, form: tuple[str, ...]) -> None:
    page = said(*form)
    assert not set(page) & set("\x1b\x07\x9b\u202e")
    assert "\\u001b" not in page
    assert "\ufffd" in page
    assert "line two" in page


def test_more_than_a_page_is_read(url: str) -> None:
    async def story(store: Store) -> None:
        for number in range(130):
            await reported(store, OTHER, f"{number}")

    within(url, story)
    rows = json.loads(said("--limit", "120", "--json"))
    assert [row["text"] for row in rows] == [f"{number}" for number in range(129, 9, -1)]


def test_a_look_beside_a_running_server_changes_nothing(url: str) -> None:
    async def story(store: Store) -> None:
        await reported(store, SPACE, "While it runs")
        async with store.transaction() as connection:
            before = await reports.page(connection)
        asked = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signaling.cli", "reports", "--limit", "1", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, errors = await asked.communicate()
        assert asked.returncode == 0, errors
        assert json.loads(told)[0]["text"] == "While it runs"
        async with store.transaction() as connection:
            assert await reports.page(connection) == before
            assert (
                await connection.execute(sa.select(sa.func.count()).select_from(reports.reports))
            ).scalar() == 4

    within(url, story)
