"""Whom a client trusts, where it connects to, and how it renews its token in time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from signaling.client import ConnectError
from signaling.client.trust import parse_address, trust_in
from signaling.protocol import ErrorCode
from signaling.protocol.messages import (
    Hello,
    Renew,
    Request,
    TokenExpiring,
    Welcome,
)
from tests.signaling.quic_pair import certificate
from tests.signaling.scripted_server import (
    SPACE,
    Answer,
    Session,
    Stage,
    refusing,
    take,
    tell,
    usual,
)


def test_renewal_by_callback() -> None:
    tokens = iter(["first", "second", RuntimeError("the backend is away"), "third"])

    async def fetch() -> str:
        token = next(tokens)
        if isinstance(token, Exception):
            raise token
        return token

    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect(token=fetch)
        space = await client.join(SPACE)
        stage.session.tell(TokenExpiring(0, 60_000))
        await asyncio.sleep(0.1)
        stage.session.tell(TokenExpiring(0, 60_000))
        await asyncio.sleep(5)
        shown = [request.token for request in stage.session.requests if isinstance(request, (Hello, Renew))]
        assert shown == ["first", "second", "third"]
        assert (client.stats.renewals, client.stats.renewal_failures) == (2, 1)
        assert len(space._events) == 0

    tell(story)


def test_a_token_that_its_source_has_not_replaced_yet_is_asked_for_again_and_not_shown() -> None:
    tokens = iter(["first", "first", "first", "second"])

    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect(token=lambda: next(tokens))
        stage.session.tell(TokenExpiring(0, 60_000))
        await asyncio.sleep(5)
        shown = [request.token for request in stage.session.requests if isinstance(request, (Hello, Renew))]
        assert shown == ["first", "second"]
        assert (client.stats.renewals, client.stats.renewal_failures) == (1, 2)

    tell(story)


def test_renewal_is_given_up_when_the_token_has_ended() -> None:
    numbers = itertools.count()

    async def story(stage: Stage) -> None:
        await stage.serve(refusing(Renew, ErrorCode.wrong_subject))
        client = await stage.connect(token=lambda: f"token {next(numbers)}")
        stage.session.tell(TokenExpiring(0, 60_000))
        await asyncio.sleep(70)
        assert 5 <= client.stats.renewal_failures <= 10
        assert client.closed is None

    tell(story)


def test_without_a_callback_the_program_is_told() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.tell(TokenExpiring(0, 60_000))
        assert await take(space.events(), 1) == [TokenExpiring(0, 60_000)]
        await client.renew("fresh")
        assert stage.session.requests[-1] == Renew(3, "fresh")

    tell(story)


def test_minted_token_is_kept_and_used() -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Hello):
            return Welcome(request.id, "u1", request.name, 1000, "" if request.token else "minted")
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        client = await stage.connect(token="")
        assert client.token == "minted"  # noqa: S105 - no secret
        assert await client._door.credentials.token() == "minted"

    tell(story)


def test_wrong_pin_no_token_is_shown() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        for options, code in (
            ({"fingerprint": "sha256:" + "00" * 32}, "pin_mismatch"),
            ({"fingerprint": None}, "certificate_not_trusted"),
            ({"fingerprint": "md5:00"}, "pin_malformed"),
            ({"cafile": "/etc/ca.pem"}, "bad_trust"),
            ({"fingerprint": None, "cafile": "/does/not/exist"}, "certificate_missing"),
        ):
            with pytest.raises(ConnectError) as caught:
                await stage.connect(**options)
            assert caught.value.code == code
        await asyncio.sleep(1)
        assert [session.requests for session in stage.sessions if session.requests] == []

    tell(story)


def test_nobody_there() -> None:
    async def story(stage: Stage) -> None:
        with pytest.raises(ConnectError) as caught:
            await stage.connect("10.0.0.77", timeout_s=2)
        assert caught.value.code in ("refused", "unreachable")

    tell(story)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("spaces.example", ("spaces.example", 4433)),
        ("127.0.0.1:9", ("127.0.0.1", 9)),
        ("[::1]:4433", ("::1", 4433)),
        ("[::1]", ("::1", 4433)),
        ("::1", ("::1", 4433)),
    ],
)
def test_addresses(text: str, parsed: tuple[str, int]) -> None:
    assert parse_address(text) == parsed


@pytest.mark.parametrize(
    "text",
    ["", ":4433", "host:", "host:0", "host:65536", "host:x", "[::1", "[::1]4433", "[::1]:", "a b:1", "h:²"],
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ConnectError) as caught:
        parse_address(text)
    assert caught.value.code == "bad_address"


def test_trust_is_never_blind() -> None:
    assert trust_in(None, None).pin is None
    assert trust_in(certificate().fingerprint, None).pin == certificate().fingerprint
