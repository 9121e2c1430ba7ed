"""`spaces share`: links to a Space, to listen and to speak."""

from __future__ import annotations

from rich.console import Console

from signaling.cli.act import acting
from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.failures import Misuse
from signaling.cli.printing import duration, print_json
from signaling.cli.running import run_loop
from signaling.client.trust import parse_address
from signaling.links import Link

__all__ = ["link_to", "run"]


def run(
    options: ConnectionOptions, space: str, *, speak: bool, lifetime_s: int, revoke: str, as_json: bool
) -> int:
    """Print a link, or revoke one; returns 0."""
    if revoke and speak:
        raise Misuse("bad_value", "--speak and --revoke are both given", "leave one out")
    if lifetime_s and not speak:
        raise Misuse("bad_value", "--lifetime is given, and only links to speak expire", "add --speak")
    if revoke:
        return run_loop(_revoke(options, space, revoke))
    return run_loop(
        _to_speak(options, space, lifetime_s, as_json) if speak else _to_listen(options, space, as_json)
    )


async def _to_listen(options: ConnectionOptions, space: str, as_json: bool) -> int:
    """Nobody needs to be in a Space to say where it is; but that it is there is looked at."""
    options, where = place(options, space)
    async with await dial(options) as client:
        seen = await client.peek(where)
    link = link_to(options, seen.space)
    if as_json:
        print_json({"link": link})
    else:
        Console().out(link, highlight=False)
    return 0


async def _to_speak(options: ConnectionOptions, space: str, lifetime_s: int, as_json: bool) -> int:
    async with acting(options, space) as here:
        shared = await here.share(speak=True, lifetime_s=lifetime_s)
    if as_json:
        print_json(shared)
        return 0
    console = Console(stderr=True, highlight=False)
    Console().out(shared.link, highlight=False)
    if shared.expires_in_ms:
        console.print(f"Good for one person, for {duration(shared.expires_in_ms / 1000)}.")
    return 0


async def _revoke(options: ConnectionOptions, space: str, link: str) -> int:
    async with acting(options, space) as here:
        await here.unshare(link)
    Console(highlight=False).print("The link is worthless now.")
    return 0


def link_to(options: ConnectionOptions, space: bytes) -> str:
    """The link that lets others listen, at the address by which this machine reaches the server."""
    host, port = parse_address(options.address)
    return str(Link(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", space))
