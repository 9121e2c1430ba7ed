"""Options that several commands have: how to reach a server, and whom one is there."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

if TYPE_CHECKING:
    from signaling.cli.connecting import ConnectionOptions

__all__ = [
    "CaFile",
    "ConfigFile",
    "DataDir",
    "Denoise",
    "Fingerprint",
    "Json",
    "Kind",
    "Most",
    "Name",
    "Reach",
    "Server",
    "ServerDataDir",
    "Space",
    "SpeakPolicy",
    "Token",
    "TokenFile",
    "Topics",
    "connected",
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
_AnyServer = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        envvar="SPACES_SERVER",
        metavar="HOST:PORT",
        help="The server. \\[default: 127.0.0.1:4433, or that of a link]",
        show_default=False,
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
Denoise = Annotated[
    bool,
    typer.Option(
        "--denoise",
        metavar="",
        help="Take out of your sound what is no voice (needs the extra 'denoise').",
    ),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON, for programs.")]

Reach = Callable[[], "ConnectionOptions"]
"""What a command gets that is `connected`: call it for the options, within what guards the command."""

_OPTIONS: Final = (
    ("server", _AnyServer, ""),
    ("name", Name, ""),
    ("token", Token, ""),
    ("token_file", TokenFile, None),
    ("fingerprint", Fingerprint, None),
    ("ca_file", CaFile, None),
    ("data_dir", DataDir, Path("spaces-data")),
)


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes a `reach: Reach` the options of a connection in its place."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [parameter for parameter in own if parameter.name != "reach"]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind, default in _OPTIONS
    ]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        ways = {name: given.pop(name) for name, _, _ in _OPTIONS}
        command(reach=functools.partial(_reach, **ways), **given)

    del with_options.__wrapped__  # so that the signature which typer reads is this one
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def _reach(**ways: Any) -> ConnectionOptions:
    options: ConnectionOptions = import_module("signaling.cli.connecting").ConnectionOptions(**ways)
    return options


Space = Annotated[
    str,
    typer.Argument(metavar="SPACE", help="The Space: its id, as `spaces live` shows it, or a link to it."),
]
Topics = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="WORD", help="What it is about; up to three, each with its own --topic."),
]
SpeakPolicy = Annotated[
    Literal["everyone", "followed", "invited"],
    typer.Option(
        "--who-may-speak",
        help="Who may ask to speak: everyone, only people whom the host follows, or nobody (hosts invite).",
    ),
]
Kind = Annotated[
    str,
    typer.Option(metavar="WORD", help="The kind of Space, if the server knows several: who may host each."),
]
Most = Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")]
