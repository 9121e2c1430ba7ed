"""The soak: `python -m tests.soak.soak --seconds 600 --seed 1`. Cycles of people coming, acting and going."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from signaling.client import Client, Queue, RequestRefused, Space, connect
from spacecore import Encoder
from tests.scenarios.venue import Venue, venue
from tests.signals import frames, voice
from tests.soak.drift import Sample, judge, sample
from tests.soak.relay import Relay

GUESTS = 6
CYCLE_S = 4.0
LEAST_CYCLES = 4
LOSS = 0.005
DOUBLED = 0.005
TAIL_S = 0.8  # a listener's last acknowledgement comes after 600 ms
REST_S = 20.0  # to come to rest: closed connections are kept until their peers must know


@dataclass
class Tally:
    """What was done, and what became of the packets."""

    acts: dict[str, int] = field(default_factory=dict)
    frames_heard: int = 0
    frames_concealed: int = 0
    sealed: int = 0  # native packets with audio, both ends
    acked: int = 0
    lost: int = 0
    open_ends: int = 0
    relay_lost: int = 0
    faults: list[str] = field(default_factory=list)

    def did(self, what: str) -> None:
        self.acts[what] = self.acts.get(what, 0) + 1


class Guest:
    """Somebody who comes by a relay of their own, acts at random until the time is over, and goes."""

    def __init__(self, soak: Soak, name: str, relay: Relay, dice: random.Random) -> None:
        self.soak = soak
        self.name = name
        self.relay = relay
        self.dice = dice
        self.client: Client
        self.space: Space

    async def visit(self, space_id: bytes, end_s: float) -> None:
        """Come, act, go."""
        await asyncio.sleep(self.dice.random())
        self.relay.is_lossy = True
        self.client = await connect(
            self.relay.address, token=self.soak.token(self.name), fingerprint=self.soak.fingerprint, seed=1
        )
        async with self.client:
            self.space = await self.client.join(space_id)
            await self._act_until(end_s)
            await self._go()

    async def _act_until(self, end_s: float) -> None:
        loop = asyncio.get_running_loop()
        acts: list[Callable[[], Awaitable[None]]] = [
            self._move, self._update_key, self._server_updates_key, self._change_id, self._ask_much,
            self._speak, self._come_again,
        ]  # fmt: skip
        self.dice.shuffle(acts)
        for act in acts:
            await asyncio.sleep(self.dice.uniform(0.1, 0.5))
            if loop.time() > end_s:
                return
            await act()
            self.soak.tally.did(act.__name__.strip("_"))

    async def _move(self) -> None:
        self.relay.move()
        # The server hears of it by the next packet; it answers nobody whom it has not heard there.
        self._handle.ping()

    async def _update_key(self) -> None:
        self._handle._link._quic.request_key_update()
        self._handle.ping()

    async def _server_updates_key(self) -> None:
        connection = self.soak.connection_of(self.client.user)
        connection.handle._link._quic.request_key_update()
        connection.handle.ping()

    async def _change_id(self) -> None:
        self._handle._link._quic.change_connection_id()
        self._handle.ping()

    async def _ask_much(self) -> None:
        for _ in range(8):
            await asyncio.gather(self.client.live(), self.space.people())
            await asyncio.sleep(0.2)

    async def _speak(self) -> None:
        with suppress(RequestRefused):
            await self.space.ask()
            async for _ in self.space.events():
                if self.space.seat is not None:
                    break
            await self.soak.talk(self.space, 0.6)
            await self.space.move()

    async def _come_again(self) -> None:
        space_id = self.space.id
        await self.space.leave()
        self._count_heard()
        self.space = await self.client.join(space_id)

    async def _go(self) -> None:
        """Leave; when nothing is under way any more, every packet is accounted for."""
        self.relay.is_lossy = False  # a goodbye that is lost would be waited for until the idle time-out
        await self.space.leave()
        self._count_heard()
        theirs = self.soak.connection_of(self.client.user).handle.connection
        for whose, native in (("client", self._handle.connection), ("server", theirs)):
            await self.soak.account(f"{whose} {self.name}", native)

    def _count_heard(self) -> None:
        playout = self.space.stats.playout
        assert playout is not None
        self.soak.tally.frames_heard += playout.frames
        self.soak.tally.frames_concealed += playout.concealed

    @property
    def _handle(self) -> Any:
        return self.client._live.link


class Soak:
    """A venue that opens once and sees cycle after cycle."""

    def __init__(self, place: Venue, seed: int) -> None:
        host, _, port = place.address.rpartition(":")
        self.place = place
        self.seed = seed
        self.server = (host, int(port))
        self.fingerprint = place.server.fingerprint
        self.tally = Tally()
        self.samples: list[Sample] = []
        self.relays = [
            Relay(self.server, random.Random(f"{seed} {n}"), loss=LOSS, doubled=DOUBLED)
            for n in range(GUESTS)
        ]
        encoder = Encoder(bitrate_bps=24_000, dtx=False)
        self._speech = [encoder.encode(pcm) for pcm in frames(voice(1, 2.0))]

    async def cycle(self, number: int) -> None:
        """One room from its opening to its end, and then rest."""
        end_s = asyncio.get_running_loop().time() + CYCLE_S
        guests = [
            Guest(self, f"g{n}", relay, random.Random(f"{self.seed} {number} {n}"))
            for n, relay in enumerate(self.relays)
        ]
        async with await self.place.enter("", token=self.token("host")) as host:
            space = await host.open(f"Soak {number}")
            async with asyncio.TaskGroup() as group:
                work = [group.create_task(self._host(space)), group.create_task(self._admit(space))]
                visits = [group.create_task(guest.visit(space.id, end_s)) for guest in guests]
                await asyncio.gather(*visits)
                for task in work:
                    task.cancel()
            await space.end()
        await self._rest()
        self.samples.append(sample(self._places()))

    async def talk(self, space: Space, seconds: float) -> None:
        """Speak for so long, at the pace of a microphone."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for n in range(int(seconds * 50)):
            await asyncio.sleep(max(0.0, begin_s + n / 50 - loop.time()))
            space.send_opus(self._speech[n % len(self._speech)], level=25)

    def token(self, user: str) -> str:
        """The same people come again and again: the store does not grow with them."""
        return self.place.token(user, 3_600)

    def connection_of(self, user: str) -> Any:
        """The server's end of this user's connection."""
        return next(
            each
            for each in self.place.server._connections.values()
            if each.session is not None and each.session.member and each.session.member.user == user
        )

    async def account(self, whose: str, native: Any) -> None:
        """Each native packet with audio is acknowledged or lost, once, but for a last few untold of."""
        for _ in range(int(TAIL_S / 0.01)):
            stats, in_flight_bytes = native.stats, native.in_flight_bytes
            if not in_flight_bytes:
                break
            await asyncio.sleep(0.01)
        open_ends = stats.datagrams_out - stats.acked - stats.lost
        if open_ends < 0 or (open_ends == 0) != (in_flight_bytes == 0):
            self.tally.faults.append(f"{whose}: {stats}, {in_flight_bytes} bytes in flight")
        self.tally.open_ends += open_ends
        self.tally.sealed += stats.datagrams_out
        self.tally.acked += stats.acked
        self.tally.lost += stats.lost

    async def _host(self, space: Space) -> None:
        while True:
            await self.talk(space, 2.0)

    async def _admit(self, space: Space) -> None:
        async for event in space.events():
            if isinstance(event, Queue):
                for person in event.queue:
                    with suppress(RequestRefused):
                        await space.admit(person.user)

    async def _rest(self) -> None:
        """Until nobody is left anywhere."""
        async with asyncio.timeout(REST_S):
            while self.place.server.statistics()["now_connections"] or self._places():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def _places(self) -> int:
        media = self.place.server._opened().media
        assert media is not None
        return len(media.plane)

    def faults(self) -> list[str]:
        """All that went wrong, in words."""
        found = self.tally.faults + judge(self.samples)
        counts = self.place.server.statistics()
        plane = self.place.server._opened().media.plane.stats  # type: ignore[union-attr]
        if plane.sealed != plane.sent + plane.send_errors + plane.send_blocked:
            found.append(f"packets sealed are neither sent nor counted as unsent: {plane}")
        if plane.violations or counts["udp_handler_errors"] or counts["media_failures"]:
            found.append(f"violations, failures: {plane}, {counts}")
        if self.tally.frames_concealed > 0.1 * self.tally.frames_heard:
            found.append(f"{self.tally.frames_concealed} of {self.tally.frames_heard} frames were made up")
        return found


async def soak(seconds: float, seed: int, directory: Path, on_cycle: Callable[[Soak], None]) -> Soak:
    """Cycle until the time is over; the finished soak says what went wrong."""
    async with venue(directory) as place:
        run = Soak(place, seed)
        end_s = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end_s or number < LEAST_CYCLES:
            await run.cycle(number)
            on_cycle(run)
            number += 1
        for relay in run.relays:
            relay.close()
            run.tally.relay_lost += relay.lost
        run.tally.faults = run.faults()
        return run


def run_soak(seconds: float, seed: int, directory: Path, on_cycle: Callable[[Soak], None]) -> Soak:
    """On a loop of its own, as a server runs."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(soak(seconds, seed, directory, on_cycle))


def main() -> int:
    """Run it, and tell each cycle."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tracemalloc.start()

    def told(run: Soak) -> None:
        print(len(run.samples), run.samples[-1], run.tally.acts, flush=True)

    with tempfile.TemporaryDirectory() as directory:
        run = run_soak(options.seconds, options.seed, Path(directory), told)
    print(run.tally)
    for fault in run.tally.faults:
        print(fault, file=sys.stderr)
    return 1 if run.tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
