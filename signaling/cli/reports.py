"""`spaces reports`: what people reported, with the evidence, read beside a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from signaling.cli.beside import database_url
from signaling.cli.meters import role_word
from signaling.cli.printing import facts, print_json, time_of
from signaling.cli.room.sight import one_line, printable
from signaling.cli.running import run_loop
from signaling.client.names import space_id
from signaling.rules import OnStage, Person
from signaling.store import StoredReport, reports
from signaling.store.reading import reading

__all__ = ["run"]

_PAGE = 100
_MS_US = 1_000


def run(*, space: str, limit: int, config_file: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """Print the latest reports, at most `limit` of them; returns 0. RequestRefused for what is no Space."""
    wanted = space_id(space) if space else None
    found = run_loop(_latest(database_url(config_file, data_dir), wanted, limit))
    if as_json:
        print_json([_row(one) for one in found])
        return 0
    console = Console(highlight=False)
    for place, one in enumerate(found):
        if place:
            console.print()
        console.print(facts(_facts(one)))
    if not found:
        console.print("Nobody was reported.")
    return 0


async def _latest(url: str, space: bytes | None, limit: int) -> list[StoredReport]:
    found: list[StoredReport] = []
    async with reading(url) as connection:
        before = 0
        while len(found) < limit:
            page, before = await reports.page(connection, before, min(_PAGE, limit - len(found)), space=space)
            found += page
            if not before:
                break
    return found


# What people wrote, and the names they gave themselves, steers no terminal, nor one that shows the JSON.


def _row(one: StoredReport) -> dict[str, Any]:
    said = one.said
    return {
        "report": one.number,
        "at_ms": said.at_us // _MS_US,
        "space": said.space,
        "title": printable(one.title),
        "reporter": printable(said.reporter),
        "target": printable(said.target),
        "reason": printable(said.reason),
        "text": printable(said.text),
        "people_count": said.people_count,
        "stage": [
            {
                **place._asdict(),
                "user": printable(place.user),
                "name": printable(place.name),
                "role": role_word(place.role),
            }
            for place in said.stage
        ],
        "roster": [{"user": printable(it.user), "name": printable(it.name)} for it in said.roster],
    }


def _facts(one: StoredReport) -> list[tuple[str, str]]:
    said = one.said
    names = {it.user: it.name for it in said.roster} | {it.user: it.name for it in said.stage}
    inside = [_person(it) for it in said.roster]
    if said.people_count > len(inside):
        inside.append(f"and {said.people_count - len(inside)} more")
    return [
        ("Report", str(one.number)),
        ("Time", time_of(said.at_us // _MS_US)),
        ("Space", f"{said.space.hex()}  {one_line(one.title)}"),
        ("By", _person(Person(said.reporter, names.get(said.reporter, "")))),
        ("About", _person(Person(said.target, names.get(said.target, "")))),
        ("Reason", one_line(said.reason)),
        ("Text", printable(said.text)),
        ("On stage", "\n".join(_place(place) for place in said.stage)),
        ("Inside", "\n".join(inside)),
    ]


def _person(person: Person) -> str:
    user, name = one_line(person.user), one_line(person.name)
    return f"{user} ({name})" if name and name != user else user


def _place(place: OnStage) -> str:
    """Such as `bob (Bob), co-host, held`."""
    voice = "held" if place.held else "muted" if place.muted else ""
    words = (_person(Person(place.user, place.name)), role_word(place.role), voice)
    return ", ".join((*filter(None, words), *(("away",) if place.absent else ())))
