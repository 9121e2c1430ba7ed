"""Talker: sequence numbers, timestamps and silence, by golden sequences and by properties."""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.client.errors import BadAudio
from signaling.client.talker import BURST_FRAMES, GAP_US, Talker, Voice
from signaling.protocol.datagram import pack_report, parse_audio
from spacecore import Advice, Decoder, Encoder, Report
from spacecore._opus import packet_carries_fec
from tests.signals import frames, tone, voice

FRAME_US = 20_000
SOUND = b"\x78" + bytes(range(1, 40))
SILENCE = b"\x78"


def said(datagram: bytes | None) -> tuple[int, int, int] | None:
    """seq, timestamp and length of the frame in a datagram."""
    if datagram is None:
        return None
    packet = parse_audio(datagram, down=False)
    assert len(packet.frames) == 1
    return packet.seq, packet.timestamp, len(packet.frames[0])


def play(talker: Talker, packets: list[bytes], start_us: int = 0) -> list[tuple[int, int, int] | None]:
    """Send one packet every 20 ms."""
    return [said(talker.send_opus(packet, start_us + n * FRAME_US)) for n, packet in enumerate(packets)]


def test_golden_sequence_through_silence() -> None:
    sent = play(Talker(), [SOUND, SOUND, *[SILENCE] * 45, SOUND])
    assert sent[:3] == [(0, 0, 40), (1, 960, 40), (2, 1920, 1)]
    expected: list[tuple[int, int, int] | None] = [None] * 45
    expected[20 + 2 - 3] = (3, 22 * 960, 1)  # 400 ms after the first silent frame
    expected[40 + 2 - 3] = (4, 42 * 960, 1)
    expected[-1] = (5, 47 * 960, 40)
    assert sent[3:] == expected


def test_first_silent_frame_is_sent_after_each_sound() -> None:
    sent = play(Talker(), [SILENCE, SILENCE, SOUND, SILENCE, SILENCE, SOUND, SILENCE])
    assert [item and item[0] for item in sent] == [0, None, 1, 2, None, 3, 4]


def test_a_pause_moves_the_timestamp_and_not_seq() -> None:
    talker = Talker()
    assert said(talker.send_opus(SOUND, 0)) == (0, 0, 40)
    assert said(talker.pause()) == (1, 960, 1)
    assert talker.pause() is None
    # 40 ms are spent; one comes back after 3 s: 148 frames of 20 ms lie between.
    assert said(talker.send_opus(SOUND, 3_000_000)) == (2, 960 * 150, 40)


@pytest.mark.parametrize("late_us", [GAP_US - 1, -15_000, 90_000])
def test_an_uneven_capture_is_no_pause(late_us: int) -> None:
    talker = Talker()
    talker.send_opus(SOUND, 1_000_000)
    assert said(talker.send_opus(SOUND, 1_000_000 + FRAME_US + late_us)) == (1, 960, 40)


