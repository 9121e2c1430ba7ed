"""Finding: the list of live Spaces, searched by title and topic, and a look at one Space from outside."""

from __future__ import annotations

from collections.abc import Mapping

from signaling import rules
from signaling.protocol import messages as wire
from signaling.protocol.wire import fit_rows
from signaling.rules import Action, Refused, State
from signaling.rules.rates import RateKind
from signaling.server.actor import SpaceActor
from signaling.server.admission import planned_door, read_entry, turned_away
from signaling.server.answers import Answer, Handler
from signaling.server.directory import Directory
from signaling.server.places import Places
from signaling.server.relations import Relations
from signaling.server.rows import live_row, price_row, settings_row, stage_rows
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings
from signaling.store import Store, StoredSpace, plans, spaces
from signaling.store.pages import folded

__all__ = ["STATES", "Finding"]

_MS_US = 1_000

STATES: Mapping[str, int] = {
    State.SCHEDULED: 0,
    State.LIVE: 1,
    State.ENDED: 2,
    State.CANCELLED: 3,
    State.TIMED_OUT: 4,
}
"""The numbers of the wire."""


class Finding:
    """**Whoever blocked somebody, or was blocked, is answered as if that one's Spaces were not there.**

    Looking leaves no trace: nobody is counted or shown for it.
    """

    def __init__(
        self, directory: Directory, relations: Relations, store: Store, around: Surroundings, places: Places
    ) -> None:
        self._directory = directory
        self._relations = relations
        self._store = store
        self._around = around
        self._places = places

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """ListSpaces, Peek."""
        return {wire.ListSpaces: self._list, wire.Peek: self._peek}

    async def _list(self, session: Session, me: Member, request: wire.ListSpaces) -> Answer:
        text, topic = folded(request.text).strip(), folded(request.topic).strip()
        if text or topic:
            allowed = self._around.rates.take(RateKind.SEARCH, me.user, self._around.clock_us())
            if isinstance(allowed, Refused):
                return allowed

        def matches(actor: SpaceActor) -> bool:
            settings = actor.state.settings
            return text in folded(settings.title) and (not topic or topic in settings.topics)

        found = await self._directory.page(request.limit, request.after, matches if text or topic else None)
        if isinstance(found, Refused):
            return found
        live = [(actor.state, cursor) for actor, cursor in found.spaces if not actor.is_over]
        others = {owner for state, _ in live for owner in state.owners} - {me.user}
        hidden = await self._relations.strangers_among(me.user, others)
        seen = [(live_row(state), cursor) for state, cursor in live if hidden.isdisjoint(state.owners)]
        rows = fit_rows([row for row, _ in seen])
        # A page may be shorter than was asked for; what was left out for its length comes on the next.
        more = found.more if len(rows) == len(seen) else seen[len(rows) - 1][1]
        return wire.Spaces(request.id, rows, more)

    async def _peek(self, session: Session, me: Member, request: wire.Peek) -> Answer:
        allowed = self._around.rates.take(RateKind.SEARCH, me.user, self._around.clock_us())
        if isinstance(allowed, Refused):
            return allowed
        actor = self._directory.get(request.space)
        if actor is not None and not actor.is_over:
            if await self._hidden(me.user, *actor.state.owners):
                return rules.no_such_space(request.space)
            return await self._peek_live(actor, me.user, request.id)
        reminded, entry = False, None
        async with self._store.transaction() as connection:
            stored = await spaces.get(connection, request.space)
            if stored is not None and stored.state == State.SCHEDULED:
                listed = await plans.get(connection, me.user, request.space)
                reminded = listed is not None and listed.reminded
            entry = await read_entry(connection, request.space, me.user)
        if stored is None:
            return await self._places.direct(session, me, request)
        if await self._hidden(me.user, stored.host):
            return rules.no_such_space(request.space)
        return planned_door(request.id, me.user, entry) or _stored(request.id, stored, reminded)

    async def _peek_live(self, actor: SpaceActor, user: str, request_id: int) -> Answer:
        entry = None if user in actor.state.owners else await actor.history.entry(user)
        allowed = rules.may(user, Action.PEEK, actor.state)
        if isinstance(allowed, Refused):
            return allowed
        return turned_away(request_id, actor.state, user, entry, actor.guests) or _live(request_id, actor)

    async def _hidden(self, user: str, *hosts: str) -> bool:
        return bool(await self._relations.strangers_among(user, set(hosts) - {user}))


def _live(request_id: int, actor: SpaceActor) -> wire.Peeked:
    state = actor.state
    return wire.Peeked(
        request_id,
        state.space,
        settings_row(state.settings),
        STATES[State.LIVE],
        state.host,
        state.host_name,
        stage_rows(state),
        state.people_count,
        price=price_row(state.price),
    )


def _stored(request_id: int, stored: StoredSpace, reminded: bool) -> wire.Peeked:
    settings = wire.SpaceSettings(
        stored.title,
        list(stored.topics),
        stored.who_may_speak,
        stored.queue_order,
        stored.locked,
        stored.kind,
    )
    return wire.Peeked(
        request_id,
        stored.space,
        settings,
        # One that is live to the store and not here is being opened, or just over.
        STATES[stored.state],
        stored.host,
        stored.host_name,
        starts_ms=(stored.starts_us or 0) // _MS_US,
        reminded=reminded,
        price=price_row(stored.price),
    )
