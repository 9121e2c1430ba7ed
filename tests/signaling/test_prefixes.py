"""Prefixes: who is counted together at the gate."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.quic.prefixes import V4_BITS, V6_BITS, prefix_of


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("203.0.113.0", "203.0.113.255", True),
        ("203.0.113.255", "203.0.114.0", False),
        ("2001:db8:0:ff00::1", "2001:db8:0:ffff:ffff::9", True),
        ("2001:db8:0:ff00::1", "2001:db8:0:fe00::1", False),
        ("::ffff:203.0.113.9", "203.0.113.10", True),  # as a socket of both families names it
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("not an address", "nor this", True),
        ("0.0.0.1", "::1", False),
    ],
)
def test_who_is_counted_together(one: str, other: str, together: bool) -> None:
    assert (prefix_of(one) == prefix_of(other)) is together


@given(st.ip_addresses(), st.integers(8, 32), st.integers(16, 128))
def test_it_is_the_network_of_that_size(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, v4_bits: int, v6_bits: int
) -> None:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    plain = mapped or address
    network = ipaddress.ip_network((plain, v4_bits if plain.version == 4 else v6_bits), strict=False)
    assert prefix_of(str(address), v4_bits, v6_bits)[1:] == network.network_address.packed
    assert (V4_BITS, V6_BITS) == (24, 56)


@given(st.text(max_size=40))
def test_whatever_text_there_is_has_a_prefix(text: str) -> None:
    assert isinstance(prefix_of(text), bytes)
