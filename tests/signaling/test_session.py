"""One session, sans I/O: hello first, order, bounds, token times, and whatever bytes a peer may send."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.config import LimitsConfig
from signaling.protocol import CloseCode, ErrorCode, encode, frame
from signaling.protocol import messages as wire
from signaling.server.counts import Counts
from signaling.server.place import Place
from signaling.server.session import Member, Session
from tests.signaling.server_world import FakePeer, World
from tests.virtual.loop import run

AUDIO = b"\x00\x01" + bytes(20)


class SilentDesk:
    """Keeps what it is asked and answers nothing by itself."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.alarm_us: int | None = None
        self.gone_sessions = 0

    def hello(self, session: Session, request: wire.Hello) -> None:
        self.asked.append(request)

    def act(self, session: Session, request: wire.Request) -> None:
        self.asked.append(request)

    def wake(self, session: Session, at_us: int | None) -> None:
        self.alarm_us = at_us

    def gone(self, session: Session) -> None:
        self.gone_sessions += 1


class Line:
    """A session, its peer and its desk."""

    def __init__(self, **limits: int) -> None:
        self.peer, self.desk, self.counts = FakePeer(), SilentDesk(), Counts()
        self.session = Session(1, self.peer, self.desk, LimitsConfig(**limits), self.counts)
        self.session.on_established(0)

    def send(self, message: wire.Request, now_us: int = 0) -> None:
        self.session.on_control(encode(message), now_us)

    def greet(self, lifetime_s: int = 3600, now_us: int = 0) -> None:
        self.send(wire.Hello(1, "t"), now_us)
        member = Member("ann", "Ann", now_us + lifetime_s * 1_000_000)
        self.session.welcome(member, wire.Welcome(1, "ann", "Ann", lifetime_s * 1000))
        self.desk.asked.clear()
        self.peer.take()

    def errors(self) -> list[tuple[int, str]]:
        return [(error.id, ErrorCode(error.code).name) for error in self.peer.take(wire.Error)]


def test_hello_must_come_within_three_seconds() -> None:
    line = Line()
    assert line.desk.alarm_us == 3_000_000
    line.session.on_time(2_999_999)
    assert line.peer.closed is None
    line.session.on_time(3_000_000)
    assert line.peer.closed is not None
    assert line.peer.closed[0] == CloseCode.hello_timeout


def test_a_hello_that_is_being_looked_at_is_in_time() -> None:
    line = Line()
    line.send(wire.Hello(1, "t"), 2_900_000)
    line.session.on_time(3_000_000)
    assert line.peer.closed is None
    line.session.refuse(ErrorCode.busy, "later", 500)
    assert line.desk.alarm_us == 3_000_000, "the time runs on for the next try"


def test_nothing_else_is_heard_before_hello() -> None:
    line = Line()
    line.send(wire.ListSpaces(1))
    line.send(wire.Hello(2, "t"))
    line.send(wire.Open(3, "Tea"))
    line.send(wire.Hello(4, "t"))
    line.session.on_audio(AUDIO, 0)
    assert line.errors() == [(1, "not_authenticated"), (3, "not_authenticated"), (4, "not_permitted")]
    assert line.desk.asked == [wire.Hello(2, "t")]
    assert line.counts.dropped_before_hello == 1


def test_hello_is_said_once() -> None:
    line = Line()
    line.greet()
    line.send(wire.Hello(2, "t"))
    assert line.errors() == [(2, "not_permitted")]


def test_requests_are_carried_out_one_after_the_other_in_order() -> None:
    line = Line()
    line.greet()
    for number in (2, 3, 4):
        line.send(wire.Ask(number))
    assert [request.id for request in line.desk.asked] == [2]
    line.session.reply(wire.Ok(2))
    line.session.refuse(ErrorCode.already_asked, "once")
    assert [request.id for request in line.desk.asked] == [2, 3, 4]
    assert [message.id for message in line.peer.take()] == [2, 3]
    line.session.reply(wire.Ok(4))
    line.session.reply(wire.Ok(4))
    assert [message.id for message in line.peer.take()] == [4], "an answer goes out once"


def test_thirty_two_requests_may_wait_and_one_more_is_busy() -> None:
    line = Line(requests_per_s=1000, requests_burst=1000)
    line.greet()
    for number in range(2, 2 + 1 + 32):
        line.send(wire.Ask(number))
    assert line.session.waiting == 32
    assert line.errors() == []
    line.send(wire.Ask(99))
    [error] = line.peer.take(wire.Error)
    assert (error.id, error.code) == (99, ErrorCode.busy)
    assert error.retry_after_ms > 0


