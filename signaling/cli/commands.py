"""The commands and their options. What they do is in the module of the same name, imported when it is run.

So `spaces doctor` also runs where a package is missing that another command needs.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from signaling.cli.act_commands import ACT_COMMANDS, act
from signaling.cli.client_commands import CLIENT_COMMANDS
from signaling.cli.import_graph_command import import_graph
from signaling.cli.ledger_commands import ledger
from signaling.cli.load_command import load
from signaling.cli.options import ConfigFile, Json, ServerDataDir
from signaling.cli.people_commands import PEOPLE_COMMANDS
from signaling.cli.reports_command import reports
from signaling.cli.room.entry import room
from signaling.cli.running import guarded
from signaling.cli.schedule_commands import schedule
from signaling.cli.ticket_commands import TICKET_COMMANDS
from signaling.cli.trace_commands import trace

__all__ = ["app"]

_ROOMS = "Spaces"
_PEOPLE = "People"
_TICKETS = "Tickets"
_SCRIPTS = "Scripts and backends"

app = typer.Typer(
    name="spaces",
    help="Live audio rooms: serve them, speak in them, listen to them.\n\n"
    "Try it in two terminals: [bold]spaces serve --dev[/bold] and [bold]spaces host[/bold], "
    "then [bold]spaces join[/bold] in a third. Or see it all at once: [bold]spaces demo[/bold].",
    epilog="Exit status: 0 done (also after Ctrl-C in serve, host, join, timeline: it ends them), "
    "1 failed, 2 misuse, 130 interrupted before the work was done.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def serve(
    *,
    config: ConfigFile = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on. \\[default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The UDP port; 0 takes a free one. \\[default: 4433]")
    ] = None,
    data_dir: ServerDataDir = None,
    dev: Annotated[
        bool | None,
        typer.Option(
            "--dev",
            metavar="",
            help="Development mode, on loopback only: anyone on this machine may register by giving a name, "
            "and a self-signed certificate is made.",
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", metavar="", help="One JSON line for each happening: listening, stopping, stopped."
        ),
    ] = False,
    stats_every: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="SECONDS", help="With --json: a line with all statistics every so often."
        ),
    ] = None,
) -> None:
    """Run a server until Ctrl-C.

    Settings come from the file, then from the environment (SPACES_LISTEN_PORT=…), then from these options.
    """
    _end(
        "serve",
        lambda: import_module("signaling.cli.serve").run(
            config, host, port, data_dir, dev, json, stats_every
        ),
    )


@app.command()
def demo(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="What the host and the second speaker say: up to two audio files."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write what a listener heard, .opus or .wav.")
    ] = Path("demo.opus"),
    json: Json = False,
    picture: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """A whole Space in twelve seconds: a real server, two speakers, two listeners, measured.

    Exit status 0 only if at least 99 % of the frames arrived, everybody heard whom they should and not
    themselves, and all were told of the end.
    """
    _end(
        "demo",
        lambda: import_module("signaling.cli.demo.command").run(
            files or [], out=out, as_json=json, picture=picture
        ),
    )


for command in (*CLIENT_COMMANDS, room):
    app.command(rich_help_panel=_ROOMS)(command)
for command in PEOPLE_COMMANDS:
    app.command(rich_help_panel=_PEOPLE)(command)
for command in TICKET_COMMANDS:
    app.command(rich_help_panel=_TICKETS)(command)
app.add_typer(schedule, name="schedule", rich_help_panel=_ROOMS)
app.add_typer(act, name="act", rich_help_panel=_SCRIPTS)
for command in ACT_COMMANDS:
    app.command(rich_help_panel=_SCRIPTS)(command)
app.command()(load)
app.command("import-graph")(import_graph)
app.add_typer(ledger, name="ledger")
app.command()(reports)
app.add_typer(trace, name="trace")


@app.command()
def token(
    *,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT", help="The user's id, up to 64 characters: the same person every time."
        ),
    ],
    name: Annotated[str, typer.Option(help="The name to show. \\[default: the subject]")] = "",
    lifetime: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", help="How long it is good. \\[default: the configuration's, 3600]"),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The signing key, PEM. \\[default: that of the server's data directory]"
        ),
    ] = None,
    service: Annotated[
        bool,
        typer.Option("--service", help="For a backend that the server lists in auth.services; no person."),
    ] = False,
    config: ConfigFile = None,
    data_dir: ServerDataDir = None,
) -> None:
    """Mint a token with the server's signing key and print it.

    Who has it is that user until it expires: hand it on as a secret.
    """

    def work() -> int:
        made = import_module("signaling.cli.token").run(
            subject=subject,
            name=name,
            lifetime_s=lifetime,
            key_file=key,
            config_file=config,
            data_dir=data_dir,
            is_service=service,
        )
        typer.echo(made)
        return 0

    _end("token", work)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is installed here, what is missing, and what to do about it.

    Exit status 0 if all that is needed is there, 1 otherwise.
    """
    _end("doctor", lambda: import_module("signaling.cli.doctor").run(as_json=json))


def _flowing(text: str) -> str:
    """Help without the ends of lines of its source, which typer would keep: each terminal has a width of its
    own. An example, which is indented, stays as it is."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(each if each.startswith(" ") else each.replace("\n", " ") for each in paragraphs)


def _end(command: str, work: Any) -> None:
    raise typer.Exit(guarded(command, work))


for _group in (app, act, ledger, schedule):
    for _info in _group.registered_commands:
        _info.help = _flowing(_info.help or inspect.getdoc(_info.callback) or "")
