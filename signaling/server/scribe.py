"""Scribe: puts what the rules decided into the words that an application is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from signaling import rules
from signaling.rules import Effect, Role, Settings
from signaling.server import happenings as told
from signaling.server.happenings import What

__all__ = ["NOT_TOLD", "TOLD", "Scribe"]

TOLD: Final[Mapping[type[Effect], Callable[[Any], What]]] = {
    rules.Opened: lambda it: told.SpaceOpened(**_settings(it.settings), host=it.host, host_name=it.host_name),
    rules.SettingsChanged: lambda it: told.SpaceChanged(**_settings(it.settings)),
    rules.Asked: lambda it: told.AskOpened(it.user, it.name),
    rules.AskClosed: lambda it: told.AskClosed(it.user, it.how),
    rules.InviteAdded: lambda it: told.InviteOpened(it.invitation.user, it.invitation.name, it.invitation.by),
    rules.InviteClosed: lambda it: told.InviteClosed(it.user, it.how),
    rules.Banned: lambda it: told.PersonBanned(it.user, it.name, it.by),
    rules.Unbanned: lambda it: told.PersonUnbanned(it.user),
    rules.BlockedByHost: lambda it: told.PersonBlocked(it.user, it.name, it.blocker),
    rules.Removed: lambda it: told.PersonRemoved(it.user, it.reason),
    rules.HostChanged: lambda it: told.HostChanged(it.host, it.host_name, it.how),
    rules.Posted: lambda it: told.PostAdded(
        it.post.post, it.post.user, it.post.name, it.post.text, it.post.reply_to
    ),
    rules.PostGone: lambda it: told.PostDeleted(it.post, it.by),
    rules.Pinned: lambda it: told.PinAdded(it.pin.pin, it.pin.user, it.pin.text),
    rules.Unpinned: lambda it: told.PinRemoved(it.pin),
    rules.Reported: lambda it: told.PersonReported(
        it.report.target, it.report.reporter, it.report.reason, it.report.text
    ),
    rules.Overseen: lambda it: told.SpaceOverseen(it.service),
    rules.Audited: lambda it: told.Moderated(it.actor, str(it.action), it.target, it.detail),
    rules.Ended: lambda it: told.SpaceEnded(it.reason, str(it.state)),
}
"""Effects that are told each by itself. StageChanged is compared with the stage before."""

NOT_TOLD: Final[frozenset[type[Effect]]] = frozenset(
    {
        # Who listens is a count.
        rules.Entered,
        rules.Left,
        rules.AbsenceOver,
        rules.AudienceChanged,
        # A lost connection writes nothing; what is lost with it in the end is told.
        rules.WentAbsent,
        rules.CameBack,
        # Told as what changed on stage, or as who hosts.
        rules.SeatAdded,
        rules.SeatChanged,
        rules.SeatRemoved,
        rules.PlaceGone,
        rules.RoleChanged,
        rules.HostAbsent,
        rules.HostReturned,
        # Between the people inside: notes are private, reactions are many, links are secrets.
        rules.NoteAdded,
        rules.Reacted,
        rules.LinkAdded,
        rules.LinkClosed,
        # Follow from what is told.
        rules.Spoke,
        rules.QueueChanged,
        rules.PinsChanged,
    }
)
"""Effects that no application is told of."""


class Scribe:
    """Knows who was on stage in each live Space when it last changed. **First `draft`, then `keep`.**

    `draft` changes nothing: between the two stands the writing to the store, which may fail.
    """

    def __init__(self) -> None:
        self._stages: dict[bytes, dict[str, Role]] = {}

    def draft(self, space: bytes, effects: Iterable[Effect]) -> list[What]:
        """What there is to tell of these effects, in their order."""
        stage = self._stages.get(space, {})
        drafted: list[What] = []
        for effect in effects:
            say = TOLD.get(type(effect))
            if say is not None:
                drafted.append(say(effect))
            elif isinstance(effect, rules.StageChanged):
                drafted += _differences(stage, effect)
                stage = _roles(effect)
        return drafted

    def keep(self, space: bytes, effects: Iterable[Effect]) -> None:
        """It is so: what comes next is compared with this."""
        for effect in effects:
            if isinstance(effect, rules.StageChanged):
                self._stages[space] = _roles(effect)
            elif isinstance(effect, rules.Ended):
                self._stages.pop(space, None)


def _roles(effect: rules.StageChanged) -> dict[str, Role]:
    return {place.user: place.role for place in effect.stage}


def _differences(before: Mapping[str, Role], effect: rules.StageChanged) -> list[What]:
    now = _roles(effect)
    found: list[What] = [told.PersonOffStage(user) for user in before if user not in now]
    for place in effect.stage:
        if place.user not in before:
            found.append(told.PersonOnStage(place.user, place.name, _word(place.role)))
        elif before[place.user] is not place.role:
            found.append(told.RoleChanged(place.user, place.name, _word(place.role)))
    return found


def _settings(settings: Settings) -> dict[str, Any]:
    return {
        "title": settings.title,
        "topics": tuple(settings.topics),
        "space_kind": settings.kind,
        "who_may_speak": _word(settings.who_may_speak),
        "queue_order": _word(settings.queue_order),
        "locked": settings.locked,
    }


def _word(value: Any) -> str:
    return str(value.name.lower())
