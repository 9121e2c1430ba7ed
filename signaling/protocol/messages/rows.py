"""Rows: arrays without a tag inside messages, alone or in lists."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from signaling.protocol.fields import (
    U8,
    U32,
    AmountMinor,
    Body,
    Currency,
    DurationMs,
    EpochMs,
    Exponent,
    Kind,
    Line,
    Name,
    Percent,
    PinText,
    Reason,
    SaleId,
    SpaceId,
    Title,
    Topics,
    User,
    UserOrNone,
)

__all__ = [
    "MAX_ROWS",
    "AuditRow",
    "AuditRows",
    "Bubble",
    "BubbleRows",
    "LiveRows",
    "LiveSpace",
    "NoteRow",
    "NoteRows",
    "PayoutRow",
    "PayoutRows",
    "Person",
    "PersonRows",
    "PinRow",
    "PinRows",
    "PlannedRows",
    "PlannedSpace",
    "PostRow",
    "PostRows",
    "PriceRow",
    "SpaceSettings",
    "StageRows",
    "StageSeat",
    "TalkerRow",
    "TalkerRows",
    "TermsRow",
    "TicketRow",
    "TicketRows",
]


class StageSeat(Struct, array_like=True, frozen=True):
    """Who holds which seat on stage. `role`: 1 speaker, 2 host, 3 co-host. `seat` is the number in datagrams.

    `held`: a host keeps them muted. `absent`: their connection is lost and the place is kept for a while.
    """

    seat: U8
    user: User
    name: Name
    role: U8
    muted: bool
    held: bool = False
    volume_pct: Percent = 100
    absent: bool = False


class PriceRow(Struct, array_like=True, frozen=True):
    """What a ticket costs, in minor units of the currency."""

    price_minor: AmountMinor
    currency: Currency
    exponent: Exponent


class TalkerRow(Struct, array_like=True, frozen=True):
    """How long somebody was heard in a Space, in how many turns, and whether they are being heard now."""

    user: User
    name: Name
    talk_ms: DurationMs
    turns: U32
    talking: bool = False


class Person(Struct, array_like=True, frozen=True):
    """A person: in the queue, or in a page of people."""

    user: User
    name: Name


class LiveSpace(Struct, array_like=True, frozen=True):
    """A Space that is live now, as `list` answers. `people` counts everybody in it.

    `price`, here and elsewhere: of a ticket, which one needs to get in; None: nobody needs one.
    """

    space: SpaceId
    title: Title
    host_name: Name
    people: U32
    host: UserOrNone = ""
    topics: Topics = []
    on_stage: U8 = 0
    kind: Kind = ""
    price: PriceRow | None = None


class SpaceSettings(Struct, array_like=True, frozen=True):
    """What hosts set. `who_may_speak`: 0 everyone, 1 people the host follows, 2 only invited.

    `queue_order`: 0 first come first, 1 first-time speakers first.
    """

    title: Title
    topics: Topics = []
    who_may_speak: U8 = 0
    queue_order: U8 = 0
    locked: bool = False
    kind: Kind = ""


class Bubble(Struct, array_like=True, frozen=True):
    """A live Space in which somebody one follows is on stage. `known`: who one follows inside, stage first.

    `known_count` counts all of them, `known_on_stage` those on stage.
    """

    space: SpaceId
    title: Title
    host: User
    host_name: Name
    topics: Topics
    known: Annotated[list[Person], Meta(max_length=5)]
    known_count: U32
    known_on_stage: U8
    people: U32
    kind: Kind = ""
    price: PriceRow | None = None


class PlannedSpace(Struct, array_like=True, frozen=True):
    """A Space that is scheduled. `starts_ms`: since the epoch. `reminded`: I asked to be told."""

    space: SpaceId
    title: Title
    host: User
    host_name: Name
    starts_ms: EpochMs
    topics: Topics = []
    kind: Kind = ""
    reminded: bool = False
    reminders: U32 = 0
    price: PriceRow | None = None


class PostRow(Struct, array_like=True, frozen=True):
    """A public post. `post` counts up in a Space; `reply_to` is the number of another, or 0."""

    post: U32
    user: User
    name: Name
    text: Body
    at_ms: EpochMs
    reply_to: U32 = 0


class NoteRow(Struct, array_like=True, frozen=True):
    """A private note to the hosts."""

    note: U32
    user: User
    name: Name
    text: Body
    at_ms: EpochMs


class PinRow(Struct, array_like=True, frozen=True):
    """Something that a host pinned for all to see."""

    pin: U32
    text: PinText
    user: User
    at_ms: EpochMs


class AuditRow(Struct, array_like=True, frozen=True):
    """Who did what to whom, as the host reads it."""

    entry: U32
    at_ms: EpochMs
    actor: UserOrNone
    action: Line
    target: UserOrNone = ""
    detail: Line = ""


class TermsRow(Struct, array_like=True, frozen=True):
    """What a buyer reads. `sold_out`: no seat is free now; one may become free."""

    price_minor: AmountMinor
    currency: Currency
    exponent: Exponent
    capacity: U32
    sold: U32
    sale_from_ms: EpochMs
    sale_until_ms: EpochMs
    promised_ms: DurationMs
    sold_out: bool = False


class TicketRow(Struct, array_like=True, frozen=True):
    """One ticket. `state`: 0 valid, 1 refunded, 2 revoked, 3 the payment is under way, 4 it failed.

    `on_air_ms`: how long its Space was on air when that was last written down, `delivered_ms`: what of that
    counts as delivered to this ticket. `user` and `name`: the holder, for hosts.
    `why`: a word for why money went back, or why the payment failed; `note`: what the host said to it.
    """

    ticket: SaleId
    space: SpaceId
    title: Title
    state: U8
    paid_minor: AmountMinor
    refunded_minor: AmountMinor
    currency: Currency
    bought_ms: EpochMs
    promised_ms: DurationMs
    delivered_ms: DurationMs
    exponent: Exponent
    user: UserOrNone = ""
    name: Name = ""
    on_air_ms: DurationMs = 0
    why: Reason = ""
    note: Reason = ""


class PayoutRow(Struct, array_like=True, frozen=True):
    """Money on its way to a host. `state`: 0 under way, 1 paid, 2 failed; `reason` says why it failed."""

    payout: SaleId
    amount_minor: AmountMinor
    currency: Currency
    exponent: Exponent
    state: U8
    at_ms: EpochMs
    reason: Reason = ""


MAX_ROWS: Final = 100

StageRows = Annotated[list[StageSeat], Meta(max_length=MAX_ROWS)]
TalkerRows = Annotated[list[TalkerRow], Meta(max_length=MAX_ROWS)]
PersonRows = Annotated[list[Person], Meta(max_length=MAX_ROWS)]
LiveRows = Annotated[list[LiveSpace], Meta(max_length=MAX_ROWS)]
BubbleRows = Annotated[list[Bubble], Meta(max_length=MAX_ROWS)]
PlannedRows = Annotated[list[PlannedSpace], Meta(max_length=MAX_ROWS)]
PostRows = Annotated[list[PostRow], Meta(max_length=MAX_ROWS)]
NoteRows = Annotated[list[NoteRow], Meta(max_length=MAX_ROWS)]
PinRows = Annotated[list[PinRow], Meta(max_length=MAX_ROWS)]
AuditRows = Annotated[list[AuditRow], Meta(max_length=MAX_ROWS)]
TicketRows = Annotated[list[TicketRow], Meta(max_length=MAX_ROWS)]
PayoutRows = Annotated[list[PayoutRow], Meta(max_length=MAX_ROWS)]
