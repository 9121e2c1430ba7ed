"""A program with a Spaces server inside: its own people, its own tokens, and a line for all that happens.

Run it with a folder for the server's files. It serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from signaling import Happening, Server, ServerConfig, tokens
from signaling.config import AuthConfig, HostingConfig, ListenConfig, StoreConfig
from signaling.server import signing_key

FOLLOWS = {("bob", "ada"), ("cy", "ada"), ("cy", "bob")}
BLOCKS = {("ada", "mallory")}


class OurPeople:
    """The application's own graph: the server asks these three questions, and caches no answer for long."""

    async def followers_count(self, user: str) -> int:
        return sum(followed == user for _, followed in FOLLOWS)

    async def follows(self, follower: str, followed: str) -> bool:
        return (follower, followed) in FOLLOWS

    async def blocked(self, blocker: str, user: str) -> bool:
        return (blocker, user) in BLOCKS


async def on_event(happening: Happening) -> None:
    """Called with each thing that happens, one after the other. It may take its time, audio does not wait."""
    told = happening.as_dict()
    print("event", told["kind"], told["data"], flush=True)


def token_for(config: ServerConfig, user: str, name: str) -> str:
    """What the application hands to somebody who is logged in."""
    key = signing_key(config)
    if key is None:
        raise RuntimeError("this server has no signing key; name one as auth.signing_key")
    return tokens.mint(
        key,
        tokens.key_id(key.public_key()),
        subject=user,
        name=name,
        issuer=config.auth.issuer,
        audience=config.auth.audience,
        lifetime_s=600,
        now_s=int(time.time()),
    )


async def main(folder: Path) -> None:
    config = ServerConfig(
        listen=ListenConfig(host="127.0.0.1", port=0),
        # Development: a certificate and a signing key are made in the folder. On loopback only.
        auth=AuthConfig(development=True),
        store=StoreConfig(data_dir=folder),
        hosting=HostingConfig(min_followers=2),
    )
    server = Server(config, graph=OurPeople(), on_event=on_event)
    await server.start()
    try:
        host, port = server.address[:2]
        print("address", f"{host}:{port}", server.fingerprint, flush=True)
        for user in ("ada", "bob", "mallory"):
            print("token", user, token_for(config, user, user.title()), flush=True)
        # Whatever else the application does goes on in the same loop; here it waits for its input to end.
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
