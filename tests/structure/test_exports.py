"""What the packages say they export is true, sorted and documented, and the engine is light to import."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import subprocess
import sys

import pytest

import spacecore
from tests.structure.source import PACKAGES, ROOT, files, module_name

PACKAGE_NAMES = [
    module_name(path) for path in files(*PACKAGES, suffixes=(".py",)) if path.name == "__init__.py"
]
HEAVY = ("asyncio", "numpy", "logging", "ssl", "socket", "av", "aioquic", "msgpack", "threading", "ctypes")


def reading_order(name: str) -> tuple[int, str]:
    """Constants, classes, functions; ruff's RUF022 sorts in the same way."""
    bare = name.lstrip("_")
    kind = 0 if bare.isupper() and len(bare) > 1 else 1 if bare[:1].isupper() else 2
    return kind, name


def reexported(package: str) -> set[str]:
    """Public names that an __init__.py takes from its own package: all of them are meant for others."""
    path = ROOT.joinpath(*package.split(".")) / "__init__.py"
    return {
        name.asname or name.name
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith(package))
        for name in node.names
        if not (name.asname or name.name).startswith("_")
    }


@pytest.mark.parametrize("package", PACKAGE_NAMES)
def test_all_is_sorted_and_true(package):
    module = importlib.import_module(package)
    names = list(getattr(module, "__all__", ()))
    assert names == sorted(names, key=reading_order)
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []
    assert reexported(package) - set(names) == set()


def public_things() -> dict[str, object]:
    """spacecore's exports and the methods of its classes; a class explains its properties itself."""
    things: dict[str, object] = {}
    for name in spacecore.__all__:
        thing = getattr(spacecore, name)
        if inspect.isclass(thing):
            members = vars(thing).items() if not issubclass(thing, tuple) else ()
            things |= {f"{name}.{key}": value for key, value in members if callable(value) and key[0] != "_"}
        if inspect.isclass(thing) or callable(thing):
            things[name] = thing
    return things


def test_everything_exported_is_documented():
    things = public_things()
    assert {"Space", "Space.tick", "parse_audio"} <= set(things)
    assert [name for name, thing in things.items() if not (inspect.getdoc(thing) or "").strip()] == []


def test_the_engine_loads_nothing_heavy():
    """A fresh interpreter without site loads only spacecore and parts of the standard library without I/O.

    Unavoidable are collections, enum and dataclasses (records), which bring inspect, ast, dis, re and
    tokenize; importlib.util (finds PyAV's libopus without importing PyAV); pathlib, which brings fnmatch,
    ipaddress and urllib.parse; array, contextlib, weakref and warnings.
    """
    program = (
        "import json, sys; before = set(sys.modules); import spacecore;"
        "print(json.dumps([sorted(before), sorted(sys.modules)]))"
    )
    site = next(path for path in sys.path if path.endswith("site-packages"))
    line = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path += [{str(ROOT)!r}, {site!r}]; {program}"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    assert [name for name in HEAVY if name in before] == []
    assert [name for name in HEAVY if name in after] == []
    foreign = {
        name.partition(".")[0]
        for name in set(after) - set(before)
        if name.partition(".")[0] not in sys.stdlib_module_names
    }
    # Cython's own two: a marker and the table of types that all its modules share.
    assert {name for name in foreign if not name.startswith(("_cython_", "cython_runtime"))} == {"spacecore"}


def test_the_version_is_the_same_everywhere():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'version = "{spacecore.__version__}"' in text
