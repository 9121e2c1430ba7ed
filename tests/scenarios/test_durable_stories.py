"""Stories of a server that is killed: what it had answered is in the store, whatever it was doing."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signaling.client import Client, connect
from signaling.store import (
    Store,
    accounts,
    audit,
    bans,
    blocks,
    follows,
    invites,
    plans,
    posts,
    spaces,
    stage,
)
from tests import postgres

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]


def serve(folder: Path, url: str) -> tuple[subprocess.Popen[str], str, str]:
    """A server in a process of its own; its address and fingerprint once it listens."""
    config = folder / "server.toml"
    config.write_text(
        "[listen]\nhost = '127.0.0.1'\nport = 0\n[auth]\ndevelopment = true\n"
        f"[store]\ndata_dir = 'data'\nurl = '{url}'\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "signaling.cli", "serve", "--json", "--config", str(config)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    listening = json.loads(server.stdout.readline())
    return server, listening["address"], listening["fingerprint"]


def store_url(folder: Path) -> str:
    (folder / "data").mkdir(mode=0o700)
    return postgres.database(folder) if postgres.is_there() else f"sqlite+aiosqlite:///{folder}/data/s.db"


async def look(url: str, story: Callable[[Store], Awaitable[None]]) -> None:
    """Open the store that the killed server left."""
    store = Store(url)
    await store.open()
    try:
        await story(store)
    finally:
        await store.close()


def test_what_was_answered_is_there_after_kill_9(tmp_path: Path) -> None:
    url = store_url(tmp_path)
    server, address, fingerprint = serve(tmp_path, url)

    async def enter(name: str) -> Client:
        return await connect(address, name=name, fingerprint=fingerprint, resume=False)

    async def story() -> tuple[bytes, bytes, list[str]]:
        hana, ada, lio, cato = [await enter(name) for name in ("Hana", "Ada", "Lio", "Cato")]
        users = [client.user for client in (hana, ada, lio, cato)]
        await ada.follow(hana.user)
        await lio.follow(hana.user)
        await lio.unfollow(hana.user)
        await ada.block(cato.user)
        await hana.set_profile(handle="hana")
        plan = await hana.schedule("Tomorrow", datetime.now(UTC) + timedelta(days=1))
        await ada.remind(plan.space)
        talk = await hana.open("Sea talk", topics=["sea"])
        at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
        await cato.join(talk.id)
        await at_ada.ask()
        await talk.admit(ada.user)
        await talk.promote(ada.user)
        await talk.invite(lio.user)
        first = await talk.post("welcome")
        await at_lio.post("hello")
        await talk.delete_post(first)
        await talk.remove(cato.user)
        server.send_signal(signal.SIGKILL)
        await asyncio.gather(*(client.close(leave=False) for client in (hana, ada, lio, cato)))
        return talk.id, plan.space, users

    talk, plan, (hana, ada, lio, cato) = asyncio.run(story())
    server.communicate()

    async def found(store: Store) -> None:
        async with store.transaction() as connection:
            account = await accounts.get(connection, hana)
            assert account is not None
            assert (account.handle, account.followers) == ("hana", 1)
            assert await follows.follows(connection, ada, hana)
            assert not await follows.follows(connection, lio, hana)
            assert await blocks.is_blocked(connection, ada, cato)
            listed = await plans.get(connection, ada, plan)
            assert listed is not None
            assert (listed.plan.title, listed.reminded) == ("Tomorrow", True)
            live = await spaces.get(connection, talk)
            assert live is not None
            assert (live.state, live.title, live.topics) == ("live", "Sea talk", ("sea",))
            assert {(place.user, place.role.name) for place in await stage.on_stage(connection, talk)} == {
                (hana, "HOST"),
                (ada, "CO_HOST"),
            }
            assert [one.user for one in await invites.invited(connection, talk)] == [lio]
            assert [(post.user, post.text) for post in (await posts.page(connection, talk))[0]] == [
                (lio, "hello")
            ]
            assert await bans.banned(connection, talk) == {cato}
            entries, _ = await audit.page(connection, talk)
            assert {entry.action for entry in entries} >= {"admit", "promote", "invite", "ban"}

    asyncio.run(look(url, found))


@pytest.mark.parametrize("answers", [3, 17])
def test_killed_in_the_middle_of_a_flood_of_posts_nothing_answered_is_lost(
    tmp_path: Path, answers: int
) -> None:
    """Ten people post at once; after so many answers the server is killed, whatever it is writing."""
    url = store_url(tmp_path)
    server, address, fingerprint = serve(tmp_path, url)

    async def story() -> tuple[bytes, set[int]]:
        people = [
            await connect(address, name=f"P{number}", fingerprint=fingerprint, resume=False)
            for number in range(10)
        ]
        talk = await people[0].open("Flood")
        inside = [talk, *[await client.join(talk.id) for client in people[1:]]]
        answered: set[int] = set()
        killed = asyncio.Event()

        async def write(number: int) -> None:
            for _ in range(4):
                answered.add(await inside[number].post("x"))
                if len(answered) == answers:
                    server.send_signal(signal.SIGKILL)
                    killed.set()

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            writers = [group.create_task(write(number)) for number in range(10)]
            await killed.wait()
            for writer in writers:
                writer.cancel()
        await asyncio.gather(*(client.close(leave=False) for client in people))
        return talk.id, answered

    talk, answered = asyncio.run(story())
    server.communicate()
    assert server.returncode == -signal.SIGKILL
    assert len(answered) >= answers

    async def found(store: Store) -> None:
        async with store.transaction() as connection:
            kept = {post.post for post in (await posts.page(connection, talk, limit=100))[0]}
        assert kept >= answered
        assert kept == set(range(1, max(kept) + 1)), "in order, none left out"

    asyncio.run(look(url, found))
