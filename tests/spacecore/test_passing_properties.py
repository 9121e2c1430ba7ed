"""Random histories of who talks and what is lost: listeners are sent one stream that a decoder can follow."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from spacecore import FULL, Decoder, Encoder, Space, pack_audio, parse_audio, passable_packet
from tests.people import TICK_US
from tests.signals import FRAME, frames, voice

SEATS = (1, 4, 9)
QUIET_LEVEL, TALK_LEVEL = 127, 18
MOST_WAIT = 52  # ticks until a lone voice that was mixed is passed on
SETTLED = 105


def packets_of(seed: int) -> list[bytes]:
    encoder = Encoder(bitrate_bps=32_000, dtx=False, complexity=0)
    return [encoder.encode(pcm) for pcm in frames(voice(seed, 1.5))]


VOICES = {seat: packets_of(seat) for seat in SEATS}


class Talk(RuleBasedStateMachine):
    """Three people who send all the time, and mean some of it to be heard."""

    @initialize()
    def begin(self) -> None:
        self.space = Space(complexity=0, loudness=False)
        for seat in SEATS:
            self.space.add_seat(seat)
        self.talking: set[int] = set()
        self.ticks = 0
        self.heard_lost = 0
        self.next_seq: int | None = None
        self.last_timestamp = -1
        self.source: object = None  # what the full stream was made of: ("seat", n) or "mix"
        self.clean = SETTLED  # ticks since the last loss
        self.waited = 0
        self.decoder = Decoder()

    @rule(talking=st.sets(st.sampled_from(SEATS)), n=st.integers(1, 60))
    def talk(self, talking: set[int], n: int) -> None:
        self.talking = talking
        for _ in range(n):
            self._tick(lost=False)

    @rule(lost=st.lists(st.booleans(), min_size=1, max_size=8))
    def lose(self, lost: list[bool]) -> None:
        for each in lost:
            self._tick(lost=each)

    @rule(seat=st.sampled_from(SEATS))
    def comes_back(self, seat: int) -> None:
        self.space.remove_seat(seat)
        self.space.add_seat(seat)

    @invariant()
    def costs_are_those_of_the_mix(self) -> None:
        if hasattr(self, "space"):
            stats = self.space.stats
            assert stats.measured <= stats.decodes
            assert stats.primed <= 2 * (stats.encodes + 1)
            assert stats.encode_errors == 0

    def _tick(self, *, lost: bool) -> None:
        i = self.ticks
        self.ticks += 1
        for seat in SEATS:
            if lost and seat in self.talking:
                continue
            level = TALK_LEVEL if seat in self.talking else QUIET_LEVEL
            frame = VOICES[seat][i % len(VOICES[seat])]
            datagram = pack_audio([frame], seq=i & 0xFFFF, timestamp=i * FRAME & 0xFFFFFFFF, level=level)
            self.space.put(seat, datagram, i * TICK_US)
        self.clean = 0 if lost else self.clean + 1
        before = self.space.stats
        tick = self.space.tick(i * TICK_US + 5_000)
        after = self.space.stats
        passed = after.passed - before.passed
        full = [parse_audio(data, True) for audience, data in tick.packets if audience == FULL]
        assert len(full) <= 1
        for audience, data in tick.packets:
            assert parse_audio(data, True).timestamp == tick.timestamp, audience
        if passed:
            assert len(tick.audible) == 1
            assert after.encodes - before.encodes <= 1
            assert full[0].frames[0] in {passable_packet(each) for each in VOICES[tick.audible[0]]}
        if len(tick.audible) > 1:
            assert after.encodes - before.encodes == len(tick.audible) + 1
        for packet in full:
            self._hear(packet, tick.audible, bool(passed))
        self._wait(tick.audible, bool(passed), bool(full))

    def _hear(self, packet, audible: tuple[int, ...], passed: bool) -> None:  # type: ignore[no-untyped-def]
        if self.next_seq is not None:
            assert (packet.seq - self.next_seq) & 0xFFFF <= 5, "only frames lost on the way up are left out"
        self.next_seq = packet.seq + 1
        assert packet.timestamp > self.last_timestamp
        assert (packet.timestamp - self.last_timestamp) % FRAME in (0, 1)
        self.last_timestamp = packet.timestamp
        assert len(packet.prime) <= 2
        assert packet.source_changed or not packet.prime
        pause = len(packet.frames[0]) <= 2
        source = self.source if pause else ("seat", audible[0]) if passed else "mix"
        if source != self.source:
            assert packet.source_changed
        elif self.source == "mix":
            assert not packet.source_changed, "a mix goes on where it stopped"
        self.source = source
        for prime in packet.prime:
            assert len(self.decoder.decode(prime)) == FRAME
        assert len(self.decoder.decode(packet.frames[0])) == FRAME

    def _wait(self, audible: tuple[int, ...], passed: bool, spoken: bool) -> None:
        """A lone voice that loses nothing is passed on, at the latest after a while."""
        if len(audible) == 1 and self.clean > SETTLED and spoken and not passed:
            self.waited += 1
        elif passed or len(audible) != 1:
            self.waited = 0
        assert self.waited <= MOST_WAIT + SETTLED


TestTalk = Talk.TestCase
TestTalk.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 2))
def test_whatever_is_passable_is_one_frame_that_decodes(data: bytes, channels: int) -> None:
    out = passable_packet(data, channels=channels)
    if out is not None:
        assert 1 <= len(out) <= min(len(data), 240)
        assert out[0] & 0xF8 == data[0] & 0xF8
        assert (2 if out[0] & 4 else 1) == channels
        assert passable_packet(out, channels=channels) == out
        Decoder(channels=channels).decode(out)
