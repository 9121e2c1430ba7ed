"""Who talks in a Space: how long each was heard, and who is told. Pure; `now_us` comes in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from signaling.protocol import messages as wire
from signaling.protocol.wire import fit_rows

__all__ = ["SPACES_REMEMBERED", "TALKERS_KEPT", "TALK_TOLD_EVERY_US", "TalkBook", "TalkTimes", "Talking"]

TALKERS_KEPT: Final = 1_000
"""People of one Space whose talk time is kept; of more the one who talked least is forgotten, not the sum."""
SPACES_REMEMBERED: Final = 1_000
"""Spaces that are over and whose talk times can still be asked for; then the oldest is forgotten."""
TALK_TOLD_EVERY_US: Final = 300_000
"""Services that oversee a Space are told of its talk at most this often: as often as dominance is decided."""

_MS_US = 1_000


@dataclass(slots=True)
class _Talker:
    name: str
    talked_us: int = 0  # in turns that are over
    turns: int = 0
    since_us: int | None = None

    def us(self, now_us: int) -> int:
        return self.talked_us + (0 if self.since_us is None else now_us - self.since_us)


class TalkTimes:
    """How long each was heard in one Space: turns as the mixer sees them, pauses between words included."""

    def __init__(self) -> None:
        self._talkers: dict[str, _Talker] = {}
        self._forgotten = 0
        self._forgotten_us = 0
        self._end_us: int | None = None

    def begins(self, user: str, name: str, now_us: int) -> None:
        """`user` is heard from now on."""
        if user not in self._talkers and len(self._talkers) >= TALKERS_KEPT:
            self._forget_one()
        talker = self._talkers.setdefault(user, _Talker(name))
        talker.name = name
        if talker.since_us is None:
            talker.since_us = now_us
            talker.turns += 1

    def stops(self, user: str, now_us: int) -> None:
        """`user` is heard no more."""
        talker = self._talkers.get(user)
        if talker is not None and talker.since_us is not None:
            talker.talked_us += now_us - talker.since_us
            talker.since_us = None

    def end(self, now_us: int) -> None:
        """The Space is over: nobody is heard any more."""
        for user in self._talkers:
            self.stops(user, now_us)
        self._end_us = now_us

    def answer(self, request_id: int, now_us: int) -> wire.Talkers:
        """Who was heard longest first; as many as fit, and the sum of all."""
        at_us = now_us if self._end_us is None else self._end_us
        ranked = sorted(self._talkers.items(), key=lambda item: (-item[1].us(at_us), item[0]))
        rows = [
            wire.TalkerRow(
                user, talker.name, talker.us(at_us) // _MS_US, talker.turns, talker.since_us is not None
            )
            for user, talker in ranked[: wire.MAX_ROWS]
        ]
        heard_us = self._forgotten_us + sum(talker.us(at_us) for talker in self._talkers.values())
        people = len(self._talkers) + self._forgotten
        return wire.Talkers(request_id, fit_rows(rows), people, heard_us // _MS_US)

    def _forget_one(self) -> None:
        silent = [
            (talker.talked_us, user) for user, talker in self._talkers.items() if talker.since_us is None
        ]
        if silent:
            talked_us, user = min(silent)
            del self._talkers[user]
            self._forgotten += 1
            self._forgotten_us += talked_us


class TalkBook:
    """The talk times of all Spaces of a server that are live, and of those that were over last."""

    def __init__(self) -> None:
        self._live: dict[bytes, TalkTimes] = {}
        self._over: OrderedDict[bytes, TalkTimes] = OrderedDict()

    def open(self, space: bytes) -> TalkTimes:
        """A Space begins."""
        times = self._live[space] = TalkTimes()
        return times

    def close(self, space: bytes, now_us: int) -> None:
        """A Space is over."""
        times = self._live.pop(space, None)
        if times is not None:
            times.end(now_us)
            self._over[space] = times
            if len(self._over) > SPACES_REMEMBERED:
                self._over.popitem(last=False)

    def of(self, space: bytes) -> TalkTimes:
        """Those of a Space; none where it is forgotten, as after the server was started anew."""
        return self._live.get(space) or self._over.get(space) or TalkTimes()


class Talking:
    """The talk of one live Space as it goes on: keeps the times, says what services are told, and when."""

    def __init__(self, times: TalkTimes) -> None:
        self.times = times
        self._speakers: dict[int, str] = {}
        self._dominant: int | None = None
        self._told_us = -TALK_TOLD_EVERY_US
        self._is_news = False

    def on_change(
        self,
        seats: Iterable[int],
        dominant: int | None,
        sitting: Mapping[int, tuple[str, str]],
        now_us: int,
    ) -> None:
        """These seats are heard from now on; `sitting`: who is in which, user and name."""
        heard = set(seats)
        for seat in [seat for seat in self._speakers if seat not in heard]:
            self.times.stops(self._speakers.pop(seat), now_us)
        for seat in heard - set(self._speakers):
            if seat in sitting:
                user, name = sitting[seat]
                self._speakers[seat] = user
                self.times.begins(user, name, now_us)
        self._dominant = dominant
        self._is_news = True

    def due_us(self, overseers: int) -> int | None:
        """When somebody is to be told, or None."""
        return self._told_us + TALK_TOLD_EVERY_US if self._is_news and overseers else None

    def take(self, now_us: int, serial: int) -> wire.Talking | None:
        """What to tell now; None where it is not yet time, or nothing has changed."""
        if not self._is_news or now_us < self._told_us + TALK_TOLD_EVERY_US:
            return None
        self._is_news = False
        self._told_us = now_us
        return wire.Talking(serial, sorted(self._speakers), self._dominant)
