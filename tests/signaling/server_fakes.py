"""What surrounds sessions and Spaces in tests without a store, a graph, a token key and an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from signaling import rules
from signaling.rules import Effect, Note, Past, Person, Post
from signaling.server.session import Member
from signaling.store.audit import AuditEntry
from signaling.tokens import Identity, TokenError
from spacecore.errors import SeatError


class FakeEngine:
    """A `spacecore.Space` that remembers what it was asked, and mixes nothing unless told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.serial = 0
        self.seats: set[int] = set()
        self.packets: tuple[tuple[int, bytes], ...] = ()
        self.excluded: frozenset[int] = frozenset()
        self.reports: tuple[tuple[int, bytes], ...] = ()
        self.audible: tuple[int, ...] = ()
        self.dominant: int | None = None
        self.fails: str | None = None

    def _ask(self, *what: Any) -> int:
        if self.fails == what[0]:
            raise SeatError("ring_full", "the fake was told to refuse")
        self.asked.append(what)
        self.serial += 1
        return self.serial

    def add_seat(self, seat: int) -> int:
        serial = self._ask("add", seat)
        self.seats.add(seat)
        return serial

    def remove_seat(self, seat: int) -> int:
        if seat not in self.seats:
            raise SeatError("no_such_seat", "there is none")
        self.seats.discard(seat)
        return self._ask("remove", seat)

    def mute(self, seat: int, muted: bool = True) -> int:
        return self._ask("mute", seat, muted)

    def set_gain(self, seat: int, gain_db: float) -> int:
        return self._ask("gain", seat, gain_db)

    def put(self, seat: int, datagram: bytes, now_us: int) -> str:
        self.asked.append(("put", seat, datagram))
        return "ok"

    def report(self, seat: int | None, datagram: bytes, now_us: int, *, vote: int = 0) -> int:
        self.asked.append(("report", seat, datagram))
        return vote

    def tick(self, now_us: int) -> Any:
        packets, self.packets = self.packets, ()
        return SimpleNamespace(
            packets=packets,
            excluded=self.excluded,
            applied=self.serial,
            audible=self.audible,
            dominant=self.dominant,
            reports=self.reports,
        )


class FakeRecords:
    """A store that keeps effects in a list, fails on demand, and can be made to wait.

    `gate` holds writes back, `archive` reads; what is read comes from what was written.
    """

    def __init__(self) -> None:
        self.written: list[Effect] = []
        self.users: list[str] = []
        self.out: set[str] = set()
        self.fails: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.archive = asyncio.Event()
        self.archive.set()
        self.reading = 0
        self.most_reading = 0

    async def write(self, space: bytes, effects: Sequence[Effect]) -> None:
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        self.written += effects

    async def register(self, user: str, name: str) -> None:
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        self.users.append(user)

    # Reading

    async def _read(self) -> None:
        self.reading += 1
        self.most_reading = max(self.reading, self.most_reading)
        await self.archive.wait()
        self.reading -= 1
        if self.fails is not None:
            raise self.fails

    async def banned(self, space: bytes) -> frozenset[str]:
        found = self.out | {person.user for person in self._bans()}
        await self._read()
        return frozenset(found)

    async def is_ticketed(self, space: bytes) -> bool:
        return False

    async def entry(self, space: bytes, user: str) -> None:
        return None

    async def post(self, space: bytes, number: int) -> Post | None:
        await self._read()
        return next((post for post in self._posts() if post.post == number), None)

    async def posts(self, space: bytes, before: int, limit: int) -> tuple[list[Post], int]:
        await self._read()
        found = [post for post in self._posts() if not before or post.post < before]
        return found[:limit], found[limit - 1].post if len(found) > limit else 0

    async def notes(self, space: bytes, before: int, limit: int) -> tuple[list[Note], int]:
        await self._read()
        notes = [it.note for it in reversed(self.written) if isinstance(it, rules.NoteAdded)]
        found = [note for note in notes if not before or note.note < before]
        return found[:limit], found[limit - 1].note if len(found) > limit else 0

    async def audit(self, space: bytes, before: int, limit: int) -> tuple[list[AuditEntry], int]:
        await self._read()
        acts = [it for it in self.written if isinstance(it, rules.Audited)]
        entries = [
            AuditEntry(number, 0, act.actor, act.action, act.target, act.detail)
            for number, act in enumerate(acts, start=1)
        ]
        found = [entry for entry in reversed(entries) if not before or entry.entry < before]
        return found[:limit], found[limit - 1].entry if len(found) > limit else 0

    async def bans(self, space: bytes, after: str, limit: int) -> tuple[list[Person], str]:
        await self._read()
        found = [person for person in sorted(self._bans()) if person.user > after]
        return found[:limit], found[limit - 1].user if len(found) > limit else ""

    async def past(self, space: bytes) -> Past | None:
        await self._read()
        hosts = [it.host for it in self.written if isinstance(it, rules.Opened | rules.HostChanged)]
        return Past(hosts[-1], hosts[0]) if hosts else None

    def _posts(self) -> list[Post]:
        gone = {it.post for it in self.written if isinstance(it, rules.PostGone)}
        posts = [it.post for it in reversed(self.written) if isinstance(it, rules.Posted)]
        return [post for post in posts if post.post not in gone]

    def _bans(self) -> list[Person]:
        found: dict[str, Person] = {}
        for effect in self.written:
            if isinstance(effect, rules.Banned):
                found[effect.user] = Person(effect.user, effect.name)
            elif isinstance(effect, rules.Unbanned):
                found.pop(effect.user, None)
        return list(found.values())


@dataclass
class FakeBonds:
    """Who follows and blocks whom, as (one, other); `gate` makes it wait."""

    edges: set[tuple[str, str]] = field(default_factory=set)
    blocks: set[tuple[str, str]] = field(default_factory=set)
    fails: Exception | None = None
    asked: int = 0

    def __post_init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()

    async def follows(self, follower: str, followed: str) -> bool:
        await self._answer()
        return (follower, followed) in self.edges

    async def blocked(self, blocker: str, user: str) -> bool:
        found = (blocker, user) in self.blocks
        await self._answer()
        return found

    async def _answer(self) -> None:
        self.asked += 1
        await self.gate.wait()
        if self.fails is not None:
            raise self.fails


@dataclass
class FakeAuthority:
    """A token is `user`, `user/Name` or `user/Name/lifetime_s`; `bad` and `old` are refused.

    Whose user begins with `service` is a service.
    """

    registers: bool = True

    def identify(self, token: str, *, subject: str | None = None) -> Identity:
        user, _, rest = token.partition("/")
        name, _, lifetime_s = rest.partition("/")
        if user in ("", "bad"):
            raise TokenError("bad_token", "The token is not readable.")
        if user == "old":
            raise TokenError("token_expired", "The token expired.")
        if subject is not None and user != subject:
            raise TokenError("wrong_subject", "The token is for another.")
        return Identity(user, name or user, int(lifetime_s or 3600))

    def member(self, identity: Identity, name: str, now_us: int) -> Member:
        is_service = identity.subject.startswith("service")
        return Member(identity.subject, name, now_us + identity.expires_s * 1_000_000, is_service)

    def mint(self, user: str, name: str) -> str:
        return f"{user}/{name}"
