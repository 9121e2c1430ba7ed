"""Makes the live side of a new Space as the configuration says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from signaling.config import ConfigError, ServerConfig
from signaling.media import Rooms
from signaling.server.counts import Counts
from signaling.server.events import Bulletin
from signaling.server.hall import Hall
from signaling.server.whereabouts import Whereabouts
from spacecore import DenoiseError, Denoiser, Space

__all__ = ["halls"]


def halls(config: ServerConfig, rooms: Callable[[], Rooms[Any]], counts: Counts) -> Callable[[bytes], Hall]:
    """A maker of halls. `rooms` is asked each time: which plane carries audio is known late."""
    media, limits = config.media, config.limits

    if media.denoise:
        _check_denoise()
    whereabouts = Whereabouts(counts)

    def make(space: bytes) -> Hall:
        engine = Space(
            bitrate_bps=media.bitrate_bps,
            complexity=media.complexity,
            fec=media.fec,
            loss_pct=media.loss_pct,
            keep_alive_ms=media.keep_alive_ms,
            loudness=media.loudness,
            denoise=media.denoise,
            pass_through=media.pass_through,
        )
        bulletin = Bulletin(limits.push_interval_ms * 1_000, limits.audience_messages_per_s)
        return Hall(rooms().open(space, engine), bulletin, counts, whereabouts)

    return make


def _check_denoise() -> None:
    """That noise suppression can be had; known at the start, not with the first Space."""
    try:
        Denoiser()
    except DenoiseError as error:
        raise ConfigError("denoise_missing", "media.denoise", str(error)) from None
