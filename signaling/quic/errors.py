"""Errors of the QUIC layer, each with a stable code.

QuicError
├── TooSlow            the peer does not take its control data; close the link
├── CertificateError   a certificate, a key or a pin that cannot be used
├── ConnectError       a connection could not be established; `code` says why
├── ListenError        the server's address could not be bound
└── AioquicError       the installed aioquic is not one this code was tested with
"""

from __future__ import annotations

__all__ = ["AioquicError", "CertificateError", "ConnectError", "ListenError", "QuicError", "TooSlow"]


class QuicError(Exception):
    """Root of everything this layer raises on purpose.

    `code` is a stable word in lower case that programs may compare; the message is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooSlow(QuicError):  # noqa: N818 - it names the peer, as a verdict
    """More control data is unacknowledged than the limit allows; nothing of the new data was queued."""

    def __init__(self, backlog_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            "too_slow",
            f"{backlog_bytes} bytes of control data wait for the peer, more than the {limit_bytes} allowed; "
            "close the connection, the peer may connect again",
        )
        self.backlog_bytes = backlog_bytes
        self.limit_bytes = limit_bytes


class CertificateError(QuicError):
    """A certificate, key or pin that cannot be used.

    Codes: certificate_missing, certificate_unreadable, certificate_expired, certificate_not_yet_valid,
    key_missing, key_unreadable, key_mismatch, key_unsupported, pin_malformed, pin_mismatch.
    """


class ConnectError(QuicError):
    """A connection could not be established.

    Codes: name_not_found, refused, unreachable, server_busy, certificate_not_trusted, certificate_expired,
    certificate_not_yet_valid, pin_mismatch, protocol_mismatch, version_mismatch, closed, network_error.
    """


class ListenError(QuicError):
    """The server's UDP address could not be bound. Codes: port_in_use, address_unusable."""


class AioquicError(QuicError):
    """The installed aioquic is not one whose private state this code knows. Code: aioquic_version."""
