"""`spaces follow`, `unfollow`, `block`, `unblock`, `profile`: what is between people and oneself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial
from signaling.cli.failures import Misuse
from signaling.cli.printing import facts, listing, print_json, time_of
from signaling.cli.running import run_loop
from signaling.client import Client, Profile, WhichPeople

__all__ = ["VERBS", "list_people", "run", "show_profile", "view"]

Verb = Callable[[Client, str], Awaitable[None]]

VERBS: dict[str, tuple[Verb, str]] = {
    "follow": (lambda client, user: client.follow(user), "You follow {}."),
    "unfollow": (lambda client, user: client.unfollow(user), "You follow {} no more."),
    "block": (lambda client, user: client.block(user), "{} is blocked."),
    "unblock": (lambda client, user: client.unblock(user), "{} is blocked no more."),
}
"""What a command does to each person, and what it says then."""


def run(options: ConnectionOptions, verb: str, users: list[str]) -> int:
    """Do it to each of them, one after the other; the first refusal ends it. Returns 0."""
    return run_loop(_each(options, verb, users))


def list_people(options: ConnectionOptions, which: WhichPeople, *, most: int, as_json: bool) -> int:
    """Whom one follows, is followed by, or blocks; returns 0."""
    return run_loop(_list(options, which, most, as_json))


def show_profile(
    options: ConnectionOptions, user: str, *, new_name: str, new_handle: str, as_json: bool
) -> int:
    """Who somebody is; of oneself name and handle can be set. Returns 0."""
    if user and (new_name or new_handle):
        raise Misuse(
            "not_oneself", f"{user} is named and only one's own profile can be changed", "leave USER out"
        )
    return run_loop(_profile(options, user, new_name, new_handle, as_json))


async def _each(options: ConnectionOptions, verb: str, users: list[str]) -> int:
    act, words = VERBS[verb]
    console = Console(highlight=False)
    async with await dial(options) as client:
        for user in users:
            await act(client, user)
            console.print(Text(words.format(user)), soft_wrap=True)
    return 0


async def _list(options: ConnectionOptions, which: WhichPeople, most: int, as_json: bool) -> int:
    async with await dial(options) as client:
        found = await client.follows(which, most)
    console = Console(highlight=False)
    if as_json:
        print_json(found, console)
    elif found:
        console.print(listing(["User", "Name"], [[row.user, row.name] for row in found], console.width))
    else:
        nobody = {
            "following": "You follow nobody.",
            "followers": "Nobody follows you.",
            "blocked": "You block nobody.",
        }
        console.print(nobody[which])
    return 0


async def _profile(
    options: ConnectionOptions, user: str, new_name: str, new_handle: str, as_json: bool
) -> int:
    async with await dial(options) as client:
        if new_name or new_handle:
            profile = await client.set_profile(name=new_name, handle=new_handle)
        else:
            profile = await client.profile(user)
        is_me = profile.user == client.user
    if as_json:
        print_json(profile)
    else:
        Console(highlight=False).print(view(profile, is_me))
    return 0


def view(profile: Profile, is_me: bool) -> Table:
    """One line a fact."""
    between = [
        words
        for so, words in (
            (profile.follows, "you follow them"),
            (profile.follows_me, "they follow you"),
            (profile.blocked, "you block them"),
        )
        if so
    ]
    rows = [
        ("User", profile.user),
        ("Name", profile.name),
        ("Handle", f"@{profile.handle}" if profile.handle else "none"),
        ("Followers", str(profile.followers)),
        ("Following", str(profile.following)),
        ("Since", time_of(profile.since_ms) if profile.since_ms else ""),
        ("You", "this is you" if is_me else ", ".join(between) or "do not know them"),
    ]
    return facts(rows)
