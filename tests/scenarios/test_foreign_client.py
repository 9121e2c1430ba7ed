"""The foreign client and ours in one Space, over a real server on loopback UDP."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import numpy as np
import pytest

from signaling.client import Space
from signaling.server import Server
from tests.foreign.client import HOST, LISTENER, SPEAKER, ForeignClient, RefusedError
from tests.foreign.link import NotPinnedError
from tests.foreign.numbers import CloseCode, ErrorCode, Event, Request
from tests.scenarios.foreign_stories import (
    WAIT_S,
    foreign_at,
    fran_id,
    refused_code,
    server_at,
    story,
    two_at,
    until,
)
from tests.signals import FRAME, RATE, Samples, correlation, frames, voice

pytestmark = pytest.mark.scenario

TALK_S = 2.0
# Two codings, a mix and a jitter buffer leave this much of a voice, and of another voice so little.
SAME, OTHER = 0.6, 0.25
LAG_MS = 1000.0
HEARD_FRAMES = 150
PIECE_FRAMES = 20
# Made beforehand: nothing may hold up the loop while somebody listens.
FRANS, OTTOS = voice(11, TALK_S), voice(22, TALK_S)
TURNS = [voice(40 + turn, 1.0) for turn in range(3)]


class Ear:
    """What our client hears from now on."""

    def __init__(self, space: Space) -> None:
        self._listener = space.listen()
        self._heard: list[Samples] = []

    async def take(self, count: int) -> Samples:
        """Wait until so many frames were heard; all of them in one piece."""
        async with asyncio.timeout(WAIT_S):
            while len(self._heard) < count:
                frame = await anext(self._listener)
                self._heard.append(np.array(frame.pcm, dtype=np.float32))
        return np.concatenate(self._heard)


async def heard_by_fran(fran: ForeignClient, since: int, count: int) -> Samples:
    """Wait until the foreign client has played so many frames; all of them in one piece."""
    await fran.until(lambda: len(fran.voice.heard) - since >= count, WAIT_S)
    return np.concatenate(fran.voice.heard[since:])


def presence(heard: Samples, source: Samples) -> float:
    """How well a voice is heard: the median over pieces of 0.4 s, each at any delay up to a second.

    In pieces, because a jitter buffer may change its delay while the voice goes on.
    """
    size, size_fft = PIECE_FRAMES * FRAME, 1 << 18
    found = []
    for at in range(0, len(source) - size + 1, size):
        piece = source[at : at + size].astype(np.float64)
        part = heard[at : at + size + RATE].astype(np.float64)
        product = np.fft.irfft(np.fft.rfft(part, size_fft) * np.conj(np.fft.rfft(piece, size_fft)), size_fft)
        energy = np.cumsum(np.concatenate([[0.0], part**2]))
        energy = np.maximum(energy[size:] - energy[:-size], 1e-6) * (piece**2).sum()
        found.append(float((product[: len(energy)] / np.sqrt(energy)).max()))
    return float(np.median(found))


def echo(heard: Samples, own: Samples) -> float:
    """How much of one's own voice is in all that one heard."""
    return correlation(heard, own, max_lag_ms=LAG_MS)


async def on_stage_together(fran: ForeignClient, otto: Space) -> None:
    """Both speak at once: each hears the other and not oneself."""
    ear, since = Ear(otto), len(fran.voice.heard)
    _, _, by_otto, by_fran = await asyncio.gather(
        fran.speak(FRANS),
        otto.play(frames(OTTOS)),
        ear.take(HEARD_FRAMES),
        heard_by_fran(fran, since, HEARD_FRAMES),
    )
    assert presence(by_otto, FRANS) > SAME
    assert echo(by_otto, OTTOS) < OTHER
    assert presence(by_fran, OTTOS) > SAME
    assert echo(by_fran, FRANS) < OTHER


