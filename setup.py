"""Builds the native units of spacecore: one extension per .pyx, one table of directives for all."""

from __future__ import annotations

import os
import sys

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

UNITS = ("_packet", "_opus", "_jitter", "_limiter", "_mixer", "_receiver", "_seat", "_tap", "_tick", "_space")

DEBUG = os.environ.get("SPACECORE_DEBUG") == "1"
# Warnings of the C compiler stop our own builds; a user with a newer compiler is not stopped by them.
STRICT = os.environ.get("SPACECORE_STRICT") == "1"
BENCH = os.environ.get("SPACECORE_BENCH") == "1"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    "embedsignature": False,
}

COMPILE_ARGS = ["-O1", "-g"] if DEBUG else ["-O3"]
if sys.platform != "win32":
    # Neither flag changes a result; both let the compiler vectorise the sample loops.
    COMPILE_ARGS += ["-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
    if STRICT:
        COMPILE_ARGS += ["-Werror"]

LIBRARIES = [] if sys.platform in ("win32", "darwin") else ["m", "dl"]


def extension(package: str, unit: str) -> Extension:
    return Extension(
        f"{package}.{unit}",
        [f"{package}/{unit}.pyx"],
        extra_compile_args=COMPILE_ARGS,
        libraries=LIBRARIES,
    )


extensions = [extension("spacecore", unit) for unit in UNITS]
if BENCH:
    extensions.append(extension("bench", "_stages"))

Options.warning_errors = True

setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives=DIRECTIVES,
        # A debug and a release build differ in the generated C, not only in flags.
        build_dir="build/cython-debug" if DEBUG else "build/cython",
    )
)
