"""Commands in unkind surroundings: interrupted while they load, a closed terminal, nohup, an ASCII locale."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from signaling.cli.failures import Failure
from signaling.cli.running import Interrupted, guarded, run_loop, sentence_of, stop_signals
from signaling.client import ConnectionClosed

ROOT = Path(__file__).parents[2]
INTERRUPTED_IMPORT = """
import signal
import signaling.cli.main as entry
entry.import_module = lambda name: signal.raise_signal(signal.SIGINT)
entry.main()
"""


def outside(*arguments, **env):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), **env}
    line = [sys.executable, *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, env=env)


def test_a_locale_without_our_marks_gets_others():
    done = outside("-m", "signaling.cli", "doctor", PYTHONIOENCODING="ascii")
    assert "?  Python " in done.stdout
    assert done.stderr == ""


def test_an_interrupt_before_anything_runs_is_silent():
    done = outside("-c", INTERRUPTED_IMPORT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_closed_terminal_is_a_reason_to_leave():
    async def work():
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGHUP)
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        run_loop(work())


def test_under_nohup_it_is_none():
    assert signal.SIGHUP in stop_signals()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in stop_signals()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_gone_takes_no_complaint(monkeypatch):
    class Gone:
        def write(self, text):
            raise OSError(5, "Input/output error")

    def fail():
        raise Failure("a", "it failed")

    monkeypatch.setattr(sys, "stderr", Gone())
    assert guarded("join", fail) == 1


def test_a_lost_connection_says_what_to_do():
    text, status = sentence_of(ConnectionClosed("idle_timeout", "nothing was heard for up to 30 s"))
    assert status == 1
    assert text.endswith("; see whether the server still runs, then start again [idle_timeout]")
