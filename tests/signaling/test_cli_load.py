"""`spaces load` as a command: what it refuses, its tokens, control by lines, its exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from signaling.cli.load import LoadOptions
from signaling.load.plan import LoadPlan
from tests.signaling.test_cli_commands import elsewhere, free_port, refused, run  # noqa: F401 - a fixture

PIN = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--listeners", "-1"], "bad_value"),
        (["--listeners", "200000"], "bad_value"),
        (["--bundle", "0"], "bad_value"),
        (["--loss-pct", "101"], "bad_value"),
        (["--ack-delay-ms", "900"], "bad_value"),
        (["--plane", "quiche"], "bad_value"),
        (["--addresses", "ipv6"], "bad_value"),
        (["--ramp", "5", "--join-rate", "3"], "bad_value"),
        (["--space", "xyz"], "bad_value"),
        (["--server", "a:b:c:"], "bad_address"),
        (["--server", "127.0.0.1:99999"], "bad_address"),
        (["--fingerprint", "sha256:12"], "pin_malformed"),
        (["--spawn-server", "--pid", "1"], "two_servers"),
        (["--spawn-server", "--key", "k"], "tokens_unasked"),
        (["--tokens", "t", "--key", "k"], "two_tokens"),
        (["--control", "--json", "-"], "two_outputs"),
    ],
)
def test_what_cannot_be_meant(arguments, code):
    refused(2, code, "load", *arguments)


def test_what_is_not_there(tmp_path):
    refused(1, "no_such_pid", "load", "--fingerprint", PIN, "--pid", "999999999")
    refused(1, "token_file_missing", "load", "--fingerprint", PIN, "--tokens", "none.txt")
    refused(1, "key_missing", "load", "--fingerprint", PIN, "--key", "none.pem")
    refused(1, "report_unwritable", "load", "--html", "nowhere/a.html")
    refused(1, "report_unwritable", "load", "--json", "nowhere/a.json")
    refused(1, "file_missing", "load", "--audio", "none.wav")
    (tmp_path / "few.txt").write_text("a b c")
    sentence = refused(1, "too_few_tokens", "load", "--fingerprint", PIN, "--tokens", "few.txt", "-n", "3")
    assert "3 tokens and 4 people" in sentence


def test_nobody_answers():
    server = f"127.0.0.1:{free_port()}"
    sentence = refused(1, "host_failed", "load", "--fingerprint", PIN, "--server", server, "-n", "1")
    assert "is the server running there?" in sentence


def test_every_option_reaches_the_plan():
    """An option that the plan does not know would be passed over in silence."""
    from signaling.cli.commands import app
    from signaling.cli.load import OF_PLAN, OPTIONS_ELSEWHERE

    command = next(each for each in app.registered_commands if each.callback.__name__ == "load")
    names = set(command.callback.__annotations__) - {"context", "return"}
    plan = set(LoadPlan.__dataclass_fields__)
    beside = set(LoadOptions.__dataclass_fields__) | OPTIONS_ELSEWHERE
    assert {name for name in names if OF_PLAN.get(name, name) not in plan} == beside


def spaces(*arguments, **options):
    line = [sys.executable, "-m", "signaling.cli", *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A development server of its own: its first line, and a key that its tokens are made with."""
    folder = tmp_path_factory.mktemp("server")
    task = spaces("serve", "--dev", "--json", "--port", 0, "--data-dir", folder / "data")
    yield json.loads(task.stdout.readline()) | {"folder": folder}
    task.terminate()
    task.communicate(timeout=20)
    assert task.returncode == 0


def load(server, *arguments, **options):
    target = ["--server", server["address"], "--fingerprint", server["fingerprint"]]
    return spaces("load", *target, *arguments, **options)


def test_json_on_standard_output_and_the_cpu_of_the_server(server, tmp_path):
    key = server["folder"] / "data" / "signing-key.pem"
    people = ("-n", 4, "-k", 2, "--duration", 1, "--join-rate", 50)
    task = load(server, *people, "--pid", server["pid"], "--key", key, "--json", "-", "--html", "a.html")
    out, errors = task.communicate(timeout=60)
    assert task.returncode == 0, errors
    report = json.loads(out)
    assert report["plan"]["listeners"] == 4
    assert report["phases"][1]["server"]["cpu_s"] > 0
    assert report["phases"][1]["server"]["rss_bytes"] > 10_000_000
    assert report["delivered_pct"] == 100
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "Server memory" in page


def test_lines_on_standard_input(server, tmp_path):
    commands = (
        {"do": "join", "n": 2},
        {"do": "talk"},
        {"do": "mark", "name": "second"},
        {"do": "dance"},
        {"do": "join", "n": True},
        {"do": "join", "n": 5},
        {"do": "stats"},
        {"do": "addresses"},
        {"do": "hush"},
        {"do": "quit"},
    )
    lines = "".join(json.dumps(command) + "\n" for command in commands)
    task = load(server, "-n", 3, "--control", "--json", "r.json", stdin=subprocess.PIPE)
    out, errors = task.communicate("[]\nno json\n" + lines, timeout=60)
    assert task.returncode == 0, errors
    first, *answers = map(json.loads, out.splitlines())
    assert first["event"] == "ready"
    assert len(bytes.fromhex(first["space"])) == 16
    said = [each.get("done") or each["code"] for each in answers]
    assert said == [
        *("bad_command", "bad_command", "join", "talk", "mark", "bad_command", "bad_command", "bad_value"),
        *("stats", "addresses", "hush", "quit"),
    ]
    assert answers[2]["joined"] == 2
    assert (answers[4]["phase"]["name"], answers[8]["phase"]["name"]) == ("joining", "second")
    assert len(answers[9]["addresses"]) == 3
    report = json.loads((tmp_path / "r.json").read_text())
    assert [phase["name"] for phase in report["phases"]] == ["joining", "second"]


def test_the_end_of_the_input_is_as_quit(server):
    task = load(server, "-n", 1, "--control", stdin=subprocess.PIPE)
    out, errors = task.communicate("", timeout=60)
    assert task.returncode == 0, errors
    assert len(out.splitlines()) == 1


def test_ctrl_c_reports_and_ends_with_130(server, tmp_path):
    task = load(server, "-n", 2, "--duration", 100, "--json", "r.json")
    for line in task.stdout:
        if "listening" in line:
            break
    os.kill(task.pid, signal.SIGINT)
    out, errors = task.communicate(timeout=60)
    assert (task.returncode, errors) == (130, "")
    assert "of the audio was delivered" in out
    assert json.loads((tmp_path / "r.json").read_text())["interrupted"]


def test_a_server_of_our_own(tmp_path):
    task = spaces("load", "--spawn-server", "-n", 3, "-k", 2, "--duration", 1.5, "--json", "r.json")
    out, errors = task.communicate(timeout=60)
    assert task.returncode == 0, errors
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["server"]["spawned"]
    assert report["phases"][0]["joins"]["joined"] == 3
    assert report["phases"][1]["server"]["cpu_s"] > 0
    assert any(sample["tick_late"] for sample in report["samples"])
    assert "tick late" in out


def test_help_names_every_panel():
    text = run("load", "--help").output
    for words in ("People", "Network", "Server", "Report", "--listeners", "--expect-pct"):
        assert words in text
