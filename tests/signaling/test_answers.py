"""The table of requests: each is for one to carry out, and is answered whatever happens to that one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Refused
from signaling.server.answers import Answer, answer
from signaling.server.relations import GraphError
from signaling.server.session import Member, Session
from signaling.store import StoreError
from tests.signaling.server_world import World
from tests.virtual.loop import run

BESIDE = {wire.Hello, wire.Renew, wire.Join}
"""What the front desk does itself."""


def test_no_request_is_for_two_and_those_for_people_plans_and_tickets_are_for_one() -> None:
    async def story() -> None:
        world = World()
        claimed = Counter(kind for part in world.parts.table for kind in part.handlers)
        assert max(claimed.values()) == 1
        assert BESIDE.isdisjoint(claimed)
        account = {kind for kind in wire.REQUEST_TYPES if kind.__module__.endswith(".account")}
        discovery = {kind for kind in wire.REQUEST_TYPES if kind.__module__.endswith(".discovery")}
        tickets = {kind for kind in wire.REQUEST_TYPES if kind.__module__.endswith(".tickets")}
        to_the_space = {wire.Resume, wire.Oversee}
        also_when_it_is_over = {wire.ListAudit, wire.ListTalkers}
        for_one = (account | discovery | tickets | also_when_it_is_over) - BESIDE - to_the_space
        assert for_one == set(claimed)
        await world.end()

    run(story())


@pytest.mark.parametrize(
    ("fault", "code", "raises"),
    [
        (StoreError("busy", "Too many wait; try again."), ErrorCode.busy, False),
        (StoreError("inconsistent", "It is not as it was."), ErrorCode.internal, False),
        (GraphError(Refused("busy", "Not now; try again.", 70)), ErrorCode.busy, False),
        (LookupError("a bug of ours"), ErrorCode.internal, True),
    ],
)
def test_a_request_is_answered_whatever_it_runs_into(fault: Exception, code: int, raises: bool) -> None:
    async def story() -> None:
        world = World()
        ann = await world.known("ann")

        async def fails(session: Session, member: Member, request: Any) -> Answer:
            raise fault

        ann.session._in_flight = 9
        if raises:
            with pytest.raises(type(fault)):
                await answer(ann.session, wire.Peek(9, bytes(16)), fails, world.counts)
        else:
            await answer(ann.session, wire.Peek(9, bytes(16)), fails, world.counts)
        (error,) = ann.peer.take(wire.Error)
        assert (error.id, error.code) == (9, code)
        assert ("try again" in error.message) is True
        await world.end()

    run(story())
