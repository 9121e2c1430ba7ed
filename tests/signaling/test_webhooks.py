"""Webhooks: signatures, and deliveries to receivers that answer, fail, hang, hang up or send elsewhere."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import ssl
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.config import ConfigError, WebhooksConfig, load_config, read_webhook_secret
from signaling.http import TOLERANCE_S, SignatureError, sign, verify
from signaling.http.webhooks import ANSWER_BYTES, Webhooks, receiver_of
from signaling.quic.certificate import development_certificate
from signaling.server.counts import Counts
from signaling.store import Store, outbox
from tests.signaling.webhook_receiver import (
    CLOSES,
    DRIPS,
    FAILS,
    HANGS,
    MOVED,
    OK,
    SECRET,
    Receiver,
    receiving,
)

ONE, OTHER = b"1" * 16, b"2" * 16
WALL_S = 1_000_000_000.0

# Signatures


def headers(body: bytes = b"{}", at_s: int = 1000, event_id: str = "ab") -> dict[str, str]:
    return {
        "Spaces-Id": event_id,
        "Spaces-Timestamp": str(at_s),
        "Spaces-Signature": sign(SECRET, event_id, at_s, body),
    }


def test_a_signature_is_what_the_page_says() -> None:
    # Computed with: printf 'ab.1000.{}' | openssl dgst -sha256 -hmac 'a secret of the tests, long enough'
    assert sign(SECRET, "ab", 1000, b"{}") == "v1=" + GOLDEN
    assert GOLDEN in (Path(__file__).parents[2] / "docs" / "embedding-server.md").read_text("utf-8")
    assert sign(SECRET.encode(), "ab", 1000, b"{}") == sign(SECRET, "ab", 1000, b"{}")


GOLDEN = "314be99dfc00fbe948c59c2c928f521dbd32f283c65d3ac7bb992ef25a8e49b2"


def test_a_webhook_as_it_was_sent_is_believed() -> None:
    assert verify(SECRET, headers(), b"{}", now_s=1000) == "ab"
    lower = {name.lower(): value for name, value in headers().items()}
    assert verify(SECRET, lower, b"{}", now_s=1000) == "ab"


@pytest.mark.parametrize(
    "changed",
    [
        {"body": b"{ }"},
        {"secret": SECRET + "."},
        {"Spaces-Id": "ac"},
        {"Spaces-Timestamp": "1001"},
        {"Spaces-Signature": "v1=" + "0" * 64},
        {"Spaces-Signature": "v2=" + "0" * 64},
        {"Spaces-Signature": "é"},
    ],
    ids=str,
)
def test_a_webhook_that_was_changed_is_not(changed: dict[str, Any]) -> None:
    given_headers = {**headers(), **{name: value for name, value in changed.items() if name[0] == "S"}}
    with pytest.raises(SignatureError) as caught:
        verify(changed.get("secret", SECRET), given_headers, changed.get("body", b"{}"), now_s=1000)
    assert caught.value.code == "wrong_signature"
    assert SECRET not in str(caught.value)


def test_one_of_two_signatures_is_enough_while_a_secret_is_exchanged() -> None:
    both = headers()
    both["Spaces-Signature"] = "v1=" + "0" * 64 + ", v3=x, " + both["Spaces-Signature"]
    assert verify(SECRET, both, b"{}", now_s=1000) == "ab"


@pytest.mark.parametrize("missing", ["Spaces-Id", "Spaces-Timestamp", "Spaces-Signature"])
def test_a_webhook_without_a_header_is_not_believed(missing: str) -> None:
    given_headers = headers()
    del given_headers[missing]
    with pytest.raises(SignatureError, match=missing) as caught:
        verify(SECRET, given_headers, b"{}", now_s=1000)
    assert caught.value.code == "header_missing"


@pytest.mark.parametrize("age_s", [-TOLERANCE_S, TOLERANCE_S])
def test_the_tolerance_holds_to_the_second(age_s: int) -> None:
    assert verify(SECRET, headers(), b"{}", now_s=1000 + age_s) == "ab"
    beyond_s = 1000 + age_s + (1 if age_s > 0 else -1)
    with pytest.raises(SignatureError, match="301 s ago and 300 s is the limit") as caught:
        verify(SECRET, headers(), b"{}", now_s=beyond_s)
    assert caught.value.code == "too_old"


@given(timestamp=st.text(), signature=st.text(), body=st.binary())
def test_nothing_but_its_own_error_escapes(timestamp: str, signature: str, body: bytes) -> None:
    strange = {"Spaces-Id": "x", "Spaces-Timestamp": timestamp, "Spaces-Signature": signature}
    with pytest.raises(SignatureError):
        verify(SECRET, strange, body, now_s=1000)


def test_an_empty_secret_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="0 bytes"):
        sign("", "ab", 1000, b"{}")


# Configuration


def test_urls_are_encrypted_unless_they_stay_here() -> None:
    for url in ("https://a.example/x?y=1", "http://127.0.0.1:80/", "http://localhost/x", "http://[::1]:1/"):
        assert WebhooksConfig(urls=(url,), secret=SECRET).urls == (url,)
    for url, why in (
        ("http://a.example/SECRET-PATH", "not encrypted"),
        ("http://10.0.0.1/SECRET-PATH", "not encrypted"),
        ("ftp://a.example/SECRET-PATH", "no URL"),
        ("https:///SECRET-PATH", "no URL"),
        ("https://a.example:port/SECRET-PATH", "no URL"),
        ("https://user:word@a.example/SECRET-PATH", "name or password"),
        ("SECRET-PATH", "no URL"),
    ):
        with pytest.raises(ConfigError, match=why) as caught:
            WebhooksConfig(urls=(url,), secret=SECRET)
        assert caught.value.code == "webhook_url"
        assert "SECRET-PATH" not in str(caught.value)
        assert "word@" not in str(caught.value)


def test_there_is_one_secret_and_it_is_never_shown(tmp_path: Path) -> None:
    url = ("https://a.example/",)
    assert SECRET not in repr(WebhooksConfig(urls=url, secret=SECRET))
    file = tmp_path / "secret"
    file.write_text("short\n")
    for wrong in ({}, {"secret": SECRET, "secret_file": file}, {"secret": "short"}):
        with pytest.raises(ConfigError) as caught:
            WebhooksConfig(urls=url, **wrong)
        assert caught.value.code == "webhook_secret"
        assert SECRET not in str(caught.value)
    toml = tmp_path / "server.toml"
    toml.write_text(
        '[auth]\ndevelopment = true\n[webhooks]\nurls = ["https://a.example/"]\nsecret_file = "secret"\n'
    )
    config = load_config(toml)
    with pytest.raises(ConfigError, match="holds 5 bytes and 16 is the least"):
        read_webhook_secret(config)
    file.write_text(SECRET + "\n")
    assert read_webhook_secret(config) == SECRET.encode()
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_webhook_secret(config)
    by_environment = {"SPACES_WEBHOOKS_URLS": "https://b.example/", "SPACES_WEBHOOKS_SECRET": SECRET}
    found = load_config(None, {**by_environment, "SPACES_AUTH_DEVELOPMENT": "1"})
    assert read_webhook_secret(found) == SECRET.encode()
    assert read_webhook_secret(dataclasses.replace(found, webhooks=WebhooksConfig())) == b""


def test_eight_receivers_each_once() -> None:
    urls = tuple(f"https://{n}.example/" for n in range(9))
    WebhooksConfig(urls=urls[:8], secret=SECRET)
    with pytest.raises(ConfigError, match="9 are named and 8 is the limit"):
        WebhooksConfig(urls=urls, secret=SECRET)
    with pytest.raises(ConfigError, match="named twice"):
        WebhooksConfig(urls=(urls[0], urls[0]), secret=SECRET)
    with pytest.raises(ConfigError, match="less than"):
        WebhooksConfig(retry_ms=1000, retry_most_ms=999)


# Delivering


class Sender:
    """A store with an outbox, and webhooks that empty it."""

    def __init__(self, store: Store, config: WebhooksConfig) -> None:
        self.store = store
        self.counts = Counts()
        self.wall_s = WALL_S
        self.hooks = Webhooks(
            store, config, SECRET.encode(), self.counts, wall_s=self.clock, random=Random(4)
        )
        self._began_s = asyncio.get_running_loop().time()
        self._next = 0
        self.done = asyncio.Condition()
        self._deliver = self.hooks.deliver
        self.hooks.deliver = self.deliver  # type: ignore[method-assign]

    async def deliver(self, url: str, event: outbox.Outgoing) -> outbox.Outgoing | int | None:
        """As webhooks do it, and say so."""
        following = await self._deliver(url, event)
        async with self.done:
            self.done.notify_all()
        return following

    def clock(self) -> float:
        """Moves as the loop does, and can be put forward."""
        return self.wall_s + asyncio.get_running_loop().time() - self._began_s

    async def put(self, space: bytes, body: bytes, url: str) -> str:
        """One more event; returns its id."""
        self._next += 1
        event_id = f"{self._next:032x}"
        async with self.store.transaction() as connection:
            assert await outbox.add(
                connection, space, event_id, body, int(self.clock() * 1e6), receiver=receiver_of(url)
            )
        self.hooks.wake(space)
        return event_id

    async def left(self, url: str) -> int:
        async with self.store.transaction() as connection:
            return await outbox.count(connection, receiver_of(url))

    async def emptied(self, url: str) -> None:
        """Wait until everything is acknowledged."""
        async with asyncio.timeout(20), self.done:
            while await self.left(url):
                await self.done.wait()


@asynccontextmanager
async def sending(folder: Path, *urls: str, **settings: Any) -> AsyncIterator[Sender]:
    quick = {"retry_ms": 10, "retry_most_ms": 40, "timeout_ms": 200, **settings}
    store = Store(f"sqlite+aiosqlite:///{folder / 'spaces.sqlite'}")
    await store.open()
    sender = Sender(store, WebhooksConfig(urls=urls, secret=SECRET, **quick))
    sender.hooks.start()
    try:
        yield sender
    finally:
        await sender.hooks.close()
        await store.close()


def tell(story: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await story

    asyncio.run(bounded())


def numbers(receiver: Receiver) -> list[int]:
    return [each.told["n"] for each in receiver.taken]


def test_an_event_arrives_signed_and_leaves_the_outbox(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("signaling.http.signature.time.time", lambda: WALL_S)

    async def story() -> None:
        async with receiving() as receiver, sending(tmp_path, receiver.url) as sender:
            event_id = await sender.put(ONE, b'{"n":1}', receiver.url)
            await sender.emptied(receiver.url)
            (got,) = receiver.got
            assert got.told == {"n": 1}
            assert got.event_id == event_id
            assert got.headers["content-type"] == "application/json"
            assert int(got.headers["spaces-timestamp"]) >= WALL_S
            assert (sender.counts.webhooks_sent, sender.counts.webhooks_failed) == (1, 0)

    tell(story())


@pytest.mark.parametrize("trouble", [FAILS, CLOSES, HANGS, DRIPS, MOVED])
def test_a_receiver_in_trouble_gets_it_again(tmp_path: Path, trouble: str) -> None:
    async def story() -> None:
        async with receiving() as other, receiving(answers=deque([trouble, trouble])) as receiver:
            receiver.elsewhere = other.url
            async with sending(tmp_path, receiver.url) as sender:
                await sender.put(ONE, b'{"n":1}', receiver.url)
                await sender.emptied(receiver.url)
                assert [each.answer for each in receiver.got] == [trouble, trouble, OK]
                assert len({each.event_id for each in receiver.got}) == 1
                assert other.got == []  # a redirect is not followed
                assert (sender.counts.webhooks_sent, sender.counts.webhooks_failed) == (1, 2)

    tell(story())


def test_a_space_is_told_in_order_and_does_not_hold_up_another(tmp_path: Path) -> None:
    refused = 3

    def judge(told: dict[str, Any]) -> str:
        nonlocal refused
        if told["n"] == 1 and refused:
            refused -= 1
            return FAILS
        return OK

    async def story() -> None:
        async with receiving(judge=judge) as receiver, sending(tmp_path, receiver.url) as sender:
            for n in range(1, 6):
                await sender.put(ONE, b'{"n":%d}' % n, receiver.url)
            await sender.put(OTHER, b'{"n":100}', receiver.url)
            await sender.emptied(receiver.url)
            told = [n for n in numbers_of(receiver) if n < 100]
            assert told == [1, 1, 1, 1, 2, 3, 4, 5]
            assert numbers_of(receiver).index(100) < len(numbers_of(receiver)) - 1

    def numbers_of(receiver: Receiver) -> list[int]:
        import json

        return [json.loads(each.body)["n"] for each in receiver.got]

    tell(story())


def test_many_spaces_are_told_at_once_but_no_more_than_allowed(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            receiving(otherwise=HANGS) as receiver,
            sending(tmp_path, receiver.url, at_once=3, timeout_ms=60_000) as sender,
        ):
            for n in range(10):
                await sender.put(bytes([n]) * 16, b"{}", receiver.url)
            await receiver.until(lambda: len(receiver.got) == 3)
            for _ in range(10):  # chances for a fourth that must not come
                sender.hooks.wake(OTHER)
                await sender.left(receiver.url)
            assert len(receiver.got) == 3

    tell(story())


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    development_certificate(tmp_path, datetime.now(UTC))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "development-certificate.pem", tmp_path / "development-key.pem")

    async def story() -> None:
        async with receiving(tls) as receiver:
            url = receiver.url.replace("http:", "https:")
            async with sending(tmp_path, url) as sender:
                await sender.put(ONE, b"{}", url)
                async with asyncio.timeout(20), sender.done:
                    await sender.done.wait_for(lambda: sender.counts.webhooks_failed >= 2)
                assert await sender.left(url) == 1
            assert receiver.got == []

    tell(story())


def test_two_receivers_get_it_each_at_their_own_pace(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            receiving(otherwise=FAILS) as dead,
            receiving() as alive,
            sending(tmp_path, dead.url, alive.url) as sender,
        ):
            for _ in range(3):
                await sender.put(ONE, b"{}", dead.url)
                await sender.put(ONE, b"{}", alive.url)
            await sender.emptied(alive.url)
            await dead.until(lambda: len(dead.got) > 2)
            assert await sender.left(dead.url) == 3
            assert len({each.event_id for each in dead.got}) == 1

    tell(story())


def test_what_was_not_sent_is_sent_by_the_next_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with receiving(otherwise=HANGS) as receiver:
            async with sending(tmp_path, receiver.url, timeout_ms=60_000) as sender:
                first = await sender.put(ONE, b"{}", receiver.url)
                await receiver.until(lambda: len(receiver.got) == 1)
            receiver.otherwise = OK
            async with sending(tmp_path, receiver.url) as sender:
                await sender.emptied(receiver.url)
            assert [each.event_id for each in receiver.got] == [first, first]

    tell(story())


def test_a_receiver_that_is_gone_for_too_long_loses_the_oldest(tmp_path: Path) -> None:
    async def story() -> None:
        async with (
            receiving(otherwise=FAILS) as receiver,
            sending(tmp_path, receiver.url, keep_s=60) as sender,
        ):
            await sender.put(ONE, b'{"n":1}', receiver.url)
            await receiver.until(lambda: len(receiver.got) >= 2)
            assert sender.counts.webhooks_expired == 0
            sender.wall_s += 60
            receiver.otherwise = FAILS
            await sender.emptied(receiver.url)
            assert sender.counts.webhooks_expired == 1
            assert sender.counts.webhooks_sent == 0

    tell(story())


def test_the_pause_doubles_up_to_the_longest_and_differs_by_chance(tmp_path: Path) -> None:
    async def story() -> None:
        async with sending(tmp_path, "http://127.0.0.1:9/", retry_ms=1000, retry_most_ms=60_000) as sender:
            for attempts, longest_ms in ((0, 1000), (1, 2000), (5, 32_000), (6, 60_000), (10**6, 60_000)):
                pauses = [sender.hooks._pause_us(attempts) for _ in range(50)]
                assert longest_ms * 500 <= min(pauses) < max(pauses) <= longest_ms * 1000

    tell(story())


def test_a_long_answer_is_not_read_to_its_end(tmp_path: Path, monkeypatch: Any) -> None:
    from tests.signaling import webhook_receiver

    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 2 * ANSWER_BYTES
    monkeypatch.setitem(webhook_receiver._ANSWERS, OK, endless)

    async def story() -> None:
        async with receiving() as receiver, sending(tmp_path, receiver.url, timeout_ms=60_000) as sender:
            await sender.put(ONE, b"{}", receiver.url)
            await sender.emptied(receiver.url)
            assert sender.counts.webhooks_sent == 1

    tell(story())


def test_no_log_line_holds_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def story() -> None:
        async with receiving(answers=deque([FAILS, CLOSES, MOVED, HANGS])) as receiver:
            receiver.elsewhere = "http://127.0.0.1:9/"
            async with sending(tmp_path, receiver.url) as sender:
                await sender.put(ONE, b'{"text":"private words"}', receiver.url)
                await sender.emptied(receiver.url)

    tell(story())
    # The database's driver logs every statement with its values, at DEBUG: whoever asks for that gets it.
    loggers = {"signaling.http.webhooks", "httpx", "asyncio"} | {
        record.name for record in caplog.records if record.name.startswith("httpcore")
    }
    lines = "\n".join(
        f"{record.name} {record.getMessage()}" for record in caplog.records if record.name in loggers
    )
    assert "failed: it answered 500; again in 0.0" in lines
    for secret in (SECRET, "hidden-path", "private words", "v1="):
        assert secret not in lines


def test_a_store_that_refuses_is_asked_again(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("signaling.http.webhooks._STORE_PAUSE_S", 0.01)

    async def story() -> None:
        async with receiving() as receiver, sending(tmp_path, receiver.url) as sender:
            monkeypatch.setattr("signaling.store.engine.IN_PROGRESS_MAX", 0)
            sender.hooks.wake(ONE)
            async with asyncio.timeout(10):
                while sender.store.refused < 3:  # noqa: ASYNC110 - nor a counter that it grew
                    await asyncio.sleep(0)
            monkeypatch.undo()
            await sender.put(ONE, b"{}", receiver.url)
            await sender.emptied(receiver.url)

    tell(story())


def test_the_receivers_side_needs_no_server() -> None:
    code = "import sys, signaling.http; print(sorted(m for m in sys.modules if m.split('.')[0] in BAD))"
    bad = "BAD = {'httpx', 'sqlalchemy', 'aioquic', 'msgpack', 'spacecore', 'asyncio'}\n"
    done = subprocess.run([sys.executable, "-c", bad + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
