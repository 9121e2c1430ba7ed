"""People: following, blocking and profiles over the store; graphs that an embedder keeps, also bad ones."""

from __future__ import annotations

import asyncio

import pytest

from signaling.config import HostingConfig, KindConfig, PeopleConfig
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.server.people import Recent
from signaling.server.relations import GraphError
from tests.signaling.memory_graph import MemoryGraph, PlainGraph
from tests.signaling.town import Town, tell


async def profile(caller: object, user: str = "") -> wire.Profile:
    answer = await caller.ask(wire.GetProfile, user)  # type: ignore[attr-defined]
    assert isinstance(answer, wire.Profile), answer
    return answer


def test_following_is_counted_once_however_often_it_is_asked_for() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        for _ in range(3):
            assert isinstance(await ann.ask(wire.Follow, "bo"), wire.Ok)
        seen = await profile(ann, "bo")
        assert (seen.followers, seen.follows, seen.follows_me) == (1, True, False)
        mine = await profile(bo, "ann")
        assert (mine.following, mine.follows, mine.follows_me) == (1, False, True)
        for _ in range(2):
            assert isinstance(await ann.ask(wire.Unfollow, "bo"), wire.Ok)
        assert (await profile(ann, "bo")).followers == 0

    tell(story)


def test_nobody_follows_or_blocks_oneself_or_nobody() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        for kind in (wire.Follow, wire.Unfollow, wire.Block, wire.Unblock):
            assert (await ann.ask(kind, "ann")).code == ErrorCode.bad_value
            assert (await ann.ask(kind, "nobody")).code == ErrorCode.no_such_person
            assert (await ann.ask(kind, "@nobody")).code == ErrorCode.no_such_person
            assert (await ann.ask(kind, "@")).code == ErrorCode.bad_value
        assert (await ann.ask(wire.GetProfile, "nobody")).code == ErrorCode.no_such_person
        assert (await ann.ask(wire.ListFollows, 3)).code == ErrorCode.bad_value

    tell(story)


def test_a_handle_names_whoever_has_it_however_it_is_written() -> None:
    async def story(town: Town) -> None:
        ann, bo, cy = await town.people_named("ann", "bo", "cy")
        answer = await ann.ask(wire.SetProfile, "Ann A.", "AnnA_lee")
        assert (answer.name, answer.handle) == ("Ann A.", "anna_lee")
        assert isinstance(await bo.ask(wire.Follow, "@ANNA_LEE"), wire.Ok)
        assert (await profile(bo, "@anna_lee")).user == "ann"
        assert (await cy.ask(wire.SetProfile, "", "anna_Iee")).code == ErrorCode.handle_taken
        assert (await cy.ask(wire.SetProfile, "", "a\u202eb")).code == ErrorCode.bad_value
        assert (await cy.ask(wire.SetProfile, "", "ann_b")).handle == "ann_b"
        assert (await profile(cy)).name == "cy", "an empty name leaves the name as it is"

    tell(story)


def test_a_new_name_is_worn_at_once() -> None:
    async def story(town: Town) -> None:
        (ann,) = await town.people_named("ann")
        await ann.ask(wire.SetProfile, "Anna")
        opened = await ann.ask(wire.Open, "Tea")
        assert opened.stage[0].name == "Anna"

    tell(story)


def test_lists_go_on_where_a_page_ends() -> None:
    async def story(town: Town) -> None:
        names = [f"u{number}" for number in range(5)]
        ann, *others = await town.people_named("ann", *names)
        await town.follow(ann, *names)
        for other in others[:3]:
            await town.follow(other, "ann")
        await ann.ask(wire.Block, "u4")
        listed, after = [], ""
        while True:
            page = await ann.ask(wire.ListFollows, 0, after, 2)
            listed += [person.user for person in page.people]
            after = page.more
            if not after:
                break
        assert listed == ["u0", "u1", "u2", "u3"], "who is blocked is followed no more"
        assert [each.user for each in (await ann.ask(wire.ListFollows, 1)).people] == ["u0", "u1", "u2"]
        assert [each.user for each in (await ann.ask(wire.ListFollows, 2)).people] == ["u4"]

    tell(story)


