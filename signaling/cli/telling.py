"""Events of a Space as sentences: what is printed above the meters, or into a log."""

from __future__ import annotations

from typing import Final

from signaling.client import (
    Answered,
    Ended,
    Invited,
    Noted,
    Pins,
    PostAdded,
    Queue,
    Reconnected,
    Reconnecting,
    Removed,
    Role,
    Settings,
    Space,
    SpaceEvent,
    SpaceSettings,
    Stage,
    StageSeat,
    You,
)

__all__ = ["ENDS", "POLICY_WORDS", "Teller"]

ENDS: Final = {
    "host_ended": "the host ended it",
    "host_left": "the host left",
    "host_lost": "the host's connection was lost",
    "host_absent": "the host did not come",
    "service_ended": "whoever runs the server ended it",
    "server_stopping": "the server is stopping",
    "server_restarted": "the server was started again",
    "no_such_space": "it ended in the meantime",
    "space_ended": "it ended in the meantime",
}
POLICY_WORDS: Final = (
    "everyone may ask to speak",
    "whom the host follows may speak",
    "hosts invite to speak",
)
_NOW: Final = {
    Role.SPEAKER: "You may speak now.",
    Role.LISTENER: "You are a listener now.",
    Role.HOST: "You are the host now.",
    Role.CO_HOST: "You are a co-host now.",
}


class Teller:
    """Remembers what was told, so that each change becomes one sentence."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._stage = {row.user: row for row in space.stage}
        self._asking = {person.user for person in space.queue}
        self._place = 0  # one's own in the queue, as it was told last
        self._role = space.role
        self._settings = space.settings
        self._pins = {row.pin for row in space.pins}

    def sentences(self, event: SpaceEvent) -> list[str]:
        """What is new in this event; nothing for those that only count."""
        match event:
            case Stage():
                said = self._on_stage({row.user: row for row in event.stage})
            case Queue():
                said = self._on_queue(event)
            case You():
                said = self._on_you()
            case Settings():
                said = self._on_settings(event.settings)
            case Removed():
                said = [f"You were removed from this Space ({event.reason})."]
            case Ended():
                said = [f"The Space is over: {ENDS.get(event.reason, event.reason)}."]
            case Reconnecting():
                said = [f"The connection is lost ({event.code}); trying to come back."]
            case Reconnected():
                said = ["The connection is there again."]
            case _:
                said = self._on_talk(event)
        return said

    def _on_stage(self, stage: dict[str, StageSeat]) -> list[str]:
        before, self._stage = self._stage, stage
        said = [f"{row.name} is on stage." for user, row in stage.items() if user not in before]
        said += [f"{row.name} left the stage." for user, row in before.items() if user not in stage]
        for user, row in stage.items():
            if user in before:
                said += _changes(before[user], row)
        return said

    def _on_queue(self, event: Queue) -> list[str]:
        before, self._asking = self._asking, {person.user for person in event.queue}
        said = [
            f"{person.name} asks to speak."
            for person in event.queue
            if person.user not in before and person.user != self._space.me
        ]
        places = (place for place, person in enumerate(event.queue, 1) if person.user == self._space.me)
        place, self._place = self._place, next(places, 0)
        if self._place not in (0, place):
            said.append(f"You are number {self._place} of {event.waiting} who ask to speak.")
        return said

    def _on_you(self) -> list[str]:
        before, self._role = self._role, self._space.role
        if before is self._role:
            return []
        return [_NOW[self._role]]

    def _on_settings(self, now: SpaceSettings) -> list[str]:
        before, self._settings = self._settings, now
        said = []
        if now.title != before.title:
            said.append(f"The Space is now called {now.title!r}.")
        if now.topics != before.topics:
            said.append(
                f"It is about {', '.join(now.topics)} now." if now.topics else "It has no topics now."
            )
        if now.who_may_speak != before.who_may_speak and now.who_may_speak < len(POLICY_WORDS):
            said.append(f"From now on {POLICY_WORDS[now.who_may_speak]}.")
        if now.locked != before.locked:
            said.append(
                "The Space is locked: nobody new comes in." if now.locked else "The Space is open again."
            )
        return said

    def _on_talk(self, event: SpaceEvent) -> list[str]:
        match event:
            case PostAdded():
                said = [f"{event.post.name} writes: {_line(event.post.text)}"]
            case Noted():
                said = [f"{event.note.name} notes to the hosts: {_line(event.note.text)}"]
            case Pins():
                known, self._pins = self._pins, {row.pin for row in event.pins}
                said = [f"Pinned: {_line(row.text)}" for row in event.pins if row.pin not in known]
            case Invited(expires_in_ms=0):
                said = ["The invitation to speak is taken back, or lapsed."]
            case Invited():
                said = [f"{event.name} invites you to speak."]
            case Answered():
                said = [f"{event.user} {'accepted' if event.accepted else 'turned down'} the invitation."]
            case _:
                said = []
        return said


def _changes(before: StageSeat, now: StageSeat) -> list[str]:
    """Of one who stays on stage."""
    said = []
    if now.muted != before.muted:
        said.append(f"{now.name} is {'muted' if now.muted else 'no longer muted'}.")
    if now.absent != before.absent:
        said.append(f"{now.name} {'lost the connection' if now.absent else 'is back'}.")
    if now.role != before.role and now.role in (Role.HOST, Role.CO_HOST):
        said.append(f"{now.name} is {'the host' if now.role == Role.HOST else 'a co-host'} now.")
    return said


def _line(text: str) -> str:
    """A post may have several lines; what is told has one."""
    return " / ".join(part.strip() for part in text.splitlines() if part.strip())
