"""bench.crash_money: sixty kills cost nobody anything, and it finds what a careless till would lose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.crash_audit import audit
from bench.crash_bank import BankBook
from bench.crash_life import make_empty
from bench.crash_money import moments

ROOT = Path(__file__).parents[2]
SEED = 20

# In tests/bench, so that `make test` runs it; a process of its own, for it forks.
RUN = """
import sys
from bench import crash_money
{fault}
sys.exit(crash_money.main(sys.argv[1:]))
"""

CHARGES_AGAIN = """
from bench import crash_bank
from dataclasses import replace
from signaling.pay import Charge, ProviderUnknown, charging
from signaling.pay.sandbox import SandboxProvider

async def call(office, sale, method):
    order = Charge(sale.charge, sale.amount_minor, sale.currency, method, "a ticket")
    try:
        result = await office.provider.charge(order)
    except ProviderUnknown:
        again = replace(order, id=office.new_id(), method="card_ok")
        result = await SandboxProvider.charge(office.provider, again)
    await charging.settle(office, sale.charge, result)

charging._call = call
crash_bank.FAILS_AFTER = 0.4
"""

FORGETS_WHAT_WAS_BEGUN = """
from bench import crash_bank
from signaling.pay.completer import Completer

async def finish(self, now_us, limit): ...

Completer._finish = finish
crash_bank.WAY_S = 0.02
"""


def run(kills: int, fault: str = "") -> tuple[int, dict[str, int], str]:
    line = [sys.executable, "-c", RUN.format(fault=fault)]
    words = ["--kills", str(kills), "--seed", str(SEED), "--json"]
    done = subprocess.run([*line, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_sixty_kills_lose_nothing_and_charge_nobody_twice() -> None:
    status, row, words = run(60)
    repeat = f"python -m bench.crash_money --kills 60 --seed {SEED}\n{words}"
    assert list(row) == [
        *("kills", "acknowledged", "lost", "charged_twice", "trial_balance", "unresolved", "seed")
    ]
    assert (row["lost"], row["charged_twice"], row["trial_balance"], row["unresolved"]) == (0, 0, 0, 0), (
        repeat
    )
    assert status == 0, repeat
    assert row["acknowledged"] > 20, repeat
    assert "sold" in words and "refunded" in words, repeat


@pytest.mark.parametrize(
    ("column", "fault"),
    [("charged_twice", CHARGES_AGAIN), ("unresolved", FORGETS_WHAT_WAS_BEGUN)],
    ids=["charges again", "forgets"],
)
def test_a_careless_till_is_found_out(column: str, fault: str) -> None:
    status, row, words = run(8, fault)
    assert status == 1, words
    assert row[column] > 0, f"{row}\n{words}"


def test_what_was_acknowledged_and_is_not_there_is_lost(tmp_path: Path) -> None:
    make_empty(tmp_path / "spaces.db")
    words = {"0a" * 16: "sold", "0b" * 16: "refunded", "0c" * 16: "paid_out"}
    found = audit(tmp_path / "spaces.db", BankBook(tmp_path / "bank.jsonl"), words)
    assert (found.lost, found.charged_twice, found.trial_balance, found.unresolved) == (3, 0, 0, 0)
    assert not found.is_right


def test_the_seed_chooses_the_moments() -> None:
    assert moments(50, 1) == moments(50, 1) != moments(50, 2)
    assert {moment.answers is None for moment in moments(50, 1)} == {True, False}
