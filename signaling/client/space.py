"""Space: one live audio room, as seen, heard and acted on by one person in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from typing_extensions import Buffer

from signaling.client.background import Background
from signaling.client.connection import Connection
from signaling.client.errors import ConnectionClosed, RequestRefused, SpaceOver, SpacesError, TimedOut
from signaling.client.hearing import Hearing
from signaling.client.mailbox import Mailbox, outdated
from signaling.client.pacing import paced
from signaling.client.playout import Frame
from signaling.client.room import News, Room
from signaling.client.stats import SpaceStats
from signaling.client.talker import SPOKEN_LEVEL, Talker, Voice
from signaling.protocol.messages import (
    Admit,
    Ask,
    Decline,
    Elsewhere,
    End,
    Ended,
    Event,
    Joined,
    Leave,
    ListPeople,
    Move,
    Mute,
    Ok,
    People,
    Person,
    Remove,
    Request,
    StageSeat,
    Unmute,
)
from signaling.rules.roles import Role

__all__ = ["EVENTS_KEPT", "Pcm", "Space", "Who"]

log = logging.getLogger(__name__)

Pcm = Buffer
"""20 ms of mono sound at 48 kHz: 960 samples of float32 in [-1, 1] or of int16 (numpy, array, memoryview)."""
Who = str | Person | StageSeat
"""A person: their user id, or a row of a queue, a stage or a list of people."""

EVENTS_KEPT: Final = 256
_RESYNC_PAUSE_S: Final = 1.0
_LEAVE_TRIES: Final = 20


class Space:
    """Made by `client.open()` and `client.join()`; what it tells is kept up to date while the loop runs.

    **Queues.** At most 256 events wait for `events()`; then the oldest one that a later one of its kind makes
    obsolete is dropped, so that what one reads last is always true. At most 50 frames (1 s) wait for each
    `listen()`; then the oldest is dropped. Sending never waits. `stats` counts all of it.

    **Its end.** When one leaves or the Space ends, iterators end; when the connection is lost they raise
    ConnectionClosed. Verbs then raise SpaceOver or ConnectionClosed. Every verb raises RequestRefused when
    the server says no, and TimedOut when it says nothing.
    """

    def __init__(
        self,
        connection: Connection,
        me: str,
        joined: Joined,
        background: Background,
        *,
        voice: Voice | None = None,
        spread: float = 0.0,
    ) -> None:
        self._room = Room(me, joined)
        self._connection = connection
        self._background = background
        self._stats = SpaceStats()
        self._events: Mailbox[Event] = Mailbox(EVENTS_KEPT, outdated)
        self._talker = Talker(voice)
        self._resyncing = False
        self._hearing = Hearing(connection, is_speaker=lambda: self._room.seat is not None, spread=spread)

    # What is known

    @property
    def id(self) -> bytes:
        """16 bytes, the same for everybody."""
        return self._room.id

    @property
    def id_text(self) -> str:
        """The id in hex, as `client.join` takes it."""
        return self._room.id.hex()

    @property
    def title(self) -> str:
        """As the host gave it."""
        return self._room.title

    @property
    def me(self) -> str:
        """My user id."""
        return self._room.me

    @property
    def role(self) -> Role:
        """What I am here at present."""
        return self._room.role

    @property
    def seat(self) -> int | None:
        """My seat on stage, or None."""
        return self._room.seat

    @property
    def muted(self) -> bool:
        """Whether my voice is switched off."""
        return self._room.muted

    @property
    def stage(self) -> tuple[StageSeat, ...]:
        """Who is on stage, in order of seat."""
        return self._room.stage

    @property
    def queue(self) -> tuple[Person, ...]:
        """Who asks to speak, first come first; of a long queue the first ones, see `waiting`."""
        return self._room.queue

    @property
    def waiting(self) -> int:
        """How many ask to speak."""
        return self._room.waiting

    @property
    def audience(self) -> int:
        """How many listen."""
        return self._room.audience

    @property
    def talking(self) -> tuple[StageSeat, ...]:
        """Who is heard in the frame played last, loudest first."""
        return self._room.at(self._hearing.seats)

    @property
    def over(self) -> str | None:
        """None while one is in it; then `left`, `removed`, `ended` or `closed` (the connection)."""
        return self._room.over

    @property
    def stats(self) -> SpaceStats:
        """Counters as of now."""
        hearing = self._hearing
        return replace(
            self._stats,
            events_dropped=self._events.dropped,
            gaps=self._room.gaps,
            frames_dropped=hearing.frames_dropped,
            callback_errors=hearing.callback_errors,
            talker=replace(self._talker.stats),
            playout=hearing.playout.stats,
        )

    def events(self) -> AsyncIterator[Event]:
        """All that happens from joining on. One reader at a time; who breaks off may go on later."""
        return self._events

    # What one can do

    async def ask(self) -> None:
        """Ask to speak. The host's answer comes as `You` with a seat, or as a `Queue` without me."""
        await self._do(Ask)

    async def withdraw(self) -> None:
        """Ask no longer."""
        await self.decline(self.me)

    async def admit(self, user: Who) -> None:
        """Let somebody who asked speak (host)."""
        await self._do(lambda number: Admit(number, _user(user)))

    async def decline(self, user: Who) -> None:
        """Take somebody off the queue (host)."""
        await self._do(lambda number: Decline(number, _user(user)))

    async def mute(self, user: Who = "") -> None:
        """Switch my voice off, or anybody's on stage (host)."""
        await self._do(lambda number: Mute(number, _user(user)))

    async def unmute(self) -> None:
        """Switch my voice on again; nobody else can."""
        await self._do(Unmute)

    async def move(self, user: Who = "") -> None:
        """Back from the stage to the listeners: myself, or any speaker (host)."""
        await self._do(lambda number: Move(number, _user(user)))

    async def remove(self, user: Who) -> None:
        """Remove somebody from this Space for as long as it lives (host)."""
        await self._do(lambda number: Remove(number, _user(user)))

    async def end(self) -> None:
        """End the Space for everybody (host)."""
        await self._do(End)

    async def leave(self) -> None:
        """Leave. Sound and iterators end at once; if the host leaves, the Space ends. Twice is harmless."""
        if self.over is not None:
            return
        self.finish("left")
        for tries_left in reversed(range(_LEAVE_TRIES)):
            try:
                await self._connection.request(Leave, Ok)
                return
            except RequestRefused as error:
                if error.code in ("not_in_space", "space_ended"):
                    return
                # Whoever asks too fast must not stay inside for it.
                if error.code != "busy" or not tries_left:
                    raise
                await asyncio.sleep(max(1, error.retry_after_ms) / 1000)

    async def people(self, most: int = 1000) -> list[Person]:
        """Who is in the Space, by user id, at most so many."""
        self._check()
        found: list[Person] = []
        after = ""
        while len(found) < most:
            limit = min(100, most - len(found))
            page = await self._connection.request(
                lambda number, after=after, limit=limit: ListPeople(number, after, limit),  # type: ignore[misc]
                People,
            )
            found += page.people
            after = page.more
            if not after or not page.people:
                break
        return found[:most]

    # Sound

    def speak(self, pcm: Pcm, captured_us: int | None = None) -> bool:
        """Say 20 ms. False if it is not heard: not on stage, muted, over, or too fast. Raises BadAudio.

        Call it for every captured frame, also while muted. `captured_us` is when it was captured, by the
        client's clock (now, if not given): that is what timestamps follow.
        """
        return self._say(lambda at_us: self._talker.speak(pcm, at_us), captured_us)

    def send_opus(self, packet: bytes, *, level: int = SPOKEN_LEVEL, captured_us: int | None = None) -> bool:
        """As `speak`, with an Opus packet of 20 ms, mono. `level` is its loudness in −dBov (127: silence)."""
        return self._say(lambda at_us: self._talker.send_opus(packet, at_us, level), captured_us)

    async def play(self, frames: Iterable[Pcm] | AsyncIterable[Pcm]) -> int:
        """Say all of these frames, one every 20 ms without drift. Ends when they do, or the Space.

        Returns how many were heard.
        """
        heard = 0
        async with aclosing(paced(frames, self._connection.clock)) as due:
            async for pcm in due:
                if self.over is not None:
                    return heard
                heard += self.speak(pcm)
        if self.over is None:
            self._send(self._talker.pause())
        return heard

    def listen(self) -> AsyncIterator[Frame]:
        """What is heard from now on: a frame every 20 ms, silence included. Each call is another listener."""
        listener = self._hearing.listen()
        if self.over is not None:
            listener.close(self._ending())
        return listener

    @property
    def on_pcm(self) -> Callable[[Frame], None] | None:
        """Called with every frame, 50 times a second, on the loop: it has to return quickly."""
        return self._hearing.on_pcm

    @on_pcm.setter
    def on_pcm(self, callback: Callable[[Frame], None] | None) -> None:
        self._hearing.on_pcm = callback

    # For the client that made it

    def on_event(self, event: Event) -> None:
        """An event of the connection."""
        if self.over is not None:
            return
        seat = self.seat
        news = self._room.apply(event)
        if news is News.STALE:
            self._stats.stale_events += 1
            return
        self._events.put(event)
        self._on_own_change(seat)
        if news is News.GAP and not self._resyncing:
            self._resyncing = True
            self._background.start(self._resync())
        if self._room.over is not None:
            self.finish(self._room.over)

    def on_unknown(self, serial: int) -> None:
        """An event of an unknown kind had this serial."""
        self._room.skip(serial)

    def on_snapshot(self, joined: Joined) -> None:
        """The whole state anew; it is told as events too."""
        if self.over is not None:
            return
        seat = self.seat
        self._room.refresh(joined)
        self._on_own_change(seat)
        for event in self._room.snapshot():
            self._events.put(event)

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        """One datagram."""
        if self.over is None:
            self._hearing.playout.put(datagram, now_us)

    def finish(self, over: str) -> None:
        """It is over, for this reason: nothing is sent or heard any more, and the iterators end."""
        self._room.over = over
        self._events.close(self._ending())
        self._hearing.finish(self._ending())

    # Inside

    async def _do(self, build: Callable[[int], Request]) -> None:
        self._check()
        await self._connection.request(build, Ok)

    def _check(self) -> None:
        if self.over == "closed":
            raise self._connection.error()
        if self.over is not None:
            raise SpaceOver(self.over, f"the Space {self.title!r} is over for me ({self.over}); join it anew")

    def _ending(self) -> Callable[[], SpacesError] | None:
        """What iterators raise at the end; None where the end is no fault."""
        return self._connection.error if self.over == "closed" else None

    def _say(self, take: Callable[[int], bytes | None], captured_us: int | None) -> bool:
        talker = self._talker
        if self.over is not None or self.seat is None:
            talker.stats.held += 1
            return False
        at_us = self._connection.clock() if captured_us is None else captured_us
        if self.muted:
            self._send(talker.hold(at_us))
            return False
        refused = talker.stats.too_fast
        return self._send(take(at_us)) and talker.stats.too_fast == refused

    def _send(self, datagram: bytes | None) -> bool:
        if datagram is not None and not self._connection.send_audio(datagram):
            self._stats.datagrams_refused += 1
            return False
        return True

    def _on_own_change(self, seat_before: int | None) -> None:
        """Another seat is a new stream; who was muted says so once."""
        if self.seat != seat_before:
            self._talker.reset()
        elif self.muted:
            self._send(self._talker.pause())

    async def _resync(self) -> None:
        """Events were missed: get the whole state, at most once a second."""
        try:
            self._stats.resyncs += 1
            await self._connection.join(self.id, self._on_resynced)
            await asyncio.sleep(_RESYNC_PAUSE_S)
        except RequestRefused as error:
            if error.code in ("no_such_space", "removed", "space_ended"):
                self.on_event(Ended(self._room.serial + 1, error.code))
        except (TimedOut, ConnectionClosed) as error:
            log.info("no fresh snapshot of the Space: %s", error)
        finally:
            self._resyncing = False

    def _on_resynced(self, reply: Joined | Elsewhere) -> None:
        if isinstance(reply, Joined):
            self.on_snapshot(reply)


def _user(who: Who) -> str:
    return who if isinstance(who, str) else who.user