def test_a_block_ends_following_and_hides_one_from_the_other() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        await town.follow(ann, "bo")
        await town.follow(bo, "ann")
        assert isinstance(await ann.ask(wire.Block, "bo"), wire.Ok)
        assert isinstance(await ann.ask(wire.Block, "bo"), wire.Ok)
        seen = await profile(ann, "bo")
        assert (seen.blocked, seen.follows, seen.followers) == (True, False, 0)
        nobody = (await bo.ask(wire.GetProfile, "no-such")).code
        assert (await bo.ask(wire.GetProfile, "ann")).code == nobody == ErrorCode.no_such_person
        for kind in (wire.Follow, wire.Unfollow, wire.Block, wire.Unblock):
            assert (await bo.ask(kind, "ann")).code == nobody
        await ann.ask(wire.SetProfile, "", "ann_lee")
        for kind in (wire.GetProfile, wire.Follow, wire.ListPlanned):
            hidden, absent = await bo.ask(kind, "@ann_lee"), await bo.ask(kind, "@nobody")
            assert hidden.code == absent.code == nobody
            assert hidden.message.replace("@ann_lee", "@nobody") == absent.message
        assert (await ann.ask(wire.Follow, "bo")).code == ErrorCode.not_permitted
        assert isinstance(await ann.ask(wire.Unblock, "bo"), wire.Ok)
        assert isinstance(await bo.ask(wire.Follow, "ann"), wire.Ok)

    tell(story)


def test_a_block_puts_somebody_out_of_the_blockers_live_space() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("host")
        ann = await town.listener("ann", space)
        bo = await town.speaker("bo", space, host)
        second = await town.known("host")
        assert isinstance(await second.ask(wire.Block, "bo"), wire.Ok)
        await town.settle()
        assert bo.peer.closed is not None
        assert town.halls[space].session_of("bo") is None
        assert town.halls[space].session_of("ann") is ann.session
        newest = (await host.ask(wire.ListAudit)).entries[0]
        assert (newest.actor, newest.action, newest.target, newest.detail) == (
            "host",
            "remove",
            "bo",
            "block",
        )
        again = await town.known("bo")
        answer = await again.ask(wire.Join, space)
        assert isinstance(answer, wire.Error)

    tell(story)


def test_the_audit_log_is_there_for_who_had_the_space_also_when_it_is_over() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("host")
        heir = await town.speaker("heir", space, host)
        co = await town.speaker("co", space, host)
        await host.ask(wire.HandOver, "heir")
        await host.ask(wire.Leave)
        aide = await town.speaker("aide", space, heir)
        for helper in ("co", "aide"):
            await heir.ask(wire.Promote, helper)
        await heir.hang_up()
        await town.pass_time(30.1)
        bo = await town.listener("bo", space)
        await co.ask(wire.Remove, "bo")
        assert isinstance(await aide.ask(wire.ListAudit), wire.Audit)
        assert (await aide.ask(wire.ListAudit, 0, 50, space)).code == ErrorCode.no_such_space
        assert isinstance(await co.ask(wire.ListAudit, 0, 50, space), wire.Audit), "who stands in"
        town.directory.get(space).close("server_stopping")  # type: ignore[union-attr]
        await town.settle()
        everything = None
        for user in ("host", "heir", "co"):
            again = await town.known(user)
            assert (await again.ask(wire.ListAudit)).code == ErrorCode.not_in_space
            page = await again.ask(wire.ListAudit, 0, 100, space)
            assert (page.entries[0].action, page.entries[0].target, page.more) == ("ban", "bo", 0)
            assert everything in (None, page.entries), "all of them read the same"
            everything = page.entries
        first = await again.ask(wire.ListAudit, 0, 1, space)
        second = await again.ask(wire.ListAudit, first.more, 100, space)
        assert first.entries + second.entries == everything
        for stranger in ("bo", "ann", "aide"):
            caller = await town.known(stranger)
            refused = await caller.ask(wire.ListAudit, 0, 50, space)
            absent = await caller.ask(wire.ListAudit, 0, 50, bytes(16))
            assert refused.code == absent.code == ErrorCode.no_such_space
            assert refused.message.replace(space.hex(), bytes(16).hex()) == absent.message
        assert bo.peer.closed is not None

    tell(story)


