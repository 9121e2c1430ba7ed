"""Errors of the client library. Each has a stable `code`, and most say what to do next in `retry`.

SpacesError
├── ConnectError       no connection was established: address, network, certificate
├── ConnectionClosed   an established connection is over; `retry` and `reconnect_after_ms` say how to go on
├── RequestRefused     the server said no to one request; the connection lives on
│   └── TicketRequired one needs a ticket for this Space; `offer` says at what price
├── TimedOut           no answer to one request in time; whether it was carried out is not known
├── SpaceOver          the Space was left, has ended, or one was removed from it: nothing can be done in it
└── BadAudio           samples or a packet that cannot be sent (also a ValueError)
"""

from __future__ import annotations

from signaling.protocol import CLOSE_RETRY, ERROR_RETRY, CloseCode, ErrorCode, Retry
from signaling.protocol import messages as wire
from signaling.protocol.codes import close_name, error_name
from signaling.protocol.messages import Error
from signaling.quic.events import Cause, Closed

__all__ = [
    "BadAudio",
    "ConnectError",
    "ConnectionClosed",
    "RequestRefused",
    "SpaceOver",
    "SpacesError",
    "TicketRequired",
    "TimedOut",
    "connection_closed",
    "request_refused",
    "ticket_required",
    "too_many_hops",
]


class SpacesError(Exception):
    """Root of everything that this library raises on purpose.

    `code` is a stable word in lower case that programs may compare; the message is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConnectError(SpacesError):
    """No connection was established.

    Codes: bad_address, bad_trust, name_not_found, refused, unreachable, server_busy, closed, network_error,
    certificate_not_trusted, certificate_expired, certificate_not_yet_valid, pin_mismatch, pin_malformed,
    protocol_mismatch, version_mismatch, too_many_hops.
    """


class ConnectionClosed(SpacesError):  # noqa: N818 - it says what has happened
    """An established connection is over.

    `code` is the name of a close code of the protocol (`number` is its number), or one of idle_timeout,
    network_lost, transport_error (`number` is None). `by_server` says who closed; `retry` what to do next,
    not before `reconnect_after_ms`.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        number: int | None = None,
        by_server: bool = False,
        retry: Retry = Retry.later,
        reconnect_after_ms: int = 0,
    ) -> None:
        who = "the server closed the connection" if by_server else "the connection is over"
        super().__init__(code, f"{who}: {code}" + (f" ({reason})" if reason else ""))
        self.reason = reason
        self.number = number
        self.by_server = by_server
        self.retry = retry
        self.reconnect_after_ms = reconnect_after_ms

    def anew(self, *more: str) -> ConnectionClosed:
        """Another one like this, with more said in its reason."""
        return ConnectionClosed(
            self.code,
            "; ".join(filter(None, (self.reason, *more))),
            number=self.number,
            by_server=self.by_server,
            retry=self.retry,
            reconnect_after_ms=self.reconnect_after_ms,
        )


class RequestRefused(SpacesError):  # noqa: N818 - an answer, not a fault
    """The server refused a request and changed nothing. `code` is the name of an error code of the protocol.

    `retry` says what to do next; with `Retry.later` not before `retry_after_ms`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        number: int | None = None,
        retry: Retry = Retry.changed,
        retry_after_ms: int = 0,
    ) -> None:
        super().__init__(code, message or code)
        self.number = number
        self.retry = retry
        self.retry_after_ms = retry_after_ms


class TicketRequired(RequestRefused):
    """One needs a ticket for this Space and has none (code ticket_required).

    `offer` has title, host, time, terms of sale, and one's place on the waiting list.
    """

    def __init__(self, offer: wire.TicketRequired) -> None:
        super().__init__(
            ErrorCode.ticket_required.name,
            f"{offer.title!r} is for holders of tickets and you have none; buy one first",
            number=ErrorCode.ticket_required,
        )
        self.offer = offer


class TimedOut(SpacesError):  # noqa: N818 - it says what has happened
    """No answer came in time (code timed_out). The server may have carried the request out or may yet."""

    def __init__(self, request: str, timeout_s: float) -> None:
        super().__init__(
            "timed_out",
            f"no answer to {request} within {timeout_s:g} s; the connection may be too slow, try again",
        )


class SpaceOver(SpacesError):  # noqa: N818 - it says what has happened
    """Nothing can be done in this Space any more; join it again, or another. Codes: left, removed, ended."""


class BadAudio(SpacesError, ValueError):  # noqa: N818 - it names what was given
    """Samples or an Opus packet that cannot be sent. Codes: bad_pcm, bad_packet."""


def request_refused(error: Error) -> RequestRefused:
    """The exception for an error reply, also for a code that only newer servers know."""
    try:
        retry = ERROR_RETRY[ErrorCode(error.code)]
    except ValueError:
        retry = Retry.later if error.retry_after_ms else Retry.changed
    return RequestRefused(
        error_name(error.code),
        error.message,
        number=error.code,
        retry=retry,
        retry_after_ms=error.retry_after_ms,
    )


def ticket_required(offer: wire.TicketRequired) -> TicketRequired:
    """The exception for the terms of sale in place of what was asked for."""
    return TicketRequired(offer)


def connection_closed(closed: Closed, reconnect_after_ms: int = 0) -> ConnectionClosed:
    """The exception for the end of a link. `reconnect_after_ms` is what the server announced, or 0."""
    if closed.cause is not Cause.APPLICATION:
        code = {Cause.IDLE: "idle_timeout", Cause.SOCKET: "network_lost"}.get(closed.cause, "transport_error")
        return ConnectionClosed(
            code, closed.reason, by_server=closed.by_peer, reconnect_after_ms=reconnect_after_ms
        )
    try:
        retry = CLOSE_RETRY[CloseCode(closed.code)]
    except ValueError:
        retry = Retry.later
    return ConnectionClosed(
        close_name(closed.code),
        closed.reason,
        number=closed.code,
        by_server=closed.by_peer,
        retry=retry,
        reconnect_after_ms=reconnect_after_ms,
    )


def too_many_hops() -> ConnectError:
    """For a Space that each server says is at another one."""
    return ConnectError(
        "too_many_hops", "the Space was still elsewhere after several other servers; try again later"
    )
