"""Certificates: made, kept, renewed, loaded, refused; pins and fingerprints."""

from __future__ import annotations

import hashlib
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec

from signaling.quic.certificate import (
    Trust,
    check_peer,
    development_certificate,
    fingerprint,
    load_certificate,
    parse_fingerprint,
)
from signaling.quic.errors import CertificateError
from tests.signaling.quic_pair import certificate

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def code_of(action: object, *arguments: object) -> tuple[str, str]:
    with pytest.raises(CertificateError) as caught:
        action(*arguments)  # type: ignore[operator]
    return caught.value.code, str(caught.value)


def files(directory: Path) -> tuple[Path, Path]:
    return directory / "development-certificate.pem", directory / "development-key.pem"


def test_development_certificate_is_what_it_says(tmp_path: Path) -> None:
    made, is_new = development_certificate(tmp_path / "data", NOW)
    assert is_new
    names = made.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert isinstance(made.private_key, ec.EllipticCurvePrivateKey)
    assert made.private_key.curve.name == "secp256r1"
    assert made.not_after == NOW + timedelta(days=90)
    for path in files(tmp_path / "data"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "development-certificate.pem",
        "development-key.pem",
    ]


def test_it_is_reused_until_a_week_before_it_expires(tmp_path: Path) -> None:
    first, _ = development_certificate(tmp_path, NOW)
    again, is_new = development_certificate(tmp_path, NOW + timedelta(days=82))
    assert not is_new
    assert again.fingerprint == first.fingerprint
    for later in (timedelta(days=83, minutes=1), timedelta(days=400)):
        renewed, is_new = development_certificate(tmp_path, NOW + later)
        assert is_new
        assert renewed.fingerprint != first.fingerprint
        assert renewed.not_after == NOW + later + timedelta(days=90)


@pytest.mark.parametrize("damage", ["certificate", "key", "missing key", "mismatch", "future"])
def test_a_damaged_one_is_replaced(tmp_path: Path, damage: str) -> None:
    first, _ = development_certificate(tmp_path, NOW + timedelta(days=30 if damage == "future" else 0))
    certificate_file, key_file = files(tmp_path)
    if damage == "certificate":
        certificate_file.write_text("nonsense")
    elif damage == "key":
        key_file.write_text("nonsense")
    elif damage == "missing key":
        key_file.unlink()
    elif damage == "mismatch":
        other, _ = development_certificate(tmp_path / "other", NOW)
        certificate_file.write_bytes(other.certificate.public_bytes(serialization.Encoding.PEM))
    made, is_new = development_certificate(tmp_path, NOW)
    assert is_new
    assert made.fingerprint != first.fingerprint
    assert load_certificate(*files(tmp_path), NOW).fingerprint == made.fingerprint


def test_more_names_make_a_new_one(tmp_path: Path) -> None:
    development_certificate(tmp_path, NOW)
    made, is_new = development_certificate(tmp_path, NOW, names=("spaces.example", "192.0.2.1"))
    assert is_new
    _, is_new = development_certificate(tmp_path, NOW, names=("spaces.example",))
    assert not is_new
    assert made.chain == ()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, message = code_of(development_certificate, tmp_path / "file", NOW)
    assert code == "certificate_unreadable"
    assert "data directory" in message


def test_loading_says_what_is_wrong(tmp_path: Path) -> None:
    development_certificate(tmp_path, NOW)
    certificate_file, key_file = files(tmp_path)
    nothing = tmp_path / "nothing.pem"
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert code_of(load_certificate, nothing, key_file, NOW)[0] == "certificate_missing"
    assert code_of(load_certificate, certificate_file, nothing, NOW)[0] == "key_missing"
    assert code_of(load_certificate, garbage, key_file, NOW)[0] == "certificate_unreadable"
    assert code_of(load_certificate, certificate_file, garbage, NOW)[0] == "key_unreadable"
    assert code_of(load_certificate, tmp_path, key_file, NOW)[0] == "certificate_unreadable"
    code, message = code_of(load_certificate, certificate_file, key_file, NOW + timedelta(days=91))
    assert code == "certificate_expired"
    assert "2026-07-30" in message
    assert str(certificate_file) in message
    code, message = code_of(load_certificate, certificate_file, key_file, NOW - timedelta(days=1))
    assert code == "certificate_not_yet_valid"
    assert "clock" in message


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    development_certificate(tmp_path, NOW)
    certificate_file, _ = files(tmp_path)
    key_file = tmp_path / "key.pem"

    def write(key: object, encryption: serialization.KeySerializationEncryption) -> None:
        key_file.write_bytes(
            key.private_bytes(  # type: ignore[attr-defined]
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )

    plain = serialization.NoEncryption()
    write(ec.generate_private_key(ec.SECP256R1()), plain)
    assert code_of(load_certificate, certificate_file, key_file, NOW)[0] == "key_mismatch"
    write(ec.generate_private_key(ec.SECP521R1()), plain)
    code, message = code_of(load_certificate, certificate_file, key_file, NOW)
    assert code == "key_unsupported"
    assert "secp521r1" in message
    write(dsa.generate_private_key(2048), plain)
    assert code_of(load_certificate, certificate_file, key_file, NOW)[0] == "key_unsupported"
    write(ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"secret"))
    code, message = code_of(load_certificate, certificate_file, key_file, NOW)
    assert code == "key_unreadable"
    assert "passphrase" in message


def test_fingerprint_is_sha256_of_the_der_form() -> None:
    der = certificate().certificate.public_bytes(serialization.Encoding.DER)
    expected = "sha256:" + hashlib.sha256(der).hexdigest()
    assert fingerprint(der) == fingerprint(certificate().certificate) == certificate().fingerprint == expected
    pem = certificate().certificate.public_bytes(serialization.Encoding.PEM).decode()
    assert ssl.PEM_cert_to_DER_cert(pem) == der


def test_fingerprints_are_read_tolerantly_and_nothing_else_is() -> None:
    digest = hashlib.sha256(b"x").digest()
    text = digest.hex()
    colons = ":".join(text[at : at + 2] for at in range(0, 64, 2)).upper()
    for form in (f"sha256:{text}", f" SHA256:{text}\n", f"sha256:{colons}"):
        assert parse_fingerprint(form) == digest
    for bad in (
        "",
        text,
        "sha256:",
        "sha1:" + text,
        "sha256:" + text[:-2],
        "sha256:" + text + "00",
        "sha256:zz",
    ):
        code, message = code_of(parse_fingerprint, bad)
        assert code == "pin_malformed"
        assert "64" in message


def test_check_peer() -> None:
    der = certificate().certificate.public_bytes(serialization.Encoding.DER)
    now = datetime.now(UTC)
    check_peer(der, Trust(pin=certificate().fingerprint), now)
    check_peer(b"whatever TLS has accepted", Trust(), now)
    code, message = code_of(check_peer, der, Trust(pin="sha256:" + "0" * 64), now)
    assert code == "pin_mismatch"
    assert certificate().fingerprint in message
    pinned = Trust(pin=certificate().fingerprint)
    assert code_of(check_peer, der, pinned, now + timedelta(days=91))[0] == "certificate_expired"
    assert code_of(check_peer, der, pinned, now - timedelta(days=1))[0] == "certificate_not_yet_valid"
    garbage = Trust(pin=fingerprint(b"garbage"))
    assert code_of(check_peer, b"garbage", garbage, now)[0] == "certificate_unreadable"


def test_trust_is_checked_when_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(CertificateError):
        Trust(pin="sha256:short")
    with pytest.raises(CertificateError):
        Trust(cafile=tmp_path / "nothing.pem")
