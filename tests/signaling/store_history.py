"""Random histories of Spaces for the store: acts one after the other, and what the store has to have then.

A seed tells a whole history. Acts are those of the rules; what is refused is not part of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from signaling import rules
from signaling.rules import Changes, Effect, Outcome, Refused, Settings, SpaceLimits, SpaceState, talk
from signaling.store import audit, bans, blocks, invites, notes, pins, posts, reports, spaces, stage

PEOPLE = ("ann", "bob", "cat", "dan", "eve", "fay")
SERVICE = "backend"
_LIMITS = SpaceLimits(stage=4, queue=3, absent=4, pins=2, links=2, invites=2)
_SECOND_US = 1_000_000
_EVERYTHING = 1_000_000


@dataclass(frozen=True, slots=True)
class Act:
    """One act that was allowed, with what is known of its Space when it is written."""

    number: int
    space: bytes
    effects: tuple[Effect, ...]
    now_us: int
    kept: dict[str, Any]


@dataclass
class _Kept:
    """What the store has of a Space and the state has not."""

    posts: dict[int, rules.Post] = field(default_factory=dict)
    notes: list[rules.Note] = field(default_factory=list)
    audit: list[tuple[str, str, str]] = field(default_factory=list)
    reports: list[rules.Report] = field(default_factory=list)
    blocked: set[tuple[str, str]] = field(default_factory=set)

    def take(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case rules.Posted(post):
                    self.posts[post.post] = post
                case rules.PostGone(post):
                    self.posts.pop(post)
                case rules.NoteAdded(note):
                    self.notes.append(note)
                case rules.Audited(actor, action, target):
                    self.audit.append((actor, action, target))
                case rules.Reported(report):
                    self.reports.append(report)
                case rules.BlockedByHost(blocker, user):
                    self.blocked.add((blocker, user))
                case _:
                    pass


def history(seed: int, acts: int) -> Iterator[Act]:
    """So many acts, in one Space after the other."""
    rng = random.Random(seed)
    number, now_us = 0, _SECOND_US
    blocked: set[tuple[str, str]] = set()
    while number < acts:
        space = rng.randbytes(16)
        state, kept = None, _Kept(blocked=blocked)
        while number < acts and (state is None or state.is_live):
            now_us += rng.choice((1, 1, 1, _SECOND_US, 40 * _SECOND_US))
            outcome = _open(space, rng, now_us) if state is None else _any(state, kept, rng, now_us)
            if outcome is None:
                continue
            state = outcome.state
            kept.take(outcome.effects)
            number += 1
            yield Act(number, space, outcome.effects, now_us, _expected(state, kept))


def _open(space: bytes, rng: random.Random, now_us: int) -> Outcome:
    settings = Settings("Sea talk", ("sea", "ships"), kind=rng.choice(("", "class")))
    opened = rules.open_space(space, settings, "ann", "Ann", now_us, limits=_LIMITS)
    assert isinstance(opened, Outcome)
    return opened


def _any(state: SpaceState, kept: _Kept, rng: random.Random, now_us: int) -> Outcome | None:
    """One act of anybody, or None where it is refused or changes nothing. The end is rare."""
    if state.deadline_us is not None and now_us >= state.deadline_us:
        return rules.on_time(state, now_us)
    if rng.random() < 0.005:
        answer: Outcome | Refused = rules.end(state, state.host, now_us)
    else:
        answer = rng.choice(_ACTS)(_Pick(state, kept, rng, now_us))
    return answer if isinstance(answer, Outcome) and answer.effects else None


class _Pick:
    """Who and what an act is about."""

    def __init__(self, state: SpaceState, kept: _Kept, rng: random.Random, now_us: int) -> None:
        self.state, self.kept, self.rng, self.now_us = state, kept, rng, now_us
        self.one, self.other = rng.choice(PEOPLE), rng.choice(PEOPLE)
        self.host = rng.choice((state.host, state.host, *state.co_hosts))
        self.digest = rng.choice((*state.links, bytes(32)))
        self.is_it = rng.random() < 0.5

    def number(self, numbers: list[int]) -> int:
        return self.rng.choice(numbers or [1])


_Verb = Callable[[_Pick], "Outcome | Refused"]
_ACTS: tuple[_Verb, ...] = (
    *(lambda p: rules.join(p.state, p.one, p.one.title(), p.now_us),) * 4,
    lambda p: rules.join(p.state, p.one, p.one.title(), p.now_us, invite_digest=p.digest),
    lambda p: rules.resume(p.state, p.one, p.now_us),
    lambda p: rules.returned(p.state, p.one, p.now_us),
    lambda p: rules.lost(p.state, p.one, p.now_us),
    lambda p: rules.leave(p.state, "bob" if p.one == "ann" else p.one, p.now_us),
    *(lambda p: rules.ask(p.state, p.one, p.now_us),) * 3,
    *(lambda p: rules.admit(p.state, p.host, p.other, p.now_us),) * 2,
    lambda p: rules.decline(p.state, p.host, p.other, p.now_us),
    *(lambda p: rules.invite(p.state, p.host, p.other, p.now_us),) * 2,
    lambda p: rules.uninvite(p.state, p.host, p.other, p.now_us),
    lambda p: rules.accept(p.state, p.one, p.now_us),
    lambda p: rules.refuse(p.state, p.one, p.now_us),
    lambda p: rules.promote(p.state, p.host, p.other, p.now_us),
    lambda p: rules.demote(p.state, p.host, p.other, p.now_us),
    lambda p: rules.hand_over(p.state, p.host, p.other, p.now_us),
    lambda p: rules.move(p.state, p.host, p.other, p.now_us),
    lambda p: rules.mute(p.state, p.host, p.other, p.now_us, p.is_it),
    lambda p: rules.unmute(p.state, p.one, "", p.now_us),
    lambda p: rules.mute_all(p.state, p.host, p.now_us, p.is_it),
    lambda p: rules.set_volume(p.state, p.host, p.other, p.rng.randrange(101), p.now_us),
    lambda p: rules.remove(p.state, p.host, p.other, p.now_us, p.rng.randrange(3)),
    *(lambda p: rules.unban(p.state, p.host, p.other, p.now_us),) * 2,
    lambda p: rules.change_settings(
        p.state, p.host, Changes(f"Sea {p.rng.randrange(9)}", ["Ships", "tea"][p.is_it :]), p.now_us
    ),
    lambda p: rules.change_settings(
        p.state, p.host, Changes(queue_order=int(p.is_it), who_may_speak=0, locked=False), p.now_us
    ),
    lambda p: rules.oversee(p.state, SERVICE, p.now_us),
    lambda p: rules.remove(p.state, SERVICE, p.other, p.now_us),
    lambda p: rules.share_speaker(p.state, p.host, p.rng.randbytes(32), 0, p.now_us),
    lambda p: rules.unshare(p.state, p.host, p.digest, p.now_us),
    lambda p: talk.post(p.state, p.one, f"post of {p.one} 🌊", p.number([0, *p.kept.posts]), p.now_us),
    lambda p: talk.delete_post(p.state, p.one, *_post_of(p), p.now_us),
    lambda p: talk.note(p.state, p.one, "louder,\nplease", p.now_us),
    lambda p: talk.pin(p.state, p.host, "https://example.org", p.now_us),
    lambda p: talk.unpin(p.state, p.host, p.number([pin.pin for pin in p.state.pins]), p.now_us),
    lambda p: talk.report(p.state, p.one, p.other, "spam", "", p.now_us),
)


def _post_of(pick: _Pick) -> tuple[int, str | None]:
    number = pick.number(list(pick.kept.posts))
    known = pick.kept.posts.get(number)
    return number, None if known is None else known.user


def _expected(state: SpaceState, kept: _Kept) -> dict[str, Any]:
    return {
        "settings": state.settings,
        "host": (state.host, state.host_name, state.founder),
        "state": (state.state.value, state.ended_reason),
        "stage": sorted(state.on_stage.values()),
        "asks": list(state.asks.values()),
        "spoke": state.spoke if state.is_live else frozenset(),
        "banned": state.banned,
        "invites": sorted(state.invites.values()),
        "links": {digest: link for digest, link in state.links.items() if not link.used_by},
        "pins": state.pins,
        "posts": [kept.posts[number] for number in sorted(kept.posts, reverse=True)],
        "notes": kept.notes[::-1],
        "audit": kept.audit[::-1],
        "reports": kept.reports[::-1],
        "blocked": frozenset(kept.blocked),
    }


async def written(connection: AsyncConnection, space: bytes) -> dict[str, Any]:
    """What the store has of a Space, in the form of `Act.kept`."""
    stored = await spaces.get(connection, space)
    assert stored is not None
    settings = Settings(
        stored.title,
        stored.topics,
        rules.SpeakPolicy(stored.who_may_speak),
        rules.QueueOrder(stored.queue_order),
        stored.locked,
        stored.kind,
    )
    open_links = await invites.links(connection, space)
    entries, _ = await audit.page(connection, space, limit=_EVERYTHING)
    assert [entry.entry for entry in entries] == list(range(len(entries), 0, -1))
    blocked = [
        (blocker, user) for blocker in PEOPLE for user, _ in (await blocks.blocked(connection, blocker))[0]
    ]
    return {
        "settings": settings,
        "host": (stored.host, stored.host_name, stored.founder),
        "state": (stored.state, stored.ended_reason or ""),
        "stage": sorted(await stage.on_stage(connection, space)),
        "asks": await stage.waiting(connection, space),
        "spoke": await stage.who_spoke(connection, space),
        "banned": await bans.banned(connection, space),
        "invites": sorted(await invites.invited(connection, space)),
        "links": {digest: link for digest, link in open_links.items() if not link.used_by},
        "pins": await pins.pinned(connection, space),
        "posts": (await posts.page(connection, space, limit=_EVERYTHING))[0],
        "notes": (await notes.page(connection, space, limit=_EVERYTHING))[0],
        "audit": [(entry.actor, entry.action, entry.target) for entry in entries],
        "reports": [
            kept.said for kept in (await reports.page(connection, space=space, limit=_EVERYTHING))[0]
        ],
        "blocked": frozenset(blocked),
    }
