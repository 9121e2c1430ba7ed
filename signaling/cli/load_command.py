"""The options of `spaces load`. What it does is in `load`, imported when it is run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from signaling.cli.options import CaFile, DataDir, Fingerprint, Server
from signaling.cli.running import guarded

__all__ = ["load"]

_PEOPLE = "People"
_NETWORK = "Network"
_TARGET = "Server"
_OUTPUT = "Report"


Listeners = Annotated[int, typer.Option("--listeners", "-n", help="So many listen.", rich_help_panel=_PEOPLE)]
Speakers = Annotated[
    int,
    typer.Option(
        "--speakers",
        "-k",
        help="So many speak, all the time; the host is the first.",
        rich_help_panel=_PEOPLE,
    ),
]
Duration = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="How long to measure once all have joined.", rich_help_panel=_PEOPLE
    ),
]
Ramp = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Spread the joins evenly over so long.", rich_help_panel=_PEOPLE),
]
JoinRate = Annotated[
    float,
    typer.Option(metavar="N", help="Joins a second; 0: as fast as they get in.", rich_help_panel=_PEOPLE),
]
AtOnce = Annotated[
    int, typer.Option(metavar="N", help="Most joins under way at one time.", rich_help_panel=_PEOPLE)
]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Who is not in by then is given up.", rich_help_panel=_PEOPLE),
]
Space = Annotated[
    str,
    typer.Option(
        metavar="ID",
        help="Join this Space, which is live, instead of opening one. Speakers wait for its host.",
        rich_help_panel=_PEOPLE,
    ),
]
Audio = Annotated[
    Path | None,
    typer.Option(
        "--audio",
        "-a",
        metavar="FILE",
        help="What all speakers say: a minute at most, again and again. Without one they babble.",
        rich_help_panel=_PEOPLE,
    ),
]
Bundle = Annotated[
    int,
    typer.Option(help="Most frames in one datagram that listeners take, 1 to 3.", rich_help_panel=_NETWORK),
]
BundleDelayMs = Annotated[
    int, typer.Option(help="Most delay that bundling may add.", rich_help_panel=_NETWORK)
]
AckEvery = Annotated[
    int,
    typer.Option(help="Listeners acknowledge audio at every so many packets.", rich_help_panel=_NETWORK),
]
AckDelayMs = Annotated[int, typer.Option(help="… or after so long, up to 600.", rich_help_panel=_NETWORK)]
LossPct = Annotated[float, typer.Option(help="Packets lost, in each direction.", rich_help_panel=_NETWORK)]
DelayMs = Annotated[
    float, typer.Option(help="Delay of every packet, in each direction.", rich_help_panel=_NETWORK)
]
JitterMs = Annotated[
    float, typer.Option(help="The delay varies by so much either way.", rich_help_panel=_NETWORK)
]
Seed = Annotated[
    int, typer.Option(help="Of the loss and the jitter: the same again.", rich_help_panel=_NETWORK)
]
Addresses = Annotated[
    str,
    typer.Option(
        metavar="ports|loopback",
        help="Each listener has a port of its own, or with a server on this machine an address 127.x.y.z.",
        rich_help_panel=_NETWORK,
    ),
]
Plane = Annotated[
    str,
    typer.Option(
        metavar="native|aioquic",
        help="How this side handles packets; aioquic needs some thirty times the CPU.",
        rich_help_panel=_NETWORK,
    ),
]
Processes = Annotated[
    int, typer.Option("--processes", "-p", help="Spread the people over so many.", rich_help_panel=_NETWORK)
]
SpawnServer = Annotated[
    bool,
    typer.Option(
        "--spawn-server",
        metavar="",
        help="Start a server for this load, with data that is thrown away.",
        rich_help_panel=_TARGET,
    ),
]
Pid = Annotated[
    int | None,
    typer.Option(
        metavar="PID", help="The server's process: its CPU and memory are measured.", rich_help_panel=_TARGET
    ),
]
Tokens = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A token for each person, one a line.", rich_help_panel=_TARGET),
]
Key = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The server's signing key: a token for each person is made with it.",
        rich_help_panel=_TARGET,
    ),
]
Json = Annotated[
    str,
    typer.Option(
        "--json",
        metavar="FILE|-",
        help="Write the report as JSON; - is standard output.",
        rich_help_panel=_OUTPUT,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the report as a page with plots.", rich_help_panel=_OUTPUT),
]
ExpectPct = Annotated[
    float | None,
    typer.Option(
        min=0, max=100, help="Exit with status 1 if less of the audio was delivered.", rich_help_panel=_OUTPUT
    ),
]
Control = Annotated[
    bool,
    typer.Option(
        "--control",
        metavar="",
        help="Do what JSON lines on standard input say: join, talk, hush, mark, stats, addresses, quit.",
        rich_help_panel=_OUTPUT,
    ),
]


def load(
    context: typer.Context,
    *,
    listeners: Listeners = 100,
    speakers: Speakers = 1,
    duration: Duration = 10.0,
    ramp: Ramp = 0.0,
    join_rate: JoinRate = 0.0,
    at_once: AtOnce = 100,
    timeout: Timeout = 10.0,
    space: Space = "",
    audio: Audio = None,
    bundle: Bundle = 3,
    bundle_delay_ms: BundleDelayMs = 40,
    ack_every: AckEvery = 10,
    ack_delay_ms: AckDelayMs = 600,
    loss_pct: LossPct = 0.0,
    delay_ms: DelayMs = 0.0,
    jitter_ms: JitterMs = 0.0,
    seed: Seed = 1,
    addresses: Addresses = "ports",
    plane: Plane = "native",
    processes: Processes = 1,
    spawn_server: SpawnServer = False,
    pid: Pid = None,
    tokens: Tokens = None,
    key: Key = None,
    server: Server = "127.0.0.1:4433",
    fingerprint: Fingerprint = None,
    ca_file: CaFile = None,
    data_dir: DataDir = Path("spaces-data"),
    json: Json = "",
    html: Html = None,
    expect_pct: ExpectPct = None,
    control: Control = False,
) -> None:
    """Load a server with listeners and speakers, and report what they got. docs/load.md explains the figures.

    Try it:  spaces load --spawn-server --listeners 200 --html load.html

    Each listener is a client of its own: a socket, a handshake, a connection. Exit status 130 after Ctrl-C,
    with a report of what was measured so far.
    """

    raise typer.Exit(guarded("load", lambda: import_module("signaling.cli.load").run(context.params)))
