"""Stable numbers of the protocol: error codes, close codes, and for each what a client should do about it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["CLOSE_RETRY", "ERROR_RETRY", "CloseCode", "ErrorCode", "Retry", "close_name", "error_name"]


class ErrorCode(enum.IntEnum):
    """Why a request was refused. The number is on the wire; `.name` is the stable word programs compare."""

    malformed = 1
    too_large = 2
    unknown_message = 3
    not_authenticated = 4
    bad_token = 5
    token_expired = 6
    not_permitted = 7
    no_such_space = 8
    already_in_space = 9
    not_in_space = 10
    no_such_person = 11
    stage_full = 12
    queue_full = 13
    bad_value = 14
    space_ended = 15
    busy = 16
    removed = 17
    already_asked = 18
    not_asked = 19
    wrong_subject = 20
    internal = 21
    too_many_spaces = 22
    already_hosting = 23
    too_few_followers = 24
    account_too_young = 25
    not_listed = 26
    space_locked = 27
    not_invited = 28
    invite_lapsed = 29
    too_often = 30
    held_muted = 31
    no_such_post = 32
    too_many_planned = 33
    bad_time = 34
    handle_taken = 35
    not_planned = 36
    resume_lapsed = 37
    too_many_pins = 38
    too_many_cohosts = 39
    no_such_pin = 40
    too_many_follows = 41
    already_on_stage = 42
    too_many_subscribers = 43
    ticket_required = 44
    no_such_ticket = 45
    no_such_hold = 46
    hold_lapsed = 47
    sold_out = 48
    has_ticket = 49
    hold_open = 50
    hold_too_soon = 51
    sale_closed = 52
    bad_price = 53
    not_eligible_to_sell = 54
    card_declined = 55
    payment_unknown = 56
    key_reused = 57
    refund_too_large = 58
    payout_account_missing = 59
    payout_too_small = 60
    not_for_sale = 61
    selling_off = 62


class CloseCode(enum.IntEnum):
    """Why a connection was closed: the code of the application's CONNECTION_CLOSE (RFC 9000, 19.19)."""

    done = 0x0
    protocol_error = 0x1
    hello_timeout = 0x2
    bad_token = 0x3
    token_expired = 0x4
    removed = 0x5
    replaced = 0x6
    server_stopping = 0x7
    overloaded = 0x8
    too_slow = 0x9
    internal = 0xA


class Retry(enum.StrEnum):
    """What a client does after an error or a close."""

    never = "never"  # the same again fails again: a fault in the program, or a decision that stands
    changed = "changed"  # only after the request, or what it depends on, has changed
    token = "token"  # with a fresh token, at once  # noqa: S105 - a word, not a secret
    later = "later"  # the same again, after the time the server named, else with growing pauses


ERROR_RETRY: Final[Mapping[ErrorCode, Retry]] = MappingProxyType(
    {
        ErrorCode.malformed: Retry.never,
        ErrorCode.too_large: Retry.never,
        ErrorCode.unknown_message: Retry.never,
        ErrorCode.not_authenticated: Retry.changed,
        ErrorCode.bad_token: Retry.token,
        ErrorCode.token_expired: Retry.token,
        ErrorCode.not_permitted: Retry.changed,
        ErrorCode.no_such_space: Retry.changed,
        ErrorCode.already_in_space: Retry.changed,
        ErrorCode.not_in_space: Retry.changed,
        ErrorCode.no_such_person: Retry.changed,
        ErrorCode.stage_full: Retry.changed,
        ErrorCode.queue_full: Retry.later,
        ErrorCode.bad_value: Retry.changed,
        ErrorCode.space_ended: Retry.never,
        ErrorCode.busy: Retry.later,
        ErrorCode.removed: Retry.never,
        ErrorCode.already_asked: Retry.changed,
        ErrorCode.not_asked: Retry.changed,
        ErrorCode.wrong_subject: Retry.token,
        ErrorCode.internal: Retry.later,
        ErrorCode.too_many_spaces: Retry.later,
        ErrorCode.already_hosting: Retry.changed,
        ErrorCode.too_few_followers: Retry.changed,
        ErrorCode.account_too_young: Retry.later,
        ErrorCode.not_listed: Retry.changed,
        ErrorCode.space_locked: Retry.changed,
        ErrorCode.not_invited: Retry.changed,
        ErrorCode.invite_lapsed: Retry.changed,
        ErrorCode.too_often: Retry.later,
        ErrorCode.held_muted: Retry.changed,
        ErrorCode.no_such_post: Retry.changed,
        ErrorCode.too_many_planned: Retry.changed,
        ErrorCode.bad_time: Retry.changed,
        ErrorCode.handle_taken: Retry.changed,
        ErrorCode.not_planned: Retry.changed,
        ErrorCode.resume_lapsed: Retry.changed,
        ErrorCode.too_many_pins: Retry.changed,
        ErrorCode.too_many_cohosts: Retry.changed,
        ErrorCode.no_such_pin: Retry.changed,
        ErrorCode.too_many_follows: Retry.changed,
        ErrorCode.already_on_stage: Retry.changed,
        ErrorCode.too_many_subscribers: Retry.later,
        ErrorCode.ticket_required: Retry.changed,
        ErrorCode.no_such_ticket: Retry.changed,
        ErrorCode.no_such_hold: Retry.changed,
        ErrorCode.hold_lapsed: Retry.changed,
        ErrorCode.sold_out: Retry.changed,
        ErrorCode.has_ticket: Retry.changed,
        ErrorCode.hold_open: Retry.changed,
        ErrorCode.hold_too_soon: Retry.later,
        ErrorCode.sale_closed: Retry.changed,
        ErrorCode.bad_price: Retry.changed,
        ErrorCode.not_eligible_to_sell: Retry.changed,
        ErrorCode.card_declined: Retry.changed,
        ErrorCode.payment_unknown: Retry.later,
        ErrorCode.key_reused: Retry.changed,
        ErrorCode.refund_too_large: Retry.changed,
        ErrorCode.payout_account_missing: Retry.changed,
        ErrorCode.payout_too_small: Retry.changed,
        ErrorCode.not_for_sale: Retry.changed,
        ErrorCode.selling_off: Retry.changed,
    }
)

CLOSE_RETRY: Final[Mapping[CloseCode, Retry]] = MappingProxyType(
    {
        CloseCode.done: Retry.changed,
        CloseCode.protocol_error: Retry.never,
        CloseCode.hello_timeout: Retry.later,
        CloseCode.bad_token: Retry.token,
        CloseCode.token_expired: Retry.token,
        CloseCode.removed: Retry.changed,
        CloseCode.replaced: Retry.never,
        CloseCode.server_stopping: Retry.later,
        CloseCode.overloaded: Retry.later,
        CloseCode.too_slow: Retry.later,
        CloseCode.internal: Retry.later,
    }
)


def error_name(code: int) -> str:
    """The stable word for an error code; a newer peer may send one that we do not know yet."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"unknown_error_{code}"


def close_name(code: int) -> str:
    """The stable word for a close code, or `unknown_close_<number>`."""
    try:
        return CloseCode(code).name
    except ValueError:
        return f"unknown_close_{code}"
