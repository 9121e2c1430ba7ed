"""`spaces schedule`: Spaces that are announced for later."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.failures import Misuse
from signaling.cli.money import price_word
from signaling.cli.printing import duration, listing, print_json, time_of
from signaling.cli.running import run_loop
from signaling.client import Client, PlannedSpace, WhoMaySpeak

__all__ = ["cancel", "clock_time", "create", "lasting", "list_planned", "moment", "move", "remind", "told"]

_DURATION: Final = re.compile(
    r"(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m(?:in)?)?(?:(\d{1,6})s)?", re.ASCII
)


def create(
    options: ConnectionOptions,
    title: str,
    at: str,
    in_: str,
    *,
    topics: tuple[str, ...],
    who_may_speak: WhoMaySpeak,
    kind: str,
    as_json: bool,
) -> int:
    """Announce a Space and say its id; returns 0."""
    starts = moment(at, in_, datetime.now(UTC))

    async def work(client: Client) -> None:
        planned = await client.schedule(title, starts, topics=topics, who_may_speak=who_may_speak, kind=kind)
        _say(planned, as_json, "Announced")

    return _with(options, work)


def list_planned(options: ConnectionOptions, host: str, *, most: int, as_json: bool) -> int:
    """List them; returns 0, also if there are none."""

    async def work(client: Client) -> None:
        found = await client.planned(host, most)
        console = Console(highlight=False)
        if as_json:
            print_json(found, console)
        elif found:
            console.print(_view(found, console.width))
        else:
            console.print("Nothing is scheduled. Announce a Space:  spaces schedule create 'Tea' --in 2h")

    return _with(options, work)


def move(options: ConnectionOptions, space: str, at: str, in_: str, *, as_json: bool) -> int:
    """Give it another time; returns 0."""
    starts = moment(at, in_, datetime.now(UTC))
    options, where = place(options, space)

    async def work(client: Client) -> None:
        _say(await client.reschedule(where, starts), as_json, "Moved")

    return _with(options, work)


def cancel(options: ConnectionOptions, space: str) -> int:
    """Call it off; returns 0."""
    options, where = place(options, space)

    async def work(client: Client) -> None:
        await client.cancel(where)
        Console(highlight=False).print("It is cancelled.")

    return _with(options, work)


def remind(options: ConnectionOptions, space: str, *, on: bool) -> int:
    """Be told when it starts, or no more; returns 0."""
    options, where = place(options, space)

    async def work(client: Client) -> None:
        await client.remind(where, on)
        said = "You will be told when it starts:  spaces timeline" if on else "You will not be told."
        Console(highlight=False).print(said)

    return _with(options, work)


def moment(at: str, in_: str, now: datetime) -> datetime:
    """When something starts, from `--at` or `--in`; without a zone by this machine's clock. Misuse."""
    if bool(at) == bool(in_):
        given = "both" if at else "neither"
        raise Misuse(
            "bad_time", f"{given} of --at and --in given", "give one, as --in 2h or --at '2030-03-17 18:30'"
        )
    return clock_time("--at", at) if at else now + lasting("--in", in_)


def clock_time(option: str, text: str) -> datetime:
    """A time as an option says it; without a zone by this machine's clock. Misuse."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Misuse(
            "bad_time", f"{option} is {text[:40]!r}", "write it as 2030-03-17 18:30, or 2030-03-17T18:30Z"
        ) from None
    return when if when.tzinfo is not None else when.astimezone()


def lasting(option: str, text: str) -> timedelta:
    """How long something is, as an option says it. Misuse."""
    found = _DURATION.fullmatch(text.replace(" ", "").lower())
    if found is None or not any(found.groups()):
        raise Misuse("bad_time", f"{option} is {text[:40]!r}", "write it as 90m, 2h, 3d or 1d12h")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def told(planned: PlannedSpace, verb: str, now: datetime) -> str:
    """What happened to a scheduled Space, in a sentence."""
    ahead_s = planned.starts_ms / 1000 - now.timestamp()
    return (
        f"{verb}: {planned.title!r} starts {time_of(planned.starts_ms)}, in {duration(max(0, ahead_s))}.\n"
        f"Space {planned.space.hex()}\n"
        f"Begin it:  spaces schedule start {planned.space.hex()}"
    )


def _say(planned: PlannedSpace, as_json: bool, verb: str) -> None:
    if as_json:
        print_json(planned)
    else:
        Console(highlight=False).print(Text(told(planned, verb, datetime.now(UTC))), soft_wrap=True)


def _view(found: list[PlannedSpace], width: int) -> RenderableType:
    with_tickets = any(row.price for row in found)
    rows = [
        [
            *(row.space.hex(), row.title, row.host_name, time_of(row.starts_ms)),
            *([price_word(row.price)] * with_tickets),
            _reminders(row),
        ]
        for row in found
    ]
    columns = ["Space", "Title", "Host", "Starts", *(["Ticket"] * with_tickets), "Reminders"]
    return listing(columns, rows, width)


def _reminders(row: PlannedSpace) -> str:
    count = str(row.reminders) if row.reminders else ""
    return " ".join(filter(None, (count, "(you too)" if row.reminded else "")))


def _with(options: ConnectionOptions, work: Callable[[Client], Coroutine[Any, Any, None]]) -> int:
    async def connected() -> int:
        async with await dial(options) as client:
            await work(client)
        return 0

    return run_loop(connected())
