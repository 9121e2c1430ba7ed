"""The rows and snapshots of the protocol, made from a Space's state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from signaling.protocol.messages import (
    Joined,
    LiveSpace,
    NoteRow,
    People,
    Person,
    PinRow,
    PostRow,
    PriceRow,
    SpaceSettings,
    StageSeat,
)
from signaling.protocol.wire import QUEUE_ROWS_BYTES, fit_rows
from signaling.rules import Note, Pin, Post, Role, Settings, SpaceState
from signaling.rules.money import Price, currency

__all__ = [
    "joined",
    "live_row",
    "note_row",
    "people_page",
    "pin_rows",
    "post_row",
    "price_row",
    "queue_rows",
    "settings_row",
    "stage_rows",
]

_MS_US = 1_000


def stage_rows(state: SpaceState) -> list[StageSeat]:
    """Everybody on stage, in order of seat."""
    return [
        StageSeat(
            place.seat,
            place.user,
            place.name,
            int(place.role),
            place.muted,
            place.held,
            place.volume_pct,
            place.absent,
        )
        for place in sorted(state.stage())
    ]


def live_row(state: SpaceState) -> LiveSpace:
    """A Space as the list of live ones shows it."""
    return LiveSpace(
        state.space,
        state.title,
        state.host_name,
        state.people_count,
        state.host,
        list(state.settings.topics),
        len(state.on_stage),
        state.settings.kind,
        price_row(state.price),
    )


def price_row(price: Price | None) -> PriceRow | None:
    """What a ticket costs, if one is needed."""
    if price is None:
        return None
    return PriceRow(price.amount_minor, price.currency, currency(price.currency).exponent)


def queue_rows(state: SpaceState, beside: Sequence[Struct] = ()) -> list[Person]:
    """Who asks to speak, in the order of places, as many as fit, also beside a stage."""
    return fit_rows([Person(user, name) for user, name in state.queue()], QUEUE_ROWS_BYTES, beside=beside)


def settings_row(settings: Settings) -> SpaceSettings:
    """What hosts set."""
    return SpaceSettings(
        settings.title,
        list(settings.topics),
        int(settings.who_may_speak),
        int(settings.queue_order),
        settings.locked,
        settings.kind,
    )


def pin_rows(pins: Iterable[Pin]) -> list[PinRow]:
    """What is pinned."""
    return [PinRow(pin.pin, pin.text, pin.user, pin.at_us // _MS_US) for pin in pins]


def post_row(post: Post) -> PostRow:
    """One post."""
    return PostRow(post.post, post.user, post.name, post.text, post.at_us // _MS_US, post.reply_to)


def note_row(note: Note) -> NoteRow:
    """One note to the hosts."""
    return NoteRow(note.note, note.user, note.name, note.text, note.at_us // _MS_US)


def joined(state: SpaceState, request_id: int, user: str, serial: int) -> Joined:
    """The Space as `user`, who is inside or oversees it, finds it at event number `serial`."""
    stage = stage_rows(state)
    settings = settings_row(state.settings)
    pins = pin_rows(state.pins)
    return Joined(
        request_id,
        state.space,
        state.title,
        int(state.role_of(user) or Role.LISTENER),
        state.seat_of(user),
        serial,
        stage,
        queue_rows(state, beside=[*stage, settings, *pins]),
        state.audience_count,
        len(state.asks),
        state.host,
        settings,
        pins,
        state.limits.resume_us // _MS_US,
        user in state.invites,
        price_row(state.price),
    )


def people_page(state: SpaceState, request_id: int, after: str, limit: int) -> People:
    """One page of who is inside, in order of user id."""
    wanted = [Person(user, name) for user, name in state.people(after, limit + 1)]
    rows = fit_rows(wanted[:limit])
    more = rows[-1].user if rows and len(wanted) > len(rows) else ""
    return People(request_id, rows, more)