def test_who_was_heard_is_told_to_who_had_the_space_also_when_it_is_over() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("host")
        ann = await town.speaker("ann", space, host)
        town.around.talk_book.of(space).begins("ann", "Ann", 0)
        assert (await ann.ask(wire.ListTalkers, space)).code == ErrorCode.no_such_space
        assert [row.user for row in (await host.ask(wire.ListTalkers, space)).talkers] == ["ann"]
        await host.ask(wire.End)
        over = await host.ask(wire.ListTalkers, space)
        assert [(row.user, row.talking) for row in over.talkers] == [("ann", False)]
        assert (await host.ask(wire.ListTalkers)).code == ErrorCode.not_in_space
        assert (await ann.ask(wire.ListTalkers, space)).code == ErrorCode.no_such_space

    tell(story)


def test_a_block_of_the_hosts_hides_the_space_also_while_another_stands_in() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("host")
        bo, ann = await town.people_named("bo", "ann")
        await host.ask(wire.Block, "bo")
        await ann.ask(wire.Block, "host")
        co = await town.speaker("co", space, host)
        await host.ask(wire.Promote, "co")
        await host.hang_up()
        await town.pass_time(30.1)
        assert town.directory.get(space).state.host == "co"  # type: ignore[union-attr]
        for stranger in (bo, ann):
            assert (await stranger.ask(wire.ListSpaces)).spaces == []
            peeked, never = await stranger.ask(wire.Peek, space), await stranger.ask(wire.Peek, bytes(16))
            assert peeked.code == never.code == ErrorCode.no_such_space
        assert [row.space for row in (await co.ask(wire.ListSpaces)).spaces] == [space]
        assert (await co.ask(wire.Peek, space)).host == "co"

    tell(story)


def test_a_block_by_a_listener_puts_nobody_out() -> None:
    async def story(town: Town) -> None:
        _, space = await town.host("host")
        ann = await town.listener("ann", space)
        bo = await town.listener("bo", space)
        assert isinstance(await ann.ask(wire.Block, "bo"), wire.Ok)
        await town.settle()
        assert bo.peer.closed is None

    tell(story)


def test_following_and_blocking_have_bounds() -> None:
    async def story(town: Town) -> None:
        ann, *_ = await town.people_named("ann", "b", "c", "d")
        await town.follow(ann, "b", "c")
        assert (await ann.ask(wire.Follow, "d")).code == ErrorCode.too_many_follows
        assert isinstance(await ann.ask(wire.Follow, "c"), wire.Ok), "what is so already is no more"
        await ann.ask(wire.Block, "b")
        assert (await ann.ask(wire.Block, "d")).code == ErrorCode.too_many_follows
        assert isinstance(await ann.ask(wire.Block, "b"), wire.Ok)
        assert isinstance(await ann.ask(wire.Follow, "d"), wire.Ok), "a block has made room"

    tell(story, people=PeopleConfig(follows=2, blocks=1))


def test_following_too_often_says_when_to_try_again() -> None:
    async def story(town: Town) -> None:
        ann, _ = await town.people_named("ann", "bo")
        answers = [await ann.ask(wire.Follow, "bo") for _ in range(31)]
        assert answers[-1].code == ErrorCode.too_often
        assert 0 < answers[-1].retry_after_ms <= 1_000
        await town.pass_time(1)
        assert isinstance(await ann.ask(wire.Follow, "bo"), wire.Ok)

    tell(story)


# Who may host


