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
from signaling.client.errors import ConnectionClosed, RequestRefused, SpaceOver, SpacesError, TimedOut
from signaling.client.hearing import Hearing
from signaling.client.line import Line
from signaling.client.mailbox import Mailbox, outdated
from signaling.client.order_verbs import OrderVerbs
from signaling.client.pacing import paced
from signaling.client.playout import Frame
from signaling.client.room import News, Room
from signaling.client.seen import Seen
from signaling.client.stage_verbs import StageVerbs
from signaling.client.states import ConnectionState, Reconnected
from signaling.client.stats import SpaceStats
from signaling.client.talk_verbs import TalkVerbs
from signaling.client.talker import SPOKEN_LEVEL, Talker, Voice
from signaling.protocol.datagram import is_report
from signaling.protocol.messages import (
    Elsewhere,
    Ended,
    Event,
    Joined,
    Leave,
    Ok,
    Oversee,
    Pins,
    Removed,
    Resumed,
    Settings,
    StageSeat,
    Talking,
)

__all__ = ["EVENTS_KEPT", "Pcm", "Space", "SpaceEvent"]

log = logging.getLogger(__name__)

Pcm = Buffer
"""20 ms of mono sound at 48 kHz: 960 samples of float32 in [-1, 1] or of int16 (numpy, array, memoryview)."""
SpaceEvent = Event | ConnectionState
"""What `events()` gives: the server's events, and how it stands with the connection."""

EVENTS_KEPT: Final = 256
_RESYNC_PAUSE_S: Final = 1.0
_LEAVE_TRIES: Final = 20


