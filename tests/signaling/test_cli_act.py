"""The commands that act on a Space from a script: act, audit, create; and who hosts and joins with what."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from signaling.cli.act import DEEDS
from signaling.cli.act_commands import VERBS
from signaling.cli.connecting import ConnectionOptions
from signaling.cli.host import HostOptions, _host
from signaling.cli.join import JoinOptions, _join
from signaling.cli.partners import Partners
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.messages import Audience, Error, Invited, Join, Person, Request, StageSeat, You
from signaling.protocol.messages import Stage as StageEvent
from tests.signaling.cli_world import World
from tests.signaling.scripted_server import (
    HOST,
    PINNED,
    SPACE,
    Answer,
    Script,
    Session,
    Stage,
    joined,
    refusing,
    tell,
    usual,
)

ID = SPACE.hex()

DONE: dict[str, tuple[list[str], Request | None]] = {
    "people": (["--most", "7"], wire.ListPeople(1, "", 7)),
    "stage": ([], None),
    "queue": ([], None),
    "admit": (["bo"], wire.Admit(1, "bo")),
    "decline": (["bo"], wire.Decline(1, "bo")),
    "invite": (["bo"], wire.Invite(1, "bo")),
    "uninvite": (["bo"], wire.Uninvite(1, "bo")),
    "promote": (["bo"], wire.Promote(1, "bo")),
    "demote": (["bo"], wire.Demote(1, "bo")),
    "hand-over": (["bo"], wire.HandOver(1, "bo")),
    "mute": (["bo", "--hold"], wire.Mute(1, "bo", True)),
    "unmute": (["bo"], wire.Unmute(1, "bo")),
    "mute-all": (["--hold"], wire.MuteAll(1, True)),
    "volume": (["bo", "40"], wire.Volume(1, "bo", 40)),
    "move": (["bo"], wire.Move(1, "bo")),
    "remove": (["bo", "--for-cause"], wire.Remove(1, "bo", 0, False)),
    "ban": (["bo"], wire.Remove(1, "bo", 1)),
    "block": (["bo", "--for-cause"], wire.Remove(1, "bo", 2, False)),
    "unban": (["bo"], wire.Unban(1, "bo")),
    "bans": ([], wire.ListBans(1, "", 100)),
    "lock": ([], wire.Change(1, locked=True)),
    "unlock": ([], wire.Change(1, locked=False)),
    "title": (["Tea & more"], wire.Change(1, "Tea & more")),
    "topics": (["tea", "trains"], wire.Change(1, topics=["tea", "trains"])),
    "who-may-speak": (["invited"], wire.Change(1, who_may_speak=2)),
    "queue-order": (["fair"], wire.Change(1, queue_order=1)),
    "post": (["Hello all", "--reply-to", "3"], wire.Post(1, "Hello all", 3)),
    "delete-post": (["7"], wire.DeletePost(1, 7)),
    "posts": (["--most", "5"], wire.ListPosts(1, 0, 5)),
    "note": (["Too loud"], wire.Note(1, "Too loud")),
    "notes": ([], wire.ListNotes(1, 0, 100)),
    "react": (["heart"], wire.React(1, "heart")),
    "pin": (["Read this"], wire.Pin(1, "Read this")),
    "unpin": (["2"], wire.Unpin(1, 2)),
    "pins": ([], None),
    "report": (["bo", "spam", "again and again"], wire.Report(1, "bo", "spam", "again and again")),
    "end": ([], wire.End(1)),
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def no_service(role: int = 0, **fields: Any) -> Script:
    """To this server one is a person, in this role."""

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.Oversee):
            return Error(request.id, ErrorCode.not_permitted, "only services oversee")
        if isinstance(request, Join):
            return joined(request.id, role=role, seat=1 if role else None, **fields)
        return usual(session, request)

    return script


def test_there_is_a_deed_for_every_verb() -> None:
    assert set(VERBS) == set(DEEDS) == set(DONE)


@pytest.mark.parametrize("verb", VERBS)
def test_a_service_does_it_without_being_there(world: World, verb: str) -> None:
    words, request = DONE[verb]
    said = world.spaces("act", verb, ID, *words)
    assert world.sent() == [wire.Oversee(1, SPACE), *([request] if request else [])]
    assert said.strip()
    shown = json.loads(world.spaces("act", verb, ID, *words, "--json"))
    assert shown["done"] == verb


def test_what_one_asks_for_is_shown(world: World) -> None:
    assert "Hana" in world.spaces("act", "people", ID)
    assert "Hana" in world.spaces("act", "stage", ID)
    assert world.spaces("act", "queue", ID) == "There is nothing of the kind.\n"
    assert world.spaces("act", "post", ID, "Hello") == "Done: post, number 7.\n"
    assert world.sent()[-1] == wire.Post(1, "Hello")
    assert world.spaces("act", "lock", ID) == "Done: lock.\n"
    for verb, text in (("posts", "Hello"), ("notes", "Too loud"), ("bans", "Ada")):
        assert text in world.spaces("act", verb, ID)
    world.script = no_service(pins=[PINNED], queue=[Person("bo", "Bo")])
    assert "Read this" in world.spaces("act", "pins", ID)
    assert "Bo" in world.spaces("act", "queue", ID)
    shown = json.loads(world.spaces("act", "posts", ID, "--json"))
    assert shown["result"][0]["text"] == "Hello"


def test_topics_can_be_taken_away(world: World) -> None:
    world.spaces("act", "topics", ID)
    assert world.sent()[-1] == wire.Change(1, topics=[])


def test_a_listener_leaves_again(world: World) -> None:
    world.script = no_service()
    world.spaces("act", "post", ID, "Hello")
    assert world.sent() == [wire.Oversee(1, SPACE), Join(1, SPACE), wire.Post(1, "Hello"), wire.Leave(1)]


@pytest.mark.parametrize("role", [1, 2, 3])
def test_a_host_does_not_leave_and_so_does_not_end_the_space(world: World, role: int) -> None:
    world.script = no_service(role)
    world.spaces("act", "mute", ID, "bo")
    assert world.sent() == [wire.Oversee(1, SPACE), Join(1, SPACE), wire.Mute(1, "bo")]
    assert world.sessions[-1].closed is not None


def test_a_refusal_is_one_sentence_and_the_connection_is_closed(world: World) -> None:
    world.script = refusing(wire.Mute, ErrorCode.no_such_person, "bo is not on stage; see the stage")
    world.refused(1, "no_such_person", "act", "mute", ID, "bo")
    assert world.sessions[-1].closed is not None
    world.script = refusing(wire.Oversee, ErrorCode.no_such_space, "no Space has this id")
    world.refused(1, "no_such_space", "act", "lock", ID)
    world.refused(2, "bad_value", "act", "lock", "12")


def test_the_audit_log(world: World) -> None:
    said = world.spaces("audit", ID, "--most", "5")
    assert world.sent() == [wire.ListAudit(1, 0, 5, SPACE)], "live or over, nobody goes in for it"
    for part in ("hana", "mute", "bo"):
        assert part in said
    assert json.loads(world.spaces("audit", ID, "--json"))[0]["action"] == "mute"
    world.script = lambda session, request: (
        wire.Audit(request.id, []) if isinstance(request, wire.ListAudit) else usual(session, request)
    )
    assert world.spaces("audit", ID) == "Nothing was done here that is kept.\n"


def test_who_was_heard_for_how_long(world: World) -> None:
    assert world.spaces("talkers", ID) == "  1:01  Bo, 7 turns, and goes on\n"
    assert world.sent() == [wire.ListTalkers(1, SPACE)]
    said = json.loads(world.spaces("talkers", ID, "--json"))
    assert (said["people"], said["talkers"][0]["talk_ms"]) == (1, 61_240)
    rows = [wire.TalkerRow("ann", "Ann", 3_725_000, 1)]
    for found, text in (
        (([], 0), "Nobody was heard.\n"),
        ((rows, 3), "1:02:05  Ann, 1 turn\n2 more were heard.\n"),
    ):
        world.script = lambda session, request, found=found: (
            wire.Talkers(request.id, *found)
            if isinstance(request, wire.ListTalkers)
            else usual(session, request)
        )
        assert world.spaces("talkers", ID) == text


def test_a_co_host_reads_the_audit_log_inside(world: World) -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.ListAudit) and request.space is not None:
            return refusing(wire.ListAudit, ErrorCode.no_such_space, "no Space has this id")(session, request)
        return no_service(3)(session, request)

    world.script = script
    assert "mute" in world.spaces("audit", ID)
    assert world.sent() == [wire.Oversee(1, SPACE), Join(1, SPACE), wire.ListAudit(1, 0, 100)]


def test_a_space_for_somebody(world: World) -> None:
    assert world.spaces("create", "hana", "Tea", "--topic", "tea", "--kind", "music") == f"{ID}\n"
    assert world.sent() == [wire.Create(1, "hana", "Tea", ["tea"], "music", 0)]
    assert json.loads(world.spaces("create", "hana", "Tea", "--json")) == {"space": ID}


# Co-hosts


def test_partners_are_invited_when_they_come_and_promoted_once_on_stage() -> None:
    bo = StageSeat(1, "bo", "Bo", 1, False)
    there = []

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.Invite) and not there:
            return Error(request.id, ErrorCode.no_such_person, "bo is not here")
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        space = await (await stage.connect()).open("Tea")
        partners = Partners(space, ["bo", "bo", "cy"])
        before = len(stage.session.requests)
        assert await partners.on_event(Audience(11, 1)) == []
        there.append(1)
        assert await partners.on_event(Audience(12, 2)) == []
        assert await partners.on_event(Audience(13, 3)) == []
        assert await partners.on_event(StageEvent(14, [HOST, bo])) == []
        assert await partners.on_event(StageEvent(15, [HOST, bo])) == []
        kinds = [type(request).__name__ for request in stage.session.requests[before:]]
        assert kinds == ["Invite"] * 4 + ["Promote"]
        assert (partners.has("bo"), partners.has("cy")) == (False, True)

    tell(story)


def test_a_partner_who_cannot_be_promoted_is_said() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(refusing(wire.Promote, ErrorCode.too_many_cohosts, "2 of 2"))
        space = await (await stage.connect()).open("Tea")
        partners = Partners(space, ["bo"])
        said = await partners.on_event(StageEvent(11, [StageSeat(1, "bo", "Bo", 1, False)]))
        assert said == ["bo: 2 of 2 [too_many_cohosts]"]
        await space.leave()
        assert await Partners(space, ["bo"]).on_event(Audience(12, 1)) == []

    tell(story)


# host and join


def ending(script: Script) -> Script:
    """The same server; it tells that a Space is over when its host ends it."""

    def with_end(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.End):
            session.tell(wire.Ok(request.id), wire.Ended(11, "host_ended"))
            return None
        return script(session, request)

    return with_end


async def _at_once(frames: Iterator[Any]) -> AsyncIterator[Any]:
    """In virtual time there are no threads."""
    for frame in frames:
        yield frame


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("host", "join"):
        monkeypatch.setattr(f"signaling.cli.{module}.ahead", _at_once)


async def _to_its_end(work: Any) -> None:
    async with asyncio.timeout(60):
        await work


def test_hosting_with_everything_that_can_be_said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    link = f"spaces://10.0.0.1:4433/{ID}?speak={'ab' * 16}"

    def script(session: Session, request: Request) -> Answer:
        return (
            wire.Shared(request.id, link, 5) if isinstance(request, wire.Share) else usual(session, request)
        )

    async def story(stage: Stage) -> None:
        await stage.serve(ending(script))
        monkeypatch.setattr("signaling.cli.host.dial", lambda options: stage.connect())
        options = HostOptions(
            title="Tea", topics=("tea",), who_may_speak="invited", fair=True, kind="music", speak_links=2
        )
        hosting = asyncio.ensure_future(_host(ConnectionOptions(), options, iter([])))
        await _to_its_end(hosting)
        sent = stage.session.requests[1:]
        assert sent[0] == wire.Open(2, "Tea", ["tea"], 2, "music")
        assert sent[1] == wire.Change(3, queue_order=1)
        assert [type(each) for each in sent[2:]] == [wire.Share, wire.Share, wire.End]

    tell(story)
    assert capsys.readouterr().out.count(f"Speak: {link}") == 2


def test_hosting_what_was_scheduled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(ending(usual))
        monkeypatch.setattr("signaling.cli.host.dial", lambda options: stage.connect())
        await _host(ConnectionOptions(), HostOptions(start=ID), iter([]))
        assert stage.session.requests[1] == wire.Start(2, SPACE)

    tell(story)


@pytest.mark.parametrize("when", ["at once", "later"])
def test_who_wants_to_speak_takes_up_an_invitation(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, Join):
            return joined(request.id, invited=when == "at once")
        if isinstance(request, wire.Ask):
            session.tell(wire.Ok(request.id), Invited(10, "hana", "Hana", 60_000))
            return None
        if isinstance(request, wire.Accept):
            session.tell(wire.Ok(request.id), You(10, 1, 1, True))
            return None
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        monkeypatch.setattr("signaling.cli.join.dial", lambda options: stage.connect())
        with contextlib.ExitStack() as stack:
            joining = asyncio.ensure_future(
                _join(ConnectionOptions(), JoinOptions(space=ID, ask=True), [], iter([]), stack)
            )
            await asyncio.sleep(2)
            stage.session.tell(wire.Ended(11, "host_ended"))
            await _to_its_end(joining)
        kinds = [type(request).__name__ for request in stage.session.requests[2:]]
        assert kinds == [*(["Ask"] if when == "later" else []), "Accept", "Unmute", "Move"]

    tell(story)


def test_a_link_to_speak_is_joined_with_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    link = f"spaces://10.0.0.1:4433/{ID}?speak={'ab' * 16}"

    async def story(stage: Stage) -> None:
        dialled = []
        await stage.serve()

        def dial(options: ConnectionOptions) -> Any:
            dialled.append(options.address)
            return stage.connect()

        monkeypatch.setattr("signaling.cli.join.dial", dial)
        with contextlib.ExitStack() as stack:
            joining = asyncio.ensure_future(
                _join(ConnectionOptions(), JoinOptions(space=link), [], None, stack)
            )
            await asyncio.sleep(1)
            assert stage.session.requests[1] == Join(2, SPACE, b"\xab" * 16)
            stage.session.tell(wire.Ended(11, "host_ended"))
            await _to_its_end(joining)
        assert dialled == ["10.0.0.1:4433"]

    tell(story)
