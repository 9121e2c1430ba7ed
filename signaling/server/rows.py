"""The rows and snapshots of the protocol, made from a Space's state."""

from __future__ import annotations

from collections.abc import Sequence

from signaling.protocol.messages import Joined, People, Person, StageSeat
from signaling.protocol.wire import QUEUE_ROWS_BYTES, fit_rows
from signaling.rules import Role, SpaceState

__all__ = ["joined", "people_page", "queue_rows", "stage_rows"]


def stage_rows(state: SpaceState) -> list[StageSeat]:
    """Everybody on stage, in order of seat."""
    stage = sorted(state.stage())
    return [
        StageSeat(seat, user, name, int(role), muted, held, volume_pct, absent)
        for seat, user, name, role, muted, held, volume_pct, absent in stage
    ]


def queue_rows(state: SpaceState, beside: Sequence[StageSeat] = ()) -> list[Person]:
    """Who asks to speak, first come first, as many as fit, also beside a stage."""
    return fit_rows([Person(user, name) for user, name in state.queue()], QUEUE_ROWS_BYTES, beside=beside)


def joined(state: SpaceState, request_id: int, user: str, serial: int) -> Joined:
    """The Space as `user`, who is inside, finds it at event number `serial`."""
    stage = stage_rows(state)
    return Joined(
        request_id,
        state.space,
        state.title,
        int(state.role_of(user) or Role.LISTENER),
        state.seat_of(user),
        serial,
        stage,
        queue_rows(state, beside=stage),
        state.audience_count,
        len(state.asks),
    )


def people_page(state: SpaceState, request_id: int, after: str, limit: int) -> People:
    """One page of who is inside, in order of user id."""
    wanted = [Person(user, name) for user, name in state.people(after, limit + 1)]
    rows = fit_rows(wanted[:limit])
    more = rows[-1].user if rows and len(wanted) > len(rows) else ""
    return People(request_id, rows, more)
