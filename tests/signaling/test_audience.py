"""Who hears what: the fan-out set is the roster, and who mixes knows only outlets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media import Audience, AudienceCounts, MixedFrame, PlainRoom, Takes
from signaling.media.audience import FULL
from spacecore import FULL as ENGINE_FULL
from spacecore import Report, Space, pack_audio, pack_report, parse_audio
from tests.signaling.server_fakes import FakeEngine

SPACE = bytes(16)


class Ear:
    def __init__(self, takes: bool = True, *, redundancy: int = 0, reports: bool = False) -> None:
        self.heard: list[bytes] = []
        self.is_open = takes
        self.takes = Takes(1, redundancy, reports)

    def send_audio(self, datagram: bytes) -> bool:
        self.heard.append(datagram)
        return self.is_open


def frame(audience: int, datagram: bytes = b"mix", excluded: frozenset[int] = frozenset()) -> MixedFrame:
    return MixedFrame(SPACE, audience, datagram, excluded)


@pytest.fixture
def counts() -> AudienceCounts:
    return AudienceCounts()


def test_full_is_the_engine_s_full() -> None:
    assert FULL == ENGINE_FULL


def test_the_full_mix_goes_to_all_but_the_excluded_seats(counts: AudienceCounts) -> None:
    audience, ann, bo, cee = Audience(counts), Ear(), Ear(), Ear()
    for user, ear in (("ann", ann), ("bo", bo), ("cee", cee)):
        audience.enter(user, ear)
    audience.seat("bo", 3)
    audience.seat("cee", 4)
    audience.publish(frame(FULL, b"mix", frozenset({3})))
    audience.publish(frame(3, b"minus bo"))
    assert ann.heard == cee.heard == [b"mix"]
    assert bo.heard == [b"minus bo"]
    assert (counts.full_sent, counts.seat_sent) == (2, 1)


def test_nobody_outside_the_roster_is_sent_anything(counts: AudienceCounts) -> None:
    audience, ann = Audience(counts), Ear()
    audience.enter("ann", ann)
    audience.seat("ann", 0)
    audience.leave("ann")
    audience.leave("ann")
    audience.publish(frame(FULL))
    audience.publish(frame(0))
    assert ann.heard == []
    assert len(audience) == 0
    assert counts.nobody == 1


def test_a_newer_connection_takes_the_place_of_the_older(counts: AudienceCounts) -> None:
    audience, old, new = Audience(counts), Ear(), Ear()
    audience.enter("ann", old)
    audience.seat("ann", 2)
    audience.enter("ann", new)
    audience.publish(frame(FULL))
    assert old.heard == []
    assert new.heard == [b"mix"]


def test_back_among_the_listeners_one_hears_the_full_mix_whatever_is_excluded(counts: AudienceCounts) -> None:
    audience, ann = Audience(counts), Ear()
    audience.enter("ann", ann)
    audience.seat("ann", 1)
    audience.seat("ann", None)
    audience.publish(frame(FULL, excluded=frozenset({1})))
    assert ann.heard == [b"mix"]


def test_what_is_not_taken_is_counted(counts: AudienceCounts) -> None:
    audience = Audience(counts)
    audience.enter("ann", Ear(takes=False))
    audience.enter("bo", Ear(takes=False))
    audience.seat("bo", 0)
    audience.publish(frame(FULL))
    audience.publish(frame(0))
    assert (counts.full_sent, counts.seat_sent, counts.refused) == (0, 0, 3)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(("enter", "leave", "up", "down"))), max_size=40
    ),
    st.frozensets(st.integers(0, 3)),
)
def test_any_history_ends_with_exactly_the_roster_hearing(
    history: list[tuple[str, str]], excluded: frozenset[int]
) -> None:
    audience, inside = Audience(AudienceCounts()), {}
    ears = {user: Ear() for user in "abcd"}
    seats = {user: number for number, user in enumerate("abcd")}
    for user, act in history:
        if act == "enter":
            audience.enter(user, ears[user])
            inside[user] = None
        elif act == "leave":
            audience.leave(user)
            inside.pop(user, None)
        elif user in inside:
            inside[user] = seats[user] if act == "up" else None
            audience.seat(user, inside[user])
    audience.publish(frame(FULL, excluded=excluded))
    hearing = {user for user, ear in ears.items() if ear.heard}
    assert hearing == {user for user, seat in inside.items() if seat is None or seat not in excluded}
    assert len(audience) == len(inside)
    assert audience.users == set(inside)
    assert all((user in audience) == (user in inside) for user in "abcd")


def test_a_room_publishes_to_every_outlet_and_knows_no_person() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.frames: list[MixedFrame] = []

        def publish(self, frame: MixedFrame) -> None:
            self.frames.append(frame)

    engine = FakeEngine()
    room, one, two = PlainRoom(b"s" * 16, engine), Recorder(), Recorder()
    room.subscribe(one)
    room.subscribe(two)
    engine.packets, engine.excluded = ((FULL, b"mix"), (0, b"minus")), frozenset({0})
    room.tick(20_000)
    room.unsubscribe(two)
    engine.packets = ((FULL, b"more"),)
    room.tick(40_000)
    assert one.frames == [
        (b"s" * 16, FULL, b"mix", frozenset({0})),
        (b"s" * 16, 0, b"minus", frozenset({0})),
        (b"s" * 16, FULL, b"more", frozenset({0})),
    ]
    assert two.frames == one.frames[:2]


def test_who_waits_for_a_change_is_called_when_a_tick_has_applied_it() -> None:
    engine, called = FakeEngine(), []
    room = PlainRoom(SPACE, engine)
    first = room.add_seat(0)
    room.when_applied(first, lambda: called.append("added"))
    assert called == []
    room.tick(20_000)
    assert called == ["added"]
    room.when_applied(first, lambda: called.append("at once"))
    room.when_applied(room.remove_seat(0), lambda: called.append("closed"))
    room.close()
    assert called == ["added", "at once", "closed"]


def test_a_seat_that_begins_muted_is_muted_before_anything_is_heard() -> None:
    engine = FakeEngine()
    PlainRoom(SPACE, engine).add_seat(7, muted=True)
    assert engine.asked == [("add", 7), ("mute", 7, True)]


# --- loss ---------------------------------------------------------------------------------------------------


def mix(seq: int) -> bytes:
    return pack_audio([bytes([0x78, seq]) * 20], seq=seq, timestamp=960 * seq, level=30, seats=[1])


def said(lost: int, bursts: int) -> bytes:
    return pack_report(Report(0, 250 - lost, lost, 0, 5, 40, bursts))


def test_who_loses_many_in_a_row_gets_copies_as_far_as_they_are_taken() -> None:
    room = PlainRoom(SPACE, Space(complexity=0))
    ears = {"two": Ear(redundancy=2), "one": Ear(redundancy=1), "none": Ear(), "calm": Ear(redundancy=2)}
    for user, ear in ears.items():
        room.enter(user, ear)
        room.report(user, said(0, 0) if user == "calm" else said(30, 10), 0)
    room.report("nobody", said(30, 10), 0)
    for seq in range(8):
        room._publish(FULL, mix(seq), frozenset())
    counts = {
        user: [len(parse_audio(each, True).redundant) for each in ear.heard] for user, ear in ears.items()
    }
    assert counts == {
        "two": [0, 0, 1, 2, 2, 2, 2, 2],
        "one": [0, 0, 1, 1, 1, 1, 1, 1],
        "none": [0] * 8,
        "calm": [0] * 8,
    }
    last = parse_audio(ears["two"].heard[-1], True)
    assert [frame[1] for frame in last.redundant] == [4, 5] and last.distance == 2
    assert ears["calm"].heard == ears["none"].heard == [mix(seq) for seq in range(8)]
    for turn in range(1, 12):
        for user in ("two", "one"):
            room.report(user, said(0, 0), turn * 5_000_000)
    room._publish(FULL, mix(8), frozenset())
    assert ears["two"].heard[-1] == mix(8)


def test_a_listener_who_comes_back_begins_without_a_past() -> None:
    room = PlainRoom(SPACE, Space(complexity=0))
    ear = Ear(redundancy=2)
    room.enter("ann", ear)
    room.report("ann", said(30, 10), 0)
    room.leave("ann")
    room.enter("ann", ear)
    for seq in range(6):
        room._publish(FULL, mix(seq), frozenset())
    assert ear.heard == [mix(seq) for seq in range(6)]
    room.report("ann", b"\x00\x02", 0)
    room.report("ann", b"", 0)


def test_who_is_in_a_seat_is_told_how_they_arrive_if_they_want_to_be() -> None:
    engine = FakeEngine()
    room = PlainRoom(SPACE, engine)
    curious, other = Ear(reports=True), Ear()
    for seat, (user, ear) in enumerate((("ann", curious), ("bob", other))):
        room.enter(user, ear)
        room.seat(user, seat)
    engine.reports = ((0, b"about ann"), (1, b"about bob"), (2, b"about nobody"))
    room.tick(0)
    assert (curious.heard, other.heard) == ([b"about ann"], [])
    room.report("ann", said(0, 0), 0)
    assert ("report", 0, said(0, 0)) in engine.asked
