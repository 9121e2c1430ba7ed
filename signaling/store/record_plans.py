"""Writes what the rules of scheduled Spaces decided: the column "store" of the table in `rules/plans.py`."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.plans import (
    HostTold,
    PlanAdded,
    PlanCancelled,
    PlanEffect,
    PlanMoved,
    ReminderSet,
    ReminderTaken,
)
from signaling.store import plans


async def record_plan(connection: AsyncConnection, effects: Iterable[PlanEffect], now_us: int) -> None:
    """Write these in their order. Who sets a reminder has an account already.

    StoreError: no_such_space where it is not scheduled.
    """
    for effect in effects:
        match effect:
            case PlanAdded(plan):
                await plans.add(
                    connection,
                    space=plan.space,
                    title=plan.settings.title,
                    host=plan.host,
                    host_name=plan.host_name,
                    starts_us=plan.starts_us,
                    now_us=now_us,
                    topics=plan.settings.topics,
                    kind=plan.settings.kind,
                    who_may_speak=plan.settings.who_may_speak,
                    queue_order=plan.settings.queue_order,
                    locked=plan.settings.locked,
                )
            case PlanMoved(space, starts_us):
                await plans.move(connection, space, starts_us, now_us)
            case PlanCancelled(space, reason):
                await plans.cancel(connection, space, reason, now_us)
            case HostTold(space):
                await plans.host_told(connection, space, now_us)
            case ReminderSet(space, user):
                await plans.remind(connection, space, user, True, now_us)
            case ReminderTaken(space, user):
                await plans.remind(connection, space, user, False, now_us)
            case _:
                pass  # what is told, and the start, whose Opened is recorded by `record`
