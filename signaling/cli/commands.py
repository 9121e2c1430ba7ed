"""The commands and their options. What they do is in the module of the same name, imported when it is run.

So `spaces doctor` also runs where a package is missing that another command needs.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from signaling.cli.load_command import load
from signaling.cli.options import (
    CaFile,
    ConfigFile,
    DataDir,
    Fingerprint,
    Json,
    Name,
    Server,
    ServerDataDir,
    Token,
    TokenFile,
)
from signaling.cli.running import guarded

__all__ = ["app"]

app = typer.Typer(
    name="spaces",
    help="Live audio rooms: serve them, speak in them, listen to them.\n\n"
    "Try it in two terminals: [bold]spaces serve --dev[/bold] and [bold]spaces host[/bold], "
    "then [bold]spaces join[/bold] in a third. Or see it all at once: [bold]spaces demo[/bold].",
    epilog="Exit status: 0 done (also after Ctrl-C in serve, host and join, which is how they end), "
    "1 failed, 2 misuse, 130 interrupted before the work was done.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def serve(
    *,
    config: ConfigFile = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on. \\[default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The UDP port; 0 takes a free one. \\[default: 4433]")
    ] = None,
    data_dir: ServerDataDir = None,
    dev: Annotated[
        bool | None,
        typer.Option(
            "--dev",
            metavar="",
            help="Development mode, on loopback only: anyone on this machine may register by giving a name, "
            "and a self-signed certificate is made.",
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json", metavar="", help="One JSON line for each happening: listening, stopping, stopped."
        ),
    ] = False,
    stats_every: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="SECONDS", help="With --json: a line with all statistics every so often."
        ),
    ] = None,
) -> None:
    """Run a server until Ctrl-C.

    Settings come from the file, then from the environment (SPACES_LISTEN_PORT=…), then from these options.
    """
    _end(
        "serve",
        lambda: import_module("signaling.cli.serve").run(
            config, host, port, data_dir, dev, json, stats_every
        ),
    )


@app.command()
def demo(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="What the host and the second speaker say: up to two audio files."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write what a listener heard, .opus or .wav.")
    ] = Path("demo.opus"),
    json: Json = False,
    picture: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """A whole Space in twelve seconds: a real server, two speakers, two listeners, measured.

    Exit status 0 only if at least 99 % of the frames arrived, everybody heard whom they should and not
    themselves, and all were told of the end.
    """
    _end(
        "demo",
        lambda: import_module("signaling.cli.demo.command").run(
            files or [], out=out, as_json=json, picture=picture
        ),
    )


@app.command()
def live(
    *,
    server: Server = "127.0.0.1:4433",
    name: Name = "",
    token: Token = "",
    token_file: TokenFile = None,
    fingerprint: Fingerprint = None,
    ca_file: CaFile = None,
    data_dir: DataDir = Path("spaces-data"),
    most: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 100,
    json: Json = False,
) -> None:
    """List the Spaces that are live."""

    def work() -> int:
        options = _options(server, name, token, token_file, fingerprint, ca_file, data_dir)
        return int(import_module("signaling.cli.live").run(options, most=most, as_json=json))

    _end("live", work)


@app.command()
def host(
    *,
    title: Annotated[str, typer.Option("--title", "-t", help="What the Space is called.")] = "Hello",
    audio: Annotated[
        Path | None,
        typer.Option(
            "--audio",
            "-a",
            metavar="FILE",
            help="What to say: any file with sound in it. Without one a voice speaks the title.",
        ),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", metavar="", help="Say it again and again; else the Space ends with it.")
    ] = False,
    admit_all: Annotated[
        bool,
        typer.Option(
            "--admit-all", metavar="", help="Let everybody speak who asks; else you are asked each time."
        ),
    ] = False,
    server: Server = "127.0.0.1:4433",
    name: Name = "",
    token: Token = "",
    token_file: TokenFile = None,
    fingerprint: Fingerprint = None,
    ca_file: CaFile = None,
    data_dir: DataDir = Path("spaces-data"),
) -> None:
    """Open a Space and speak in it. It ends with the sound, or with Ctrl-C."""

    def work() -> int:
        options = _options(server, name, token, token_file, fingerprint, ca_file, data_dir)
        module = import_module("signaling.cli.host")
        return int(module.run(options, title=title, audio=audio, repeat=loop, admit_all=admit_all))

    _end("host", work)


@app.command()
def join(
    *,
    space: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The Space, as `spaces live` shows it. Not needed if only one is live."
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Write what is heard, .opus or .wav; replaces the file."
        ),
    ] = None,
    play: Annotated[
        bool, typer.Option("--play", metavar="", help="Play it on the loudspeaker (needs the extra 'play').")
    ] = False,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask", metavar="", help="Ask to speak; once admitted, through the microphone (extra 'play')."
        ),
    ] = False,
    audio: Annotated[
        Path | None, typer.Option("--audio", "-a", metavar="FILE", help="With --ask: say this file instead.")
    ] = None,
    low_delay: Annotated[
        bool,
        typer.Option(
            "--low-delay", metavar="", help="Each 20 ms at once, also in a large room; costs more packets."
        ),
    ] = False,
    server: Server = "127.0.0.1:4433",
    name: Name = "",
    token: Token = "",
    token_file: TokenFile = None,
    fingerprint: Fingerprint = None,
    ca_file: CaFile = None,
    data_dir: DataDir = Path("spaces-data"),
) -> None:
    """Listen to a Space, and see who talks. Ctrl-C leaves; what was heard is kept."""

    def work() -> int:
        connection = _options(server, name, token, token_file, fingerprint, ca_file, data_dir)
        module = import_module("signaling.cli.join")
        options = module.JoinOptions(
            space=space, out=out, play=play, ask=ask, audio=audio, low_delay=low_delay
        )
        return int(module.run(connection, options))

    _end("join", work)


app.command()(load)


@app.command()
def token(
    *,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="SUBJECT", help="The user's id, up to 64 characters: the same person every time."
        ),
    ],
    name: Annotated[str, typer.Option(help="The name to show. \\[default: the subject]")] = "",
    lifetime: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", help="How long it is good. \\[default: the configuration's, 3600]"),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The signing key, PEM. \\[default: that of the server's data directory]"
        ),
    ] = None,
    service: Annotated[
        bool,
        typer.Option("--service", help="For a backend that the server lists in auth.services; no person."),
    ] = False,
    config: ConfigFile = None,
    data_dir: ServerDataDir = None,
) -> None:
    """Mint a token with the server's signing key and print it.

    Who has it is that user until it expires: hand it on as a secret.
    """

    def work() -> int:
        made = import_module("signaling.cli.token").run(
            subject=subject,
            name=name,
            lifetime_s=lifetime,
            key_file=key,
            config_file=config,
            data_dir=data_dir,
            is_service=service,
        )
        typer.echo(made)
        return 0

    _end("token", work)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is installed here, what is missing, and what to do about it.

    Exit status 0 if all that is needed is there, 1 otherwise.
    """
    _end("doctor", lambda: import_module("signaling.cli.doctor").run(as_json=json))


def _options(  # noqa: PLR0917 - in the order of the dataclass
    server: str,
    name: str,
    token: str,
    token_file: Path | None,
    fingerprint: str | None,
    ca_file: Path | None,
    data_dir: Path,
) -> Any:
    return import_module("signaling.cli.connecting").ConnectionOptions(
        server, name, token, token_file, fingerprint, ca_file, data_dir
    )


def _end(command: str, work: Any) -> None:
    raise typer.Exit(guarded(command, work))
