"""The configuration: where it comes from, what is refused and in which words."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from signaling.config import (
    MIN_FOLLOWERS,
    SETTINGS,
    AuthConfig,
    ConfigError,
    HostingConfig,
    LimitsConfig,
    ListenConfig,
    ServerConfig,
    StoreConfig,
    TlsConfig,
    load_config,
    prepare_data_dir,
    read_public_keys,
    read_retry_key,
)
from signaling.tokens import new_private_key, private_key_pem, public_key_pem

DEVELOPMENT = {"auth.development": True}
PRODUCTION = {"tls.certificate": "c.pem", "tls.key": "k.pem", "auth.signing_key": "s.pem"}


def refused(code: str, key: str, *sources: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(*sources)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.key) == (code, key)
    assert ";" in str(caught.value), "a refusal ends with its remedy"
    return str(caught.value)


def test_defaults_are_development_or_nothing() -> None:
    config = load_config(None, {}, DEVELOPMENT)
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 4433)
    assert config.signing_key == Path("spaces-data/signing-key.pem")
    assert config.store.database_url == "sqlite+aiosqlite:///spaces-data/spaces.sqlite"
    refused("certificate_missing", "tls.certificate")


def test_the_later_source_wins(tmp_path: Path) -> None:
    file = tmp_path / "spaces.toml"
    file.write_text(
        "[listen]\nport = 1\nhost = '::1'\n[auth]\ndevelopment = true\n[limits]\nstage = 3\n"
        "[store]\ndata_dir = 'data'\n"
    )
    config = load_config(file, {"SPACES_LISTEN_PORT": "2", "SPACES_LIMITS_STAGE": "4"}, {"listen.port": 3})
    assert (config.listen.host, config.listen.port, config.limits.stage) == ("::1", 3, 4)
    assert config.store.data_dir == tmp_path / "data", "a path in a file is relative to the file"
    assert load_config(file, {}, {"listen.port": None}).listen.port == 1, "a flag not given is no flag"


def test_who_may_host_is_asked_by_kind(tmp_path: Path) -> None:
    file = tmp_path / "spaces.toml"
    file.write_text(
        "[auth]\ndevelopment = true\n[hosting]\nallow = ['ann']\n"
        "[hosting.kinds.music]\nmin_followers = 7\n[hosting.kinds.talk]\nallow = []\n"
    )
    hosting = load_config(file).hosting
    assert (hosting.allow, hosting.kinds["music"].allow, hosting.kinds["talk"].allow) == (("ann",), None, ())
    assert hosting.followers_needed("", development=False) == 600
    assert hosting.followers_needed("", development=True) == 0
    assert hosting.followers_needed("music", development=True) == 7
    assert HostingConfig(min_followers=3).followers_needed("", development=True) == 3


def test_the_example_of_the_page_is_as_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "embedding-server.md").read_text("utf-8")
    file = tmp_path / "spaces.toml"
    file.write_text(page.split("```toml\n")[1].split("```")[0] + "[auth]\ndevelopment = true\n")
    hosting = load_config(file).hosting
    assert hosting.min_followers == MIN_FOLLOWERS
    assert hosting.kinds["town_hall"].allow == ("mayor", "deputy")
    assert hosting.followers_needed("town_hall", development=False) == 0


def test_every_kind_of_value_is_read_from_the_environment() -> None:
    config = load_config(
        None,
        {
            "SPACES_AUTH_DEVELOPMENT": "yes",
            "SPACES_AUTH_KEYS": "one=a.pem, two=b.pem",
            "SPACES_AUTH_ISSUERS": "one=example",
            "SPACES_STORE_DATA_DIR": "/var/spaces",
            "SPACES_MEDIA_FEC": "off",
            "SPACES_MEDIA_PASS_THROUGH": "off",
            "SPACES_MEDIA_PLANE": "aioquic",
            "SPACES_MEDIA_BUNDLE": "3",
            "SPACES_TOKEN": "something of the client's",
            "HOME": "/root",
        },
    )
    assert config.auth.keys == {"one": Path("a.pem"), "two": Path("b.pem")}
    assert config.auth.issuers == {"one": "example"}
    assert config.store.data_dir == Path("/var/spaces")
    assert config.media.fec is False
    assert config.media.pass_through is False
    assert (config.media.plane, config.media.bundle) == ("aioquic", 3)


@pytest.mark.parametrize(
    ("sources", "key", "nearest"),
    [
        ((None, {"SPACES_LISTEN_PROT": "1"}), "SPACES_LISTEN_PROT", "SPACES_LISTEN_PORT"),
        ((None, {"SPACES_AUHT_DEVELOPMENT": "1"}), "SPACES_AUHT_DEVELOPMENT", "SPACES_AUTH_DEVELOPMENT"),
        ((None, {}, {"limits.stages": 1}), "limits.stages", "limits.stage"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest_known(sources: tuple, key: str, nearest: str) -> None:
    assert nearest in refused("unknown_key", key, *sources)


@pytest.mark.parametrize(
    ("text", "code", "key"),
    [
        ("[listne]\nport = 1", "unknown_key", "listne"),
        ("[listen]\nprot = 1", "unknown_key", "listen.prot"),
        ("listen = 1", "wrong_type", "listen"),
        ("[listen]\nport = '1'", "wrong_type", "listen.port"),
        ("[listen]\nport = true", "wrong_type", "listen.port"),
        ("[auth]\ndevelopment = 1", "wrong_type", "auth.development"),
        ("[auth.keys]\na = 1", "wrong_type", "auth.keys.a"),
        ("[auth]\nkeys = 'a'", "wrong_type", "auth.keys"),
        ("[listen]\nport = 65536", "out_of_range", "listen.port"),
        ("[limits]\nstage = 0", "out_of_range", "limits.stage"),
        ("[media]\nplane = 'fast'", "not_a_choice", "media.plane"),
        ("[media]\nplane = 1", "not_a_choice", "media.plane"),
        ("[media]\nbundle = '2'", "not_a_choice", "media.bundle"),
        ("[media]\nbundle = true", "not_a_choice", "media.bundle"),
        ("[media]\nbundle = 4", "not_a_choice", "media.bundle"),
        ("[listen]\npublic = 'tea.example'", "out_of_range", "listen.public"),
        ("[hosting]\nmin_followers = -1", "out_of_range", "hosting.min_followers"),
        ("[hosting]\nmin_followers = 'all'", "wrong_type", "hosting.min_followers"),
        ("[hosting]\nallow = [1]", "wrong_type", "hosting.allow"),
        ("[hosting.kinds]\nmusic = 1", "wrong_type", "hosting.kinds.music"),
        ("[hosting.kinds.'no good']", "out_of_range", "hosting.kinds.no good"),
        ("[hosting.kinds.music]\nfollowers = 1", "unknown_key", "hosting.kinds.music.followers"),
        ("[hosting.kinds.music]\nallow = [1]", "wrong_type", "hosting.kinds.music.allow"),
        ("[hosting.kinds.music]\nmin_account_age_s = -1", "out_of_range", "hosting.kinds.min_account_age_s"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, code: str, key: str) -> None:
    file = tmp_path / "spaces.toml"
    file.write_text(text)
    refused(code, key, file)


def test_a_wrong_type_is_named_in_words(tmp_path: Path) -> None:
    file = tmp_path / "spaces.toml"
    file.write_text("[listen]\nport = '1'")
    assert "text stands where a whole number belongs" in refused("wrong_type", "listen.port", file)
    file.write_text("[store]\ndata_dir = [1]")
    assert "a list stands where a path belongs" in refused("wrong_type", "store.data_dir", file)


def test_a_choice_names_the_words_that_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "spaces.toml"
    file.write_text("[media]\nplane = 'fast'")
    assert "fast is none of 2 choices; write native, aioquic" in refused("not_a_choice", "media.plane", file)
    file.write_text("[media]\nbundle = 2")
    assert load_config(file, {}, DEVELOPMENT).media.bundle == 2
    wrong = {"SPACES_MEDIA_BUNDLE": "secret"}
    words = refused("not_a_choice", "media.bundle", None, wrong, DEVELOPMENT)
    assert "write auto, 1, 2, 3" in words
    assert "secret" not in words
    media = load_config(None, {}, DEVELOPMENT).media
    assert (media.plane, media.bundle, media.bundle_above) == ("native", "auto", 200)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "spaces.toml"
    refused("file_unreadable", str(file), file)
    file.write_text("[listen")
    refused("not_toml", str(file), file)
    file.write_bytes(b"\xff\xfe")
    refused("not_toml", str(file), file)


@pytest.mark.parametrize("text", ["", "one", "0x10", "1.5"])
def test_text_that_is_no_number_is_refused_and_not_repeated(text: str) -> None:
    said = refused("wrong_type", "limits.people", None, {"SPACES_LIMITS_PEOPLE": text or "secret"})
    assert "secret" not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "spaces.example.org"])  # noqa: S104
def test_development_mode_is_refused_where_others_can_reach_it(host: str) -> None:
    assert host in refused(
        "development_exposed", "auth.development", None, {}, {**DEVELOPMENT, "listen.host": host}
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_development_mode_is_for_loopback(host: str) -> None:
    assert load_config(None, {}, {**DEVELOPMENT, "listen.host": host}).listen.is_loopback


def test_production_needs_certificate_key_and_token_keys() -> None:
    load_config(None, {}, {**PRODUCTION, "listen.host": "0.0.0.0"})  # noqa: S104
    refused("certificate_missing", "tls.key", None, {}, {**PRODUCTION, "tls.key": None})
    refused("certificate_missing", "tls.certificate", None, {}, {**PRODUCTION, "tls.certificate": None})
    refused("token_keys_missing", "auth.keys", None, {}, {**PRODUCTION, "auth.signing_key": None})
    refused("certificate_missing", "tls.key", None, {}, {**DEVELOPMENT, "tls.certificate": "c.pem"})


def test_settings_that_contradict_each_other_are_refused() -> None:
    lifetimes = {**DEVELOPMENT, "auth.max_lifetime_s": 60}
    refused("out_of_range", "auth.minted_lifetime_s", None, {}, lifetimes)
    refused("out_of_range", "limits.people", None, {}, {**DEVELOPMENT, "limits.people": 5})
    refused("unknown_key", "auth.issuers.b", None, {}, {**DEVELOPMENT, "auth.issuers": "b=x"})
    refused("out_of_range", "auth.issuer", None, {}, {**DEVELOPMENT, "auth.audience": ""})


def test_a_store_is_shared_on_postgresql_only_and_tells_nobody() -> None:
    url = "postgresql+asyncpg://user@host/spaces"
    shared = {**DEVELOPMENT, "store.shared": True}
    refused("store_shared", "store.shared", None, {}, shared)
    hooks = {
        "store.url": url,
        "webhooks.urls": "https://app.example/hook",
        "webhooks.secret": "whsec_" + "c2VjcmV0" * 6,
    }
    refused("store_shared", "webhooks.urls", None, {}, {**shared, **hooks})
    assert load_config(None, {}, {**shared, "store.url": url}).store.shared


def test_a_tree_made_by_hand_is_checked_as_well() -> None:
    with pytest.raises(ConfigError, match=r"listen\.port: -1"):
        ListenConfig(port=-1)
    with pytest.raises(ConfigError, match="a whole number"):
        LimitsConfig(stage="13")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        ServerConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        ListenConfig().port = 1  # type: ignore[misc]


def test_secrets_are_not_shown() -> None:
    config = ServerConfig(
        auth=AuthConfig(development=True), store=StoreConfig(url="postgresql+asyncpg://u:s3cret@db/x")
    )
    assert "s3cret" not in repr(config)
    assert config.store.database_url.endswith("s3cret@db/x")


def test_every_setting_is_a_plain_value() -> None:
    assert len(SETTINGS) > 30
    assert all(key.count(".") == 1 and key == key.lower() for key in SETTINGS)


def test_the_data_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    config = load_config(None, {}, {**DEVELOPMENT, "store.data_dir": str(tmp_path / "a" / "b")})
    assert prepare_data_dir(config).stat().st_mode & 0o777 == 0o700
    assert os.listdir(prepare_data_dir(config)) == []  # noqa: PTH208


def test_a_data_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = load_config(None, {}, {**DEVELOPMENT, "store.data_dir": str(tmp_path / "file" / "x")})
    with pytest.raises(ConfigError) as caught:
        prepare_data_dir(config)
    assert caught.value.code == "data_dir_unusable"


def test_public_keys_are_read_or_refused(tmp_path: Path) -> None:
    private = new_private_key()
    (tmp_path / "good.pem").write_bytes(public_key_pem(private.public_key()))
    (tmp_path / "private.pem").write_bytes(private_key_pem(private))

    def keys(name: str) -> dict[str, object]:
        tls = TlsConfig(Path("c"), Path("k"))
        return dict(read_public_keys(ServerConfig(tls=tls, auth=AuthConfig(keys={"k1": tmp_path / name}))))

    assert list(keys("good.pem")) == ["k1"]
    for name in ("private.pem", "missing.pem"):
        with pytest.raises(ConfigError) as caught:
            keys(name)
        assert (caught.value.code, caught.value.key) == ("key_unreadable", "auth.keys.k1")


def key_config(tmp_path: Path, **listen: Any) -> ServerConfig:
    return ServerConfig(
        listen=ListenConfig(**listen),
        store=StoreConfig(data_dir=tmp_path),
        auth=AuthConfig(development=True),
    )


def test_the_key_of_the_gate_is_made_once_and_outlives_the_process(tmp_path: Path) -> None:
    made = read_retry_key(key_config(tmp_path))
    assert read_retry_key(key_config(tmp_path)) == made
    assert (tmp_path / "retry-key").stat().st_mode & 0o777 == 0o600
    assert len(made) >= 32


def test_the_key_of_the_gate_may_be_given_or_named(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("f" * 32 + "\n")
    assert read_retry_key(key_config(tmp_path, retry_key_file=tmp_path / "shared")) == b"f" * 32
    config = key_config(tmp_path, retry_key="k" * 32)
    assert read_retry_key(config) == b"k" * 32
    assert "kkkk" not in repr(config)
    assert not (tmp_path / "retry-key").exists()


@pytest.mark.parametrize(
    "listen", [{"retry_key": "s" * 31}, {"retry_key_file": "short"}, {"retry_key_file": "none"}]
)
def test_a_key_of_the_gate_that_is_too_short_or_not_there(tmp_path: Path, listen: dict[str, Any]) -> None:
    (tmp_path / "short").write_text("s" * 31)
    if "retry_key_file" in listen:
        listen = {"retry_key_file": tmp_path / listen["retry_key_file"]}
    with pytest.raises(ConfigError) as refused:
        read_retry_key(key_config(tmp_path, **listen))
    assert refused.value.code == "retry_key"
    assert "sss" not in str(refused.value)


def test_two_keys_of_the_gate_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 keys are named"):
        ListenConfig(retry_key="k" * 32, retry_key_file=tmp_path / "key")
