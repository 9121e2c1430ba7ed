"""Kill -9 at random points of sales, refunds and payouts: `python -m bench.crash_money --kills N --seed S`.

A child runs the real till on a file of SQLite, with a bank whose books outlive it. It is killed at moments
that the seed chooses: after so many answers and so many microseconds, or so soon after its start that it is
still bringing its books into order. The next child goes on in the same file; when its completer is through,
store and bank are compared: every acknowledged sale is there, nobody was charged twice, the trial balance is
0, and every intent has its outcome. The exit status is 1 where that is not so.

The moments are the seed's, what is under way at them is the machine's: a run is repeated in its kind.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.children import BenchError
from bench.conditions import conditions
from bench.crash_audit import Found, audit
from bench.crash_bank import BankBook
from bench.crash_life import NUMBERS, Life, Request, be, make_empty, rehearse

# A new file after so many: the books of a world are compared whole after each kill.
KILLS_A_WORLD = 50
AT_START = 0.2
START_S, BETWEEN_S = 0.12, 0.03
ANSWERS_MAX = 4
# What takes longer will not come any more.
PATIENCE_S = 60.0
# What was answered last is asked again too, for the answer may have been lost on its way.
AGAIN = 2


@dataclass(frozen=True, slots=True)
class Moment:
    """When a child is killed: so long after its next request when so many that are new were answered; None:
    so long after its birth."""

    answers: int | None
    after_s: float


@dataclass
class World:
    """One file, one bank, and what was said about them."""

    folder: Path
    acknowledged: dict[str, str] = field(default_factory=dict)
    tickets: list[tuple[str, str]] = field(default_factory=list)
    open: dict[int, Request] = field(default_factory=dict)
    answered: list[Request] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    hit: Counter[str] = field(default_factory=Counter)
    lives: int = 0

    def life(self, seed: str) -> Life:
        """What the next child is born with."""
        number, self.lives = self.lives, self.lives + 1
        again = (*self.open.values(), *self.answered[-AGAIN:])
        tickets = tuple(self.tickets[-40:])
        return Life(number, seed, self.folder, again, tickets, tuple(self.book.questions))

    @property
    def book(self) -> BankBook:
        """What the bank has written down by now."""
        return BankBook(self.folder / "bank.jsonl")

    def hear(self, line: dict[str, Any]) -> None:
        """One line of a child."""
        if "failed" in line:
            raise BenchError(f"a child failed by itself:\n{line['failed']}")
        if "asked" in line:
            request = Request(**line["asked"])
            self.open[request.number] = request
        if "answered" in line:
            request = self.open.pop(line["answered"])
            self.answered.append(request)
            if "id" in line and line["id"] not in self.acknowledged:
                self.acknowledged[line["id"]] = line["answer"]
                if line["answer"] == "sold":
                    self.tickets.append((line["host"], line["id"]))
        if "recovered" in line:
            self._compare(line["recovered"])

    def _compare(self, recovered: dict[str, int]) -> None:
        now = audit(self.folder / "spaces.db", self.book, self.acknowledged)
        now.unresolved = max(now.unresolved, recovered["left"])
        now.trial_balance += recovered["wrong_minor"]
        if not now.is_right:
            now.words.append(f"after kill {self.lives - 1} of this world: {recovered}")
        self.found.worst(now)


class Child:
    """A forked child: the imports are done, so it is selling within milliseconds."""

    def __init__(self, life: Life) -> None:
        self._lines, out = os.pipe()
        word, self._word = os.pipe()
        self._rest = b""
        self.is_over = False
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._lines)
                os.close(self._word)
                be(life, out, word)
            finally:
                os._exit(0)
        os.close(out)
        os.close(word)

    def hear(self, until_s: float) -> list[dict[str, Any]]:
        """The lines that came by then, at least one; none where the time is over."""
        while not self.is_over:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([self._lines], [], [], left_s)[0]:
                return []
            fresh = os.read(self._lines, 1 << 16)
            self.is_over = not fresh
            *lines, self._rest = (self._rest + fresh).split(b"\n")
            if lines:
                return [json.loads(line) for line in lines]
        return []

    def tell(self, word: bytes) -> None:
        """`g`: go on, anything else: leave."""
        os.write(self._word, word)

    def kill(self) -> list[dict[str, Any]]:
        """Kill -9; returns what it had said before."""
        os.kill(self.pid, signal.SIGKILL)
        lines = []
        while not self.is_over:
            lines += self.hear(time.monotonic() + PATIENCE_S)
        self.end()
        return lines

    def end(self) -> None:
        """Nothing stays of it."""
        os.waitpid(self.pid, 0)
        os.close(self._lines)
        os.close(self._word)


def moments(kills: int, seed: int) -> list[Moment]:
    """When to kill: the same for the same seed."""
    chance = random.Random(f"moments of {seed}")
    return [
        Moment(None, chance.uniform(0, START_S))
        if chance.random() < AT_START
        else Moment(chance.randint(0, ANSWERS_MAX), chance.uniform(0, BETWEEN_S))
        for _ in range(kills)
    ]


def live_and_die(world: World, seed: str, moment: Moment | None) -> None:
    """One child, until the moment; None: until the books were compared, and it is let go."""
    life = world.life(seed)
    child = Child(life)
    end_s = time.monotonic() + PATIENCE_S
    if moment and moment.answers is None:
        end_s = time.monotonic() + moment.after_s
    is_set = moment is None or moment.answers is None
    answers = 0
    while lines := child.hear(end_s):
        for line in lines:
            world.hear(line)
            answers += "answered" in line and line["answered"] // NUMBERS == life.number
            is_new = "asked" in line and line["asked"]["number"] // NUMBERS == life.number
            if moment and is_new and not is_set and answers >= (moment.answers or 0):
                end_s, is_set = time.monotonic() + moment.after_s, True
            if "recovered" in line:
                child.tell(b"g" if moment else b"l")
    if moment is None:
        child.end()
        return
    if not is_set or child.is_over:
        raise BenchError(f"a child gave {answers} answers in {PATIENCE_S:.0f} s, and then none; look into it")
    for line in child.kill():
        world.hear(line)
    world.hit.update(each.verb for each in world.open.values())


def _new_world(folder: Path, name: str) -> Path:
    """A folder with an empty store of today's tables, copied, for they take long to make."""
    template, place = folder / "template.db", folder / name
    if not template.exists():
        make_empty(template)
    place.mkdir()
    shutil.copy(template, place / "spaces.db")
    return place


