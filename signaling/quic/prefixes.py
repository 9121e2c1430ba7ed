"""Prefixes: the part of an address that one operator of a network owns, by which strangers are counted."""

from __future__ import annotations

import socket

__all__ = ["V4_BITS", "V6_BITS", "prefix_of"]

V4_BITS = 24
"""A /24 is what networks of IPv4 are handed on in; single addresses of one are easily changed."""
V6_BITS = 56
"""What a household is given. Whoever has one may use any address in it, so a /64 would count nothing."""

_MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address as a socket of both families names it, RFC 4291 2.5.5.2


def prefix_of(host: str, v4_bits: int = V4_BITS, v6_bits: int = V6_BITS) -> bytes:
    """The first bits of an address and its family; the same for all that share them.

    Whatever is no address of either family, such as an unknown one, is counted together.
    """
    try:
        packed = socket.inet_pton(socket.AF_INET, host)
    except OSError:
        try:
            packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
        except OSError:
            return b""
        if packed.startswith(_MAPPED):
            packed = packed[len(_MAPPED) :]
    bits = v4_bits if len(packed) == 4 else v6_bits
    rest = 8 * len(packed) - bits
    number = int.from_bytes(packed) >> rest << rest
    return bytes((len(packed),)) + number.to_bytes(len(packed))
