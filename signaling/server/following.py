"""Following: follow, block, and say who one is; each change is in the store before it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from signaling import rules
from signaling.config import PeopleConfig
from signaling.protocol import messages as wire
from signaling.protocol.wire import fit_rows
from signaling.rules import BlockedByHost, Effect, Refused
from signaling.rules.handles import new_handle, normalise
from signaling.rules.rates import RateKind
from signaling.server.actor import SpaceActor
from signaling.server.answers import Answer, Handler
from signaling.server.presence import Presence
from signaling.server.relations import Relations
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings
from signaling.store import Account, Store, StoreError, accounts, blocks, follows

__all__ = ["BondListener", "Following", "account_named", "nobody"]

_LISTS = (follows.followed, follows.followers, blocks.blocked)
_US_MS = 1_000


class BondListener(Protocol):
    """Told what people changed between them, once it is in the store."""

    def follow_changed(self, follower: str, followed: str, on: bool) -> None:
        """`follower` follows `followed`, or no more."""

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        """`blocker` has blocked `user`, or no more. A block ends following, both ways."""


class Following:
    """Changes the store's graph at people's wish. Each act may be repeated: what is so already stays so.

    **Who was blocked cannot tell the blocker from somebody who is not there.** `listeners` are told of every
    change in their order, also of blocks that hosts make from within a Space.
    """

    def __init__(
        self,
        store: Store,
        around: Surroundings,
        relations: Relations,
        presence: Presence,
        limits: PeopleConfig,
        *,
        listeners: Sequence[BondListener],
    ) -> None:
        self._store = store
        self._around = around
        self._relations = relations
        self._presence = presence
        self._limits = limits
        self._listeners = listeners

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """Everything about people and who one is."""
        return {
            wire.Follow: self._follow,
            wire.Unfollow: self._unfollow,
            wire.Block: self._block,
            wire.Unblock: self._unblock,
            wire.ListFollows: self._list,
            wire.GetProfile: self._get_profile,
            wire.SetProfile: self._set_profile,
        }

    def on_outcome(self, actor: SpaceActor, effects: Sequence[Effect]) -> None:
        """A host has blocked somebody from within a Space, which is in the store with the rest of it."""
        for effect in effects:
            if isinstance(effect, BlockedByHost):
                self._tell_block(effect.blocker, effect.user, True)

    # Follow and block

    async def _follow(self, session: Session, me: Member, request: wire.Follow) -> Answer:
        target = await self._aim(me, request.user, RateKind.FOLLOW, "follow")
        if isinstance(target, Refused):
            return target
        if not self._relations.is_own:
            return _kept_elsewhere()
        if await self._relations.blocked(me.user, target):
            return Refused("not_permitted", f"You have blocked {target!r}; unblock them first.")
        now_us = self._around.wall_us()
        async with self._store.transaction() as connection:
            await accounts.ensure(connection, me.user, me.name, now_us)
            mine = await accounts.get(connection, me.user)
            many = 0 if mine is None else mine.following
            if many >= self._limits.follows and not await follows.follows(connection, me.user, target):
                return _too_many(many, "follow", self._limits.follows, "unfollow")
            new = await follows.follow(connection, me.user, target, now_us)
        if new:
            self._tell_follow(me.user, target, True)
        return wire.Ok(request.id)

    async def _unfollow(self, session: Session, me: Member, request: wire.Unfollow) -> Answer:
        target = await self._aim(me, request.user, RateKind.FOLLOW, "unfollow")
        if isinstance(target, Refused):
            return target
        if not self._relations.is_own:
            return _kept_elsewhere()
        async with self._store.transaction() as connection:
            gone = await follows.unfollow(connection, me.user, target)
        if gone:
            self._tell_follow(me.user, target, False)
        return wire.Ok(request.id)

    async def _block(self, session: Session, me: Member, request: wire.Block) -> Answer:
        target = await self._aim(me, request.user, RateKind.FOLLOW, "block")
        if isinstance(target, Refused):
            return target
        now_us = self._around.wall_us()
        async with self._store.transaction() as connection:
            await accounts.ensure(connection, me.user, me.name, now_us)
            many = await blocks.count(connection, me.user)
            if many >= self._limits.blocks and not await blocks.is_blocked(connection, me.user, target):
                return _too_many(many, "block", self._limits.blocks, "unblock")
            new = await blocks.block(connection, me.user, target, now_us)
        if new:
            self._tell_block(me.user, target, True)
        return wire.Ok(request.id)

    async def _unblock(self, session: Session, me: Member, request: wire.Unblock) -> Answer:
        target = await self._aim(me, request.user, RateKind.FOLLOW, "unblock")
        if isinstance(target, Refused):
            return target
        async with self._store.transaction() as connection:
            gone = await blocks.unblock(connection, me.user, target)
        if gone:
            self._tell_block(me.user, target, False)
        return wire.Ok(request.id)

    async def _list(self, session: Session, me: Member, request: wire.ListFollows) -> Answer:
        refused = self._rated(RateKind.SEARCH, me)
        if refused is not None:
            return refused
        if request.which >= len(_LISTS):
            return Refused(
                "bad_value",
                f"{request.which} is no list; 0 is whom you follow, 1 who follows you, 2 whom you block.",
            )
        page = _LISTS[request.which]
        async with self._store.transaction() as connection:
            found, more = await page(connection, me.user, after=request.after, limit=request.limit)
        rows = fit_rows([wire.Person(person.user, person.name) for person in found])
        if len(rows) < len(found):
            more = rows[-1].user
        return wire.People(request.id, rows, more)

    # Who one is

    async def _get_profile(self, session: Session, me: Member, request: wire.GetProfile) -> Answer:
        refused = self._rated(RateKind.SEARCH, me)
        if refused is not None:
            return refused
        user = request.user or me.user
        account = await account_named(self._store, user)
        if isinstance(account, Refused):
            return account
        if account is None:
            name = self._presence.name_of(user)
            if name is None:
                return nobody(user)
            account = Account(user, name, 0)
        if account.user != me.user and await self._relations.blocked(account.user, me.user):
            return nobody(user)
        return await self._profile(request.id, me, account)

    async def _set_profile(self, session: Session, me: Member, request: wire.SetProfile) -> Answer:
        refused = self._rated(RateKind.PROFILE, me)
        if refused is not None:
            return refused
        name = rules.display_name(request.name, me.user) if request.name else me.name
        if isinstance(name, Refused):
            return name
        handle = new_handle(request.handle) if request.handle else None
        if isinstance(handle, Refused):
            return handle
        try:
            async with self._store.transaction() as connection:
                await accounts.ensure(connection, me.user, name, self._around.wall_us())
                if handle is not None:
                    await accounts.set_handle(connection, me.user, handle.handle, handle.skeleton)
                account = await accounts.get(connection, me.user)
        except StoreError as error:
            if error.code != "handle_taken":
                raise
            return Refused("handle_taken", error.message)
        if account is None:
            raise RuntimeError(f"the account of {me.user!r} was written and is not there")
        if session.member is not None and session.member.name != name:
            session.renewed(Member(me.user, name, session.member.expires_us, session.member.is_service))
        return await self._profile(request.id, me, account)

    async def _profile(self, request_id: int, me: Member, account: Account) -> Answer:
        relations, user = self._relations, account.user
        blocked = follows_them = follows_me = False
        if user != me.user:
            blocked = await relations.blocked(me.user, user)
            follows_them = await relations.follows(me.user, user)
            follows_me = await relations.follows(user, me.user)
        return wire.Profile(
            request_id,
            user,
            account.name,
            account.handle,
            account.followers if relations.is_own else await relations.followers_count(user),
            account.following,
            account.created_us // _US_MS,
            follows_them,
            follows_me,
            blocked,
        )

    # Whom it is about

    async def _aim(self, me: Member, named: str, rate: RateKind, verb: str) -> str | Refused:
        """The id of whom an act is aimed at, who has an account from now on. Refused: too_often, bad_value,
        no_such_person."""
        refused = self._rated(rate, me)
        if refused is not None:
            return refused
        account = await account_named(self._store, named)
        if isinstance(account, Refused):
            return account
        if account is None:
            name = self._presence.name_of(named)
            if name is None:
                return nobody(named)
            async with self._store.transaction() as connection:
                await accounts.ensure(connection, named, name, self._around.wall_us())
        user = named if account is None else account.user
        if user == me.user:
            return Refused("bad_value", f"{named!r} is you, and nobody can {verb} oneself; name another.")
        theirs = await self._relations.blocked(user, me.user)
        # Whom one has blocked oneself one knows of.
        if theirs and not await self._relations.blocked(me.user, user):
            return nobody(named)
        return user

    def _rated(self, kind: RateKind, me: Member) -> Refused | None:
        allowed = self._around.rates.take(kind, me.user, self._around.clock_us())
        return allowed if isinstance(allowed, Refused) else None

    def _tell_follow(self, follower: str, followed: str, on: bool) -> None:
        for listener in self._listeners:
            listener.follow_changed(follower, followed, on)

    def _tell_block(self, blocker: str, user: str, on: bool) -> None:
        for listener in self._listeners:
            listener.block_changed(blocker, user, on)


async def account_named(store: Store, named: str) -> Account | Refused | None:
    """Whose id or @handle this is; None for an id without an account. Refused: bad_value, no_such_person."""
    if not named.startswith("@"):
        async with store.transaction() as connection:
            return await accounts.get(connection, named)
    handle = normalise(named[1:])
    if isinstance(handle, Refused):
        return handle
    async with store.transaction() as connection:
        found = await accounts.with_handle(connection, handle)
    return nobody(named) if found is None else found


def nobody(named: str) -> Refused:
    """Nobody has this id or handle, or they have blocked whoever asks."""
    return Refused("no_such_person", f"Nobody here is {named!r}; give the id of a user, or a @handle.")


def _kept_elsewhere() -> Refused:
    return Refused(
        "not_permitted",
        "Who follows whom is kept by the application that runs this server; follow people there.",
    )


def _too_many(many: int, verb: str, limit: int, remedy: str) -> Refused:
    return Refused(
        "too_many_follows", f"You {verb} {many} people and {limit} is the limit; {remedy} somebody first."
    )