def test_the_foreign_client_hosts_and_ours_listens_and_speaks(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (_, fran, otto):
            room = await fran.open("  Foreign tea  ")
            assert (room.title, room.role, room.seat, room.muted) == ("Foreign tea", HOST, 0, False)
            space = await otto.join(room.space)
            await fran.until(lambda: room.audience == 1, WAIT_S)

            _, heard = await asyncio.gather(fran.speak(FRANS), Ear(space).take(HEARD_FRAMES))
            assert presence(heard, FRANS) > SAME

            await space.ask()
            await fran.until(lambda: room.users_asking() == [otto.user], WAIT_S)
            await fran.admit(otto.user)
            await until(space, lambda: space.seat is not None)
            await fran.until(lambda: otto.user in room.users_on_stage(), WAIT_S)
            await on_stage_together(fran, space)

            await fran.mute(otto.user)
            await until(space, lambda: space.muted)
            await fran.unmute(otto.user)  # which lets go of a held mute and switches on no microphone
            await fran.move(otto.user)
            await until(space, lambda: space.seat is None)
            rows = [row for event in fran.events if event[0] == Event.STAGE for row in event[2]]
            assert [row[4] for row in rows if row[1] == otto.user][-1]
            assert [row[0] for row in await fran.people()] == sorted([fran_id(fran), otto.user])
            talkers = {row[0]: row[2] for row in await fran.talkers()}
            assert set(talkers) == {fran_id(fran), otto.user}
            assert all(talk_ms > 500 for talk_ms in talkers.values())
            await fran.end()
            await until_over(space)
            await fran.until(lambda: fran.ended is not None, WAIT_S)
            assert (space.over, fran.ended, fran.room) == ("ended", "host_ended", None)

    story(tell)


async def until_over(space: Space) -> None:
    """Wait until our client's Space is over, which ends its events."""
    async with asyncio.timeout(WAIT_S):
        async for _ in space.events():
            pass


def test_our_client_hosts_and_the_foreign_one_asks_speaks_is_moved_and_removed(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (server, fran, otto):
            space = await otto.open("Our tea")
            rows = await fran.list_spaces()
            assert [row[:3] for row in rows] == [[space.id, "Our tea", "Otto"]]
            room = await fran.join(space.id)
            assert (room.role, room.seat, room.users_on_stage()) == (LISTENER, None, [otto.user])
            await fran.ask()
            await until(space, lambda: [person.user for person in space.queue] == [fran_id(fran)])
            await space.admit(space.queue[0])
            await fran.until(lambda: room.seat is not None, WAIT_S)
            assert (room.role, room.muted) == (SPEAKER, False)
            await on_stage_together(fran, space)
            assert fran.voice.downlink.numberings == 0

            await mutes_in_mid_speech(server, fran, space)
            await fran.unmute()
            await fran.until(lambda: not room.muted, WAIT_S)
            await space.move(fran_id(fran))
            await fran.until(lambda: room.seat is None, WAIT_S)
            assert room.role == LISTENER
            await speaks_off_stage(server, fran)
            await space.remove(fran_id(fran))
            await fran.until(lambda: fran.removed is not None and fran.closed is not None, WAIT_S)
            assert fran.removed == "removed"
            assert fran.closed is not None
            assert fran.closed.code == CloseCode.REMOVED
            await comes_back_in_vain(server, fran, space.id)

    story(tell)


async def mutes_in_mid_speech(server: Server, fran: ForeignClient, space: Space) -> None:
    """The last word of a voice that is muted is a silent frame, and it passes unless it is late."""
    talk = asyncio.ensure_future(fran.speak(FRANS))
    async with asyncio.timeout(WAIT_S):
        await until_talking(space, fran_id(fran))
    frames_in = server.statistics()["frames_in"]
    await fran.mute()
    await fran.until(lambda: fran.room is not None and fran.room.muted, WAIT_S)
    sent = await talk
    assert sent < len(FRANS) // FRAME
    # Audio and requests come in by ways of their own: the last word may be the one frame that is too late.
    async with asyncio.timeout(WAIT_S):
        while not last_word(server, frames_in):  # noqa: ASYNC110 - counters tell nobody
            await asyncio.sleep(0.02)
    assert server.statistics()["dropped_muted"] <= 1


def last_word(server: Server, frames_in: int) -> bool:
    """Whether it has come: heard, or dropped because the mute was faster."""
    found = server.statistics()
    return found["frames_in"] > frames_in or found["dropped_muted"] == 1


async def until_talking(space: Space, user: str) -> None:
    """Wait until our client shows somebody as the one who speaks."""
    async for _ in space.listen():
        if any(seat.user == user for seat in space.talking):
            return


async def speaks_off_stage(server: Server, fran: ForeignClient) -> None:
    """A client that should not send does: the server counts the frame and drops it."""
    assert not fran.may_speak()
    dropped = server.statistics()["dropped_not_on_stage"]
    datagram = fran.voice.uplink.capture(FRANS[:FRAME], fran.voice.capture_clock())
    assert datagram is not None
    fran.link.send_datagram(datagram)
    await fran.list_spaces()
    assert server.statistics()["dropped_not_on_stage"] == dropped + 1


async def comes_back_in_vain(server: Server, fran: ForeignClient, space: bytes) -> None:
    """Who was removed may connect, under the same id, and may not join."""
    assert fran.welcome is not None
    async with foreign_at(server) as again:
        welcome = await again.hello(fran.welcome.token)
        assert (welcome.user, welcome.name, welcome.token) == (fran.welcome.user, "Fran", "")
        with pytest.raises(RefusedError) as refused:
            await again.join(space)
        assert refused.value.code is ErrorCode.REMOVED


def test_the_two_take_turns_and_hear_each_other_across_changes_of_source(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (_, fran, otto):
            room = await fran.join((await otto.open("Turns")).id)
            space = otto.space
            assert space is not None
            await fran.ask()
            await until(space, lambda: bool(space.queue))
            await space.admit(fran_id(fran))
            await fran.until(lambda: room.seat is not None, WAIT_S)
            for turn, words in enumerate(TURNS):
                since, ear = len(fran.voice.heard), Ear(space)
                if turn % 2:
                    await fran.speak(words)
                    heard = await ear.take(HEARD_FRAMES // 2 + 25)
                else:
                    await space.play(frames(words))
                    heard = await heard_by_fran(fran, since, HEARD_FRAMES // 2 + 25)
                assert presence(heard, words) > SAME
            assert fran.voice.downlink.source_changes >= 1
            assert fran.voice.downlink.numberings == 0
            assert (fran.dropped_datagrams, fran.stray_datagrams) == (0, 0)

    story(tell)


def test_a_bad_token_and_a_request_before_hello_are_refused(tmp_path: Path) -> None:
    async def tell() -> None:
        async with server_at(tmp_path) as server:
            async with foreign_at(server) as fran:
                with pytest.raises(RefusedError) as refused:
                    await fran.list_spaces()
                assert refused_code(refused) is ErrorCode.NOT_AUTHENTICATED
                with pytest.raises(RefusedError) as refused:
                    await fran.hello("no.such.token")
                assert refused_code(refused) is ErrorCode.BAD_TOKEN
                await fran.until(lambda: fran.closed is not None, WAIT_S)
                assert fran.closed is not None
                assert fran.closed.code == CloseCode.BAD_TOKEN
            async with foreign_at(server) as fran, foreign_at(server) as gus:
                first = await fran.hello("", "Fran")
                other = await gus.hello("", "Gus")
                await fran.renew(first.token)
                with pytest.raises(RefusedError) as refused:
                    await fran.renew(other.token)
                assert refused_code(refused) is ErrorCode.WRONG_SUBJECT
                with pytest.raises(RefusedError) as refused:
                    await fran.hello(first.token)
                assert refused_code(refused) is ErrorCode.NOT_PERMITTED

    story(tell)


def test_what_a_role_may_not_do_and_an_unknown_space_are_refused(tmp_path: Path) -> None:
    async def tell() -> None:
        async with two_at(tmp_path) as (_, fran, otto):
            space = await otto.open("Rules")
            for ask, code in (
                (lambda: fran.join(secrets.token_bytes(16)), ErrorCode.NO_SUCH_SPACE),
                (fran.ask, ErrorCode.NOT_IN_SPACE),
                (lambda: fran.open(" \t "), ErrorCode.BAD_VALUE),
                (lambda: fran.request(Request.JOIN, "text"), ErrorCode.MALFORMED),
                (lambda: fran.request(9_999), ErrorCode.UNKNOWN_MESSAGE),
            ):
                with pytest.raises(RefusedError) as refused:
                    await ask()
                assert refused_code(refused) is code
            await fran.join(space.id)
            for ask, code in (
                (fran.end, ErrorCode.NOT_PERMITTED),
                (lambda: fran.remove(otto.user), ErrorCode.NOT_PERMITTED),
                (lambda: fran.admit(fran_id(fran)), ErrorCode.NOT_PERMITTED),
                (lambda: fran.mute(otto.user), ErrorCode.NOT_PERMITTED),
                (fran.unmute, ErrorCode.NOT_PERMITTED),
                (lambda: fran.open("Another"), ErrorCode.ALREADY_IN_SPACE),
                (lambda: fran.decline(fran_id(fran)), ErrorCode.NOT_ASKED),
            ):
                with pytest.raises(RefusedError) as refused:
                    await ask()
                assert refused_code(refused) is code
            await fran.ask()
            with pytest.raises(RefusedError) as refused:
                await fran.ask()
            assert refused_code(refused) is ErrorCode.ALREADY_ASKED
            await fran.decline(fran_id(fran))
            await fran.leave()
            await until(space, lambda: space.audience == 0 and not space.queue)
            assert not any(message[0] == Event.REMOVED for message in fran.events)

    story(tell)


def test_another_certificate_than_the_pinned_one_is_refused_before_hello(tmp_path: Path) -> None:
    async def tell() -> None:
        async with server_at(tmp_path) as server:
            host, port = server.address[:2]
            with pytest.raises(NotPinnedError):
                async with ForeignClient.connect(host, port, fingerprint="00" * 32):
                    pass

    story(tell)
