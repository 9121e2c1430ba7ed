"""`spaces doctor`: on this machine, and on machines where something is missing."""

from __future__ import annotations

import importlib.util
import json

import pytest
from typer.testing import CliRunner

import spacecore
from signaling.cli import examine
from signaling.cli.commands import app
from signaling.cli.examine import Verdict
from signaling.cli.examine import examine as look
from spacecore import opus_library
from spacecore._plane import crypto_library
from spacecore.errors import PlaneError

X86 = "processor : 0\nflags\t\t: fpu sse2 sse4_1 sse4_2 {}\n"


def finding(name):
    return next(each for each in look() if each.name == name)


def test_here_all_that_is_needed_is_found():
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    for word in (
        "Python",
        "aioquic",
        "uvloop",
        "numpy",
        "libopus",
        "libcrypto",
        "UDP receive buffer",
        "All that",
    ):
        assert word in result.output
    assert opus_library().version in result.output


def test_json():
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.output)
    assert report["ok"] is True
    names = {each["name"]: each for each in report["findings"]}
    assert names["libopus"]["value"].endswith(opus_library().path)
    assert all(each["remedy"] for each in report["findings"] if each["verdict"] != "ok")


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "aioquic" else there(name))
    missing = finding("aioquic")
    assert missing.verdict is Verdict.MISSING
    assert missing.remedy == "pip install '.[client]'"
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert ".[client]" in result.output


def test_an_optional_package_is_advice(monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "espeakng_loader" else there(name)
    )
    assert finding("espeakng-loader").verdict is Verdict.ADVICE
    assert CliRunner().invoke(app, ["doctor", "--json"]).exit_code == 0


def test_a_libopus_that_cannot_be_loaded(monkeypatch):
    def none():
        raise spacecore.OpusLibraryError("no_library", "no libopus at /nowhere", -100)

    monkeypatch.setattr(spacecore, "opus_library", none)
    missing = finding("libopus")
    assert missing.verdict is Verdict.MISSING
    assert "/nowhere" in missing.value
    assert "SPACECORE_LIBOPUS" in missing.remedy


def test_libcrypto_and_the_plane_are_named(monkeypatch):
    library = crypto_library()
    assert finding("libcrypto").value.startswith(library.version)
    assert library.path in finding("libcrypto").value
    assert finding("media plane").value.startswith("native")
    monkeypatch.setenv("SPACES_MEDIA_PLANE", "aioquic")
    assert finding("media plane").value == "aioquic, as SPACES_MEDIA_PLANE says"
    monkeypatch.setenv("SPACES_MEDIA_PLANE", "fast")
    wrong = finding("media plane")
    assert (wrong.verdict, "native, aioquic" in wrong.value) == (Verdict.MISSING, True)


def test_without_libcrypto_the_consequence_is_told(monkeypatch):
    monkeypatch.setattr("spacecore._plane.crypto_library", no_libcrypto)
    monkeypatch.setattr("signaling.server.native.crypto_library", no_libcrypto)
    missing = finding("libcrypto")
    assert missing.verdict is Verdict.ADVICE
    assert "/nowhere" in missing.value
    assert "fewer listeners" in missing.value
    assert "libssl3" in missing.remedy
    plane = finding("media plane")
    assert plane.verdict is Verdict.ADVICE
    assert plane.value.startswith("aioquic: ")


def no_libcrypto():
    raise PlaneError("no_libcrypto", "no libcrypto at /nowhere")


def test_something_that_does_not_load():
    def broken():
        raise ImportError("undefined symbol: space_tick")

    found = examine._loads("native engine", broken, "build it anew")
    assert (found.verdict, found.remedy) == (Verdict.MISSING, "build it anew")
    assert "undefined symbol" in found.value


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "verdict", "words"),
    [
        ("x86_64", X86.format("avx2 aes pclmulqdq fma"), Verdict.OK, "AVX2"),
        ("x86_64", X86.format("avx2 fma"), Verdict.ADVICE, "not: AES, PCLMUL"),
        ("aarch64", "Features : fp asimd aes pmull", Verdict.OK, "NEON, AES, PMULL"),
        ("arm64", "", Verdict.OK, "does not list"),
    ],
)
def test_cpu_features(machine, cpuinfo, verdict, words):
    found = examine._features(machine, cpuinfo)
    assert found.verdict is verdict
    assert words in found.value
    assert bool(found.remedy) == (verdict is not Verdict.OK)


def test_small_socket_buffers_are_told_with_the_remedy():
    small = examine._buffer("UDP send buffer", "wmem", 212_992, 212_992)
    assert small.verdict is Verdict.ADVICE
    assert "208 KiB of 4096 KiB" in small.value
    assert "sysctl -w" in small.remedy
    assert examine._buffer("UDP send buffer", "wmem", 4 << 20, 4 << 20).verdict is Verdict.OK
