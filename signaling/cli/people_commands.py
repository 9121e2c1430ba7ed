"""The commands on people, and their options."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from signaling.cli.launch import launch
from signaling.cli.options import Json, Most, Reach, connected

__all__ = ["PEOPLE_COMMANDS"]

Users = Annotated[list[str], typer.Argument(metavar="USER", help="Their user id, or @handle.")]
UsersOrNone = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="USER", help="Their user id, or @handle. Without one: the list of those there are."
    ),
]


@connected
def follow(
    *,
    reach: Reach,
    users: UsersOrNone = None,
    followers: Annotated[
        bool, typer.Option("--followers", metavar="", help="List who follows you instead.")
    ] = False,
    most: Most = 1000,
    json: Json = False,
) -> None:
    """Follow people: Spaces in which they are on stage are in your timeline. Or list whom you follow."""
    if users and followers:
        raise typer.BadParameter(
            "it lists, and USER says whom to follow: leave one out", param_hint="--followers"
        )
    if users:
        chosen = users
        launch("follow", lambda it: it.run(reach(), "follow", chosen), "people")
    which = "followers" if followers else "following"
    launch("follow", lambda it: it.list_people(reach(), which, most=most, as_json=json), "people")


@connected
def unfollow(*, reach: Reach, users: Users) -> None:
    """Follow people no more."""
    launch("unfollow", lambda it: it.run(reach(), "unfollow", users), "people")


@connected
def block(*, reach: Reach, users: UsersOrNone = None, most: Most = 1000, json: Json = False) -> None:
    """Block people: neither sees the other's Spaces any more, nor follows. Or list whom you block.

    Who is in a Space of yours at that moment is removed from it.
    """
    if users:
        chosen = users
        launch("block", lambda it: it.run(reach(), "block", chosen), "people")
    launch("block", lambda it: it.list_people(reach(), "blocked", most=most, as_json=json), "people")


@connected
def unblock(*, reach: Reach, users: Users) -> None:
    """Take a block back. Who followed whom before is not restored."""
    launch("unblock", lambda it: it.run(reach(), "unblock", users), "people")


@connected
def profile(
    *,
    reach: Reach,
    user: Annotated[
        str, typer.Argument(metavar="USER", help="Their user id, or @handle. Without one: yourself.")
    ] = "",
    set_name: Annotated[str, typer.Option(metavar="NAME", help="Be shown by this name from now on.")] = "",
    set_handle: Annotated[
        str, typer.Option(metavar="HANDLE", help="Be found as @HANDLE from now on; nobody else can have it.")
    ] = "",
    json: Json = False,
) -> None:
    """Show who somebody is, and whether you follow each other; or change your own name and handle."""
    launch(
        "profile",
        lambda it: it.show_profile(
            reach(), user, new_name=set_name, new_handle=set_handle.removeprefix("@"), as_json=json
        ),
        "people",
    )


PEOPLE_COMMANDS: Final = (follow, unfollow, block, unblock, profile)
