"""Services: an application's backend that creates and oversees Spaces, and who may call itself one."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from signaling import tokens
from signaling.config import AuthConfig, ServerConfig, StoreConfig, load_config
from signaling.server.authority import Authority, signing_key
from signaling.tokens import TokenError


def configured(folder: Path, *services: str) -> ServerConfig:
    return ServerConfig(
        auth=AuthConfig(development=True, services=services), store=StoreConfig(data_dir=folder)
    )


def token(config: ServerConfig, subject: str, *, is_service: bool = True) -> str:
    key = signing_key(config)
    assert key is not None
    return tokens.mint(
        key,
        tokens.key_id(key.public_key()),
        subject=subject,
        name="",
        issuer=config.auth.issuer,
        audience=config.auth.audience,
        lifetime_s=600,
        now_s=int(time.time()),
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