def test_a_burst_passes_and_beyond_it_comes_busy_with_the_time_to_wait() -> None:
    line = Line(requests_per_s=10, requests_burst=5)
    line.greet()  # the first of five
    for number in range(2, 8):
        line.send(wire.Ask(number))
        line.session.reply(wire.Ok(number))
    errors = line.peer.take(wire.Error)
    assert [(error.id, error.code) for error in errors] == [(6, ErrorCode.busy), (7, ErrorCode.busy)]
    assert errors[0].retry_after_ms == 100
    line.send(wire.Ask(8), 100_000)
    assert line.desk.asked[-1].id == 8


def test_a_token_that_ends_is_announced_and_then_closes_the_connection() -> None:
    line = Line()
    line.greet(3600)
    assert line.desk.alarm_us == 3540_000_000
    line.session.on_time(3540_000_000)
    assert line.peer.take() == [wire.TokenExpiring(0, 60_000)]
    assert line.desk.alarm_us == 3600_000_000
    line.session.on_time(3599_999_999)
    assert line.peer.closed is None
    line.session.on_time(3600_000_000)
    assert line.peer.closed is not None
    assert line.peer.closed[0] == CloseCode.token_expired


def test_a_short_token_is_announced_at_once_and_a_renewed_one_again() -> None:
    line = Line()
    line.greet(20)
    line.session.on_time(0)
    assert line.peer.take() == [wire.TokenExpiring(0, 20_000)]
    line.session.renewed(Member("ann", "Ann", 500_000_000))
    assert line.desk.alarm_us == 440_000_000
    line.session.on_time(440_000_000)
    assert line.peer.take() == [wire.TokenExpiring(0, 60_000)]


def test_who_shows_the_same_token_again_is_not_told_again_that_it_expires() -> None:
    line = Line()
    line.greet(20)
    line.session.on_time(0)
    assert line.peer.take() == [wire.TokenExpiring(0, 20_000)]
    line.session.renewed(Member("ann", "Ann", 20_000_000))
    line.session.on_time(1_000_000)
    assert line.peer.take() == []
    assert line.desk.alarm_us == 20_000_000


def test_what_is_wrong_with_a_message_is_answered_if_its_id_can_be_read() -> None:
    line = Line()
    line.greet()
    line.session.on_control(frame(b"\x92\x7e\x05"), 0)  # message 126
    line.session.on_control(frame(b"\x93\x03\x06\xc0"), 0)  # open(nil)
    line.session.on_control(frame(b"\x93\x03\x07\xa1\x07"), 0)  # open with a control character
    assert line.errors() == [(5, "unknown_message"), (6, "malformed"), (7, "bad_value")]
    assert line.peer.closed is None
    line.session.on_control(frame(b"\xc1"), 0)
    assert line.peer.closed is not None
    assert line.peer.closed[0] == CloseCode.protocol_error


@pytest.mark.parametrize("head", [b"\x00\x00", b"\x40\x01"])
def test_broken_framing_closes_after_the_messages_before_it(head: bytes) -> None:
    line = Line()
    line.greet()
    line.session.on_control(encode(wire.Ask(2)) + head + b"junk", 0)
    assert line.desk.asked == [wire.Ask(2)]
    assert line.peer.closed is not None
    assert line.peer.closed[0] == CloseCode.protocol_error


def test_nothing_goes_in_or_out_after_a_close() -> None:
    line = Line()
    line.greet()
    line.send(wire.Ask(2))
    line.session.close(CloseCode.removed, "out")
    line.session.close(CloseCode.done, "again")
    line.session.reply(wire.Ok(2))
    line.session.send(wire.You(0, 0))
    line.session.send_bytes(encode(wire.You(0, 0)))
    line.send(wire.Ask(3))
    line.session.on_audio(AUDIO, 0)
    line.session.on_time(10**12)
    line.session.on_closed(0)
    assert line.peer.closed == (CloseCode.removed, "out")
    assert line.peer.take() == []
    assert line.desk.gone_sessions == 1
    assert line.counts.closes == {"removed": 1}


def test_a_reply_that_cannot_be_encoded_becomes_an_error() -> None:
    line = Line()
    line.greet()
    line.send(wire.ListPeople(2))
    line.session.reply(wire.People(2, [wire.Person("u" * 64, "n" * 20_000)]))
    assert line.errors() == [(2, "too_large")]


