"""A real PostgreSQL server for the tests: `python -m tests.postgres` starts one, tests with it, and stops it.

Of all tests those of the store run, and the stories of whole servers; or what is named behind the command,
as pytest takes it. With `--install` Debian's package is installed where it is missing (as root). The server
lives in a temporary folder, listens on a unix socket there and nowhere else, and is run by nobody privileged.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

# Tests ask this for the server; without it they run on SQLite only.
VARIABLE = "POSTGRES_TEST_URL"

_DRIVER = "postgresql+asyncpg"
_INSTALL = ("apt-get", "install", "-y", "--no-install-recommends", "postgresql")
# Of the machine's, the first that is there. PostgreSQL does not run as root.
_ACCOUNTS = ("postgres", "nobody")
_TESTS = (
    "tests/signaling/test_store*.py",
    "tests/scenarios/test_*_stories.py",
    "tests/scenarios/test_crowd.py",
    "tests/scenarios/test_shared.py",
)
_ROOT = Path(__file__).parents[1]
# The server outlives no test, so nothing has to reach the disk.
_SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=40", "shared_buffers=32MB")


class NoPostgresError(Exception):
    """There is no PostgreSQL here; the message says what to do."""


def is_there() -> bool:
    """Whether a server was started for these tests."""
    return VARIABLE in os.environ


def database(key: object) -> str:
    """The URL of a database of its own for each `key`; it is made where it is not there."""
    server = sa.make_url(os.environ[VARIABLE])
    name = "t" + hashlib.sha256(str(key).encode()).hexdigest()[:24]
    made = _run_client("createdb", name)
    if made.returncode and "already exists" not in made.stderr:
        raise RuntimeError(f"createdb {name}: {made.stderr}")
    return server.set(database=name).render_as_string(hide_password=False)


def drop(url: str) -> None:
    """The database is needed no more, whoever is still connected to it."""
    dropped = _run_client("dropdb", "--force", str(sa.make_url(url).database))
    if dropped.returncode:
        raise RuntimeError(f"dropdb: {dropped.stderr}")


def _run_client(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    server = sa.make_url(os.environ[VARIABLE])
    connect = ("--host", str(server.query["host"]), "--username", str(server.username))
    return subprocess.run(
        [str(_programs() / program), *connect, *arguments], capture_output=True, text=True, check=False
    )


def _programs() -> Path:
    """Where the newest PostgreSQL of this machine has its programs. NoPostgresError without one."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[4]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    if found is None:
        raise NoPostgresError(
            "PostgreSQL is not installed here. As root:  python -m tests.postgres --install   (runs "
            f"{' '.join(_INSTALL)})"
        )
    return Path(found).parent


def _install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoPostgresError(
            "PostgreSQL is installed by root, on Debian and Ubuntu with apt-get; here do it yourself:  "
            f"sudo {' '.join(_INSTALL)}"
        )
    subprocess.run(_INSTALL, check=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


@contextmanager
def server() -> Iterator[str]:
    """A server that runs while the block does; yields its URL."""
    programs = _programs()
    account = _account()
    become = {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="spaces-postgres-") as folder:
        data, log = Path(folder, "data"), Path(folder, "log")
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        initdb = ("--auth=trust", "--username=spaces", "--encoding=UTF8", "--locale=C", "--no-sync")
        _run([programs / "initdb", "--pgdata", data, *initdb], become)
        options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, f"unix_socket_directories={folder}"))
        control = [programs / "pg_ctl", "--pgdata", data, "--wait", "--silent"]
        _run([*control, "--log", log, "--options", options, "start"], become)
        try:
            url = sa.URL.create(_DRIVER, "spaces", database="postgres", query={"host": folder})
            yield url.render_as_string(hide_password=False)
        finally:
            _run([*control, "--mode", "immediate", "stop"], become)


def _account() -> pwd.struct_passwd | None:
    """Whom to run as: None for oneself, who is not root."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name: account for account in pwd.getpwall()}
    return next(known[name] for name in _ACCOUNTS if name in known)


def _run(command: list[object], become: dict[str, object]) -> None:
    words = [str(word) for word in command]
    # Not captured: the server inherits what pg_ctl has, and would keep a pipe open.
    done = subprocess.run(words, stdout=subprocess.DEVNULL, cwd="/", check=False, **become)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {' '.join(words)}")


def main(arguments: list[str]) -> int:
    """Run the tests with a server; returns pytest's exit status, 1 where there is no PostgreSQL."""
    try:
        if arguments[:1] == ["--install"]:
            arguments = arguments[1:]
            try:
                _programs()
            except NoPostgresError:
                _install()
        with server() as url:
            print(f"PostgreSQL for the tests: {url}", flush=True)
            usual = [str(path) for pattern in _TESTS for path in sorted(_ROOT.glob(pattern))]
            return subprocess.run(
                [sys.executable, "-m", "pytest", *(arguments or ["-n", "2", "--dist", "loadfile", *usual])],
                env={**os.environ, VARIABLE: url},
                check=False,
            ).returncode
    except NoPostgresError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