def test_a_host_needs_followers_and_is_told_how_many() -> None:
    async def story(town: Town) -> None:
        ann, bo, cy = await town.people_named("ann", "bo", "cy")
        answer = await ann.ask(wire.Open, "Tea")
        assert answer.code == ErrorCode.too_few_followers
        assert "0" in answer.message
        assert "2" in answer.message
        starts_ms = town.around.wall_us() // 1_000 + 3_600_000
        assert (await ann.ask(wire.Schedule, "Tea", starts_ms)).code == ErrorCode.too_few_followers
        await town.follow(bo, "ann")
        await town.follow(cy, "ann")
        assert isinstance(await ann.ask(wire.Open, "Tea"), wire.Joined)

    tell(story, hosting=HostingConfig(min_followers=2))


def test_gates_are_those_of_the_kind() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        assert (await ann.ask(wire.Open, "Tea", [], 0, "music")).code == ErrorCode.not_listed
        assert (await bo.ask(wire.Open, "Tea", [], 0, "late")).code == ErrorCode.account_too_young
        assert (await ann.ask(wire.Open, "Tea", [], 0, "dance")).code == ErrorCode.bad_value
        assert isinstance(await bo.ask(wire.Open, "Tea", [], 0, "music"), wire.Joined)
        assert isinstance(await ann.ask(wire.Open, "Tea"), wire.Joined)

    kinds = {"music": KindConfig(allow=("bo",)), "late": KindConfig(min_account_age_s=60)}
    tell(story, hosting=HostingConfig(kinds=kinds))


def test_an_account_grows_old_enough() -> None:
    async def story(town: Town) -> None:
        ann, _ = await town.people_named("ann", "bo")
        await town.follow(ann, "bo")  # the first that is known of them
        answer = await ann.ask(wire.Open, "Tea")
        assert answer.code == ErrorCode.account_too_young
        assert 0 < answer.retry_after_ms <= 60_000
        await town.pass_time(61)
        assert isinstance(await ann.ask(wire.Open, "Tea"), wire.Joined)

    tell(story, hosting=HostingConfig(min_account_age_s=60))


# Graphs of an embedder


def test_an_embedders_graph_says_who_may_host_and_who_is_hidden() -> None:
    graph = PlainGraph()
    graph.edges = {("x", "ann"), ("y", "ann")}
    graph.blocks = {("ann", "cy")}

    async def story(town: Town) -> None:
        ann, bo, cy = await town.people_named("ann", "bo", "cy")
        assert (await bo.ask(wire.Open, "Tea")).code == ErrorCode.too_few_followers
        opened = await ann.ask(wire.Open, "Tea")
        assert (await profile(bo, "ann")).followers == 2
        assert (await bo.ask(wire.Follow, "ann")).code == ErrorCode.not_permitted
        assert (await cy.ask(wire.Peek, opened.space)).code == ErrorCode.no_such_space
        assert isinstance(await bo.ask(wire.Peek, opened.space), wire.Peeked)
        assert isinstance(await ann.ask(wire.Block, "bo"), wire.Ok), "blocks made here hold as well"
        assert (await bo.ask(wire.Peek, opened.space)).code == ErrorCode.no_such_space

    tell(story, graph=graph, hosting=HostingConfig(min_followers=2))


@pytest.mark.parametrize("fault", ["hangs", "fails"])
def test_a_graph_that_hangs_or_fails_costs_one_request(fault: str) -> None:
    graph = PlainGraph()

    async def story(town: Town) -> None:
        host, space = await town.host("host")
        (ann,) = await town.people_named("ann")
        graph.hangs, graph.fails = fault == "hangs", OSError("no network") if fault == "fails" else None
        number = ann.send(wire.Peek, space)
        await town.settle()
        await asyncio.sleep(town.people.graph_timeout_ms / 1_000)
        await town.settle()
        (answer,) = [each for each in ann.peer.take(wire.Error) if each.id == number]
        assert answer.code == ErrorCode.busy
        assert answer.retry_after_ms > 0
        assert (town.counts.graph_timeouts, town.counts.graph_failures) == (
            (1, 0) if fault == "hangs" else (0, 1)
        )
        assert isinstance(await host.ask(wire.Mute), wire.Ok), "the Space goes on"
        graph.hangs, graph.fails = False, None
        assert isinstance(await ann.ask(wire.Peek, space), wire.Peeked)

    tell(story, graph=graph)


