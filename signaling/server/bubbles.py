"""Bubbles: what somebody is shown of a live Space in which people they follow are on stage. Pure."""

from __future__ import annotations

from collections.abc import Collection, Set
from heapq import nsmallest

from signaling.protocol.messages import Bubble, Person
from signaling.rules import SpaceState, State
from signaling.server.rows import price_row

__all__ = ["KNOWN_MAX", "bubble_of", "rank"]

KNOWN_MAX = 5
"""People one follows who are named in a bubble; all are counted."""


def bubble_of(
    state: SpaceState, user: str, followed: Set[str], strangers: Collection[str] = ()
) -> Bubble | None:
    """The Space as `user` is shown it, who follows `followed`; None where it is not for them.

    It is not where nobody they follow is on stage, where they were banned, or where a host of it is one of
    `strangers`, whom they blocked or who blocked them. Costs as many steps as they follow people, or as
    there are inside if those are fewer.
    """
    if state.state is not State.LIVE or user in state.banned:
        return None
    if any(host in strangers for host in state.owners):
        return None
    # By id, not in the order of the stage, which would make a bubble differ for what nobody sees in it.
    on_stage = [
        Person(place.user, place.name)
        for place in sorted(state.on_stage.values(), key=lambda place: (place.user != state.host, place.user))
        if place.user in followed and place.user not in strangers
    ]
    if not on_stage:
        return None
    listening = _listening(state, followed, strangers)
    named = [
        Person(other, state.roster.name_of(other))
        for other in nsmallest(max(0, KNOWN_MAX - len(on_stage)), listening)
    ]
    return Bubble(
        state.space,
        state.title,
        state.host,
        state.host_name,
        list(state.settings.topics),
        on_stage[:KNOWN_MAX] + named,
        len(on_stage) + len(listening),
        len(on_stage),
        state.people_count,
        state.settings.kind,
        price_row(state.price),
    )


def rank(bubble: Bubble) -> tuple[int, int, bytes]:
    """What bubbles are sorted by: most of those one follows on stage, then the largest."""
    return -bubble.known_on_stage, -bubble.people, bubble.space


def _listening(state: SpaceState, followed: Set[str], strangers: Collection[str]) -> list[str]:
    if len(followed) <= state.people_count:
        inside = [other for other in followed if state.inside(other)]
    else:
        inside = [other for other in state.roster if other in followed]
    return [other for other in inside if other not in state.on_stage and other not in strangers]
