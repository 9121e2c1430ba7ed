"""Which server, as whom, and how it is trusted: the options that all commands of a client share."""

from __future__ import annotations

import getpass
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from signaling.cli.failures import Failure, Misuse
from signaling.client import Client, ConnectError, RequestRefused, SpacesError, TokenSource, Voice, connect
from signaling.client.trust import parse_address
from signaling.links import LinkError, parse_link
from signaling.protocol.terms import BUNDLE_DELAY_MS
from signaling.quic.certificate import load_certificate
from signaling.quic.errors import CertificateError
from spacecore import DenoiseError, Denoiser

__all__ = ["DEFAULT_SERVER", "LINK_PREFIX", "ConnectionOptions", "development_fingerprint", "dial", "place"]

LINK_PREFIX: Final = "spaces://"
DEFAULT_SERVER: Final = "127.0.0.1:4433"

_START_ONE: Final = "start a server on this machine:  spaces serve --dev"
_REMEDIES: Final = {
    "refused": f"Check --server, or {_START_ONE}",
    "unreachable": "check --server and the network",
    "name_not_found": "check --server",
    "network_error": "check --server and the network",
    "closed": f"check --server, or {_START_ONE}",
    "server_busy": "try again in a moment",
    "certificate_not_trusted": "give the fingerprint that the server printed:  --fingerprint sha256:…  "
    "(on the server's own machine --data-dir DIR finds it)",
}


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """What the flags say. Nothing is checked before `dial`."""

    server: str = ""
    """`host:port`; empty where none is named: then it is that of a link, or DEFAULT_SERVER."""
    name: str = ""
    token: str = ""
    token_file: Path | None = None
    fingerprint: str | None = None
    ca_file: Path | None = None
    data_dir: Path = Path("spaces-data")
    bundle_delay_ms: int = BUNDLE_DELAY_MS
    denoise: bool = False
    """Take out of one's sound what is no voice."""

    @property
    def address(self) -> str:
        """Where to connect to."""
        return self.server or DEFAULT_SERVER

    def token_source(self) -> TokenSource:
        """The token; from a file it is read anew for each renewal."""
        if self.token and self.token_file is not None:
            raise Misuse(
                "two_tokens",
                "--token and --token-file are both given and one says who you are",
                "leave one out",
            )
        if self.token_file is None:
            return self.token
        read = _reader(self.token_file)
        read()  # a file that cannot be read is better known now than at the first renewal
        return read

    def pin(self) -> str | None:
        """The certificate to accept: the one named, or on this machine the one a development server keeps."""
        if self.fingerprint is not None and self.ca_file is not None:
            raise Misuse(
                "two_trusts",
                "--fingerprint and --ca-file are both given and a pinned certificate needs no authority",
                "leave one out",
            )
        if self.fingerprint is not None or self.ca_file is not None or not _is_loopback(self.address):
            return self.fingerprint
        return development_fingerprint(self.data_dir)

    def display_name(self) -> str:
        """The name to show: the one given, else the login's; with a token the token's own."""
        if self.name or self.token or self.token_file is not None:
            return self.name
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "somebody"


async def dial(options: ConnectionOptions) -> Client:
    """Connect and say who one is. Misuse, Failure, RequestRefused."""
    token, pin = options.token_source(), options.pin()
    if options.denoise:
        _check_denoise()
    try:
        return await connect(
            options.address,
            name=options.display_name(),
            token=token,
            fingerprint=pin,
            cafile=options.ca_file,
            bundle_delay_ms=options.bundle_delay_ms,
            voice=Voice(denoise=options.denoise),
        )
    except ConnectError as error:
        remedy = _REMEDIES.get(error.code)
        if remedy is None:
            raise
        # The library's own remedy for trust is in words of a program; ours names the options.
        trusted = error.code != "certificate_not_trusted"
        what = error.message if trusted else error.message.rpartition("; ")[0] or error.message
        raise Failure(error.code, what, remedy) from error
    except RequestRefused as error:
        if error.code in ("not_authenticated", "bad_token") and not token:
            raise Failure(
                error.code,
                f"{options.address} asks for a token and none is given",
                "its operator mints one with  spaces token; give it by --token-file",
            ) from error
        raise
    except SpacesError:
        raise


def _check_denoise() -> None:
    try:
        Denoiser()
    except DenoiseError as error:
        remedy = "pip install spacecore[denoise]"
        raise Failure("denoise_missing", "--denoise needs RNNoise", remedy) from error


def place(options: ConnectionOptions, where: str) -> tuple[ConnectionOptions, str]:
    """The options for a Space that is named by id or link: of a link, its server, unless another is named.

    Misuse where a token would go to a server that only the link names: whoever made the link would get it.
    """
    if not where.lower().startswith(LINK_PREFIX):
        return options, where
    try:
        link = parse_link(where)
    except LinkError as error:
        raise Misuse(error.code, str(error)) from error
    if options.server:
        return options, where
    if options.token or options.token_file is not None:
        raise Misuse(
            "server_unnamed",
            f"a token is given, and only the link names the server {link.address}",
            f"if the token is for it, say so:  --server {link.address}",
        )
    return replace(options, server=link.address), where


def development_fingerprint(data_dir: Path, now: datetime | None = None) -> str | None:
    """The fingerprint of the certificate that a development server keeps there; None if there is none."""
    try:
        held = load_certificate(
            data_dir / "development-certificate.pem",
            data_dir / "development-key.pem",
            now or datetime.now(UTC),
        )
    except CertificateError:
        return None
    return held.fingerprint


def _reader(path: Path) -> Callable[[], str]:
    def read() -> str:
        try:
            token = path.read_text(encoding="ascii").strip()
        except FileNotFoundError as error:
            raise Failure("token_file_missing", f"there is no file {path}", "check --token-file") from error
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(
                "token_file_unreadable", f"{path} cannot be read as a token", "check --token-file"
            ) from error
        if not token:
            raise Failure("token_file_empty", f"{path} is empty", "write a token into it:  spaces token")
        return token

    return read


def _is_loopback(server: str) -> bool:
    host, _ = parse_address(server)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
