"""The bank of bench.crash_money: its books outlive whoever is killed, it is slow, and at times it fails."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from signaling.pay import (
    Charge,
    ChargeResult,
    ChargeState,
    MoveState,
    ProviderUnknown,
    RefundOrder,
    RefundResult,
    Transfer,
    TransferResult,
)
from signaling.pay.sandbox import SandboxProvider
from signaling.pay.sandbox_book import Entry

# A call is this long on its way, there and back, and so many of them are not answered.
WAY_S = 0.004
FAILS_BEFORE, FAILS_AFTER = 0.03, 0.07

_T = TypeVar("_T")


class Bank(SandboxProvider):
    """The sandbox as if it moved money: it can be killed around before, within and after each call.

    `is_calm`: every call is answered, as long as the books are brought into order after a kill.
    """

    name = "bank"
    is_sandbox = False

    def __init__(self, file: Path, chance: random.Random, wall_s: Callable[[], float]) -> None:
        super().__init__(file=file, wall_s=wall_s)
        self.is_calm = True
        self._chance = chance

    async def _call(self, call: Awaitable[_T]) -> _T:
        fate = 1.0 if self.is_calm else self._chance.random()
        await asyncio.sleep(self._chance.uniform(0, WAY_S))
        if fate < FAILS_BEFORE:
            asyncio.ensure_future(call).cancel()
            raise ProviderUnknown("it did not arrive")
        result = await call
        await asyncio.sleep(self._chance.uniform(0, WAY_S))
        if fate < FAILS_BEFORE + FAILS_AFTER:
            raise ProviderUnknown("it was carried out, and the answer is 500")
        return result

    async def charge(self, charge: Charge) -> ChargeResult:
        return await self._call(super().charge(charge))

    async def find_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult | None:
        return await self._call(super().find_charge(charge_id, ref=ref, since_s=since_s))

    async def cancel_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult:
        return await self._call(super().cancel_charge(charge_id, ref=ref, since_s=since_s))

    async def refund(self, refund: RefundOrder) -> RefundResult:
        return await self._call(super().refund(refund))

    async def find_refund(
        self, refund_id: bytes, /, *, charge_ref: str = "", since_s: float = 0.0
    ) -> RefundResult | None:
        return await self._call(super().find_refund(refund_id, charge_ref=charge_ref, since_s=since_s))

    async def transfer(self, transfer: Transfer) -> TransferResult:
        return await self._call(super().transfer(transfer))

    async def find_transfer(self, transfer_id: bytes, /, *, since_s: float = 0.0) -> TransferResult | None:
        return await self._call(super().find_transfer(transfer_id, since_s=since_s))


class BankBook:
    """What the bank has written down, read from its file by somebody else."""

    def __init__(self, file: Path) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}
        for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else ():
            entry = Entry(**json.loads(line))
            self._entries[entry.kind, entry.id] = entry

    def done(self, kind: str) -> dict[str, Entry]:
        """What was carried out of a kind, by its id in hex."""
        return {
            entry.id: entry
            for entry in self._entries.values()
            if entry.kind == kind and entry.state == MoveState.SUCCEEDED.value
        }

    @property
    def questions(self) -> list[bytes]:
        """The charges whose buyer has not answered yet what his card asks."""
        return [
            bytes.fromhex(entry.id)
            for entry in self._entries.values()
            if entry.kind == "charge" and entry.state == ChargeState.NEEDS_ACTION.value
        ]

    @property
    def refunded_minor(self) -> dict[str, int]:
        """What went back of each charge."""
        back: dict[str, int] = {}
        for entry in self.done("refund").values():
            back[entry.of] = back.get(entry.of, 0) + entry.amount_minor
        return back

    @property
    def balance_minor(self) -> int:
        """What buyers paid less what went back to them and out to hosts."""
        paid, back, out = (
            sum(entry.amount_minor for entry in self.done(kind).values())
            for kind in ("charge", "refund", "transfer")
        )
        return paid - back - out
