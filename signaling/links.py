"""Links to a Space as text: `spaces://host:port/ID` to listen, with `?speak=SECRET` to speak.

ID and SECRET are 32 hexadecimal digits each. The form to speak is a secret: whoever has the text may use it,
once. docs/protocol.md, "Links".
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final

__all__ = ["DEFAULT_PORT", "LINK_CHARS", "SECRET_BYTES", "Link", "LinkError", "digest_of", "parse_link"]

DEFAULT_PORT: Final = 4433
LINK_CHARS: Final = 400
"""A longer text is no link."""
SECRET_BYTES: Final = 16
_ID_BYTES: Final = 16
_ADDRESS_CHARS: Final = 255
_SHOWN_CHARS: Final = 60
_PORT_MAX: Final = 65_535

# Letters, digits, dots and hyphens of ASCII: a name in another script is written as punycode in a link, so
# that two names which look alike are two texts.
_FORM: Final = re.compile(
    r"spaces://(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z](?:[0-9A-Za-z._-]*[0-9A-Za-z])?)(?::(?P<port>[0-9]{1,5}))?"
    r"/(?P<space>[0-9A-Fa-f]{32})/?(?:\?speak=(?P<speak>[0-9A-Fa-f]{32}))?",
    re.IGNORECASE | re.ASCII,  # without ASCII the Kelvin sign is a k
)


class LinkError(ValueError):
    """The text is no link to a Space; the message says what is wrong with it, never the secret in it."""

    code = "bad_value"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a Space is. `speak` is the secret of a link that lets its holder speak; empty in one to listen.

    `address` is `host:port`, an IPv6 host in brackets. `str(link)` is the text. LinkError for parts that make
    none.
    """

    address: str
    space: bytes
    speak: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if len(self.space) != _ID_BYTES:
            raise LinkError(f"a Space id has {len(self.space)} bytes, {_ID_BYTES} is right; give it these")
        if len(self.speak) not in (0, SECRET_BYTES):
            raise LinkError(
                f"the secret of a link has {len(self.speak)} bytes, {SECRET_BYTES} is right; give it these"
            )
        if len(self.address) > _ADDRESS_CHARS:
            raise LinkError(
                f"the address has {len(self.address)} characters, {_ADDRESS_CHARS} is the limit; shorten it"
            )
        found = _FORM.fullmatch(f"spaces://{self.address}/{self.space.hex()}")
        if found is None or found["port"] is None:
            raise LinkError(f"{self.address[:_SHOWN_CHARS]!r} is no address; write host:port")
        _check_host(found["host"])
        _port(found["port"])

    def __str__(self) -> str:
        text = f"spaces://{self.address}/{self.space.hex()}"
        return f"{text}?speak={self.speak.hex()}" if self.speak else text


def parse_link(text: str) -> Link:
    """Read a link. A port that is left out is 4433. Raises LinkError for anything that is none."""
    if len(text) > LINK_CHARS:
        raise LinkError(f"the link has {len(text)} characters, {LINK_CHARS} is the limit; copy it again")
    found = _FORM.fullmatch(text.strip())
    if found is None:
        shown = text.strip().partition("?")[0][:_SHOWN_CHARS]
        raise LinkError(
            f"{shown!r} is no link to a Space; write spaces://host:port/ID, where ID is 32 hexadecimal digits"
        )
    _check_host(found["host"])
    address = f"{found['host'].lower()}:{_port(found['port'] or str(DEFAULT_PORT))}"
    return Link(address, bytes.fromhex(found["space"]), bytes.fromhex(found["speak"] or ""))


def digest_of(secret: bytes) -> bytes:
    """What a server keeps of a link's secret: SHA-256. The secret has 128 random bits and needs no salt."""
    return hashlib.sha256(secret).digest()


def _check_host(host: str) -> None:
    if not host.startswith("["):
        return
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        raise LinkError(f"{host!r} is no IPv6 address; write it in brackets, as in [::1]") from None


def _port(digits: str) -> int:
    port = int(digits)
    if not 1 <= port <= _PORT_MAX:
        raise LinkError(f"the port is {port}, 1 to {_PORT_MAX} is the range; copy the link again")
    return port
