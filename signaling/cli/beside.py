"""Where the store of a server is, for commands that read it beside that server."""

from __future__ import annotations

import os
from pathlib import Path

from signaling.config import load_config

__all__ = ["database_url"]


def database_url(config_file: Path | None, data_dir: Path | None) -> str:
    """The URL of the server's store. No certificate and no keys are needed: a data directory is enough.

    Raises what `load_config` raises.
    """
    development = {"auth.development": True, "listen.host": "127.0.0.1"} if config_file is None else {}
    config = load_config(config_file, os.environ, {"store.data_dir": data_dir, **development})
    return config.store.database_url
