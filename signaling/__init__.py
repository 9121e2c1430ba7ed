"""The server around spacecore: protocol, rules, store, QUIC, media, sessions, client and command line.

`Server` and `ServerConfig` are here for applications that run a server in their own loop; nothing is loaded
before one of them is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signaling.config import ServerConfig
    from signaling.server import Happening, Server

__all__ = ["Happening", "Server", "ServerConfig"]


def __getattr__(name: str) -> Any:
    if name == "Server":
        from signaling.server import Server  # noqa: PLC0415 - only who runs a server pays for it

        return Server
    if name == "Happening":
        from signaling.server import Happening  # noqa: PLC0415 - as above

        return Happening
    if name == "ServerConfig":
        from signaling.config import ServerConfig  # noqa: PLC0415 - as above

        return ServerConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
