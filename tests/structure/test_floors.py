"""The import direction: the engine knows no server, pure parts know no I/O, and each library has one home."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.structure.source import COMPUTED, ROOT, Import, files, imports, module_name, shown

ABOVE = ("bench", "tests")


@dataclass(frozen=True)
class Floor:
    """Modules below `package` import nothing below `never`."""

    package: str
    never: tuple[str, ...]


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def parts(*names: str) -> tuple[str, ...]:
    return tuple(f"signaling.{name}" for name in names)


FLOORS = (
    Floor("spacecore", ("asyncio", "aioquic", "msgpack", "msgspec", "logging", "numpy", "signaling", *ABOVE)),
    # No network, no clock, no FFmpeg.
    Floor("spacecore", ("socket", "ssl", "selectors", "threading", "time", "av")),
    Floor("signaling", ABOVE),
    Floor(
        "signaling.protocol",
        (
            "asyncio",
            "sqlalchemy",
            "aioquic",
            *parts("store", "quic", "server", "media", "client", "cli", "rules"),
        ),
    ),
    Floor(
        "signaling.rules",
        (
            *(
                "asyncio",
                "logging",
                "time",
                "random",
                "sqlalchemy",
                "aioquic",
                "msgpack",
                "msgspec",
                "spacecore",
            ),
            *parts("store", "quic", "server", "media", "client", "cli", "protocol"),
        ),
    ),
    Floor(
        "signaling.store",
        ("aioquic", "msgpack", "spacecore", *parts("quic", "server", "media", "client", "cli")),
    ),
    Floor(
        "signaling.quic",
        ("msgpack", "sqlalchemy", *parts("store", "rules", "server", "media", "client", "cli")),
    ),
    Floor("signaling.client", ("sqlalchemy", *parts("store", "server", "media", "cli"))),
    Floor(
        "signaling.load",
        ("sqlalchemy", "aioquic", "msgpack", *parts("store", "rules", "server", "media", "cli")),
    ),
    Floor("signaling.server", parts("client", "cli", "load")),
    Floor("signaling.http", parts("quic", "server", "media", "client", "cli", "load")),
    Floor("signaling.pay", parts("quic", "server", "media", "client", "cli", "load", "protocol")),
    Floor(
        "signaling.trace", ("asyncio", "logging", "time", *parts("quic", "server", "media", "client", "cli"))
    ),
    Floor("signaling.media", parts("store", "client", "cli")),
    Floor("signaling.tokens", parts("store", "quic", "server", "media", "client", "cli", "protocol")),
)

# A library and the only package that may import it.
HOMES = {
    "msgpack": "signaling.protocol",
    "aioquic": "signaling.quic",
    "sqlalchemy": "signaling.store",
    "alembic": "signaling.store",
    "aiosqlite": "signaling.store",
    "jwt": "signaling.tokens",
    "iso4217": "signaling.rules",
    "httpx": "signaling.http",
    "starlette": "signaling.http",
    "uvicorn": "signaling.http.door",
    "prometheus_client": "signaling.http.metrics",
    "structlog": "signaling.logs",
    "stripe": "signaling.pay",
    "typer": "signaling.cli",
    "rich": "signaling.cli",
    "textual": "signaling.cli.room",
    "signaling.cli": "signaling.cli",
}

CLI = ROOT / "signaling" / "cli"

# The modules that may name private state of aioquic.
PRIVATE_HOMES = {ROOT / "signaling" / "quic" / name for name in ("bridge.py", "bridge_guards.py")}


def imports_below(package: str) -> list[Import]:
    """Every import of the files below a package (or of the one file of a module)."""
    found = [path for path in files("spacecore", "signaling") if inside(module_name(path), package)]
    return [each for path in found for each in imports(path)]


@pytest.mark.parametrize("floor", FLOORS, ids=lambda floor: f"{floor.package}-not-{floor.never[0]}")
def test_a_floor_holds(floor):
    found = imports_below(floor.package)
    assert [str(each) for each in found if any(inside(each.module, name) for name in floor.never)] == []


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library):
    broken = [
        str(each)
        for package in ("spacecore", "signaling")
        for each in imports_below(package)
        if inside(each.module, library) and not inside(module_name(each.path), HOMES[library])
    ]
    assert broken == []


def test_nothing_below_the_command_line_is_imported_by_a_computed_name():
    """Floors must see every import; only the top one, which nothing imports, may look around."""
    found = [each for package in ("spacecore", "signaling") for each in imports_below(package)]
    assert [str(each) for each in found if each.module == COMPUTED and CLI not in each.path.parents] == []


def private_names_of_aioquic() -> set[str]:
    """Attributes that aioquic's classes keep for themselves, read from its source without importing it."""
    spec = importlib.util.find_spec("aioquic")
    assert spec is not None and spec.submodule_search_locations is not None
    sources = Path(spec.submodule_search_locations[0]).rglob("*.py")
    return {name for source in sources for name in own_private_names(ast.parse(source.read_text("utf-8")))}


def own_private_names(tree: ast.Module) -> set[str]:
    """What a module's classes define: `self._x`, `def _x`, and annotated or assigned `_x` in their bodies."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            fields: list[ast.expr] = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
            for each in node.body:
                fields += each.targets if isinstance(each, ast.Assign) else []
            names |= {field.id for field in fields if isinstance(field, ast.Name)}
    return {name for name in names if name.startswith("_") and not name.endswith("__")}


def test_private_state_of_aioquic_stands_in_the_bridge():
    private = private_names_of_aioquic()
    assert "_datagrams_pending" in private
    trees = {path: ast.parse(path.read_text("utf-8")) for path in files("signaling", suffixes=(".py",))}
    # On `self` a name may come from a base class of ours in another file.
    ours = {name for tree in trees.values() for name in own_private_names(tree)}
    broken = []
    for path, tree in trees.items():
        own = own_private_names(tree)
        broken += [
            f"{shown(path)}:{node.lineno} {ast.unparse(node)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and path not in PRIVATE_HOMES
            if node.attr in private - (ours if ast.unparse(node.value) in ("self", "cls") else own)
        ]
    assert broken == []


def test_the_reader_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.structure.source.ROOT", tmp_path)
    native = tmp_path / "house" / "_unit.pyx"
    native.parent.mkdir()
    native.write_text(
        '"""Prose:\nimport nothing\n"""\nfrom libc.math cimport pow\ncimport numpy as cnp\n'
        "from . import sibling\nfrom house._pcm cimport (\n    a, b)\nimport os, sys\n"
    )
    assert {each.module for each in imports(native)} == {
        *("libc.math", "libc.math.pow", "numpy", "house", "house.sibling", "house._pcm", "os", "sys"),
    }
    plain = tmp_path / "house" / "plain.py"
    plain.write_text(
        "from __future__ import annotations\n"
        "def f():\n    from ..over import thing\n    import_module('late')\n"
        "    import_module(f'over.part.{name}')\n    import_module(name)\n"
    )
    seen = {each.module for each in imports(plain)}
    assert {"over", "over.thing", "late", "over.part", COMPUTED} <= seen
