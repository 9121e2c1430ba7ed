"""`spaces ledger`: beside a server that has the store open, and where there is none; it changes nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from signaling.cli.commands import app
from signaling.cli.ledger import COLUMNS
from signaling.store import Store, StoreError, ledger
from signaling.store.reading import reading
from tests.signaling.money_stories import put_on_sale, sold
from tests.signaling.store_stories import MEMORY, url_of, within

DATABASE = "spaces.sqlite"


def run(*words: str, data_dir: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["ledger", *words, "--data-dir", str(data_dir)])
    return done.exit_code, done.stdout


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A data directory with three sales, one of them of the sandbox."""

    async def story(store: Store) -> None:
        async with store.transaction() as connection:
            await put_on_sale(connection, capacity=5)
            await sold(connection, 1)
            await sold(connection, 2, fee_minor=None)
            await sold(connection, 3, sandbox=True)

    within(url_of(tmp_path / DATABASE), story)
    return tmp_path


def test_the_trial_balance_prints_nothing_but_zero(books: Path) -> None:
    assert run("check", data_dir=books) == (0, "0\n")
    status, said = run("check", "--json", data_dir=books)
    assert status == 0
    assert json.loads(said) == {
        "trial_balance": 0,
        "is_right": True,
        "entries": 3,
        "postings": 10,
        "totals": {"USD": 0, "USD (sandbox)": 0},
        "unbalanced": [],
        "drifted": [],
    }


def test_what_is_wrong_is_named_and_fails(books: Path) -> None:
    async def plant(store: Store) -> None:
        async with store.transaction() as connection:
            (entry, *_) = (
                await connection.execute(sa.text("SELECT entry FROM ledger_transactions"))
            ).scalars()
            planted = "INSERT INTO postings (entry, account, amount_minor, kind) VALUES (:one, 'x', 3, 'fee')"
            await connection.execute(sa.text(planted), {"one": entry})

    within(url_of(books / DATABASE), plant)
    status, said = run("check", data_dir=books)
    assert status == 1
    assert said.splitlines() == ["3", "entries that do not sum to 0: 1", "wrong balances: x"]


def test_the_accounts_are_shown(books: Path) -> None:
    status, said = run("show", data_dir=books)
    assert status == 0
    assert ["host:ann", "-11.48", "USD"] in [line.split() for line in said.splitlines()]
    _, said = run("show", "--json", data_dir=books)
    found = {(row["account"], row["sandbox"]): row["amount_minor"] for row in json.loads(said)}
    assert found["clearing:stripe", False] == 2_500
    assert found["unsettled", False] == -1_250
    assert found["host:ann", True] == -1_148


def test_the_export_has_every_posting(books: Path, tmp_path: Path) -> None:
    status, said = run("export", data_dir=books)
    rows = list(csv.DictReader(io.StringIO(said)))
    assert status == 0
    assert (tuple(rows[0]), len(rows)) == (COLUMNS, 10)
    assert sum(int(row["amount_minor"]) for row in rows) == 0
    assert rows[0]["at"] == "1970-01-01T00:00:00.000012+00:00"
    out = tmp_path / "books.csv"
    assert run("export", "--out", str(out), "--account", "host:ann", data_dir=books) == (0, "")
    assert [row["account"] for row in csv.DictReader(io.StringIO(out.read_text()))] == ["host:ann"] * 2
    assert out.stat().st_mode & 0o777 == 0o600
    assert run("export", "--out", str(tmp_path), data_dir=books)[0] == 1


def test_a_look_beside_a_running_server(books: Path) -> None:
    """A second process reads while the first has the lock and writes; the log of the first is left alone."""
    command = [sys.executable, "-m", "signaling.cli", "ledger", "check", "--data-dir", str(books)]

    async def story(store: Store) -> None:
        async def sell() -> None:
            for number in range(10, 30):
                async with store.transaction() as connection:
                    await connection.execute(sa.text("UPDATE offers SET capacity = capacity + 1"))
                    await sold(connection, number)

        selling = asyncio.create_task(sell())
        for _ in range(2):
            asked = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            told, errors = await asked.communicate()
            assert (asked.returncode, told) == (0, b"0\n"), errors
        await selling
        log = (books / f"{DATABASE}-wal").stat().st_size
        async with reading(url_of(books / DATABASE)) as connection:
            before = await ledger.trial_balance(connection)
            async with store.transaction() as other:
                await other.execute(sa.text("UPDATE offers SET capacity = capacity + 1"))
                await sold(other, 77)
            assert await ledger.trial_balance(connection) == before, "one state, whatever is sold meanwhile"
            with pytest.raises(sa.exc.OperationalError, match="readonly"):
                await connection.execute(sa.text("DELETE FROM balances"))
        assert (books / f"{DATABASE}-wal").stat().st_size >= log

    within(url_of(books / DATABASE), story)


def test_what_nobody_can_look_into(tmp_path: Path) -> None:
    async def refused(url: str) -> str:
        with pytest.raises(StoreError) as caught:
            async with reading(url):
                pass
        return caught.value.code

    (tmp_path / "text.db").write_bytes(b"this is no database, " * 400)
    assert asyncio.run(refused(MEMORY)) == "store_url"
    assert asyncio.run(refused("nonsense")) == "store_url"
    assert asyncio.run(refused(url_of(tmp_path / "nowhere.db"))) == "store_file"
    assert asyncio.run(refused(url_of(tmp_path / "text.db"))) == "store_unreachable"
    assert run("check", data_dir=tmp_path / "nowhere")[0] == 1


def test_a_store_of_another_version_is_not_read(books: Path) -> None:
    async def newer(store: Store) -> None:
        async with store.transaction() as connection:
            await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    within(url_of(books / DATABASE), newer)
    assert run("check", data_dir=books)[0] == 1
