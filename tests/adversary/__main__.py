"""An adversary in a process of its own: `python -m tests.adversary ATTACK --server HOST:PORT …`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import uvloop

from signaling import tokens
from tests.adversary.attacks import ATTACKS, everything
from tests.adversary.ground import Ground, on_loopback


def main() -> None:
    """Say `ready`, wait for a line, attack, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversary", description=__doc__)
    add = parser.add_argument
    add("attack", choices=[*ATTACKS, "everything"])
    add("--server", required=True, help="HOST:PORT on loopback")
    add("--key", type=Path, required=True, help="the server's signing key: the adversary has accounts")
    add("--space", required=True, help="the honest room, in hex")
    add("--seconds", type=float, default=5.0)
    add("--seed", type=int, default=1)
    chosen = parser.parse_args()
    host, _, port = chosen.server.rpartition(":")
    server = (host, int(port))
    key = tokens.read_private_key(chosen.key.read_bytes())

    def token(user: str) -> str:
        return tokens.mint(
            key,
            tokens.key_id(key.public_key()),
            subject=user,
            name=user,
            issuer="spacecore",
            audience="spaces",
            lifetime_s=3_600,
            now_s=int(time.time()),
        )

    ground = Ground(
        server,
        bytes.fromhex(chosen.space),
        lambda number, factory: on_loopback(server, number, factory),
        token,
        chosen.seed,
        chosen.seconds,
    )
    print(json.dumps({"event": "ready"}), flush=True)
    sys.stdin.readline()
    run = everything if chosen.attack == "everything" else ATTACKS[chosen.attack].run
    uvloop.run(run(ground))
    print(json.dumps({"event": "done", "tally": ground.tally, "marks": ground.marks}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
