"""Stories of one room: who is decoded, who hears whom, and what a tick costs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spacecore import FULL, Decoder, SeatError, Space, pack_audio, pack_report, parse_audio
from spacecore import Report as ReceiverReport
from tests.people import TICK_US, Ear, Room, Talker, for_seat
from tests.signals import FRAME, correlation, frames, tone, voice

SECOND = 50
SETTLING = 2 * 48_000  # samples; after that a delay above the target is worked off, and shifts the sound


def test_an_empty_room_costs_nothing() -> None:
    space = Space(keep_alive_ms=0)
    for i in range(100):
        tick = space.tick(i * TICK_US)
        assert tick.packets == ()
    assert space.stats.decodes == space.stats.encodes == space.stats.packets == 0


def test_one_voice_that_is_mixed_is_decoded_once_and_encoded_once() -> None:
    room = Room(Space(pass_through=False), {3: voice(1, 2.0)})
    room.run(20)
    before = room.space.stats
    room.run(SECOND)
    after = room.space.stats
    assert (after.decodes - before.decodes, after.encodes - before.encodes) == (SECOND, SECOND)
    assert all(len([a for a, _ in t.packets if a == FULL]) == 1 for t in room.ticks[-SECOND:])


def test_three_audible_of_ten_cost_three_decodes_and_four_encodes() -> None:
    sounds = {
        seat: voice(seat, 2.0) if seat in (2, 5, 9) else np.zeros(2 * 48000, np.float32) for seat in range(10)
    }
    room = Room(Space(), sounds)
    room.run(20)
    before = room.space.stats
    room.run(SECOND)
    after = room.space.stats
    assert (after.decodes - before.decodes, after.encodes - before.encodes) == (3 * SECOND, 4 * SECOND)
    tick = room.ticks[-1]
    assert sorted(tick.audible) == [2, 5, 9]
    assert tick.excluded == {2, 5, 9}
    assert sorted(audience for audience, _ in tick.packets) == [FULL, 2, 5, 9]


def test_the_number_of_silent_seats_and_of_listeners_changes_no_cost() -> None:
    """Listeners are not even known to the engine: one packet is for all of them."""
    for silent in (0, 12):
        sounds = {0: voice(7, 1.0)} | {1 + i: np.zeros(48000, np.float32) for i in range(silent)}
        room = Room(Space(pass_through=False), sounds)
        room.run(SECOND)
        tick = room.ticks[-1]
        assert [audience for audience, _ in tick.packets] == [FULL]
        assert room.space.stats.encodes == room.space.stats.decodes


def test_everyone_hears_the_others_and_nobody_themselves() -> None:
    sounds = {seat: voice(10 + seat, 4.0) for seat in (1, 2, 3)}
    room = Room(Space(), sounds)
    room.run(4 * SECOND)
    for own, sound in sounds.items():
        heard_own = correlation(room.ears[own].sound, sound)
        assert heard_own < 0.1, f"seat {own} hears itself: correlation {heard_own:.2f}"
        for other, other_sound in sounds.items():
            if other != own:
                assert correlation(room.ears[own].sound[:SETTLING], other_sound) > 0.3
    for sound in sounds.values():
        assert correlation(room.ears[None].sound[:SETTLING], sound) > 0.3


def test_a_lone_speaker_hears_a_pause_and_then_the_next_speaker() -> None:
    first, second = voice(21, 4.0), voice(22, 4.0)
    silence = np.zeros(2 * 48000, np.float32)
    room = Room(
        Space(),
        {1: np.concatenate([first[: 2 * 48000], silence]), 2: np.concatenate([silence, second[: 2 * 48000]])},
    )
    room.run(4 * SECOND)
    to_first = [parse_audio(d, True) for t in room.ticks[:100] for a, d in t.packets if a == 1]
    assert len(to_first) == 2, "the lone speaker gets the pause, said twice, and nothing else"
    assert all(len(p.frames[0]) == 1 for p in to_first)
    stats = room.ears[1].receiver.stats
    assert stats.concealed == 0, "a pause that is announced is no loss"
    assert correlation(room.ears[1].sound[100 * FRAME :], second[: 2 * 48000]) > 0.6


def test_a_change_of_source_is_flagged_for_the_one_it_concerns() -> None:
    silence = np.zeros(48000, np.float32)
    a = np.concatenate([voice(31, 2.0), silence, voice(31, 1.0)])
    b = np.concatenate([silence, voice(32, 3.0)])
    room = Room(Space(pass_through=False), {1: a, 2: b})
    room.run(4 * SECOND)
    flagged = [
        (i, audience)
        for i, t in enumerate(room.ticks)
        for audience, d in t.packets
        if parse_audio(d, True).source_changed
    ]
    assert flagged, "sources changed in this story"
    assert all(audience != FULL for _, audience in flagged), "what listeners hear never changes its encoder"
    assert {audience for _, audience in flagged} == {1, 2}


def test_sequence_numbers_and_timestamps_of_the_mix_are_continuous() -> None:
    room = Room(Space(), {1: voice(41, 3.0, pauses=True), 2: voice(42, 3.0)})
    room.run(3 * SECOND)
    mix = [parse_audio(d, True) for t in room.ticks for d in for_seat(t, None)]
    assert [p.seq for p in mix] == [(mix[0].seq + i) & 0xFFFF for i in range(len(mix))]
    steps = {(b.timestamp - a.timestamp) for a, b in itertools.pairwise(mix)}
    assert all(step % FRAME == 0 and step > 0 for step in steps)


def test_when_the_talk_ends_the_pause_is_said_twice_and_then_nothing() -> None:
    # Who breaks off without a word, or a second of silence, is lost and concealed.
    speech = np.concatenate([voice(51, 1.0), np.zeros(48000, np.float32)])
    room = Room(Space(keep_alive_ms=0), {1: speech})
    room.run(4 * SECOND)
    last_encode = max(
        i
        for i, t in enumerate(room.ticks)
        for d in for_seat(t, None)
        if len(parse_audio(d, True).frames[0]) > 2
    )
    after = [for_seat(t, None) for t in room.ticks[last_encode + 1 :]]
    assert [len(a) for a in after[:3]] == [1, 1, 0]
    assert not any(after[2:])
    assert room.ears[None].receiver.stats.concealed == 0


def test_a_lone_speaker_who_falls_silent_is_kept_alive_too() -> None:
    """They are told of the pause twice and then now and then, like everybody else, and count no loss."""
    sounds = {
        1: np.concatenate([voice(53, 2.0), np.zeros(48000 * 4, np.float32), voice(54, 1.0)]),
        2: voice(55, 1.0),
    }
    room = Room(Space(keep_alive_ms=1000), sounds)
    room.run(6 * SECOND)
    to_lone = [for_seat(tick, 1) for tick in room.ticks[3 * SECOND :]]
    to_listener = [for_seat(tick, None) for tick in room.ticks[3 * SECOND :]]
    assert [len(each) for each in to_lone] == [len(each) for each in to_listener]
    assert 2 <= sum(len(each) for each in to_lone) <= 4
    room.run(SECOND)
    stats = room.ears[1].receiver.stats
    assert (stats.concealed, stats.recovered) == (0, 0)


def test_keep_alive_in_silence_is_sparse() -> None:
    room = Room(Space(keep_alive_ms=1000), {1: voice(52, 1.0)})
    room.run(6 * SECOND)
    quiet = [t for t in room.ticks[2 * SECOND :] if t.packets]
    assert 3 <= len(quiet) <= 4
    assert all(len(parse_audio(t.packets[0][1], True).frames[0]) == 1 for t in quiet)


def test_mute_takes_effect_with_the_next_tick_and_says_so() -> None:
    room = Room(Space(), {1: voice(61, 4.0), 2: voice(62, 4.0)})
    room.run(SECOND)
    serial = room.space.mute(2)
    room.run(2)
    assert room.ticks[-1].applied >= serial
    room.run(3)
    assert room.ticks[-1].audible == (1,)
    start = len(room.ticks) + 10
    room.run(SECOND)
    heard = room.ears[None].sound[start * FRAME :]
    assert correlation(heard, voice(62, 4.0)[start * FRAME - 9600 :]) < 0.1
    room.space.mute(2, False)
    room.run(SECOND)
    assert set(room.ticks[-1].audible) == {1, 2}


def test_mute_fades_within_one_frame_without_a_click() -> None:
    space = Space()
    space.add_seat(1, pcm=True)
    tap = space.tap(seats=True, mix=False)
    steady = tone(500, 1.0)
    for i, pcm in enumerate(frames(steady)):
        if i == 25:
            space.mute(1)
        space.put_pcm(1, pcm)
        space.tick(i * TICK_US)
    heard = np.concatenate([np.array(f.pcm) for f in tap.read()])
    natural = np.abs(np.diff(steady)).max()
    assert np.abs(np.diff(heard)).max() <= natural * 1.05
    assert heard[-1] == pytest.approx(0, abs=1e-3)


def test_gain_changes_the_level_that_is_heard() -> None:
    space = Space(loudness=False)
    space.add_seat(1, pcm=True, gain_db=-6.0)
    tap = space.tap(seats=True, mix=False)
    for i, pcm in enumerate(frames(tone(440, 1.0, peak=0.25))):
        if i == 25:
            space.set_gain(1, 6.0)
        space.put_pcm(1, pcm)
        space.tick(i * TICK_US)
    taken = [np.array(f.pcm) for f in tap.read()]
    assert np.abs(taken[20]).max() == pytest.approx(0.25 * 10 ** (-6 / 20), rel=0.01)
    assert np.abs(taken[-1]).max() == pytest.approx(0.25 * 10 ** (6 / 20), rel=0.01)


def test_a_removed_seat_is_gone_with_the_next_tick_and_may_come_back() -> None:
    room = Room(Space(), {1: voice(71, 3.0), 2: voice(72, 3.0)})
    room.run(SECOND)
    serial = room.space.remove_seat(2)
    tick = room.space.tick(room.now_us)
    assert tick.applied >= serial
    assert 2 not in tick.levels
    assert all(audience != 2 for audience, _ in tick.packets)
    assert room.space.put(2, pack_audio([b"\x08"], seq=0, timestamp=0), room.now_us) == "unknown_seat"
    room.space.add_seat(2)
    assert 2 in room.space.tick(room.now_us + TICK_US).levels


def test_a_tap_hands_out_the_mix_and_each_voice() -> None:
    space = Space(loudness=False)
    a, b = voice(81, 1.0), voice(82, 1.0)
    space.add_seat(1, pcm=True)
    space.add_seat(2, pcm=True)
    tap = space.tap()
    for i, (x, y) in enumerate(zip(frames(a), frames(b), strict=True)):
        space.put_pcm(1, x)
        space.put_pcm(2, y)
        space.tick(i * TICK_US)
    taken = tap.read()
    by_seat = {
        seat: np.concatenate([np.array(f.pcm) for f in taken if f.seat == seat]) for seat in (None, 1, 2)
    }
    np.testing.assert_allclose(by_seat[1], a, atol=1e-6)
    np.testing.assert_allclose(by_seat[None], a + b, atol=1e-5)
    assert tap.dropped == 0
    tap.close()
    assert tap.read() == []


def test_a_tap_that_nobody_reads_is_bounded() -> None:
    space = Space()
    space.add_seat(1, pcm=True)
    tap = space.tap(mix=True, seats=False)
    pcm = tone(300, 0.02)
    for i in range(300):
        space.put_pcm(1, pcm)
        space.tick(i * TICK_US)
    assert tap.dropped == 300 - 256
    assert len(tap.read()) == 256


def test_int16_and_float32_are_the_same_sound() -> None:
    pcm = voice(91, 0.02)
    heard = []
    for form in (pcm, np.round(pcm * 32768).astype(np.int16)):
        space = Space()
        space.add_seat(1, pcm=True)
        tap = space.tap(mix=False)
        space.put_pcm(1, form)
        space.tick(0)
        heard.append(np.array(tap.read()[0].pcm))
    np.testing.assert_allclose(heard[0], heard[1], atol=1 / 32768)


def test_more_than_half_a_second_of_pcm_drops_the_oldest() -> None:
    space = Space()
    space.add_seat(1, pcm=True)
    tap = space.tap(mix=False)
    marked = [np.full(FRAME, 0.01 * (i + 1), np.float32) for i in range(32)]
    assert all(space.put_pcm(1, pcm) for pcm in marked)
    assert not space.put_pcm(1, marked[0]), "nobody ticks: the queue is full, and the caller is told"
    space.tick(0)
    assert np.array(tap.read()[0].pcm)[0] == pytest.approx(0.01 * 8)
    assert space.stats.pcm_dropped == 32 - 25


def test_a_header_that_lies_about_its_level_is_measured_after_one_second() -> None:
    """A silent seat that claims to shout keeps its place in the mix no longer than 1 s + hangover."""
    space = Space()
    space.add_seat(1)
    liar = Talker(np.zeros(4 * 48000, np.float32), claimed_level=10)
    audible = []
    for i in range(4 * SECOND):
        datagram = liar.datagram()
        if datagram is not None:
            space.put(1, datagram, i * TICK_US)
        audible.append(bool(space.tick(i * TICK_US + 5000).audible))
    assert any(audible[:20])
    assert not any(audible[100:])
    assert space.stats.disbelieved == 1


def test_a_seat_that_becomes_audible_first_decodes_its_last_two_packets() -> None:
    """Exactly as a decoder does that was given those two before: the onset is not a cold start."""
    space = Space(pass_through=False)
    space.add_seat(1)
    tap = space.tap(mix=False)
    talker = Talker(voice(94, 1.0))
    packets: list[bytes] = []
    for i in range(45):
        talker.claimed_level = 127 if i < 40 else 20
        datagram = talker.datagram() or b""
        packets.append(parse_audio(datagram, False).frames[0])
        space.put(1, datagram, i * TICK_US)
        space.tick(i * TICK_US + 5000)
    heard = [np.array(frame.pcm) for frame in tap.read()]
    warm = Decoder()
    warm.decode(packets[38])
    warm.decode(packets[39])
    np.testing.assert_array_equal(heard[0], np.array(warm.decode(packets[40])))
    assert not np.array_equal(heard[0], np.array(Decoder().decode(packets[40])))


def test_levels_are_measured_on_what_is_decoded() -> None:
    room = Room(
        Space(), {1: voice(95, 2.0, peak=0.5), 2: voice(96, 2.0, peak=0.05), 3: np.zeros(96000, np.float32)}
    )
    room.run(SECOND)
    tick = room.ticks[-1]
    assert tick.levels[1] < tick.levels[2] < 60
    assert tick.levels[3] == 127
    assert tick.loudest == (1, 2)


def test_bad_datagrams_are_counted_and_change_nothing() -> None:
    room = Room(Space(), {1: voice(97, 2.0)})
    room.run(10)
    bad = {
        b"": "empty_datagram",
        b"\x01\x01" + bytes(20): "bad_version",
        b"\x00\x09" + bytes(20): "unknown_kind",
        b"\x00\x01\x00\x01": "truncated",
        bytes([0, 1]) + bytes(1300): "datagram_too_long",
        pack_audio([bytes([0x1F]) + bytes(50)], seq=1, timestamp=960): "bad_duration",
    }
    for datagram, word in bad.items():
        assert room.space.put(1, datagram, room.now_us) == word
    assert room.space.stats.malformed == len(bad)
    room.run(SECOND)
    assert room.ears[None].receiver.stats.concealed == 0


def test_an_opus_packet_of_120_ms_is_refused_before_it_is_decoded() -> None:
    space = Space()
    space.add_seat(1)
    six_times_20_ms = bytes([0x08 | 3, 6]) + bytes(60)
    assert space.put(1, pack_audio([six_times_20_ms], seq=0, timestamp=0, level=10), 0) == "bad_duration"
    space.tick(0)
    assert space.stats.decodes == 0


def test_receiver_reports_are_counted() -> None:
    space = Space()
    space.add_seat(1)
    assert space.put(1, pack_report(ReceiverReport(5, 5, 0, 0, 3, 40)), 0) == "report"
    assert space.stats.reports == 1


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda s: s.add_seat(256), "seat_range"),
        (lambda s: s.add_seat(-1), "seat_range"),
        (lambda s: s.add_seat(1), "seat_taken"),
        (lambda s: s.remove_seat(9), "no_such_seat"),
        (lambda s: s.mute(9), "no_such_seat"),
        (lambda s: s.set_gain(9, 0.0), "no_such_seat"),
        (lambda s: s.put_pcm(9, np.zeros(960, np.float32)), "no_such_seat"),
        (lambda s: s.put_pcm(1, np.zeros(960, np.float32)), "wrong_kind"),
    ],
)
def test_misuse_of_seats_has_a_code(act, code) -> None:  # type: ignore[no-untyped-def]
    space = Space()
    space.add_seat(1)
    with pytest.raises(SeatError) as caught:
        act(space)
    assert caught.value.code == code
    assert space.seats == (1,)


def test_a_datagram_for_a_seat_that_is_fed_pcm_is_refused() -> None:
    space = Space()
    space.add_seat(1, pcm=True)
    assert space.put(1, Talker(voice(1, 0.1)).datagram() or b"", 0) == "wrong_kind"
    assert space.stats.wrong_kind == 1


@pytest.mark.parametrize(
    ("pcm", "error"),
    [
        (np.zeros(480, np.float32), ValueError),
        (np.zeros(960, np.float64), TypeError),
        (np.full(960, np.nan, np.float32), ValueError),
        (np.full(960, 1e6, np.float32), ValueError),
        (b"no samples", TypeError),
    ],
)
def test_pcm_of_another_form_is_refused(pcm, error) -> None:  # type: ignore[no-untyped-def]
    space = Space()
    space.add_seat(1, pcm=True)
    with pytest.raises(error):
        space.put_pcm(1, pcm)
    assert space.tick(0).packets == ()


def test_the_stage_has_a_bound() -> None:
    space = Space()
    for seat in range(32):
        space.add_seat(seat)
    with pytest.raises(SeatError, match="at most 32"):
        space.add_seat(32)


def test_the_command_ring_is_bounded_and_loses_nothing() -> None:
    space = Space()
    space.add_seat(1)
    with pytest.raises(SeatError) as caught:
        for _ in range(300):
            space.mute(1)
    assert caught.value.code == "ring_full"
    assert space.tick(0).applied == 256
    assert space.mute(1, False) == 257


def test_seats_and_taps_are_freed_also_when_no_tick_ever_comes() -> None:
    for _ in range(20):
        space = Space()
        tap = space.tap()
        for seat in range(5):
            space.add_seat(seat)
        space.remove_seat(2)
        tap.close()
        del space, tap


def test_loss_on_the_way_up_is_concealed_and_nobody_else_suffers() -> None:
    lossy, clean = voice(101, 4.0), voice(102, 4.0)
    space = Space()
    talkers = {1: Talker(lossy), 2: Talker(clean)}
    for seat in talkers:
        space.add_seat(seat)
    ear = Ear()
    rng = np.random.default_rng(8)
    for i in range(4 * SECOND):
        for seat, talker in talkers.items():
            datagram = talker.datagram()
            if datagram is not None and (seat == 2 or rng.random() > 0.1):
                space.put(seat, datagram, i * TICK_US)
        ear.hear(for_seat(space.tick(i * TICK_US + 5000), None), i * TICK_US + 6000)
    assert ear.receiver.stats.concealed == 0
    assert correlation(ear.sound[:SETTLING], clean) > 0.5
