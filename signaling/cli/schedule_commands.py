"""The commands under `spaces schedule`, and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from signaling.cli.client_commands import AdmitAll, Audio, CoHosts, Loop
from signaling.cli.launch import launch
from signaling.cli.options import Json, Kind, Most, Reach, Space, SpeakPolicy, Topics, connected

__all__ = ["schedule"]

schedule = typer.Typer(
    help="Announce Spaces, move and cancel them, start them, and be reminded of those of others.\n\n"
    "A host announces up to 10 Spaces, up to 30 days ahead, and is told 30 minutes before each. Notices come "
    "to who is connected: [bold]spaces timeline[/bold] shows them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

At = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="When it starts: 2030-03-17 18:30 by this machine's clock, or with a zone: 2030-03-17T18:30Z.",
    ),
]
In = Annotated[str, typer.Option("--in", metavar="DURATION", help="Or in how long: 90m, 2h, 3d, 1d12h.")]


@schedule.command()
@connected
def create(
    *,
    reach: Reach,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What the Space is called.")],
    at: At = "",
    in_: In = "",
    topic: Topics = None,
    who_may_speak: SpeakPolicy = "everyone",
    kind: Kind = "",
    json: Json = False,
) -> None:
    """Announce a Space."""
    launch(
        "schedule create",
        lambda it: it.create(
            reach(),
            title,
            at,
            in_,
            topics=tuple(topic or ()),
            who_may_speak=who_may_speak,
            kind=kind,
            as_json=json,
        ),
        "schedule",
    )


@schedule.command("list")
@connected
def list_planned(
    *,
    reach: Reach,
    host: Annotated[
        str, typer.Option(metavar="USER", help="Only theirs; else yours and those of whom you follow.")
    ] = "",
    most: Most = 100,
    json: Json = False,
) -> None:
    """List scheduled Spaces, the next first."""
    launch("schedule list", lambda it: it.list_planned(reach(), host, most=most, as_json=json), "schedule")


@schedule.command()
@connected
def move(*, reach: Reach, space: Space, at: At = "", in_: In = "", json: Json = False) -> None:
    """Give a Space of yours another time. Who asked to be reminded is told."""
    launch("schedule move", lambda it: it.move(reach(), space, at, in_, as_json=json), "schedule")


@schedule.command()
@connected
def cancel(*, reach: Reach, space: Space) -> None:
    """Call a Space of yours off. Who asked to be reminded is told."""
    launch("schedule cancel", lambda it: it.cancel(reach(), space), "schedule")


@schedule.command()
@connected
def start(
    *,
    reach: Reach,
    space: Space,
    audio: Audio = None,
    loop: Loop = False,
    admit_all: AdmitAll = False,
    co_host: CoHosts = None,
) -> None:
    """Begin a Space of yours, from 15 minutes before its time, and speak in it as with `spaces host`."""
    launch(
        "schedule start",
        lambda it: it.run(
            reach(),
            it.HostOptions(
                start=space, audio=audio, repeat=loop, admit_all=admit_all, co_hosts=tuple(co_host or ())
            ),
        ),
        "host",
    )


@schedule.command()
@connected
def remind(
    *,
    reach: Reach,
    space: Space,
    off: Annotated[bool, typer.Option("--off", metavar="", help="No longer.")] = False,
) -> None:
    """Be told when a Space starts, is moved or cancelled."""
    launch("schedule remind", lambda it: it.remind(reach(), space, on=not off), "schedule")
