"""Terms of sale: their bounds, who may sell, when they may change, and who gets past the doors.

A Space is ticketed when it has `Terms`. They are set while it is scheduled and fixed by the first sale.
What a buyer does with them is in `holds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from signaling.rules.money import AMOUNT_DIGITS, Currency, format_amount
from signaling.rules.permissions import ALLOWED, Allowed, Refused
from signaling.rules.roles import Standing, State
from signaling.rules.sale_limits import SaleLimits, SellGate, span


@dataclass(frozen=True, slots=True)
class Terms:
    """What is sold: `capacity` tickets at `price_minor`, from `sale_from_us` until before `sale_until_us`.

    `promised_us` is the length of the Space by which it is measured whether it broke off. 0 for a time of the
    window means: from now on, until the promised end. `currency` is a code; "" means that of the deployment.
    """

    price_minor: int
    capacity: int
    promised_us: int
    currency: str = ""
    sale_from_us: int = 0
    sale_until_us: int = 0


@dataclass(frozen=True, slots=True)
class SellerFacts:
    """What the gate asks of a host. `account_created_us` is None where it is not known."""

    followers: int
    account_created_us: int | None
    hosted_lately: int
    verified_account: bool


@dataclass(frozen=True, slots=True)
class OnSale:
    """A Space as the rules of sale see it at one moment.

    `host` is who sells. `terms` None: not ticketed. `held` and `sold` are the seats taken now, `waiting` is
    how many wait for one without an offer; `ever_sold` is whether a ticket was ever sold, also if it was
    refunded since.
    """

    space: bytes
    host: str
    state: State
    starts_us: int
    terms: Terms | None = None
    held: int = 0
    sold: int = 0
    waiting: int = 0
    ever_sold: bool = False

    @property
    def free(self) -> int:
        """Seats that nobody holds."""
        return 0 if self.terms is None else max(0, self.terms.capacity - self.held - self.sold)


class TicketState(StrEnum):
    """What became of a ticket. REVOKED: its holder was removed for cause, without a refund."""

    VALID = "valid"
    REFUNDED = "refunded"
    REVOKED = "revoked"


def may_sell(facts: SellerFacts, gate: SellGate, now_us: int) -> Allowed | Refused:
    """Decide whether a host may sell. Refused: not_eligible_to_sell, naming all that is missing, each with
    the number needed and the number held; with the time to wait where only the account is too young."""
    missing = []
    wait_us = 0
    if facts.followers < gate.min_followers:
        missing.append(f"{gate.min_followers} followers (you have {facts.followers})")
    if gate.min_account_age_us:
        needed = span(gate.min_account_age_us)
        if facts.account_created_us is None:
            missing.append(f"an account {needed} old (the age of yours is not known)")
        else:
            age_us = max(0, now_us - facts.account_created_us)
            wait_us = gate.min_account_age_us - age_us
            if wait_us > 0:
                missing.append(f"an account {needed} old (yours is {span(age_us)})")
    if facts.hosted_lately < gate.min_hosted:
        within = span(gate.hosted_within_us)
        missing.append(f"{gate.min_hosted} Spaces hosted within {within} (you have {facts.hosted_lately})")
    if gate.verified_account and not facts.verified_account:
        missing.append("1 verified payout account (you have 0)")
    if not missing:
        return ALLOWED
    only_young = len(missing) == 1 and wait_us > 0
    return Refused(
        "not_eligible_to_sell",
        f"Selling tickets needs {', '.join(missing)}; come back with what is missing.",
        min(-(-wait_us // 1_000), 0xFFFF_FFFF) if only_young else 0,
    )


def set_terms(on_sale: OnSale, actor: str, terms: Terms, now_us: int, limits: SaleLimits) -> Terms | Refused:
    """The terms as they are from now on, with what was left open filled in.

    Whether the host may sell at all, `may_sell` decides. Refused: not_planned (not scheduled),
    not_permitted (not the host, or a ticket was sold), busy (seats are on hold at the terms as they were),
    bad_price, bad_value, bad_time.
    """
    refused = _fixed(on_sale, actor, limits)
    if refused is not None:
        return refused
    for refused in (_wrong_price(terms, limits), _wrong_size(terms, limits)):
        if refused is not None:
            return refused
    ends_us = on_sale.starts_us + terms.promised_us
    from_us = terms.sale_from_us or now_us
    kept = on_sale.terms
    if kept is not None and terms.sale_from_us == kept.sale_from_us:
        from_us = kept.sale_from_us  # it may lie in the past, for the sale is on
    elif from_us < now_us:
        return Refused(
            "bad_time", f"The sale would begin {span(now_us - from_us)} ago and now is the earliest; use 0."
        )
    until_us = terms.sale_until_us or ends_us
    if not max(from_us, now_us) < until_us <= ends_us:
        return Refused(
            "bad_time",
            f"The sale would end {span(until_us - now_us)} from now; end it after it begins and at most "
            f"{span(ends_us - now_us)} from now, when the promised length is over.",
        )
    return Terms(
        terms.price_minor, terms.capacity, terms.promised_us, limits.currency.code, from_us, until_us
    )


def may_reschedule(on_sale: OnSale, limits: SaleLimits) -> Allowed | Refused:
    """Whether its plan may move: not once a ticket was sold. Refused: not_permitted, busy while seats are
    on hold. The sale window stays as it is; `set_terms` moves it."""
    if on_sale.terms is None:
        return ALLOWED
    return _sold_or_held(on_sale, limits, "its time") or ALLOWED


def free_of_charge(standing: Standing, invited: bool) -> bool:
    """Whether they need no ticket and use up no capacity: hosts, and whom a host invited to speak.

    `standing` as it is or, before the Space is live, will be; who speaks because they asked has a ticket.
    """
    return standing in (Standing.HOST, Standing.CO_HOST) or invited


def may_enter(
    on_sale: OnSale, standing: Standing, invited: bool, ticket: TicketState | None
) -> Allowed | Refused:
    """Decide at join, resume and peek, after bans, blocks and whether the Space is live were asked.

    Also services need a ticket to listen. Refused: ticket_required.
    """
    if on_sale.terms is None or free_of_charge(standing, invited) or ticket is TicketState.VALID:
        return ALLOWED
    if ticket is TicketState.REFUNDED:
        why = "your ticket was refunded"
    elif ticket is TicketState.REVOKED:
        why = "your ticket was revoked when you were removed"
    else:
        why = "you hold none"
    return Refused("ticket_required", f"This Space needs 1 ticket and {why}; buy one to come in.")


def sale_open(on_sale: OnSale, now_us: int) -> Terms | Refused:
    """The terms if tickets are sold now. Refused: not_for_sale (no terms), sale_closed (over, not yet with
    the time to wait, no longer, or the Space is)."""
    terms = on_sale.terms
    if terms is None:
        return Refused(
            "not_for_sale", "This Space sells no tickets, 0 are for sale; join it when it is live."
        )
    if on_sale.state not in (State.SCHEDULED, State.LIVE):
        return Refused("sale_closed", f"This Space is {on_sale.state} and sells no more; choose another.")
    if now_us < terms.sale_from_us:
        wait_us = terms.sale_from_us - now_us
        return Refused(
            "sale_closed",
            f"The sale begins in {span(wait_us)}; come back then.",
            min(-(-wait_us // 1_000), 0xFFFF_FFFF),
        )
    if now_us >= terms.sale_until_us:
        late = span(now_us - terms.sale_until_us)
        return Refused("sale_closed", f"The sale ended {late} ago; choose another Space.")
    return terms


def _fixed(on_sale: OnSale, actor: str, limits: SaleLimits) -> Refused | None:
    if actor != on_sale.host:
        return Refused("not_permitted", "Tickets are sold by the host only, and you are not; ask the host.")
    if on_sale.state is not State.SCHEDULED:
        return Refused(
            "not_planned",
            f"This Space is {on_sale.state.replace('_', ' ')} and terms of sale are set before it goes live; "
            "schedule another.",
        )
    return None if on_sale.terms is None else _sold_or_held(on_sale, limits, "the terms")


def _sold_or_held(on_sale: OnSale, limits: SaleLimits, what: str) -> Refused | None:
    if on_sale.ever_sold or on_sale.sold:
        return Refused(
            "not_permitted",
            f"Tickets were sold, {on_sale.sold} of them are good now, and that fixes {what}; "
            "cancel it, which refunds them, and schedule another.",
        )
    if on_sale.held:
        return Refused(
            "busy",
            f"{on_sale.held} seats are on hold and 0 is the limit for a change of {what}; try again when "
            "they were bought or have lapsed.",
            limits.hold_us // 1_000,
        )
    return None


def _wrong_price(terms: Terms, limits: SaleLimits) -> Refused | None:
    settled_in = limits.currency
    if terms.currency not in ("", settled_in.code):
        return Refused(
            "bad_price",
            f"The price is in {terms.currency[:16]!r} and this server settles in {settled_in.code} only; "
            "name the price in that.",
        )
    if not limits.price_least_minor <= terms.price_minor <= limits.price_most_minor:
        return Refused(
            "bad_price",
            f"The price is {_amount(terms.price_minor, settled_in)} and the limits are "
            f"{format_amount(limits.price_least_minor, settled_in)} to "
            f"{format_amount(limits.price_most_minor, settled_in)}; choose one of these.",
        )
    return None


def _wrong_size(terms: Terms, limits: SaleLimits) -> Refused | None:
    if not 1 <= terms.capacity <= limits.people:
        return Refused(
            "bad_value",
            f"{terms.capacity} tickets are for sale and the limits are 1 to {limits.people}; choose a number "
            "of these.",
        )
    if not limits.promised_least_us <= terms.promised_us <= limits.promised_most_us:
        return Refused(
            "bad_value",
            f"The promised length is {span(terms.promised_us)} and the limits are "
            f"{span(limits.promised_least_us)} to {span(limits.promised_most_us)}; choose one of these.",
        )
    return None


def _amount(amount_minor: int, settled_in: Currency) -> str:
    return (
        format_amount(amount_minor, settled_in)
        if abs(amount_minor) < 10**AMOUNT_DIGITS
        else "out of all bounds"
    )
