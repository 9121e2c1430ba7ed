"""What `spaces doctor` finds out about this machine and this installation. It changes nothing."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Final

from signaling.cli.failures import Failure
from signaling.cli.sound.devices import sounddevice

__all__ = ["Finding", "Verdict", "examine"]

# Distribution, module, extra, what it is for.
_NEEDED: Final = (
    ("av", "av", "", "reads and writes audio files, and carries libopus"),
    ("aioquic", "aioquic", "client", "QUIC"),
    ("msgpack", "msgpack", "client", "the protocol's messages"),
    ("msgspec", "msgspec", "client", "the protocol's messages"),
    ("cryptography", "cryptography", "client", "certificates and keys"),
    ("numpy", "numpy", "client", "sound as arrays"),
    ("uvloop", "uvloop", "server", "the event loop"),
    ("sqlalchemy", "sqlalchemy", "server", "the store"),
    ("aiosqlite", "aiosqlite", "server", "the store on SQLite"),
    ("alembic", "alembic", "server", "the store's migrations"),
    ("pyjwt", "jwt", "server", "tokens"),
    ("typer", "typer", "cli", "this command"),
    ("rich", "rich", "cli", "live meters and tables"),
)
_OPTIONAL: Final = (
    (
        "espeakng-loader",
        "espeakng_loader",
        "cli",
        "spoken sentences: without it give `spaces demo` two files",
    ),
    ("sounddevice", "sounddevice", "play", "loudspeaker and microphone: without it use --out and --audio"),
)

# Linux's names of the features that the codec's, the cipher's and our own kernels use.
_X86: Final = (
    ("sse4_1", "SSE4.1"),
    ("avx2", "AVX2"),
    ("aes", "AES"),
    ("pclmulqdq", "PCLMUL"),
    ("fma", "FMA"),
)
_ARM: Final = (("asimd", "NEON"), ("aes", "AES"), ("pmull", "PMULL"))
_CIPHER: Final = {"AES", "PCLMUL", "PMULL"}

# What the server asks for: a tick sends to all listeners at once, and all of them may answer at once.
_WANTED_BUFFER_BYTES: Final = 4 * 1024 * 1024
_ARM_MACHINES: Final = ("arm64", "aarch64")


class Verdict(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    ADVICE = "advice"  # it works, and could work better or do more
    MISSING = "missing"  # something does not work without it


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `remedy` is empty where nothing has to be done."""

    group: str
    name: str
    value: str
    verdict: Verdict = Verdict.OK
    remedy: str = ""


def examine() -> list[Finding]:
    """Everything, in the order in which it is shown. Never raises for what is not there."""
    return [finding for look in (_versions, _engine, _machine, _network) for finding in look()]


# Versions


def _versions() -> Iterator[Finding]:
    supported = sys.version_info >= (3, 11)
    yield Finding(
        "versions",
        "Python",
        f"{platform.python_version()} on {platform.platform(terse=True)}",
        Verdict.OK if supported else Verdict.MISSING,
        "" if supported else "use Python 3.11 or newer",
    )
    yield _distribution("spacecore", "spacecore", "", "", needed=True)
    for distribution, module, extra, purpose in _NEEDED:
        yield _distribution(distribution, module, extra, purpose, needed=True)
    for distribution, module, extra, purpose in _OPTIONAL:
        yield _distribution(distribution, module, extra, purpose, needed=False)


def _distribution(distribution: str, module: str, extra: str, purpose: str, *, needed: bool) -> Finding:
    """Whether it is installed. Whether it also works is seen where it is used: see `_engine`."""
    target = f".[{extra}]" if extra else "."
    if importlib.util.find_spec(module) is None:
        return Finding(
            "versions",
            distribution,
            f"not installed ({purpose})",
            Verdict.MISSING if needed else Verdict.ADVICE,
            f"pip install '{target}'",
        )
    return Finding("versions", distribution, _version(distribution))


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed, but importable from here"


# Engine


def _engine() -> Iterator[Finding]:
    rebuild = "build it anew:  pip install --force-reinstall .   (needs a C compiler and Python's headers)"
    yield _loads("native engine", lambda: import_module("spacecore"), rebuild)
    yield _libopus()
    yield _libcrypto()
    yield _plane()
    repair = "pip install --force-reinstall '.[server]'"
    yield _loads("client library", lambda: import_module("signaling.client"), repair)
    yield _loads("server", lambda: import_module("signaling.server"), repair)
    yield _sound_device()


def _loads(name: str, load: Callable[[], object], remedy: str) -> Finding:
    try:
        load()
    except Exception as error:  # a broken package may raise anything at all
        return Finding("engine", name, f"does not load: {error}", Verdict.MISSING, remedy)
    return Finding("engine", name, "loads")


def _libopus() -> Finding:
    try:
        library = import_module("spacecore").opus_library()
    except Exception as error:  # as above
        return Finding(
            "engine",
            "libopus",
            f"none: {error}",
            Verdict.MISSING,
            "pip install av   (its wheel carries one), or name a file in SPACECORE_LIBOPUS",
        )
    sources = {"SPACECORE_LIBOPUS": "named by SPACECORE_LIBOPUS", "PyAV": "from PyAV's wheel"}
    source = sources.get(library.source, "of the system")
    return Finding("engine", "libopus", f"{library.version}, {source}: {library.path}")


_PLAIN: Final = "audio goes through aioquic: some twenty times fewer listeners a core"


