"""How a request that has to wait for something is answered: one coroutine, one error boundary, one answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Refused
from signaling.server.aside import Asker
from signaling.server.counts import Counts
from signaling.server.relations import GraphError
from signaling.server.session import Member, Session
from signaling.store import StoreError

__all__ = ["BESIDE", "BUSY_RETRY_MS", "Answer", "Attendant", "Handler", "Part", "answer", "refuse"]

log = logging.getLogger(__name__)

BUSY_RETRY_MS = 500

BESIDE: Final[frozenset[type[wire.Request]]] = frozenset(
    {wire.Buy, wire.Sell, wire.Refund, wire.PayOut, wire.GetPayoutAccount}
)
"""Requests that may wait for the payment provider: those after them do not wait for it too."""

Answer: TypeAlias = wire.Reply | Refused
Handler: TypeAlias = Callable[[Session, Member, Any], Awaitable[Answer]]
"""Carries out one request of somebody known. It may raise: then the request is answered for it."""


class Part(Protocol):
    """Something of the server's that carries out requests beyond one Space."""

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """What it carries out."""


class Attendant(Protocol):
    """Told who comes and goes."""

    def came(self, session: Session) -> None:
        """Somebody is known over this connection."""

    def gone(self, session: Session) -> None:
        """The connection is over; also of somebody who never came."""


async def answer(
    session: Session, request: wire.Request, handler: Handler, counts: Counts, asker: Asker | None = None
) -> None:
    """Have one request carried out and answer it, whatever happens: to `asker`, else to the session.

    `busy` where the store says so, `internal` where it or the handler fails; a fault of ours is raised after
    that.
    """
    asker = asker or session
    if session.member is None:
        asker.refuse(ErrorCode.not_authenticated, "say hello first, and wait for welcome")
        return
    try:
        answered = await handler(session, session.member, request)
    except GraphError as error:
        refuse(asker, error.refused)
        return
    except StoreError as error:
        counts.store_failures += 1
        if error.code == "busy":
            asker.refuse(ErrorCode.busy, error.message, BUSY_RETRY_MS)
            return
        log.error("the store refused %s: %s", type(request).__name__, error)
        asker.refuse(ErrorCode.internal, "the store failed and nothing was changed; try again later")
        return
    except Exception:
        asker.refuse(ErrorCode.internal, "the server failed at this request; try again later")
        raise
    if isinstance(answered, Refused):
        refuse(asker, answered)
    else:
        asker.reply(answered)


def refuse(asker: Asker, refused: Refused) -> None:
    """Answer with what the rules, or one of us, refused."""
    asker.refuse(ErrorCode[refused.code], refused.message, refused.retry_after_ms)
