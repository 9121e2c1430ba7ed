"""Company: the crowds of one load as one. Commands are shared out, figures put together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from signaling.load.crowd import Crowd
from signaling.load.errors import LoadError
from signaling.load.far import FarCrowd
from signaling.load.figures import Histogram
from signaling.load.measures import WORST
from signaling.load.near import Hands, NearCrowd
from signaling.load.plan import LoadPlan
from signaling.load.speech import Track
from signaling.load.worker import Tokens, setting_of, token_from

__all__ = ["Company", "put_together"]

_SUMMED = ("spoken", "cpu_s", "rss_bytes")
_HIGHEST = ("elapsed_us", "talk_late_us", "joining_us")
_LISTED = ("joins_us", "handshakes_us")
_DISTRIBUTIONS = ("gaps", "jitters", "turns")


class Company:
    """All processes of a load. Made by `gather`; the first one has the host and the speakers."""

    def __init__(self, plan: LoadPlan, hands: Sequence[Hands]) -> None:
        self.plan = plan
        self._hands = hands
        self._joined = 0

    @classmethod
    async def gather(cls, plan: LoadPlan, track: Track | None, tokens: Tokens) -> Self:
        """One process: this one. More: as many beside it. LoadError."""
        shares = [plan.share(worker) for worker in range(plan.workers)]
        if len(shares) == 1:
            token = token_from(tokens, plan.first_number)
            return cls(plan, [NearCrowd(Crowd(shares[0], track, token))])
        given: list[Tokens] = []
        at = 0
        for share in shares:
            n = share.people
            given.append(None if tokens is None else tokens[at : at + n])
            at += n
        starts = [
            FarCrowd.start(setting_of(share, track if share.speakers else None, part))
            for share, part in zip(shares, given, strict=True)
        ]
        outcomes = await asyncio.gather(*starts, return_exceptions=True)
        made = [each for each in outcomes if isinstance(each, FarCrowd)]
        for each in outcomes:
            if isinstance(each, BaseException):
                await asyncio.gather(*(far.quit() for far in made))
                raise each
        return cls(plan, made)

    async def open(self) -> str:
        """A host opens the Space; returns its id in hex."""
        return await self._hands[0].open()

    async def stage(self, space: str, n: int) -> None:
        """So many speakers come on stage."""
        if n > 0:
            await self._hands[0].stage(space, n)

    async def join(self, space: str, n: int, rate: float) -> None:
        """Listeners join, shared out evenly among the processes; `rate` is of all together."""
        if self._joined + n > self.plan.listeners:
            raise LoadError(
                "bad_value",
                f"{self._joined} listeners have come and {n} more are wanted; {self.plan.listeners} is the "
                "most: give --listeners a higher number",
            )
        turns = len(self._hands)
        # The k-th listener of all is in process k modulo their number.
        parts = [
            len(range(self._joined + (worker - self._joined) % turns, self._joined + n, turns))
            for worker in range(turns)
        ]
        self._joined += n
        await asyncio.gather(
            *(
                hands.join(space, part, rate / turns)
                for hands, part in zip(self._hands, parts, strict=True)
                if part
            )
        )

    async def say(self, talking: bool) -> None:
        """All on stage speak, or are silent."""
        await self._hands[0].say(talking)

    async def mark(self) -> None:
        """Begin a new measurement."""
        await asyncio.gather(*(hands.mark() for hands in self._hands))

    async def totals(self) -> dict[str, float]:
        """The figures to be shown while it runs, of all together."""
        found: Counter[str] = Counter()
        for part in await asyncio.gather(*(hands.totals() for hands in self._hands)):
            for name, value in part.items():
                found[name] += value  # type: ignore[assignment]  # a counter counts anything that adds up
        return dict(found)

    async def stats(self) -> dict[str, Any]:
        """All figures since the mark, of all together."""
        return put_together(await asyncio.gather(*(hands.stats() for hands in self._hands)))

    async def addresses(self) -> list[str]:
        """Of every person."""
        found = await asyncio.gather(*(hands.addresses() for hands in self._hands))
        return [address for part in found for address in part]

    async def quit(self) -> None:
        """The listeners' processes end first, that with the host last. Never raises."""
        await asyncio.gather(*(hands.quit() for hands in self._hands[1:]))
        await self._hands[0].quit()


def put_together(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The statistics of several processes, or of several phases, as one. See `Measures.stats`."""
    found: dict[str, Any] = {}
    for name in _SUMMED:
        found[name] = sum(part[name] for part in parts)
    for name in _HIGHEST:
        found[name] = max(part[name] for part in parts)
    for name in _LISTED:
        found[name] = [value for part in parts for value in part[name]]
    for name in _DISTRIBUTIONS:
        whole = Histogram.from_json(parts[0][name])
        for part in parts[1:]:
            whole.add(Histogram.from_json(part[name]))
        found[name] = whole.to_json()
    for name in ("delivery", "swarm", "failures"):
        summed: Counter[str] = Counter()
        for part in parts:
            summed.update(part[name])
        found[name] = dict(summed)
    found["delivery"]["longest_gap_us"] = max(part["delivery"]["longest_gap_us"] for part in parts)
    found["examples"] = {key: text for part in reversed(parts) for key, text in part["examples"].items()}
    rows = [row for part in parts for row in part["worst"]]
    rows.sort(key=lambda row: (row["received"] - row["expected"], -row["longest_gap_us"]))
    found["worst"] = rows[:WORST]
    return found
