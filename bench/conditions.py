"""The conditions under which a figure was measured: they stand in the header of every benchmark."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from spacecore import __version__, opus_library
from spacecore._plane import crypto_library
from spacecore.errors import PlaneError

_ROOT = Path(__file__).parent.parent


def commit() -> str:
    """The commit of the checkout, with `+` where the tree has changes; `unknown` outside one."""
    asked = [
        ["git", "rev-parse", "--short=12", "HEAD"],
        ["git", "status", "--porcelain", "--untracked-files=no"],
    ]
    try:
        head, changes = (
            subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()
            for line in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changes else "")


def cpu_model() -> str:
    """The processor as the machine names it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def ciphers() -> str:
    """The libcrypto of the native plane, or why there is none."""
    try:
        return crypto_library().version
    except PlaneError as error:
        return f"none ({error.code})"


def conditions() -> dict[str, str | int | float]:
    """Machine, software and load as of now."""
    library = opus_library()
    packages = {}
    for name in ("numpy", "aioquic", "uvloop", "cython"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "spacecore": __version__,
        "commit": commit(),
        "command": " ".join(["python", *sys.orig_argv[1:]]),
        "cpu": cpu_model(),
        "cores": os.cpu_count() or 1,
        "load_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libcrypto": ciphers(),
        "libopus": f"{library.version} ({library.source})",
        **packages,
    }


def header() -> str:
    """The conditions as lines of text."""
    return "\n".join(f"# {name}: {value}" for name, value in conditions().items())
