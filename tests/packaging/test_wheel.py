"""What is shipped works by itself: sdist → wheel → a clean environment with the one required dependency.

The environment lies outside the tree and has no pip, no index and no network: PyAV is put in by linking to
the copy of the environment that runs the tests, and the metadata are asked whether anything else would be
required.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.packaging.page import ROOT, blocks

pytestmark = pytest.mark.timeout(300)  # compiles everything, on a machine that may be busy

OUTSIDE = ROOT / "tests" / "packaging" / "outside"
PACKAGES = ("spacecore", "signaling")
UNITS = {
    path.relative_to(ROOT).with_suffix("").as_posix()
    for name in PACKAGES
    for path in (ROOT / name).rglob("*.pyx")
}
SHIPPED_FOLDERS = ("spacecore", "signaling", "bench", "docs", "tests")
NATIVE = (".pyx", ".pxd", ".pxi", ".pyi", ".c", ".h")
# How fast the code runs is not the question here.
QUICK = {
    "SPACECORE_CFLAGS": "-O1 -g0",
    "SPACECORE_BENCH": "0",
    "SPACECORE_DEBUG": "0",
    "PYTHONWARNINGS": "default",
}


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run to the end; the output, which is the message where it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    # From a copy: building writes metadata and C into its tree, while other tests read this one.
    tree = folder / "tree"
    skip = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for name in SHIPPED_FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=skip)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, tree)
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", folder, cwd=tree, **QUICK)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the sdist, so that whatever the sdist lacks is missed here."""
    folder = tmp_path_factory.mktemp("wheel")
    # Debian 12's Python 3.11.2 has no filters yet, and this archive is our own.
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, **safely)
    tree = next(path for path in folder.iterdir() if path.is_dir())
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, cwd=tree, **QUICK)
    return next(folder.glob("*.whl"))


def site_packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python3*/site-packages"))


def link(target: Path, *names: str) -> None:
    """Make packages of the environment that runs the tests importable from another one."""
    for name in names:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None, f"{name} is not installed"
        source = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
        (target / source.name).symlink_to(source)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The interpreter of a virtual environment with the wheel, PyAV and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    site = site_packages(folder)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    link(site, "av")
    av = distribution("av")
    metadata = Path(str(av.locate_file(""))) / f"av-{av.version}.dist-info"
    (site / metadata.name).symlink_to(metadata)
    libraries = metadata.parent / "av.libs"
    if libraries.exists():
        (site / "av.libs").symlink_to(libraries)
    return folder / "bin" / "python"


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def native_sources() -> set[str]:
    """What is compiled, and what others compile against, as it is named in an archive."""
    found = (path for name in PACKAGES for path in (ROOT / name).rglob("*"))
    return {path.relative_to(ROOT).as_posix() for path in found if path.suffix in NATIVE}


def test_the_sdist_has_the_sources_and_nothing_built(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert native_sources() - names == set()
    assert {"setup.py", "pyproject.toml", "Makefile", "LICENSE", "docs/embedding.md"} - names == set()
    assert [name for name in names if name.endswith((".so", ".pyc")) or name.startswith("build/")] == []
    written = {name for name in native_sources() if name.endswith(".c")}
    shipped = {name for name in names if name.endswith(".c") and name.startswith(PACKAGES)}
    assert shipped == written, "what Cython makes is made again"


def test_the_wheel_has_all_that_an_embedder_and_a_server_need(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = native_sources() | {"spacecore/py.typed", "signaling/py.typed"}
    migrations = ROOT / "signaling" / "store" / "migrations"
    wanted |= {
        path.relative_to(ROOT).as_posix()
        for path in migrations.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any("versions/" in name for name in wanted)
    assert wanted - names == set()
    assert {name.partition(".")[0] for name in names if name.endswith(".so")} == UNITS
    roots = {name.partition("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"spacecore", "signaling"}


def test_only_av_is_required(wheel):
    required = [line for line in metadata_of(wheel).get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line.partition(">")[0].partition("<")[0].strip() for line in required] == ["av"]
    extras = set(metadata_of(wheel).get_all("Provides-Extra", []))
    assert {"server", "client", "cli", "bench", "play", "dev"} <= extras


def test_the_first_program_runs_as_it_stands(environment, tmp_path):
    first = blocks("python")[0]
    program = tmp_path / "first.py"
    program.write_text(first.source)
    assert run(environment, "-W", "error", program, cwd=tmp_path) == first.output


def test_the_engine_is_alone_there(environment, tmp_path):
    """numpy, aioquic and msgpack are not installed; asyncio is there as everywhere, and is not loaded."""
    program = (
        "import importlib.util, json, sys, spacecore\n"
        "spacecore.Space().tick(0)\n"
        "names = ('numpy', 'aioquic', 'msgpack', 'msgspec', 'uvloop', 'sqlalchemy', 'setuptools')\n"
        "loaded = [n for n in ('asyncio', 'logging', 'socket', 'ssl', 'av') if n in sys.modules]\n"
        "print(json.dumps([[n for n in names if importlib.util.find_spec(n)], loaded, spacecore.__file__]))"
    )
    installed, loaded, file = json.loads(run(environment, "-c", program, cwd=tmp_path))
    assert installed == []
    assert loaded == []
    assert Path(file).is_relative_to(environment.parent.parent)


def test_an_outside_module_compiles_against_the_pxd_and_drives_a_room(environment, tmp_path):
    source = tmp_path / "outside_room.pyx"
    source.write_bytes((OUTSIDE / "outside_room.pyx").read_bytes())
    # Only the compiler comes from elsewhere; the declarations are those that the wheel installed.
    tools = tmp_path / "tools"
    tools.mkdir()
    link(tools, "Cython", "cython", "setuptools", "_distutils_hack")
    built = tmp_path / "built"
    built.mkdir()
    # setuptools first: from Python 3.12 on it is what brings distutils.
    cythonize = "import setuptools, sys; from Cython.Build.Cythonize import main; main(sys.argv[1:])"
    flags = "-O1 -Wall -Wextra -Werror"
    run(
        *(environment, "-c", cythonize, "--inplace", source),
        cwd=tmp_path,
        PYTHONPATH=str(tools),
        CFLAGS=flags,
    )
    program = "import outside_room; print(*outside_room.drive(50))"
    printed = run(environment, "-c", program, cwd=tmp_path)
    assert printed.split() == ["50", "14", "1"]  # 0.2 of full scale, a square wave: -14 dBov
