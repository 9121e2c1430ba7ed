"""The command `spaces room` and its options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from signaling.cli.launch import launch
from signaling.cli.options import Denoise, Reach, connected

__all__ = ["room"]


@connected
def room(
    *,
    reach: Reach,
    space: Annotated[
        str,
        typer.Argument(
            metavar="SPACE",
            help="The Space: its id or a link. Not needed if only one is live, nor with --open.",
        ),
    ] = "",
    open: Annotated[  # noqa: A002 - the option's name
        str, typer.Option("--open", metavar="TITLE", help="Open a Space called so, and be its host.")
    ] = "",
    audio: Annotated[
        Path | None,
        typer.Option(
            "--audio",
            "-a",
            metavar="FILE",
            help="What to say once you are on stage and not muted. Without one it is the microphone (extra "
            "'play'); with --open a voice that speaks the title.",
        ),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", metavar="", help="Say the file again and again.")] = False,
    microphone: Annotated[
        bool, typer.Option("--microphone", metavar="", help="With --open: speak yourself (extra 'play').")
    ] = False,
    play: Annotated[
        bool, typer.Option("--play", metavar="", help="Play it on the loudspeaker (needs the extra 'play').")
    ] = False,
    denoise: Denoise = False,
    push_to_talk: Annotated[
        bool, typer.Option("--push-to-talk", metavar="", help="Be heard only while the space bar is down.")
    ] = False,
) -> None:
    """Be in a Space, on a screen of its own: stage, queue, posts, reactions, and a key for every act.

    Press ? there for all keys. q or Ctrl-C leaves; of a host without a co-host that ends the Space.
    """
    launch(
        "room",
        lambda it: it.run(
            replace(reach(), denoise=denoise),
            it.RoomOptions(
                space=space,
                title=open,
                audio=audio,
                repeat=loop,
                microphone=microphone,
                play=play,
                push_to_talk=push_to_talk,
            ),
        ),
        "room.command",
    )
