"""A lone talker is passed on as they came; changes to and from the mix are primed; what is unfit is mixed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from spacecore import (
    FULL,
    AudioPacket,
    Decoder,
    Encoder,
    Receiver,
    Space,
    level_of,
    pack_audio,
    parse_audio,
    passable_packet,
)
from tests.people import TICK_US, Ear, Room, Talker, for_seat
from tests.signals import FRAME, Samples, correlation, frames, voice

SECOND = 50
SILENT = np.zeros(48_000, np.float32)


def encoded(sound: Samples, **options: object) -> list[bytes]:
    encoder = Encoder(**{"bitrate_bps": 32_000, "dtx": False, "complexity": 2, **options})  # type: ignore[arg-type]
    return [encoder.encode(pcm) for pcm in frames(sound)]


class Speaker:
    """Says a list of packets, one a tick, in one seat; a packet of None is lost on the way."""

    def __init__(self, seat: int, packets: list[bytes], level: int = 20) -> None:
        self.seat, self.packets, self.level, self.at = seat, packets, level, 0

    def datagram(
        self, *, lost: bool = False, level: int | None = None, packet: bytes | None = None
    ) -> bytes | None:
        i = self.at
        self.at += 1
        frame = self.packets[i % len(self.packets)] if packet is None else packet
        packed = pack_audio(
            [frame],
            seq=i & 0xFFFF,
            timestamp=i * FRAME & 0xFFFFFFFF,
            level=self.level if level is None else level,
        )
        return None if lost else packed


def run(space: Space, speaker: Speaker, n: int, start: int = 0, **how: object) -> list[AudioPacket]:
    """What a listener is sent in `n` ticks in which one person speaks."""
    heard = []
    for i in range(start, start + n):
        datagram = speaker.datagram(**how)  # type: ignore[arg-type]
        if datagram is not None:
            space.put(speaker.seat, datagram, i * TICK_US)
        tick = space.tick(i * TICK_US + 5_000)
        heard += [parse_audio(data, True) for data in for_seat(tick, None)]
    return heard


def alone(seat: int = 1, **options: object) -> Space:
    space = Space(complexity=0, loudness=False, **options)  # type: ignore[arg-type]
    space.add_seat(seat)
    return space


SPEECH = encoded(voice(1, 2.0))


def test_a_lone_speakers_packets_are_passed_on_as_they_came() -> None:
    space = alone()
    heard = run(space, Speaker(1, SPEECH), 60)
    frames_heard = [packet.frames[0] for packet in heard]
    start = SPEECH.index(frames_heard[0])
    assert frames_heard == SPEECH[start : start + len(heard)]
    assert (space.stats.encodes, space.stats.passed) == (0, len(heard))
    assert [p.seq for p in heard] == list(range(heard[0].seq, heard[0].seq + len(heard)))
    assert {b.timestamp - a.timestamp for a, b in pairwise(heard)} == {FRAME}
    assert [p.source_changed for p in heard] == [True] + [False] * (len(heard) - 1)
    assert {p.seats for p in heard} == {(1,)}


def test_a_passed_seat_is_decoded_for_400_ms_in_every_4_s() -> None:
    space = alone()
    run(space, Speaker(1, SPEECH), 8 * SECOND + 10)
    stats = space.stats
    assert stats.measured == stats.decodes == 2 * 20 + (stats.passed % 200 if stats.passed % 200 < 20 else 0)


@pytest.mark.parametrize(
    ("name", "packet", "passed"),
    [
        ("speech", SPEECH[30], True),
        ("constant bitrate, padded", encoded(voice(1, 0.1), vbr=False, bitrate_bps=40_000)[4], True),
        ("an empty frame", b"\x78", True),
        ("240 bytes", b"\x78" + bytes(239), True),
        ("241 bytes", b"\x78" + bytes(240), False),
        ("240 bytes after 20 of padding", bytes([0x7B, 0x41, 20]) + bytes(239 + 20), True),
        ("241 bytes after 20 of padding", bytes([0x7B, 0x41, 20]) + bytes(240 + 20), False),
        ("10 ms", b"\x70" + bytes(40), False),
        ("40 ms", b"\x10" + bytes(40), False),
        ("two frames of 10 ms", b"\x71" + bytes(40), False),
        ("two frames of 10 ms, each with its length", b"\x72\x05" + bytes(40), False),
        ("two frames of 20 ms", b"\x79" + bytes(40), False),
        ("a count of no frames", b"\x7b\x00" + bytes(40), False),
        ("a count of one frame", b"\x7b\x01" + bytes(40), True),
        ("more padding than there is", b"\x7b\x41\xf0" + bytes(40), False),
        ("stereo", b"\x7c" + bytes(40), False),
        ("nothing", b"", False),
        ("longer than any frame", b"\x78" + bytes(1300), False),
    ],
)
def test_what_may_be_passed_on(name: str, packet: bytes, passed: bool) -> None:
    out = passable_packet(packet)
    assert (out is not None) == passed, name
    if out is not None:
        assert out[0] & 3 == 0, "one frame, without a count"
        assert len(out) <= min(len(packet), 240)
        assert list(Decoder().decode(out)) == list(Decoder().decode(packet)), "the same sound"


def test_padding_is_removed_on_the_way() -> None:
    padded = [bytes([packet[0] | 3, 0x41, 30]) + packet[1:] + bytes(30) for packet in SPEECH]
    heard = run(alone(), Speaker(1, padded), 30)
    assert {packet.frames[0] for packet in heard} <= set(SPEECH)


@pytest.mark.parametrize(
    ("name", "packets"),
    [
        ("long frames", encoded(voice(4, 1.0), bitrate_bps=160_000)),
        ("stereo", [bytes([packet[0] | 4]) + packet[1:] for packet in SPEECH]),
        ("two frames", [b"\x71" + bytes(40)]),
    ],
)
def test_packets_of_another_kind_are_mixed(name: str, packets: list[bytes]) -> None:
    space = alone()
    heard = run(space, Speaker(1, packets), 30)
    assert heard
    assert (space.stats.passed, space.stats.encodes) == (0, len(heard)), name


def test_the_switch_turns_it_off() -> None:
    space = alone(pass_through=False)
    heard = run(space, Speaker(1, SPEECH), 40)
    assert (space.stats.passed, space.stats.switches, space.stats.primed) == (0, 0, 0)
    assert not any(packet.source_changed for packet in heard)


def test_one_bad_packet_bars_a_seat_for_two_seconds() -> None:
    space = alone()
    speaker = Speaker(1, SPEECH)
    run(space, speaker, 30)
    run(space, speaker, 1, 30, packet=b"\x78" + bytes(250))
    run(space, speaker, 2, 31)
    before = space.stats
    run(space, speaker, 95, 33)
    assert space.stats.passed == before.passed, "mixed, so that it does not go back and forth"
    run(space, speaker, 60, 128)
    assert space.stats.passed > before.passed
    assert space.stats.switches == 3


def test_one_lost_frame_is_a_hole_that_the_listener_fills_from_fec() -> None:
    space = alone()
    speaker = Speaker(1, encoded(voice(5, 3.0), loss_pct=25, bitrate_bps=40_000))
    ear = Ear()
    numbers = []
    for i in range(120):
        datagram = speaker.datagram(lost=i == 60)
        if datagram is not None:
            space.put(1, datagram, i * TICK_US)
        data = for_seat(space.tick(i * TICK_US + 5_000), None)
        numbers += [parse_audio(each, True).seq for each in data]
        ear.hear(data, i * TICK_US + 6_000)
    gaps = [b - a for a, b in pairwise(numbers)]
    assert sorted(gaps)[-2:] == [1, 2], "the lost frame has a number, and nothing is sent for it"
    assert (ear.receiver.stats.recovered, ear.receiver.stats.concealed) == (1, 0)
    assert space.stats.encodes == 0


def test_a_lossy_seat_is_mixed_and_passed_on_again_once_it_is_not() -> None:
    space = alone()
    speaker = Speaker(1, SPEECH)
    run(space, speaker, 50)
    for i in range(50, 100):
        run(space, speaker, 1, i, lost=i % 5 == 0)
    before = space.stats
    run(space, speaker, 20, 100)
    assert (space.stats.passed, space.stats.encodes) == (before.passed, before.encodes + 20)
    run(space, speaker, 350, 120)
    assert space.stats.passed > before.passed
    assert space.stats.switches == 3


def test_gain_travels_in_the_header_and_the_listener_applies_it() -> None:
    levels = {}
    for gain_db in (0.0, -6.0, 6.0):
        room = Room(Space(complexity=0, loudness=False), {1: voice(6, 2.0, peak=0.2)})
        room.space.set_gain(1, gain_db)
        room.run(80)
        packet = parse_audio(for_seat(room.ticks[-1], None)[0], True)
        assert packet.gain == round(gain_db * 4)
        levels[gain_db] = level_of(np.ascontiguousarray(room.ears[None].sound[-40 * FRAME : -39 * FRAME]))
        assert room.space.stats.encodes == 0
    assert levels[-6.0] - levels[0.0] == pytest.approx(6, abs=1)
    assert levels[0.0] - levels[6.0] == pytest.approx(6, abs=1)


def test_a_gain_that_would_clip_is_left_to_the_limiter() -> None:
    space = alone()
    speaker = Speaker(1, encoded(voice(7, 2.0, peak=0.5)))
    run(space, speaker, 50)
    space.set_gain(1, 12.0)
    before = space.stats
    loud = run(space, speaker, 100, 50)
    assert space.stats.encodes == before.encodes + 100
    assert {packet.gain for packet in loud} == {0}
    space.set_gain(1, 0.0)
    run(space, speaker, 200, 150)
    assert space.stats.passed > before.passed


def test_at_a_change_of_source_gain_does_not_glide() -> None:
    packets = encoded(voice(8, 1.0))
    receiver, plain = Receiver(), Decoder()
    heard = []
    for i, packet in enumerate(packets[:30]):
        receiver.put(
            pack_audio(
                [packet],
                seq=i,
                timestamp=i * FRAME,
                level=20,
                gain=-24 if i >= 20 else 0,
                source_changed=i == 20,
                seats=[1],
            ),
            i * TICK_US,
        )
        heard.append(np.array(receiver.pull(i * TICK_US + 1_000).pcm))
    sound = np.concatenate(heard)
    meant = np.concatenate(
        [np.array(plain.decode(p)) * (1 if i < 20 else 10 ** (-6 / 20)) for i, p in enumerate(packets[:30])]
    )
    delay = next(i for i, each in enumerate(heard) if np.any(each)) * FRAME
    np.testing.assert_allclose(sound[delay:], meant[: len(sound) - delay], atol=1e-5)


def test_muting_the_one_who_is_passed_on_fades_and_says_so() -> None:
    room = Room(Space(complexity=0, loudness=False), {1: voice(9, 3.0)})
    room.run(SECOND)
    room.space.mute(1)
    room.run(5)
    after = [parse_audio(data, True) for tick in room.ticks[SECOND:] for data in for_seat(tick, None)]
    assert [packet.gain for packet in after[:1]] == [-128]
    assert [len(packet.frames[0]) for packet in after[1:]] == [1, 1]
    assert room.space.stats.encodes == 0
    assert room.ears[None].receiver.stats.concealed == 0


def test_silence_within_a_talk_is_passed_on_as_a_pause() -> None:
    sound = np.concatenate([voice(10, 1.0), SILENT, SILENT, voice(11, 1.0)])
    room = Room(Space(complexity=0, loudness=False), {1: sound})
    room.talkers[1].encoder = Encoder(bitrate_bps=32_000, dtx=True)
    room.run(4 * SECOND)
    ear = room.ears[None]
    assert room.space.stats.encodes == 0
    assert ear.receiver.stats.concealed == 0
    for part in (slice(0, 96_000), slice(-48_000, None)):
        assert correlation(ear.sound[part], sound[part]) > 0.7


def test_a_tap_hears_what_is_passed_on() -> None:
    space = alone()
    tap = space.tap()
    source = voice(12, 2.0)
    run(space, Speaker(1, encoded(source, bitrate_bps=48_000)), 90)
    taken = tap.read()
    assert space.stats.passed == len(taken) / 2 == space.stats.decodes
    for seat in (None, 1):
        heard = np.concatenate([np.array(frame.pcm) for frame in taken if frame.seat == seat])
        assert correlation(heard, source) > 0.9


# --- from one source to the next


@cache
def conversation() -> tuple[Room, dict[int, Samples]]:
    """1 speaks alone for 2 s, both for 1 s, 2 alone for 2 s."""
    one, two = voice(21, 3.0), voice(22, 3.0)
    sounds = {
        1: np.concatenate([one, SILENT, SILENT]),
        2: np.concatenate([SILENT, SILENT, two]),
    }
    room = Room(Space(complexity=5, loudness=False), sounds)
    room.run(5 * SECOND)
    return room, sounds


def sent(room: Room, seat: int | None) -> list[AudioPacket]:
    return [parse_audio(data, True) for tick in room.ticks for data in for_seat(tick, seat)]


def test_one_then_two_then_the_other_is_passed_mixed_and_passed() -> None:
    room, sounds = conversation()
    stream = sent(room, None)
    changes = [packet for packet in stream if packet.source_changed]
    assert [packet.seats for packet in changes] == [(1,), (2, 1), (2,)] or [
        set(packet.seats or ()) for packet in changes
    ] == [{1}, {1, 2}, {2}]
    assert [len(packet.prime) for packet in changes[1:]] == [2, 2]
    assert not any(packet.prime for packet in stream if not packet.source_changed)
    assert [packet.seq for packet in stream] == list(range(stream[0].seq, stream[0].seq + len(stream)))
    for sound in sounds.values():
        assert correlation(room.ears[None].sound, sound) > 0.3
    assert room.ears[None].receiver.stats.concealed == 0


def test_who_was_alone_comes_to_hear_the_other_primed_by_their_own_mix() -> None:
    room, sounds = conversation()
    to_one = sent(room, 1)
    pauses = [packet for packet in to_one if len(packet.frames[0]) <= 2]
    speech = [packet for packet in to_one if len(packet.frames[0]) > 2]
    assert pauses
    assert speech[0].source_changed
    assert len(speech[0].prime) == 2
    assert {packet.seats for packet in speech} == {(2,)}
    assert correlation(room.ears[1].sound[2 * SECOND * FRAME :], sounds[2][2 * SECOND * FRAME :]) > 0.6
    assert correlation(room.ears[2].sound, sounds[1]) > 0.6
    for seat in (1, 2):
        assert room.ears[seat].receiver.stats.concealed == 0


def test_the_mix_is_as_late_as_what_is_passed_on() -> None:
    """312 samples more, the codec's look-ahead, would be heard as a jump at each change."""
    room, sounds = conversation()
    heard = room.ears[None].sound
    lags = []
    for start in (60, 115):  # 1 alone; both
        part = sounds[1][start * FRAME : (start + 30) * FRAME]
        found = np.correlate(heard[start * FRAME : (start + 35) * FRAME], part, "valid")
        lags.append(int(np.argmax(found)))
    between = (lags[1] - lags[0]) % FRAME  # a jitter buffer may have left out a frame meanwhile
    assert min(between, FRAME - between) <= 24, lags


