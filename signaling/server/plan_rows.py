"""Plans between the store, the rules and the wire."""

from __future__ import annotations

from signaling.protocol import messages as wire
from signaling.rules import QueueOrder, Settings, SpeakPolicy, State
from signaling.rules.plans import Plan
from signaling.server.rows import price_row
from signaling.store import StoredSpace

__all__ = ["plan_of", "plan_row"]

_MS_US = 1_000


def plan_of(stored: StoredSpace) -> Plan:
    """A row of the store as the rules take it."""
    return Plan(
        stored.space,
        Settings(
            stored.title,
            stored.topics,
            SpeakPolicy(stored.who_may_speak),
            QueueOrder(stored.queue_order),
            stored.locked,
            stored.kind,
        ),
        stored.host,
        stored.host_name,
        stored.starts_us or 0,
        State(stored.state),
        stored.notice_us,
        stored.price,
    )


def plan_row(plan: Plan, reminded: bool = False, reminders: int = 0) -> wire.PlannedSpace:
    """A plan as the lists show it."""
    return wire.PlannedSpace(
        plan.space,
        plan.settings.title,
        plan.host,
        plan.host_name,
        plan.starts_us // _MS_US,
        list(plan.settings.topics),
        plan.settings.kind,
        reminded,
        reminders,
        price_row(plan.price),
    )
