"""How commands end: sentences, exit statuses, signals."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from signaling.cli.failures import Failure, Misuse
from signaling.cli.running import Interrupted, guarded, run_loop, sentence_of, together
from tests.signaling.cli_world import SENTENCE

ROOT = Path(__file__).parents[2]


def test_what_is_not_foreseen_is_one_sentence_too(capsys, monkeypatch):
    def fail():
        raise ZeroDivisionError("division by zero")

    assert guarded("live", fail) == 1
    said = capsys.readouterr().err
    assert SENTENCE.match(said.strip())
    assert "SPACES_TRACEBACK=1" in said
    monkeypatch.setenv("SPACES_TRACEBACK", "1")
    assert guarded("live", fail) == 1
    assert "Traceback" in capsys.readouterr().err


def test_exit_statuses_of_errors():
    assert sentence_of(Failure("a", "it failed", "do this")) == ("it failed; do this [a]", 1)
    assert sentence_of(Misuse("a", "it is wrong")) == ("it is wrong [a]", 2)
    assert sentence_of(Failure("a", "Is it there?", "Look.")) == ("Is it there? Look. [a]", 1)
    assert sentence_of(ModuleNotFoundError("no", name="msgspec"))[1] == 1
    assert guarded("demo", lambda: (_ for _ in ()).throw(Interrupted())) == 130
    assert guarded("demo", lambda: (_ for _ in ()).throw(KeyboardInterrupt())) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_cleaning_up_comes_first(number):
    steps = []

    async def work():
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("clean")
        return 0

    with pytest.raises(Interrupted):
        run_loop(work())
    assert steps == ["clean"]


def test_the_first_error_of_several_tasks_is_raised_as_it_was():
    async def fail():
        raise Failure("first", "gone")

    async def wait():
        await asyncio.Event().wait()

    with pytest.raises(Failure, match="gone"):
        asyncio.run(together(wait(), fail()))


def test_paths_are_not_the_places_of_this_machine():
    text = "".join(path.read_text("utf-8") for path in ROOT.glob("signaling/cli/**/*.py"))
    assert "/tmp/" not in text
