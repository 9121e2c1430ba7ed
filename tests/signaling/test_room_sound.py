"""The sound of `spaces room`: meters, what is played, and what is said once one may."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np

from signaling.cli.failures import Failure
from signaling.cli.room.command import Visit
from signaling.cli.room.talk_key import TalkKey
from signaling.client import Frame
from signaling.protocol import messages as wire
from signaling.protocol.messages import StageSeat
from tests.signaling.room_world import HANA, Room, in_room, script_of
from tests.signaling.scripted_server import Stage, joined, tell
from tests.signals import frames, voice

MUTED = StageSeat(1, "ada", "Ada", 1, True)
OPEN = StageSeat(1, "ada", "Ada", 1, False)
FRAME_S = 0.02


class Microphone:
    """Hears a voice for as long as it is open."""

    opened: list[Microphone]

    def __init__(self):
        self.closed = False
        self.opened.append(self)

    async def frames(self):
        for frame in itertools.cycle(frames(voice(3, 1))):
            if self.closed:
                return
            await asyncio.sleep(FRAME_S)
            yield frame

    def close(self):
        self.closed = True


def on_stage(room: Room, serial: int, seat: StageSeat) -> None:
    room.tell(wire.Stage(serial, [HANA, seat]), wire.You(serial, 1, seat.seat, seat.muted))


def test_a_file_waits_until_one_may_speak_and_is_then_said():
    async def story(room: Room) -> None:
        on_stage(room, 11, MUTED)
        await room.shows("you are a speaker, muted")
        assert room.session.audio == []
        on_stage(room, 12, OPEN)
        await room.shows("All of your sound is said.")
        assert len(room.session.audio) >= 25

    in_room(story, source=lambda: iter(frames(voice(3, 0.6))))


def test_a_key_that_is_held_down_lets_one_be_heard():
    clock = [100.0]
    key = TalkKey(lambda: clock[0])
    assert not key.is_down
    key.press()
    clock[0] += 0.5  # the keyboard waits, then repeats
    assert key.is_down
    for _ in range(30):
        key.press()
        clock[0] += 0.1
        assert key.is_down
    clock[0] += 0.3
    assert not key.is_down


def test_with_push_to_talk_nothing_is_sent_until_the_space_bar_is_pressed():
    async def story(room: Room) -> None:
        room.visit.board.talk_key = TalkKey(asyncio.get_running_loop().time)
        on_stage(room, 11, OPEN)
        await room.until(lambda: room.visit.space.stats.talker.held > 10)
        assert room.session.audio == []
        await room.pilot.press("space")
        await room.until(lambda: len(room.session.audio) > 10)
        await room.until(lambda: room.visit.space.hushed)

    in_room(story, source=lambda: itertools.cycle(frames(voice(3, 0.6))))


def test_ones_own_meter_moves_while_one_is_heard():
    async def story(room: Room) -> None:
        on_stage(room, 11, OPEN)
        await room.until(lambda: any("█" in line and "Ada" in line for line in room.text.splitlines()))
        on_stage(room, 12, MUTED)
        await room.until(lambda: any("muted" in line and "Ada" in line for line in room.text.splitlines()))

    in_room(story, source=lambda: itertools.cycle(frames(voice(3, 0.6))))


def test_the_microphone_is_open_only_while_one_is_on_stage():
    Microphone.opened = []

    async def story(room: Room) -> None:
        await room.pilot.pause()
        assert Microphone.opened == []
        on_stage(room, 11, OPEN)
        await room.until(lambda: room.session.audio)
        room.tell(wire.Stage(12, [HANA]), wire.You(12, 0, None, False))
        await room.until(lambda: Microphone.opened[0].closed)
        on_stage(room, 13, OPEN)
        await room.until(lambda: len(Microphone.opened) == 2)

    in_room(story, source=lambda: Microphone)
    assert Microphone.opened[1].closed  # one has left


def test_a_microphone_that_cannot_be_opened_is_told_and_tried_again_next_time():
    tries = []

    def broken():
        tries.append(1)
        raise Failure("no_microphone", "no microphone can be opened", "name a file with --audio instead")

    async def story(room: Room) -> None:
        on_stage(room, 11, OPEN)
        await room.shows("no microphone can be opened; name a file", "[no_microphone]")
        room.tell(wire.Stage(12, [HANA]), wire.You(12, 0, None, False))
        await room.shows("You are a listener now.")
        on_stage(room, 13, OPEN)
        await room.until(lambda: len(tries) == 2)

    in_room(story, source=lambda: broken)


def test_who_has_nothing_to_speak_with_is_told():
    async def story(room: Room) -> None:
        on_stage(room, 11, OPEN)
        await room.shows("You are on stage without a sound: name --audio FILE")

    in_room(story)


def test_every_frame_reaches_the_loudspeaker_and_the_meters():
    played = []
    enough = asyncio.Event()

    class Loudspeaker:
        def write(self, pcm):
            played.append(np.array(pcm))
            if len(played) == 5:
                enough.set()

        def close(self):
            raise AssertionError("who opened it closes it")

    async def story(stage: Stage) -> None:
        await stage.serve(script_of(0))
        client = await stage.connect()
        space = await client.join(joined(1).space)
        visit = Visit(space, sinks=[Loudspeaker()])
        visit.begin()
        await enough.wait()
        visit.sound.on_frame(Frame(memoryview(b""), "frame", 20, (1, 0), 1, 0))
        assert visit.sound.levels.of(1) < visit.sound.levels.of(0) < 60
        assert visit.sound.levels.of(2) == 127
        await visit.end()

    tell(story)
    assert all(len(pcm) == 960 for pcm in played)
