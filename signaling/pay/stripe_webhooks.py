"""Stripe's webhooks: believed only with its signature, which is checked before a byte is parsed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from stripe import SignatureVerificationError, WebhookSignature

from signaling.pay.provider import WEBHOOK_TOLERANCE_S, ProviderEvent, WebhookRefused
from signaling.pay.stripe_objects import subject_of

__all__ = ["read_event"]

_HEADER = "stripe-signature"


def read_event(
    headers: Mapping[str, str], body: bytes, now_s: float, *, secret: str, is_live: bool
) -> ProviderEvent | None:
    """What a webhook tells, None where it is nothing of ours. As `Provider.read_webhook`.

    is_live: whether our key is; an event of the other mode is refused, whoever signed it.
    """
    _check_signature(headers, body, now_s, secret)
    try:
        event = json.loads(body)
        if event["livemode"] is not is_live:
            raise WebhookRefused(
                "wrong_mode",
                f"the webhook says livemode {event['livemode'] is True} and the key {is_live}; "
                "check the endpoint",
            )
        subject = subject_of(event["type"], event["data"]["object"])
        return None if subject is None else ProviderEvent(str(event["id"]), int(event["created"]), subject)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WebhookRefused(
            "bad_body", f"the webhook has not the shape of an event: {type(error).__name__}"
        ) from None


def _check_signature(headers: Mapping[str, str], body: bytes, now_s: float, secret: str) -> None:
    given = {name.lower(): value for name, value in headers.items()}.get(_HEADER, "")
    if not given or not given.isascii():
        raise WebhookRefused("header_missing", "the header Stripe-Signature is missing, or not ASCII")
    try:
        # Its own check of the time asks the machine's clock, and looks only into the past: ours is below.
        WebhookSignature.verify_header(body, given, secret, tolerance=None)
    except (SignatureVerificationError, ValueError, OverflowError):
        raise WebhookRefused(
            "wrong_signature", "Stripe-Signature does not match the body; check pay.webhook_secret"
        ) from None
    # The same reading of it as the library's, whose signature covers this number.
    stamp = next(words[1] for words in (part.split("=") for part in given.split(",")) if words[0] == "t")
    age_s = now_s - int(stamp)
    if abs(age_s) > WEBHOOK_TOLERANCE_S:
        raise WebhookRefused(
            "too_old", f"the webhook was signed {age_s:.0f} s ago and {WEBHOOK_TOLERANCE_S} s is the limit"
        )
