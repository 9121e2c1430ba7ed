"""Hearing: what people in a room off the native plane say of their reception, and what is done for them."""

from __future__ import annotations

from typing import Protocol

from spacecore import PacketError, Recovery, parse_report
from spacecore._bundle import Bundler

__all__ = ["Hearing", "TakesReports"]


class TakesReports(Protocol):
    """What is used of `spacecore.Space` here."""

    def report(self, seat: int | None, datagram: bytes, now_us: int, *, vote: int = 0) -> int: ...


class Hearing:
    """Votes on the room's loss, and who gets copies of frames: whose loss calls for it and who takes them.

    Where nobody does, a frame costs nothing here.
    """

    __slots__ = ("_bundler", "_copies", "_recovery", "_takes", "_votes")

    def __init__(self) -> None:
        self._bundler = Bundler()
        self._copies: dict[str, int] = {}
        self._recovery: dict[str, Recovery] = {}
        self._takes: dict[str, int] = {}
        self._votes: dict[str, int] = {}

    @property
    def is_needed(self) -> bool:
        """Whether anybody gets copies."""
        return bool(self._copies)

    def enter(self, user: str, redundancy: int) -> None:
        """Somebody hears from now on, who takes so many copies in one datagram."""
        self.leave(user)
        self._takes[user] = redundancy

    def leave(self, user: str) -> None:
        """Somebody hears no more."""
        for each in (self._copies, self._recovery, self._takes, self._votes):
            each.pop(user, None)

    def clear(self) -> None:
        """Nobody hears any more."""
        for each in (self._copies, self._recovery, self._takes, self._votes):
            each.clear()

    def report(self, engine: TakesReports, user: str, seat: int | None, datagram: bytes, now_us: int) -> None:
        """What somebody inside says. Never raises for what is in the bytes."""
        if user not in self._takes:
            return
        self._votes[user] = engine.report(seat, datagram, now_us, vote=self._votes.get(user, 0))
        try:
            report = parse_report(datagram)
        except PacketError:
            return
        if report.lost or user in self._recovery:
            self._judge(user, report.received + report.lost, report.lost, report.bursts, now_us)

    def variant(self, user: str, datagram: bytes, variants: dict[int, bytes]) -> bytes:
        """What of a frame goes to this person; `variants` keeps what was built for it, by copies."""
        copies = self._copies.get(user, 0)
        if not copies:
            return datagram
        if copies not in variants:
            variants[copies] = self._bundler.copied(copies) or datagram
        return variants[copies]

    def put(self, datagram: bytes) -> None:
        """The next frame of the full mix."""
        try:
            self._bundler.put(datagram)
        except PacketError:  # one that is no single frame has no copies
            self._bundler = Bundler()

    def _judge(self, user: str, expected: int, lost: int, bursts: int, now_us: int) -> None:
        recovery = self._recovery.setdefault(user, Recovery())
        advice = recovery.note(expected, lost, min(bursts, lost), now_us)
        copies = min(advice.copies, self._takes[user])
        if copies:
            self._copies[user] = copies
        else:
            self._copies.pop(user, None)
