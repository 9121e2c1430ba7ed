"""`spaces load`: listeners and speakers by the thousand against a server, and what they measure."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from signaling import tokens
from signaling.cli.connecting import ConnectionOptions
from signaling.cli.failures import EXIT_FAILED, Failure, Misuse
from signaling.cli.load_control import obey
from signaling.cli.load_view import LiveView, lines_of
from signaling.cli.running import run_loop
from signaling.cli.screen import Screen
from signaling.cli.sound.sources import AudioFile
from signaling.cli.token import read_key
from signaling.client.trust import parse_address, trust_in
from signaling.config import load_config
from signaling.load.company import Company
from signaling.load.conductor import Conductor
from signaling.load.meter import ServerMeter
from signaling.load.page import page
from signaling.load.plan import LoadPlan
from signaling.load.report import Report
from signaling.load.spawned import SpawnedServer, spawned_server
from signaling.load.speech import Track, babble, encoded

__all__ = ["OF_PLAN", "OPTIONS_ELSEWHERE", "LoadOptions", "run", "status_of"]

_TOKEN_SPARE_S: Final = 3600

# Names of options where the plan has another one.
OF_PLAN: Final = {
    "duration": "duration_s",
    "ramp": "ramp_s",
    "timeout": "timeout_s",
    "processes": "workers",
}
OPTIONS_ELSEWHERE: Final = frozenset({"server", "ca_file", "data_dir"})
"""Neither the plan's nor in LoadOptions: where the server is and whom to trust."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the flags say beside the plan."""

    audio: Path | None = None
    spawn_server: bool = False
    pid: int | None = None
    tokens: Path | None = None
    key: Path | None = None
    json: str = ""
    html: Path | None = None
    expect_pct: float | None = None
    control: bool = False

    @classmethod
    def of(cls, flags: Mapping[str, Any]) -> Self:
        """Those of them that belong here. Misuse for what cannot be meant together."""
        made = cls(**{item.name: flags[item.name] for item in fields(cls)})
        if made.spawn_server and made.pid is not None:
            raise Misuse("two_servers", "--spawn-server and --pid each name a server", "leave one out")
        if made.spawn_server and (made.tokens or made.key):
            raise Misuse(
                "tokens_unasked",
                "a server of our own gets tokens made for it",
                "leave --tokens and --key out",
            )
        if made.tokens and made.key:
            raise Misuse("two_tokens", "--tokens and --key both say who the people are", "leave one out")
        if made.control and made.json == "-":
            raise Misuse(
                "two_outputs", "--control and --json - both write to standard output", "give --json a file"
            )
        return made


def run(flags: Mapping[str, Any]) -> int:
    """Returns 0; 1 if less was delivered than expected. Misuse, Failure, LoadError, …."""
    options = LoadOptions.of(flags)
    connection = ConnectionOptions(
        server=flags["server"],
        fingerprint=flags["fingerprint"],
        ca_file=flags["ca_file"],
        data_dir=flags["data_dir"],
    )
    plan = _plan(flags, connection, is_spawned=options.spawn_server)
    for path in (options.html, Path(options.json) if options.json not in ("", "-") else None):
        _check_writable(path)
    track = _track(options.audio) if plan.speakers else None
    return run_loop(_load(plan, options, track))


def status_of(report: Report, options: LoadOptions) -> int:
    """The exit status: 1 if less was delivered than expected, which is said then."""
    if options.expect_pct is None:
        return 0
    delivered_pct = report.main.delivered_pct if report.main is not None else 0.0
    if delivered_pct >= options.expect_pct:
        return 0
    Console(stderr=True, highlight=False).print(
        f"spaces load: {delivered_pct:.3f} % was delivered, less than the {options.expect_pct:g} % expected",
        soft_wrap=True,
    )
    return EXIT_FAILED


def _plan(flags: Mapping[str, Any], connection: ConnectionOptions, *, is_spawned: bool) -> LoadPlan:
    host, port = ("127.0.0.1", 4433) if is_spawned else parse_address(connection.server)
    pin = None if is_spawned else connection.pin()
    trust_in(pin, connection.ca_file)
    space = str(flags["space"]).strip().lower()
    if space and (len(space) != 32 or not set(space) <= set("0123456789abcdef")):
        raise Misuse("bad_value", f"--space {space[:64]!r} is no Space's id", "see  spaces live")
    names = {item.name for item in fields(LoadPlan)}
    wanted = {OF_PLAN.get(name, name): value for name, value in flags.items()}
    wanted = {name: value for name, value in wanted.items() if name in names}
    return LoadPlan(
        **wanted
        | {"host": host, "port": port, "fingerprint": pin, "space": space}
        | {"cafile": None if connection.ca_file is None else str(connection.ca_file)}
    )


