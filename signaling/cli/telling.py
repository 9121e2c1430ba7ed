"""Events of a Space as sentences: what is printed above the meters, or into a log."""

from __future__ import annotations

from signaling.client import Ended, Event, Queue, Removed, Role, Space, Stage, StageSeat, You

__all__ = ["Teller"]

_ENDS = {
    "host_ended": "the host ended it",
    "host_left": "the host left",
    "host_lost": "the host's connection was lost",
    "server_stopping": "the server is stopping",
}


class Teller:
    """Remembers what was told, so that each change becomes one sentence."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._stage = {row.user: row for row in space.stage}
        self._asking = {person.user for person in space.queue}
        self._role = space.role

    def sentences(self, event: Event) -> list[str]:
        """What is new in this event; nothing for those that only count."""
        match event:
            case Stage():
                return self._on_stage({row.user: row for row in event.stage})
            case Queue():
                return self._on_queue(event)
            case You():
                return self._on_you(event)
            case Removed():
                return [f"You were removed from this Space ({event.reason})."]
            case Ended():
                return [f"The Space is over: {_ENDS.get(event.reason, event.reason)}."]
        return []

    def _on_stage(self, stage: dict[str, StageSeat]) -> list[str]:
        before, self._stage = self._stage, stage
        said = [f"{row.name} is on stage." for user, row in stage.items() if user not in before]
        said += [f"{row.name} left the stage." for user, row in before.items() if user not in stage]
        for user, row in stage.items():
            if user in before and row.muted != before[user].muted:
                said.append(f"{row.name} is {'muted' if row.muted else 'no longer muted'}.")
        return said

    def _on_queue(self, event: Queue) -> list[str]:
        before, self._asking = self._asking, {person.user for person in event.queue}
        return [
            f"{person.name} asks to speak."
            for person in event.queue
            if person.user not in before and person.user != self._space.me
        ]

    def _on_you(self, event: You) -> list[str]:
        before, self._role = self._role, self._space.role
        if before is self._role:
            return []
        if self._role is Role.SPEAKER:
            return ["You may speak now."]
        return ["You are a listener now."] if self._role is Role.LISTENER else []
