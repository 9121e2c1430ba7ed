"""What has to be known from outside a Space before a request can be decided, asked before its turn comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from signaling.protocol import messages as wire
from signaling.rules import KnownGraph, Post, Refused, SpaceState, SpeakPolicy
from signaling.server.admission import Entry
from signaling.server.relations import GraphError
from signaling.server.together import Together

__all__ = ["NOTHING_ASKED", "Bonds", "Books", "Facts", "History", "Question", "ask", "questions"]

log = logging.getLogger(__name__)

_RETRY_MS = 1_000
# So many holders of tickets of one Space are looked up at a time; the others wait within the actor's inbox.
READERS = 16


class Question(NamedTuple):
    """`what` about whom: blocked or follows (first, second), banned (first), entry (first), or post
    (number)."""

    what: str
    first: str = ""
    second: str = ""
    number: int = 0


class Bonds(Protocol):
    """Who follows and blocks whom, whoever keeps it."""

    async def follows(self, follower: str, followed: str) -> bool: ...

    async def blocked(self, blocker: str, user: str) -> bool: ...


class Books(Protocol):
    """What the store knows of Spaces and their actors do not keep, or keep as well."""

    async def banned(self, space: bytes) -> frozenset[str]: ...

    async def post(self, space: bytes, number: int) -> Post | None: ...

    async def is_ticketed(self, space: bytes) -> bool: ...

    async def entry(self, space: bytes, user: str) -> Entry | None: ...


class History:
    """The books of one Space. Who comes back together with many others shares the reading of the bans."""

    def __init__(self, space: bytes, books: Books) -> None:
        self._space = space
        self._books = books
        self._bans = Together(lambda: books.banned(space))
        self._sale = Together(lambda: books.is_ticketed(space))
        self._is_ticketed: bool | None = None
        self._readers = asyncio.Semaphore(READERS)

    async def is_banned(self, user: str) -> bool:
        """Whether `user` is banned at this moment."""
        return user in await self._bans.ask()

    async def post(self, number: int) -> Post | None:
        """The post of this number, if it is there."""
        return await self._books.post(self._space, number)

    async def entry(self, user: str) -> Entry | None:
        """What the doors ask of `user`; None where no ticket is needed: of a live Space that stays so."""
        if self._is_ticketed is None:
            self._is_ticketed = await self._sale.ask()
        if not self._is_ticketed:
            return None
        async with self._readers:
            return await self._books.entry(self._space, user)


@dataclass(frozen=True)
class Facts:
    """The answers. `graph` is what the rules read of them."""

    answers: Mapping[Question, Any] = field(default_factory=dict)

    @property
    def graph(self) -> KnownGraph:
        """Who follows and blocks whom, of those that were asked about."""
        held = [question for question, answer in self.answers.items() if answer is True]
        return KnownGraph(
            edges=frozenset((fact.first, fact.second) for fact in held if fact.what == "follows"),
            blocks=frozenset((fact.first, fact.second) for fact in held if fact.what == "blocked"),
        )

    def is_banned(self, user: str) -> bool:
        """Whether the store has a ban."""
        return self.answers.get(Question("banned", user)) is True

    def entry_of(self, user: str) -> Entry | None:
        """What the doors of a ticketed Space ask of somebody."""
        found = self.answers.get(Question("entry", user))
        return found if isinstance(found, Entry) else None

    def author_of(self, post: int) -> str | None:
        """Who wrote a post; None where it is not there, or no more."""
        found = self.answers.get(Question("post", number=post))
        return found.user if isinstance(found, Post) else None

    def cover(self, asked: Collection[Question]) -> bool:
        """Whether all of these were asked."""
        return all(question in self.answers for question in asked)


NOTHING_ASKED = Facts()


def questions(state: SpaceState, user: str, request: wire.Request) -> tuple[Question, ...]:
    """What must be known before this request of `user` can be decided in this state."""
    find = _QUESTIONS.get(type(request))
    return () if find is None else find(state, user, request)


async def ask(asked: Collection[Question], bonds: Bonds, history: History) -> Facts | Refused:
    """Ask all of it. Refused: busy, where the graph or the store does not answer."""
    try:
        return await _answers(asked, bonds, history)
    except GraphError as error:
        return error.refused
    except Exception:
        log.exception("what a request needs to know could not be asked")
        return Refused("busy", "The store did not answer and nothing was changed; try again soon.", _RETRY_MS)


async def _answers(asked: Collection[Question], bonds: Bonds, history: History) -> Facts:
    answers: dict[Question, Any] = {}
    for question in asked:
        match question.what:
            case "blocked":
                answers[question] = await bonds.blocked(question.first, question.second)
            case "follows":
                answers[question] = await bonds.follows(question.first, question.second)
            case "banned":
                answers[question] = await history.is_banned(question.first)
            case "entry":
                answers[question] = await history.entry(question.first)
            case _:
                answers[question] = await history.post(question.number)
    return Facts(answers)


def _of_door(state: SpaceState, user: str) -> tuple[Question, ...]:
    blocks = tuple(Question("blocked", owner, user) for owner in state.owners if owner != user)
    return blocks if user in state.owners else (*blocks, Question("entry", user))


def _of_resume(state: SpaceState, user: str) -> tuple[Question, ...]:
    return (*_of_door(state, user), Question("banned", user))


def _of_ask(state: SpaceState, user: str) -> tuple[Question, ...]:
    if state.settings.who_may_speak is not SpeakPolicy.FOLLOWED:
        return ()
    return tuple(Question("follows", owner, user) for owner in state.owners if owner != user)


_QUESTIONS: Mapping[type[wire.Request], Callable[[SpaceState, str, Any], tuple[Question, ...]]] = {
    wire.Join: lambda state, user, request: _of_door(state, user),
    wire.Resume: lambda state, user, request: _of_resume(state, user),
    wire.Ask: lambda state, user, request: _of_ask(state, user),
    wire.Post: lambda state, user, request: (
        (Question("post", number=request.reply_to),) if request.reply_to else ()
    ),
    wire.DeletePost: lambda state, user, request: (Question("post", number=request.post),),
}
