"""What a package imports is what its extra in pyproject.toml brings, and no extra brings what nobody uses."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest

from tests.structure.source import COMPUTED, ROOT, files, imports

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

# What nobody imports who sells nothing through Stripe.
PAID = ("signaling/pay/stripe.py", "signaling/pay/stripe_webhooks.py")

# What is imported by nobody who measures no sound.
QUALITY = ("bench/quality",)

# An extra and the folders (or files) that must work with it alone.
FOR = {
    "": ("spacecore",),
    "client": ("signaling/client", "signaling/protocol", "signaling/quic"),
    "server": (
        *("signaling/server", "signaling/media", "signaling/rules", "signaling/store", "signaling/config"),
        *("signaling/http", "signaling/pay", "signaling/tokens.py", "signaling/logs.py"),
    ),
    "pay": PAID,
    "cli": ("signaling/cli",),
    "bench": ("bench",),
    "quality": QUALITY,
}
# Where the name to import differs from the name to install.
INSTALLED_AS = {"jwt": "pyjwt", "visqol": "visqol-python", "pytest_benchmark": "pytest-benchmark"}
# Installed for another package's sake, or imported only where somebody asks for it.
NOT_IMPORTED = {"": {"av"}, "server": {"uvloop", "aiosqlite"}, "bench": {"pytest-benchmark"}}
# Imported only behind a question whether it is there.
OPTIONAL = {"sounddevice", "uvloop"}


def bare(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


def brought(extra: str) -> set[str]:
    """Names of all distributions that `pip install spacecore[extra]` asks for."""
    names = {bare(line) for line in PROJECT["dependencies"]}
    for line in PROJECT["optional-dependencies"].get(extra, []):
        names |= brought(re.findall(r"\[(\w+)", line)[0]) if line.startswith("spacecore[") else {bare(line)}
    return names


def imported(extra: str) -> set[str]:
    roots = set()
    for place in FOR[extra]:
        found = (
            [ROOT / place]
            if place.endswith(".py")
            else files(place, suffixes=(".py", ".pyx", ".pxd", ".pxi"))
        )
        apart = (*(PAID if extra != "pay" else ()), *(QUALITY if extra != "quality" else ()))
        found = [path for path in found if not path.relative_to(ROOT).as_posix().startswith(apart)]
        roots |= {each.module.partition(".")[0] for path in found for each in imports(path)}
    ours = {"spacecore", "signaling", "bench", "tests", COMPUTED, "libc", "cpython", "cython", "posix"}
    return {INSTALLED_AS.get(name, name).replace("_", "-") for name in roots - ours - sys.stdlib_module_names}


@pytest.mark.parametrize("extra", FOR)
def test_an_extra_brings_what_its_packages_import(extra):
    assert imported(extra) - brought(extra) - OPTIONAL == set()


@pytest.mark.parametrize("extra", [extra for extra in FOR if (ROOT / FOR[extra][0]).exists()])
def test_an_extra_brings_nothing_unused(extra):
    own = {bare(line) for line in PROJECT["optional-dependencies"].get(extra, PROJECT["dependencies"])}
    assert own - {"spacecore"} - imported(extra) - NOT_IMPORTED.get(extra, set()) == set()


def test_every_requirement_has_both_bounds():
    lines = [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]
    bounded = re.compile(r"==|>=.*<")
    loose = [line for line in lines if not line.startswith("spacecore[") and not bounded.search(line)]
    assert loose == []