def test_an_idle_encoder_costs_nothing() -> None:
    room = Room(Space(loudness=False), {1: voice(23, 1.5), 2: SILENT})
    room.run(SECOND)
    assert (room.space.stats.encodes, room.space.stats.primed) == (0, 0)


def test_going_over_to_a_lone_voice_waits_until_it_is_not_heard() -> None:
    """The first frame that is passed on sounds to a listener as the seat's own decoder has it."""
    room, _ = conversation()
    at = next(
        i
        for i, tick in enumerate(room.ticks)
        if i > 3 * SECOND
        for a, d in tick.packets
        if a == FULL and parse_audio(d, True).source_changed
    )
    own, listener = Decoder(), Decoder()
    talker = Talker(np.concatenate([SILENT, SILENT, voice(22, 3.0)]))
    packets = [parse_audio(talker.datagram() or b"", False).frames[0] for _ in range(5 * SECOND)]
    for tick in room.ticks[: at + 1]:
        for data in for_seat(tick, None):
            packet = parse_audio(data, True)
            for prime in packet.prime:
                listener.decode(prime)
            heard = np.array(listener.decode(packet.frames[0]))
    meant = None
    for frame in packets:
        pcm = np.array(own.decode(frame))
        if frame == packet.frames[0]:
            meant = pcm
            break
    assert meant is not None
    error = float(((heard - meant) ** 2).sum())
    assert error * 20 < float((meant**2).sum())


@pytest.mark.parametrize("act", [Space.remove_seat, lambda space, seat: space.mute(seat)])
def test_the_one_who_is_passed_on_may_go_at_any_time(act: Callable[[Space, int], int]) -> None:
    space = alone()
    run(space, Speaker(1, SPEECH), 30)
    act(space, 1)
    ticks = [space.tick(i * TICK_US + 5_000) for i in range(30, 36)]
    after = [len(parse_audio(data, True).frames[0]) for tick in ticks for data in for_seat(tick, None)]
    assert after[-2:] == [1, 1]
    assert len(after) <= 3
