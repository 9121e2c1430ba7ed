"""Logs: JSON or text, with the ids of whose work it is, few lines of a flood, and never a secret or audio."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signaling.client import Client, RequestRefused, connect
from signaling.config import AuthConfig, ListenConfig, LogConfig, ServerConfig, StoreConfig
from signaling.context import CONNECTION, SPACE
from signaling.logs import EXCEPTION_CHARS, HIDDEN, TEXT_CHARS, Sampling, configure
from signaling.server import Server
from signaling.server.actor import SpaceActor
from signaling.server.hall import Hall

CANARY = "canary0123456789abcdef"
JWT = f"eyJhbGciOiJFZERTQSJ9.{CANARY}.{CANARY}"

log = logging.getLogger("signaling.test")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The loggers of the process, which `configure` changes, as pytest needs them."""
    root, ours = logging.getLogger(), logging.getLogger("signaling")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], root.level, ours.level = before
    logging.getLogger("signaling").setLevel(before[2])


class Written(io.StringIO):
    """What was written, line by line."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


def writing(**config: Any) -> Written:
    out = Written()
    configure(LogConfig(**{"format": "json", **config}), out)
    return out


# Lines


def test_a_line_is_an_object_with_its_time_its_place_and_whose_work_it_is() -> None:
    out = writing()
    CONNECTION.set(7)
    SPACE.set(b"\x01" * 16)
    log.warning("%d tasks did not end within %d ms", 3, 5_000)
    CONNECTION.set(None)
    SPACE.set(None)
    log.error("nobody's")
    first, second = out.lines()
    assert first["event"] == "3 tasks did not end within 5000 ms"
    assert (first["level"], first["logger"]) == ("warning", "signaling.test")
    assert (first["connection"], first["space"]) == (7, "01" * 16)
    assert first["timestamp"].endswith("Z")
    assert {"connection", "space"} & set(second) == set()


def test_text_is_for_people() -> None:
    out = Written()
    configure(LogConfig(), out)
    log.warning("the store is slow")
    assert "the store is slow" in out.getvalue()
    assert "signaling.test" in out.getvalue()
    assert "\x1b[" not in out.getvalue()  # colours are for terminals


@pytest.mark.parametrize(
    ("level", "said"),
    [("debug", ["debug", "info", "error"]), ("info", ["info", "error"]), ("error", ["error"])],
)
def test_the_level_is_that_of_our_modules(level: str, said: list[str]) -> None:
    out = writing(level=level)
    for name in ("signaling.test", "sqlalchemy.engine"):
        for each in ("debug", "info", "error"):
            logging.getLogger(name).log(getattr(logging, each.upper()), each)
    found = out.lines()
    assert [line["event"] for line in found if line["logger"] == "signaling.test"] == said
    assert [line["event"] for line in found if line["logger"] != "signaling.test"] == ["error"]


def test_what_cannot_be_json_is_named_by_its_kind() -> None:
    out = writing()
    log.warning("odd", extra={"thing": object(), "many": [{1: b"abc"}]})
    [line] = out.lines()
    assert line["thing"] == "<object>"
    assert line["many"] == [{"1": "<3 bytes>"}]


# Secrets and audio


@pytest.mark.parametrize(
    "text",
    [
        f"hello with {JWT}",
        f"Authorization: Bearer {CANARY}",
        f"the key sk_live_{CANARY}",
        f"the key rk_test_{CANARY}",
        f"signed with whsec_{CANARY}",
        f"postgresql+asyncpg://spaces:{CANARY}@db/spaces is not there",
        "come to spaces://spaces.example/00112233445566778899aabbccddeeff?speak=" + "ca" * 16,
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
        f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}",
    ],
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_in_a_text_is_not_written(text: str, form: str) -> None:
    out = writing(format=form)
    log.warning(text.replace("%", "%%"))
    log.warning("it said: %s", text)
    log.warning("it said: %(what)s", {"what": text})
    log.warning("it said", extra={"what": text, "deep": {"list": [text]}})
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("it failed")
    assert CANARY not in out.getvalue()
    assert "ca" * 16 not in out.getvalue()
    assert out.getvalue().count(HIDDEN) >= 6
    assert "it failed" in out.getvalue()


@pytest.mark.parametrize(
    "name", ["token", "resume_token", "Authorization", "webhook_secret", "password", "cookie"]
)
def test_under_the_name_of_a_secret_nothing_is_written(name: str) -> None:
    out = writing()
    log.warning("with", extra={name: CANARY, "deep": {name: [CANARY]}})
    log.warning(f"it said %({name})s", {name: CANARY})
    assert CANARY not in out.getvalue()
    assert out.lines()[0][name] == HIDDEN
    assert out.lines()[0]["deep"] == {name: HIDDEN}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_of_bytes_only_the_length_is_written(kind: Any) -> None:
    out = writing()
    sound = kind(CANARY.encode())
    log.warning("a packet %r", sound)
    log.warning("packets %s", [sound])
    log.warning("a packet %(packet)s", {"packet": sound})
    log.warning("a packet", extra={"packet": sound})
    assert CANARY not in out.getvalue()
    assert out.lines()[0]["event"] == "a packet '<22 bytes>'"
    assert out.lines()[3]["packet"] == "<22 bytes>"


def test_local_variables_of_a_failure_are_not_written() -> None:
    def fails(given: str) -> None:
        held = {"given": given}
        raise RuntimeError(f"{len(held)} failed")

    for form in ("json", "console"):
        out = writing(format=form)
        try:
            fails(CANARY)
        except RuntimeError:
            log.exception("it failed")
        assert "1 failed" in out.getvalue()
        assert CANARY not in out.getvalue()


def test_long_texts_are_cut() -> None:
    out = writing()
    log.warning("x" * 10_000)
    try:
        raise ValueError("y" * 100_000 + "the end")
    except ValueError:
        log.exception("it failed")
    first, second = out.lines()
    assert len(first["event"]) == TEXT_CHARS + 2
    assert len(second["exception"]) == EXCEPTION_CHARS + 2
    assert second["exception"].endswith("the end")


# Floods


def flood(sampling: Sampling, lines: int, lineno: int = 1) -> list[logging.LogRecord]:
    records = [
        logging.LogRecord("signaling.test", logging.WARNING, "there.py", lineno, f"line {n}", (), None)
        for n in range(lines)
    ]
    return [record for record in records if sampling.filter(record)]


def test_of_a_flood_the_first_lines_of_each_second_are_written_and_the_rest_counted() -> None:
    now_s = 0.0
    sampling = Sampling(3, lambda: now_s)
    assert len(flood(sampling, 3)) == 3  # at the bound
    assert len(flood(sampling, 1)) == 0  # one past it
    assert len(flood(sampling, 996)) == 0
    assert len(flood(sampling, 1, lineno=2)) == 1  # from elsewhere
    now_s = 0.999
    assert len(flood(sampling, 1)) == 0
    now_s = 1.0
    first, second = flood(sampling, 2)
    assert first.left_out == 998  # type: ignore[attr-defined]
    assert not hasattr(second, "left_out")


def test_what_was_left_out_stands_in_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 10.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    out = Written()
    logging.basicConfig(force=True)
    configure(LogConfig(format="json", burst=2), out)
    handler = logging.getLogger().handlers[0]
    [sampling] = [each for each in handler.filters if isinstance(each, Sampling)]
    sampling._clock = lambda: now_s
    for turn in range(12):
        now_s = 10.0 + (turn == 11)
        log.warning("turn %d", turn)
    assert [(line["event"], line.get("left_out")) for line in out.lines()] == [
        ("turn 0", None),
        ("turn 1", None),
        ("turn 11", 9),
    ]


# A whole server


def test_lines_of_a_server_say_whose_work_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An act that fails in a Space, and one that fails before any: the ids stand beside what happened."""
    out = writing(level="info")

    async def broken(self: SpaceActor, *arguments: Any) -> None:
        raise RuntimeError("planted")

    async def story() -> tuple[int, bytes]:
        server = Server(
            ServerConfig(
                listen=ListenConfig(port=0),
                auth=AuthConfig(development=True),
                store=StoreConfig(data_dir=tmp_path),
            )
        )
        await server.start()
        try:
            async with await caller(server, "ada") as ada, await caller(server, "ben") as ben:
                space = await ada.open("Morning talk")
                joined = await ben.join(space.id)
                monkeypatch.setattr(SpaceActor, "_decide", broken)
                with pytest.raises(RequestRefused, match="failed at this request"):
                    await joined.ask()
                monkeypatch.undo()
                monkeypatch.setattr(Hall, "push", lambda *given: 1 / 0)
                await joined.ask()
                monkeypatch.undo()
                number = next(
                    each.number
                    for each in server._connections.values()
                    if each.session is not None
                    and each.session.member is not None
                    and each.session.member.name == "ben"
                )
                return number, space.id
        finally:
            await server.stop()

    number, space = asyncio.run(story())
    failed = [line for line in out.lines() if "planted" in line.get("exception", "")]
    assert [(line["connection"], line["space"]) for line in failed] == [(number, space.hex())]
    pushed = [line for line in out.lines() if "ZeroDivisionError" in line.get("exception", "")]
    assert {line["space"] for line in pushed if "space" in line} == {space.hex()}
    assert all("connection" not in line for line in pushed)


async def caller(server: Server, name: str) -> Client:
    host, port = server.address[:2]
    return await connect(f"{host}:{port}", name=name, fingerprint=server.fingerprint)
