"""`spaces act`, `audit`, `talkers`, `create`: one deed in a Space, for scripts and backends."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from rich.console import Console

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.meters import role_word
from signaling.cli.printing import listing, plain, print_json, time_of
from signaling.cli.running import run_loop
from signaling.cli.talk_sentences import talk_sentences
from signaling.client import (
    AuditRow,
    Client,
    NoteRow,
    Person,
    PinRow,
    PostRow,
    RequestRefused,
    Role,
    Space,
    StageSeat,
    WhoMaySpeak,
)

__all__ = ["DEEDS", "acting", "audit", "create", "run", "talkers"]


Deed = Callable[[Space, Mapping[str, Any]], Awaitable[object]]


async def _stage(space: Space, given: Mapping[str, Any]) -> tuple[StageSeat, ...]:
    return space.stage


async def _queue(space: Space, given: Mapping[str, Any]) -> tuple[Person, ...]:
    return space.queue


async def _pins(space: Space, given: Mapping[str, Any]) -> tuple[PinRow, ...]:
    return space.pins


DEEDS: Final[dict[str, Deed]] = {
    "people": lambda space, given: space.people(given["most"]),
    "stage": _stage,
    "queue": _queue,
    "admit": lambda space, given: space.admit(given["user"]),
    "decline": lambda space, given: space.decline(given["user"]),
    "invite": lambda space, given: space.invite(given["user"]),
    "uninvite": lambda space, given: space.uninvite(given["user"]),
    "promote": lambda space, given: space.promote(given["user"]),
    "demote": lambda space, given: space.demote(given["user"]),
    "hand-over": lambda space, given: space.hand_over(given["user"]),
    "mute": lambda space, given: space.mute(given["user"], hold=given["hold"]),
    "unmute": lambda space, given: space.unmute(given["user"]),
    "mute-all": lambda space, given: space.mute_all(hold=given["hold"]),
    "volume": lambda space, given: space.volume(given["user"], given["percent"]),
    "move": lambda space, given: space.move(given["user"]),
    "remove": lambda space, given: space.remove(given["user"], "remove", refund=not given["for_cause"]),
    "ban": lambda space, given: space.remove(given["user"], "ban", refund=not given["for_cause"]),
    "block": lambda space, given: space.remove(given["user"], "block", refund=not given["for_cause"]),
    "unban": lambda space, given: space.unban(given["user"]),
    "bans": lambda space, given: space.bans(given["most"]),
    "lock": lambda space, given: space.change(locked=True),
    "unlock": lambda space, given: space.change(locked=False),
    "title": lambda space, given: space.change(title=given["text"]),
    "topics": lambda space, given: space.change(topics=given["topics"] or ()),
    "who-may-speak": lambda space, given: space.change(who_may_speak=given["policy"]),
    "queue-order": lambda space, given: space.change(queue_order=given["order"]),
    "post": lambda space, given: space.post(given["text"], reply_to=given["reply_to"] or 0),
    "delete-post": lambda space, given: space.delete_post(given["number"]),
    "posts": lambda space, given: space.posts(given["most"]),
    "note": lambda space, given: space.note(given["text"]),
    "notes": lambda space, given: space.notes(given["most"]),
    "react": lambda space, given: space.react(given["reaction"]),
    "pin": lambda space, given: space.pin(given["text"]),
    "unpin": lambda space, given: space.unpin(given["number"]),
    "pins": _pins,
    "report": lambda space, given: space.report(given["user"], given["reason"], given["text"]),
    "end": lambda space, given: space.end(),
}


def run(
    options: ConnectionOptions,
    space: str,
    verb: str,
    given: Mapping[str, Any],
    *,
    as_json: bool,
) -> int:
    """Do it and say so; returns 0."""

    async def work() -> int:
        async with acting(options, space) as here:
            result = await DEEDS[verb](here, given)
        _say(verb, result, as_json)
        return 0

    return run_loop(work())


def audit(options: ConnectionOptions, space: str, *, most: int, as_json: bool) -> int:
    """Show who did what; returns 0."""

    async def work() -> int:
        entries = await _audit(options, space, most)
        if as_json:
            print_json(entries)
        else:
            _print("Nothing was done here that is kept.", entries)
        return 0

    return run_loop(work())


def talkers(options: ConnectionOptions, space: str, *, as_json: bool) -> int:
    """Show who was heard for how long; returns 0."""

    async def work() -> int:
        found = await _look_back(
            options, space, lambda client, where: client.talkers(where), lambda here: here.talkers()
        )
        if as_json:
            print_json(found)
        else:
            for sentence in talk_sentences(found):
                Console(highlight=False, soft_wrap=True).print(sentence, markup=False)
        return 0

    return run_loop(work())


_Found = TypeVar("_Found")


async def _audit(options: ConnectionOptions, where: str, most: int) -> list[AuditRow]:
    return await _look_back(
        options, where, lambda client, space: client.audit(space, most), lambda here: here.audit(most)
    )


async def _look_back(
    options: ConnectionOptions,
    where: str,
    outside: Callable[[Client, str], Awaitable[_Found]],
    inside: Callable[[Space], Awaitable[_Found]],
) -> _Found:
    """What is read of who had the Space needs nobody in it; a co-host reads it inside, while it is live."""
    reached, place_of = place(options, where)
    async with await dial(reached) as client:
        try:
            return await outside(client, place_of)
        except RequestRefused as error:
            if error.code != "no_such_space":
                raise
    async with acting(options, where) as here:
        return await inside(here)


def create(
    options: ConnectionOptions,
    user: str,
    title: str,
    *,
    topics: tuple[str, ...],
    who_may_speak: WhoMaySpeak,
    kind: str,
    as_json: bool,
) -> int:
    """Open a Space for somebody and say its id; returns 0."""

    async def work() -> int:
        async with await dial(options) as client:
            space = await client.create(user, title, topics=topics, who_may_speak=who_may_speak, kind=kind)
        if as_json:
            print_json({"space": space})
        else:
            Console().out(space.hex(), highlight=False)
        return 0

    return run_loop(work())


@contextlib.asynccontextmanager
async def acting(options: ConnectionOptions, where: str) -> AsyncIterator[Space]:
    """The Space, to act on: as a service without being in it, else as the person whose token it is.

    A listener leaves again. Who is more than that keeps the place, as if the connection had been lost: a
    host who left would end the Space.
    """
    options, where = place(options, where)
    client = await dial(options)
    leave = False
    try:
        try:
            space = await client.oversee(where)
        except RequestRefused as error:
            if error.code != "not_permitted":
                raise
            space = await client.join(where)
            leave = space.role is Role.LISTENER
        yield space
    finally:
        await client.close(leave=leave)


def _say(verb: str, result: object, as_json: bool) -> None:
    if as_json:
        print_json({"done": verb, "result": plain(result)})
    elif isinstance(result, list | tuple):
        _print("There is nothing of the kind.", result)
    else:
        number = f", number {result}" if result is not None else ""
        Console(highlight=False).print(f"Done: {verb}{number}.")


def _print(nothing: str, rows: Any) -> None:
    console = Console(highlight=False)
    if not rows:
        console.print(nothing)
        return
    columns, cells = _ROWS[type(rows[0])]
    console.print(listing(columns, [cells(row) for row in rows], console.width))


_ROWS: Final[dict[type, tuple[list[str], Callable[[Any], list[str]]]]] = {
    Person: (["User", "Name"], lambda row: [row.user, row.name]),
    StageSeat: (["User", "Name", "Role"], lambda row: [row.user, row.name, role_word(row.role)]),
    PostRow: (
        ["Number", "Time", "Who", "Text"],
        lambda row: [str(row.post), time_of(row.at_ms), row.name, row.text],
    ),
    NoteRow: (
        ["Number", "Time", "Who", "Text"],
        lambda row: [str(row.note), time_of(row.at_ms), row.name, row.text],
    ),
    PinRow: (
        ["Number", "Time", "Who", "Text"],
        lambda row: [str(row.pin), time_of(row.at_ms), row.user, row.text],
    ),
    AuditRow: (
        ["Number", "Time", "Who", "Did", "To", "How"],
        lambda row: [str(row.entry), time_of(row.at_ms), row.actor, row.action, row.target, row.detail],
    ),
}
