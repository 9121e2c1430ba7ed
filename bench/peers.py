"""Other audio servers beside spacecore, at the same work in the same run: `python -m bench.peers [--json]`.

One talker (Opus, 20 ms, 32 kbit/s), N listeners; the server on one core, all clients on another. Measured are
Janus AudioBridge (participants, its mix forwarded by RTP and by SRTP) and Mumble, where the package manager
installed them; nothing is installed here. A ladder of N is climbed until less than 99 % arrive.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from bench.conditions import conditions
from bench.peer import janus, mumble, own
from bench.peer.server import MissingError, PeerError
from bench.peer.window import ENOUGH_PCT, Peer, Row, measure

SERVERS = ("spacecore", "janus-participants", "janus-forward", "janus-forward-srtp", "mumble")
LISTENERS = (100, 500, 1000)
PARTICIPANTS = (25, 50, 90)
COLUMNS = {
    "server": "server",
    "mode": "mode",
    "listeners": "N",
    "delivered_pct": "delivered %",
    "gap_ms_p50": "gap p50",
    "gap_ms_p99": "p99",
    "gap_ms_max": "max ms",
    "server_cpu_ms_per_listener_s": "CPU ms/(N·s)",
    "us_per_packet": "µs/packet",
    "server_core_pct": "core %",
    "others_core_pct": "others %",
    "load_core_pct": "load core %",
}


def ladder(make: Callable[[], Peer], listeners: Sequence[int], chosen: argparse.Namespace) -> list[Row]:
    """One server through growing numbers of listeners, until less than 99 % arrive."""
    rows: list[Row] = []
    cores = (chosen.server_core, chosen.load_core)
    peer = make()
    try:
        for number in listeners:
            rows.append(measure(peer, number, seconds=chosen.seconds, warm_up_s=chosen.warm_up, cores=cores))
            tell(f"{rows[-1].name}: {number} listeners, {rows[-1].delivered_pct:g} % delivered")
            if not rows[-1].is_enough:
                break
    except (PeerError, OSError) as error:
        if not rows:
            raise
        tell(f"{error}; its rows end here")
    finally:
        peer.close()
    return rows


def climb(name: str, chosen: argparse.Namespace) -> list[Row]:
    """The rows of one of SERVERS.

    Raises:
        MissingError: it is not on this machine.
        PeerError: it does not do what is asked of it.
    """
    if name == "spacecore":
        return own.measure(chosen.listeners, seconds=chosen.seconds, extra=chosen.capacity)
    if name == "mumble":
        mumble.program()
        make: Callable[[], Peer] = partial(
            mumble.Mumble, most_listeners=max(chosen.listeners), core=chosen.server_core
        )
        return ladder(make, chosen.listeners, chosen)
    janus.program()
    numbers = chosen.participants if name == "janus-participants" else chosen.listeners
    mode = {"janus-participants": janus.PARTICIPANTS, "janus-forward": janus.FORWARD}.get(
        name, janus.FORWARD_SRTP
    )
    return ladder(
        partial(janus.AudioBridge, mode, most_listeners=max(numbers), core=chosen.server_core),
        numbers,
        chosen,
    )


def versions() -> dict[str, str]:
    """Of the servers that are installed."""
    found = {}
    for name, version in (("janus", janus.version), ("mumble-server", mumble.version)):
        try:
            found[name] = version()
        except MissingError:
            found[name] = "not installed"
    return found


def largest(rows: Sequence[Row]) -> dict[str, int]:
    """By server and mode, the largest number of listeners that was tried and had enough; 0 where none had."""
    best: dict[str, int] = {}
    for row in rows:
        best[row.name] = max(best.get(row.name, 0), row.listeners if row.is_enough else 0)
    return best


def table(rows: Sequence[Row]) -> str:
    """The rows as text, with the largest numbers below."""
    lines = [list(COLUMNS.values())]
    for row in rows:
        values = asdict(row)
        lines.append(["–" if values[name] is None else f"{values[name]}" for name in COLUMNS])
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    text = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text += ["", f"Largest N tried with at least {ENOUGH_PCT:g} % delivered:"]
    return "\n".join(text + [f"  {name}: {number or 'none'}" for name, number in largest(rows).items()])


def tell(sentence: str) -> None:
    """Progress and what is skipped; not on standard output, which is the table's."""
    print(sentence, file=sys.stderr, flush=True)