def run(folder: Path, kills: int, seed: int) -> tuple[Counter[str], Counter[str], Found]:
    """Kill so often; returns how much was acknowledged and what the kills hit, by kind, and what is wrong."""
    rehearse(Life(0, "rehearsal", _new_world(folder, "rehearsal"), (), (), ()))
    gc.freeze()  # so that children do not copy what they only look at
    acknowledged, hit, found = Counter[str](), Counter[str](), Found()
    times = moments(kills, seed)
    for at in range(0, kills, KILLS_A_WORLD):
        world = World(_new_world(folder, f"world{at}"))
        for moment in times[at : at + KILLS_A_WORLD]:
            live_and_die(world, f"{seed} {at}", moment)
        live_and_die(world, f"{seed} {at}", None)
        acknowledged.update(world.acknowledged.values())
        hit += world.hit
        found.lost += world.found.lost
        found.charged_twice += world.found.charged_twice
        found.trial_balance += world.found.trial_balance
        found.unresolved += world.found.unresolved
        found.words += world.found.words
        shutil.rmtree(world.folder)
    return acknowledged, hit, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, compare and print; returns the exit status."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object and nothing else")
    parser.add_argument("--folder", type=Path, help="where the files are made, for their disk")
    given = parser.parse_args(arguments)
    if given.kills < 1:
        parser.error(f"--kills is {given.kills} and 1 is the least")
    with tempfile.TemporaryDirectory(prefix="spaces-crash-", dir=given.folder) as folder:
        acknowledged, hit, found = run(Path(folder), given.kills, given.seed)
    row = {
        "kills": given.kills,
        "acknowledged": acknowledged.total(),
        "lost": found.lost,
        "charged_twice": found.charged_twice,
        "trial_balance": found.trial_balance,
        "unresolved": found.unresolved,
        "seed": given.seed,
    }
    if given.json:
        print(json.dumps(row))
    else:
        print("\n".join(f"{name}: {value}" for name, value in {**row, **conditions()}.items()))
    for name, counts in (("acknowledged", acknowledged), ("under way when killed", hit)):
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        print(f"{name}: {shown}", file=sys.stderr)
    for word in found.words[:20]:
        print(word, file=sys.stderr)
    return 0 if found.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
