"""Builds the native units of spacecore: one extension per .pyx, one table of directives for all.

From the environment: SPACECORE_DEBUG=1 checks bounds, None and views in the built code; SPACECORE_STRICT=1
makes warnings of the C compiler errors; SPACECORE_BENCH=1 adds the stages that the benchmarks time;
SPACECORE_CFLAGS is handed to the C compiler last, so it wins.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

UNITS = (
    *(
        "_packet",
        "_recovery",
        "_opus",
        "_jitter",
        "_limiter",
        "_mixer",
        "_loudness",
        "_denoise",
        "_stretch",
        "_receiver",
        "_seat",
        "_tap",
        "_tick",
        "_space",
    ),
    *("_plane", "_bundle", "_media"),
)
LOAD_UNITS = ("_tally", "_swarm")
# The C core of the data plane is compiled into each unit that includes it.
CORE = tuple(sorted(str(path) for path in Path("spacecore/plane").glob("*.[ch]")))

DEBUG = os.environ.get("SPACECORE_DEBUG") == "1"
# Warnings of the C compiler stop our own builds; a user with a newer compiler is not stopped by them.
STRICT = os.environ.get("SPACECORE_STRICT") == "1"
BENCH = os.environ.get("SPACECORE_BENCH") == "1"

# In a release build nothing is checked between the samples: sizes are proven once, where data comes in.
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    "embedsignature": False,
}

# Neither -fno flag changes a result; both let the compiler vectorise the sample loops. A unit shows nothing
# but its init function: so the C core in it is inlined, and two copies of it never mix.
COMPILE_ARGS = [
    *(["-O1", "-g"] if DEBUG else ["-O3"]),
    *("-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"),
    "-fvisibility=hidden",
    *(["-Werror"] if STRICT else []),
    *os.environ.get("SPACECORE_CFLAGS", "").split(),
]

LIBRARIES = [] if sys.platform == "darwin" else ["m", "dl"]


def extension(package: str, unit: str) -> Extension:
    folder = package.replace(".", "/")
    return Extension(
        f"{package}.{unit}",
        [f"{folder}/{unit}.pyx"],
        include_dirs=list(dict.fromkeys(["spacecore", folder])),
        depends=[*CORE, *sorted(str(path) for path in Path(folder).glob("*.h"))],
        extra_compile_args=COMPILE_ARGS,
        libraries=LIBRARIES,
    )


extensions = [*(extension("spacecore", unit) for unit in UNITS), extension("signaling.media", "_thread")]
extensions += [extension("signaling.load", unit) for unit in LOAD_UNITS]
if BENCH:
    extensions += [extension("bench", "_stages"), extension("bench", "_raw")]
    if sys.platform == "linux":  # epoll and recvmmsg
        extensions.append(extension("bench", "_sink"))

Options.warning_errors = True

setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives=DIRECTIVES,
        # A debug and a release build differ in the generated C, not only in flags.
        build_dir="build/cython-debug" if DEBUG else "build/cython",
    ),
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
)
