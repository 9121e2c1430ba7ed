"""A host with several addresses, and a name that nobody resolves: connecting keeps to its time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from signaling.quic import dialer
from signaling.quic.certificate import Trust
from signaling.quic.endpoint import connect
from signaling.quic.errors import ConnectError
from signaling.quic.limits import Address
from tests.signaling.quic_pair import SERVER, House, Recorder, certificate
from tests.virtual.loop import run

NOWHERE = ("10.0.9.9", 4433)


def test_an_address_that_swallows_packets_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with House() as house:

            async def both(host: str, *_: object) -> list[Address]:
                return [NOWHERE, SERVER]

            await house.network.open(asyncio.DatagramProtocol, local=NOWHERE)
            monkeypatch.setattr(dialer, "_resolve", both)
            monkeypatch.setattr(dialer, "open_udp", house.network.opener("10.0.0.2"))
            trust = Trust(pin=certificate().fingerprint)
            handle = await connect("spaces.example", 4433, Recorder, trust=trust, clock=house.clock)
            assert handle.peer_address == SERVER
            handle.close(0)
            await asyncio.sleep(1)

    run(story(), limit_s=600)


def test_a_name_that_nobody_resolves_is_given_up_in_time() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()

        async def never(*_: Any, **__: Any) -> Any:
            await asyncio.sleep(1_000)

        loop.getaddrinfo = never  # type: ignore[method-assign]
        began_s = loop.time()
        with pytest.raises(ConnectError, match="not resolved") as caught:
            await connect("spaces.example", 4433, Recorder, timeout_s=3, clock=loop.time)
        assert caught.value.code == "name_not_found"
        assert loop.time() - began_s == pytest.approx(3)

    run(story(), limit_s=2_000)
