"""The commands of people in and around Spaces, and their options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from signaling.cli.launch import launch
from signaling.cli.options import Denoise, Json, Kind, Most, Reach, Space, SpeakPolicy, Topics, connected

__all__ = ["CLIENT_COMMANDS"]

Audio = Annotated[
    Path | None,
    typer.Option(
        "--audio",
        "-a",
        metavar="FILE",
        help="What to say: any file with sound in it. Without one a voice speaks the title.",
    ),
]
Loop = Annotated[
    bool, typer.Option("--loop", metavar="", help="Say it again and again; else the Space ends with it.")
]
AdmitAll = Annotated[
    bool,
    typer.Option(
        "--admit-all", metavar="", help="Let everybody speak who asks; else you are asked each time."
    ),
]
CoHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--co-host",
        metavar="USER",
        help="Somebody who hosts with you: invited when they come, a co-host once on stage. Up to two.",
    ),
]


@connected
def live(
    *,
    reach: Reach,
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only those with this in their title.")] = "",
    topic: Annotated[str, typer.Option(metavar="WORD", help="Only those about this topic.")] = "",
    most: Most = 100,
    json: Json = False,
) -> None:
    """List the Spaces that are live."""
    launch("live", lambda it: it.run(reach(), most=most, text=search, topic=topic, as_json=json))


@connected
def timeline(
    *,
    reach: Reach,
    once: Annotated[
        bool, typer.Option("--once", metavar="", help="Print what is there now and end, instead of staying.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the Spaces in which people you follow are on stage, as it changes.

    Those with most of them on stage come first. Scheduled Spaces that you wait for are told here too. Ctrl-C
    ends it. With --json each change is a line: an object with `bubbles`, `notice` or `connection` in it.
    """
    launch("timeline", lambda it: it.run(reach(), once=once, as_json=json))


@connected
def peek(*, reach: Reach, space: Space, json: Json = False) -> None:
    """Look at a Space without joining it, and without being seen: title, stage, how many are there."""
    launch("peek", lambda it: it.run(reach(), space, as_json=json))


@connected
def host(
    *,
    reach: Reach,
    title: Annotated[str, typer.Option("--title", "-t", help="What the Space is called.")] = "Hello",
    denoise: Denoise = False,
    audio: Audio = None,
    loop: Loop = False,
    topic: Topics = None,
    who_may_speak: SpeakPolicy = "everyone",
    fair: Annotated[
        bool,
        typer.Option(
            "--fair", metavar="", help="Who has not spoken here yet is before all others in the queue."
        ),
    ] = False,
    kind: Kind = "",
    admit_all: AdmitAll = False,
    co_host: CoHosts = None,
    speak_links: Annotated[
        int,
        typer.Option(
            min=0, max=20, metavar="N", help="Print so many links that each let one person speak, once."
        ),
    ] = 0,
) -> None:
    """Open a Space and speak in it. It ends with the sound, or with Ctrl-C."""
    launch(
        "host",
        lambda it: it.run(
            replace(reach(), denoise=denoise),
            it.HostOptions(
                title=title,
                audio=audio,
                repeat=loop,
                topics=tuple(topic or ()),
                who_may_speak=who_may_speak,
                fair=fair,
                kind=kind,
                admit_all=admit_all,
                co_hosts=tuple(co_host or ()),
                speak_links=speak_links,
            ),
        ),
    )


@connected
def join(
    *,
    reach: Reach,
    denoise: Denoise = False,
    space: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="The Space: its id, as `spaces live` shows it, or a link. Not needed if only one is live.",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Write what is heard, .opus or .wav; replaces the file."
        ),
    ] = None,
    play: Annotated[
        bool, typer.Option("--play", metavar="", help="Play it on the loudspeaker (needs the extra 'play').")
    ] = False,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            metavar="",
            help="Ask to speak, or accept if invited; then through the microphone (extra 'play'). A link to "
            "speak needs no admission.",
        ),
    ] = False,
    audio: Annotated[
        Path | None, typer.Option("--audio", "-a", metavar="FILE", help="With --ask: say this file instead.")
    ] = None,
    low_delay: Annotated[
        bool,
        typer.Option(
            "--low-delay", metavar="", help="Each 20 ms at once, also in a large room; costs more packets."
        ),
    ] = False,
) -> None:
    """Listen to a Space, and see who talks. Ctrl-C leaves; what was heard is kept.

    A connection that is lost is made again by itself as long as the server keeps your place.
    """
    launch(
        "join",
        lambda it: it.run(
            replace(reach(), denoise=denoise),
            it.JoinOptions(space=space, out=out, play=play, ask=ask, audio=audio, low_delay=low_delay),
        ),
    )


@connected
def share(
    *,
    reach: Reach,
    space: Space,
    speak: Annotated[
        bool,
        typer.Option(
            "--speak",
            metavar="",
            help="A link that lets one person speak, once. Who has it can use it: hand it on as a secret.",
        ),
    ] = False,
    lifetime: Annotated[
        int,
        typer.Option(
            min=0, metavar="SECONDS", help="With --speak: how long it is good; 0: as long as the server says."
        ),
    ] = 0,
    revoke: Annotated[
        str, typer.Option(metavar="LINK", help="Make a link to speak worthless that nobody has used.")
    ] = "",
    json: Json = False,
) -> None:
    """Print a link to a Space, for others to `spaces join`.

    Links to speak are made by hosts, or by a service; see `spaces act --help` for what that means.
    """
    launch(
        "share",
        lambda it: it.run(reach(), space, speak=speak, lifetime_s=lifetime, revoke=revoke, as_json=json),
    )


CLIENT_COMMANDS: Final = (live, timeline, peek, host, join, share)
