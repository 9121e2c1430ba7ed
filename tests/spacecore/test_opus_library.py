"""Which libopus is taken, what happens without one, and every error a libopus can return, provoked."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from spacecore import _opus_places
from spacecore._opus import opus_library

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, **environment: str) -> str:
    """Run a script in an interpreter of its own, since a libopus is chosen once, on import."""
    inherited = {k: v for k, v in os.environ.items() if k != "SPACECORE_LIBOPUS"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- where it is looked for -----------------------------------------------------------------------


def test_a_named_file_is_the_only_place(monkeypatch):
    monkeypatch.setenv("SPACECORE_LIBOPUS", "/some/libopus.so")
    assert [(p.source, p.path) for p in _opus_places.places()] == [("SPACECORE_LIBOPUS", "/some/libopus.so")]


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_named_file_pyav_comes_before_the_system(monkeypatch, value):
    monkeypatch.delenv("SPACECORE_LIBOPUS", raising=False)
    if value is not None:
        monkeypatch.setenv("SPACECORE_LIBOPUS", value)
    order = [place.source for place in _opus_places.places()]
    assert order[:2] == ["SPACECORE_LIBOPUS", "PyAV"]
    assert set(order[2:]) <= {"PyAV", "system"}
    assert order[-1] == "system"


@pytest.mark.parametrize("folder", ["av.libs", "av/.dylibs"])
def test_the_copy_in_the_wheel_is_found_without_importing_it(monkeypatch, tmp_path, folder):
    (tmp_path / "av").mkdir()
    (tmp_path / folder).mkdir()
    library = tmp_path / folder / "libopus-0a1b.so.0"
    library.touch()
    spec = ModuleSpec("av", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "av")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    monkeypatch.delenv("SPACECORE_LIBOPUS", raising=False)
    assert _opus_places.places()[1] == _opus_places.Place("PyAV", str(library))
    library.unlink()
    assert "no libopus*" in _opus_places.places()[1].reason


def _no_spec(_name):
    return None


def _broken_spec(name):
    raise ValueError(f"{name}.__spec__ is None")


@pytest.mark.parametrize("find_spec", [_no_spec, _broken_spec])
def test_pyav_may_be_missing(monkeypatch, find_spec):
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.delenv("SPACECORE_LIBOPUS", raising=False)
    assert _opus_places.places()[1].reason == "PyAV is not installed"


def test_a_named_file_is_used():
    path = opus_library().path
    script = (
        "from spacecore._opus import *; info = opus_library(); print(info.source, info.path, info.version)"
    )
    assert run(script, SPACECORE_LIBOPUS=path).split() == ["SPACECORE_LIBOPUS", path, opus_library().version]


def test_importing_loads_neither_av_nor_anything_of_the_server():
    script = "import sys, spacecore._opus; print([m for m in sys.modules if m.partition('.')[0] in sys.argv])"
    done = subprocess.run(
        [sys.executable, "-c", script, "av", "numpy", "asyncio", "logging", "msgpack", "aioquic", "socket"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# --- without a usable one -------------------------------------------------------------------------

TRY_ALL = """
import json
from spacecore import _opus
from spacecore.errors import OpusLibraryError
said = {}
for name, call in {
    "Encoder": _opus.Encoder,
    "Decoder": _opus.Decoder,
    "opus_library": _opus.opus_library,
    "packet_duration_samples": lambda: _opus.packet_duration_samples(b"\\x08"),
}.items():
    try:
        call()
    except OpusLibraryError as error:
        said[name] = [error.code, error.status, str(error)]
