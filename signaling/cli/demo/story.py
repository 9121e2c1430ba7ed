"""The demo itself: a host, a guest who is admitted, two listeners, over a real server."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

from signaling.cli.demo import script
from signaling.cli.demo.people import Arrivals, Person, now_us, until_us
from signaling.cli.demo.real_server import RealServer
from signaling.cli.failures import Failure
from signaling.cli.running import together
from signaling.client import Client, connect

__all__ = ["Story", "play"]

_ADMISSION_S: Final = 5.0
_LAST_WORDS_S: Final = 3.0  # so long everybody may take to learn of the end


@dataclass(slots=True)
class Story:
    """What has happened so far; complete when `play` returns."""

    started_us: int = 0
    """The moment of the host's first sample."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    phase: str = "The server starts"
    people: list[Person] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How far it is."""
        return (now_us() - self.started_us) / 1_000_000 if self.started_us else 0.0

    def of(self, role: str) -> list[Person]:
        """The people in a role: host, speaker or listener."""
        return [person for person in self.people if person.role == role]


async def play(server: RealServer, voices: script.Voices, story: Story) -> None:
    """Tell the whole story; `story` is filled on the way. Failure: not_admitted; errors of the client."""
    async with contextlib.AsyncExitStack() as doors:
        cast = []
        for name in ("Ada", "Ben", "Cleo", "Dan"):
            client = await connect(server.address, name=name, fingerprint=server.fingerprint)
            cast.append(_Actor(await doors.enter_async_context(client), name, Arrivals(client)))
        ada, ben, cleo, dan = cast
        host = Person("Ada", "host", ada.arrivals, await ada.client.open("The demo"))
        story.people.append(host)
        story.started_us = now_us()
        story.phase = "Ada speaks"
        story.begun.set()
        await together(
            _host(host, voices, story),
            _guest(ben, host, voices, story),
            _enter(cleo, "listener", script.LISTENERS_JOIN_S[0], host, story),
            _enter(dan, "listener", script.LISTENERS_JOIN_S[1], host, story),
        )
        await _all_told(story)


@dataclass(frozen=True, slots=True)
class _Actor:
    client: Client
    name: str
    arrivals: Arrivals


async def _host(host: Person, voices: script.Voices, story: Story) -> None:
    await host.say(voices.host, story.started_us, _at(story, script.END_S))
    story.phase = "Ada ends the Space"
    await host.space.end()


async def _guest(actor: _Actor, host: Person, voices: script.Voices, story: Story) -> None:
    guest = await _enter(actor, "speaker", script.GUEST_JOINS_S, host, story)
    await until_us(_at(story, script.ASK_S))
    story.phase = "Ben asks to speak"
    await guest.space.ask()
    if not await host.wait_until(lambda: bool(host.space.queue), _ADMISSION_S):
        raise Failure("not_admitted", f"the host was not told within {_ADMISSION_S:g} s that somebody asks")
    await until_us(_at(story, script.ADMIT_S))
    story.phase = "Ada admits Ben"
    await host.space.admit(guest.space.me)
    if not await guest.wait_until(lambda: guest.space.seat is not None, _ADMISSION_S):
        raise Failure("not_admitted", f"the guest was not told within {_ADMISSION_S:g} s of being admitted")
    await until_us(_at(story, script.GUEST_SPEAKS_S))
    story.phase = "Both speak"
    await together(
        guest.say(voices.guest, _at(story, script.GUEST_SPEAKS_S), _at(story, script.END_S)),
        _announce(story, script.HOST_S, "Ben speaks"),
    )


async def _enter(actor: _Actor, role: str, at_s: float, host: Person, story: Story) -> Person:
    await until_us(_at(story, at_s))
    called_us = now_us()
    space = await actor.client.join(host.space.id)
    person = Person(actor.name, role, actor.arrivals, space, joined_us=called_us)
    story.people.append(person)
    return person


async def _announce(story: Story, at_s: float, phase: str) -> None:
    await until_us(_at(story, at_s))
    story.phase = phase


async def _all_told(story: Story) -> None:
    """Wait for everybody's last event; who is not told in time is not told."""
    following = [person.following for person in story.people if person.following is not None]
    _, late = await asyncio.wait(following, timeout=_LAST_WORDS_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


def _at(story: Story, at_s: float) -> int:
    return story.started_us + int(at_s * 1_000_000)