async def _load(plan: LoadPlan, options: LoadOptions, track: Track | None) -> int:
    async with contextlib.AsyncExitStack() as stack:
        spawned: SpawnedServer | None = None
        if options.spawn_server:
            spawned = await stack.enter_async_context(spawned_server(plan.people))
            plan = plan.at(spawned.host, spawned.port, spawned.fingerprint)
        pid = spawned.pid if spawned is not None else options.pid
        meter = ServerMeter(pid) if pid is not None else None
        given = await asyncio.to_thread(_tokens, plan, options, spawned)
        company = await Company.gather(plan, track, given)
        view = LiveView(plan)
        conductor = Conductor(plan, company, meter=meter, spawned=spawned, on_sample=view.on_sample)
        try:
            if options.control:
                await obey(conductor)
            else:
                # With JSON on standard output the progress goes elsewhere.
                console = Console(stderr=options.json == "-", highlight=False)
                with Screen(lambda: view.render(conductor.phase), console) as screen:
                    view.say = None if screen.is_live else screen.say
                    await conductor.run()
        except asyncio.CancelledError:
            await conductor.stop(interrupted=True)
            _write(conductor.report, options)
            raise
        except BaseException:
            await conductor.stop()
            raise
        await conductor.stop()
        _write(conductor.report, options)
    return status_of(conductor.report, options)


def _write(report: Report, options: LoadOptions) -> None:
    values = report.to_json()
    if options.html is not None:
        options.html.write_text(page(values), encoding="utf-8")
    text = json.dumps(values, ensure_ascii=False)
    if options.json == "-":
        Console(highlight=False, soft_wrap=True).out(text, highlight=False)
        return
    if options.json:
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    if not options.control:
        console = Console(highlight=False)
        for line in lines_of(values):
            console.print(line)
        for path in (options.html, options.json):
            if path:
                console.print(f"The report is in {path}.", markup=False, soft_wrap=True)


def _track(audio: Path | None) -> Track:
    if audio is None:
        return encoded(babble())
    with AudioFile(audio) as file:
        return encoded(frame.data for frame in file)


def _tokens(plan: LoadPlan, options: LoadOptions, spawned: SpawnedServer | None) -> list[str] | None:
    """A token for everybody; None where the server asks for none."""
    if options.tokens is not None:
        return _read_tokens(options.tokens, plan.people)
    if spawned is not None:
        # A development server would write each person to its store: that is not what a join costs elsewhere.
        return _mint(read_key(spawned.data_dir / "signing-key.pem"), plan)
    return _mint(read_key(options.key), plan) if options.key is not None else None


def _mint(key: Ed25519PrivateKey, plan: LoadPlan) -> list[str]:
    auth = load_config(None, {}, {"auth.development": True, "listen.host": "127.0.0.1"}).auth
    wanted_s = round(plan.duration_s + plan.ramp_s) + _TOKEN_SPARE_S
    key_id = tokens.key_id(key.public_key())
    now_s = int(time.time())
    return [
        tokens.mint(
            key,
            key_id,
            subject=f"load-{number}",
            name=f"Load {number}",
            issuer=auth.issuer,
            audience=auth.audience,
            lifetime_s=min(wanted_s, auth.max_lifetime_s),
            now_s=now_s,
        )
        for number in range(plan.people)
    ]


def _read_tokens(path: Path, people: int) -> list[str]:
    try:
        found = path.read_text(encoding="ascii").split()
    except FileNotFoundError as error:
        raise Failure("token_file_missing", f"there is no file {path}", "check --tokens") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(
            "token_file_unreadable", f"{path} cannot be read as tokens", "write one a line, in ASCII"
        ) from error
    if len(found) < people:
        raise Failure(
            "too_few_tokens",
            f"{path} has {len(found)} tokens and {people} people need one each",
            "mint more with  spaces token, or give --key",
        )
    return found


def _check_writable(path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():
        raise Failure("report_unwritable", f"there is no directory {path.parent}", "name another file")
