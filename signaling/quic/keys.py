"""The keys of one direction as the native data plane wants them, from aioquic's CryptoContext."""

from __future__ import annotations

from typing import NamedTuple

from aioquic.quic.crypto import CryptoContext, derive_key_iv_hp, next_key_phase
from aioquic.tls import CipherSuite

from spacecore._plane import AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305

__all__ = ["AEAD_LIMIT_REACHED", "Keys", "following", "integrity_limit", "keys", "suite"]

AEAD_LIMIT_REACHED = 0x0F  # RFC 9000 section 20.1; aioquic has no name for it

_SUITES = {
    CipherSuite.AES_128_GCM_SHA256: AES_128_GCM,
    CipherSuite.AES_256_GCM_SHA384: AES_256_GCM,
    CipherSuite.CHACHA20_POLY1305_SHA256: CHACHA20_POLY1305,
}
_GCM_INTEGRITY = 1 << 52
_CHACHA_INTEGRITY = 1 << 36


class Keys(NamedTuple):
    """RFC 9001 section 5.1."""

    key: bytes
    iv: bytes
    hp: bytes  # of the header's protection; a key update leaves it as it is


def suite(context: CryptoContext) -> int:
    """The plane's number of the cipher suite."""
    return _SUITES[_installed(context)[0]]


def keys(context: CryptoContext) -> Keys:
    """The present keys. The secret is read, so this must be called before aioquic moves on."""
    cipher_suite, secret, version = _installed(context)
    return Keys(*derive_key_iv_hp(cipher_suite=cipher_suite, secret=secret, version=version))


def following(context: CryptoContext) -> Keys:
    """The keys after the next update, RFC 9001 section 6. The hp key of them is never used."""
    return keys(next_key_phase(context))


def integrity_limit(context: CryptoContext) -> int:
    """Packets that may fail to open in the life of a connection, RFC 9001 section 6.6."""
    is_chacha = context.cipher_suite is CipherSuite.CHACHA20_POLY1305_SHA256
    return _CHACHA_INTEGRITY if is_chacha else _GCM_INTEGRITY


def _installed(context: CryptoContext) -> tuple[CipherSuite, bytes, int]:
    if context.cipher_suite is None or context.secret is None or context.version is None:
        raise ValueError("the context has no key yet, or no longer; ask when aioquic has installed it")
    return context.cipher_suite, context.secret, context.version
