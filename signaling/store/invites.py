"""Who is invited to speak in a live Space, and the links that invite whoever opens them first.

Times of lapsing are of the clock that the rules were given; a Space does not outlive its server.
"""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Invitation, SpeakLink
from signaling.store import accounts
from signaling.store.errors import StoreError
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import invites
from signaling.store.tables import links as links_table


async def invite(connection: AsyncConnection, space: bytes, invitation: Invitation, now_us: int) -> None:
    """Somebody is invited; an invitation that they have is replaced."""
    await accounts.ensure(connection, invitation.user, invitation.name, now_us)
    await accounts.ensure(connection, invitation.by, "", now_us)
    await close(connection, space, invitation.user)
    await connection.execute(
        insert(invites).values(
            space=space,
            user=invitation.user,
            by=invitation.by,
            invited_us=now_us,
            expires_us=invitation.expires_us,
        )
    )


async def close(connection: AsyncConnection, space: bytes, user: str) -> bool:
    """It is taken up, turned down, taken back or lapsed. Returns whether there was one."""
    gone = await connection.execute(delete(invites).where(invites.c.space == space, invites.c.user == user))
    return bool(gone.rowcount == 1)


async def invited(connection: AsyncConnection, space: bytes) -> list[Invitation]:
    """The open invitations, in the order of inviting."""
    query = (
        select(invites, accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == invites.c.user)
        .where(invites.c.space == space)
        .order_by(invites.c.invited_us, invites.c.user)
    )
    rows = await connection.execute(query)
    return [Invitation(row.user, row.name, row.by, row.expires_us) for row in rows]


async def add_link(
    connection: AsyncConnection, space: bytes, digest: bytes, link: SpeakLink, now_us: int
) -> None:
    """A new link. IntegrityError where the Space has one with this digest."""
    await accounts.ensure(connection, link.by, "", now_us)
    await connection.execute(
        insert(links_table).values(
            space=space, digest=digest, by=link.by, made_us=now_us, expires_us=link.expires_us
        )
    )


async def use_link(connection: AsyncConnection, space: bytes, digest: bytes, user: str, now_us: int) -> None:
    """`user` used it up. StoreError inconsistent where there is no such link that is good."""
    await accounts.ensure(connection, user, "", now_us)
    used = await connection.execute(
        update(links_table)
        .where(links_table.c.space == space, links_table.c.digest == digest, links_table.c.used_by.is_(None))
        .values(used_by=user)
    )
    if used.rowcount != 1:
        raise StoreError(
            "inconsistent", f"The store has {used.rowcount} links of the digest {digest.hex()}, 1 is right."
        )


async def drop_link(connection: AsyncConnection, space: bytes, digest: bytes) -> bool:
    """It is revoked or lapsed. Returns whether there was one."""
    gone = await connection.execute(
        delete(links_table).where(links_table.c.space == space, links_table.c.digest == digest)
    )
    return bool(gone.rowcount == 1)


async def links(connection: AsyncConnection, space: bytes) -> dict[bytes, SpeakLink]:
    """The links by digest, those that were used too."""
    rows = await connection.execute(select(links_table).where(links_table.c.space == space))
    return {bytes(row.digest): SpeakLink(row.by, row.expires_us, row.used_by or "") for row in rows}
