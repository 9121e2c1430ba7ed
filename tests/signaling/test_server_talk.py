"""Posts, notes, reactions, pins, reports and the lists of them, as a Space carries them out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from signaling.config import LimitsConfig, TalkConfig
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Reported
from signaling.server.herald import ITEMS_KEPT
from signaling.server.lists import READS_AT_ONCE, READS_WAITING
from tests.signaling.server_world import WALL_US, World
from tests.virtual.loop import run

EASY = TalkConfig(posts_burst=1000, posts_every_ms=1, notes_burst=1000, notes_every_ms=1)


def tell(story: Callable[[World], Awaitable[None]], talk: TalkConfig = EASY, **limits: int) -> None:
    """Run a story in a world of its own, where people may talk as much as they like."""

    async def whole() -> None:
        world = World(limits=LimitsConfig(requests_per_s=10_000, requests_burst=10_000, **limits), talk=talk)
        await story(world)
        assert world.counts.errors_caught == 0
        await world.end()

    run(whole())


# Posts


def test_a_post_goes_to_everybody_at_once_and_is_dated_by_the_wall() -> None:
    async def story(world: World) -> None:
        host, space = await world.host("host/Hana")
        ann = await world.listener("ann/Ann", space)
        backend = await world.known("service-1")
        await backend.ask(wire.Oversee, space)
        await world.pass_time(0.2)
        for caller in (host, ann, backend):
            caller.peer.take()
        ann.send(wire.Post, "hello\nall")
        await world.settle()
        [posted] = ann.peer.take(wire.Posted)
        at_ms = (WALL_US + world.now_us) // 1000
        row = wire.PostRow(posted.post, "ann", "Ann", "hello\nall", at_ms, 0)
        serial = world.halls[space].herald.serial
        for caller in (host, ann, backend):
            assert caller.peer.take(wire.PostAdded) == [wire.PostAdded(serial, row)]

    tell(story)


def test_posts_of_one_moment_go_out_in_one_piece_each_with_its_serial() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await world.pass_time(0.2)
        ann.peer.take()
        writes = []
        send = host.peer.send_control
        host.peer.send_control = lambda data: writes.append(data) or send(data)  # type: ignore[func-returns-value, method-assign]
        for text in ("one", "two", "three"):
            await ann.ask(wire.Post, text)
        await ann.ask(wire.DeletePost, 2)
        await world.pass_time(0.2)
        events = [event for event in host.peer.take() if isinstance(event, wire.PostAdded | wire.PostDeleted)]
        assert [getattr(event.post, "text", event.post) for event in events] == ["one", "two", "three", 2]
        assert [event.serial for event in events] == [*range(events[0].serial, events[0].serial + 4)]
        assert len(writes) == 2, "the first at once, the others together"

    tell(story)


def test_a_reply_needs_a_post_that_is_there() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.listener("ann", space)
        assert (await ann.ask(wire.Post, "yes", 1)).code == ErrorCode.no_such_post
        assert (await ann.ask(wire.Post, "first")).post == 1
        assert (await ann.ask(wire.Post, "yes", 1)).post == 2
        assert isinstance(await ann.ask(wire.DeletePost, 1), wire.Ok)
        assert (await ann.ask(wire.Post, "yes?", 1)).code == ErrorCode.no_such_post
        assert (await ann.ask(wire.DeletePost, 1)).code == ErrorCode.no_such_post

    tell(story)


def test_a_post_is_deleted_by_its_author_or_a_host() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann, bo = await world.listener("ann", space), await world.listener("bo", space)
        for text in ("one", "two", "three"):
            await ann.ask(wire.Post, text)
        assert (await bo.ask(wire.DeletePost, 1)).code == ErrorCode.not_permitted
        assert isinstance(await ann.ask(wire.DeletePost, 1), wire.Ok)
        assert isinstance(await host.ask(wire.DeletePost, 2), wire.Ok)
        await ann.ask(wire.Leave)
        assert isinstance(await host.ask(wire.DeletePost, 3), wire.Ok), "also of somebody who left"
        assert (await bo.ask(wire.ListPosts)).posts == []

    tell(story)


def test_one_person_may_not_post_too_often_and_is_told_when_they_may() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann, bo = await world.listener("ann", space), await world.listener("bo", space)
        for number in range(5):
            assert isinstance(await ann.ask(wire.Post, str(number)), wire.Posted)
        refused = await ann.ask(wire.Post, "once more")
        assert refused.code == ErrorCode.too_often
        assert 0 < refused.retry_after_ms <= 3000
        assert isinstance(await bo.ask(wire.Post, "I have not"), wire.Posted)
        await world.pass_time(refused.retry_after_ms / 1000)
        assert isinstance(await ann.ask(wire.Post, "now"), wire.Posted)
        await ann.ask(wire.Leave)
        await ann.ask(wire.Join, space)
        assert (await ann.ask(wire.Post, "again")).code == ErrorCode.too_often, "going out and in is no help"

    tell(story, TalkConfig())


@pytest.mark.parametrize(("kind", "per_s"), [(wire.Post, 10), (wire.Note, 5)])
def test_all_people_of_a_space_together_are_held_to_a_rate(kind: type, per_s: int) -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann, bo = await world.listener("ann", space), await world.listener("bo", space)
        for number in range(2 * per_s):
            assert not isinstance(await (ann, bo)[number % 2].ask(kind, "text"), wire.Error)
        refused = await ann.ask(kind, "text")
        assert (refused.code, refused.retry_after_ms) == (ErrorCode.too_often, 1000 // per_s)
        _, other = await world.host("other")
        cy = await world.listener("cy", other)
        assert not isinstance(await cy.ask(kind, "elsewhere"), wire.Error)

    tell(story)


def test_what_waits_to_be_told_is_bounded() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        herald = world.halls[space].herald
        for number in range(ITEMS_KEPT):
            herald.say(lambda serial, number=number: wire.PostDeleted(serial, number))
        assert host.peer.take(wire.PostDeleted) == []
        assert herald.due_us(1) is not None
        herald.take(world.now_us, 1, world.directory.get(space).state)  # type: ignore[union-attr]
        for number in range(ITEMS_KEPT):
            herald.say(lambda serial, number=number: wire.PostDeleted(serial, number))
        assert herald.due_us(1) > world.now_us, "the next push is due in a while"  # type: ignore[operator]
        herald.say(lambda serial: wire.PostDeleted(serial, 99))
        assert herald.due_us(1) < world.now_us, "now it is due at once"  # type: ignore[operator]

    tell(story)


# Notes, reactions, pins, reports


def test_notes_reach_the_hosts_alone() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        co = await world.speaker("co", space, host)
        await host.ask(wire.Promote, "co")
        ann, bo = await world.listener("ann/Ann", space), await world.listener("bo", space)
        assert isinstance(await ann.ask(wire.Note, "psst"), wire.Ok)
        for caller in (host, co):
            [noted] = caller.peer.take(wire.Noted)
            assert (noted.note.note, noted.note.name, noted.note.text) == (1, "Ann", "psst")
        assert (ann.peer.take(wire.Noted), bo.peer.take(wire.Noted)) == ([], [])
        assert [row.text for row in (await co.ask(wire.ListNotes)).notes] == ["psst"]
        for caller in (ann, bo):
            assert (await caller.ask(wire.ListNotes)).code == ErrorCode.not_permitted

    tell(story)


def test_reactions_become_one_event_a_second_with_their_counts() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        people = [await world.listener(f"u{number}", space) for number in range(6)]
        await world.pass_time(0.2)
        for person in people:
            await person.ask(wire.React, "clap")
        await people[0].ask(wire.React, "heart")
        await world.pass_time(0.9)
        assert host.peer.take(wire.Reactions) == []
        await world.pass_time(0.2)
        [told] = host.peer.take(wire.Reactions)
        assert told.counts == {"clap": 6, "heart": 1}
        await people[1].ask(wire.React, "fire")
        await world.pass_time(1.1)
        assert [event.counts for event in host.peer.take(wire.Reactions)] == [{"fire": 1}]
        assert (await people[0].ask(wire.React, "shrug")).code == ErrorCode.bad_value

    tell(story)


def test_pins_are_told_in_full_and_stand_in_the_snapshot() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann = await world.listener("ann", space)
        await host.ask(wire.Pin, "rules: be kind")
        await host.ask(wire.Pin, "agenda")
        await world.pass_time(0.2)
        assert [pin.text for pin in ann.peer.take(wire.Pins)[-1].pins] == ["rules: be kind", "agenda"]
        await host.ask(wire.Unpin, 1)
        assert (await host.ask(wire.Unpin, 1)).code == ErrorCode.no_such_pin
        bo = await world.known("bo")
        joined = await bo.ask(wire.Join, space)
        assert [(pin.pin, pin.text, pin.user) for pin in joined.pins] == [(2, "agenda", "host")]
        assert (await ann.ask(wire.Pin, "mine")).code == ErrorCode.not_permitted

    tell(story)


def test_a_report_is_kept_with_who_was_there() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        ann, _ = await world.listener("ann", space), await world.listener("bo", space)
        assert isinstance(await ann.ask(wire.Report, "host", "abuse", "shouts"), wire.Ok)
        [reported] = [it.report for it in world.records.written if isinstance(it, Reported)]
        assert (reported.reporter, reported.target, reported.people_count) == ("ann", "host", 3)
        assert {person.user for person in reported.roster} == {"ann", "bo", "host"}
        assert reported.at_us == WALL_US + world.now_us
        assert world.counts.people_reported == 1
        assert host.peer.take(wire.Noted) == []

    tell(story)


# Lists


def test_posts_are_listed_latest_first_page_by_page() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.listener("ann", space)
        for number in range(5):
            await ann.ask(wire.Post, f"post {number + 1}")
        first = await ann.ask(wire.ListPosts, 0, 3)
        assert ([row.post for row in first.posts], first.more) == ([5, 4, 3], 3)
        second = await ann.ask(wire.ListPosts, first.more, 3)
        assert ([row.post for row in second.posts], second.more) == ([2, 1], 0)

    tell(story)


def test_a_page_that_would_not_fit_goes_on_behind_its_last_row() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.listener("ann", space)
        for _ in range(18):
            await ann.ask(wire.Post, "\U0001f600" * 500)
        page = await ann.ask(wire.ListPosts, 0, 18)
        assert 0 < len(page.posts) < 18
        assert page.more == page.posts[-1].post
        rest = []
        while page.more:
            page = await ann.ask(wire.ListPosts, page.more, 18)
            rest += page.posts
        assert rest[-1].post == 1

    tell(story)


def test_bans_and_the_audit_are_for_hosts() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        await world.listener("bo/Bo", space)
        ann = await world.listener("ann", space)
        await host.ask(wire.Remove, "bo")
        assert (await host.ask(wire.ListBans)).people == [wire.Person("bo", "Bo")]
        [entry] = (await host.ask(wire.ListAudit)).entries
        assert (entry.actor, entry.action, entry.target) == ("host", "ban", "bo")
        for kind in (wire.ListBans, wire.ListAudit):
            assert (await ann.ask(kind)).code == ErrorCode.not_permitted

    tell(story)


def test_lists_are_read_a_few_at_a_time_and_acts_do_not_wait_for_them() -> None:
    async def story(world: World) -> None:
        host, space = await world.host()
        people = [await world.listener(f"u{number}", space) for number in range(READS_AT_ONCE + 2)]
        world.records.archive.clear()
        for person in people:
            person.send(wire.ListPosts)
        await world.settle()
        assert world.records.reading == READS_AT_ONCE
        assert isinstance(await host.ask(wire.Change, "Meanwhile"), wire.Ok)
        world.records.archive.set()
        await world.settle()
        assert sum(len(person.peer.take(wire.Posts)) for person in people) == len(people)
        assert world.records.most_reading == READS_AT_ONCE

    tell(story)


def test_too_many_lists_at_once_are_busy() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.listener("ann", space)
        world.records.archive.clear()
        lists = world.around.lists
        for _ in range(READS_WAITING):
            world.around.spawn(read(lists, space))
        await world.settle()
        refused = await ann.ask(wire.ListPosts)
        assert (refused.code, refused.retry_after_ms > 0) == (ErrorCode.busy, True)
        assert world.counts.lists_refused == 1
        world.records.archive.set()
        for _ in range(20):
            await world.settle()
        assert isinstance(await ann.ask(wire.ListPosts), wire.Posts)

    async def read(lists: object, space: bytes) -> None:
        await lists.read(space, wire.ListPosts(1))  # type: ignore[attr-defined]

    tell(story)


def test_a_list_that_the_store_cannot_read_is_answered() -> None:
    async def story(world: World) -> None:
        _, space = await world.host()
        ann = await world.listener("ann", space)
        world.records.fails = OSError("disk")
        ann.send(wire.ListPosts)
        await world.settle()
        assert [error.code for error in ann.peer.take(wire.Error)] == [ErrorCode.internal]
        world.records.fails = None
        world.tasks = {task for task in world.tasks if not (task.done() and task.exception())}
        assert isinstance(await ann.ask(wire.ListPosts), wire.Posts)

    tell(story)
