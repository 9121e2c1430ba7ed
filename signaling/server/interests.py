"""Interests: who watches their timeline, whom each of them follows, and where those are on stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from signaling.protocol.messages import Bubble
from signaling.server.session import Session

__all__ = ["Interests", "Subscriber"]


@dataclass(slots=True, eq=False)
class Subscriber:
    """Somebody whose timeline is pushed. `shown` is what they were told last; `has_more`: not all fitted.

    `strangers`: of whom it is known whether one of the two blocked the other. `missed`: what they changed
    while the graph was being read; None once it is read.
    """

    user: str
    sessions: list[Session] = field(default_factory=list)
    followed: set[str] = field(default_factory=set)
    strangers: dict[str, bool] = field(default_factory=dict)
    shown: dict[bytes, Bubble] = field(default_factory=dict)
    has_more: bool = False
    missed: list[tuple[str, bool]] | None = None

    @property
    def hidden(self) -> set[str]:
        """Of whom they see nothing."""
        return {other for other, strange in self.strangers.items() if strange}


class Interests:
    """**Finding who is concerned by somebody on stage costs as many steps as there are such people.**

    Two maps that mirror each other, and what is on which stage. No I/O; the timeline keeps it right.
    """

    __slots__ = ("_places", "_shown_to", "_stages", "_watchers", "edges", "subscribers")

    def __init__(self) -> None:
        self.subscribers: dict[str, Subscriber] = {}
        self.edges = 0
        """Pairs of a subscriber and somebody they follow."""
        self._watchers: dict[str, set[str]] = {}
        self._stages: dict[bytes, frozenset[str]] = {}
        self._places: dict[str, set[bytes]] = {}
        self._shown_to: dict[bytes, set[str]] = {}

    # Who follows whom

    def follow(self, subscriber: Subscriber, others: Iterable[str]) -> None:
        """`subscriber` follows these too."""
        for other in others:
            if other not in subscriber.followed:
                subscriber.followed.add(other)
                self._watchers.setdefault(other, set()).add(subscriber.user)
                self.edges += 1

    def unfollow(self, subscriber: Subscriber, other: str) -> None:
        """`subscriber` does not follow `other`."""
        if other in subscriber.followed:
            subscriber.followed.discard(other)
            self._unwatch(other, subscriber.user)

    def forget(self, subscriber: Subscriber) -> None:
        """Nobody is told any more what they would be shown."""
        for other in subscriber.followed:
            self._unwatch(other, subscriber.user)
        subscriber.followed = set()
        for space in list(subscriber.shown):
            self.hide(subscriber, space)
        self.subscribers.pop(subscriber.user, None)

    def watchers(self, people: Iterable[str]) -> set[str]:
        """Subscribers who follow one of `people`."""
        found: set[str] = set()
        for user in people:
            found |= self._watchers.get(user, set())
        return found

    def are_watched(self, people: Iterable[str]) -> bool:
        """Whether a subscriber follows one of `people`."""
        return any(user in self._watchers for user in people)

    def _unwatch(self, other: str, user: str) -> None:
        watchers = self._watchers[other]
        watchers.discard(user)
        self.edges -= 1
        if not watchers:
            del self._watchers[other]

    # Who is where

    def set_stage(self, space: bytes, people: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
        """These are on stage there now, nobody once the Space has ended. Returns who came and who went."""
        before = self._stages.get(space, frozenset())
        came, went = people - before, before - people
        for user in came:
            self._places.setdefault(user, set()).add(space)
        for user in went:
            self._places[user].discard(space)
            if not self._places[user]:
                del self._places[user]
        if people:
            self._stages[space] = people
        else:
            self._stages.pop(space, None)
        return came, went

    def is_on_stage(self, user: str) -> bool:
        """Whether `user` is on any stage."""
        return user in self._places

    @property
    def on_stage(self) -> frozenset[str]:
        """Everybody who is on a stage somewhere."""
        return frozenset(self._places)

    def spaces_for(self, subscriber: Subscriber) -> set[bytes]:
        """Where somebody is on stage whom they follow."""
        fewer, more = sorted((subscriber.followed, self._places.keys()), key=len)
        return {space for user in fewer if user in more for space in self._places[user]}

    # What is shown to whom

    def show(self, subscriber: Subscriber, bubble: Bubble) -> None:
        """They were told of this."""
        subscriber.shown[bubble.space] = bubble
        self._shown_to.setdefault(bubble.space, set()).add(subscriber.user)

    def hide(self, subscriber: Subscriber, space: bytes) -> None:
        """They were told that it is gone."""
        del subscriber.shown[space]
        to = self._shown_to[space]
        to.discard(subscriber.user)
        if not to:
            del self._shown_to[space]

    def shown_to(self, space: bytes) -> set[str]:
        """To whom it is shown."""
        return self._shown_to.get(space, set())
