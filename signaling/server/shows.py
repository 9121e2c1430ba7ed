"""Shows: what each person who watches has been shown, and what they should be; tells them the difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from signaling.protocol import messages as wire
from signaling.protocol.wire import encode, fit_rows
from signaling.rules import SpaceState, State
from signaling.server.bubbles import bubble_of, rank
from signaling.server.counts import Counts
from signaling.server.directory import Directory
from signaling.server.interests import Interests, Subscriber
from signaling.server.relations import Relations

__all__ = ["STRANGERS_KEPT", "Encoded", "Shows"]

STRANGERS_KEPT = 2_000
"""Hosts of whom one subscriber is known to be no stranger, or to be one; with more it is asked anew."""

Encoded = dict[object, bytes]
"""Bubbles that were encoded already: whoever gets the same bytes gets them from here."""


class Shows:
    """**What is not known to be allowed is not shown**: of each host it is asked first who blocked whom.

    Every method may be called again at any time; it tells only what is different.
    """

    def __init__(self, directory: Directory, relations: Relations, counts: Counts, most: int) -> None:
        self.interests = Interests()
        self._directory = directory
        self._relations = relations
        self._counts = counts
        self._most = most
        self._blocks_changed = 0

    def show(self, subscriber: Subscriber, space: bytes, same: Encoded) -> bool:
        """Tell somebody what is different of this Space; `same`: what was encoded for others already.

        Returns whether there may be room now for what did not fit before: then `show_all` is called for.
        """
        interests = self.interests
        state, before = self.live(space), subscriber.shown.get(space)
        bubble = None
        if state is not None and _is_for(subscriber, state):
            bubble = bubble_of(state, subscriber.user, subscriber.followed, subscriber.hidden)
        if bubble == before:
            return False
        if bubble is None:
            self._hide(subscriber, space)
            return subscriber.has_more
        if before is None and len(subscriber.shown) >= self._most:
            subscriber.has_more = True
            last = max(subscriber.shown.values(), key=rank)
            if rank(bubble) > rank(last):
                return False
            self._hide(subscriber, last.space)
        interests.show(subscriber, bubble)
        named = tuple((each.user, each.name) for each in bubble.known)
        key = (named, bubble.known_count, bubble.known_on_stage, bubble.people, bubble.title, *bubble.topics)
        if key not in same:
            same[key] = encode(wire.BubbleChanged(0, bubble))
        self._send(subscriber, same[key])
        # One that fits no more may come before this one now.
        return subscriber.has_more and before is not None and rank(bubble) > rank(before)

    def _hide(self, subscriber: Subscriber, space: bytes) -> None:
        self.interests.hide(subscriber, space)
        self._send(subscriber, encode(wire.BubbleGone(0, space)))

    async def show_all(self, subscriber: Subscriber) -> None:
        """Make what somebody is shown what it should be."""
        best, subscriber.has_more = await self.best(subscriber)
        wanted = {bubble.space: bubble for bubble in best}
        for space in [space for space in subscriber.shown if space not in wanted]:
            self._hide(subscriber, space)
        for space, bubble in wanted.items():
            if subscriber.shown.get(space) != bubble:
                self.interests.show(subscriber, bubble)
                self._send(subscriber, encode(wire.BubbleChanged(0, bubble)))

    async def best(self, subscriber: Subscriber) -> tuple[list[wire.Bubble], bool]:
        """What somebody should be shown, the first first, and whether there is more than that."""
        people: set[str] = set()
        for state in map(self.live, self.interests.spaces_for(subscriber)):
            if state is not None:
                people |= self._to_be_asked(state, subscriber)
        while unknown := people - subscriber.strangers.keys():
            before = self._blocks_changed
            found = await self._relations.strangers_among(subscriber.user, unknown)
            if before == self._blocks_changed:
                _keep_strangers(subscriber, {other: other in found for other in unknown})
                break
        hidden, fitting = subscriber.hidden, []
        for state in map(self.live, self.interests.spaces_for(subscriber)):
            if state is not None and _is_for(subscriber, state):
                bubble = bubble_of(state, subscriber.user, subscriber.followed, hidden)
                if bubble is not None:
                    fitting.append(bubble)
        best = fit_rows(sorted(fitting, key=rank)[: self._most])
        return best, len(best) < len(fitting)

    def _send(self, subscriber: Subscriber, data: bytes) -> None:
        self._counts.bubbles_pushed += len(subscriber.sessions)
        for session in tuple(subscriber.sessions):
            session.send_bytes(data)

    # What the graph says

    async def learn(self, came: Iterable[str]) -> None:
        """Who of those who watch follows these; for a graph that cannot list."""
        for user in came:
            for follower in await self._relations.followers_among(user, list(self.interests.subscribers)):
                subscriber = self.interests.subscribers.get(follower)
                if subscriber is not None:
                    self.interests.follow(subscriber, [user])

    def unlearn(self, went: Iterable[str]) -> None:
        """Nobody has to be known to follow somebody who is on no stage, where that can be asked again."""
        for user in went:
            if not self.interests.is_on_stage(user):
                for watcher in list(self.interests.watchers([user])):
                    self.interests.unfollow(self.interests.subscribers[watcher], user)

    async def learn_strangers(self, state: SpaceState, users: Iterable[str]) -> None:
        """Find out who of these must not see this Space, or somebody in it."""
        asked: dict[str, list[Subscriber]] = {}
        for user in users:
            subscriber = self.interests.subscribers.get(user)
            if subscriber is not None:
                for other in self._to_be_asked(state, subscriber) - subscriber.strangers.keys():
                    asked.setdefault(other, []).append(subscriber)
        for other, subscribers in asked.items():
            before = self._blocks_changed
            found = await self._relations.strangers_among(other, [each.user for each in subscribers])
            if before == self._blocks_changed:
                for subscriber in subscribers:
                    _keep_strangers(subscriber, {other: subscriber.user in found})

    def block_changed(self, one: str, other: str, on: bool) -> None:
        """What was known of the two is not so any more."""
        self._blocks_changed += 1
        for user, stranger in ((one, other), (other, one)):
            subscriber = self.interests.subscribers.get(user)
            if subscriber is not None:
                subscriber.strangers.pop(stranger, None)
                if on:
                    subscriber.strangers[stranger] = True

    def _to_be_asked(self, state: SpaceState, subscriber: Subscriber) -> set[str]:
        """Of whom it must be known whether they and the subscriber are strangers."""
        people = set(state.owners)
        if not self._relations.is_own:  # there one may follow whom one has blocked
            people.update(user for user in state.on_stage if user in subscriber.followed)
        return people

    def live(self, space: bytes) -> SpaceState | None:
        """The Space as it is now, or None."""
        actor = self._directory.get(space)
        return None if actor is None or actor.state.state is not State.LIVE else actor.state


def _is_for(subscriber: Subscriber, state: SpaceState) -> bool:
    """Whether it is known that none of its hosts blocked them, nor they one of its hosts."""
    return all(subscriber.strangers.get(host) is False for host in state.owners)


def _keep_strangers(subscriber: Subscriber, known: Mapping[str, bool]) -> None:
    """What was found out, unless a block has said otherwise meanwhile."""
    if len(subscriber.strangers) + len(known) > STRANGERS_KEPT:
        subscriber.strangers.clear()
    for host, strange in known.items():
        subscriber.strangers.setdefault(host, strange)
