"""`spaces import-graph`: a file of who follows whom into the server's store."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from signaling.cli.failures import EXIT_FAILED, Failure
from signaling.cli.running import Interrupted, run_loop
from signaling.config import load_config, prepare_data_dir
from signaling.rules import NAME_CHARS, USER_CHARS, Refused, clean_text, user_id
from signaling.store import Store, StoreError
from signaling.store.graph import Edge, add_edges

__all__ = ["BadLine", "edges_of", "run"]

# Edges in one transaction: a few seconds of work, and some 20 MB while it is done.
BATCH: Final = 50_000
# Bad lines that are shown; the rest is counted.
SHOWN: Final = 20
LINE_BYTES: Final = 4_096
# Visible ASCII is an id whatever it says; all others are asked about in full, which takes ten times as long.
_PLAIN_ID: Final = re.compile(rf"[!-~]{{1,{USER_CHARS}}}").fullmatch
_COLUMNS: Final = ("follower", "followed", "follower_name", "followed_name")
_REQUIRED: Final = 2


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of the file, counted from 1, that says nothing about who follows whom, and why."""

    number: int
    reason: str


Line: TypeAlias = Edge | BadLine


@dataclass(slots=True)
class Tally:
    """What became of the lines of whole batches, and of the bad ones so far."""

    edges: int = 0
    known: int = 0
    accounts: int = 0
    blocked: int = 0
    bad: int = 0
    shown: list[BadLine] = field(default_factory=list)


def run(file: Path, *, config_file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """Import `file`; returns 0, or 1 if there were bad lines. Failure and StoreError if it cannot be."""
    # No certificate and no keys are needed for this: a data directory that a server used is enough.
    development = {"auth.development": True, "listen.host": "127.0.0.1"} if config_file is None else {}
    config = load_config(config_file, os.environ, {"store.data_dir": data_dir, **development})
    prepare_data_dir(config)
    console = Console(stderr=True, highlight=False)
    tally = Tally()
    try:
        with _opened(file) as stream:
            run_loop(_import(stream, config.store.database_url, tally, console))
    except Interrupted:
        _tell(tally, console, as_json, whole=False)
        raise
    _tell(tally, console, as_json, whole=True)
    return EXIT_FAILED if tally.bad else 0


async def _import(stream: IO[bytes], url: str, tally: Tally, console: Console) -> None:
    store = Store(url)
    try:
        await store.open()
    except StoreError as error:
        if error.code != "store_locked":
            raise
        raise Failure(error.code, str(error), "import the graph while no server runs") from error
    try:
        with _progress(console) as bar:
            task = bar.add_task("", total=os.fstat(stream.fileno()).st_size or None)
            batch: list[Edge] = []
            for line in edges_of(stream):
                if isinstance(line, BadLine):
                    _note(tally, line)
                    continue
                batch.append(line)
                if len(batch) == BATCH:
                    await _write(store, batch, tally)
                    bar.update(task, completed=_read(stream), description=f"{tally.edges:,} edges")
                    batch.clear()
            await _write(store, batch, tally)
            bar.update(task, completed=_read(stream), description=f"{tally.edges:,} edges")
    finally:
        await store.close()


async def _write(store: Store, batch: list[Edge], tally: Tally) -> None:
    async with store.transaction() as connection:
        added = await add_edges(connection, batch, time.time_ns() // 1_000)
    tally.accounts += added.accounts
    tally.edges += added.edges
    tally.blocked += added.blocked
    tally.known += len(batch) - added.edges - added.blocked


# Reading


def edges_of(stream: IO[bytes]) -> Iterator[Line]:
    """The edges of a CSV file with a header, and its bad lines. Failure: no_header, unknown_column.

    Holds one line at a time, of at most LINE_BYTES.
    """
    lines = _lines(stream)
    order = _header(next(lines, (1, "")))
    for number, text in lines:
        if text is None:
            yield BadLine(
                number, f"it has more than {LINE_BYTES} bytes, {LINE_BYTES} is the limit; shorten it"
            )
        elif text:
            yield _line(number, text, order)


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, str | None]]:
    """Numbers and texts of lines without their ends; None for one that is too long."""
    number = 0
    while line := stream.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES and not line.endswith(b"\n"):
            while len(line) > LINE_BYTES and not line.endswith(b"\n"):
                line = stream.readline(LINE_BYTES + 1)
            yield number, None
            continue
        # What is not UTF-8 becomes characters that no id may have: it is told with its line.
        yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").rstrip("\r\n")


