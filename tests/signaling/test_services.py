"""Services: an application's backend that creates and oversees Spaces, and who may call itself one."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from typer.testing import CliRunner

from signaling import Happening, Server, tokens
from signaling.cli.commands import app
from signaling.client import Client, RequestRefused, connect
from signaling.config import AuthConfig, HostingConfig, ListenConfig, ServerConfig, StoreConfig, load_config
from signaling.protocol import messages as wire
from signaling.server.authority import Authority, signing_key
from signaling.server.services import FOR_PEOPLE, refused_to
from signaling.server.session import Member
from signaling.tokens import TokenError
from tests.scenarios.venue import SERVER, _wall_clock
from tests.virtual.loop import run
from tests.virtual.network import Network


def configured(folder: Path, *services: str, **more: Any) -> ServerConfig:
    return ServerConfig(
        listen=ListenConfig(port=0),
        auth=AuthConfig(development=True, services=services),
        store=StoreConfig(data_dir=folder),
        **more,
    )


def token(config: ServerConfig, subject: str, *, is_service: bool = True, now_s: float | None = None) -> str:
    key = signing_key(config)
    assert key is not None
    return tokens.mint(
        key,
        tokens.key_id(key.public_key()),
        subject=subject,
        name="",
        issuer=config.auth.issuer,
        audience=config.auth.audience,
        lifetime_s=7200,
        now_s=int(time.time() if now_s is None else now_s),
        is_service=is_service,
    )


def test_a_listed_subject_with_the_scope_is_a_service(tmp_path: Path) -> None:
    config = configured(tmp_path, "backend")
    authority = Authority(config, time.time)
    identity = authority.identify(token(config, "backend"))
    assert identity.is_service
    assert authority.member(identity, "backend", 0).is_service


def test_a_listed_subject_without_the_scope_is_a_person(tmp_path: Path) -> None:
    config = configured(tmp_path, "backend")
    authority = Authority(config, time.time)
    identity = authority.identify(token(config, "backend", is_service=False))
    assert not identity.is_service
    assert not authority.member(identity, "backend", 0).is_service


@pytest.mark.parametrize("services", [(), ("another",)])
def test_the_scope_alone_makes_no_service(tmp_path: Path, services: tuple[str, ...]) -> None:
    config = configured(tmp_path, *services)
    with pytest.raises(TokenError, match=rf"none of the {len(services)} services.*auth\.services") as caught:
        Authority(config, time.time).identify(token(config, "backend"))
    assert caught.value.code == "bad_token"


def test_a_scope_has_words_and_others_mean_nothing_here(tmp_path: Path) -> None:
    config = configured(tmp_path)
    key = signing_key(config)
    assert key is not None
    kid = tokens.key_id(key.public_key())
    verifier = tokens.Verifier({kid: key.public_key()}, "spacecore", "spaces")
    claims = {"sub": "ada", "iss": "spacecore", "aud": "spaces", "iat": 1000, "exp": 1600}
    import jwt

    def scoped(scope: object) -> str:
        return jwt.encode({**claims, "scope": scope}, key, algorithm="EdDSA", headers={"kid": kid})

    assert verifier.verify(scoped("read service write"), 1000).is_service
    for scope in ("", "services", "Service", "read write"):
        assert not verifier.verify(scoped(scope), 1000).is_service
    for wrong in (["service"], 1, None, {"service": True}):
        with pytest.raises(TokenError, match="scope is no text"):
            verifier.verify(scoped(wrong), 1000)


def test_services_are_a_list_in_the_file_and_words_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('[auth]\ndevelopment = true\nservices = ["shop", "desk"]\n')
    assert load_config(file).auth.services == ("shop", "desk")
    assert load_config(file, {"SPACES_AUTH_SERVICES": "a, b,"}).auth.services == ("a", "b")
    file.write_text('[auth]\ndevelopment = true\nservices = ["shop", 1]\n')
    with pytest.raises(ValueError, match=r"auth\.services: lists what is no text"):
        load_config(file)
    with pytest.raises(ValueError, match=r"auth\.services: text stands where a list belongs"):
        AuthConfig(services="shop")  # type: ignore[arg-type]
    assert dataclasses.replace(AuthConfig(), services=("x",)).services == ("x",)


def test_the_command_mints_for_a_service(tmp_path: Path) -> None:
    config = configured(tmp_path, "shop")
    signing_key(config)
    made = CliRunner().invoke(app, ["token", "shop", "--service", "--data-dir", str(tmp_path)])
    assert Authority(config, time.time).identify(made.stdout.strip()).is_service
    made = CliRunner().invoke(app, ["token", "shop", "--data-dir", str(tmp_path)])
    assert not Authority(config, time.time).identify(made.stdout.strip()).is_service


# Over the wire


class Town:
    """A server in virtual time with a service called shop, and people who come by name."""

    def __init__(self, server: Server, network: Network) -> None:
        self.server = server
        self.network = network
        self.told: list[Happening] = []
        self._callers = 0

    async def call(self, user: str, *, is_service: bool = False) -> Client:
        self._callers += 1
        loop = asyncio.get_running_loop()
        made = token(self.server.config, user, is_service=is_service, now_s=_wall_clock())
        return await connect(
            f"{SERVER[0]}:{SERVER[1]}",
            name="",
            token=made,
            fingerprint=self.server.fingerprint,
            open_transport=self.network.opener(f"10.0.1.{self._callers}"),
            clock=lambda: round(loop.time() * 1_000_000),
            seed=self._callers,
        )

    async def shop(self) -> Client:
        """The backend."""
        return await self.call("shop", is_service=True)


def tell(story: Callable[[Town], Coroutine[Any, Any, None]], folder: Path, **more: Any) -> None:
    async def main() -> None:
        network = Network(1)

        async def bind(protocol: asyncio.DatagramProtocol) -> None:
            await network.open(lambda: protocol, local=SERVER)

        loop = asyncio.get_running_loop()
        told: list[Happening] = []
        server = Server(
            configured(folder, "shop", **more),
            clock=loop.time,
            wall_clock=_wall_clock,
            bind=bind,
            on_event=told.append,
        )
        loop.external_busy = lambda: server.store.in_progress > 0  # type: ignore[attr-defined]
        await server.start()
        town = Town(server, network)
        town.told = told
        try:
            await story(town)
        finally:
            await server.stop()

    run(main(), limit_s=3600)


async def code_of(asked: Awaitable[Any]) -> str:
    """The code with which something is refused."""
    with pytest.raises(RequestRefused) as caught:
        await asked
    return caught.value.code


def test_a_service_creates_a_space_and_its_host_comes(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with await town.shop() as shop, await town.call("ada") as ada, await town.call("bob") as bob:
            space = await shop.create("ada", "Tea", topics=["tea"], who_may_speak="invited")
            (listed,) = await shop.live()
            assert (listed.space, listed.host, listed.people) == (space, "ada", 0)
            waits = await bob.join(space)
            assert waits.settings.who_may_speak == 2
            talk = await ada.join(space)
            assert talk.role == 2
            watch = await shop.oversee(space)
            assert sorted(person.user for person in await watch.people()) == ["ada", "bob"]
            assert talk.audience == 1  # who oversees is no audience
            entries = [(row.actor, row.action, row.target) for row in await talk.audit()]
            assert ("shop", "create", "ada") in entries
            assert ("shop", "oversee", "") in entries
        kinds = [each.kind for each in town.told]
        assert kinds[:3] == ["space_opened", "person_on_stage", "moderated"]
        assert "space_overseen" in kinds

    tell(story, tmp_path)


def test_a_service_keeps_order_and_every_act_is_in_the_audit_log(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with (
            await town.shop() as shop,
            await town.call("ada") as ada,
            await town.call("bob") as bob,
            await town.call("cy") as cy,
        ):
            talk = await ada.open("Tea")
            inside = await bob.join(talk.id)
            third = await cy.join(talk.id)
            watch = await shop.oversee(talk.id)
            await watch.invite("bob")
            await inside.accept()
            await watch.mute("bob", hold=True)
            assert await code_of(inside.unmute()) == "held_muted"
            await watch.unmute("bob")
            await watch.move("bob")
            await third.ask()
            await watch.admit("cy")
            await watch.change(title="Coffee", locked=True)
            shared = await watch.share(speak=True)
            await watch.unshare(shared.link)
            await watch.remove("cy")
            assert await code_of(cy_again(town, talk.id)) == "removed"
            await watch.unban("cy")
            assert [person.user for person in await watch.people()] == ["ada", "bob"]
            done = [(row.actor, row.action, row.target) for row in reversed(await watch.audit())]
            assert [entry for entry in done if entry[1] not in ("share_speaker", "unshare")] == [
                *(("shop", "oversee", ""), ("shop", "invite", "bob"), ("shop", "hold", "bob")),
                *(("shop", "release", "bob"), ("shop", "move", "bob"), ("shop", "admit", "cy")),
                *(("shop", "change", ""), ("shop", "ban", "cy"), ("shop", "unban", "cy")),
            ]
            await watch.end()
            known = [(row.actor, row.action, row.target) for row in reversed(await shop.audit(talk.id))]
            assert known == [*done, ("shop", "end", "")], "also when it is over"
        ended = [each.as_dict()["data"] for each in town.told if each.kind == "space_ended"]
        assert ended == [{"reason": "service_ended", "state": "ended"}]

    async def cy_again(town: Town, space: bytes) -> None:
        async with await town.call("cy") as cy:
            await cy.join(space)

    tell(story, tmp_path)


def test_a_service_may_not_do_what_is_for_people(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with await town.shop() as shop, await town.call("ada") as ada:
            talk = await ada.open("Tea")
            assert await code_of(shop.join(talk.id)) == "not_permitted"
            assert await code_of(shop.open("Mine")) == "not_permitted"
            assert await code_of(shop.follow("ada")) == "not_permitted"
            watch = await shop.oversee(talk.id)
            for act in (watch.ask(), watch.accept(), watch.hand_over("ada")):
                assert await code_of(act) == "not_permitted"
            assert await code_of(watch.remove("ada")) == "not_permitted"  # a Space is its host's
            assert await code_of(watch.move("nobody")) == "no_such_person"
            assert town.server.statistics()["now_people"] == 1

    tell(story, tmp_path)


def test_a_person_may_not_do_what_is_for_services(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with await town.call("ada") as ada, await town.call("shop") as impostor:
            talk = await ada.open("Tea")
            # The subject alone is nothing: its token has no scope.
            assert await code_of(impostor.create("ada", "Theirs")) == "not_permitted"
            assert await code_of(impostor.oversee(talk.id)) == "not_permitted"

    tell(story, tmp_path)


def test_who_bears_the_name_of_a_service_that_oversees_gets_nothing_by_it(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with await town.shop() as shop, await town.call("ada") as ada, await town.call("shop") as other:
            talk = await ada.open("Tea")
            await shop.oversee(talk.id)
            assert await code_of(other.join(talk.id)) == "not_permitted"

    tell(story, tmp_path)


def test_a_host_who_does_not_come_has_lost_the_space(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with await town.shop() as shop:
            space = await shop.create("ada", "Tea")
            assert await code_of(shop.create("ada", "Again")) == "already_hosting"
            await asyncio.sleep(119)
            assert [row.space for row in await shop.live()] == [space]
            await asyncio.sleep(2)
            assert await shop.live() == []
            assert await code_of(shop.oversee(space)) == "no_such_space"
            await shop.create("ada", "Another time")
        ended = [each.as_dict()["data"] for each in town.told if each.kind == "space_ended"]
        assert ended[0] == {"reason": "host_lost", "state": "timed_out"}

    tell(story, tmp_path)


def test_one_connection_oversees_one_space_after_the_other(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with await town.shop() as shop:
            one, two = await shop.create("ada", "One"), await shop.create("bob", "Two")
            await (await shop.oversee(one)).end()
            await (await shop.oversee(two)).end()
            assert await shop.live() == []

    tell(story, tmp_path)


def test_a_host_must_be_one_who_may(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        async with await town.shop() as shop:
            assert await code_of(shop.create("ada", "Tea")) == "too_few_followers"
            assert await code_of(shop.create("shop", "Tea")) == "bad_value"
            assert await code_of(shop.create("ada", "Tea", kind="unknown")) == "bad_value"

    tell(story, tmp_path, hosting=HostingConfig(min_followers=2))


def test_a_renewed_token_has_the_scope_of_the_first(tmp_path: Path) -> None:
    async def story(town: Town) -> None:
        config = town.server.config
        async with await town.shop() as shop:
            person = token(config, "shop", is_service=False, now_s=_wall_clock())
            assert await code_of(shop.renew(person)) == "wrong_subject"
            await shop.renew(token(config, "shop", now_s=_wall_clock()))
            await shop.create("ada", "Tea")

    tell(story, tmp_path)


@pytest.mark.parametrize("kind", sorted(get_args(wire.Request), key=lambda kind: kind.__name__))
def test_only_what_is_for_people_is_kept_from_a_service_at_the_desk(kind: Any) -> None:
    request = msgspec.convert([kind.__struct_config__.tag, 1, *_filled(kind)], kind)
    refused = refused_to(Member("shop", "", 0, is_service=True), request)
    assert (refused is not None) == (kind in FOR_PEOPLE)
    assert refused_to(Member("ada", "", 0), request) is None
    assert refused_to(None, request) is None


def _filled(kind: Any) -> list[Any]:
    """A value for each field that has no default."""
    samples: dict[str, Any] = {"bytes": bytes(16), "int": 1, "str": "x", "bool": True, "list": []}
    found = []
    for item in msgspec.inspect.type_info(kind).fields[1:]:
        if not item.required:
            break
        word = type(item.type).__name__.removesuffix("Type").lower()
        found.append(samples[word])
    return found
