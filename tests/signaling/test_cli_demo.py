"""The demo for real: its own server, four people, twelve seconds. Its exit status asserts the bars."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signaling.cli.sound.sources import load
from tests.signaling.test_cli_figures import KEYS

pytestmark = pytest.mark.scenario

ROOT = Path(__file__).parents[2]


def begin(folder, *arguments):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    line = [sys.executable, "-m", "signaling.cli", "demo", *arguments]
    return subprocess.Popen(
        line, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_demo(tmp_path):
    child = begin(tmp_path, "--json", "--out", "heard.opus")
    said, complaints = child.communicate(timeout=90)
    assert child.returncode == 0, said + complaints
    figures = json.loads(said)
    assert set(figures) >= KEYS
    assert figures["ok"] is True
    assert figures["complaints"] == []
    assert figures["frames_sent"] > 1_500
    assert figures["windows"] >= 30
    assert 30 < figures["mouth_to_ear_ms_p50"] <= figures["mouth_to_ear_ms_p99"]
    assert figures["server_cpu_ms_per_listener_s"] > 0
    heard = load(tmp_path / "heard.opus", 60)
    assert len(heard) / 48_000 == pytest.approx(11.6, abs=1)
    assert np.abs(heard).max() > 0.1


def test_an_interrupted_demo_leaves_nothing_behind(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    child = begin(tmp_path, "--json")
    while not list(scratch.glob("spaces-demo-*/data/*.sqlite")):  # its server is up
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    said, complaints = child.communicate(timeout=30)
    assert child.returncode == 130
    assert said == ""
    assert "Traceback" not in complaints
    assert list(scratch.iterdir()) == []
