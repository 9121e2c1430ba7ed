"""ruff, its formatter and mypy as ordinary tests."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.structure.source import ROOT

pytestmark = pytest.mark.timeout(300)  # the first run fills caches, on a machine that may be busy


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_clean(command):
    program, *arguments = command.split()
    line = [sys.executable, "-m", program, *arguments, *(["."] if program == "ruff" else [])]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
