"""What comes up: audio into rooms, what is dropped and counted, reports, acknowledgements, notices."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.server.counts import Counts
from signaling.server.place import Place
from signaling.server.uplink import Uplink
from spacecore import Encoder, Report, Space, pack_audio, pack_report
from spacecore._media import Media, Room
from spacecore._plane import BUSY, DONE, DROP, SLOW, VIOLATION
from tests.media_pair import TICK_US, Listener, World, sound
from tests.spacecore.test_media_fanout import elsewhere

SECOND = 50
FRAME = bytes([0x78]) + bytes(40)


def audio(seq: int, frame: bytes = FRAME, level: int = 0x80 | 30) -> bytes:
    return pack_audio([frame], seq=seq & 0xFFFF, timestamp=seq * 960, level=level)


class Speaker:
    """Somebody who speaks into a connection: an encoder and its numbers."""

    def __init__(self, world: World, listener: Listener, pitch: int) -> None:
        self._world, self.listener, self._pitch, self._seq = world, listener, pitch, 0
        self._encoder = Encoder(complexity=0, dtx=False)

    def speak(self) -> None:
        frame = self._encoder.encode(sound(self._pitch, self._world.now_us))
        self._world.send(self.listener, audio(self._seq, frame))
        self._seq += 1


def on_stage(world: World, seat: int = 4, *, muted: bool = False) -> tuple[Space, Room, Listener]:
    space = Space(complexity=0, keep_alive_ms=0)
    space.add_seat(seat)
    room = world.media.add_room(space)
    person = world.join()
    room.enter(person.near)
    room.seat(person.near, seat, muted=muted)
    world.tick()
    return space, room, person


def test_what_a_speaker_says_is_heard_by_the_listeners() -> None:
    world = World()
    _, room, person = on_stage(world)
    listener = world.join()
    room.enter(listener.near)
    speaker = Speaker(world, person, 7)
    for _ in range(SECOND):
        speaker.speak()
        world.tick()
    assert len(listener.seqs) > SECOND // 2
    assert listener.heard[-1].seats == (4,)
    stats = world.media.stats
    assert stats.uplink_frames_in == SECOND
    assert sum(stats.engine.values()) == SECOND and stats.engine["ok"] >= SECOND - 2


def test_audio_goes_in_with_its_time_of_arrival() -> None:
    """Handed over late, in one lump, but with the right times: the jitter buffer sees an even stream."""
    delays = []
    for lump in (1, 3):
        world = World()
        space, _, person = on_stage(world)
        speaker = Speaker(world, person, 7)
        for turn in range(4 * SECOND):
            speaker.speak()
            if turn % lump == lump - 1:
                world.now_us -= (lump - 1) * TICK_US
                for _ in range(lump):
                    world.tick()
                continue
            world.now_us += TICK_US
        delays.append(space.stats.target_us / space.stats.buffered)
    assert delays[1] == pytest.approx(delays[0], rel=0.02)


def test_only_somebody_in_a_seat_is_heard() -> None:
    world = World()
    _, room, person = on_stage(world)
    listener, nowhere = world.join(), world.join()
    room.enter(listener.near)
    world.tick()
    for each in (listener, nowhere):
        assert world.send(each, audio(0)) == DONE
    room.seat(person.near, None)
    world.send(person, audio(0))
    world.tick()
    stats = world.media.stats
    assert (stats.uplink_not_on_stage, stats.uplink_frames_in) == (3, 0)


def test_somebody_muted_may_only_say_that_they_are_silent() -> None:
    world = World()
    _, room, person = on_stage(world, muted=True)
    world.send(person, audio(0))
    world.send(person, audio(1, b"\x08"))
    world.send(person, audio(2, b"\x08\x00"))
    world.send(person, audio(3, b"\x08\x00\x00"))
    room.seat(person.near, 4, muted=False)
    world.send(person, audio(4))
    world.tick()
    stats = world.media.stats
    assert (stats.uplink_muted, stats.uplink_frames_in) == (2, 3)


def test_more_datagrams_than_allowed_are_dropped() -> None:
    world = World(audio_per_s=60)
    _, _, person = on_stage(world)
    for i in range(61):
        world.send(person, audio(i))
    stats = world.media.stats
    assert (stats.uplink_frames_in, stats.uplink_flood) == (60, 1)
    world.now_us += 1_000_000 // 60 + 1
    world.send(person, audio(61))
    world.send(person, audio(62))
    assert (world.media.stats.uplink_frames_in, world.media.stats.uplink_flood) == (61, 2)


def test_audio_for_a_room_that_is_gone_goes_nowhere() -> None:
    world = World()
    _, room, person = on_stage(world)
    world.send(person, audio(0))
    room.close()
    _, other, _ = on_stage(world)
    assert other.index != room.index
    world.send(person, audio(1))
    world.tick()
    _, again, _ = on_stage(world)
    assert again.index == room.index, "the index is used again"
    world.send(person, audio(2))
    world.tick()
    assert world.media.stats.uplink_closed_room == 3
    assert world.media.stats.engine == {}


def test_audio_that_came_another_way_is_put_into_its_room() -> None:
    world = World()
    space, room, person = on_stage(world)
    assert room.put(4, audio(0), world.now_us)
    assert room.put(9, audio(0), world.now_us)
    assert not room.put(300, audio(0), world.now_us)
    world.media.deliver(person.near, audio(1), world.now_us)
    world.tick()
    assert world.media.stats.engine == {"ok": 2, "unknown_seat": 1}
    assert space.stats.unknown_seat == 1
    room.close()
    assert not room.put(4, audio(2), world.now_us)


def test_what_waits_for_the_media_side_is_bounded() -> None:
    world = World()
    _, room, _ = on_stage(world)
    taken = sum(room.put(4, audio(i), world.now_us) for i in range(8_193))
    assert taken == 8_192
    assert world.media.stats.puts_dropped == 1
    world.tick()
    assert room.put(4, audio(0), world.now_us)


def report(received: int, lost: int, jitter_ms: int = 5, delay_ms: int = 60) -> bytes:
    return pack_report(Report(7, received, lost, lost // 2, jitter_ms, delay_ms))


def test_reports_are_added_up() -> None:
    world = World()
    _, room, person = on_stage(world)
    listener = world.join()
    room.enter(listener.near)
    world.tick()
    world.send(listener, report(48, 2, jitter_ms=10, delay_ms=40))
    world.send(person, report(50, 0, jitter_ms=20, delay_ms=80) + b"newer fields")
    world.tick()
    stats = room.stats
    assert stats is not None
    assert (stats.reports, stats.received, stats.lost, stats.concealed) == (2, 98, 2, 1)
    assert (stats.jitter_ms_mean, stats.jitter_ms_max, stats.delay_ms_mean) == (15.0, 20, 60.0)
    assert world.media.stats.uplink_reports == 2


def test_the_expected_loss_is_that_of_the_worst_tenth_of_late() -> None:
    world = World()
    _, room, _ = on_stage(world)
    people = [world.join() for _ in range(40)]
    for person in people:
        room.enter(person.near)
    world.tick()
    for i, person in enumerate(people):
        world.send(person, report(100 - (20 + i if i < 4 else 1), 20 + i if i < 4 else 1))
    world.tick()
    assert room.stats.expected_loss_pct == (20 + 21 + 22 + 23) / 4
    world.now_us += 10_000_000
    world.send(people[0], report(100, 0))
    world.tick()
    assert room.stats.expected_loss_pct == (21 + 22 + 23 + 1) / 4
    world.now_us += 10_000_000
    world.send(people[0], report(100, 0))
    world.tick()
    assert room.stats.expected_loss_pct == 0.0
    assert room.stats.reports == 42


def test_who_reports_often_has_one_vote_like_everybody() -> None:
    """A liar among forty moves the expected loss by a quarter of all: the worst tenth are four."""
    world = World()
    _, room, _ = on_stage(world)
    people = [world.join() for _ in range(40)]
    for person in people:
        room.enter(person.near)
    world.tick()
    for person in people:
        world.send(person, report(100, 0))
    for turn in range(600):
        world.send(people[7], report(0, 0xFFFF) if turn % 3 else report(0, 0))
        if turn % 50 == 49:
            world.run(45)
            for person in people[:7] + people[8:]:
                world.send(person, report(100, 0))
    world.run(2)
    assert room.stats.expected_loss_pct == 25.0
    assert room.stats.reports == 40 + 600 + 12 * 39


def test_a_report_of_nothing_says_nothing() -> None:
    world = World()
    _, room, _ = on_stage(world)
    listener = world.join()
    room.enter(listener.near)
    world.send(listener, report(0, 0))
    world.tick()
    assert (room.stats.reports, room.stats.expected_loss_pct, room.stats.lossy) == (1, 0.0, 0)


DATAGRAMS = st.one_of(
    st.binary(max_size=20),
    st.builds(lambda kind, rest: bytes([0, kind]) + rest, st.integers(0, 3), st.binary(max_size=40)),
    st.builds(
        lambda n: bytes([0, 1]) + bytes(n), st.sampled_from([10, 11, 12, 13, 1_197, 1_198, 1_199, 1_300])
    ),
)


class EnginePlace:
    """A room that takes everything."""

    def put(self, seat: int, datagram: bytes, now_us: int) -> str:
        return "ok"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["nowhere", "listener", "seat", "muted"]), DATAGRAMS, st.integers(0, 40_000)
        ),
        max_size=40,
    )
)
def test_it_counts_as_the_uplink_in_python_does(arrivals: list[tuple[str, bytes, int]]) -> None:
    world = World(audio_per_s=50)
    space, room, person = on_stage(world)
    counts = Counts()
    uplink = Uplink(counts, 50)
    for role, datagram, pause_us in arrivals:
        world.now_us += pause_us
        place: Place | None = None
        room.leave(person.near)
        if role != "nowhere":
            room.enter(person.near)
            seat = None if role == "listener" else 4
            if seat is not None:
                room.seat(person.near, seat, muted=role == "muted")
            place = Place(b"", EnginePlace(), seat, role == "muted")  # type: ignore[arg-type]
        uplink.take(place, datagram, world.now_us)
        world.media.deliver(person.near, datagram, world.now_us)
    world.media.step(world.now_us)
    stats, expected = world.media.stats, asdict(counts)
    for name in ("not_on_stage", "muted", "flood", "malformed", "unknown_kind"):
        assert getattr(stats, f"uplink_{name}") == expected[f"dropped_{name}"], name
    assert (stats.uplink_frames_in, stats.uplink_reports) == (counts.frames_in, counts.reports)
    assert sum(stats.engine.values()) == counts.frames_in
    assert space.stats.ticks > 0


# --- packets ------------------------------------------------------------------------------------------


def test_verdicts_say_what_to_do_with_a_packet() -> None:
    world = World()
    _, _, person = on_stage(world)
    packet = person.far.seal(audio(0), world.now_us)
    assert packet is not None
    receive = world.media.receive
    assert receive(packet, person.address, world.now_us) == DONE
    assert receive(packet, person.address, world.now_us) == DROP, "a duplicate"
    assert receive(packet[:-1] + b"\0", person.address, world.now_us) == DROP, "forged"
    assert receive(b"", person.address, world.now_us) == SLOW
    assert receive(bytes([0xC0]) + bytes(1_199), person.address, world.now_us) == SLOW, "a long header"
    assert receive(bytes([0x40]) + bytes(30), person.address, world.now_us) == SLOW, "nobody's"
    stats = world.server.stats
    assert (stats.done, stats.dropped, stats.slow, stats.unknown_cid) == (1, 2, 3, 2)


def test_a_packet_for_a_held_connection_is_for_later() -> None:
    world = World()
    _, _, person = on_stage(world)
    packet = person.far.seal(audio(0), world.now_us)
    verdicts: list[int] = []
    person.near.hold()
    elsewhere(lambda: verdicts.append(world.media.receive(packet, person.address, world.now_us)))
    person.near.release(world.now_us)
    verdicts.append(world.media.receive(packet, person.address, world.now_us))
    assert verdicts == [BUSY, DONE]
    assert world.server.stats.busy == 1


def test_an_acknowledgement_of_what_was_never_sent_is_a_violation() -> None:
    world = World()
    _, room = world.room(1)
    listener = world.join()
    room.enter(listener.near)
    world.tick()
    listener.far.range_add(500, 501)
    listener.far.expected_pn = 501
    packet = listener.far.acknowledge(world.now_us)
    assert packet is not None
    assert world.media.receive(packet, listener.address, world.now_us) == VIOLATION
    assert world.server.stats.violations == 1
    assert world.media.take_notices()[:1] != [("violation", listener.near.slot, listener.near.generation)], (
        "the caller knows by the verdict"
    )


def test_an_acknowledgement_goes_with_audio_or_alone_in_time() -> None:
    world = World()
    _, room = world.room(1)
    hears, waits = world.join(), world.join()
    room.enter(hears.near)
    for listener in (hears, waits):
        listener.near.set_ack_policy(10, 20)
    world.tick()
    world.now_us -= TICK_US // 2
    for listener in (hears, waits):
        world.send(listener, report(10, 0))
    assert world.media.take_sent() == [], "nothing is due yet"
    world.now_us += TICK_US // 2
    world.tick()
    assert hears.far.in_flight_packets == 0, "acknowledged with the audio"
    assert (waits.far.in_flight_packets, waits.acks) == (1, 0)
    due_us = world.media.next_us
    assert world.now_us - TICK_US < due_us < world.now_us, "an acknowledgement is due between two ticks"
    assert world.media.step(due_us) == 0
    world.deliver()
    assert (waits.far.in_flight_packets, waits.acks, hears.acks) == (0, 1, 0)
    assert world.media.stats.acks_alone == 1


def test_the_tenth_packet_is_acknowledged_at_once() -> None:
    world = World()
    waits = world.join()
    waits.near.set_ack_policy(10, 1_000)
    world.tick()
    for i in range(10):
        assert waits.acks == 0
        world.send(waits, report(i, 0))
        world.deliver()
    assert (waits.acks, waits.far.in_flight_packets) == (1, 0)
    assert world.media.next_us == world.now_us, "nothing is owed any more"


def test_after_32_packets_that_want_no_acknowledgement_one_goes_with_the_audio() -> None:
    world = World()
    _, room = world.room(1)
    listener = world.join()
    room.enter(listener.near)
    for _ in range(70):
        world.tick()
        packet = listener.far.acknowledge(world.now_us)
        assert packet is not None
        assert world.media.receive(packet, listener.address, world.now_us) == DONE
    assert listener.near.stats.acks_out == 2
    assert listener.acks == 0


# --- notices ------------------------------------------------------------------------------------------


def notices(world: World) -> list[tuple[str, int, int]]:
    """All but who talks."""
    return [notice for notice in world.media.take_notices() if notice[0] != "talk"]


def test_a_key_that_is_used_up_is_told_once_until_it_is_updated() -> None:
    world = World()
    _, room = world.room(1)
    listener = world.join()
    room.enter(listener.near)
    world.tick()
    world.media.take_notices()
    told = ("key_update", listener.near.slot, listener.near.generation)
    for _ in range(2):
        listener.near.set_others(window_bytes=1 << 20, sealed=1 << 22)
        world.run(3)
        assert notices(world) == [told]
        world.run(3)
        assert notices(world) == []
        key, iv, hp = (world.rng.randbytes(n) for n in (16, 12, 16))
        listener.near.set_send_key(0, key, iv, hp, 0)
        listener.near.set_others(window_bytes=1 << 20)
        listener.far.set_receive_key(0, key, iv, hp, 0, world.rng.randbytes(16), world.rng.randbytes(12))
        world.run(2)
        assert notices(world) == []
    listener.near.set_others(window_bytes=1 << 20, sealed=1 << 23)
    world.run(3)
    assert room.stats.refused == 3, "a key is never used beyond its limit"


def test_what_a_room_has_applied_is_told_and_kept_until_there_is_place() -> None:
    world = World()
    spaces = [world.room()[0] for _ in range(1_000)]
    world.tick()
    assert world.media.take_notices() == []
    for space in spaces:
        space.add_seat(1, pcm=True)
    world.tick()
    for space in spaces:
        space.mute(1)
    world.tick()
    assert world.media.stats.notices_dropped == 976
    first = world.media.take_notices()
    assert len(first) == 1_024
    world.tick()
    rest = world.media.take_notices()
    assert len(rest) == 976
    latest = {index: serial for word, index, serial in first + rest if word == "applied"}
    assert latest == dict.fromkeys(range(1_000), 2)


def test_media_counts_nothing_before_anything_happens() -> None:
    world = World()
    assert isinstance(world.media, Media)
    assert {value for value in world.media.stats if not isinstance(value, dict)} == {0}
