"""The options of `spaces reports`. What it does is in `reports`, imported when it is run."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from signaling.cli.options import ConfigFile, Json, ServerDataDir
from signaling.cli.running import guarded

__all__ = ["reports"]


def reports(
    *,
    space: Annotated[
        str,
        typer.Option(metavar="SPACE", help="Only what was reported in this Space: its id, or a link to it."),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 50,
    config: ConfigFile = None,
    data_dir: ServerDataDir = None,
    json: Json = False,
) -> None:
    """Show what people reported to whoever runs the server, the latest first, with the evidence.

    With each report: when and in which Space, by whom about whom, the reason and the text, and who was on
    stage and inside at that moment. The server's store is only read, also while it runs.

    Characters that would steer a terminal are shown as a mark.
    """

    def work() -> int:
        module = import_module("signaling.cli.reports")
        return int(module.run(space=space, limit=limit, config_file=config, data_dir=data_dir, as_json=json))

    raise typer.Exit(guarded("reports", work))
