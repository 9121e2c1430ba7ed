"""Private notes to the hosts of a Space."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Note
from signaling.store import accounts
from signaling.store.pages import numbered_page
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import notes


async def add(connection: AsyncConnection, space: bytes, note: Note, now_us: int) -> None:
    """Keep a note. IntegrityError where the Space has one of this number."""
    await accounts.ensure(connection, note.user, note.name, now_us)
    await connection.execute(
        insert(notes).values(space=space, note=note.note, user=note.user, text=note.text, at_us=note.at_us)
    )


async def page(
    connection: AsyncConnection, space: bytes, before: int = 0, limit: int = 50
) -> tuple[list[Note], int]:
    """The latest notes first, those of lower numbers than `before` (0: all); where to go on, 0 at the end."""
    query = select(notes, accounts_table.c.name).join(accounts_table, accounts_table.c.user == notes.c.user)
    query = numbered_page(query.where(notes.c.space == space), notes.c.note, before, limit)
    rows = (await connection.execute(query)).all()
    found = [Note(row.note, row.user, row.name, row.text, row.at_us) for row in rows[:limit]]
    return found, found[-1].note if len(rows) > limit else 0
