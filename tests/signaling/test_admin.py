"""The admin port: is it alive, is it ready, metrics that Prometheus takes, and who may ask."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from signaling.client import connect
from signaling.config import (
    AdminConfig,
    AuthConfig,
    ConfigError,
    ListenConfig,
    ServerConfig,
    StoreConfig,
    TlsConfig,
    load_config,
    read_admin_token,
)
from signaling.http.admin import READING_KEPT_S, admin_app
from signaling.http.metric_names import LEFT_OUT, has_help, named
from signaling.http.metrics import BOUNDS_US, Metrics
from signaling.http.readings import Health, Reading, SpaceReading, Spaces
from signaling.server import Server
from signaling.server.admin import spaces_of
from signaling.server.listening import STILL_US, Listening
from signaling.server.statistics import zero

TOKEN = "0123456789abcdef"  # noqa: S105 - of tests


def a_space(number: int, people: int) -> SpaceReading:
    return SpaceReading(f"{number:032x}", "Talk", people, 2, 0, 1, 0, 1_000, 10, 12, 500, 500, 7)


def a_reading(**changes: Any) -> Reading:
    reading = Reading(
        "0.1.0",
        42,
        100.0,
        50.0,
        Health(),
        address="127.0.0.1:4433",
        plane="native",
        statistics={
            **zero(),
            "now_people": 30,
            "joins": 4,
            "refused_busy": 3,
            "closes_idle": 2,
            "cpu_s": 9.5,
        },
        tick_lateness=[(0, 90), (900, 9), (30_000, 1)],
        spaces=Spaces((a_space(1, 20), a_space(2, 5)), 3, 5, 3),
    )
    return replace(reading, **changes)


def samples(page: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (each.name, tuple(each.labels.values())): each.value
        for family in parse(page)
        for each in family.samples
    }


def page_of(reading: Reading) -> str:
    return Metrics().page(reading)[0].decode()


# Metrics


def test_every_statistic_is_exported_under_words_of_its_own_or_left_out_for_a_reason() -> None:
    page = page_of(a_reading(statistics=dict.fromkeys(zero(), 7)))
    found = samples(page)
    for name in zero():
        assert has_help(name), (
            f"{name}: say in signaling/http/metric_names.py what it counts, or leave it out"
        )
        metric = named(name)
        if metric is None:
            assert LEFT_OUT[name]
            continue
        sample = f"spaces_{metric.name}" + ("" if metric.is_gauge else "_total")
        labels = (metric.value,) if metric.label else ()
        assert found[sample, labels] == pytest.approx(7 * metric.factor), name


def test_names_follow_the_conventions_of_prometheus() -> None:
    page, content_type = Metrics().page(a_reading(), "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = list(parse_open(page.decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    for family in families:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
        assert family.documentation.endswith("."), family.name
        assert not family.name.endswith(("_ms", "_us", "_total", "_count", "_sum")), family.name
        assert family.name.startswith(("spaces_", "process_"))
        if family.type == "counter":
            assert all(each.name.endswith("_total") for each in family.samples)


def test_a_family_has_one_sample_for_each_word() -> None:
    found = samples(page_of(a_reading()))
    assert found["spaces_requests_refused_total", ("busy",)] == 3
    assert found["spaces_connections_ended_total", ("idle",)] == 2
    assert found["spaces_joins_total", ()] == 4
    assert found["spaces_people", ()] == 30


def test_lateness_is_a_histogram() -> None:
    found = samples(page_of(a_reading()))
    assert found["spaces_tick_late_seconds_bucket", ("0.0005",)] == 90
    assert found["spaces_tick_late_seconds_bucket", ("0.001",)] == 99
    assert found["spaces_tick_late_seconds_bucket", ("0.02",)] == 99
    assert found["spaces_tick_late_seconds_bucket", ("0.05",)] == 100
    assert found["spaces_tick_late_seconds_count", ()] == 100
    assert found["spaces_tick_late_seconds_sum", ()] == pytest.approx(0.0381)
    assert sorted(BOUNDS_US) == list(BOUNDS_US)


def test_listed_spaces_have_series_of_their_own_and_only_gauges_add_up_the_others() -> None:
    found = samples(page_of(a_reading()))
    first = f"{1:032x}"
    assert found["spaces_space_people", (first,)] == 20
    assert found["spaces_space_heard_lost_total", (first,)] == 10
    assert found["spaces_space_people", ("other",)] == 5
    assert found["spaces_unlisted", ()] == 3
    assert ("spaces_space_heard_lost_total", ("other",)) not in found


def test_a_registry_belongs_to_one_server() -> None:
    before = set(REGISTRY._names_to_collectors)
    assert samples(page_of(a_reading(pid=1)))["spaces_ready", ()] == 1
    unready = a_reading(health=Health(why="stopping"))
    assert samples(page_of(unready))["spaces_ready", ()] == 0
    assert set(REGISTRY._names_to_collectors) == before


def test_before_it_listens_there_is_a_page_as_well() -> None:
    found = samples(page_of(Reading("0.1.0", 1, 1.0, 1.0, Health(why="store: not open yet"))))
    assert found["spaces_ready", ()] == 0
    assert ("spaces_joins_total", ()) not in found
    assert found["process_open_fds", ()] > 0


def a_crowd(*sizes: int) -> tuple[list[Any], Any]:
    """Stand-ins for actors of Spaces of so many people, and rooms in which nothing was counted."""
    room, state = SimpleNamespace(talking=frozenset()), SimpleNamespace(title="", on_stage={"a": 1}, asks={})
    actors = [
        SimpleNamespace(space=bytes([number]), state=state, hall=Hall(size, room), waiting=0)
        for number, size in enumerate(sizes)
    ]
    return actors, SimpleNamespace(figures_of=lambda space: {})


class Hall(list):  # type: ignore[type-arg]
    def __init__(self, size: int, room: Any) -> None:
        super().__init__(range(size))
        self.room = room


@pytest.mark.parametrize(("most", "listed", "others"), [(2, [9, 5], 2), (4, [9, 5, 5, 1], 0), (0, [], 4)])
def test_the_largest_spaces_are_listed(most: int, listed: list[int], others: int) -> None:
    found = spaces_of(*a_crowd(1, 5, 9, 5), most)
    assert [each.people for each in found.listed] == listed
    assert (found.others, found.other_on_stage) == (others, others)
    assert found.other_people == 20 - sum(listed)
    if most == 2:
        assert found.listed[1].space == "01"  # of two that are as large, the one that was there first


# The pages


class Desk:
    """What the application asks, and how often."""

    def __init__(self) -> None:
        self.health = Health()
        self.now_s = 0.0
        self.taken = 0

    def take(self) -> Reading:
        self.taken += 1
        return a_reading(health=self.health)


def ask(story: Callable[[httpx.AsyncClient, Desk], Awaitable[None]], token: str = "") -> None:
    async def told() -> None:
        desk = Desk()
        app = admin_app(lambda: desk.health, desk.take, token=token, clock=lambda: desk.now_s)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:9464"
        ) as client:
            await story(client, desk)

    asyncio.run(told())


def test_ready_and_alive_are_two_questions() -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        for fault, why, alive, ready in (
            ("", "", 200, 200),
            ("", "the server is stopping", 200, 503),
            ("the media thread stands still", "the media thread stands still", 503, 503),
        ):
            desk.health = Health(fault, why)
            health, readiness = await client.get("/healthz"), await client.get("/readyz")
            assert (health.status_code, readiness.status_code) == (alive, ready)
            assert readiness.text.strip() == (why or "ready")
        assert desk.taken == 0

    ask(story)


def test_who_asks_often_gets_the_same_reading() -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        for _ in range(5):
            assert (await client.get("/metrics")).status_code == 200
            assert (await client.get("/status")).json()["pid"] == 42
        assert desk.taken == 1
        desk.now_s = READING_KEPT_S
        await client.get("/metrics")
        assert desk.taken == 2

    ask(story)


def test_status_has_it_all() -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        desk.health = Health(why="the server is stopping")
        status = (await client.get("/status")).json()
        assert (status["ready"], status["why"]) == (False, "the server is stopping")
        assert status["statistics"]["joins"] == 4
        assert status["spaces"]["listed"][0]["people"] == 20
        assert status["tick_lateness"] == [[0, 90], [900, 9], [30_000, 1]]

    ask(story)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9464", "localhost:1", "LOCALHOST", "[::1]:9464"])
def test_without_a_token_this_machine_may_ask(host: str) -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        assert (await client.get("/status", headers={"Host": host})).status_code == 200

    ask(story)


@pytest.mark.parametrize("host", ["spaces.example", "127.0.0.1.spaces.example", "[::2]", "", "[", "10.0.0.1"])
def test_a_page_in_a_browser_of_this_machine_may_not(host: str) -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        for path in ("/metrics", "/status", "/healthz", "/readyz"):
            assert (await client.get(path, headers={"Host": host})).status_code == 421

    ask(story)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        ("", 401),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer ", 401),
    ],
)
def test_with_a_token_who_has_it_may_ask_from_anywhere(given: str, status: int) -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        headers = {"Authorization": given, "Host": "spaces.example"}
        for path in ("/metrics", "/status"):
            assert (await client.get(path, headers=headers)).status_code == status
        for path in ("/healthz", "/readyz"):  # who sends people to servers has none
            assert (await client.get(path, headers=headers)).status_code == 200

    ask(story, TOKEN)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/status", 405), ("GET", "/", 404), ("GET", "/metrics/..%2f", 404)],
)
def test_nothing_else_is_answered(method: str, path: str, status: int) -> None:
    async def story(client: httpx.AsyncClient, desk: Desk) -> None:
        assert (await client.request(method, path)).status_code == status

    ask(story)


# The configuration


def test_it_is_off_and_for_this_machine_unless_somebody_says_otherwise() -> None:
    assert AdminConfig().port is None
    assert AdminConfig().is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "spaces.example"])  # noqa: S104
def test_beyond_this_machine_it_needs_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match="no token") as caught:
        AdminConfig(host=host, port=9464)
    assert caught.value.code == "admin_exposed"
    assert AdminConfig(host=host, port=9464, token=TOKEN).token == TOKEN


@pytest.mark.parametrize(
    "token", ["", "short", TOKEN[:-1], "with a space in between", "naïve" * 5, "a\nb" * 9]
)
def test_a_token_that_could_be_guessed_is_refused_and_not_shown(token: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token, "utf-8")
    file_config = config_of(tmp_path, token_file=tmp_path / "token")
    for make in (lambda: AdminConfig(token=token), lambda: read_admin_token(file_config)):
        with pytest.raises(ConfigError) as caught:
            make()
        assert caught.value.code == "admin_token"
        assert not token or token not in str(caught.value)


def test_a_token_comes_from_a_file_or_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert read_admin_token(config_of(tmp_path, token_file=tmp_path / "token")) == TOKEN
    environment = {"SPACES_ADMIN_TOKEN": TOKEN, "SPACES_AUTH_DEVELOPMENT": "1"}
    config = load_config(None, environment)
    assert read_admin_token(config) == TOKEN
    assert TOKEN not in repr(config)
    with pytest.raises(ConfigError, match="2 are named"):
        AdminConfig(token=TOKEN, token_file=tmp_path / "token")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_admin_token(config_of(tmp_path, token_file=tmp_path / "none"))


# A whole server


def config_of(folder: Path, **admin: Any) -> ServerConfig:
    return ServerConfig(
        listen=ListenConfig(port=0),
        auth=AuthConfig(development=True),
        store=StoreConfig(data_dir=folder / "data"),
        admin=AdminConfig(**admin),
    )


def test_a_server_answers_from_its_start_to_its_end(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server(config_of(tmp_path, port=0))
        await server.start()
        url = str(server.admin_url)
        assert url.startswith("http://127.0.0.1:")
        try:
            async with httpx.AsyncClient(base_url=url, trust_env=False) as web:
                assert (await web.get("/readyz")).text == "ready\n"
                await look_at_a_space(server, web)
        finally:
            await server.stop()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as web:
            with pytest.raises(httpx.ConnectError):
                await web.get("/readyz")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


async def look_at_a_space(server: Server, web: httpx.AsyncClient) -> None:
    address = "{}:{}".format(*server.address[:2])
    async with await connect(address, name="ada", fingerprint=server.fingerprint) as ada:
        space = (await ada.open("Morning talk")).id
        status = (await web.get("/status")).json()
        [row] = status["spaces"]["listed"]
        assert (row["space"], row["title"], row["people"]) == (space.hex(), "Morning talk", 1)
        assert (status["address"], status["plane"]) == (address, server.plane)
        assert status["statistics"]["now_connections"] == 1
        found = samples((await web.get("/metrics")).text)
        assert found["spaces_space_people", (space.hex(),)] == 1
        for name in status["statistics"]:
            metric = named(name)
            if name.startswith("now_"):
                assert metric is not None and metric.is_gauge and has_help(name), name


def test_where_it_cannot_listen_the_server_does_not_start(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = Server(config_of(tmp_path, port=taken.getsockname()[1]))
            with pytest.raises(ConfigError, match=r"admin\.port") as caught:
                await server.start()
            assert caught.value.code == "port_unusable"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_where_the_server_cannot_start_it_answers_no_more(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "data").write_text("no folder")
        server = Server(config_of(tmp_path, port=0))
        with pytest.raises(ConfigError):
            await server.start()
        assert server.admin_url is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_a_media_thread_that_stands_still_is_a_fault() -> None:
    now_us = 0
    listening: Any = SimpleNamespace(
        threaded=object(),
        media=SimpleNamespace(stats=SimpleNamespace(ticks=1)),
        is_open=True,
        _is_started=True,
        _ticked=(-1, 0),
        _now_us=lambda: now_us,
    )
    assert Listening.fault(listening) == ""
    now_us = STILL_US - 1
    assert Listening.fault(listening) == ""
    now_us = STILL_US
    assert Listening.fault(listening) == "the media thread has stood still for 5 s"
    listening.media.stats.ticks += 1
    assert Listening.fault(listening) == ""
    now_us, listening.is_open = 10 * STILL_US, False
    assert Listening.fault(listening) == ""


def test_the_configuration_for_others_may_have_it_too(tmp_path: Path) -> None:
    file = tmp_path / "spaces.toml"
    file.write_text(
        '[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n[auth]\nsigning_key = "s.pem"\n'
        '[admin]\nhost = "10.0.0.1"\nport = 9464\ntoken_file = "admin.token"\n[log]\nformat = "json"\n'
    )
    config = load_config(file)
    assert config.tls == TlsConfig(tmp_path / "c.pem", tmp_path / "k.pem")
    assert config.admin.token_file == tmp_path / "admin.token"
    assert config.log.format == "json"
