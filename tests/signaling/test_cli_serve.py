"""`spaces serve` says who may host before anybody comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from signaling.cli.serve import who_may_host
from signaling.config import AuthConfig, HostingConfig, ServerConfig, TlsConfig

PRODUCTION = {
    "auth": AuthConfig(signing_key=Path("key.pem")),
    "tls": TlsConfig(certificate=Path("c.pem"), key=Path("k.pem")),
}


@pytest.mark.parametrize(
    ("hosting", "said"),
    [
        (HostingConfig(), "who has 600 followers."),
        (HostingConfig(min_followers=0), "everybody."),
        (
            HostingConfig(min_followers=1_000, min_account_age_s=86_400, allow=("ann", "bo")),
            "who has 1,000 followers, an account for 86,400 s, is one of 2 named.",
        ),
    ],
)
def test_it_names_every_gate(hosting: HostingConfig, said: str) -> None:
    assert who_may_host(ServerConfig(hosting=hosting, **PRODUCTION)) == said  # type: ignore[arg-type]


def test_in_development_mode_everybody_may_and_it_says_why() -> None:
    words = who_may_host(ServerConfig(auth=AuthConfig(development=True)))
    assert words.startswith("everybody, as this is development mode")
    assert "hosting.min_followers" in words
    hosting = HostingConfig(min_followers=3)
    assert who_may_host(ServerConfig(auth=AuthConfig(development=True), hosting=hosting)) == (
        "who has 3 followers."
    )
