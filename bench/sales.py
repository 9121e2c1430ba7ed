"""Sales per second on SQLite with synchronous=FULL: `python -m bench.sales`, by 1, 8 and 64 buyers at once.

A sale is a seat reserved and bought: three transactions, and a sandbox that answers at once. Each number of
buyers runs in a process of its own on a new file, with groups that share a commit and without.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.conditions import conditions
from signaling.pay.charging import Bought
from signaling.pay.sandbox import SandboxProvider
from signaling.pay.till import Till
from signaling.rules.money import currency
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import Terms
from signaling.store import Store, accounts, groups, ledger, offers, plans

BUYERS = (1, 8, 64)
GROUPS = (groups.GROUP_MAX, 1)
_SPACE = bytes(range(16))
_HOUR_US = 3_600_000_000
_COUNTER = "SPACES_FSYNC_COUNTER"


async def sell(path: Path, buyers: int, sales: int) -> dict[str, float]:
    """Sell so many tickets to so many who buy at once, each the next one when theirs is paid."""
    store = Store(f"sqlite+aiosqlite:///{path}")
    await store.open()
    limits = SaleLimits.for_currency(currency("USD"))
    till = Till(store, SandboxProvider(), limits, wall_us=lambda: time.time_ns() // 1_000)
    await _open_sale(store, sales)
    left = iter(range(sales))
    delays_s: list[float] = []

    async def buy_on() -> None:
        for number in left:
            began_s = time.monotonic()
            key = number.to_bytes(16, "big")
            prefix = f"10.{number >> 8}.{number & 255}.0/24"
            hold = await till.reserve(_SPACE, f"buyer{number}", prefix, key)
            if not isinstance(hold, Sale):
                raise RuntimeError(f"seat {number} of {sales} was not held: {hold}")
            bought = await till.buy(f"buyer{number}", hold.sale, "card_ok", b"buy-" + key[4:])
            if not isinstance(bought, Bought):
                raise RuntimeError(f"ticket {number} of {sales} was not sold: {bought}")
            delays_s.append(time.monotonic() - began_s)

    before = _figures()
    await asyncio.gather(*(buy_on() for _ in range(buyers)))
    passed_s, cpu_s, fsyncs = (now - then for now, then in zip(_figures(), before, strict=True))
    async with store.transaction() as connection:
        trial = await ledger.trial_balance(connection)
    if not trial.is_right or trial.entries < sales:
        raise RuntimeError(f"the books are wrong after {sales} sales: {trial}")
    await store.close()
    delays_s.sort()
    return {
        "sales_per_s": round(sales / passed_s, 1),
        "ms_median": round(1_000 * delays_s[len(delays_s) // 2], 1),
        "ms_p99": round(1_000 * delays_s[len(delays_s) * 99 // 100], 1),
        "cpu_ms_per_sale": round(1_000 * cpu_s / sales, 2),
        "fsyncs_per_sale": round(fsyncs / sales, 3),
        "fsyncs": fsyncs,
    }


async def _open_sale(store: Store, sales: int) -> None:
    now_us = time.time_ns() // 1_000
    async with store.transaction() as connection:
        for number in range(sales):
            await accounts.ensure(connection, f"buyer{number}", "Buyer", now_us)
        await plans.add(
            connection,
            space=_SPACE,
            title="Sale",
            host="host",
            host_name="Host",
            starts_us=now_us + _HOUR_US,
            now_us=now_us,
        )
        terms = Terms(1_250, sales, _HOUR_US, "USD", now_us - 1, now_us + 2 * _HOUR_US)
        await offers.put(connection, _SPACE, "host", terms)


def _figures() -> tuple[float, float, int]:
    """Seconds by the clock, of CPU, and how often this process synced a file."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    counter = ctypes.CDLL(os.environ[_COUNTER]).spaces_fsyncs
    counter.restype = ctypes.c_ulong
    return time.monotonic(), used.ru_utime + used.ru_stime, int(counter())


def measure(folder: Path, buyers: int, sales: int, group: int) -> dict[str, float]:
    """One row, by a process of its own whose syncs are counted."""
    counter = folder / "fsyncs.so"
    if not counter.exists():
        source = Path(__file__).with_name("fsyncs.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", counter, source, "-ldl"], check=True)
    path = folder / f"{buyers}-{group}.sqlite"
    words = [f"--buyers={buyers}", f"--sales={sales}", f"--group={group}", f"--child={path}"]
    preloaded = {**os.environ, "LD_PRELOAD": str(counter), _COUNTER: str(counter)}
    line = [sys.executable, "-m", "bench.sales", *words]
    done = subprocess.run(line, env=preloaded, stdout=subprocess.PIPE, text=True, check=True)
    return {"buyers": buyers, "group_max": group, "sales": sales, **json.loads(done.stdout)}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--buyers", type=int, nargs="*", default=BUYERS)
    parser.add_argument("--sales", type=int, default=300)
    parser.add_argument("--group", type=int, nargs="*", default=GROUPS)
    parser.add_argument("--folder", type=Path, help="where the files are made, for their disk")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        groups.GROUP_MAX = given.group[0]  # type: ignore[misc]  # to compare with what it was without groups
        print(json.dumps(asyncio.run(sell(given.child, given.buyers[0], given.sales))))
        return 0
    with tempfile.TemporaryDirectory(prefix="spaces-bench-", dir=given.folder) as folder:
        rows = [
            measure(Path(folder), buyers, given.sales, group)
            for group in given.group
            for buyers in given.buyers
        ]
    print(json.dumps({"conditions": conditions(), "rows": rows}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
