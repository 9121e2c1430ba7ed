"""Board: what the room shows beside the state of its Space: posts, notes, who listens, what was said."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from signaling.cli.room.talk_key import TalkKey
from signaling.cli.telling import ENDS, Teller
from signaling.client import (
    Answered,
    Audience,
    Ended,
    Noted,
    NoteRow,
    Person,
    PostAdded,
    PostDeleted,
    PostRow,
    Queue,
    Reactions,
    Reconnected,
    Reconnecting,
    Removed,
    RequestRefused,
    Role,
    Space,
    SpaceEvent,
    SpaceOver,
    Stage,
    StageSeat,
    TimedOut,
    You,
)

__all__ = ["LISTENERS_SHOWN", "POSTS_KEPT", "Board", "Said"]

POSTS_KEPT: Final = 100
"""Then the oldest is dropped; the server has them all."""
LISTENERS_SHOWN: Final = 100
"""As many as hosts can choose from; the others are counted."""

_NOTES_KEPT: Final = 50
_SAID_KEPT: Final = 20
_FETCH_PAUSE_S: Final = 1.0  # who comes and goes is asked for at most this often


@dataclass(frozen=True, slots=True)
class Said:
    """A line for people."""

    text: str
    is_error: bool = False


class Board:
    """Follows the events of a Space. `version` grows with every change, so that who draws knows."""

    def __init__(self, space: Space, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self.space = space
        self.version = 0
        self.on_change: Callable[[], None] = lambda: None
        """Called after every event of the Space."""
        self.talk_key: TalkKey | None = None
        """Held down to be heard; None: one is heard whenever one may speak."""
        self.is_connected = True
        self.is_done = False
        """Nothing follows any more: whoever draws ends."""
        self.is_asking = False
        self.removed = ""
        """Why I was put out; empty while I was not."""
        self.ending = ""
        """How the Space ended, in a sentence."""
        self.fetched = 0
        """How often what no event tells was asked for."""
        self.said: deque[Said] = deque(maxlen=_SAID_KEPT)
        self.listeners: tuple[Person, ...] = ()
        self.reactions: dict[str, int] = {}
        """How many of each came in the second that was told last, at `reacted_s`."""
        self.reacted_s = 0.0
        self._clock = clock
        self._teller = Teller(space)
        self._posts: OrderedDict[int, PostRow] = OrderedDict()
        self._notes: OrderedDict[int, NoteRow] = OrderedDict()
        self._wanted: set[str] = {"posts", "notes", "people"}
        self._wants = asyncio.Event()
        self._wants.set()

    @property
    def is_host(self) -> bool:
        """Whether I may what hosts may."""
        return self.space.role in (Role.HOST, Role.CO_HOST)

    @property
    def posts(self) -> tuple[PostRow, ...]:
        """The oldest first."""
        return tuple(self._posts.values())

    @property
    def notes(self) -> tuple[NoteRow, ...]:
        """The oldest first; none for who is no host."""
        return tuple(self._notes.values())

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Tell something."""
        self.said.append(Said(text, is_error))
        self.version += 1

    def refused(self, error: RequestRefused | TimedOut) -> None:
        """Tell what the server said, in its words."""
        self.say(f"{error.message} [{error.code}]", is_error=True)

    def name_of(self, user: str) -> str:
        """As they are called here; else their id."""
        people: tuple[StageSeat | Person | PostRow, ...]
        people = (*self.space.stage, *self.space.queue, *self.listeners, *self.posts)
        return next((row.name for row in people if row.user == user), user)

    async def follow(self) -> None:
        """Take over what happens until the Space is over. ConnectionClosed if it is lost for good."""
        async for event in self.space.events():
            self._on(event)
            self.on_change()
        self.version += 1

    async def fetch(self) -> None:
        """Ask for what no event tells: what was written before, and for hosts who listens. Never returns."""
        while True:
            await self._wants.wait()
            wanted, self._wanted = self._wanted, set()
            self._wants.clear()
            for what in sorted(wanted):
                try:
                    await self._get(what)
                except (RequestRefused, TimedOut) as error:
                    self.refused(error)
                except SpaceOver:
                    return
            self.fetched += 1
            self.version += 1
            await asyncio.sleep(_FETCH_PAUSE_S)

    async def _get(self, what: str) -> None:
        space = self.space
        if what == "posts":
            for post in reversed(await space.posts(POSTS_KEPT)):
                self._add_post(post)
            self._posts = OrderedDict(sorted(self._posts.items()))
        elif not self.is_host:
            self._notes.clear()
            self.listeners = ()
        elif what == "notes":
            for note in reversed(await space.notes(_NOTES_KEPT)):
                self._add_note(note)
            self._notes = OrderedDict(sorted(self._notes.items()))
        else:
            self.listeners = tuple(await space.people(LISTENERS_SHOWN))

    def _want(self, *what: str) -> None:
        self._wanted.update(what)
        self._wants.set()

    def _on(self, event: SpaceEvent) -> None:
        sentences = self._teller.sentences(event)
        match event:
            case PostAdded():
                self._add_post(event.post)
            case PostDeleted():
                self._posts.pop(event.post, None)
            case Noted():
                self._add_note(event.note)
            case Reactions():
                self.reactions, self.reacted_s = dict(event.counts), self._clock()
            case Answered():
                answer = "accepted" if event.accepted else "turned down"
                sentences = [f"{self.name_of(event.user)} {answer} the invitation."]
            case _:
                self._on_state(event)
        if not isinstance(event, PostAdded | Noted):  # those stand in panes of their own
            self.said.extend(Said(each) for each in sentences)
        self.version += 1

    def _on_state(self, event: SpaceEvent) -> None:
        match event:
            case Queue():
                self.is_asking = any(row.user == self.space.me for row in event.queue) or (
                    self.is_asking and event.waiting > len(event.queue)
                )
            case You():
                self.is_asking = self.is_asking and self.space.seat is None
                self._want("notes", "people")
            case Audience() | Stage():
                if self.is_host:
                    self._want("people")
            case Ended():
                self.ending = f"The Space is over: {ENDS.get(event.reason, event.reason)}."
            case Removed():
                self.removed = event.reason or "removed"
            case Reconnecting():
                self.is_connected = False
            case Reconnected():
                self.is_connected = True
                if not event.replayed:
                    self._posts.clear()
                    self._want("posts", "notes")
            case _:
                pass

    def _add_post(self, post: PostRow) -> None:
        self._posts[post.post] = post
        if len(self._posts) > POSTS_KEPT:
            self._posts.popitem(last=False)

    def _add_note(self, note: NoteRow) -> None:
        if self.is_host:
            self._notes[note.note] = note
            if len(self._notes) > _NOTES_KEPT:
                self._notes.popitem(last=False)