assert _opus.packet_carries_fec(b"\\x08\\x40") is True
print(json.dumps(said))
"""


def refusals(prelude: str = "", **environment: str) -> str:
    """The one message with which everything that needs a libopus refuses."""
    said = json.loads(run(prelude + TRY_ALL, **environment))
    assert sorted(said) == ["Decoder", "Encoder", "opus_library", "packet_duration_samples"]
    assert {(code, status) for code, status, _ in said.values()} == {("no_library", -100)}
    (message,) = {message for _, _, message in said.values()}
    return message


def test_a_named_file_that_is_not_there_is_an_error_not_a_fallback():
    message = refusals(SPACECORE_LIBOPUS="/nonexistent/libopus.so.0")
    assert "SPACECORE_LIBOPUS names /nonexistent/libopus.so.0" in message
    assert "name another file, or unset it" in message


def test_a_named_file_that_is_no_library_is_an_error(tmp_path):
    path = tmp_path / "libopus.so.0"
    path.write_text("not a library")
    assert f"SPACECORE_LIBOPUS names {path}" in refusals(SPACECORE_LIBOPUS=str(path))


def test_a_library_that_is_no_libopus_is_an_error(c_library):
    path = c_library("other", "int opus_encoder_create(void) { return 0; }")
    message = refusals(SPACECORE_LIBOPUS=str(path))
    assert f"SPACECORE_LIBOPUS names {path}" in message
    assert "it has no opus_encode" in message


# Importing any part of spacecore loads a libopus at once, so the list of places is changed before that.
PLACES_FIRST = """
import importlib.util, sys
from importlib.machinery import ModuleSpec
from pathlib import Path
find_spec = importlib.util.find_spec
folder = Path(find_spec("spacecore").origin).parent
loaded = importlib.util.spec_from_file_location("spacecore._opus_places", folder / "_opus_places.py")
places = sys.modules[loaded.name] = importlib.util.module_from_spec(loaded)
loaded.loader.exec_module(places)
def pretend(av, *system):
    places.SYSTEM_NAMES = system
    importlib.util.find_spec = lambda name, *rest: av if name == "av" else find_spec(name, *rest)
"""


def test_with_none_anywhere_every_place_is_named():
    message = refusals(PLACES_FIRST + "pretend(None, 'libopus-of-no-system.so.0')\n")
    assert "SPACECORE_LIBOPUS (not set)" in message
    assert "PyAV (PyAV is not installed)" in message
    assert "system libopus-of-no-system.so.0 (" in message
    assert "pip install av" in message


def test_a_broken_copy_in_the_wheel_falls_through_to_the_system(tmp_path):
    (tmp_path / "av").mkdir()
    (tmp_path / "av.libs").mkdir()
    (tmp_path / "av.libs" / "libopus-broken.so").write_text("not a library")
    script = (
        "av = ModuleSpec('av', None, is_package=True)\n"
        f"av.submodule_search_locations = [{str(tmp_path / 'av')!r}]\n"
        f"pretend(av, {opus_library().path!r})\n"
        "from spacecore._opus import opus_library\n"
        "print(opus_library().source)\n"
    )
    assert run(PLACES_FIRST + script).strip() == "system"


# --- every error of the C functions ---------------------------------------------------------------


@pytest.fixture(scope="module")
def c_library(tmp_path_factory):
    """Compile C text into a shared library; a C compiler is what building spacecore needs anyway."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        compiler = ["cc"]

    def build(name: str, source: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / f"{name}.c").write_text(source)
        path = folder / f"{name}.so"
        subprocess.run(
            [*compiler, "-shared", "-fPIC", "-o", path, folder / f"{name}.c"], check=True, timeout=60
        )
        return path

    return build


@pytest.fixture(scope="module")
def failing_libopus(c_library) -> str:
    return str(c_library("fake", (ROOT / "tests" / "oracles" / "fake_libopus.c").read_text()))


WITH_FAKE = """
import array, contextlib, ctypes, json, os, threading
from spacecore import _opus
from spacecore.errors import OpusError
lib = ctypes.CDLL(os.environ["SPACECORE_LIBOPUS"])    # the same handle as the one that _opus opened
def flag(name): return ctypes.c_int.in_dll(lib, name)
assert _opus.opus_library().version == "0.0-fake"
floats, ints = array.array("f", bytes(3840)), array.array("h", bytes(1920))
"""

