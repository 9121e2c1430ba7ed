"""Certificates: the server's configured or self-made one, and how a client decides to trust what it is shown.

Times are aware datetimes in UTC and always arguments. Every failure is a CertificateError with a stable code.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signaling.quic.errors import CertificateError

__all__ = [
    "DEVELOPMENT_DAYS",
    "ServerCertificate",
    "Trust",
    "check_peer",
    "development_certificate",
    "fingerprint",
    "load_certificate",
    "parse_fingerprint",
]

DEVELOPMENT_DAYS = 90
RENEW_BEFORE = timedelta(days=7)
_PREFIX = "sha256:"

PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)
_KEY_TYPES = (
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
)


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A leaf certificate, the chain above it and its private key, all checked to belong together."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey

    @property
    def fingerprint(self) -> str:
        """`sha256:…` of the leaf, which clients can pin."""
        return fingerprint(self.certificate)

    @property
    def not_after(self) -> datetime:
        """The last moment of validity, UTC."""
        return self.certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Trust:
    """How a client decides: by a pin (`sha256:…` of the leaf) if there is one, else by authorities.

    Without a pin the name is verified too, against the authorities in `cafile` (PEM), or the public ones.
    """

    pin: str | None = None
    cafile: Path | None = None

    def __post_init__(self) -> None:
        if self.pin is not None:
            parse_fingerprint(self.pin)
        if self.cafile is not None:
            _parse_certificates(_read(self.cafile, "certificate"), self.cafile)


def fingerprint(certificate: x509.Certificate | bytes) -> str:
    """`sha256:` and 64 hexadecimal digits: SHA-256 of the DER form."""
    if not isinstance(certificate, bytes):
        certificate = certificate.public_bytes(serialization.Encoding.DER)
    return _PREFIX + hashlib.sha256(certificate).hexdigest()


def parse_fingerprint(text: str) -> bytes:
    """The 32 bytes of `sha256:<hex>`; colons and case of the digits are ignored. Raises `pin_malformed`."""
    prefix, _, digits = text.strip().partition(":")
    digits = digits.replace(":", "")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if prefix.lower() + ":" != _PREFIX or len(value) != hashlib.sha256().digest_size:
        raise CertificateError(
            "pin_malformed",
            f"{text[:100]!r} is no certificate fingerprint: it must be sha256: and 64 hexadecimal digits; "
            "copy the line that the server prints when it starts",
        )
    return value


def check_peer(der: bytes, trust: Trust, now: datetime) -> None:
    """Verify the leaf that a server showed against a pin, and its dates; without a pin TLS has done it.

    Raises `pin_mismatch`, `certificate_expired`, `certificate_not_yet_valid`, `certificate_unreadable`.
    """
    if trust.pin is None:
        return
    if not hmac.compare_digest(hashlib.sha256(der).digest(), parse_fingerprint(trust.pin)):
        raise CertificateError(
            "pin_mismatch",
            f"the server showed the certificate {fingerprint(der)}, but {trust.pin} is pinned: either the "
            "server has a new certificate (ask its operator for the fingerprint) or somebody is in between",
        )
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise CertificateError("certificate_unreadable", f"the server's certificate: {error}") from error
    _check_dates(certificate, now, "the server's certificate", "the server's operator must renew it")


def load_certificate(certificate_file: Path, key_file: Path, now: datetime) -> ServerCertificate:
    """Load a PEM chain (leaf first) and its PEM key without a passphrase; all checks of a server's start.

    Raises `certificate_missing`, `certificate_unreadable`, `certificate_expired`,
    `certificate_not_yet_valid`, `key_missing`, `key_unreadable`, `key_unsupported`, `key_mismatch`.
    """
    leaf, *chain = _parse_certificates(_read(certificate_file, "certificate"), certificate_file)
    key = _parse_key(_read(key_file, "key"), key_file)
    if key.public_key() != leaf.public_key():
        raise CertificateError(
            "key_mismatch",
            f"the key in {key_file} does not belong to the first certificate in {certificate_file} "
            f"({leaf.subject.rfc4514_string()}); name the pair that was issued together, the leaf first",
        )
    remedy = f"renew {certificate_file}"
    _check_dates(leaf, now, f"the certificate in {certificate_file}", remedy)
    return ServerCertificate(leaf, tuple(chain), key)


def development_certificate(
    directory: Path, now: datetime, names: Iterable[str] = ()
) -> tuple[ServerCertificate, bool]:
    """A self-signed certificate for this machine: the one in `directory`, or a new one. True if it is new.

    ECDSA P-256, valid 90 days, for localhost, 127.0.0.1, ::1 and `names`. A new one is made when there is
    none, when it does not fit, or seven days before it expires; both files have mode 0600. The fingerprint
    changes with every new one, so pins must be given out again.
    """
    certificate_file = directory / "development-certificate.pem"
    key_file = directory / "development-key.pem"
    hosts = tuple(dict.fromkeys(("localhost", "127.0.0.1", "::1", *names)))
    try:
        held = load_certificate(certificate_file, key_file, now)
        if held.not_after - now > RENEW_BEFORE and _names_of(held.certificate) >= set(hosts):
            return held, False
    except (CertificateError, ValueError):
        pass  # whatever is wrong with it, a new one is the remedy
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key, hosts, now)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(
            key_file,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        _write_private(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise CertificateError(
            "certificate_unreadable",
            f"a development certificate cannot be kept in {directory}: {error.strerror}; "
            "name a data directory that the server may write to",
        ) from error
    return ServerCertificate(certificate, (), key), True


def _self_signed(key: ec.EllipticCurvePrivateKey, hosts: tuple[str, ...], now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spacecore development")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back: the clocks of two machines on one desk differ.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DEVELOPMENT_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _names_of(certificate: x509.Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    names = extension.value
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return addresses | set(names.get_values_for_type(x509.DNSName))


def _write_private(path: Path, data: bytes) -> None:
    """Replace a file in one step; it never exists with another mode than 0600, nor half written."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.replace(path)


