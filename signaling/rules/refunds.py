"""Refunds: what is owed for which reason, how much each party gives back, and who bears the kept fees."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from signaling.rules.holds import no_such_ticket
from signaling.rules.money import format_amount
from signaling.rules.permissions import Refused
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import TicketState


class RefundReason(StrEnum):
    """Why money goes back to a buyer.

    BROKE_OFF: the host ended it, or did not come back; CUT_OFF: the server failed. NO_SEAT: the payment came
    after its hold lapsed and no seat was free. GIVEN: the host wants to.
    """

    HOST_CANCELLED = "host_cancelled"
    HOST_ABSENT = "host_absent"
    PLATFORM_ENDED = "platform_ended"
    BROKE_OFF = "broke_off"
    CUT_OFF = "cut_off"
    REMOVED = "removed"
    GIVEN = "given"
    NO_SEAT = "no_seat"


BORNE_BY_HOST: Final = frozenset(
    {
        RefundReason.HOST_CANCELLED,
        RefundReason.HOST_ABSENT,
        RefundReason.BROKE_OFF,
        RefundReason.REMOVED,
        RefundReason.GIVEN,
    }
)
"""Reasons that the host caused: fees that the provider keeps are the host's cost, else the platform's."""

BY_DELIVERY: Final = frozenset({RefundReason.BROKE_OFF, RefundReason.CUT_OFF})
"""Reasons for which what was delivered is kept; for all others but GIVEN the whole amount goes back."""


class RefundState(StrEnum):
    """OWED: decided and booked, not confirmed by the provider. It stays owed until it is paid."""

    OWED = "owed"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund of a sale: a row of the store. `refund` is random and the key at the provider.

    `fee_returned_minor`: what of its fee the provider gave back with it. `note`: what the host said to it.
    """

    refund: bytes
    sale: bytes
    amount_minor: int
    reason: RefundReason
    at_us: int
    state: RefundState = RefundState.OWED
    fee_returned_minor: int = 0
    note: str = ""

    @property
    def by_host(self) -> bool:
        """Whether the host caused it."""
        return self.reason in BORNE_BY_HOST


class Parts(NamedTuple):
    """What each party gives back of what the buyer got, and who bears the part that is the provider's fee.

    `host + platform + fee` is what was returned; `fee == fee_of_host + fee_of_platform`. What the provider
    gave back of its fee is not deducted.
    """

    host_minor: int
    platform_minor: int
    fee_minor: int
    fee_of_host_minor: int
    fee_of_platform_minor: int


def undelivered_minor(amount_minor: int, promised_us: int, delivered_us: int) -> int:
    """amount × (promised − delivered) / promised, rounded up to the minor unit; 0 to the amount."""
    missing_us = min(promised_us, max(0, promised_us - delivered_us))
    return -(-amount_minor * missing_us // promised_us)


def due_minor(sale: Sale, reason: RefundReason, broadcast_us: int = 0, delivered_us: int = 0) -> int:
    """What `sale` owes its buyer in all for this reason; what was returned before counts towards it.

    `broadcast_us`: how long the Space was on air. Where that reached the promised length nothing broke off.
    `delivered_us`: what of it counts as delivered to this ticket, time away included, at most `broadcast_us`.
    Asked again it answers 0 for what was booked, so that a crash in between refunds nothing twice. Who was
    removed for cause is owed nothing; the host may still give.
    """
    for_cause = sale.ticket is TicketState.REVOKED and not sale.disputed
    if sale.state is not SaleState.SOLD or for_cause or reason is RefundReason.GIVEN:
        return 0
    if reason in BY_DELIVERY:
        if broadcast_us >= sale.promised_us:
            return 0
        in_all = undelivered_minor(sale.amount_minor, sale.promised_us, min(delivered_us, broadcast_us))
    else:
        in_all = sale.amount_minor
    return max(0, in_all - sale.returned_minor)


def asked(sale: Sale, actor: str, amount_minor: int, limits: SaleLimits) -> int | Refused:
    """The amount that the host gives back on request; 0 asks for all that is left.

    Refused: no_such_ticket (not sold, or another host's), bad_value (negative), refund_too_large.
    """
    if sale.state is not SaleState.SOLD or actor != sale.host:
        return no_such_ticket()
    left = sale.refundable_minor
    settled_in = limits.currency
    if amount_minor < 0:
        return Refused("bad_value", "The refund is less than 0; name 0 for all that is left, or an amount.")
    if amount_minor > left or not left:
        shown = format_amount(amount_minor, settled_in) if amount_minor else "all that is left"
        return Refused(
            "refund_too_large",
            f"A refund of {shown} is asked for, {format_amount(sale.returned_minor, settled_in)} of "
            f"{format_amount(sale.amount_minor, settled_in)} went back already and "
            f"{format_amount(left, settled_in)} is the limit; ask for no more than that.",
        )
    return amount_minor or left


def parts(sale: Sale) -> Parts:
    """Who gives back what of `sale.returned_minor`: a function of sums, so n refunds round as one does.

    First the fee's part, `fee × returned // amount`; of the rest the host's, `rest × host // net`, and the
    platform gives what remains. Each grows with what is returned and ends at what was stored with the sale.
    All 0 while the fee is not known: then nothing is split yet.
    """
    fee = sale.fee_minor
    if fee is None:
        return Parts(0, 0, 0, 0, 0)
    returned, amount = sale.returned_minor, sale.amount_minor
    fee_back = fee * returned // amount
    net, net_back = amount - fee, returned - fee_back
    host_back = net_back * sale.host_minor // net if net > 0 else 0
    fee_of_host = fee * sale.refunded_by_host_minor // amount
    return Parts(host_back, net_back - host_back, fee_back, fee_of_host, fee_back - fee_of_host)


def lifetime_minor(sale: Sale) -> int:
    """What a sale counts in its host's lifetime revenue: its net less what of that was returned; 0 until the
    fee is known. Sandbox sales count among themselves."""
    if sale.fee_minor is None:
        return 0
    back = parts(sale)
    return max(0, sale.amount_minor - sale.fee_minor) - max(0, back.host_minor + back.platform_minor)


def no_show_due_us(starts_us: int, limits: SaleLimits) -> int:
    """When a ticketed Space that has not gone live, with its host in it, is cancelled and refunded."""
    return starts_us + limits.no_show_us


def is_no_show(starts_us: int, appeared_us: int | None, now_us: int, limits: SaleLimits) -> bool:
    """Whether the host did not come in time; `appeared_us` is when they were first on air, None for never."""
    due_us = no_show_due_us(starts_us, limits)
    return now_us >= due_us and (appeared_us is None or appeared_us >= due_us)
