"""The C core of the data plane under sanitizers: 100,000 packets of a fixed seed, and what a failure says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fuzz import harness
from tests.fuzz.harness import SANITIZED, BuildError, built

SEED = 20_260_101
PACKETS = 100_000
SOURCE = Path(__file__).with_name("plane_fuzz.c")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(SOURCE, SANITIZED, tmp_path_factory.mktemp("fuzz") / "plane_fuzz")


def thrown(program: Path, seed: int, packets: int, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, str(seed), str(packets)],
        capture_output=True, text=True, check=False, timeout=110, env=os.environ | environment,
    )  # fmt: skip


def test_no_packet_breaks_the_plane(program: Path) -> None:
    done = thrown(program, SEED, PACKETS)
    again = f"repeat:  make fuzz SEED={SEED} PACKETS={PACKETS}"
    assert done.returncode == 0, f"{again}\n{done.stdout}{done.stderr}"
    assert done.stderr == ""
    thrown_at_it = [row.split() for row in done.stdout.splitlines()[1:]]
    assert sum(int(count) for row in thrown_at_it for count in row[-4:]) >= PACKETS


def test_the_same_seed_throws_the_same_packets(program: Path) -> None:
    first, second, other = (thrown(program, seed, 3_000).stdout for seed in (7, 7, 8))
    assert first == second
    assert first != other


def broken(tmp_path: Path, file: str, sound: str, wrong: str) -> Path:
    """The harness over a plane of which one line is wrong."""
    for folder in ("spacecore/plane", "tests/fuzz"):
        (tmp_path / folder).mkdir(parents=True)
        for path in (harness.ROOT / folder).glob("*.[ch]"):
            text = path.read_text(encoding="utf-8")
            if path.name == file:
                assert text.count(sound) == 1, f"{file} has changed; this test wants another line to break"
                text = text.replace(sound, wrong)
            (tmp_path / folder / path.name).write_text(text, encoding="utf-8")
    return built(tmp_path / "tests/fuzz/plane_fuzz.c", (*SANITIZED, "-Wno-error"), tmp_path / "broken")


@pytest.mark.parametrize(
    ("file", "sound", "wrong", "told"),
    [
        ("packet.c", "int64_t pn = conn->pn++;", "int64_t pn = conn->pn;", "while sealing"),
        ("packet.c", "conn_seen(conn, opened.pn)", "0", "while replayed"),
        ("packet.c", "conn->scid_bytes;\n    if (bytes < 1", "0;\n    if (bytes < 1", "AddressSanitizer"),
        ("ranges.c", "if (back >= PLANE_WINDOW)", "if (back > PLANE_WINDOW)", "out of bounds"),
    ],
)
def test_a_plane_that_is_wrong_is_found_out(
    tmp_path: Path, file: str, sound: str, wrong: str, told: str
) -> None:
    done = thrown(broken(tmp_path, file, sound, wrong), SEED, PACKETS)
    assert done.returncode != 0
    assert told in done.stderr
    if "plane_fuzz:" in done.stderr:
        assert f"make fuzz SEED={SEED} PACKETS={PACKETS}" in done.stderr


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -x")
    with pytest.raises(BuildError, match=r"no no-such-compiler here; .*apt-get install"):
        built(SOURCE, SANITIZED, tmp_path / "out")


def test_missing_sanitizers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho '/usr/bin/ld: cannot find libasan_preinit.o' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(BuildError, match="sanitizers' libraries are missing"):
        built(SOURCE, SANITIZED, tmp_path / "out")
