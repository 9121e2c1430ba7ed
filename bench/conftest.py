"""Prints the conditions under which the figures were measured, and keeps them in pytest-benchmark's JSON."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


def cpu_name() -> str:
    """The processor as the system names it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git(*arguments: str) -> str:
    """What git answers about this tree, or nothing where there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def commit() -> str:
    """The commit measured, marked where the tree differs from it."""
    name = git("rev-parse", "--short", "HEAD")
    if not name:
        return "unknown (no git)"
    return name + (" + changes" if git("status", "--porcelain") else "")


def conditions() -> dict[str, str]:
    """Everything a figure depends on that can be read without measuring."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "machine": f"{cpu_name()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        "load": f"{load} (1, 5, 15 min, at the start)",
        "python": f"{platform.python_version()} ({platform.python_compiler()})",
        "numpy": np.__version__,
        "commit": commit(),
        "command": " ".join(["python -m pytest", *sys.argv[1:]]),
    }


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"{name}: {value}" for name, value in conditions().items()]


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    machine_info["conditions"] = conditions()
