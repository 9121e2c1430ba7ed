"""The gate's tokens: who may show them, from where, until when; and that no bytes of strangers pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.quic.address_tokens import KEY_LEAST_BYTES, RETRY_S, RETURN_S, AddressTokens, Proof, new_key

HERE = ("203.0.113.7", 40000)
SAME_HOST = ("203.0.113.7", 40001)
ELSEWHERE = ("198.51.100.9", 40000)
KEY = bytes(range(32))
ORIGINAL, RETRIED = b"ORIGINAL", b"RETRIED!"

addresses = st.one_of(
    st.tuples(st.ip_addresses(v=4).map(str), st.integers(0, 65_535)),
    st.tuples(st.ip_addresses(v=6).map(str), st.integers(0, 65_535), st.just(0), st.just(0)),
)


class Clock:
    """The wall, which a test turns."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


def tokens(key: bytes = KEY, clock: Clock | None = None) -> AddressTokens:
    return AddressTokens(key, clock or Clock())


def test_a_retry_token_says_which_id_came_first() -> None:
    made = tokens().for_retry(HERE, ORIGINAL, RETRIED, None)
    assert tokens().read(made, HERE, RETRIED) == Proof(ORIGINAL, None, is_here=True)


def test_a_retry_of_somebody_who_returns_keeps_their_name() -> None:
    made = tokens().for_return(HERE)
    proof = tokens().read(made, ELSEWHERE, ORIGINAL)
    assert proof is not None
    assert proof.original_cid is None
    assert not proof.is_here
    again = tokens().for_retry(ELSEWHERE, ORIGINAL, RETRIED, proof.returning)
    assert tokens().read(again, ELSEWHERE, RETRIED) == Proof(ORIGINAL, proof.returning, is_here=True)


def test_a_return_token_is_good_from_anywhere_and_says_whether_it_is_here() -> None:
    made = tokens().for_return(HERE)
    for address, is_here in ((HERE, True), (SAME_HOST, True), (ELSEWHERE, False)):
        proof = tokens().read(made, address, RETRIED)
        assert proof is not None
        assert proof.is_here is is_here


def test_no_two_return_tokens_are_alike() -> None:
    gate = tokens()
    assert len({gate.for_return(HERE) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("what", "address", "cid", "key"),
    [
        ("another port", SAME_HOST, RETRIED, KEY),
        ("another host", ELSEWHERE, RETRIED, KEY),
        ("another id", HERE, b"ANOTHER!", KEY),
        ("another key", HERE, RETRIED, KEY[::-1]),
    ],
)
def test_a_retry_token_is_of_no_use_with(what: str, address: Any, cid: bytes, key: bytes) -> None:
    assert tokens(key).read(tokens().for_retry(HERE, ORIGINAL, RETRIED, None), address, cid) is None, what


def test_a_return_token_is_of_no_use_with_another_key() -> None:
    assert tokens(KEY[::-1]).read(tokens().for_return(HERE), HERE, RETRIED) is None


@pytest.mark.parametrize(("kind", "lifetime_s"), [("retry", RETRY_S), ("return", RETURN_S)])
def test_tokens_live_so_long_and_not_a_moment_more(kind: str, lifetime_s: int) -> None:
    clock = Clock()
    gate = tokens(clock=clock)
    made = gate.for_retry(HERE, ORIGINAL, RETRIED, None) if kind == "retry" else gate.for_return(HERE)
    for age_s, is_good in (
        (0, True),
        (lifetime_s, True),
        (lifetime_s + 0.001, False),
        (-30, True),
        (-31, False),
    ):
        clock.now_s = 1_700_000_000.0 + age_s
        assert (gate.read(made, HERE, RETRIED) is not None) is is_good, age_s


def test_a_key_at_the_least_and_one_byte_short() -> None:
    assert tokens(bytes(KEY_LEAST_BYTES)).for_return(HERE)
    secret = b"s" * (KEY_LEAST_BYTES - 1)
    with pytest.raises(ValueError, match="31 bytes and 32 is the least") as refused:
        tokens(secret)
    assert secret.decode() not in str(refused.value)
    assert "s" * 8 not in repr(tokens(b"s" * 32)), "a key is in no log"
    assert len(new_key()) >= KEY_LEAST_BYTES


@settings(max_examples=200)
@given(st.binary(max_size=120), addresses, st.binary(max_size=20))
def test_whatever_bytes_come_nothing_is_raised_and_nothing_passes(
    token: bytes, address: tuple[Any, ...], cid: bytes
) -> None:
    assert tokens().read(token, address, cid) is None


@settings(max_examples=200)
@given(st.booleans(), addresses, st.binary(min_size=8, max_size=20), st.data())
def test_a_token_with_one_bit_changed_or_a_byte_more_or_less_is_nobodys(
    is_retry: bool, address: tuple[Any, ...], cid: bytes, data: st.DataObject
) -> None:
    gate = tokens()
    good = gate.for_retry(address, cid, RETRIED, None) if is_retry else gate.for_return(address)
    proof = gate.read(good, address, RETRIED)
    assert proof is not None
    assert proof.original_cid == (cid if is_retry else None)
    bit = data.draw(st.integers(0, 8 * len(good) - 1))
    changed = bytearray(good)
    changed[bit // 8] ^= 1 << bit % 8
    for bad in (bytes(changed), good[:-1], good[1:], good + b"\0", b"\0" + good):
        assert gate.read(bad, address, RETRIED) is None


@settings(max_examples=100)
@given(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
def test_the_ends_of_its_parts_cannot_be_moved(original: bytes, retried: bytes, other: bytes) -> None:
    made = tokens().for_retry(HERE, original, retried, None)
    proof = tokens().read(made, HERE, other)
    assert (proof is not None) is (other == retried)
