"""The releases of aioquic whose private state `bridge` knows; any other is refused at import."""

from __future__ import annotations

import logging

import aioquic

from signaling.quic.errors import AioquicError

__all__ = ["TESTED_VERSIONS", "check_version"]

TESTED_VERSIONS = ("1.7.2",)


def check_version(version: str = aioquic.__version__) -> None:
    """Refuse an aioquic that was not tested; raises AioquicError (code `aioquic_version`)."""
    if version not in TESTED_VERSIONS:
        raise AioquicError(
            "aioquic_version",
            f"aioquic {version} is installed; only the inside of {', '.join(TESTED_VERSIONS)} is known here. "
            f'Install it:  pip install "aioquic=={TESTED_VERSIONS[-1]}"',
        )


def _quiet() -> None:
    # aioquic logs a warning for each violation of a peer: anybody could fill a disk with them.
    # A level that the embedding program has set itself is respected.
    logger = logging.getLogger("quic")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


check_version()
_quiet()
