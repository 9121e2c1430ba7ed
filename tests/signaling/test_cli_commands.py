"""The commands without a room: their help, what they refuse and how they say it, tokens, exit statuses."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from signaling import tokens
from signaling.cli.act_commands import VERBS
from signaling.cli.commands import app
from signaling.cli.connecting import ConnectionOptions, development_fingerprint
from signaling.cli.failures import Failure
from signaling.cli.sound.samples import frames_of
from signaling.cli.sound.sinks import open_recording
from signaling.client import RequestRefused
from signaling.config import load_config
from signaling.quic.certificate import development_certificate
from signaling.tokens import Verifier, new_private_key, private_key_pem
from tests.signaling.test_cli_sound import write_video
from tests.signals import voice

COMMANDS = (
    *("serve", "demo", "live", "timeline", "peek", "host", "join", "share", "schedule", "load", "token"),
    *("follow", "unfollow", "block", "unblock", "profile", "act", "audit", "talkers", "create", "doctor"),
    *("import-graph", "sell", "buy", "tickets", "refund", "statement", "payouts", "reports"),
)
UNDER = (
    *(("schedule", name) for name in ("create", "list", "move", "cancel", "start", "remind")),
    *(("act", name) for name in VERBS),
)
ROOT = Path(__file__).parents[2]
SENTENCE = re.compile(r"^spaces [\w -]+: .+ \[[a-z_]+\]$")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory, and none of the variables that the commands read."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("SPACES_"):
            monkeypatch.delenv(name)


def run(*arguments, env=None):
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "120", **(env or {})})


def refused(status, code, *arguments, env=None):
    """The command ends with this status and says one sentence with this code."""
    result = run(*arguments, env=env)
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == status, result.output
    assert len(lines) == 1
    assert SENTENCE.match(lines[0]), lines[0]
    assert lines[0].endswith(f"[{code}]")
    assert "Traceback" not in result.output
    return lines[0]


def outside(*arguments, code=None):
    """The command in a process of its own, from another directory."""
    line = [sys.executable, "-c", code] if code else [sys.executable, "-m", "signaling.cli", *arguments]
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    env = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, env=env)


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        return near.getsockname()[1]


# Help


def test_help_names_every_command_and_the_exit_statuses():
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert re.search(rf"^│ {command} +\w", result.output, re.MULTILINE)
    assert "130 interrupted" in " ".join(result.output.split())


@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), *UNDER], ids=" ".join)
def test_every_command_has_help_with_every_option_explained(command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"Usage: spaces {' '.join(command)}" in result.output
    for line in result.output.splitlines():
        if line.startswith(("│ --", "│ * ")):
            assert len(line.strip("│ ").split("  ")) > 1, f"an option without a word of help: {line}"


def test_help_fills_the_lines_of_the_terminal():
    """Not those of its source, whose last words would stand alone in a line; an example stays as it is."""
    said = run("timeline", "--help", env={"COLUMNS": "80"}).output
    assert "for are told here too. Ctrl-C ends it." in said
    shown = run("import-graph", "--help", env={"COLUMNS": "80"}).output
    assert '     u1,u2,Ann,"Bob, the second"' in [line.rstrip() for line in shown.splitlines()]


def test_help_says_the_defaults():
    for command, default in (
        *(("serve", "4433"), ("serve", "127.0.0.1"), ("token", "3600"), ("live", "100")),
        *(("live", "127.0.0.1:4433, or that of a link"), ("host", "everyone")),
    ):
        assert re.search(rf"\[default: [^]]*{default}\]", run(command, "--help").output)


def test_no_command_is_misuse_and_shows_help():
    result = run()
    assert result.exit_code == 2
    assert "serve" in result.output


def test_the_module_is_the_command():
    done = outside("doctor", "--help")
    assert done.returncode == 0
    assert "Usage: spaces doctor" in done.stdout


def test_without_the_extra_one_sentence_says_which_to_install():
    without = "import sys; sys.modules['typer'] = None; from signaling.cli.main import main; main()"
    done = outside(code=without)
    assert done.returncode == 1
    assert "pip install '.[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


# Misuse that typer sees


@pytest.mark.parametrize(
    "arguments",
    [
        ["sing"],
        ["live", "--bogus"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "many"],
        ["live", "--most", "0"],
        ["token"],
        ["join", "a", "b"],
        ["host", "--who-may-speak", "all"],
        ["host", "--speak-links", "21"],
        ["schedule"],
        ["schedule", "create"],
        ["unfollow"],
        ["follow", "bo", "--followers"],
        ["act"],
        ["act", "sing", "00"],
        ["act", "mute", "00"],
        ["act", "volume", "00", "bo", "101"],
        ["act", "volume", "00", "bo", "loud"],
        ["act", "unpin", "00", "0"],
        ["act", "queue-order", "00", "random"],
        ["act", "lock", "00", "--hold"],
    ],
)
def test_misuse_of_the_command_line_has_status_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage: spaces" in result.output


# serve


def test_serve_without_any_trust_says_how_to_begin():
    assert "--dev" in refused(2, "certificate_missing", "serve")


def test_serve_refuses_what_the_configuration_refuses(tmp_path):
    file = tmp_path / "spaces.toml"
    file.write_text("[listen]\nport = 99999\n")
    assert "99999" in refused(2, "out_of_range", "serve", "--dev", "--config", file)
    file.write_text("[listen]\nprot = 1\n")
    assert "listen.port" in refused(2, "unknown_key", "serve", "--dev", "--config", file)
    file.write_text("not toml at all")
    refused(2, "not_toml", "serve", "--config", file)
    refused(2, "file_unreadable", "serve", "--config", tmp_path / "none.toml")
    refused(2, "development_exposed", "serve", "--dev", "--host", "0.0.0.0")  # noqa: S104 - refused
    refused(2, "out_of_range", "serve", "--dev", env={"SPACES_LISTEN_PORT": "-1"})


def test_serve_on_a_port_in_use(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        port = str(near.getsockname()[1])
        done = outside("serve", "--dev", "--port", port, "--data-dir", str(tmp_path / "d"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"spaces serve: UDP port {port} on 127.0.0.1 is in use")
    assert done.stderr.endswith("[port_in_use]\n")


def test_serve_with_an_expired_certificate(tmp_path):
    development_certificate(tmp_path, datetime(2020, 1, 1, tzinfo=UTC))
    file = tmp_path / "spaces.toml"
    key = tmp_path / "signing.pem"
    key.write_bytes(private_key_pem(new_private_key()))
    file.write_text(
        '[tls]\ncertificate = "development-certificate.pem"\nkey = "development-key.pem"\n'
        '[auth]\nsigning_key = "signing.pem"\n'
    )
    sentence = refused(1, "certificate_expired", "serve", "--config", file, "--port", "0")
    assert "2020" in sentence


def test_the_variables_of_the_clients_do_not_disturb_a_server():
    names = ("SERVER", "NAME", "TOKEN", "TOKEN_FILE", "FINGERPRINT", "CA_FILE", "TRACEBACK")
    load_config(None, {f"SPACES_{name}": "x" for name in names}, {"auth.development": True})


# Clients


def test_nobody_answers():
    sentence = refused(1, "refused", "live", "--server", f"127.0.0.1:{free_port()}")
    assert "spaces serve --dev" in sentence


def test_a_server_that_asks_for_a_token(monkeypatch):
    async def refuse(*address, **options):
        raise RequestRefused("bad_token", "The token is not readable.")

    monkeypatch.setattr("signaling.cli.connecting.connect", refuse)
    assert "127.0.0.1:4433 asks for a token and none is given" in refused(1, "bad_token", "live")
    assert "not readable" in refused(1, "bad_token", "live", "--token", "x")


@pytest.mark.parametrize(("flags", "delay_ms"), [([], 40), (["--low-delay"], 0)])
def test_low_delay_asks_for_no_bundles(monkeypatch, flags, delay_ms):
    asked = []

    async def refuse(*address, **options):
        asked.append(options["bundle_delay_ms"])
        raise RequestRefused("busy", "not now")

    monkeypatch.setattr("signaling.cli.connecting.connect", refuse)
    refused(1, "busy", "join", *flags)
    assert asked == [delay_ms]


@pytest.mark.parametrize("command", [["live"], ["host"], ["join"], ["peek", "00"], ["act", "lock", "00"]])
def test_addresses_and_trust_that_cannot_be_meant(command):
    refused(2, "bad_address", *command, "--server", "127.0.0.1:99999")
    refused(2, "pin_malformed", *command, "--fingerprint", "sha256:12")
    refused(2, "two_trusts", *command, "--fingerprint", "sha256:12", "--ca-file", "a.pem")
    refused(2, "two_tokens", *command, "--token", "a", "--token-file", "b")
    refused(1, "token_file_missing", *command, "--token-file", "none")
    refused(1, "certificate_missing", *command, "--ca-file", "none.pem")


def test_a_token_file_is_read_anew_each_time(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    source = ConnectionOptions(token_file=file).token_source()
    file.write_text("second\n")
    assert source() == "second"
    file.write_text("\n")
    with pytest.raises(Failure, match="empty"):
        source()
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Failure, match="cannot be read"):
        source()


def test_on_this_machine_the_certificate_is_found_in_the_data_directory(tmp_path):
    held, _ = development_certificate(tmp_path, datetime.now(UTC))
    assert development_fingerprint(tmp_path) == held.fingerprint
    assert ConnectionOptions(data_dir=tmp_path).pin() == held.fingerprint
    assert ConnectionOptions(server="localhost", data_dir=tmp_path).pin() == held.fingerprint
    assert ConnectionOptions(server="[::1]:4433", data_dir=tmp_path).pin() == held.fingerprint
    assert ConnectionOptions(server="spaces.example", data_dir=tmp_path).pin() is None
    assert ConnectionOptions(data_dir=tmp_path / "none").pin() is None
    given = "sha256:" + "0" * 64
    assert ConnectionOptions(fingerprint=given, data_dir=tmp_path).pin() == given


def test_a_name_is_the_login_unless_a_token_says_it(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert ConnectionOptions().display_name() == "ada"
    assert ConnectionOptions(name="Ada L").display_name() == "Ada L"
    assert ConnectionOptions(token="t").display_name() == ""  # noqa: S106 - no secret


def test_files_are_refused_before_anybody_is_disturbed(tmp_path):
    (tmp_path / "words.wav").write_text("words")
    write_video(tmp_path / "film.mkv")
    for command in ("host", "join"):
        extra = ["--ask"] if command == "join" else []
        refused(1, "file_missing", command, "--audio", "none.wav", *extra)
        refused(1, "file_not_media", command, "--audio", "words.wav", *extra)
        refused(1, "file_without_audio", command, "--audio", "film.mkv", *extra)
    refused(2, "audio_unasked", "join", "--audio", "words.wav")
    refused(2, "recording_kind", "join", "--out", "a.mp3")
    refused(1, "recording_unwritable", "join", "--out", "nowhere/a.wav")


def test_sound_cards_need_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert ".[play]" in refused(1, "extra_missing", "join", "--play")
    assert ".[play]" in refused(1, "extra_missing", "join", "--ask")


# demo


def test_demo_refuses_what_it_cannot_play(tmp_path):
    recording = open_recording(tmp_path / "quiet.wav")
    for frame in frames_of(0.0005 * voice(1, 5)):
        recording.write(frame)
    recording.close()
    recording = open_recording(tmp_path / "short.wav")
    for frame in frames_of(voice(1, 2)):
        recording.write(frame)
    recording.close()
    refused(1, "file_missing", "demo", "none.wav")
    assert "2.0 s" in refused(1, "file_short", "demo", "short.wav")
    refused(1, "file_silent", "demo", "quiet.wav", "--out", "quiet.wav")
    assert not Path("demo.opus").exists()  # what is there is replaced only by what was heard
    assert Path("quiet.wav").stat().st_size > 100_000
    refused(2, "too_many_files", "demo", "a", "b", "c")
    refused(2, "same_file", "demo", "quiet.wav", "./quiet.wav")
    refused(2, "recording_kind", "demo", "--out", "demo.mp3")
    refused(1, "recording_unwritable", "demo", "--json", "--out", "nowhere/demo.opus")


# token


@pytest.fixture
def key(tmp_path):
    made = new_private_key()
    (tmp_path / "spaces-data").mkdir()
    (tmp_path / "spaces-data" / "signing-key.pem").write_bytes(private_key_pem(made))
    return made


def verified(key, token):
    public = key.public_key()
    auth = load_config(None, {}, {"auth.development": True}).auth
    return Verifier({tokens.key_id(public): public}, auth.issuer, auth.audience).verify(token, time.time())


def test_a_token_that_a_server_takes(key):
    result = run("token", "ada", "--name", "Ada Lovelace", "--lifetime", "600")
    assert result.exit_code == 0, result.output
    who = verified(key, result.stdout.strip())
    assert (who.subject, who.name) == ("ada", "Ada Lovelace")
    assert 590 <= who.expires_s - time.time() <= 600


def test_a_token_from_a_named_key(key, tmp_path):
    other = new_private_key()
    (tmp_path / "other.pem").write_bytes(private_key_pem(other))
    token = run("token", "ada", "--key", tmp_path / "other.pem").stdout.strip()
    assert verified(other, token).name == "ada"
    with pytest.raises(tokens.TokenError):
        verified(key, token)


def test_tokens_that_nobody_would_take(key, tmp_path):
    refused(2, "bad_value", "token", "")
    refused(2, "bad_value", "token", "a" * 65)
    refused(2, "bad_value", "token", "ada", "--name", "x" * 1_000)
    assert "86400" in refused(2, "bad_value", "token", "ada", "--lifetime", "100000")
    refused(2, "bad_value", "token", "ada", "--lifetime", "0")
    assert "spaces serve --dev" in refused(1, "key_missing", "token", "ada", "--data-dir", tmp_path / "none")
    (tmp_path / "words.pem").write_text("words")
    refused(1, "key_unreadable", "token", "ada", "--key", tmp_path / "words.pem")
    refused(1, "key_unreadable", "token", "ada", "--key", tmp_path)
