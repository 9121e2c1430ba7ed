"""What a client does with the certificate and the protocol that a server shows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from signaling.quic.certificate import Trust, development_certificate
from signaling.quic.endpoint import connect
from signaling.quic.errors import ConnectError
from tests.signaling.quic_pair import SERVER, House, Recorder, certificate
from tests.virtual.loop import run


def tell(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(story(), limit_s=600)


def test_pin_mismatch() -> None:
    async def story() -> None:
        async with House() as house:
            with pytest.raises(ConnectError, match="in between") as caught:
                await house.connect(trust=Trust(pin="sha256:" + "ab" * 32))
            assert caught.value.code == "pin_mismatch"
            assert house.clients == []  # no handler, and not a byte was sent to it
            await asyncio.sleep(1)
            assert house.sessions == [] or house.sessions[0].closed is not None

    tell(story)


def test_authority_file_instead_of_a_pin(tmp_path: Path) -> None:
    cafile = tmp_path / "ca.pem"
    cafile.write_bytes(certificate().certificate.public_bytes(serialization.Encoding.PEM))
    other, _ = development_certificate(tmp_path / "other", datetime.now(UTC), names=(SERVER[0],))
    other_file = tmp_path / "other" / "development-certificate.pem"
    assert other.fingerprint != certificate().fingerprint

    async def story() -> None:
        async with House() as house:
            await house.connect(trust=Trust(cafile=cafile))
            with pytest.raises(ConnectError) as caught:
                await house.connect(trust=Trust(cafile=other_file))
            assert caught.value.code == "certificate_not_trusted"
            assert "fingerprint" in str(caught.value)
            with pytest.raises(ConnectError) as caught:
                await house.connect(trust=Trust())
            assert caught.value.code == "certificate_not_trusted"

    tell(story)


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize(
    ("made", "code"),
    [(timedelta(days=-200), "certificate_expired"), (timedelta(days=2), "certificate_not_yet_valid")],
)
def test_certificate_out_of_date(pinned: bool, made: timedelta, code: str, tmp_path: Path) -> None:
    shown, _ = development_certificate(tmp_path, datetime.now(UTC) + made, names=(SERVER[0],))
    trust = Trust(pin=shown.fingerprint) if pinned else Trust(cafile=tmp_path / "development-certificate.pem")

    async def story() -> None:
        async with House(shown=shown) as house:
            with pytest.raises(ConnectError) as caught:
                await house.connect(trust=trust)
            assert caught.value.code == code

    tell(story)


def test_another_protocol_is_a_clear_error() -> None:
    async def story() -> None:
        async with House() as house:
            with pytest.raises(ConnectError) as caught:
                await connect(
                    *SERVER,
                    Recorder,
                    trust=Trust(pin=certificate().fingerprint),
                    alpn="chess/1",
                    clock=house.clock,
                    open_transport=house.network.opener("10.0.0.2"),
                )
            assert caught.value.code == "protocol_mismatch"

    tell(story)
