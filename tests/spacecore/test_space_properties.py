"""A room against its slow model over random histories, and against bytes that nobody should send."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spacecore import FULL, SeatError, Space, parse_audio
from tests.oracles.space_reference import SpaceReference
from tests.people import TICK_US, Talker
from tests.signals import FRAME, frames, voice

ONE_LSB = 1 / 32768
_VOICES = ((1, 0.9), (2, 0.5), (3, 0.05), (4, 0.9))
SOUNDS = [frames(voice(seed, 0.4, peak=peak)) for seed, peak in _VOICES]
SEATS = st.integers(0, 5)
SOUND = st.integers(0, len(SOUNDS) - 1)
ALMOST_AUDIO = st.binary(max_size=40).map(lambda tail: b"\x00\x01\x00\x01" + tail)


class Histories(RuleBasedStateMachine):
    """People come, go, speak, fall silent, are muted and turned up; each tick's mix is the model's."""

    @initialize()
    def begin(self) -> None:
        self.space = Space(complexity=0, loudness=False)
        self.model = SpaceReference()
        self.tap = self.space.tap()
        self.ticks = 0
        self.last = self.space.tick(0)
        self.serial = self.last.applied

    @rule(seat=SEATS, gain_db=st.sampled_from([-12.0, 0.0, 6.0]))
    def add(self, seat: int, gain_db: float) -> None:
        if seat in self.model.seats:
            with pytest.raises(SeatError):
                self.space.add_seat(seat, pcm=True, gain_db=gain_db)
        else:
            self.serial = self.space.add_seat(seat, pcm=True, gain_db=gain_db)
            self.model.add_seat(seat, gain_db)

    @rule(seat=SEATS)
    def remove(self, seat: int) -> None:
        if seat in self.model.seats:
            self.serial = self.space.remove_seat(seat)
            del self.model.seats[seat]
        else:
            with pytest.raises(SeatError):
                self.space.remove_seat(seat)

    @precondition(lambda self: self.model.seats)
    @rule(data=st.data(), muted=st.booleans())
    def mute(self, data: st.DataObject, muted: bool) -> None:
        seat = data.draw(st.sampled_from(sorted(self.model.seats)))
        self.serial = self.space.mute(seat, muted)
        self.model.seats[seat].muted = muted

    @precondition(lambda self: self.model.seats)
    @rule(data=st.data(), gain_db=st.sampled_from([-20.0, 0.0, 12.0]))
    def set_gain(self, data: st.DataObject, gain_db: float) -> None:
        seat = data.draw(st.sampled_from(sorted(self.model.seats)))
        self.serial = self.space.set_gain(seat, gain_db)
        self.model.seats[seat].gain = 10 ** (gain_db / 20)

    @precondition(lambda self: self.model.seats)
    @rule(
        data=st.data(), sound=st.integers(0, len(SOUNDS) - 1), start=st.integers(0, 19), n=st.integers(1, 40)
    )
    def speak(self, data: st.DataObject, sound: int, start: int, n: int) -> None:
        seat = data.draw(st.sampled_from(sorted(self.model.seats)))
        for i in range(n):
            pcm = SOUNDS[sound][(start + i) % len(SOUNDS[sound])]
            assert self.space.put_pcm(seat, pcm) == self.model.put_pcm(seat, pcm)

    @rule(n=st.integers(1, 30))
    def tick(self, n: int) -> None:
        for _ in range(n):
            self.ticks += 1
            self.last = self.space.tick(self.ticks * TICK_US)
            voices, mix = self.model.tick()
            heard = {frame.seat: np.array(frame.pcm) for frame in self.tap.read()}
            assert set(self.last.audible) == set(voices)
            assert self.last.applied == self.serial
            if mix is None:
                assert heard == {}
                continue
            np.testing.assert_allclose(heard.pop(None), mix, atol=ONE_LSB)
            assert set(heard) == set(voices)
            for seat, pcm in voices.items():
                np.testing.assert_allclose(heard[seat], pcm, atol=ONE_LSB)

    @invariant()
    def each_person_gets_at_most_one_datagram(self) -> None:
        if not hasattr(self, "last"):
            return
        audiences = [audience for audience, _ in self.last.packets]
        assert len(audiences) == len(set(audiences))
        assert {a for a in audiences if a != FULL} <= self.last.excluded
        for audience, datagram in self.last.packets:
            packet = parse_audio(datagram, True)
            assert packet.seats is not None
            assert audience not in packet.seats
            assert set(packet.seats) <= set(self.last.audible)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@settings(max_examples=50, deadline=None)
@given(st.permutations([0, 1, 2, 3]), st.integers(0, 15))
def test_the_order_of_seats_changes_the_mix_by_one_lsb_at_most(order: list[int], start: int) -> None:
    mixes = []
    for seating in ([0, 1, 2, 3], order):
        space = Space(complexity=0)
        tap = space.tap(seats=False)
        for seat in range(4):
            space.add_seat(seat, pcm=True)
        for i in range(4):
            for seat, sound in enumerate(seating):
                space.put_pcm(seat, SOUNDS[sound][start + i])
            space.tick(i * TICK_US)
        mixes.append(np.concatenate([np.array(frame.pcm) for frame in tap.read()]))
    np.testing.assert_allclose(mixes[0], mixes[1], atol=ONE_LSB)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60) | ALMOST_AUDIO, max_size=30))
def test_no_bytes_raise_out_of_the_data_path_or_disturb_others(datagrams: list[bytes]) -> None:
    space = Space(complexity=0)
    space.add_seat(1)
    space.add_seat(2)
    honest = Talker(voice(5, 1.2))
    audible = 0
    for i in range(40):
        for datagram in datagrams[i : i + 3]:
            space.put(1, datagram, i * TICK_US)
        space.put(2, honest.datagram() or b"", i * TICK_US)
        audible += 2 in space.tick(i * TICK_US + 5000).audible
    assert audible >= 36


def test_mixes_never_leave_full_scale_whatever_is_shouted() -> None:
    space = Space()
    tap = space.tap(seats=False)
    loud = np.sign(voice(9, 0.5)) * np.float32(1.0)
    for seat in range(8):
        space.add_seat(seat, pcm=True, gain_db=20.0)
    for i, pcm in enumerate(frames(loud)):
        for seat in range(8):
            space.put_pcm(seat, pcm)
        space.tick(i * TICK_US)
    mixed = np.concatenate([np.array(frame.pcm) for frame in tap.read()])
    assert np.abs(mixed).max() <= 1.0
    assert len(mixed) == len(frames(loud)) * FRAME
