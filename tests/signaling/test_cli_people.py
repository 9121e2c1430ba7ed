"""The commands that find Spaces and people: live, peek, timeline, follow, block, profile, schedule, share."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from signaling.cli.failures import Misuse
from signaling.cli.printing import duration, plain, time_of
from signaling.cli.schedule import moment, told
from signaling.cli.timeline import changes, notice_sentence
from signaling.client import Bubble, LiveSpace, Person
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.messages import Request
from tests.signaling.cli_world import World, run_command
from tests.signaling.scripted_server import (
    BUBBLE,
    PLANNED,
    SPACE,
    Answer,
    Session,
    Stage,
    refusing,
    usual,
)

ID = SPACE.hex()
NOW = datetime(2030, 3, 17, 12, tzinfo=UTC)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def nothing(session: Session, request: Request) -> Answer:
    """A world in which there is nothing."""
    match request:
        case wire.Timeline():
            return wire.Bubbles(request.id, [])
        case wire.ListPlanned():
            return wire.Plans(request.id, [])
        case wire.ListFollows():
            return wire.People(request.id, [])
    return usual(session, request)


# Finding


def test_live_is_searched_by_title_and_topic(world: World) -> None:
    said = world.spaces("live", "--search", "tea", "--topic", "trains", "--most", "5")
    assert world.sent() == [wire.ListSpaces(1, 5, None, "tea", "trains")]
    assert said.startswith("Nothing live is like that.")
    assert world.spaces("live", "--json") == "[]\n"


def test_live_shows_topics_where_there_are_any(world: World) -> None:
    row = LiveSpace(SPACE, "Tea", "Hana", 7, "hana", ["tea", "trains"], 2, "", wire.PriceRow(1250, "USD", 2))
    world.script = lambda session, request: (
        wire.Spaces(request.id, [row]) if isinstance(request, wire.ListSpaces) else usual(session, request)
    )
    said = world.spaces("live")
    for part in (ID, "Tea", "Hana", "7", "tea, trains", "About", "Ticket", "12.50 USD"):
        assert part in said
    [shown] = json.loads(world.spaces("live", "--json"))
    assert shown == {
        "space": ID, "title": "Tea", "host_name": "Hana", "people": 7, "host": "hana",
        "topics": ["tea", "trains"], "on_stage": 2, "kind": "",
        "price": {"price_minor": 1250, "currency": "USD", "exponent": 2},
    }  # fmt: skip


def test_peek_by_id_and_by_link(world: World) -> None:
    for where in (ID, f"spaces://10.0.0.7:5000/{ID}"):
        said = world.spaces("peek", where)
        assert world.sent() == [wire.Peek(1, SPACE)]
        for part in (ID, "Tea", "live", "Hana, host", "7", "everyone may ask to speak"):
            assert part in said
    assert world.addresses == ["127.0.0.1:4433", "10.0.0.7:5000"]
    shown = json.loads(world.spaces("peek", ID, "--json"))
    assert (shown["settings"]["title"], shown["people"], "id" in shown) == ("Tea", 7, False)


def test_a_link_leads_nowhere_with_a_token_that_was_not_meant_for_it(world: World) -> None:
    link = f"spaces://10.0.0.7:5000/{ID}"
    sentence = world.refused(2, "server_unnamed", "peek", link, "--token", "t")
    assert "--server 10.0.0.7:5000" in sentence
    assert world.addresses == []
    world.spaces("peek", link, "--token", "t", "--server", "10.0.0.8:4433")
    assert world.addresses == ["10.0.0.8:4433"]
    world.refused(2, "bad_value", "peek", "spaces://nowhere")


@pytest.mark.parametrize("state", range(6))
def test_a_look_at_a_space_in_any_state(world: World, state: int) -> None:
    settings = wire.SpaceSettings("Tea", ["tea"], 2, 1, True, "music")
    world.script = lambda session, request: (
        wire.Peeked(request.id, SPACE, settings, state, "hana", "Hana", [], 0, PLANNED.starts_ms, True)
        if isinstance(request, wire.Peek)
        else usual(session, request)
    )
    said = world.spaces("peek", ID)
    assert ["scheduled", "live", "ended", "cancelled", "timed out", "in state 5"][state] in said
    assert ("Starts" in said) is (state == 0)


def test_what_does_not_exist_is_one_sentence(world: World) -> None:
    world.script = refusing(wire.Peek, ErrorCode.no_such_space, "no Space has this id; see spaces live")
    world.refused(1, "no_such_space", "peek", ID)
    world.refused(2, "bad_value", "peek", "zz")


# The timeline


def test_the_timeline_as_it_is(world: World) -> None:
    said = world.spaces("timeline", "--once")
    assert world.sent() == [wire.Timeline(1, False)]
    for part in (ID, "Tea", "Hana", "Whom you follow", "7", "tea"):
        assert part in said
    narrow = world.spaces("timeline", "--once", columns=40)
    assert narrow.splitlines()[0] == ID
    [shown] = json.loads(world.spaces("timeline", "--once", "--json"))["bubbles"]
    assert (shown["title"], shown["known"]) == ("Tea", [{"user": "hana", "name": "Hana"}])
    world.script = nothing
    assert "spaces live" in world.spaces("timeline", "--once")


async def _changes(stage: Stage) -> None:
    price = wire.PriceRow(1500, "JPY", 0)
    other = Bubble(bytes(16), "Trains", "bo", "Bo", [], [Person("bo", "Bo")], 3, 2, 90, "", price)
    stage.session.tell(wire.BubbleChanged(0, other))
    await asyncio.sleep(1)
    stage.session.tell(wire.Notice(0, 1, SPACE, "Tea", "Hana"))
    await asyncio.sleep(1)
    stage.session.tell(wire.BubbleGone(0, SPACE))


def test_the_timeline_is_told_as_it_changes(world: World) -> None:
    world.during = _changes
    assert world.spaces("timeline").splitlines() == [
        f"{ID}  Tea: Hana, 7 people",
        f"{'00' * 16}  Trains: Bo and 2 more, 90 people, a ticket costs 1500 JPY",
        f"Hana is live with 'Tea':  spaces join {ID}",
        f"{ID}  Tea: no longer",
    ]
    lines = [json.loads(line) for line in world.spaces("timeline", "--json").splitlines()]
    assert [[row["title"] for row in line.get("bubbles", [])] for line in lines] == [
        ["Tea"], ["Trains", "Tea"], [], ["Trains"],
    ]  # fmt: skip
    assert lines[2]["notice"]["what"] == 1


def test_the_timeline_goes_on_after_a_lost_connection(world: World) -> None:
    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.Hello):
            return wire.Welcome(request.id, "ada", "Ada", 900_000, "", {}, {"resume": 1})
        return nothing(session, request)

    async def lose(stage: Stage) -> None:
        stage.session.handle.close(8)
        await asyncio.sleep(5)

    world.script, world.during = script, lose
    assert world.spaces("timeline").splitlines() == [
        "Nobody you follow is on stage. What is live:  spaces live",
        "The connection is lost; trying to come back.",
        "The connection is there again.",
    ]


def test_changes_of_the_timeline_are_told_once() -> None:
    assert changes((BUBBLE,), (BUBBLE,)) == []
    grown = wire.Bubble(SPACE, "Tea", "hana", "Hana", ["tea"], BUBBLE.known, 1, 1, 900)
    assert changes((BUBBLE,), (grown,)) == []
    renamed = wire.Bubble(SPACE, "Coffee", "hana", "Hana", ["tea"], BUBBLE.known, 1, 1, 900)
    assert changes((BUBBLE,), (renamed,)) == [f"{ID}  Coffee: Hana, 900 people"]
    alone = wire.Bubble(SPACE, "Tea", "hana", "Hana", ["tea"], BUBBLE.known, 1, 1, 1)
    assert changes((), (alone,)) == [f"{ID}  Tea: Hana, 1 person"]


def test_every_notice_is_a_sentence() -> None:
    said = [notice_sentence(wire.Notice(0, what, SPACE, "Tea", "Hana", 0)) for what in range(5)]
    assert "spaces schedule start" in said[0]
    assert "spaces join" in said[1]
    assert "cancelled" in said[2]
    assert "moved" in said[3]
    assert "news" in said[4]


# People


def test_following_and_blocking(world: World) -> None:
    assert world.spaces("follow", "@hana", "bo") == "You follow @hana.\nYou follow bo.\n"
    assert world.sent() == [wire.Follow(1, "@hana"), wire.Follow(1, "bo")]
    assert world.spaces("unfollow", "bo") == "You follow bo no more.\n"
    assert world.sent() == [wire.Unfollow(1, "bo")]
    assert world.spaces("block", "bo") == "bo is blocked.\n"
    assert world.sent() == [wire.Block(1, "bo")]
    assert world.spaces("unblock", "bo") == "bo is blocked no more.\n"
    assert world.sent() == [wire.Unblock(1, "bo")]
    world.script = refusing(wire.Follow, ErrorCode.no_such_person, "nobody is called @x")
    world.refused(1, "no_such_person", "follow", "@x")


def test_lists_of_people(world: World) -> None:
    for arguments, which in ((["follow"], 0), (["follow", "--followers"], 1), (["block"], 2)):
        said = world.spaces(*arguments, "--most", "3")
        assert world.sent() == [wire.ListFollows(1, which, "", 3)]
        assert "hana" in said
    shown = json.loads(world.spaces("block", "--json"))
    assert shown == [{"user": "ada", "name": "Ada"}, {"user": "hana", "name": "Hana"}]
    world.script = nothing
    assert world.spaces("follow") == "You follow nobody.\n"
    assert world.spaces("follow", "--followers") == "Nobody follows you.\n"
    assert world.spaces("block") == "You block nobody.\n"


def test_profiles(world: World) -> None:
    said = world.spaces("profile", "@hana")
    assert world.sent() == [wire.GetProfile(1, "@hana")]
    for part in ("hana", "@hana", "3", "you follow them"):
        assert part in said
    assert json.loads(world.spaces("profile", "--json"))["followers"] == 3
    world.spaces("profile", "--set-name", "Ada L", "--set-handle", "@ada")
    assert world.sent() == [wire.SetProfile(1, "Ada L", "ada")]
    world.refused(2, "not_oneself", "profile", "bo", "--set-name", "Bob")
    world.script = refusing(wire.SetProfile, ErrorCode.handle_taken, "@hana looks like @hana; choose another")
    world.refused(1, "handle_taken", "profile", "--set-handle", "hana")


# Planning


def test_announcing_a_space(world: World) -> None:
    said = world.spaces(
        "schedule", "create", "Tea", "--at", "2030-03-17T18:30Z", "--topic", "tea", "--topic", "trains",
        "--who-may-speak", "followed", "--kind", "music",
    )  # fmt: skip
    starts_ms = int(datetime(2030, 3, 17, 18, 30, tzinfo=UTC).timestamp()) * 1000
    assert world.sent() == [wire.Schedule(1, "Tea", starts_ms, ["tea", "trains"], "music", 1)]
    assert said.startswith("Announced: 'Tea' starts ")
    assert f"spaces schedule start {ID}" in said
    assert json.loads(world.spaces("schedule", "create", "Tea", "--in", "2h", "--json"))["space"] == ID


def test_moving_cancelling_reminding(world: World) -> None:
    assert world.spaces("schedule", "move", ID, "--in", "1d").startswith("Moved: 'Tea'")
    [moved] = world.sent()
    assert isinstance(moved, wire.Reschedule)
    assert abs(moved.starts_ms / 1000 - datetime.now(UTC).timestamp() - 86_400) < 60
    assert world.spaces("schedule", "cancel", ID) == "It is cancelled.\n"
    assert world.sent() == [wire.Cancel(1, SPACE)]
    assert "spaces timeline" in world.spaces("schedule", "remind", ID)
    assert world.sent() == [wire.Remind(1, SPACE, True)]
    assert world.spaces("schedule", "remind", ID, "--off") == "You will not be told.\n"
    assert world.sent() == [wire.Remind(1, SPACE, False)]


def test_what_is_planned(world: World) -> None:
    said = world.spaces("schedule", "list", "--host", "hana")
    assert world.sent() == [wire.ListPlanned(1, "hana", 100)]
    for part in (ID, "Tea", "Hana", time_of(PLANNED.starts_ms)):
        assert part in said
    assert json.loads(world.spaces("schedule", "list", "--json"))[0]["starts_ms"] == PLANNED.starts_ms
    world.script = nothing
    assert "spaces schedule create" in world.spaces("schedule", "list")


def test_refusals_of_plans_are_one_sentence(world: World) -> None:
    for arguments in ([], ["--at", "2030-01-01", "--in", "2h"], ["--at", "noon"], ["--in", "soon"]):
        world.refused(2, "bad_time", "schedule", "create", "Tea", *arguments)
    assert world.sessions == []
    world.script = refusing(
        wire.Schedule, ErrorCode.too_many_planned, "10 are planned, 10 may be; cancel one"
    )
    world.refused(1, "too_many_planned", "schedule", "create", "Tea", "--in", "2h")


@pytest.mark.parametrize(
    ("text", "ahead"),
    [
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("1d12h", timedelta(hours=36)),
        ("3d 5min", timedelta(days=3, minutes=5)),
        ("45s", timedelta(seconds=45)),
    ],
)
def test_in_how_long(text: str, ahead: timedelta) -> None:
    assert moment("", text, NOW) == NOW + ahead


@pytest.mark.parametrize("text", ["", " ", "h", "2", "-2h", "2h3", "2 weeks", "٣h", "1e3h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Misuse, match="--in"):
        moment("", text, NOW)


def test_a_time_without_a_zone_is_that_of_this_machine() -> None:
    assert moment("2030-03-17 18:30", "", NOW) == datetime(2030, 3, 17, 18, 30).astimezone()
    assert moment("2030-03-17T18:30+02:00", "", NOW) == datetime(2030, 3, 17, 16, 30, tzinfo=UTC)
    assert "in 2 h 5 min" in told(
        wire.PlannedSpace(SPACE, "Tea", "h", "H", round((NOW.timestamp() + 7_500) * 1000)), "Announced", NOW
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (3_600, "1 h"), (90_061, "1 d 1 h"), (3_601, "1 h 1 s")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rows_become_what_json_can_hold() -> None:
    assert plain({"a": (SPACE, 1), "b": Person("bo", "Bo"), "c": None}) == {
        "a": [ID, 1],
        "b": {"user": "bo", "name": "Bo"},
        "c": None,
    }
    assert "id" not in plain(wire.Posted(5, 7))


# Links


def test_a_link_to_listen(world: World) -> None:
    assert (
        world.spaces("share", ID, "--server", "spaces.example:4433") == f"spaces://spaces.example:4433/{ID}\n"
    )
    assert world.sent() == [wire.Peek(1, SPACE)]
    assert world.spaces("share", ID, "--server", "[::1]:4433") == f"spaces://[::1]:4433/{ID}\n"
    assert json.loads(world.spaces("share", ID, "--json")) == {"link": f"spaces://127.0.0.1:4433/{ID}"}
    world.refused(2, "bad_value", "share", ID, "--lifetime", "60")
    world.refused(2, "bad_value", "share", ID, "--speak", "--revoke", "x")


def test_a_link_to_speak_is_made_and_revoked(world: World) -> None:
    link = f"spaces://10.0.0.1:4433/{ID}?speak={'ab' * 16}"
    world.script = lambda session, request: (
        wire.Shared(request.id, link, 86_400_000)
        if isinstance(request, wire.Share)
        else usual(session, request)
    )
    result = run_command("share", ID, "--speak", "--lifetime", "60")
    assert result.stdout == f"{link}\n"
    assert "for 1 d" in result.stderr
    assert world.sent() == [wire.Oversee(1, SPACE), wire.Share(1, 1, 60)]
    assert json.loads(world.spaces("share", ID, "--speak", "--json"))["expires_in_ms"] == 86_400_000
    world.spaces("share", ID, "--revoke", link)
    assert world.sent() == [wire.Oversee(1, SPACE), wire.Unshare(1, link)]
