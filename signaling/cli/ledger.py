"""`spaces ledger`: the trial balance, the accounts, and all postings, read beside a running server."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console

from signaling.cli.beside import database_url
from signaling.cli.failures import EXIT_FAILED, Failure
from signaling.cli.printing import listing, print_json
from signaling.cli.running import run_loop
from signaling.rules.money import currency, format_amount
from signaling.store import ledger
from signaling.store.ledger import AccountBalance, PostedLine, TrialBalance
from signaling.store.reading import reading

__all__ = ["COLUMNS", "check", "export", "show"]

COLUMNS: Final = (
    "posting", "entry", "at", "account", "amount_minor", "currency", "kind", "ref", "space", "sandbox",
)  # fmt: skip
# What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def check(*, config_file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """Print the trial balance; returns 0, or 1 where it is not right."""
    trial = run_loop(_trial(database_url(config_file, data_dir)))
    console = Console(highlight=False)
    if as_json:
        print_json(
            {
                "trial_balance": trial.total_minor,
                "is_right": trial.is_right,
                "entries": trial.entries,
                "postings": trial.postings,
                "totals": {_sum_name(*key): total for key, total in sorted(trial.totals.items())},
                "unbalanced": trial.unbalanced,
                "drifted": trial.drifted,
            },
            console,
        )
        return 0 if trial.is_right else EXIT_FAILED
    console.print(trial.total_minor)
    for name, wrong in (
        ("entries that do not sum to 0", trial.unbalanced),
        ("wrong balances", trial.drifted),
    ):
        if wrong:
            console.print(f"{name}: {', '.join(map(str, wrong))}", markup=False)
    said = Console(stderr=True, highlight=False)
    said.print(f"{trial.postings:,} postings in {trial.entries:,} entries", style="dim")
    return 0 if trial.is_right else EXIT_FAILED


def show(*, config_file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """Print the accounts with their balances; returns 0."""
    found = run_loop(_accounts(database_url(config_file, data_dir)))
    console = Console(highlight=False)
    if as_json:
        rows = [
            {
                "account": one.account,
                "amount_minor": one.amount_minor,
                "currency": one.currency,
                "sandbox": one.sandbox,
            }
            for one in found
        ]
        print_json(rows, console)
        return 0
    rows_shown = [
        (
            one.account,
            format_amount(one.amount_minor, currency(one.currency)),
            "sandbox" if one.sandbox else "",
        )
        for one in found
    ]
    console.print(listing(("Account", "Balance", ""), rows_shown, console.width))
    return 0


def export(*, config_file: Path | None, data_dir: Path | None, out: Path | None, account: str) -> int:
    """Write the postings as CSV; returns 0. Failure file_not_written."""
    with _opened(out) as stream:
        run_loop(_export(database_url(config_file, data_dir), stream, account))
    return 0


async def _trial(url: str) -> TrialBalance:
    async with reading(url) as connection:
        return await ledger.trial_balance(connection)


async def _accounts(url: str) -> list[AccountBalance]:
    async with reading(url) as connection:
        return await ledger.accounts(connection)


async def _export(url: str, stream: TextIO, account: str) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    async with reading(url) as connection:
        writer.writerow(COLUMNS)
        async for line in ledger.lines(connection, account=account):
            writer.writerow(_row(line))


def _row(line: PostedLine) -> tuple[str | int, ...]:
    return (
        line.posting,
        line.entry,
        datetime.fromtimestamp(line.at_us / 1_000_000, UTC).isoformat(timespec="microseconds"),
        f"'{line.account}" if line.account.startswith(_FORMULA) else line.account,
        line.amount_minor,
        line.currency,
        line.kind,
        line.ref.hex(),
        "" if line.space is None else line.space.hex(),
        int(line.sandbox),
    )


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    try:
        # Who earned what is for its reader only.
        stream = open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")  # noqa: PTH123, SIM115
    except OSError as error:
        raise Failure(
            "file_not_written", f"The file {out} cannot be written: {error.strerror}", "give another one"
        ) from error
    with stream:
        yield stream


def _sum_name(code: str, sandbox: bool) -> str:
    return f"{code} (sandbox)" if sandbox else code
