"""`spaces import-graph`: a file into the store, its bad lines told by number, whole batches or nothing."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.testing import CliRunner

from signaling.cli import import_graph
from signaling.cli.commands import app
from signaling.cli.failures import Failure
from signaling.cli.import_graph import LINE_BYTES, SHOWN, BadLine, edges_of
from signaling.cli.running import Interrupted
from signaling.rules import user_id
from signaling.store import accounts, blocks, follows
from signaling.store.graph import Added, Edge, add_edges
from signaling.store.lock import FileLock
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import follows as edges_table
from tests.signaling.store_stories import Told

SEED = 4


def read(text: str | bytes) -> list[Edge | BadLine]:
    return list(edges_of(io.BytesIO(text.encode() if isinstance(text, str) else text)))


# Lines


def test_columns_may_be_in_any_order_and_names_left_out() -> None:
    assert read("follower,followed\r\nann,bob\r\n\nbob,cat") == [Edge("ann", "bob"), Edge("bob", "cat")]
    assert read("\ufeffFollowed , follower\nbob,ann\n") == [Edge("ann", "bob")]
    assert read('follower,follower_name,followed,followed_name\nann,"A, ""the"" n",bob,\n') == [
        Edge("ann", "bob", 'A, "the" n', "")
    ]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "no_header"),
        ("ann,bob", "no_header"),
        ("follower", "no_header"),
        ("follower,followed,since", "unknown_column"),
        ("follower,followed,follower", "unknown_column"),
        ("x" * (LINE_BYTES + 1), "no_header"),
    ],
)
def test_a_header_that_names_no_columns(header: str, code: str) -> None:
    with pytest.raises(Failure) as caught:
        read(header + "\nann,bob\n")
    assert caught.value.code == code
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"ann", "has 1 fields, 2 is right"),
        (b"ann,bob,cat", "has 3 fields, 2 is right"),
        (b",bob", "is empty"),
        (b"ann," + b"b" * 65, "65 characters, 64 is the limit"),
        (b"ann,b\x00b", "U+0000"),
        (b"ann,b\xffb", "U+DCFF"),
        ("ann,b\u202eb".encode(), "U+202E"),
        (b"ann,ann", "follows themselves"),
        (b'ann,"bob', "quotes"),
        (b'ann,"bob" x', "quotes"),
        (b"ann," + b"b" * LINE_BYTES, f"{LINE_BYTES} is the limit"),
        (b"ann," + b"b" * (3 * LINE_BYTES), f"{LINE_BYTES} is the limit"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_next_is_read(line: bytes, reason: str) -> None:
    bad, good = read(b"follower,followed\n" + line + b"\nann,bob\n")
    assert isinstance(bad, BadLine)
    assert bad.number == 2
    assert reason in bad.reason
    assert good == Edge("ann", "bob")


def test_a_name_that_cannot_be_is_a_bad_line() -> None:
    (bad,) = read("follower,followed,followed_name\nann,bob," + "n" * 51 + "\n")
    assert isinstance(bad, BadLine)
    assert "51 characters, 50 is the limit" in bad.reason


def test_any_bytes_are_lines_good_or_bad_and_ids_are_what_the_rules_say() -> None:
    rng = random.Random(SEED)
    alphabet = [
        b"a",
        b"\xc3\xa9",
        b",",
        b'"',
        b"\n",
        b"\r",
        b" ",
        b"\x00",
        b"\xff",
        b"\xe2\x80\xae",
        b"~",
        b"!",
    ]
    for _ in range(2_000):
        body = b"".join(rng.choices(alphabet, k=rng.randrange(40)))
        for line in read(b"follower,followed\n" + body):
            if isinstance(line, Edge):
                assert user_id(line.follower) == line.follower, f"seed {SEED}: {body!r}"
                assert user_id(line.followed) == line.followed, f"seed {SEED}: {body!r}"


# Batches


def test_a_batch_makes_accounts_edges_and_counts(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await accounts.ensure(connection, "ann", "Ann", 1)
        await accounts.ensure(connection, "eve", "Eve", 1)
        await accounts.ensure(connection, "bob", "Bob", 1)
        await follows.follow(connection, "ann", "bob", 2)
        await blocks.block(connection, "eve", "ann", 2)
        batch = [
            Edge("ann", "bob"),
            Edge("ann", "cat", "Not Ann", "Cat"),
            Edge("bob", "cat"),
            Edge("bob", "cat"),
            Edge("ann", "eve"),
            Edge("eve", "ann"),
            Edge("cat", "x" * 64),
        ]
        assert await add_edges(connection, batch, 3) == Added(accounts=2, edges=3, blocked=2)
        assert await add_edges(connection, batch, 4) == Added(accounts=0, edges=0, blocked=2)
        assert await add_edges(connection, [], 5) == Added(0, 0, 0)
        found = {user: await accounts.get(connection, user) for user in ("ann", "bob", "cat", "x" * 64)}
        assert [(one.name, one.followers, one.following) for one in found.values() if one] == [
            ("Ann", 0, 2),
            ("Bob", 1, 1),
            ("Cat", 2, 1),
            ("x" * 50, 1, 0),
        ]
        assert await follows.follows(connection, "cat", "x" * 64)
        assert not await follows.follows(connection, "eve", "ann")

    told(story)


def test_counts_are_those_of_the_edges_after_any_batches(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        rng = random.Random(SEED)
        wanted: set[tuple[str, str]] = set()
        for _ in range(6):
            batch = []
            for _ in range(200):
                one, other = rng.sample(range(30), 2)
                batch.append(Edge(f"u{one}", f"u{other}"))
            before = len(wanted)
            wanted |= {(edge.follower, edge.followed) for edge in batch}
            assert (await add_edges(connection, batch, 1)).edges == len(wanted) - before, f"seed {SEED}"
        rows = (await connection.execute(sa.select(edges_table))).all()
        assert {(row.follower, row.followed) for row in rows} == wanted
        for row in (await connection.execute(sa.select(accounts_table))).all():
            assert row.followers == sum(1 for _, followed in wanted if followed == row.user)
            assert row.following == sum(1 for follower, _ in wanted if follower == row.user)

    told(story)


def test_nobody_follows_themselves_also_in_a_batch(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        with pytest.raises(IntegrityError):
            await add_edges(connection, [Edge("ann", "ann")], 1)

    told(story)


# The command


def write(folder: Path, edges: list[tuple[str, ...]], name: str = "graph.csv") -> Path:
    path = folder / name
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("follower", "followed"), *edges])
    return path


def command(folder: Path, file: Path, *options: str) -> tuple[int, str, str]:
    line = ["import-graph", str(file), "--data-dir", str(folder / "data"), *options]
    done = CliRunner().invoke(app, line, env={"COLUMNS": "200"})
    return done.exit_code, done.stdout, done.stderr


def test_a_file_is_loaded_once_however_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_graph, "BATCH", 10)
    file = write(tmp_path, [(f"u{number}", f"u{number + 1}") for number in range(35)])
    first = "35 edges and 36 accounts are new; 0 edges were there already; 0 bad lines.\n"
    again = "0 edges and 0 accounts are new; 35 edges were there already; 0 bad lines.\n"
    assert command(tmp_path, file) == (0, first, "")
    assert command(tmp_path, file) == (0, again, "")


def test_bad_lines_are_shown_and_from_the_twenty_first_on_counted(tmp_path: Path) -> None:
    file = write(tmp_path, [("ann", "bob"), *[("ann", "ann")] * (SHOWN + 5), ("bob", "cat")])
    status, out, err = command(tmp_path, file)
    assert (status, out.split(";")[0]) == (1, "2 edges and 3 accounts are new")
    lines = err.splitlines()
    assert lines[0].startswith("line 3: 'ann' follows themselves")
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "and 5 bad lines more"
    status, out, err = command(tmp_path, file, "--json")
    told = json.loads(out)
    assert (status, err) == (1, "")
    assert (told["whole"], told["edges"], told["known"], told["bad"]) == (True, 0, 2, SHOWN + 5)
    assert told["bad_lines"][0]["line"] == 3


def test_a_file_that_is_not_there_or_no_graph(tmp_path: Path) -> None:
    status, out, err = command(tmp_path, tmp_path / "none.csv")
    assert (status, out) == (1, "")
    assert err.endswith("[file_unreadable]\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    status, out, err = command(tmp_path, tmp_path / "other.csv")
    assert (status, out) == (1, "")
    assert err.endswith("begin the file with the line: follower,followed [no_header]\n")


def test_nothing_is_loaded_while_a_server_has_the_store(tmp_path: Path) -> None:
    file = write(tmp_path, [("ann", "bob")])
    (tmp_path / "data").mkdir()
    held = FileLock(tmp_path / "data" / "spaces.sqlite")
    status, out, err = command(tmp_path, file)
    held.release()
    assert (status, out) == (1, "")
    assert "in use by the server with process id" in err
    assert "Import the graph while no server runs [store_locked]" in err
    assert command(tmp_path, file)[0] == 0


def test_an_interruption_keeps_whole_batches_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled as Ctrl-C does it, in the middle of the third batch."""
    monkeypatch.setattr(import_graph, "BATCH", 10)
    file = write(tmp_path, [(f"u{number}", f"u{number + 1}") for number in range(35)])
    batches = []

    async def interrupted(connection: AsyncConnection, batch: list[Edge], now_us: int) -> Added:
        done = await add_edges(connection, batch, now_us)
        batches.append(len(batch))
        if len(batches) == 3:
            raise Interrupted
        return done

    monkeypatch.setattr(import_graph, "add_edges", interrupted)
    status, out, _ = command(tmp_path, file)
    assert status == 130
    assert out.startswith("20 edges and 21 accounts are new")
    assert "Run it again to go on" in out
    monkeypatch.setattr(import_graph, "add_edges", add_edges)
    assert command(tmp_path, file)[1].startswith(
        "15 edges and 15 accounts are new; 20 edges were there already"
    )