def test_capture_in_blocks_keeps_time() -> None:
    """Five frames at once every 100 ms, for a minute: timestamps go on evenly."""
    talker = Talker()
    sent = [said(talker.send_opus(SOUND, n // 5 * 100_000)) for n in range(3000)]
    assert sent == [(n, n * 960, 40) for n in range(3000)]


def test_a_drifting_sound_card_makes_no_gap() -> None:
    """1,000 ppm for ten minutes is 600 ms, but never a jump."""
    for ppm in (-1000, 1000):
        talker = Talker()
        step_us = FRAME_US + FRAME_US * ppm / 1_000_000
        sent = [said(talker.send_opus(SOUND, round(n * step_us))) for n in range(30_000)]
        assert sent[-1] is not None
        assert sent[-1][:2] == (29_999, 29_999 * 960)


def test_numbers_wrap() -> None:
    talker = Talker(seq=0xFFFF, timestamp=0xFFFF_FFFF - 959)
    assert play(talker, [SOUND, SOUND]) == [(0xFFFF, 0xFFFF_FC40, 40), (0, 0, 40)]


def test_held_frames_spend_time_and_announce_silence_once() -> None:
    talker = Talker()
    assert talker.hold(0) is None  # nobody heard anything yet
    talker.send_opus(SOUND, FRAME_US)
    assert said(talker.hold(2 * FRAME_US)) == (1, 1920, 1)
    assert talker.hold(3 * FRAME_US) is None
    assert said(talker.send_opus(SOUND, 4 * FRAME_US)) == (2, 4 * 960, 40)
    assert talker.stats.held == 3


def test_no_more_than_a_burst_ahead_of_the_clock() -> None:
    talker = Talker()
    sent = [talker.send_opus(SOUND, 0) for _ in range(BURST_FRAMES + 1)]
    assert sent[BURST_FRAMES - 1] is not None
    assert sent[BURST_FRAMES] is None
    assert talker.stats.too_fast == 1
    # Its time is spent none the less, and 20 ms later there is room for one.
    assert said(talker.send_opus(SOUND, FRAME_US)) == (BURST_FRAMES, (BURST_FRAMES + 1) * 960, 40)


def test_speech_is_encoded_with_its_level() -> None:
    talker = Talker(Voice(bitrate_bps=32_000))
    decoder = Decoder()
    for n, pcm in enumerate(frames(voice(1, 0.5))):
        floats, whole = np.asarray(pcm), (pcm * 32767).astype(np.int16)
        datagram = talker.speak(floats if n % 2 else whole, n * FRAME_US)
        assert datagram is not None
        packet = parse_audio(datagram, down=False)
        rms = np.sqrt(np.mean(np.square(pcm.astype(np.float64))))
        assert packet.level & 0x7F == pytest.approx(-20 * np.log10(rms), abs=1)
        assert bool(packet.level & 0x80) == (packet.level & 0x7F < 50)
        decoder.decode(packet.frames[0])
    assert talker.stats.sent == talker.stats.captured == 25


@pytest.mark.parametrize("is_int16", [False, True])
def test_a_voice_that_is_hushed_mid_word_and_let_in_again_makes_no_click(is_int16: bool) -> None:
    """Push-to-talk: over 20 ms out, over 20 ms in, and nothing of what was said meanwhile."""
    talker, decoder = Talker(Voice(dtx=False, bitrate_bps=96_000)), Decoder()
    sound = tone(500, 1.2)
    heard = []
    for n, pcm in enumerate(frames(sound)):
        frame = (pcm * 32767).astype(np.int16) if is_int16 else pcm
        take = talker.hush if 20 <= n < 40 else talker.speak
        datagram = take(frame, n * FRAME_US)
        if datagram is None:
            heard.append(np.zeros(960, np.float32))
            continue
        heard.append(np.asarray(decoder.decode(parse_audio(datagram, down=False).frames[0])))
    assert talker.stats.held == 19  # the first frame fades out
    whole = np.concatenate(heard)
    natural = np.abs(np.diff(sound)).max()
    assert np.abs(np.diff(whole)).max() <= 1.5 * natural  # a cut would be a step of 15 times that
    assert np.abs(whole[23 * 960 : 40 * 960]).max() < 1e-3
    assert np.abs(whole[42 * 960 : 58 * 960]).max() > 0.25


def test_what_is_hushed_before_anything_was_said_is_only_held() -> None:
    talker = Talker()
    assert talker.hush(frames(voice(1, 0.1))[0], 0) is None
    assert talker.stats.held == 1
    with pytest.raises(BadAudio):
        talker.hush(array("d", [0.0]), FRAME_US)


def test_noise_is_taken_out_before_it_is_encoded_and_announced() -> None:
    """Else the level in the header would open the mixer for what nobody is to hear."""
    hiss = (0.02 * np.random.default_rng(2).standard_normal(960 * 60)).astype(np.float32)
    plain, clean = Talker(Voice(dtx=False)), Talker(Voice(dtx=False, denoise=True))
    for n, pcm in enumerate(frames(hiss)):
        sent = [parse_audio(said, down=False) for t in (plain, clean) if (said := t.speak(pcm, n * FRAME_US))]
    assert sent[0].level & 0x7F == pytest.approx(34, abs=1)
    assert sent[1].level & 0x7F > 50


def test_silence_is_told_by_the_encoder() -> None:
    talker = Talker()
    sent = [talker.speak(array("f", bytes(4 * 960)), n * FRAME_US) for n in range(200)]
    assert 5 < sum(item is not None for item in sent) < 60
    assert talker.stats.silent + talker.stats.sent == 200


@pytest.mark.parametrize(
    "pcm",
    [b"", bytes(3840), array("f", [0.0] * 959), array("d", [0.0] * 960), array("f", [float("nan")] * 960)],
)
def test_bad_samples_are_named_and_change_nothing(pcm: array[float] | bytes) -> None:
    talker = Talker()
    with pytest.raises(BadAudio) as caught:
        talker.speak(pcm, 0)
    assert caught.value.code == "bad_pcm"
    assert said(talker.send_opus(SOUND, FRAME_US)) in ((0, 0, 40), (0, 960, 40))


@pytest.mark.parametrize("packet", [b"", b"\x7b", b"\x60" + bytes(20), SOUND + bytes(1300)])
def test_bad_packets_are_named(packet: bytes) -> None:
    with pytest.raises(BadAudio) as caught:
        Talker().send_opus(packet, 0)
    assert caught.value.code == "bad_packet"


def test_bad_level_is_named() -> None:
    with pytest.raises(BadAudio, match=r"0\.\.127"):
        Talker().send_opus(SOUND, 0, level=128)


def test_reset_begins_a_new_stream() -> None:
    talker = Talker()
    pcm = frames(voice(2, 0.2))
    for n, frame in enumerate(pcm):
        talker.speak(frame, n * FRAME_US)
    talker.reset()
    again = talker.speak(pcm[0], len(pcm) * FRAME_US)
    fresh = Encoder(bitrate_bps=48_000, complexity=5, fec=False).encode(pcm[0])
    assert again is not None
    assert parse_audio(again, down=False).frames[0] == fresh


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["sound", "silence", "held"]), st.integers(0, 3_000_000)), max_size=80
    ),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF_FFFF),
)
def test_whatever_happens_seq_has_no_gap_and_time_never_goes_back(
    steps: list[tuple[str, int]], seq: int, timestamp: int
) -> None:
    talker = Talker(seq=seq, timestamp=timestamp)
    now_us, sent = 0, []
    for what, pause_us in steps:
        now_us += FRAME_US + (pause_us if pause_us > 2_000_000 else 0)
        if what == "held":
            datagram = talker.hold(now_us)
        else:
            datagram = talker.send_opus(SOUND if what == "sound" else SILENCE, now_us)
        if datagram is not None:
            sent.append((parse_audio(datagram, down=False), now_us))
    for number, (packet, _) in enumerate(sent):
        assert packet.seq == (seq + number) & 0xFFFF
    for (before, before_us), (after, after_us) in pairwise(sent):
        step = (after.timestamp - before.timestamp) & 0xFFFF_FFFF
        assert step % 960 == 0
        assert abs(step / 48 - (after_us - before_us) / 1000) < 220
        assert step >= 960


