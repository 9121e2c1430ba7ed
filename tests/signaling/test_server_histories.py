"""Random histories of a few people in two Spaces: whatever they do, roster, mix and connections agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.config import LimitsConfig, TalkConfig
from signaling.links import parse_link
from signaling.protocol import messages as wire
from tests.signaling.server_world import Caller, World
from tests.virtual.loop import run

PEOPLE = ("hana", "bea", "ada", "lio", "cy", "service-1")

# Requests by what they name: nobody, somebody, or the Space.
ALONE = (wire.Ask, wire.Accept, wire.Refuse, wire.Leave, wire.MuteAll, wire.End, wire.ListPeople)
AT_SOMEBODY = (
    wire.Admit, wire.Decline, wire.Mute, wire.Unmute, wire.Move, wire.Invite, wire.Uninvite, wire.Promote,
    wire.Demote, wire.HandOver, wire.Unban,
)  # fmt: skip

person = st.sampled_from(PEOPLE)
door = st.sampled_from([wire.Join, wire.Resume, wire.Oversee])
step = st.one_of(
    st.tuples(st.just("alone"), person, st.sampled_from(ALONE)),
    st.tuples(st.just("at"), person, st.sampled_from(AT_SOMEBODY), person),
    st.tuples(st.just("remove"), person, person, st.integers(0, 2)),
    st.tuples(st.just("volume"), person, person, st.sampled_from([0, 40, 100])),
    st.tuples(
        st.just("enter"), person, st.sampled_from([wire.Join, wire.Resume, wire.Oversee]), st.booleans()
    ),
    st.tuples(st.just("link"), person, person),
    st.tuples(st.just("post"), person),
    st.tuples(st.just("open"), person),
    st.tuples(st.just("hang up"), person),
    st.tuples(st.just("connect"), person),
    st.tuples(st.just("block"), st.booleans(), person, st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 31.0])),
    st.tuples(st.just("store"), st.booleans()),
    st.tuples(st.just("policy"), person, st.integers(0, 2), st.booleans()),
)


@dataclass
class History:
    """What goes on in a world: the newest connection of each person, and the Spaces there were."""

    world: World
    spaces: list[bytes]
    here: dict[str, Caller]

    async def take(self, what: Any) -> None:
        """Do one step."""
        kind, *details = what
        match kind:
            case "alone":
                await self.ask(details[0], details[1])
            case "at":
                await self.ask(details[0], details[1], details[2])
            case "remove":
                await self.ask(details[0], wire.Remove, details[1], details[2])
            case "volume":
                await self.ask(details[0], wire.Volume, details[1], details[2])
            case "post":
                await self.ask(details[0], wire.Post, "text")
            case "policy":
                await self.ask(details[0], wire.Change, None, None, details[1], None, details[2])
            case "enter":
                rest = (0,) if details[1] is wire.Resume else ()
                await self.ask(details[0], details[1], self.spaces[-1 - details[2]], *rest)
            case "link":
                await self.follow_link(*details)
            case "open":
                answer = await self.ask(details[0], wire.Open, "Another")
                if isinstance(answer, wire.Joined):
                    self.spaces.append(answer.space)
            case _:
                await self.befall(kind, *details)

    async def befall(self, kind: str, *details: Any) -> None:
        """What nobody asks for."""
        match kind:
            case "hang up":
                caller = self.here.pop(details[0], None)
                if caller is not None:
                    await caller.hang_up()
            case "connect":  # the older connection stays, until it is replaced
                self.here[details[0]] = await self.world.known(details[0])
            case "block":
                await self.block("hana" if details[0] else "bea", *details[1:])
            case "wait":
                await self.world.pass_time(details[0])
            case "store":
                self.world.records.fails = OSError("disk") if details[0] else None
        await self.world.settle()

    async def block(self, host: str, user: str, on: bool) -> None:
        """Nobody stays in the Space of who has just blocked them, but who hosts it too."""
        blocks = self.world.bonds.blocks
        if host == user:
            return
        (blocks.add if on else blocks.discard)((host, user))
        for actor in self.world.directory:
            actor.block_changed(host, user, on)
        await self.world.settle()
        for actor in self.world.directory:
            if on and host in actor.state.owners and user not in actor.state.owners:
                assert user not in actor.state.roster

    async def ask(self, who: str, kind: type, *fields: Any) -> Any:
        """A request over the newest connection, which may have been closed; None without an answer."""
        caller = self.here.get(who)
        if caller is None or caller.session.is_closed:
            caller = self.here[who] = await self.world.known(who)
        caller.peer.got.clear()
        number = caller.send(kind, *fields)
        for _ in range(3):
            await self.world.settle()
            self.world.tick()
        answers = [it for it in caller.peer.got if isinstance(it, wire.Reply) and it.id == number]
        assert len(answers) == 1 or caller.session.is_closed, f"{kind.__name__}: {caller.peer.got}"
        return answers[0] if answers else None

    async def follow_link(self, host: str, guest: str) -> None:
        shared = await self.ask(host, wire.Share, 1)
        if isinstance(shared, wire.Shared):
            link = parse_link(shared.link)
            await self.ask(guest, wire.Join, link.space, link.speak)


def check(world: World) -> None:
    """The fan-out set is the roster, who is mixed is who is on stage, and everybody is in one place."""
    assert world.counts.errors_caught == 0
    where: dict[str, bytes] = {}
    for actor in world.directory:
        state, hall = actor.state, actor.hall
        roster = set(state.roster)
        assert hall.room.listening == roster
        assert {user for user in PEOPLE if hall.session_of(user) is not None} == roster
        mixed = {place.seat for user, place in state.on_stage.items() if user not in state.absent}
        assert world.engines[state.space].seats == mixed
        assert roster.isdisjoint(state.banned)
        for user in roster:
            session = hall.session_of(user)
            assert session is not None
            assert not session.is_closed
            assert session.place is not None
            assert session.place.actor is actor
            assert (session.place.seat, session.place.muted) == (state.seat_of(user), state.muted(user))
            assert where.setdefault(user, state.space) == state.space, f"{user} is in two Spaces"
            assert world.whereabouts.get(user) is session
    assert len(world.whereabouts) == len(where)


@settings(max_examples=40, deadline=None)
@given(st.lists(step, max_size=40))
def test_whatever_people_do_roster_mix_and_connections_agree(history: list[Any]) -> None:
    async def story() -> None:
        world = World(
            limits=LimitsConfig(stage=3, queue=2, invites=2, requests_per_s=10_000, requests_burst=10_000),
            talk=TalkConfig(asks_burst=1000, invites_burst=1000, posts_burst=1000),
        )
        first, tea = await world.host("hana")
        second, coffee = await world.host("bea")
        told = History(world, [tea, coffee], {"hana": first, "bea": second})
        for what in history:
            await told.take(what)
            check(world)
        await world.end()

    run(story())
