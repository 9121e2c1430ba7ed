"""Messages to every handler, in memory: `python -m tests.adversary.handlers --messages 1000000`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from signaling.protocol import ProtocolError, encode, frame
from signaling.protocol import messages as wire
from signaling.protocol.messages import REQUEST_TYPES
from signaling.protocol.wire import decode_request
from signaling.store import Store
from tests.adversary.messages import Speech
from tests.adversary.scene import STANDINGS, Scene, Stage, request
from tests.signaling.server_world import Caller
from tests.virtual.loop import run

__all__ = ["Coverage", "pelt"]

_A_ROUND = 90
_FAULTY = 0.35
_ROUND_US = 1_500_000
_HOUR_MS = 3_600_000
_SALE_EVERY = 20  # rounds
_PATIENCE = 4  # rounds until an answer must have come


@dataclass
class Coverage:
    """What was said, how often each verb was answered to each standing, and what must not be."""

    messages: int = 0
    faulty: int = 0
    scenes: int = 0
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    granted: set[str] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    caught: int = 0

    @property
    def escaped(self) -> int:
        """Exceptions that left a handler, caught by a boundary or not, and requests without an answer."""
        return len(self.errors) + self.caught + len(self.unanswered)

    @property
    def missed(self) -> list[str]:
        """Verbs that somebody of a standing never got an answer to."""
        pairs = ((kind.__name__, standing) for kind in REQUEST_TYPES for standing in STANDINGS)
        return [f"{verb} as {standing}" for verb, standing in pairs if not self.answered[verb, standing]]

    def summary(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "messages": self.messages,
            "faulty": self.faulty,
            "scenes": self.scenes,
            "answers": sum(self.answered.values()),
            "verbs": len({verb for verb, _ in self.answered}),
            "pairs": len(self.answered),
            "never_granted": sorted({kind.__name__ for kind in REQUEST_TYPES} - self.granted),
            "missed": self.missed[:20],
            "unanswered": self.unanswered[:10],
            "errors": self.errors[:10],
            "caught": self.caught,
            "refused": dict(self.refused.most_common()),
        }


class _Pelting:
    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.scene = Scene(stage)
        self.coverage = Coverage()
        self.dice = random.Random(f"{seed} messages")
        self.speech = Speech(self.dice, lambda: stage.around.wall_us() // 1_000)
        self._due: dict[tuple[Caller, int], tuple[str, str, int]] = {}
        self.rounds = 0  # so far

    async def sale(self) -> None:
        """Somebody plans a Space and sells tickets, and others buy: so there are ids that mean something."""
        await self.scene.restore()
        cast, starts_ms = self.scene.cast, self.stage.around.wall_us() // 1_000 + _HOUR_MS
        planned = await self._granted(cast["outside"], wire.Schedule, "Tea for money", starts_ms)
        if planned is None or not await self._granted(
            cast["outside"], wire.Sell, planned.planned.space, 1_250, 10, _HOUR_MS // 2
        ):
            return
        for buyer in ("listener", "speaker", "host"):
            hold = await self._granted(
                cast[buyer], wire.Reserve, planned.planned.space, self.dice.randbytes(16)
            )
            if isinstance(hold, wire.Reserved) and buyer != "host":
                await self._granted(cast[buyer], wire.Buy, hold.hold, "card_ok", self.dice.randbytes(16))

    async def _granted(self, caller: Caller, kind: type, *fields: Any) -> Any:
        answer = await request(caller, kind, *fields)
        if answer is None or isinstance(answer, wire.Error):
            return None
        self.speech.learn(answer)
        return answer

    async def drill(self) -> None:
        """Every verb once by somebody of every standing, without a fault."""
        for kind in REQUEST_TYPES:
            await self.round([(standing, kind) for standing in STANDINGS])

    async def mingle(self, messages: int) -> None:
        """Anybody says anything."""
        await self.round([(self.dice.choice(STANDINGS), None) for _ in range(messages)])

    async def round(self, said: list[tuple[str, type[Any] | None]]) -> None:
        """These say these, where None is anything, also with faults; then all answers are looked at."""
        await self.scene.restore()
        self.rounds += 1
        cast = list(self.scene.cast.values())
        for caller in cast:
            self._hear(caller)
            if caller.session.member is not None:
                self.speech.users.append(caller.session.member.user)
        for standing, kind in said:
            self._say(self.scene.cast[standing], kind)
        await self.stage.settle()
        self.stage.now_us += _ROUND_US
        self.stage.tick()
        await self.stage.settle()
        for caller in cast:
            self._hear(caller)
        self._ask_after()
        self.stage.forget()

    def _say(self, caller: Caller, kind: type[Any] | None) -> None:
        standing = self.scene.standing(caller)
        if not standing:
            return
        caller._ids += 1
        number = caller._ids
        body = encode(self.speech.valid(number, kind))[2:]
        self.coverage.messages += 1
        if kind is None and self.dice.random() < _FAULTY:
            self.coverage.faulty += 1
            body = self.speech.faulty(body)
        asked = _understood(body)
        if asked is not None:
            self._due[caller, asked.id] = (type(asked).__name__, standing, self.rounds)
        try:
            caller.session.on_control(frame(body), self.stage.now_us)
        except Exception as error:  # whatever it is, it is what is looked for
            self.coverage.errors.append(f"{body.hex()} as {standing}: {error!r}")

    def _hear(self, caller: Caller) -> None:
        for message in caller.peer.take():
            if not isinstance(message, wire.Reply):
                continue
            due = self._due.pop((caller, message.id), None)
            if isinstance(message, wire.Error):
                self.coverage.refused[
                    message.code.name if hasattr(message.code, "name") else str(message.code)
                ] += 1
            else:
                self.speech.learn(message)
            if due is not None:
                verb, standing, _ = due
                self.coverage.answered[verb, standing] += 1
                if not isinstance(message, wire.Error):
                    self.coverage.granted.add(verb)

    def _ask_after(self) -> None:
        for (caller, number), (verb, standing, since) in list(self._due.items()):
            if caller.session.is_closed:
                del self._due[caller, number]
            elif self.rounds - since >= _PATIENCE:
                del self._due[caller, number]
                self.coverage.unanswered.append(f"{verb} {number} as {standing}, in round {since}")


def _understood(body: bytes) -> Any:
    try:
        return decode_request(body)
    except ProtocolError:
        return None


def pelt(messages: int, seed: int) -> Coverage:
    """Say so many messages, the drill at least; the same seed says the same."""
    store = Store("sqlite+aiosqlite://")
    found: list[Coverage] = []

    async def whole() -> None:
        stage = Stage(store, random.Random(f"{seed} ids"))
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: stage.escaped.append(
                context.get("exception") or RuntimeError(context["message"])
            )
        )
        await store.open()
        await stage.parts.planning.restore()
        await stage.parts.box_office.open(is_shared=False)
        pelting = _Pelting(stage, seed)
        coverage = pelting.coverage
        found.append(coverage)
        try:
            await pelting.sale()
            await pelting.drill()
            while coverage.messages < messages:
                if pelting.rounds % _SALE_EVERY == 0:
                    await pelting.sale()
                await pelting.mingle(min(_A_ROUND, messages - coverage.messages))
        finally:
            coverage.scenes = pelting.scene.begun
            coverage.errors += [repr(error) for error in stage.escaped]
            coverage.caught = stage.counts.errors_caught + stage.counts.store_failures
            await stage.close()

    run(whole(), external_busy=lambda: store.in_progress > 0, limit_s=float("inf"))
    return found[0]


def main() -> int:
    """Say what was covered; 1 if anything escaped."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversary.handlers", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    began_s = time.process_time()
    coverage = pelt(chosen.messages, chosen.seed)
    told = coverage.summary() | {"seed": chosen.seed, "cpu_s": round(time.process_time() - began_s, 1)}
    print(json.dumps(told, indent=2))
    return 1 if coverage.escaped or coverage.missed else 0


if __name__ == "__main__":
    sys.exit(main())
