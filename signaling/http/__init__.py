"""HTTP around the server: webhooks out, and what a receiver needs to check them.

This much needs nothing but the standard library: a receiver imports `verify` and no server.
"""

from __future__ import annotations

from signaling.http.signature import TOLERANCE_S, SignatureError, sign, verify

__all__ = ["TOLERANCE_S", "SignatureError", "sign", "verify"]
