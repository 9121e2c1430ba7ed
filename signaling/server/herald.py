"""Herald: what everybody inside a Space is told: numbered, encoded once, combined, and kept for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from signaling.protocol import messages as wire
from signaling.protocol.wire import encode
from signaling.rules import SpaceState
from signaling.server.events import Bulletin, News
from signaling.server.log import EventLog
from signaling.server.rows import pin_rows, queue_rows, settings_row, stage_rows

__all__ = ["ITEMS_KEPT", "Herald", "Item"]

Item = Callable[[int], wire.Event]
"""Makes an event of the serial that it gets."""

ITEMS_KEPT = 64
"""Posts and deletions that wait for the next push; one more, and all that waits is pushed."""


class Herald:
    """**An event is encoded once, for whoever gets it, and gets the next number of the Space.**

    What has a state (stage, queue, settings, pins, audience) is told as it is when it is told: nothing
    queues. Posts are told one by one, reactions as counts. What is due at one time goes out in one piece: a
    push costs each person one write, whatever it says.
    """

    __slots__ = ("_items", "_reactions", "bulletin", "log")

    def __init__(self, bulletin: Bulletin, log: EventLog | None = None) -> None:
        self.bulletin = bulletin
        self.log = EventLog() if log is None else log
        self._items: list[Item] = []
        self._reactions: Counter[str] = Counter()

    @property
    def serial(self) -> int:
        """Number of the last event of the Space; private events repeat it."""
        return self.bulletin.serial

    def mark(self, news: News) -> None:
        """This has changed and is to be told."""
        self.bulletin.mark(news)

    def say(self, item: Item) -> None:
        """Tell an event that stands for itself: at once after a quiet time, else with the next push."""
        self._items.append(item)
        self.bulletin.mark(News.POSTS)
        if len(self._items) > ITEMS_KEPT:
            self.bulletin.hurry()

    def react(self, reaction: str, now_us: int) -> None:
        """Count a reaction."""
        self._reactions[reaction] += 1
        self.bulletin.mark_reactions(now_us)

    def due_us(self, people: int) -> int | None:
        """When `take` will have something for so many people, or None."""
        return self.bulletin.due_us(people)

    def take(self, now_us: int, people: int, state: SpaceState) -> list[bytes]:
        """The events that are due, each encoded and numbered."""
        told = []
        for news in self.bulletin.take(now_us, people):
            told += [self.number(item) for item in self._items_of(news, state)]
        return told

    def number(self, item: Item) -> bytes:
        """Encode one event under the next number. Raises ProtocolError; then no number is used up."""
        data = encode(item(self.serial + 1))
        self.log.put(self.bulletin.next_serial(), data)
        return data

    def since(self, serial: int) -> list[bytes] | None:
        """What somebody missed who knows the event `serial`; None if some of it is forgotten."""
        return self.log.since(serial)

    def _items_of(self, news: News, state: SpaceState) -> list[Item]:
        if news is News.POSTS:
            items, self._items = self._items, []
            return items
        if news is News.REACTIONS:
            counts, self._reactions = dict(self._reactions), Counter()
            return [lambda serial: wire.Reactions(serial, counts)]
        return [lambda serial: _event(news, serial, state)]


def _event(news: News, serial: int, state: SpaceState) -> wire.Event:
    if news is News.SETTINGS:
        return wire.Settings(serial, settings_row(state.settings))
    if news is News.PINS:
        return wire.Pins(serial, pin_rows(state.pins))
    if news is News.STAGE:
        return wire.Stage(serial, stage_rows(state))
    if news is News.QUEUE:
        return wire.Queue(serial, queue_rows(state), len(state.asks))
    return wire.Audience(serial, state.audience_count)