def allow_sockets(needed: int) -> None:
    """Raise this process's limit of open files.

    Raises:
        PeerError: the machine does not allow so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise PeerError(
                f"{needed} open files are needed, {hard} allowed: fewer --listeners, or a higher `ulimit -Hn`"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def numbers_of(text: str) -> list[int]:
    """`100,500,1000`, in rising order."""
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text}: whole numbers with commas between them are needed"
        ) from error
    if numbers[0] < 1 or numbers[-1] > 20_000:
        raise argparse.ArgumentTypeError(f"{text}: 1 to 20000 listeners can be asked for")
    return numbers


def names_of(text: str) -> list[str]:
    """Some of SERVERS, with commas between them."""
    names = text.split(",")
    for name in names:
        if name not in SERVERS:
            raise argparse.ArgumentTypeError(f"{name}: the servers are {', '.join(SERVERS)}")
    return names


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--listeners", type=numbers_of, default=list(LISTENERS), metavar="N,…", help="100,500,1000"
    )
    parser.add_argument(
        "--participants",
        type=numbers_of,
        default=list(PARTICIPANTS),
        metavar="N,…",
        help="for janus-participants, which encodes for each one (25,50,90)",
    )
    parser.add_argument(
        "--servers", type=names_of, default=list(SERVERS), metavar="NAME,…", help=", ".join(SERVERS)
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="what is measured of each number (10)")
    parser.add_argument("--warm-up", type=float, default=3.0, help="seconds before that (3)")
    parser.add_argument("--server-core", type=int, default=1, help="where the server runs (1)")
    parser.add_argument("--load-core", type=int, default=0, help="where all clients run (0)")
    parser.add_argument(
        "--capacity",
        type=str.split,
        default=[],
        metavar="'…'",
        help="more arguments for bench.capacity, in one string",
    )
    chosen = parser.parse_args(arguments)
    if not 1 <= chosen.seconds <= 600:
        parser.error(f"--seconds {chosen.seconds:g}: 1 to 600")
    if chosen.server_core == chosen.load_core:
        parser.error(
            f"--server-core and --load-core are both {chosen.load_core}: the server needs one of its own"
        )
    for core in (chosen.server_core, chosen.load_core):
        if core not in os.sched_getaffinity(0):
            parser.error(f"core {core}: this program may run on {sorted(os.sched_getaffinity(0))}")
    return chosen


def measure_all(chosen: argparse.Namespace) -> tuple[list[Row], dict[str, str]]:
    """All rows, and why servers have none."""
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    cores = os.sched_getaffinity(0)
    for name in chosen.servers:
        try:
            # Only this thread and those it starts; bench.capacity chooses its cores itself.
            os.sched_setaffinity(0, cores if name == "spacecore" else {chosen.load_core})
            rows += climb(name, chosen)
        except (MissingError, PeerError, OSError) as error:
            skipped[name] = str(error)
            tell(f"{name} is skipped. {error}")
        finally:
            os.sched_setaffinity(0, cores)
    return rows, skipped


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    try:
        # Mumble's clients have two sockets each.
        allow_sockets(2 * max(*chosen.listeners, *chosen.participants) + 64)
    except PeerError as error:
        tell(str(error))
        return 1
    found = conditions() | versions()
    rows, skipped = measure_all(chosen)
    if chosen.json:
        answer = {
            "conditions": found,
            "rows": [asdict(row) for row in rows],
            "largest": largest(rows),
            "skipped": skipped,
        }
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return 0
    print("\n".join(f"# {name}: {value}" for name, value in found.items()))
    print(
        f"# 1 talker, Opus 20 ms, 50 packets/s; {chosen.seconds:g} s after {chosen.warm_up:g} s; "
        "CPU: user and system of the server's process"
    )
    print(table(rows))
    print("\n".join(f"{name} is skipped. {why}" for name, why in skipped.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
