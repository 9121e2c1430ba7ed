"""Every verb of client and Space: what it sends, what it returns, and what it refuses before sending."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from signaling.client import LiveSpace, Person, RequestRefused, Role
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.messages import Hello, Join, Leave, Renew, Request
from tests.signaling.scripted_server import (
    BUBBLE,
    NOTE,
    PLANNED,
    POST,
    SPACE,
    Answer,
    Session,
    Stage,
    refusing,
    room,
    tell,
    usual,
)

BO = Person("bo", "Bo")
TALKERS = [wire.TalkerRow("bo", "Bo", 61_240, 7, True)]
NOON = datetime(2030, 3, 17, 12, tzinfo=timezone(timedelta(hours=2)))
NOON_MS = 1_899_972_000_000
PEOPLE = [Person("ada", "Ada"), Person("hana", "Hana")]
LINK = f"spaces://10.0.0.1:4433/{SPACE.hex()}"

Verb = Callable[[Any], Awaitable[object]]


async def talkers(whom: Any, *where: str) -> list[wire.TalkerRow]:
    found: wire.Talkers = await whom.talkers(*where)
    return found.talkers


IN_A_SPACE: list[tuple[Verb, Request]] = [
    (lambda s: s.ask(), wire.Ask(1)),
    (lambda s: s.withdraw(), wire.Decline(1, "ada")),
    (lambda s: s.admit(BO), wire.Admit(1, "bo")),
    (lambda s: s.decline(BO), wire.Decline(1, "bo")),
    (lambda s: s.invite("bo"), wire.Invite(1, "bo")),
    (lambda s: s.uninvite(BO), wire.Uninvite(1, "bo")),
    (lambda s: s.accept(), wire.Accept(1)),
    (lambda s: s.refuse(), wire.Refuse(1)),
    (lambda s: s.promote(BO), wire.Promote(1, "bo")),
    (lambda s: s.demote(), wire.Demote(1, "")),
    (lambda s: s.demote(BO), wire.Demote(1, "bo")),
    (lambda s: s.hand_over(BO), wire.HandOver(1, "bo")),
    (lambda s: s.move(), wire.Move(1, "")),
    (lambda s: s.mute(POST, hold=True), wire.Mute(1, "bo", True)),
    (lambda s: s.unmute(), wire.Unmute(1, "")),
    (lambda s: s.unmute(BO), wire.Unmute(1, "bo")),
    (lambda s: s.mute_all(hold=True), wire.MuteAll(1, True)),
    (lambda s: s.volume(BO, 40), wire.Volume(1, "bo", 40)),
    (lambda s: s.remove(BO, "remove"), wire.Remove(1, "bo", 0)),
    (lambda s: s.remove(BO), wire.Remove(1, "bo", 1)),
    (lambda s: s.remove(BO, how="block"), wire.Remove(1, "bo", 2)),
    (lambda s: s.unban(BO), wire.Unban(1, "bo")),
    (lambda s: s.change(), wire.Change(1)),
    (lambda s: s.change(title="Tea", locked=True), wire.Change(1, "Tea", None, None, None, True)),
    (
        lambda s: s.change(topics=("a", "b"), who_may_speak="invited", queue_order="fair"),
        wire.Change(1, None, ["a", "b"], 2, 1, None),
    ),
    (lambda s: s.unshare(LINK), wire.Unshare(1, LINK)),
    (lambda s: s.report(BO, "spam", "again"), wire.Report(1, "bo", "spam", "again")),
    (lambda s: s.delete_post(POST), wire.DeletePost(1, 7)),
    (lambda s: s.note("Too loud"), wire.Note(1, "Too loud")),
    (lambda s: s.react("heart"), wire.React(1, "heart")),
    (lambda s: s.pin("Read this"), wire.Pin(1, "Read this")),
    (lambda s: s.unpin(wire.PinRow(2, "Read this", "hana", 5)), wire.Unpin(1, 2)),
    (lambda s: s.end(), wire.End(1)),
]

ON_A_CLIENT: list[tuple[Verb, Request]] = [
    (lambda c: c.follow("@hana"), wire.Follow(1, "@hana")),
    (lambda c: c.unfollow(BO), wire.Unfollow(1, "bo")),
    (lambda c: c.block(BO), wire.Block(1, "bo")),
    (lambda c: c.unblock(BO), wire.Unblock(1, "bo")),
    (lambda c: c.cancel(SPACE), wire.Cancel(1, SPACE)),
    (lambda c: c.remind(PLANNED), wire.Remind(1, SPACE, True)),
    (lambda c: c.remind(SPACE.hex(), on=False), wire.Remind(1, SPACE, False)),
]

ASKING_A_SPACE: list[tuple[Verb, Request, object]] = [
    (lambda s: s.people(7), wire.ListPeople(1, "", 7), PEOPLE),
    (lambda s: s.bans(), wire.ListBans(1, "", 100), PEOPLE),
    (lambda s: s.audit(), wire.ListAudit(1, 0, 100), [wire.AuditRow(1, 5, "hana", "mute", "bo")]),
    (talkers, wire.ListTalkers(1), TALKERS),
    (lambda s: s.post("Hello"), wire.Post(1, "Hello", 0), 7),
    (lambda s: s.post("So?", reply_to=POST), wire.Post(1, "So?", 7), 7),
    (lambda s: s.posts(20), wire.ListPosts(1, 0, 20), [POST]),
    (lambda s: s.notes(20), wire.ListNotes(1, 0, 20), [NOTE]),
]

ASKING_A_CLIENT: list[tuple[Verb, Request, object]] = [
    (lambda c: c.follows(), wire.ListFollows(1, 0, "", 100), PEOPLE),
    (lambda c: c.follows("blocked", 2), wire.ListFollows(1, 2, "", 2), PEOPLE),
    (lambda c: c.live(5, text="tea", topic="trains"), wire.ListSpaces(1, 5, None, "tea", "trains"), []),
    (
        lambda c: c.audit(SPACE.hex(), 5),
        wire.ListAudit(1, 0, 5, SPACE),
        [wire.AuditRow(1, 5, "hana", "mute", "bo")],
    ),
    (lambda c: talkers(c, SPACE.hex()), wire.ListTalkers(1, SPACE), TALKERS),
    (lambda c: c.planned(BO), wire.ListPlanned(1, "bo", 100), [PLANNED]),
    (
        lambda c: c.schedule("Tea", NOON, topics=["tea"], who_may_speak="followed", kind="music"),
        wire.Schedule(1, "Tea", NOON_MS, ["tea"], "music", 1),
        PLANNED,
    ),
    (lambda c: c.reschedule(SPACE, NOON.astimezone(UTC)), wire.Reschedule(1, SPACE, NOON_MS), PLANNED),
    (
        lambda c: c.create("hana", "Tea", topics=["tea"], who_may_speak="invited"),
        wire.Create(1, "hana", "Tea", ["tea"], "", 2),
        SPACE,
    ),
]


def asked(session: Session) -> Request:
    """The last request, as if it were the first."""
    last = session.requests[-1]
    return type(last)(1, *(getattr(last, name) for name in last.__struct_fields__[1:]))


def test_every_verb_in_a_space_is_sent_as_it_is_written() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        for verb, request in IN_A_SPACE:
            await verb(space)
            assert asked(stage.session) == request

    tell(story)


def test_every_verb_of_a_client_is_sent_as_it_is_written() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        for verb, request in ON_A_CLIENT:
            await verb(client)
            assert asked(stage.session) == request

    tell(story)


def test_what_one_asks_for_is_returned() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        for whom, cases in ((space, ASKING_A_SPACE), (stage.clients[0], ASKING_A_CLIENT)):
            for verb, request, answer in cases:
                assert await verb(whom) == answer
                assert asked(stage.session) == request

    tell(story)


def test_answers_that_are_messages_of_their_own() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        client = stage.clients[0]
        assert (await client.profile("hana")).followers == 3
        assert asked(stage.session) == wire.GetProfile(1, "hana")
        assert (await client.set_profile(name="Hana", handle="hana")).handle == "hana"
        assert asked(stage.session) == wire.SetProfile(1, "Hana", "hana")
        peeked = await client.peek(BUBBLE)
        assert (peeked.settings.title, peeked.people) == ("Tea", 7)
        assert (await space.share()).link == LINK
        assert asked(stage.session) == wire.Share(1, 0, 0)
        await space.share(speak=True, lifetime_s=60)
        assert asked(stage.session) == wire.Share(1, 1, 60)

    tell(story)


def test_every_request_of_the_protocol_is_a_verb_of_the_library() -> None:
    covered = {type(request) for _, request, *_ in (*IN_A_SPACE, *ON_A_CLIENT)}
    covered |= {type(request) for _, request, _ in (*ASKING_A_SPACE, *ASKING_A_CLIENT)}
    elsewhere = {Hello, Renew, Join, Leave, wire.Open, wire.Start, wire.Oversee, wire.Timeline, wire.Resume}
    here = {wire.GetProfile, wire.SetProfile, wire.Peek, wire.Share}
    tickets = {kind for kind in wire.REQUEST_TYPES if kind.__module__.endswith(".tickets")}
    assert covered | elsewhere | here == set(wire.REQUEST_TYPES) - tickets


def test_opening_says_what_the_space_is() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        space = await client.open("Tea", topics=("tea", "trains"), who_may_speak="invited", kind="music")
        assert asked(stage.session) == wire.Open(1, "Tea", ["tea", "trains"], 2, "music")
        assert (space.role, space.overseen) == (Role.HOST, False)

    tell(story)


def test_starting_and_overseeing_enter_a_space() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        begun = await client.start(PLANNED)
        assert (begun.id, begun.role, client.space) == (SPACE, Role.HOST, begun)
        other = await client.oversee(bytes(16))
        assert (other.overseen, client.space, begun.over) == (True, other, "left")

    tell(story)


@pytest.mark.parametrize(
    ("where", "secret"),
    [
        (f"spaces://10.0.0.1:4433/{SPACE.hex()}", b""),
        (f" spaces://elsewhere.example/{SPACE.hex()}?speak={'ab' * 16} ", b"\xab" * 16),
        (LiveSpace(SPACE, "Tea", "Hana", 3), b""),
        (BUBBLE, b""),
    ],
)
def test_a_space_is_joined_by_link_or_row(where: Any, secret: bytes) -> None:
    """The server in a link is not gone to: a token is shown only where the program said."""

    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        await client.join(where)
        assert asked(stage.session) == Join(1, SPACE, secret)
        assert len(stage.sessions) == 1

    tell(story)


@pytest.mark.parametrize("link", ["spaces://", "spaces://a/12", f"spaces://a:99999/{SPACE.hex()}"])
def test_a_link_that_is_none_is_refused_here(link: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        for verb in (client.join, client.peek):
            with pytest.raises(RequestRefused) as caught:
                await verb(link)
            assert caught.value.code == "bad_value"
        assert stage.session.kinds() == [Hello]

    tell(story)


def test_words_and_times_that_mean_nothing_are_refused_here() -> None:
    naive = datetime(2030, 3, 17, 12)

    async def story(stage: Stage) -> None:
        space = await room(stage)
        client = stage.clients[0]
        wrong: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("'all'.*everyone", lambda: client.open("Tea", who_may_speak="all")),  # type: ignore[arg-type]
            ("'random'.*fair", lambda: space.change(queue_order="random")),  # type: ignore[arg-type]
            ("'kill'.*block", lambda: space.remove("bo", "kill")),  # type: ignore[arg-type]
            ("'friends'.*followers", lambda: client.follows("friends")),  # type: ignore[arg-type]
            ("time zone", lambda: client.schedule("Tea", naive)),
        ]
        before = len(stage.session.requests)
        for message, verb in wrong:
            with pytest.raises(ValueError, match=message):
                await verb()
        assert len(stage.session.requests) == before

    tell(story)


def test_who_writes_too_often_is_told_when_to_try_again() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(refusing(wire.Post, ErrorCode.too_often, "5 posts at once", 2_500))
        space = await (await stage.connect()).join(SPACE)
        with pytest.raises(RequestRefused) as caught:
            await space.post("Hello")
        assert (caught.value.code, caught.value.retry_after_ms) == ("too_often", 2_500)

    tell(story)


def test_lists_from_the_latest_back_are_read_page_by_page() -> None:
    rows = [wire.PostRow(n, "bo", "Bo", f"Post {n}", n) for n in range(250, 0, -1)]

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.ListPosts):
            left = [row for row in rows if not request.before or row.post < request.before]
            page = left[: request.limit]
            return wire.Posts(request.id, page, page[-1].post if len(page) < len(left) else 0)
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        space = await (await stage.connect()).join(SPACE)
        assert await space.posts(1000) == rows
        assert await space.posts(120) == rows[:120]

    tell(story)
