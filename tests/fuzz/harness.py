"""Builds and runs the C harnesses of the data plane: `python -m tests.fuzz.harness --packets N --seed S`."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["SANITIZED", "BuildError", "built", "main"]

ROOT: Final = Path(__file__).parents[2]
PACKETS: Final = 1_000_000
WARNINGS: Final = ("-std=gnu11", "-Wall", "-Wextra", "-Werror")
SANITIZED: Final = (
    *("-g", "-O1", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)


class BuildError(Exception):
    """The compiler or its sanitizers are missing, or the code does not compile."""


def built(source: Path, flags: tuple[str, ...], target: Path) -> Path:
    """Compile one C file, with the core of the plane in it, into a program. Raises BuildError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    command = [*compiler, *WARNINGS, *flags, str(source), "-o", str(target), "-ldl", "-lpthread"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(
            f"there is no {compiler[0]} here; on Debian:  sudo apt-get install -y gcc libc6-dev"
        ) from error
    if done.returncode:
        remedy = ""
        if "asan" in done.stderr or "ubsan" in done.stderr:
            remedy = "the sanitizers' libraries are missing; on Debian they come with gcc (libgcc-12-dev)\n"
        raise BuildError(f"{shlex.join(command)} failed; {remedy}{done.stderr}")
    return target


def main(arguments: list[str] | None = None) -> int:
    """Throw packets at the plane under AddressSanitizer and UndefinedBehaviorSanitizer; its exit status."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--packets", type=int, default=PACKETS)
    parser.add_argument("--seed", type=int, default=None, help="the same seed throws the same packets")
    options = parser.parse_args(arguments)
    seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed
    print(f"repeat:  make fuzz SEED={seed} PACKETS={options.packets}", flush=True)
    try:
        program = built(Path(__file__).with_name("plane_fuzz.c"), SANITIZED, ROOT / "build/fuzz/plane_fuzz")
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    return subprocess.run([program, str(seed), str(options.packets)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
