"""Tokens: what is accepted, and a table of those that are not, each with its code and its reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from signaling import tokens
from signaling.tokens import Identity, TokenError, Verifier, mint

NOW = 1_800_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KID = tokens.key_id(KEY.public_key())
VERIFIER = Verifier({KID: KEY.public_key()}, "https://backend.example", "spaces.example")


def minted(**changed: Any) -> str:
    fields: dict[str, Any] = {
        "subject": "ann",
        "name": "Ann",
        "issuer": "https://backend.example",
        "audience": "spaces.example",
        "lifetime_s": 600,
        "now_s": NOW,
    }
    return mint(KEY, KID, **{**fields, **changed})


def claims(**changed: Any) -> dict[str, Any]:
    whole = {
        "sub": "ann",
        "name": "Ann",
        "iss": "https://backend.example",
        "aud": "spaces.example",
        "iat": NOW,
        "exp": NOW + 600,
        **changed,
    }
    return {claim: value for claim, value in whole.items() if value is not ...}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: object, header: object = ..., key: Ed25519PrivateKey = KEY) -> str:
    """A token made by hand, so that nothing of the library under test stops what is wrong with it."""
    head = {"alg": "EdDSA", "kid": KID, "typ": "JWT"} if header is ... else header
    body = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{body}.{b64(key.sign(body.encode()))}"


def hs256_with(secret: bytes) -> str:
    body = f"{b64(json.dumps({'alg': 'HS256', 'kid': KID}).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{body}.{b64(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def refusal(token: str, now_s: float = NOW, verifier: Verifier = VERIFIER, **more: Any) -> TokenError:
    with pytest.raises(TokenError) as caught:
        verifier.verify(token, now_s, **more)
    assert token == "" or token not in str(caught.value), "a token is no part of an error"
    assert caught.value.__cause__ is None
    assert caught.value.message == str(caught.value)
    return caught.value


def test_a_minted_token_is_accepted() -> None:
    assert VERIFIER.verify(minted(), NOW) == Identity("ann", "Ann", NOW + 600)
    assert VERIFIER.verify(minted(name=""), NOW).name == "ann"
    assert (
        VERIFIER.verify(signed(claims(aud=["x", "spaces.example"], exp=NOW + 9.5)), NOW).expires_s == NOW + 9
    )
    assert VERIFIER.verify(signed(claims(name=...)), NOW).name == "ann"


def unsigned(algorithm: str) -> str:
    return f"{b64(json.dumps({'alg': algorithm, 'kid': KID}).encode())}.{b64(json.dumps(claims()).encode())}."


RAW_PUBLIC = KEY.public_key().public_bytes_raw()
BAD: dict[str, tuple[Callable[[], str], str]] = {
    "another key": (lambda: signed(claims(), key=OTHER_KEY), "signature is wrong"),
    "changed after signing": (lambda: minted()[:-8] + "AAAAAAAA", "signature is wrong"),
    "alg none": (lambda: unsigned("none"), "'none'"),
    "alg None": (lambda: unsigned("None"), "'None'"),
    "no signature": (lambda: minted().rpartition(".")[0] + ".", "signature is wrong"),
    "HS256 with the public key, raw": (lambda: hs256_with(RAW_PUBLIC), "'HS256'"),
    "HS256 with the public key, PEM": (
        lambda: hs256_with(tokens.public_key_pem(KEY.public_key())),
        "'HS256'",
    ),
    "ES256": (
        lambda: jwt.encode(
            claims(), ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": KID}
        ),
        "'ES256'",
    ),
    "EdDSA over another curve": (
        lambda: jwt.encode(
            claims(), ed448.Ed448PrivateKey.generate(), algorithm="EdDSA", headers={"kid": KID}
        ),
        "signature is wrong",
    ),
    "alg a list": (lambda: signed(claims(), {"alg": ["EdDSA"], "kid": KID}), "['EdDSA']"),
    "no alg": (lambda: signed(claims(), {"kid": KID}), "None"),
    "unknown kid": (lambda: signed(claims(), {"alg": "EdDSA", "kid": "k" * 99}), "is not one of the 1"),
    "no kid": (lambda: signed(claims(), {"alg": "EdDSA"}), "None is not one of"),
    "kid no text": (lambda: signed(claims(), {"alg": "EdDSA", "kid": [KID]}), "not"),
    "another audience": (lambda: signed(claims(aud="other")), "another audience"),
    "audience no text": (lambda: signed(claims(aud=7)), "another audience"),
    "another issuer": (lambda: signed(claims(iss="https://evil.example")), "issuer"),
    "issuer no text": (lambda: signed(claims(iss=["https://backend.example"])), "issuer"),
    "not yet valid by iat": (lambda: signed(claims(iat=NOW + 31)), "valid only in 31 s"),
    "not yet valid by nbf": (lambda: signed(claims(nbf=NOW + 31)), "valid only in 31 s"),
    "too long a lifetime": (lambda: signed(claims(exp=NOW + 86_401)), "86400 is the limit"),
    "ends before it begins": (lambda: signed(claims(exp=NOW)), "for 0 s"),
    "exp a text": (lambda: signed(claims(exp=str(NOW + 600))), "exp is no time"),
    "exp true": (lambda: signed(claims(exp=True)), "exp is no time"),
    "exp NaN": (lambda: signed(claims(exp=math.nan)), "exp is no time"),
    "exp infinite": (lambda: signed(claims(exp=math.inf)), "exp is no time"),
    "iat negative": (lambda: signed(claims(iat=-5)), "iat is no time"),
    "nbf a list": (lambda: signed(claims(nbf=[])), "nbf is no time"),
    "iat huge": (lambda: signed(claims(iat=10**300, exp=10**300 + 1)), "exp is no time"),
    "exp beyond every float": (lambda: signed(claims(exp=10**400)), "exp is no time"),
    "iat below every float": (lambda: signed(claims(iat=-(10**400))), "iat is no time"),
    "subject empty": (lambda: signed(claims(sub="")), "cannot be an account"),
    "subject too long": (lambda: signed(claims(sub="s" * 65)), "65 characters, 64 is the limit"),
    "subject no text": (lambda: signed(claims(sub=5)), "subject is no text"),
    "subject with a control character": (lambda: signed(claims(sub="a\nb")), "U+000A"),
    "name too long": (lambda: signed(claims(name="n" * 51)), "51 characters, 50 is the limit"),
    "name no text": (lambda: signed(claims(name=["Ann"])), "no text"),
    "too long": (lambda: signed(claims(pad="x" * 4096)), "4096 is the limit"),
    "empty": (lambda: "", "not readable"),
    "one part": (lambda: "abc", "not readable"),
    "four parts": (lambda: minted() + ".abc", "not readable"),
    "no base64": (lambda: "%%%.%%%.%%%", "not readable"),
    "header no object": (lambda: signed(claims(), [1]), "not readable"),
    "payload no object": (lambda: signed([1]), "not readable"),
    "header of brackets": (lambda: f"{b64(b'[' * 2900)}.e30.AA", "not readable"),
    "payload not in UTF-8": (lambda: _over(b"\xff\xfe"), "not readable"),
    "beyond ASCII": (lambda: minted() + "ä", "beyond ASCII"),
    "a lone surrogate": (lambda: minted() + "\ud800", "beyond ASCII"),
}


def _over(payload: bytes) -> str:
    body = f"{b64(json.dumps({'alg': 'EdDSA', 'kid': KID}).encode())}.{b64(payload)}"
    return f"{body}.{b64(KEY.sign(body.encode()))}"


@pytest.mark.parametrize("what", BAD)
def test_bad_tokens(what: str) -> None:
    make, part = BAD[what]
    error = refusal(make())
    assert error.code == "bad_token"
    assert part in error.message
    assert len(error.message) < 300


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "aud", "sub"])
@pytest.mark.parametrize("value", [..., None], ids=["missing", "null"])
def test_each_required_claim(claim: str, value: object) -> None:
    error = refusal(signed(claims(**{claim: value})))
    assert error.code == "bad_token"
    assert "lacks a claim" in error.message


def test_expiry_with_its_leeway_on_both_sides() -> None:
    token = minted()
    assert VERIFIER.verify(token, NOW + 600 + 29).subject == "ann"
    error = refusal(token, NOW + 600 + 30)
    assert error.code == "token_expired"
    assert "30 s ago" in error.message
    assert VERIFIER.verify(token, NOW - 30).subject == "ann"
    assert refusal(token, NOW - 31).code == "bad_token"
    exact = Verifier({KID: KEY.public_key()}, "https://backend.example", "spaces.example", leeway_s=0)
    assert exact.verify(token, NOW).subject == exact.verify(token, NOW + 599).subject == "ann"
    assert refusal(token, NOW + 600, exact).code == "token_expired"


def test_renewing_is_for_the_same_subject() -> None:
    assert VERIFIER.verify(minted(), NOW, subject="ann").subject == "ann"
    assert refusal(minted(subject="bob"), subject="ann").code == "wrong_subject"


def test_keys_are_rotated_while_running() -> None:
    old, new = KEY.public_key(), OTHER_KEY.public_key()
    verifier = Verifier({"old": old}, "i", "a")
    fields: dict[str, Any] = {"subject": "ann", "name": "", "issuer": "i", "audience": "a", "lifetime_s": 60}
    by_old = mint(KEY, "old", now_s=NOW, **fields)
    by_new = mint(OTHER_KEY, "new", now_s=NOW, **fields)
    assert refusal(by_new, verifier=verifier).code == "bad_token"
    verifier.replace_keys({"old": old, "new": new}, "i")
    assert verifier.verify(by_old, NOW) == verifier.verify(by_new, NOW)
    verifier.replace_keys({"new": new}, "i")
    assert refusal(by_old, verifier=verifier).code == "bad_token"
    assert verifier.key_ids == {"new"}
    with pytest.raises(ValueError, match="has no issuer"):
        verifier.replace_keys({"old": old}, {"new": "i"})
    assert verifier.verify(by_new, NOW).subject == "ann"


def test_a_key_speaks_for_its_own_issuer_only() -> None:
    keys = {"k1": KEY.public_key(), "k2": OTHER_KEY.public_key()}
    verifier = Verifier(keys, {"k1": "one", "k2": "two"}, "a")
    fields: dict[str, Any] = {"subject": "ann", "name": "", "audience": "a", "lifetime_s": 60, "now_s": NOW}
    assert verifier.verify(mint(KEY, "k1", issuer="one", **fields), NOW).subject == "ann"
    assert verifier.verify(mint(OTHER_KEY, "k2", issuer="two", **fields), NOW).subject == "ann"
    error = refusal(mint(KEY, "k1", issuer="two", **fields), verifier=verifier)
    assert (error.code, "issuer" in error.message) == ("bad_token", True)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"audience": ""}, "audience of tokens is empty"),
        ({"leeway_s": -1}, "is -1 s"),
        ({"leeway_s": 301}, "is 301 s"),
        ({"max_lifetime_s": 0}, "is 0 s"),
        ({"issuer": ""}, "has no issuer"),
        ({"keys": {"k": ed448.Ed448PrivateKey.generate().public_key()}}, "is a Ed448PublicKey"),
        ({"keys": {"k": KEY}}, "is a Ed25519PrivateKey"),
    ],
)
def test_settings_that_cannot_be(changed: dict[str, Any], part: str) -> None:
    settings = {"keys": {"k": KEY.public_key()}, "issuer": "i", "audience": "a", **changed}
    with pytest.raises(ValueError, match=part):
        Verifier(**settings)


@pytest.mark.parametrize(
    "changed",
    [{"subject": ""}, {"subject": "s" * 65}, {"name": "n" * 51}, {"lifetime_s": 0}, {"lifetime_s": 86_401}],
)
def test_minting_refuses_what_would_not_be_accepted(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"limit|empty|set it to"):
        minted(**changed)


def test_keys_through_pem() -> None:
    key = tokens.new_private_key()
    again = tokens.read_private_key(tokens.private_key_pem(key))
    assert tokens.key_id(again.public_key()) == tokens.key_id(key.public_key())
    public = tokens.read_public_key(tokens.public_key_pem(key.public_key()))
    assert tokens.key_id(public) == tokens.key_id(key.public_key())
    assert len(tokens.key_id(public)) == 16


def test_pem_that_is_no_such_key() -> None:
    with pytest.raises(ValueError, match="no private key"):
        tokens.read_private_key(b"garbage")
    with pytest.raises(ValueError, match="no public key"):
        tokens.read_public_key(b"garbage")
    from cryptography.hazmat.primitives import serialization as ser

    wrong = ec.generate_private_key(ec.SECP256R1())
    private = wrong.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    locked = KEY.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.BestAvailableEncryption(b"x"))
    public = wrong.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="give an Ed25519 one"):
        tokens.read_private_key(private)
    with pytest.raises(ValueError, match="without a password"):
        tokens.read_private_key(locked)
    with pytest.raises(ValueError, match="give an Ed25519 one"):
        tokens.read_public_key(public)


@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(st.binary(max_size=60), min_size=3, max_size=3).map(
            lambda parts: ".".join(b64(part) for part in parts)
        ),
    )
)
@example("..")
def test_nothing_but_a_token_error_escapes(token: str) -> None:
    with pytest.raises(TokenError):
        VERIFIER.verify(token, NOW)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "exp", "iat", "nbf", "iss", "aud", "name", "jti"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3),
        ),
    )
)
def test_signed_nonsense_is_refused_or_read(changed: dict[str, Any]) -> None:
    """Not only strangers send nonsense: a backend with the right key may, too."""
    try:
        identity = VERIFIER.verify(signed(claims(**changed)), NOW)
    except TokenError as error:
        assert error.code in ("bad_token", "token_expired")
    else:
        assert 1 <= len(identity.subject) <= 64