def _header(first: tuple[int, str | None]) -> tuple[int, ...]:
    """Where in a line the fields of an Edge are; -1 for a column that is not there."""
    names = [name.strip().lower() for name in (first[1] or "").split(",")]
    if not set(_COLUMNS[:_REQUIRED]) <= set(names):
        raise Failure(
            "no_header",
            f"the first line is {(first[1] or '')[:80]!r} and names no columns follower and followed",
            "begin the file with the line: follower,followed",
        )
    for name in names:
        if name not in _COLUMNS or names.count(name) > 1:
            raise Failure(
                "unknown_column",
                f"the column {name[:80]!r} is unknown or named twice",
                f"name each of these at most once: {', '.join(_COLUMNS)}",
            )
    return (len(names), *(names.index(name) if name in names else -1 for name in _COLUMNS))


def _line(number: int, text: str, order: tuple[int, ...]) -> Line:
    try:
        fields = next(csv.reader((text,), strict=True)) if '"' in text else text.split(",")
    except csv.Error as error:
        return BadLine(number, f"its quotes are not closed or not alone ({error}); write a quote twice")
    columns, follower_at, followed_at, *names_at = order
    if len(fields) != columns:
        return BadLine(number, f"it has {len(fields)} fields, {columns} is right as the first line has it")
    follower, followed = fields[follower_at].strip(), fields[followed_at].strip()
    for user in (follower, followed):
        wrong = _wrong_id(user)
        if wrong:
            return BadLine(number, wrong)
    if follower == followed:
        return BadLine(number, f"{follower!r} follows themselves, and that says nothing; leave it out")
    names = [fields[at].strip() if at >= 0 else "" for at in names_at]
    for name in names:
        checked = clean_text("name", name, NAME_CHARS) if name else name
        if isinstance(checked, Refused):
            return BadLine(number, checked.message)
    return Edge(follower, followed, *names)


def _wrong_id(user: str) -> str:
    if _PLAIN_ID(user):
        return ""
    checked = user_id(user)
    return checked.message if isinstance(checked, Refused) else ""


# Telling


def _read(stream: IO[bytes]) -> int:
    """How many bytes were read; 0 of a pipe, which does not say."""
    return stream.tell() if stream.seekable() else 0


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise Failure(
            "file_unreadable", f"{file} cannot be read: {error.strerror}", "name a CSV file that can"
        ) from error


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _note(tally: Tally, line: BadLine) -> None:
    tally.bad += 1
    if len(tally.shown) < SHOWN:
        tally.shown.append(line)


def _tell(tally: Tally, console: Console, as_json: bool, *, whole: bool) -> None:
    """The outcome on standard output, the bad lines beside it."""
    if as_json:
        bad = [{"line": line.number, "reason": line.reason} for line in tally.shown]
        counts = {name: getattr(tally, name) for name in ("edges", "known", "accounts", "blocked", "bad")}
        sys.stdout.write(json.dumps({"whole": whole, **counts, "bad_lines": bad}) + "\n")
        return
    for line in tally.shown:
        console.print(f"line {line.number}: {line.reason}", markup=False, soft_wrap=True)
    if tally.bad > len(tally.shown):
        console.print(f"and {tally.bad - len(tally.shown):,} bad lines more")
    blocked = f", {tally.blocked:,} left out because one has blocked the other" if tally.blocked else ""
    sys.stdout.write(
        f"{tally.edges:,} edges and {tally.accounts:,} accounts are new; {tally.known:,} edges were there "
        f"already{blocked}; {tally.bad:,} bad lines.\n"
    )
    if not whole:
        sys.stdout.write("Stopped: what is told above is kept, whole. Run it again to go on.\n")
