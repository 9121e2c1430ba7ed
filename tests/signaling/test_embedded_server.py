"""A server inside an application: told in its own loop and by webhooks, also past a kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signaling import Happening, Server, ServerConfig
from signaling.client import Client, RequestRefused, connect
from signaling.config import AuthConfig, ListenConfig, StoreConfig, WebhooksConfig
from signaling.store import Store, outbox
from tests.scenarios.venue import SERVER, _wall_clock
from tests.signaling.webhook_receiver import FAILS, HANGS, OK, SECRET, receiving
from tests.virtual.loop import run
from tests.virtual.network import Network

ROOT = Path(__file__).parents[2]


def config(folder: Path, *urls: str, **hooks: Any) -> ServerConfig:
    quick = {"retry_ms": 10, "retry_most_ms": 40, "timeout_ms": 500, **hooks}
    return ServerConfig(
        listen=ListenConfig(port=0),
        auth=AuthConfig(development=True),
        store=StoreConfig(data_dir=folder),
        webhooks=WebhooksConfig(urls=urls, secret=SECRET if urls else None, **quick),
    )


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def caller(server: Server, name: str) -> Client:
    host, port = server.address[:2]
    return await connect(f"{host}:{port}", name=name, fingerprint=server.fingerprint)


def tell(story: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


def kinds(happenings: list[Happening]) -> list[str]:
    return [each.kind for each in happenings]


def test_importing_the_package_loads_no_server() -> None:
    code = (
        "import sys, signaling; light = set(sys.modules); signaling.Server, signaling.Happening; "
        "print(sorted({'asyncio', 'msgpack', 'aioquic', 'sqlalchemy', 'spacecore', 'httpx'} & light), "
        "'httpx' in sys.modules, dir(signaling).count('Server'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n")[0] == "[] False 1"
    import signaling

    with pytest.raises(AttributeError, match="no attribute 'Sever'"):
        signaling.Sever  # noqa: B018


def test_an_application_is_told_in_its_own_loop(tmp_path: Path) -> None:
    told: list[Happening] = []

    async def on_event(happening: Happening) -> None:
        await asyncio.sleep(0)
        told.append(happening)

    async def story() -> None:
        async with serving(Server(config(tmp_path), on_event=on_event)) as server:
            async with await caller(server, "Hana") as hana, await caller(server, "Ada") as ada:
                talk = await hana.open("Tea")
                inside = await ada.join(talk.id)
                await inside.ask()
                await talk.admit(ada.user)
                await talk.change(title="Coffee")
                await talk.end()
                user = ada.user
            figures = server.statistics
        assert kinds(told) == [
            *("space_opened", "person_on_stage", "ask_opened", "ask_closed", "moderated"),
            *("person_on_stage", "space_changed", "moderated", "moderated", "space_ended"),
        ]
        assert {each.space for each in told} == {talk.id}
        assert told[5].as_dict()["data"] == {"user": user, "name": "Ada", "role": "speaker"}
        assert len({each.id for each in told}) == len(told)
        assert figures()["happenings"] == len(told)
        assert figures()["happenings_dropped"] == figures()["on_event_failures"] == 0

    tell(story())


def test_a_plan_is_told_until_it_is_live(tmp_path: Path) -> None:
    told: list[Happening] = []

    async def story() -> None:
        server = Server(config(tmp_path), on_event=told.append)
        async with serving(server), await caller(server, "Hana") as hana:
            at = datetime.now(UTC) + timedelta(hours=1)
            first = await hana.schedule("Tea", at, topics=["tea"])
            await hana.reschedule(first.space, at + timedelta(hours=1))
            await hana.cancel(first.space)
            soon = await hana.schedule("Now", datetime.now(UTC) + timedelta(minutes=2))
            await (await hana.start(soon.space)).end()
        assert kinds(told) == [
            *("space_scheduled", "space_rescheduled", "space_cancelled", "space_scheduled"),
            *("space_opened", "person_on_stage", "moderated", "space_ended"),
        ]
        data = [each.as_dict()["data"] for each in told]
        assert (data[0]["title"], data[0]["topics"], data[2]) == ("Tea", ["tea"], {"reason": "cancelled"})
        assert data[1]["starts_ms"] - data[0]["starts_ms"] == 3_600_000
        assert len({each.space for each in told[3:]}) == 1

    tell(story())


@pytest.mark.parametrize("trouble", ["raises", "hangs"])
def test_an_application_in_trouble_harms_nobody(tmp_path: Path, trouble: str) -> None:
    async def on_event(happening: Happening) -> None:
        if trouble == "raises":
            raise RuntimeError("of the application")
        await asyncio.get_running_loop().create_future()

    async def story() -> None:
        async with serving(Server(config(tmp_path), on_event=on_event)) as server:
            async with await caller(server, "Hana") as hana:
                for title in ("One", "Two"):
                    await (await hana.open(title)).end()
            server.config.limits.__dict__["stop_ms"] = 100  # for the one that hangs
        figures = server.statistics()
        assert figures["errors_caught"] == 0
        assert (figures["on_event_failures"], figures["happenings_dropped"]) in ((8, 0), (0, 7))

    tell(story())


def test_an_application_may_stop_the_server_when_it_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        stopped = asyncio.Event()

        async def on_event(happening: Happening) -> None:
            if happening.kind == "space_ended":
                await server.stop()
                stopped.set()

        server = Server(config(tmp_path), on_event=on_event)
        await server.start()
        async with await caller(server, "Hana") as hana:
            await (await hana.open("Tea")).end()
            await asyncio.wait_for(stopped.wait(), 10)
        await asyncio.sleep(0)

    tell(story())


def test_how_many_are_there_is_told_now_and_then(tmp_path: Path) -> None:
    """In virtual time: one count for many who come at once, none while nothing changes."""
    told: list[Happening] = []

    async def story() -> None:
        network = Network(1)

        async def bind(protocol: asyncio.DatagramProtocol) -> None:
            await network.open(lambda: protocol, local=SERVER)

        loop = asyncio.get_running_loop()
        server = Server(
            config(tmp_path), clock=loop.time, wall_clock=_wall_clock, bind=bind, on_event=told.append
        )
        loop.external_busy = lambda: server.store.in_progress > 0  # type: ignore[attr-defined]
        async with serving(server):
            callers = [
                await connect(
                    f"{SERVER[0]}:{SERVER[1]}",
                    name=f"P{n}",
                    fingerprint=server.fingerprint,
                    open_transport=network.opener(f"10.0.1.{n}"),
                    clock=lambda: round(loop.time() * 1_000_000),
                )
                for n in range(1, 7)
            ]
            talk = await callers[0].open("Tea")
            for each in callers[1:]:
                await each.join(talk.id)
            await asyncio.sleep(60)
            for each in callers:
                await each.close()

    run(story(), limit_s=600)
    counts = [each.as_dict()["data"] for each in told if each.kind == "people_counted"]
    assert counts[0] == {"people": 6, "on_stage": 1}
    assert len(counts) == 1


# Webhooks


def test_what_happens_is_posted_signed_and_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with receiving() as receiver:
            async with serving(Server(config(tmp_path, receiver.url))) as server:
                async with await caller(server, "Hana") as hana:
                    talk = await hana.open("Tea")
                    await talk.change(title="Coffee")
                    await talk.end()
                await receiver.until(lambda: len(receiver.got) == 6)
                assert server.statistics()["webhooks_sent"] >= 5
            told = [each.told for each in receiver.got]
            assert [each["kind"] for each in told] == [
                *("space_opened", "person_on_stage"),
                *("space_changed", "moderated", "moderated", "space_ended"),
            ]
            assert {each["space"] for each in told} == {talk.id.hex()}
            assert [each["id"] for each in told] == [each.event_id for each in receiver.got]

    tell(story())


def test_the_outbox_is_bounded_and_says_what_was_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "EVENTS_MAX", 4)

    async def story() -> None:
        async with receiving(otherwise=FAILS) as receiver:
            server = Server(config(tmp_path, receiver.url))
            async with serving(server), await caller(server, "Hana") as hana:
                talk = await hana.open("Tea")
                await talk.change(title="room for this")
                for n in range(2):
                    await talk.change(title=f"too many {n}")
                assert server.statistics()["webhooks_dropped"] == 4
                receiver.otherwise = OK
                await receiver.until(lambda: len(receiver.taken) == 4)
                while server.statistics()["webhooks_sent"] < 4:  # noqa: ASYNC110 - its record of the last
                    await asyncio.sleep(0)
                await talk.change(title="room again")
                await receiver.until(lambda: len(receiver.taken) == 6)
            told = [each.told for each in receiver.taken]
            titles = [each["data"]["title"] for each in told if "title" in each["data"]]
            assert titles == ["Tea", "room for this", "room again"]
            assert [each.get("missed", 0) for each in told[:6]] == [0, 0, 0, 0, 4, 0]

    tell(story())


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.signaling.test_embedded_server import caller, config, serving
from signaling import Server

async def main(folder, url):
    async with serving(Server(config(folder, url))) as server:
        async with await caller(server, "Hana") as hana:
            talk = await hana.open("Tea")
            print("acknowledged space", talk.id.hex(), flush=True)
            for n in range(10_000):
                await talk.change(title=f"Title {n}")
                print("acknowledged title", n, flush=True)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.parametrize("moment", [1, 4, 9])
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, moment: int) -> None:
    """Also while the receiver keeps the server waiting; what it has taken already may come twice."""

    async def story() -> None:
        async with receiving(otherwise=FAILS if moment == 1 else HANGS) as receiver:
            if moment == 9:
                receiver.otherwise = OK
            space, titles = await killed(tmp_path, receiver.url, moment)
            receiver.otherwise = OK
            async with serving(Server(config(tmp_path, receiver.url))):
                await receiver.until(
                    lambda: any(each.told["kind"] == "space_ended" for each in receiver.taken)
                )
            told = [each.told for each in receiver.taken]
            assert {each["space"] for each in told} == {space}
            assert told[-1]["data"] == {"reason": "server_restarted", "state": "ended"}
            changed = [each["data"]["title"] for each in told if each["kind"] == "space_changed"]
            found = [int(title.split()[1]) for title in changed]
            assert set(titles) <= set(found), f"acknowledged {titles}, told {found}"
            assert list(dict.fromkeys(found)) == sorted(set(found))  # in order, repetitions aside

    tell(story())


async def killed(folder: Path, url: str, titles: int) -> tuple[str, list[int]]:
    """Run a server that talks to itself, kill it after so many changes; what it had acknowledged."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, str(folder), url),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    space, numbers = "", []
    async for line in child.stdout:
        _, what, value = line.decode().split()
        if what == "space":
            space = value
        else:
            numbers.append(int(value))
        if len(numbers) == titles:
            child.send_signal(signal.SIGKILL)
            break
    # What it wrote before it died was acknowledged too.
    rest = (await child.stdout.read()).decode().splitlines()
    numbers += [int(line.split()[2]) for line in rest if line.count(" ") == 2]
    await child.wait()
    return space, numbers


