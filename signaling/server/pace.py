"""Pace: how often one person may act, and all people in one Space together."""

from __future__ import annotations

from collections.abc import Mapping

from signaling.config import TalkConfig
from signaling.protocol import messages as wire
from signaling.rules import Refused
from signaling.rules.rates import Bucket, Rate, Rates
from signaling.server.session import Member
from signaling.server.verbs import VERBS

__all__ = ["Pace"]

_BURST_S = 2  # what may come at once is what may come in so long


class Pace:
    """**Each post goes to everybody in the Space, and each note to every host: both have a rate of their own
    there**, whoever writes. `rates` counts each person, in all Spaces."""

    __slots__ = ("_limits", "_rates", "_shared")

    def __init__(self, rates: Rates, talk: TalkConfig) -> None:
        self._rates = rates
        self._limits: Mapping[type[wire.Request], int] = {
            wire.Post: talk.space_posts_per_s,
            wire.Note: talk.space_notes_per_s,
        }
        self._shared = {
            kind: Bucket(Rate.per_second(per_s, _BURST_S * per_s)) for kind, per_s in self._limits.items()
        }

    def of_person(self, member: Member, request: wire.Request, now_us: int) -> Refused | None:
        """Count a request of somebody, or say when to try again; a service acts as often as it has to.

        Refused: too_often.
        """
        verb = VERBS.get(type(request))
        if verb is None or verb.counted is None or member.is_service:
            return None
        allowed = self._rates.take(verb.counted, member.user, now_us)
        return allowed if isinstance(allowed, Refused) else None

    def of_space(self, request: wire.Request, now_us: int) -> Refused | None:
        """Count a request that the rules allow. Refused: too_often."""
        bucket = self._shared.get(type(request))
        if bucket is None or bucket.take(now_us):
            return None
        wait_ms = bucket.wait_ms(now_us)
        return Refused(
            "too_often",
            f"People here write more than {self._limits[type(request)]} of these a second together, which is "
            f"the limit; try again in {wait_ms / 1_000:g} s.",
            wait_ms,
        )
