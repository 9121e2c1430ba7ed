"""What the control plane costs by the number of people in one room: `python -m bench.control [--json]`.

CPU of the process, in µs: for each join, for each request to speak with its admission and stepping down
again, for each event delivered, and for each bubble pushed when a stage changes. Sessions are in memory: real
are session, desk, Space, hall, rules, encoding, mixer, graph of people and the SQLite store in a file, whose
share stands apart; a sink stands where the QUIC connection would. Time is virtual, garbage is collected as
ever.

A figure is the median of rounds, with the least and the most; a round is the mean of its acts. What an act
tells everybody is in the cost of events, not in that of the act.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench.conditions import conditions
from bench.control_world import Caller, ControlWorld, Cost, WrongAnswerError, messages_in
from signaling.protocol import messages as wire

PEOPLE = (10, 1_000, 10_000)
SPEAKERS = 5
"""On stage all the time, the host among them: what tells the stage has as many rows in every room."""
LEAST_PEOPLE = SPEAKERS + 3

_SECOND_US = 1_000_000
_BUBBLES_US = 100_000
COLUMNS = (
    *("people", "us_per_join", "us_per_join_store", "us_per_admit_cycle", "us_per_admit_cycle_store"),
    *("us_per_event", "us_per_event_delivered", "events_delivered", "us_per_bubble_push"),
)


@dataclass(slots=True)
class Counted:
    """What one round counted."""

    joins: list[Cost]
    cycles: list[Cost]
    event_us: list[float]
    events: int
    delivered: int
    bubble_us: list[float]
    bubbles: int


class Room:
    """One Space with `people` inside, some of them on stage, and followers outside who watch timelines."""

    def __init__(self, world: ControlWorld, people: int, followers: int, repeats: int) -> None:
        self._world = world
        self._people = people
        self._watching = followers
        self._repeats = repeats
        self._inside: list[Caller] = []
        self._followers: list[Caller] = []
        self._asked = 0
        self._came = 0
        self._space = b""

    @property
    def _host(self) -> Caller:
        return self._inside[0]

    async def fill(self) -> None:
        """Everybody comes."""
        world = self._world
        [host] = await world.known("host")
        opened, _ = await host.ask(wire.Open, "A room to measure", ["bench"])
        self._space = opened.space
        self._inside.append(host)
        guests = await world.known(*(f"guest-{number:05}" for number in range(1, self._people)))
        for guest in guests:
            await guest.ask(wire.Join, self._space)
            await world.advance(1_000)
        self._inside += guests
        for speaker in self._inside[1:SPEAKERS]:
            await self._up(speaker)
        self._followers = await world.known(*(f"follower-{number:03}" for number in range(self._watching)))
        for follower in self._followers:
            for user in (host.user, self._inside[-1].user):
                await follower.ask(wire.Follow, user)
            await follower.ask(wire.Timeline)
        await self._quiet()

    async def round(self) -> Counted:
        """One of each, as often as said."""
        joins = [await self._join() for _ in range(self._repeats)]
        await self._quiet()
        cycles = [await self._cycle() for _ in range(self._repeats)]
        await self._quiet()
        event_us = [await self._event(bool(number % 2)) for number in range(2 * self._repeats)]
        # Each of these was told to everybody who is inside, and to nobody else.
        known: dict[bytes, int] = {}
        told = {each.user: _stages(each, known) for each in (*self._inside, *self._followers)}
        expected = {each.user: len(event_us) for each in self._inside}
        if {user: count for user, count in told.items() if count} != expected:
            raise WrongAnswerError(f"{len(event_us)} events became {sorted(set(told.values()))} for a person")
        await self._quiet()
        bubbled = [await self._bubble() for _ in range(self._repeats)]
        return Counted(
            joins,
            cycles,
            event_us,
            len(event_us),
            sum(told.values()),
            [us for us, _ in bubbled],
            sum(count for _, count in bubbled),
        )

    # What is measured

    async def _join(self) -> Cost:
        """Somebody comes whom nobody has met before, and leaves again, so that the room stays as large."""
        self._came += 1
        [guest] = await self._world.known(f"newcomer-{self._came:05}")
        _, cost = await guest.ask(wire.Join, self._space)
        await guest.ask(wire.Leave)
        await self._world.gone(guest)
        await self._world.advance(10_000)
        return cost

    async def _cycle(self) -> Cost:
        """The next listener asks, is admitted, and steps down."""
        listeners = self._people - SPEAKERS - 1  # without the one who is followed
        listener = self._inside[SPEAKERS + self._asked % listeners]
        self._asked += 1
        return await self._up(listener) + await self._down(listener)

    async def _event(self, muted: bool) -> float:
        """The host mutes or unmutes themselves, which is one event to everybody. µs to tell all."""
        pushed_ns = self._world.meter.push_ns
        await self._host.ask(wire.Unmute if muted else wire.Mute)
        await self._world.advance(_SECOND_US)  # two pushes are a while apart
        return (self._world.meter.push_ns - pushed_ns) / 1_000

    async def _bubble(self) -> tuple[float, int]:
        """Somebody steps up whom all followers follow. µs to tell those, and how many were told."""
        world, star = self._world, self._inside[-1]
        await star.ask(wire.Ask)
        await world.advance(_SECOND_US)
        await self._host.ask(wire.Admit, star.user)
        told, pushed_ns = world.counts.bubbles_pushed, world.meter.push_ns
        began_ns = time.process_time_ns()
        await world.advance(_BUBBLES_US)
        whole_ns = time.process_time_ns() - began_ns - (world.meter.push_ns - pushed_ns)
        told = world.counts.bubbles_pushed - told
        if told != self._watching:
            raise WrongAnswerError(f"{told} bubbles were pushed to {self._watching} followers")
        await world.advance(_SECOND_US)
        await self._down(star)
        await world.advance(10 * _SECOND_US)
        return whole_ns / 1_000, told

    # Steps

    async def _up(self, listener: Caller) -> Cost:
        _, asked = await listener.ask(wire.Ask)
        await self._world.advance(_SECOND_US)
        _, admitted = await self._host.ask(wire.Admit, listener.user)
        await self._world.advance(_SECOND_US)
        return asked + admitted

    async def _down(self, speaker: Caller) -> Cost:
        _, moved = await speaker.ask(wire.Move)
        await self._world.advance(_SECOND_US)
        return moved

    async def _quiet(self) -> None:
        """Wait until everything is told, also the count of a large audience; then forget what was."""
        await self._world.advance(60 * _SECOND_US)
        for caller in (*self._inside, *self._followers):
            caller.sink.chunks.clear()


def _stages(caller: Caller, known: dict[bytes, int]) -> int:
    """How many events came that tell the stage; `known` of the bytes that others were sent too."""
    for data in caller.sink.chunks:
        if data not in known:
            known[data] = sum(isinstance(message, wire.Stage) for message in messages_in([data]))
    return sum(known[data] for data in caller.sink.chunks)


async def measured(people: int, *, followers: int, rounds: int, repeats: int) -> dict[str, Any]:
    """The row of one room."""
    with tempfile.TemporaryDirectory(prefix="spaces-bench-") as folder:
        async with ControlWorld(Path(folder), people) as world:
            room = Room(world, people, followers, repeats)
            await room.fill()
            await room.round()  # to warm up
            counted = [await room.round() for _ in range(rounds)]
    events = sum(each.events for each in counted)
    return {
        "people": people,
        **_spread("us_per_join", [_mean(cost.request_us for cost in each.joins) for each in counted]),
        **_spread("us_per_join_store", [_mean(cost.store_us for cost in each.joins) for each in counted]),
        **_spread("us_per_admit_cycle", [_mean(cost.request_us for cost in each.cycles) for each in counted]),
        **_spread(
            "us_per_admit_cycle_store", [_mean(cost.store_us for cost in each.cycles) for each in counted]
        ),
        **_spread("us_per_event", [_mean(each.event_us) for each in counted]),
        **_spread("us_per_event_delivered", [sum(each.event_us) / each.delivered for each in counted]),
        **_spread("us_per_bubble_push", [sum(each.bubble_us) / each.bubbles for each in counted]),
        "rounds": rounds,
        "joins": rounds * repeats,
        "admit_cycles": rounds * repeats,
        "events": events,
        "events_delivered": sum(each.delivered for each in counted),
        "followers": followers,
        "bubbles_pushed": sum(each.bubbles for each in counted),
    }


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    """Median under the name itself, and the least and the most."""
    return {
        name: round(statistics.median(values), 4),
        f"{name}_min": round(min(values), 4),
        f"{name}_max": round(max(values), 4),
    }


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def _conditions() -> dict[str, Any]:
    return {
        **conditions(),
        "store": f"SQLite {sqlite3.sqlite_version} in a file, as the server opens it",
        "connections": "a sink in place of each; no QUIC, no network",
    }


def _chosen(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.control", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    default = ",".join(map(str, PEOPLE))
    parser.add_argument("--people", default=default, help=f"sizes of the room, with commas ({default})")
    parser.add_argument("--followers", type=int, default=100, help="who watch their timeline (100)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds after one to warm up (7)")
    parser.add_argument("--repeats", type=int, default=25, help="how often each act is done in a round (25)")
    chosen = parser.parse_args(arguments)
    try:
        chosen.people = [int(part) for part in chosen.people.split(",")]
    except ValueError:
        parser.error(f"--people {chosen.people}: whole numbers with commas are wanted, like 10,1000")
    if min(chosen.people) < LEAST_PEOPLE:
        parser.error(f"--people {min(chosen.people)}: {LEAST_PEOPLE} is the least; {SPEAKERS} are on stage")
    for name in ("followers", "rounds", "repeats"):
        if getattr(chosen, name) < 1:
            parser.error(f"--{name} {getattr(chosen, name)}: 1 is the least")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _chosen(arguments)
    often = {"followers": chosen.followers, "rounds": chosen.rounds, "repeats": chosen.repeats}
    load_before = round(os.getloadavg()[0], 2)
    rows = [uvloop.run(measured(people, **often)) for people in chosen.people]
    found = {**_conditions(), "load_1min_before": load_before}
    if chosen.json:
        print(json.dumps({"conditions": found, "rows": rows}, indent=2))
        return 0
    print("\n".join(f"# {name}: {value}" for name, value in found.items()))
    print(f"# medians of {chosen.rounds} rounds of {chosen.repeats}; …_store is the store's share")
    print("  ".join(COLUMNS))
    for row in rows:
        print("  ".join(f"{row[name]:>{len(name)}}" for name in COLUMNS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