class Space(Seen, StageVerbs, OrderVerbs, TalkVerbs):
    """Made by `client.open()` and `client.join()`; what it tells is kept up to date while the loop runs.

    **Queues.** At most 256 events wait for `events()`; then the oldest one that a later one of its kind makes
    obsolete is dropped, so that what one reads last is always true. At most 50 frames (1 s) wait for each
    `listen()`; then the oldest is dropped. Sending never waits. `stats` counts all of it.

    **A lost connection** is made anew by the client, where the server keeps one's place (`Reconnecting` and
    `Reconnected` among the events): iterators and sound go on, verbs wait for it.

    **Its end.** When one leaves or the Space ends, iterators end; when the connection is lost for good they
    raise ConnectionClosed. Verbs then raise SpaceOver or ConnectionClosed. Every verb raises RequestRefused
    when the server says no, and TimedOut when it says nothing.
    """

    def __init__(
        self,
        line: Line,
        me: str,
        joined: Joined,
        background: Background,
        *,
        voice: Voice | None = None,
        spread: float = 0.0,
        overseen: bool = False,
    ) -> None:
        self.overseen = overseen
        """A service acts here without being in it."""
        self._room = Room(me, joined)
        self._line = line
        self._background = background
        self._stats = SpaceStats()
        self._events: Mailbox[SpaceEvent] = Mailbox(EVENTS_KEPT, outdated)
        self._talker = Talker(voice)
        self.hushed = False
        """Push-to-talk: while True, what one speaks is not sent. The server is not asked, as by `mute`."""
        self._resyncing = False
        self._hearing = Hearing(
            line,
            is_speaker=lambda: self._room.seat is not None,
            spread=spread,
            on_seats=self._on_seats,
        )

    # What is known, beside what `Seen` has

    @property
    def talking(self) -> tuple[StageSeat, ...]:
        """Who is heard in the frame played last: who dominates first, then the loudest. See Talking."""
        return self._room.at(self._hearing.seats)

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

    def events(self) -> AsyncIterator[SpaceEvent]:
        """All that happens from joining on. One reader at a time; who breaks off may go on later."""
        return self._events

    # What one can do: the verbs of the stage, of order and of talk, and

    async def withdraw(self) -> None:
        """Ask to speak no longer."""
        await self.decline(self.me)

    async def leave(self) -> None:
        """Leave. Sound and iterators end at once; if the host leaves, the Space ends. Twice is harmless."""
        if self.over is not None:
            return
        self.finish("left")
        for tries_left in reversed(range(_LEAVE_TRIES)):
            try:
                await self._line.request(Leave, Ok)
                return
            except RequestRefused as error:
                if error.code in ("not_in_space", "space_ended"):
                    return
                # Whoever asks too fast must not stay inside for it.
                if error.code != "busy" or not tries_left:
                    raise
                await asyncio.sleep(max(1, error.retry_after_ms) / 1000)

    # Sound

    def speak(self, pcm: Pcm, captured_us: int | None = None) -> bool:
        """Say 20 ms. False if not heard: not on stage, muted, hushed, over, or too fast. Raises BadAudio.

        Call it for every captured frame, also while muted. `captured_us` is when it was captured, by the
        client's clock (now, if not given): that is what timestamps follow.
        """
        talker = self._talker
        return self._say(
            lambda at_us: talker.speak(pcm, at_us), lambda at_us: talker.hush(pcm, at_us), captured_us
        )

    def send_opus(self, packet: bytes, *, level: int = SPOKEN_LEVEL, captured_us: int | None = None) -> bool:
        """As `speak`, with an Opus packet of 20 ms, mono. `level` is its loudness in −dBov (127: silence)."""
        talker = self._talker
        return self._say(lambda at_us: talker.send_opus(packet, at_us, level), talker.hold, captured_us)

    async def play(self, frames: Iterable[Pcm] | AsyncIterable[Pcm]) -> int:
        """Say all of these frames, one every 20 ms without drift. Ends when they do, or the Space.

        Returns how many were heard.
        """
        heard = 0
        async with aclosing(paced(frames, self._line.clock)) as due:
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

    @property
    def serial(self) -> int:
        """The number of the last event of the Space that is known."""
        return self._room.serial

    @property
    def resume_ms(self) -> int:
        """How long the server keeps my place when the connection is lost."""
        return self._room.resume_ms

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
        self._on_news(news)
        if self._room.over is not None:
            self.finish(self._room.over)

    def on_unknown(self, serial: int) -> None:
        """An event of an unknown kind had this serial."""
        self._room.skip(serial)

    def on_snapshot(self, joined: Joined) -> None:
        """The whole state anew; it is told as events too, settings and pins if they are other ones."""
        if self.over is not None:
            return
        room, seat = self._room, self.seat
        settings, pins = room.settings, room.pins
        room.refresh(joined)
        self._on_own_change(seat)
        for event in room.snapshot():
            self._events.put(event)
        if room.settings != settings:
            self._events.put(Settings(room.serial, room.settings))
        if room.pins != pins:
            self._events.put(Pins(room.serial, list(room.pins)))

    def on_state(self, state: ConnectionState) -> None:
        """The connection is lost, or is there again."""
        if self.over is None:
            self._events.put(state)

    def on_resumed(self, reply: Resumed | Joined) -> None:
        """One is back: what was missed follows, or is told as a snapshot. Said before any of it."""
        if self.over is not None:
            return
        self._talker.reset()  # whatever becomes of my seat, what follows is another stream
        self.on_state(Reconnected(replayed=isinstance(reply, Resumed)))
        if isinstance(reply, Joined):
            self.on_snapshot(reply)
        else:
            self._on_news(self._room.resume(reply))

    def on_shut(self, code: str) -> None:
        """One cannot come back, for this reason of the server's."""
        serial = self._room.serial
        self.on_event(Removed(serial, code) if code == "removed" else Ended(serial + 1, code))

    def on_audio(self, datagram: bytes, now_us: int) -> None:
        """One datagram."""
        if self.over is not None:
            return
        if is_report(datagram):
            self._talker.on_report(datagram, self._line.redundancy)
        else:
            self._hearing.playout.put(datagram, now_us)

    def finish(self, over: str) -> None:
        """It is over, for this reason: nothing is sent or heard any more, and the iterators end."""
        self._room.over = over
        self._events.close(self._ending())
        self._hearing.finish(self._ending())

    # Inside

    def _on_seats(self, seats: tuple[int, ...]) -> None:
        """Others are heard than in the frame before: told as services are told by the server."""
        self._events.put(Talking(self.serial, sorted(seats), seats[0] if seats else None))

    def _check(self) -> None:
        if self.over == "closed":
            raise self._line.error()
        if self.over is not None:
            raise SpaceOver(self.over, f"the Space {self.title!r} is over for me ({self.over}); join it anew")

    def _ending(self) -> Callable[[], SpacesError] | None:
        """What iterators raise at the end; None where the end is no fault."""
        return self._line.error if self.over == "closed" else None

    def _say(
        self,
        take: Callable[[int], bytes | None],
        hush: Callable[[int], bytes | None],
        captured_us: int | None,
    ) -> bool:
        talker = self._talker
        if self.over is not None or self.seat is None:
            talker.stats.held += 1
            return False
        at_us = self._line.clock() if captured_us is None else captured_us
        if self.muted or not self._line.is_up:
            self._send(talker.hold(at_us))
            return False
        if self.hushed:
            self._send(hush(at_us))
            return False
        refused = talker.stats.too_fast
        return self._send(take(at_us)) and talker.stats.too_fast == refused

    def _send(self, datagram: bytes | None) -> bool:
        if datagram is not None and not self._line.send_audio(datagram):
            self._stats.datagrams_refused += 1
            return False
        return True

    def _on_own_change(self, seat_before: int | None) -> None:
        """Another seat is a new stream; who was muted says so once."""
        if self.seat != seat_before:
            self._talker.reset()
        elif self.muted:
            self._send(self._talker.pause())

    def _on_news(self, news: News) -> None:
        if news is News.GAP and not self._resyncing:
            self._resyncing = True
            self._background.start(self._resync())

    async def _resync(self) -> None:
        """Events were missed: get the whole state, at most once a second."""
        try:
            self._stats.resyncs += 1
            connection = await self._line.ready()
            if self.overseen:
                await connection.request(lambda number: Oversee(number, self.id), Joined, self.on_snapshot)
            else:
                await connection.join(self.id, self._on_resynced)
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
