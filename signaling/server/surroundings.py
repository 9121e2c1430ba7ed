"""What a Space needs of its server, and the server's parts of each other."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from signaling.config import LimitsConfig, TalkConfig
from signaling.rules import Effect
from signaling.rules.rates import Rate, RateKind, Rates
from signaling.server.alarms import Alarms
from signaling.server.counts import Counts
from signaling.server.facts import Bonds, Books
from signaling.server.lists import Lists
from signaling.server.talking import TalkBook

if TYPE_CHECKING:
    from signaling.server.actor import SpaceActor

__all__ = ["Observer", "Records", "Surroundings", "rates_of"]

_MS_US = 1_000


class Records(Books, Protocol):
    """The durable side of a Space. A write is whole or not at all; it raises if nothing was written."""

    async def write(self, space: bytes, effects: Sequence[Effect]) -> None: ...


class Observer(Protocol):
    """Told of everything that has become so in any Space, in order, once state, mix and roster are changed.

    It must not wait and do little: the Space stands still meanwhile. What it raises is counted and logged.
    """

    def on_outcome(self, actor: SpaceActor, effects: Sequence[Effect]) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One for the whole server.

    `clock_us` is monotonic, `wall_us` counts from the epoch. `lists` reads the store, `bonds` knows who
    follows and blocks whom. `spawn` runs a coroutine beside us, with an error boundary of its own.
    `random_bytes` gives ids and secrets; `address` is the `host:port` that links name. `rates` counts what
    each person does, in whichever Space. `observers` may be added to until the first Space opens. `talk_book`
    knows how long everybody was heard; `lists` reads it too.
    """

    clock_us: Callable[[], int]
    wall_us: Callable[[], int]
    alarms: Alarms
    records: Records
    lists: Lists
    bonds: Bonds
    counts: Counts
    limits: LimitsConfig
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    random_bytes: Callable[[int], bytes]
    address: Callable[[], str]
    talk: TalkConfig = field(default_factory=TalkConfig)
    rates: Rates = field(default_factory=Rates)
    observers: list[Observer] = field(default_factory=list)
    talk_book: TalkBook = field(default_factory=TalkBook)


def rates_of(talk: TalkConfig) -> Rates:
    """Counts by the rates that the configuration says."""
    return Rates(
        {
            RateKind.POST: Rate(talk.posts_burst, talk.posts_every_ms * _MS_US),
            RateKind.NOTE: Rate(talk.notes_burst, talk.notes_every_ms * _MS_US),
            RateKind.REACTION: Rate(talk.reactions_burst, talk.reactions_every_ms * _MS_US),
            RateKind.ASK: Rate(talk.asks_burst, talk.asks_every_ms * _MS_US),
            RateKind.INVITE: Rate(talk.invites_burst, talk.invites_every_ms * _MS_US),
            RateKind.REPORT: Rate(talk.reports_burst, talk.reports_every_ms * _MS_US),
        }
    )