INJECT = """
encoder, decoder = _opus.Encoder(), _opus.Decoder()
said = []
def fails(where, call, **flags):
    for status in range(-1, -8, -1):
        for name in flags:
            flag(name).value = status
        try:
            call()
            said.append([where, status, None, None])
        except OpusError as error:
            said.append([where, status, error.status, error.code])
        for name in flags:
            flag(name).value = 0
        call()    # and it works again
fails("Encoder", _opus.Encoder, fail_create=1)
fails("Decoder", _opus.Decoder, fail_create=1)
fails("encode float", lambda: encoder.encode(floats), fail_code=1)
fails("encode int16", lambda: encoder.encode(ints), fail_code=1)
fails("decode", lambda: decoder.decode(b"\\x08"), fail_code=1)
fails("conceal", decoder.conceal, fail_code=1)
fails("recover", lambda: decoder.recover(b"\\x08"), fail_code=1)
fails("decode: duration", lambda: decoder.decode(b"\\x08"), fail_samples=1)
fails("recover: duration", lambda: decoder.recover(b"\\x08"), fail_samples=1)
fails("duration", lambda: _opus.packet_duration_samples(b"\\x08"), fail_samples=1)
fails("encoder reset", encoder.reset, fail_ctl=1)
fails("decoder reset", decoder.reset, fail_ctl=1)
for name in ("bitrate_bps", "complexity", "fec", "loss_pct", "dtx", "vbr", "lookahead_samples"):
    fails("get " + name, lambda: getattr(encoder, name), fail_ctl=1)
    if name != "lookahead_samples":
        value = 6000 if name == "bitrate_bps" else 1
        fails("set " + name, lambda: setattr(encoder, name, value), fail_ctl=1)
for request in (4002, 4006, 4010, 4012, 4014, 4016):
    flag("fail_request").value = request
    fails(f"Encoder: request {request}", _opus.Encoder, fail_ctl=1)
del encoder, decoder
print(json.dumps([said, flag("made").value, flag("freed").value]))
"""

CODES = {
    -1: "bad_argument",
    -2: "buffer_too_small",
    -3: "internal_error",
    -4: "invalid_packet",
    -5: "unimplemented",
    -6: "invalid_state",
    -7: "alloc_failed",
}


def test_every_error_of_every_call_arrives_and_nothing_leaks(failing_libopus):
    said, made, freed = json.loads(run(WITH_FAKE + INJECT, SPACECORE_LIBOPUS=failing_libopus))
    assert len(said) == 7 * (12 + 13 + 6)
    for where, injected, status, code in said:
        assert (status, code) == (injected, CODES[injected]), where
    assert made == freed > 7


NULL_WITHOUT_STATUS = """
for call in (_opus.Encoder, _opus.Decoder):
    flag("fail_create").value = 1    # NULL, and a status that is no error
    try:
        call()
    except OpusError as error:
        print(error.code)
"""


def test_a_state_that_is_null_without_an_error_is_no_memory(failing_libopus):
    assert (
        run(WITH_FAKE + NULL_WITHOUT_STATUS, SPACECORE_LIBOPUS=failing_libopus).split()
        == ["alloc_failed"] * 2
    )


# --- threads --------------------------------------------------------------------------------------

TWO_THREADS = """
encoder, decoder = _opus.Encoder(), _opus.Decoder()
def refused(call):
    try:
        call()
    except OpusError as error:
        return error.code
    return None
for work, others in {
    (lambda: encoder.encode(floats)): [
        lambda: encoder.encode(floats), lambda: encoder.encode(ints), encoder.reset,
        lambda: encoder.bitrate_bps, lambda: setattr(encoder, "bitrate_bps", 6000)],
    (lambda: encoder.encode(ints)): [lambda: encoder.encode(ints)],
    (lambda: decoder.decode(b"\\x08")): [
        lambda: decoder.decode(b"\\x08"), decoder.conceal, lambda: decoder.recover(b"\\x08"), decoder.reset],
    decoder.conceal: [decoder.conceal],
    (lambda: decoder.recover(b"\\x08")): [decoder.conceal],
}.items():
    flag("hold").value, flag("entered").value = 1, 0
    result = []
    thread = threading.Thread(target=lambda: result.append(refused(work)))
    thread.start()
    # Until the other thread is inside libopus; that this one goes on then shows the GIL is free.
    while not flag("entered").value:
        pass
    print([refused(call) for call in others])
    flag("hold").value = 0
    thread.join()
    print(result, refused(work), [refused(call) for call in others])
"""


def test_a_second_thread_is_refused_while_the_first_codes_without_the_gil(failing_libopus):
    lines = run(WITH_FAKE + TWO_THREADS, SPACECORE_LIBOPUS=failing_libopus).splitlines()
    for n_others, during, after in zip((5, 1, 4, 1, 1), lines[::2], lines[1::2], strict=True):
        assert during == str(["invalid_state"] * n_others)
        assert after == f"[None] None {[None] * n_others}"
