"""Two servers on one PostgreSQL: one owns it and runs the Spaces, the other one sells their tickets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signaling.client import BoughtState, Client, RequestRefused, connect
from signaling.config import AuthConfig, ListenConfig, ServerConfig, StoreConfig
from signaling.protocol.messages import Reserved
from signaling.server import Server
from signaling.store import spaces
from tests import postgres

pytestmark = [pytest.mark.scenario, pytest.mark.postgres]


def config(folder: Path, url: str, *, shared: bool) -> ServerConfig:
    return ServerConfig(
        listen=ListenConfig(host="127.0.0.1", port=0),
        auth=AuthConfig(development=True),
        store=StoreConfig(data_dir=folder, url=url, shared=shared),
    )


async def come(server: Server, name: str) -> Client:
    host, port = server.address[:2]
    return await connect(f"{host}:{port}", name=name, fingerprint=server.fingerprint, request_timeout_s=60)


async def story(owner: Server, seller: Server) -> None:
    async with await come(owner, "Hana") as hana:
        await hana.open("On air")
        await seller.start()
        async with owner.store.transaction() as connection:
            assert await spaces.count_live(connection) == 1, "who starts beside the owner ends nothing"
        async with await come(seller, "Lio") as lio:
            await sell_there(hana, lio)


async def sell_there(hana: Client, lio: Client) -> None:
    """Hana is at the owner, Lio at the other."""
    space = (await hana.schedule("Tea", datetime.now(UTC) + timedelta(hours=2))).space
    await hana.sell(space, 1_250, 1, timedelta(hours=1))
    held = await lio.reserve(space)
    assert isinstance(held, Reserved)
    assert (await lio.buy(held, "card_ok")).state == BoughtState.SOLD
    (sold,) = await hana.sold_tickets(space)
    assert (sold.user, sold.paid_minor) == (lio.user, 1_250)
    with pytest.raises(RequestRefused, match="runs 0 Spaces") as refused:
        await lio.open("Mine")
    assert refused.value.code == "not_permitted"


def test_one_runs_the_spaces_and_the_other_sells(tmp_path: Path) -> None:
    url = postgres.database(tmp_path)

    async def told() -> None:
        owner = Server(config(tmp_path, url, shared=False))
        seller = Server(config(tmp_path, url, shared=True))
        await owner.start()
        try:
            await story(owner, seller)
        finally:
            await seller.stop()
            await owner.stop()

    try:
        asyncio.run(told())
    finally:
        postgres.drop(url)
