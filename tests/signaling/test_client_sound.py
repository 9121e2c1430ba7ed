"""Sound out of and into a Space, at the pace of its clock: speak, play, listen, reports."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from signaling.client import (
    BadAudio,
    Frame,
    Space,
)
from signaling.client.hearing import FRAMES_KEPT
from signaling.protocol.datagram import pack_audio, parse_audio, parse_report
from signaling.protocol.messages import (
    Ended,
    You,
)
from signaling.protocol.messages import Stage as StageEvent
from spacecore import Encoder
from tests.signaling.scripted_server import (
    ADA,
    HOST,
    Stage,
    room,
    take,
    tell,
)
from tests.signals import frames, voice

SILENT = array("f", bytes(3840))


async def on_stage(stage: Stage, **options: Any) -> Space:
    """A Space in which we may speak, in seat 1."""
    space = await room(stage, **options)
    stage.session.tell(You(10, 1, 1, False), StageEvent(11, [HOST, ADA]))
    await take(space.events(), 2)
    return space


def test_speaking_on_stage_and_off() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        session = stage.session
        sound = frames(voice(1, 0.2))
        assert not space.speak(sound[0])  # a listener
        session.tell(You(10, 1, 1, False))
        await take(space.events(), 1)
        assert space.speak(sound[0])
        assert space.send_opus(b"\x78\x01\x02", level=20)
        session.tell(You(10, 1, 1, True))
        await take(space.events(), 1)
        assert not space.speak(sound[1])
        session.tell(You(10, 0, None, False))
        await take(space.events(), 1)
        assert not space.speak(sound[2])
        await asyncio.sleep(0.1)
        packets = [parse_audio(datagram, down=False) for datagram in session.audio]
        assert [packet.seq for packet in packets] == [0, 1, 2]
        assert [len(packet.frames[0]) <= 2 for packet in packets] == [False, False, True]
        assert (packets[1].level, packets[2].level) == (20 | 0x80, 127)
        with pytest.raises(BadAudio):
            session.tell(You(10, 1, 2, False))
            await take(space.events(), 1)
            space.speak(array("f", [0.0]))

    tell(story)


def test_another_seat_is_a_new_stream() -> None:
    async def story(stage: Stage) -> None:
        space = await on_stage(stage)
        sound = frames(voice(1, 0.2))
        for pcm in sound:
            space.speak(pcm)
            await asyncio.sleep(0.02)
        stage.session.tell(You(11, 1, 2, False))
        await take(space.events(), 1)
        space.speak(sound[0])
        await asyncio.sleep(0.1)
        first, *_, last = (parse_audio(datagram, down=False) for datagram in stage.session.audio)
        assert last.frames == first.frames  # as an encoder says it that has heard nothing yet
        assert last.seq == len(sound)

    tell(story)


def test_after_leaving_nothing_is_pulled() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        await asyncio.sleep(1)
        await space.leave()
        assert space.stats.playout is not None
        played = space.stats.playout.played
        await asyncio.sleep(1)
        assert space.stats.playout.played == played

    tell(story)


def test_play_keeps_the_pace_of_the_room() -> None:
    async def story(stage: Stage) -> None:
        space = await on_stage(stage)
        sound = frames(voice(2, 2.0))
        began = stage.loop.time()
        assert await space.play(sound) == 100
        assert stage.loop.time() - began == pytest.approx(99 * 0.02)
        await asyncio.sleep(0.1)
        packets = [parse_audio(datagram, down=False) for datagram in stage.session.audio]
        assert [packet.seq for packet in packets] == list(range(101))
        assert [packet.timestamp for packet in packets] == [960 * n for n in range(101)]
        assert len(packets[-1].frames[0]) == 1  # says that it is over

    tell(story)


def test_play_ends_with_the_space() -> None:
    async def microphone() -> AsyncIterator[array[float]]:
        while True:
            yield SILENT

    async def story(stage: Stage) -> None:
        space = await on_stage(stage)
        playing = asyncio.ensure_future(space.play(microphone()))
        await asyncio.sleep(1)
        stage.session.tell(Ended(12, "host_left"))
        assert 45 <= await playing <= 55

    tell(story)


def down(seq: int, frame: bytes, seats: tuple[int, ...] = (0,)) -> bytes:
    return pack_audio([frame], seq=seq, timestamp=960 * seq, level=30, seats=seats)


async def sing(stage: Stage, seconds: float) -> None:
    """The host is heard for so long."""
    encoder = Encoder(dtx=False)
    for n, pcm in enumerate(frames(voice(3, seconds))):
        stage.session.handle.send_audio(down(n, encoder.encode(pcm), (0, 9)))
        await asyncio.sleep(0.02)


def test_listening_by_iterator_and_by_callback() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        called: list[Frame] = []
        space.on_pcm = called.append
        singing = asyncio.ensure_future(sing(stage, 1.5))
        heard = []
        async for frame in space.listen():
            heard.append(frame)
            if len(heard) == 60:
                break
        assert {frame.due_us for frame in heard} == {heard[0].due_us + n * 20_000 for n in range(60)}
        assert [frame.status for frame in heard[-40:]] == ["frame"] * 40
        assert np.abs(np.asarray(heard[-1].pcm)).max() > 0.01
        assert space.talking == (HOST,)  # seat 9 is nobody's
        await singing
        assert called[-1] is not heard[-1]
        assert space.stats.playout is not None
        assert space.stats.playout.frames > 60
        await asyncio.sleep(4)
        assert space.talking == ()

    tell(story)


def test_a_listener_who_does_not_read_loses_the_oldest() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        lazy = space.listen()
        await asyncio.sleep(2)
        first = await anext(lazy)
        assert space.stats.frames_dropped in (50, 51)
        assert stage.clock() - first.due_us == pytest.approx(FRAMES_KEPT * 20_000, abs=21_000)
        del lazy
        dropped = space.stats.frames_dropped
        await asyncio.sleep(2)
        assert space.stats.frames_dropped == dropped  # nobody refers to it, so it gets nothing

    tell(story)


def test_a_failing_callback_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    def fail(frame: Frame) -> None:
        raise ValueError("the loudspeaker is gone")

    async def story(stage: Stage) -> None:
        space = await room(stage)
        space.on_pcm = fail
        await asyncio.sleep(1)
        assert space.stats.callback_errors in (50, 51)
        assert space.over is None
        assert [record.message for record in caplog.records].count(
            "on_pcm failed; further failures are only counted"
        ) == 1

    tell(story)


def test_reports_go_to_the_server_that_takes_them() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        await sing(stage, 12)
        reports = [parse_report(datagram) for datagram in stage.session.audio]
        assert len(reports) in (1, 2)
        assert all(report.lost == 0 and report.received > 0 for report in reports)
        assert space.seat is None

    tell(story)


async def sing_in_bundles(stage: Stage, seconds: float, sizes: list[int]) -> list[bytes]:
    """The host is heard for so long; the datagrams have these numbers of frames, over and over."""
    encoder = Encoder(dtx=False)
    sent: list[bytes] = []
    waiting: list[bytes] = []
    for n, pcm in enumerate(frames(voice(3, seconds))):
        waiting.append(encoder.encode(pcm))
        if len(waiting) == sizes[len(sent) % len(sizes)]:
            seq = n + 1 - len(waiting)
            sent.append(pack_audio(waiting, seq=seq, timestamp=960 * seq, level=30, seats=(0,)))
            stage.session.handle.send_audio(sent[-1])
            waiting.clear()
        await asyncio.sleep(0.02)
    return sent


@pytest.mark.parametrize("sizes", [[2], [3], [3, 1, 2]])
def test_bundles_are_heard_without_a_hole_and_reported_by_frame(sizes: list[int]) -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        heard: list[Frame] = []
        space.on_pcm = heard.append
        sent = await sing_in_bundles(stage, 12, sizes)
        played = [frame for frame in heard if frame.seq is not None]
        assert [frame.seq for frame in played] == list(range(len(played)))
        assert len(played) > 590
        assert {frame.status for frame in played} == {"frame"}
        playout = space.stats.playout
        assert playout is not None
        assert playout.target_ms == 20 * (max(sizes) - 1) + 5  # the first of a bundle waits
        reports = [parse_report(datagram) for datagram in stage.session.audio]
        assert len(reports) in (1, 2)
        assert all((report.lost, report.concealed) == (0, 0) for report in reports)
        assert all(report.jitter_ms <= 1 for report in reports)  # the network has none
        assert sum(report.received for report in reports) == reports[-1].highest_seq + 1
        assert len(sent) < 600 / (sum(sizes) / len(sizes)) + 1

    tell(story)


def test_audio_without_a_space_is_counted() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        stage.session.handle.send_audio(down(0, b"\x78"))
        await asyncio.sleep(0.1)
        assert client.stats.stray_audio == 1

    tell(story)