# --- what the server reports --------------------------------------------------------------------------------


def advised(advice: Advice, *, lost: int = 5) -> bytes:
    return pack_report(Report(0, 45, lost, 0, 5, 40, lost, advice))


def test_the_encoder_follows_advice_and_goes_back() -> None:
    talker = Talker(Voice(bitrate_bps=40_000, dtx=False))
    pcm = frames(voice(9, 1.0))
    talker.speak(pcm[0], 0)
    assert (talker.stats.fec_pct, talker.stats.bitrate_bps) == (0, 40_000)
    talker.on_report(advised(Advice(10, 24, 1, 2)), 2)
    assert (talker.stats.fec_pct, talker.stats.copies, talker.stats.bitrate_bps) == (10, 1, 24_000)
    carried = []
    for n, frame in enumerate(pcm[1:], 1):
        datagram = talker.speak(frame, n * FRAME_US)
        assert datagram is not None
        carried.append(packet_carries_fec(parse_audio(datagram, down=False).frames[0]))
    assert any(carried[5:])
    talker.on_report(advised(Advice(0, 0, 0, 1), lost=0), 2)
    assert (talker.stats.fec_pct, talker.stats.copies, talker.stats.bitrate_bps) == (0, 0, 40_000)
    assert (talker.stats.reports, talker.stats.reported_lost) == (2, 5)


