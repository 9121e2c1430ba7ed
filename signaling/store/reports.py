"""Reports about people, with what was the case at that moment, for whoever runs the server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import OnStage, Person, Report, Role
from signaling.store.pages import numbered_page
from signaling.store.tables import reports, spaces


@dataclass(frozen=True, slots=True)
class StoredReport:
    """`number` counts up over all Spaces; `title` is what the Space was called then."""

    number: int
    title: str
    said: Report


async def add(connection: AsyncConnection, report: Report) -> None:
    """Keep a report of a Space that the store knows."""
    title = select(spaces.c.title).where(spaces.c.space == report.space)
    await connection.execute(
        insert(reports).values(
            space=report.space,
            by=report.reporter,
            target=report.target,
            reason=report.reason,
            text=report.text,
            at_us=report.at_us,
            title=title.scalar_subquery(),
            evidence=json.dumps(
                {"stage": report.stage, "roster": report.roster, "people_count": report.people_count},
                ensure_ascii=False,
                separators=(",", ":"),
            ),
        )
    )


async def page(
    connection: AsyncConnection, before: int = 0, limit: int = 50, *, space: bytes | None = None
) -> tuple[list[StoredReport], int]:
    """The latest reports first, of one Space or of all, those of lower numbers than `before` (0: all).

    And where to go on, 0 at the end.
    """
    query = select(reports)
    if space is not None:
        query = query.where(reports.c.space == space)
    rows = (await connection.execute(numbered_page(query, reports.c.report, before, limit))).all()
    found = [
        StoredReport(
            row.report,
            row.title,
            Report(
                bytes(row.space),
                row.by,
                row.target,
                row.reason,
                row.text,
                row.at_us,
                **_evidence(json.loads(row.evidence)),
            ),
        )
        for row in rows[:limit]
    ]
    return found, found[-1].number if len(rows) > limit else 0


def _evidence(kept: dict[str, Any]) -> dict[str, Any]:
    stage = (OnStage(*place)._replace(role=Role(place[3])) for place in kept["stage"])
    return {
        "stage": tuple(stage),
        "roster": tuple(Person(*person) for person in kept["roster"]),
        "people_count": kept["people_count"],
    }
