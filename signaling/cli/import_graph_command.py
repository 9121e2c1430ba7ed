"""The options of `spaces import-graph`. What it does is in `import_graph`, imported when it is run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from signaling.cli.options import ConfigFile, Json, ServerDataDir
from signaling.cli.running import guarded

__all__ = ["import_graph"]


def import_graph(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Who follows whom, UTF-8.")],
    config: ConfigFile = None,
    data_dir: ServerDataDir = None,
    json: Json = False,
) -> None:
    """Load a follow graph into the server's store, while no server runs.

    The first line names the columns, each further one says that somebody follows somebody:

        follower,followed,follower_name,followed_name

        u1,u2,Ann,"Bob, the second"

    The first two are user ids, as tokens have them. The names may be left out, both or one: they are for who
    has no account yet, and without one an account is called by its id. Names that the store knows stay.

    What is there already is counted and changes nothing, so a file can be loaded again. Bad lines are told by
    number and left out. It is written in batches of 50,000 edges: Ctrl-C keeps whole ones.

    Exit status 0 if every line was good, 1 otherwise.
    """

    def work() -> int:
        module = import_module("signaling.cli.import_graph")
        return int(module.run(file, config_file=config, data_dir=data_dir, as_json=json))

    raise typer.Exit(guarded("import-graph", work))