class EchoRoom:
    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []

    def put(self, seat: int, datagram: bytes, now_us: int) -> str:
        self.heard.append((seat, datagram))
        return "ok"


def on_stage(line: Line, seat: int | None = 4, muted: bool = False) -> EchoRoom:
    room = EchoRoom()
    line.session.place = Place(None, room, seat, muted)  # type: ignore[arg-type]
    return room


def test_audio_of_somebody_on_stage_goes_into_the_room() -> None:
    line = Line()
    line.greet()
    room = on_stage(line)
    line.session.on_audio(AUDIO, 0)
    assert room.heard == [(4, AUDIO)]
    assert (line.counts.frames_in, line.counts.engine["ok"]) == (1, 1)


@pytest.mark.parametrize(
    ("datagram", "counter"),
    [
        (b"", "dropped_malformed"),
        (b"\x00", "dropped_malformed"),
        (b"\x01\x01" + bytes(20), "dropped_malformed"),
        (b"\x00\x01" + bytes(1199), "dropped_malformed"),
        (b"\x00\x02" + bytes(11), "dropped_malformed"),
        (b"\x00\x02" + bytes(12), "reports"),
        (b"\x00\x03" + bytes(20), "dropped_unknown_kind"),
    ],
)
def test_a_datagram_that_is_no_audio_is_counted_and_never_answered(datagram: bytes, counter: str) -> None:
    line = Line()
    line.greet()
    room = on_stage(line)
    line.session.on_audio(datagram, 0)
    assert getattr(line.counts, counter) == 1
    assert (room.heard, line.peer.got, line.peer.closed) == ([], [], None)


def test_audio_is_dropped_from_those_who_may_not_speak() -> None:
    line = Line()
    line.greet()
    line.session.on_audio(AUDIO, 0)
    listener = on_stage(line, None)
    line.session.on_audio(AUDIO, 0)
    muted = on_stage(line, muted=True)
    line.session.on_audio(AUDIO, 0)
    assert (line.counts.dropped_not_on_stage, line.counts.dropped_muted) == (2, 1)
    silence = b"\x00\x01" + bytes(10) + b"\x78"
    line.session.on_audio(silence, 0)
    assert (listener.heard, muted.heard) == ([], [(4, silence)]), "the last word of the muted is silence"


def test_a_flood_of_datagrams_is_dropped_beyond_the_rate() -> None:
    line = Line(audio_per_s=100)
    line.greet()
    room = on_stage(line)
    for _ in range(150):
        line.session.on_audio(AUDIO, 0)
    assert (len(room.heard), line.counts.dropped_flood) == (100, 50)
    line.session.on_audio(AUDIO, 10_000)
    assert len(room.heard) == 101


@given(st.lists(st.binary(max_size=80), max_size=12), st.lists(st.binary(max_size=40), max_size=4))
def test_no_bytes_make_a_session_raise(chunks: list[bytes], datagrams: list[bytes]) -> None:
    line = Line()
    for chunk in chunks:
        line.session.on_control(chunk, 0)
    for datagram in datagrams:
        line.session.on_audio(datagram, 0)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=12), st.booleans())
def test_no_message_makes_the_server_raise(bodies: list[bytes], known: bool) -> None:
    async def story() -> None:
        world = World()
        caller = await world.known("ann") if known else world.call()
        for body in bodies:
            caller.session.on_control(frame(body), world.now_us)
            await world.settle()
        assert world.counts.errors_caught == 0
        await world.end()

    run(story())


@pytest.mark.parametrize(
    ("capabilities", "most"),
    [
        ({}, 1),
        ({"bundle": 3}, 3),
        ({"bundle": 3, "bundle_delay_ms": 0}, 1),
        ({"bundle": 3, "bundle_delay_ms": 39}, 2),
        ({"bundle": 2, "bundle_delay_ms": 1000}, 2),
        ({"bundle": 9, "bundle_delay_ms": 1000}, 3),
        ({"bundle": 0}, 1),
    ],
)
def test_how_many_frames_a_datagram_may_carry(capabilities: dict[str, int], most: int) -> None:
    line = Line()
    assert line.session.takes.bundle == 1
    line.send(wire.Hello(1, "t", capabilities=capabilities))
    assert line.session.takes.bundle == most
    assert line.session.connection is None, "the fake peer is on no plane"