def _read(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CertificateError(
            f"{kind}_missing", f"the {kind} file {path} does not exist; name an existing PEM file"
        ) from error
    except OSError as error:
        raise CertificateError(
            f"{kind}_unreadable", f"the {kind} file {path} cannot be read: {error.strerror}"
        ) from error


def _parse_certificates(data: bytes, path: Path) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(data)
        for certificate in certificates:
            certificate.public_key()  # parsed lazily: an unknown kind of key shows up here
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            "certificate_unreadable",
            f"{path} holds no certificate in PEM form that can be used; it must begin with "
            "-----BEGIN CERTIFICATE----- and hold the leaf first",
        ) from error
    return certificates


def _parse_key(data: bytes, path: Path) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise CertificateError(
            "key_unreadable",
            f"the key in {path} has a passphrase; store it without:  openssl pkey -in {path} -out new.pem",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            "key_unreadable", f"{path} holds no private key in PEM form that can be used"
        ) from error
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else None
    if not isinstance(key, _KEY_TYPES) or curve not in (None, "secp256r1", "secp384r1"):
        raise CertificateError(
            "key_unsupported",
            f"the key in {path} is a {curve or type(key).__name__}; use ECDSA on P-256 or P-384, RSA, "
            "Ed25519 or Ed448",
        )
    return key


def _check_dates(certificate: x509.Certificate, now: datetime, what: str, remedy: str) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        raise CertificateError(
            "certificate_expired",
            f"{what} expired on {ends:%Y-%m-%d %H:%M} UTC (it is {now:%Y-%m-%d}); {remedy}",
        )
    if now < begins:
        raise CertificateError(
            "certificate_not_yet_valid",
            f"{what} is valid only from {begins:%Y-%m-%d %H:%M} UTC (it is {now:%Y-%m-%d %H:%M} here); "
            f"check the clock, or {remedy}",
        )