def test_what_an_earlier_server_left_to_another_receiver_stays(tmp_path: Path) -> None:
    """A URL that is taken out of the configuration and put back gets what waited for it."""

    async def story() -> None:
        async with receiving(otherwise=FAILS) as receiver, receiving() as other:
            server = Server(config(tmp_path, receiver.url))
            async with serving(server), await caller(server, "Hana") as hana:
                await (await hana.open("Tea")).end()
            async with serving(Server(config(tmp_path, other.url))):
                pass
            receiver.otherwise = OK
            async with serving(Server(config(tmp_path, receiver.url))):
                await receiver.until(lambda: len(receiver.taken) == 4)
            assert other.got == []

    tell(story())


async def waiting(folder: Path) -> int:
    store = Store(f"sqlite+aiosqlite:///{folder / 'spaces.sqlite'}")
    await store.open()
    async with store.transaction() as connection:
        found = await outbox.count(connection)
    await store.close()
    return found


def test_a_server_that_tells_nobody_writes_no_outbox(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(Server(config(tmp_path))) as server, await caller(server, "Hana") as hana:
            await (await hana.open("Tea")).end()
        assert await waiting(tmp_path) == 0

    tell(story())


# The example


def test_the_example_runs_as_the_page_says(tmp_path: Path) -> None:
    """Its own people decide who may host and who never meets; its own tokens say who is who."""

    async def story() -> None:
        example = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "docs" / "examples" / "own_server.py"), str(tmp_path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert example.stdout is not None
        first = (await example.stdout.readline()).decode().split()
        assert first[0] == "address"
        tokens = {}
        for _ in range(3):
            word, user, value = (await example.stdout.readline()).decode().split()
            assert word == "token"
            tokens[user] = value

        async def enter(user: str) -> Client:
            return await connect(first[1], name="", token=tokens[user], fingerprint=first[2])

        async with await enter("ada") as ada, await enter("bob") as bob, await enter("mallory") as mallory:
            talk = await ada.open("Tea")
            await bob.join(talk.id)
            with pytest.raises(RequestRefused, match="No live Space"):
                await mallory.join(talk.id)  # whom Ada has blocked
            with pytest.raises(RequestRefused, match="follower"):
                await bob.open("Mine")
            await talk.end()
        output, errors = await example.communicate(b"")
        lines = [line.split(" ", 2) for line in output.decode().splitlines()]
        assert [line[1] for line in lines] == ["space_opened", "person_on_stage", "moderated", "space_ended"]
        assert "'host': 'ada'" in lines[0][2]
        assert (example.returncode, errors.decode()) == (0, "")

    tell(story())
