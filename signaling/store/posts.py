"""Public posts of a Space. One that is deleted is gone from the store; its number is not given again."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Post
from signaling.store import accounts
from signaling.store.pages import numbered_page
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import posts


async def add(connection: AsyncConnection, space: bytes, post: Post, now_us: int) -> None:
    """Keep a post. IntegrityError where the Space has one of this number."""
    await accounts.ensure(connection, post.user, post.name, now_us)
    await connection.execute(
        insert(posts).values(
            space=space,
            post=post.post,
            user=post.user,
            text=post.text,
            at_us=post.at_us,
            reply_to=post.reply_to or None,
        )
    )


async def remove(connection: AsyncConnection, space: bytes, post: int) -> bool:
    """Delete a post. Returns whether it was there."""
    gone = await connection.execute(delete(posts).where(posts.c.space == space, posts.c.post == post))
    return bool(gone.rowcount == 1)


async def get(connection: AsyncConnection, space: bytes, post: int) -> Post | None:
    """The post of this number, or None."""
    found, _ = await page(connection, space, post + 1, 1)
    return found[0] if found and found[0].post == post else None


async def page(
    connection: AsyncConnection, space: bytes, before: int = 0, limit: int = 50
) -> tuple[list[Post], int]:
    """The latest posts first, those of lower numbers than `before` (0: all); where to go on, 0 at the end."""
    query = select(posts, accounts_table.c.name).join(accounts_table, accounts_table.c.user == posts.c.user)
    query = numbered_page(query.where(posts.c.space == space), posts.c.post, before, limit)
    rows = (await connection.execute(query)).all()
    found = [
        Post(row.post, row.user, row.name, row.text, row.at_us, row.reply_to or 0) for row in rows[:limit]
    ]
    return found, found[-1].post if len(rows) > limit else 0
