"""The options of `spaces ledger`. What its commands do is in `ledger`, imported when one is run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from signaling.cli.options import ConfigFile, Json, ServerDataDir
from signaling.cli.running import guarded

__all__ = ["ledger"]

ledger = typer.Typer(
    help="Look into the books of a server, also while it runs: its store is only read.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@ledger.command()
def check(*, config: ConfigFile = None, data_dir: ServerDataDir = None, json: Json = False) -> None:
    """Add up every posting there is and print what is left: 0.

    Exit status 0 if the sum is 0 in every currency and every entry, and every balance is what its postings
    say; 1 otherwise, and what is wrong is named.
    """
    _end("check", config, data_dir, as_json=json)


@ledger.command()
def show(*, config: ConfigFile = None, data_dir: ServerDataDir = None, json: Json = False) -> None:
    """List the accounts with their balances.

    More than 0 is what we have or are owed, less is what we owe or have earned. The sandbox's are no money.
    """
    _end("show", config, data_dir, as_json=json)


@ledger.command()
def export(
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Where to write it. \\[default: standard output]"),
    ] = None,
    account: Annotated[str, typer.Option(help="Only this account, such as host:USER.")] = "",
    config: ConfigFile = None,
    data_dir: ServerDataDir = None,
) -> None:
    """Write all postings as CSV, in the order of posting.

    Amounts are whole minor units of the currency: 1250 is 12.50 USD, or 1250 JPY. Times are UTC.
    """
    _end("export", config, data_dir, out=out, account=account)


def _end(verb: str, config: Path | None, data_dir: Path | None, **options: Any) -> None:
    def work() -> int:
        run = getattr(import_module("signaling.cli.ledger"), verb)
        return int(run(config_file=config, data_dir=data_dir, **options))

    raise typer.Exit(guarded(f"ledger {verb}", work))
