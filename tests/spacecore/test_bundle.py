"""Bundles of one to three frames: what stands in them, what separates them, as plain Python does it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacecore import PacketError, pack_audio, parse_audio
from spacecore._bundle import Bundler
from tests.oracles.bundle_reference import FRAME_TICKS, BundleReference

FRAME = bytes(range(80))


def datagram(seq: int, timestamp: int | None = None, frame: bytes = FRAME, **fields: object) -> bytes:
    at = seq * FRAME_TICKS if timestamp is None else timestamp
    return pack_audio([frame], seq=seq % 65_536, timestamp=at % 2**32, **{"seats": (1,), **fields})


def test_a_bundle_has_the_header_of_the_first_and_the_seats_of_the_newest() -> None:
    bundler = Bundler()
    for i in range(3):
        bundler.put(datagram(10 + i, frame=FRAME + bytes([i]), level=40 + i, seats=(i, 7)))
    packet = parse_audio(bundler.take(3), True)
    assert (packet.seq, packet.timestamp, packet.level) == (10, 10 * FRAME_TICKS, 40)
    assert packet.frames == tuple(FRAME + bytes([i]) for i in range(3))
    assert packet.seats == (2, 7)


def test_one_frame_is_the_datagram_that_was_put_in() -> None:
    bundler = Bundler()
    for i in range(5):
        bundler.put(datagram(i, level=i))
        assert bundler.take(1) == datagram(i, level=i)


def test_two_of_three_are_the_newest_two() -> None:
    bundler = Bundler()
    for i in range(4):
        bundler.put(datagram(i, frame=bytes([i, i, i])))
    assert bundler.frames == 3
    packet = parse_audio(bundler.take(2), True)
    assert (packet.seq, packet.frames) == (2, (b"\2\2\2", b"\3\3\3"))


def test_frames_to_prime_a_decoder_stand_before_the_first() -> None:
    bundler = Bundler()
    bundler.put(datagram(0))
    assert not bundler.put(datagram(1, frame=b"one", source_changed=True, prime=(b"older", b"old")))
    assert bundler.put(datagram(2, frame=b"two"))
    packet = parse_audio(bundler.take(2), True)
    assert (packet.prime, packet.frames, packet.seq) == ((b"older", b"old"), (b"one", b"two"), 1)
    assert parse_audio(bundler.take(1), True).prime == (), (
        "the newest alone goes on from what was sent before"
    )
    with pytest.raises(PacketError):
        bundler.put(datagram(3, prime=(b"old",)))


def test_numbers_and_timestamps_wrap() -> None:
    bundler = Bundler()
    assert not bundler.put(datagram(65_535, timestamp=2**32 - FRAME_TICKS))
    assert bundler.put(datagram(0, timestamp=0))
    assert parse_audio(bundler.take(2), True).seq == 65_535


@pytest.mark.parametrize(
    "breaking",
    [
        {"seq": 3},
        {"seq": 1},
        {"seq": 2, "timestamp": 3 * FRAME_TICKS},
        {"seq": 2, "source_changed": True},
        {"seq": 2, "gain": 4},
        {"seq": 2, "stereo": True},
    ],
)
def test_what_is_not_contiguous_begins_anew(breaking: dict[str, int]) -> None:
    bundler = Bundler()
    bundler.put(datagram(0))
    assert bundler.put(datagram(1))
    assert not bundler.put(datagram(**breaking))
    assert bundler.frames == 1
    with pytest.raises(ValueError, match="1 to 1, not 2"):
        bundler.take(2)


def test_a_pause_is_told_apart() -> None:
    bundler = Bundler()
    bundler.put(datagram(0))
    assert not bundler.is_pause
    assert bundler.put(datagram(1, frame=b"\x08"))
    assert bundler.is_pause
    assert bundler.put(datagram(2, frame=b"\x08\0\0"))
    assert not bundler.is_pause


def test_what_does_not_fit_into_one_datagram_is_not_bundled() -> None:
    bundler = Bundler()
    fits = (1_200 - 14 - 2) // 2
    for size, together in ((fits, True), (fits + 1, False)):
        for i in range(2):
            bundler.put(datagram(i, frame=bytes(size)))
        bundle = bundler.take(2)
        assert (bundle is not None) == together
        assert bundle is None or len(bundle) == 1_200


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (b"", "empty_datagram"),
        (b"\1\1" + bytes(20), "bad_version"),
        (datagram(0)[:10], "truncated"),
        (pack_audio([FRAME, FRAME], seq=0, timestamp=0, seats=()), "bad_frame_count"),
        (pack_audio([FRAME], redundant=[FRAME], seq=1, timestamp=0, seats=()), "bad_frame_count"),
        (datagram(0) + bytes(1_200), "datagram_too_long"),
    ],
)
def test_what_is_no_single_frame_is_refused_and_changes_nothing(wrong: bytes, code: str) -> None:
    bundler = Bundler()
    bundler.put(datagram(0))
    with pytest.raises(PacketError) as caught:
        bundler.put(wrong)
    assert caught.value.code == code
    assert bundler.put(datagram(1)), "what came before is still there"


def test_nothing_is_there_before_the_first_frame() -> None:
    assert (Bundler().frames, Bundler().is_pause) == (0, False)
    with pytest.raises(ValueError, match="0 frames"):
        Bundler().take(1)


STEPS = st.sampled_from(
    [FRAME_TICKS, FRAME_TICKS, FRAME_TICKS, FRAME_TICKS, 0, 2 * FRAME_TICKS, 2**32 - FRAME_TICKS]
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 1, 1, 1, 0, 2, 65_535]),
            STEPS,
            st.binary(min_size=1, max_size=700),
            st.integers(0, 255),
            st.sampled_from([0, 0, 0, 3]),
            st.sampled_from([False, False, False, True]),
            st.lists(st.integers(0, 255), max_size=5),
        ),
        max_size=12,
    ),
    st.integers(0, 65_535),
)
def test_it_agrees_with_plain_python(frames: list, seq: int) -> None:
    bundler, reference, timestamp = Bundler(), BundleReference(), seq
    for step, ticks, frame, level, gain, changed, seats in frames:
        seq, timestamp = seq + step, timestamp + ticks
        prime = (frame[:9], frame[:5]) if changed else ()
        fields = {"level": level, "gain": gain, "source_changed": changed, "prime": prime, "seats": seats}
        packed = datagram(seq, timestamp, frame, **fields)
        assert bundler.put(packed) == reference.put(packed)
        assert (bundler.frames, bundler.is_pause) == (len(reference.run), reference.is_pause)
        for n in range(1, bundler.frames + 1):
            assert bundler.take(n) == reference.take(n)