def test_what_a_plain_graph_cannot_do_at_once_is_asked_one_by_one() -> None:
    graph = PlainGraph()
    graph.edges = {("ann", "u3"), ("ann", "u7"), ("u5", "ann")}
    graph.blocks = {("ann", "u1"), ("u2", "ann")}

    async def story(town: Town) -> None:
        relations, everybody = town.relations, [f"u{number}" for number in range(10)]
        assert await relations.followed_among("ann", everybody) == {"u3", "u7"}
        assert await relations.followers_among("ann", everybody) == {"u5"}
        assert await relations.strangers_among("ann", everybody) == {"u1", "u2"}
        assert await relations.followed("ann", 100) == ()
        graph.fails = LookupError("a bug of the application's")
        with pytest.raises(GraphError) as refused:
            await relations.followers_among("ann", everybody)
        assert refused.value.refused.code == "busy"

    tell(story, graph=graph, people=PeopleConfig(graph_calls=3))


def test_facts_for_the_rules_are_gathered() -> None:
    async def story(town: Town) -> None:
        ann, bo = await town.people_named("ann", "bo")
        await town.follow(ann, "bo")
        await bo.ask(wire.SetProfile, "Bo")
        facts = await town.relations.gather(
            followers_of=["bo"], edges=[("ann", "bo"), ("bo", "ann")], blocks=[("ann", "bo")]
        )
        assert facts.followers_count("bo") == 1
        assert facts.follows("ann", "bo")
        assert not facts.follows("bo", "ann")
        assert not facts.blocked("ann", "bo")

    tell(story)


# The cache


def test_what_is_remembered_is_what_is_in_the_store() -> None:
    async def story(town: Town) -> None:
        ann, _ = await town.people_named("ann", "bo")
        own = town.own

        async def known() -> tuple[int, bool, bool]:
            return (
                await own.followers_count("bo"),
                await own.follows("ann", "bo"),
                await own.blocked("ann", "bo"),
            )

        assert await known() == (0, False, False)
        await ann.ask(wire.Follow, "bo")
        assert await known() == await known() == (1, True, False)
        await ann.ask(wire.Block, "bo")
        assert await known() == (0, False, True)
        await ann.ask(wire.Unblock, "bo")
        assert await known() == (0, False, False)

    tell(story)


def test_what_was_asked_for_longest_ago_is_forgotten_first() -> None:
    recent: Recent[int, bool] = Recent(3)
    for number in range(3):
        recent.put(number, False)
    assert recent.get(0) is False
    recent.put(3, True)
    assert (recent.get(1), recent.get(0), recent.get(3), len(recent)) == (None, False, True, 3)


def test_a_host_who_blocks_from_inside_is_known_to_have_blocked() -> None:
    async def story(town: Town) -> None:
        host, space = await town.host("host")
        await town.listener("ann", space)
        await town.own.blocked("host", "ann")
        assert isinstance(await host.ask(wire.Remove, "ann", 2), wire.Ok)
        assert await town.own.blocked("host", "ann")
        ann = await town.known("ann")
        assert (await ann.ask(wire.Peek, space)).code == ErrorCode.no_such_space

    tell(story)


def test_the_graph_in_memory_is_like_the_one_in_the_store() -> None:
    """What other tests use in place of the store answers as the store does."""

    async def story(town: Town) -> None:
        memory, pairs = MemoryGraph(), [("a", "b"), ("b", "a"), ("a", "c"), ("c", "b")]
        people = {user: await town.known(user) for user in "abc"}
        for follower, followed in pairs:
            await town.follow(people[follower], followed)
            memory.follow_changed(follower, followed, True)
        await people["b"].ask(wire.Block, "a")
        memory.block_changed("b", "a", True)
        for user in "abc":
            assert await memory.followers_count(user) == await town.own.followers_count(user)
            for name in ("followed_among", "followers_among", "strangers_among"):
                assert await getattr(memory, name)(user, "abc") == await getattr(town.own, name)(user, "abc")
            assert await memory.followed(user, 10) == await town.own.followed(user, 10)

    tell(story)