def test_advice_moves_only_within_what_was_chosen() -> None:
    talker = Talker(Voice(bitrate_bps=16_000, loss_pct=15))
    talker.speak(frames(voice(9, 0.1))[0], 0)
    talker.on_report(advised(Advice(10, 64, 2, 2)), 0)
    assert (talker.stats.fec_pct, talker.stats.copies, talker.stats.bitrate_bps) == (15, 0, 16_000)
    talker.on_report(advised(Advice(100, 1, 2, 2)), 1)
    assert (talker.stats.fec_pct, talker.stats.copies, talker.stats.bitrate_bps) == (30, 1, 12_000)


def test_a_report_without_advice_or_one_that_is_none_changes_nothing() -> None:
    talker = Talker()
    talker.on_report(advised(Advice(10, 24, 1, 2)), 2)
    for data in (pack_report(Report(0, 50, 0, 0, 5, 40)), b"\x00\x02", b""):
        talker.on_report(data, 2)
    assert (talker.stats.fec_pct, talker.stats.copies, talker.stats.reports) == (10, 1, 2)


@given(
    st.lists(st.sampled_from([SOUND, SILENCE, None]), min_size=1, max_size=60),
    st.integers(0, 2),
    st.sampled_from([1, 2]),
)
def test_copies_are_of_frames_sent_before_and_never_over_silence(
    said_in_turn: list[bytes | None], copies: int, distance: int
) -> None:
    """None: nothing is captured for a while."""
    talker = Talker(seq=65_530, timestamp=(1 << 32) - 9_600)
    talker.on_report(advised(Advice(10, 0, copies, distance)), 2)
    sent: dict[int, tuple[int, bytes]] = {}
    at_us = 0
    for n, packet in enumerate(said_in_turn):
        at_us += FRAME_US
        if packet is None:
            at_us += 10 * FRAME_US
            continue
        whole = packet if packet == SILENCE else packet + bytes([n])
        datagram = talker.send_opus(whole, at_us)
        if datagram is None:
            continue
        found = parse_audio(datagram, down=False)
        for back, copy in enumerate(reversed(found.redundant), found.distance):
            timestamp, original = sent[(found.seq - back) & 0xFFFF]
            assert copy == original
            assert timestamp == (found.timestamp - 960 * back) & 0xFFFF_FFFF
            assert len(copy) > 2
        assert len(found.redundant) <= copies
        assert not (len(found.frames[0]) <= 2 and found.redundant)
        sent[found.seq] = (found.timestamp, found.frames[0])
    assert talker.stats.copied == 0 or copies


def test_copies_that_have_no_room_stay_behind() -> None:
    talker = Talker()
    talker.on_report(advised(Advice(10, 0, 2, 2)), 2)
    large = b"\x78" + bytes(600)
    sent = [talker.send_opus(large, n * FRAME_US) for n in range(6)]
    assert all(each is not None and not parse_audio(each, down=False).redundant for each in sent)
