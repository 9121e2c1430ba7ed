"""Options that several commands have: how to reach a server, and whom one is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CaFile",
    "ConfigFile",
    "DataDir",
    "Fingerprint",
    "Json",
    "Name",
    "Server",
    "ServerDataDir",
    "Token",
    "TokenFile",
]

_CONNECTION = "Connection"

Server = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        envvar="SPACES_SERVER",
        metavar="HOST:PORT",
        help="The server.",
        rich_help_panel=_CONNECTION,
    ),
]
Name = Annotated[
    str,
    typer.Option(
        envvar="SPACES_NAME",
        help="The name you are shown by where no token is asked for (a development server); else your login.",
        rich_help_panel=_CONNECTION,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="SPACES_TOKEN",
        help="Who you are, as the server's operator gave it to you. Others on this machine can read a "
        "command line: SPACES_TOKEN or --token-file keep it to yourself.",
        rich_help_panel=_CONNECTION,
        show_envvar=True,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        envvar="SPACES_TOKEN_FILE",
        help="A file with the token; it is read again whenever the token has to be renewed.",
        rich_help_panel=_CONNECTION,
    ),
]
Fingerprint = Annotated[
    str | None,
    typer.Option(
        envvar="SPACES_FINGERPRINT",
        metavar="SHA256:…",
        help="The server's certificate, as it prints it when it starts. Not needed where a public authority "
        "signed it, nor on the server's own machine.",
        rich_help_panel=_CONNECTION,
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        envvar="SPACES_CA_FILE", help="Trust the authorities in this PEM file.", rich_help_panel=_CONNECTION
    ),
]
DataDir = Annotated[
    Path,
    typer.Option(
        envvar="SPACES_STORE_DATA_DIR",
        help="Where a server on this machine keeps its data: its certificate is trusted from there.",
        rich_help_panel=_CONNECTION,
    ),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Configuration, TOML.")
]
ServerDataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the server keeps its data. \\[default: spaces-data]")
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON, for programs.")]