def _libcrypto() -> Finding:
    try:
        library = import_module("spacecore._plane").crypto_library()
    except Exception as error:  # as above
        return Finding(
            "engine",
            "libcrypto",
            f"none: {error}; {_PLAIN}",
            Verdict.ADVICE,
            "install OpenSSL 3 (libcrypto.so.3, for example  apt install libssl3), or name a file in "
            "SPACECORE_LIBCRYPTO",
        )
    source = ", named by SPACECORE_LIBCRYPTO" if os.environ.get("SPACECORE_LIBCRYPTO") else ""
    return Finding("engine", "libcrypto", f"{library.version}{source}: {library.path}")


def _plane() -> Finding:
    """What carries audio where no configuration file says another thing."""
    try:
        config = import_module("signaling.config").MediaConfig
        media = config(plane=os.environ.get("SPACES_MEDIA_PLANE", config.plane))
        limits = import_module("signaling.config").LimitsConfig(connections=1)
        plane, note = import_module("signaling.server.native").choose_plane(media, limits)
    except Exception as error:  # as above
        return Finding(
            "engine",
            "media plane",
            f"none: {error}",
            Verdict.MISSING,
            "set SPACES_MEDIA_PLANE to native or aioquic, or repair what the lines above name",
        )
    if plane is not None:
        return Finding("engine", "media plane", "native: audio in a thread of its own")
    if not note:
        return Finding("engine", "media plane", "aioquic, as SPACES_MEDIA_PLANE says")
    return Finding("engine", "media plane", f"aioquic: {note}", Verdict.ADVICE, "see libcrypto")


def _sound_device() -> Finding:
    """Loudspeaker and microphone need more than a package: a library, and devices."""
    try:
        device = sounddevice("a sound card")
        names = [device.query_devices(kind=kind)["name"] for kind in ("output", "input")]
    except Failure as error:
        return Finding("engine", "sound card", error.message, Verdict.ADVICE, error.remedy)
    except Exception as error:  # PortAudio's own
        return Finding(
            "engine", "sound card", f"none: {error}", Verdict.ADVICE, "use --out and --audio in place of it"
        )
    return Finding("engine", "sound card", f"plays on {names[0]}, records from {names[1]}")


# Machine


def _machine() -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    yield Finding("machine", "CPU", f"{_cpu_name()}, {usable} of {cores} cores usable here")
    yield _features(platform.machine(), _read(Path("/proc/cpuinfo")))


def _cpu_name() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _features(machine: str, cpuinfo: str) -> Finding:
    table = _ARM if machine in _ARM_MACHINES else _X86
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if found is None:
        return Finding("machine", "CPU features", f"{machine}; this system does not list them")
    flags = set(found[1].split())
    here = [name for flag, name in table if flag in flags]
    absent = [name for flag, name in table if flag not in flags]
    value = ", ".join(here) or "none of those that matter"
    if not absent:
        return Finding("machine", "CPU features", value)
    slow = _CIPHER & set(absent)
    return Finding(
        "machine",
        "CPU features",
        f"{value}; not: {', '.join(absent)}",
        Verdict.ADVICE,
        "encryption costs several times more without them: expect fewer listeners a core"
        if slow
        else "mixing and Opus run, and cost more without them",
    )


# Network


def _network() -> Iterator[Finding]:
    yield _udp()
    for name, option, direction in (
        ("UDP receive buffer", socket.SO_RCVBUF, "rmem"),
        ("UDP send buffer", socket.SO_SNDBUF, "wmem"),
    ):
        yield _buffer(name, direction, _granted_bytes(option), _limit_bytes(direction))


def _udp() -> Finding:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
            near.bind(("127.0.0.1", 0))
            near.settimeout(1)
            near.sendto(b"x", near.getsockname())
            near.recv(1)
    except OSError as error:
        return Finding(
            "network",
            "UDP on loopback",
            f"does not work: {error.strerror or error}",
            Verdict.MISSING,
            "let programs send UDP to 127.0.0.1 (a container's or a firewall's rule forbids it)",
        )
    return Finding("network", "UDP on loopback", "works")


def _granted_bytes(option: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        with contextlib.suppress(OSError):  # macOS refuses what is too much instead of cutting it
            near.setsockopt(socket.SOL_SOCKET, option, _WANTED_BUFFER_BYTES)
        granted = near.getsockopt(socket.SOL_SOCKET, option)
    # Linux reports twice what it grants: the other half is for its own bookkeeping.
    return granted // 2 if sys.platform == "linux" else granted


def _limit_bytes(direction: str) -> int | None:
    text = _read(Path(f"/proc/sys/net/core/{direction}_max")).strip()
    return int(text) if text.isdigit() else None


def _buffer(name: str, direction: str, granted_bytes: int, limit_bytes: int | None) -> Finding:
    limit = "" if limit_bytes is None else f" (net.core.{direction}_max = {limit_bytes})"
    value = f"{granted_bytes // 1024} KiB of {_WANTED_BUFFER_BYTES // 1024} KiB asked for{limit}"
    if granted_bytes >= _WANTED_BUFFER_BYTES:
        return Finding("network", name, value)
    remedy = f"for large rooms:  sudo sysctl -w net.core.{direction}_max={_WANTED_BUFFER_BYTES}"
    if sys.platform == "darwin":
        remedy = f"for large rooms:  sudo sysctl -w kern.ipc.maxsockbuf={2 * _WANTED_BUFFER_BYTES}"
    return Finding("network", name, f"{value}; larger bursts lose packets", Verdict.ADVICE, remedy)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
