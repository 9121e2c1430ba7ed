"""Random histories of people, graph and stages: what was pushed adds up to what somebody should see."""

from __future__ import annotations

import random

import pytest

from signaling.config import PeopleConfig
from signaling.protocol import messages as wire
from signaling.server.bubbles import rank
from tests.signaling.server_world import Caller
from tests.signaling.town import Town, tell

HOSTS = ("h0", "h1", "h2", "h3")
GUESTS = ("g0", "g1", "g2", "g3", "g4")
WATCHERS = ("w0", "w1", "w2")
STEPS = 100


class History:
    """People who do one thing after the other, at random; and what each watcher was told."""

    def __init__(self, town: Town, seed: int) -> None:
        self.town = town
        self.random = random.Random(seed)
        self.callers: dict[str, Caller] = {}
        self.shown: dict[str, dict[bytes, wire.Bubble]] = {}

    async def begin(self) -> None:
        for user in (*HOSTS, *GUESTS, *WATCHERS):
            self.callers[user] = await self.town.known(user)
        for user in WATCHERS:
            await self.town.follow(self.callers[user], *self.random.sample((*HOSTS, *GUESTS), 5))
            await self.watch(user)

    async def watch(self, user: str) -> None:
        answer = await self.callers[user].ask(wire.Timeline, True)
        assert isinstance(answer, wire.Bubbles), answer
        self.shown[user] = {bubble.space: bubble for bubble in answer.bubbles}

    async def step(self) -> None:
        """One act of one person, whatever comes of it; then some time."""
        often = [self.bond, self.open, self.visit, self.visit, self.rise, self.rise]
        await self.random.choice((*often, self.go, self.back))()
        await self.town.pass_time(self.random.choice((0.0, 0.02, 0.3)))

    async def bond(self) -> None:
        kind = self.random.choice((*[wire.Follow] * 6, wire.Unfollow, wire.Block, *[wire.Unblock] * 3))
        one = self.random.choice((*WATCHERS, *WATCHERS, *HOSTS))
        await self.callers[one].ask(kind, self.random.choice((*HOSTS, *GUESTS)))

    async def open(self) -> None:
        host = self.random.choice(HOSTS)
        await self.callers[host].ask(wire.Open, self.random.choice(("Tea", "Cake")))
        await self.callers[host].ask(wire.Change, self.random.choice(("Rum", "Milk")))

    async def visit(self) -> None:
        live = [actor.space for actor in self.town.directory]
        if live:
            await self.callers[self.random.choice(GUESTS)].ask(wire.Join, self.random.choice(live))

    async def rise(self) -> None:
        for guest in self.random.sample(GUESTS, 2):
            await self.callers[guest].ask(wire.Ask)
            for host in HOSTS:
                await self.callers[host].ask(wire.Admit, guest)

    async def go(self) -> None:
        user = self.random.choice((*HOSTS, *GUESTS, *GUESTS))
        await self.callers[user].ask(self.random.choice((wire.Leave, wire.Move, wire.End, wire.Mute)))

    async def back(self) -> None:
        """A connection is lost and made anew; watchers watch again, others may have been put out."""
        user = self.random.choice((*WATCHERS, *GUESTS))
        await self.callers[user].hang_up()
        self.callers[user] = await self.town.known(user)
        if user in WATCHERS:
            await self.watch(user)

    def read(self) -> None:
        """Take in what was pushed, as a client does."""
        for user, shown in self.shown.items():
            for event in self.callers[user].peer.take():
                if isinstance(event, wire.BubbleChanged):
                    shown[event.bubble.space] = event.bubble
                elif isinstance(event, wire.BubbleGone):
                    del shown[event.space]

    async def check(self) -> None:
        """After a quiet time each watcher has been told what the timeline says when it is asked anew."""
        await self.town.pass_time(7)
        self.read()
        for user, shown in self.shown.items():
            other = await self.town.known(user)
            answer = await other.ask(wire.Timeline, False)
            assert sorted(shown.values(), key=rank) == answer.bubbles, user
            await other.hang_up()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bubbles", [50, 2])
def test_what_was_pushed_adds_up(seed: int, bubbles: int) -> None:
    async def story(town: Town) -> None:
        history = History(town, seed)
        await history.begin()
        for number in range(STEPS):
            await history.step()
            # Guests who were blocked by their host were put out, connection and all.
            for user, caller in list(history.callers.items()):
                if caller.peer.closed is not None:
                    await caller.hang_up()
                    history.callers[user] = await town.known(user)
            history.read()
            if number % 15 == 14:
                await history.check()
        interests = town.parts.timeline._interests
        for user in WATCHERS:
            await history.callers[user].hang_up()
        assert town.counts.bubbles_pushed > STEPS / 4, "else there was nothing to compare"
        assert (interests.edges, interests.subscribers, interests._shown_to) == (0, {}, {})

    tell(story, people=PeopleConfig(bubbles=bubbles))
