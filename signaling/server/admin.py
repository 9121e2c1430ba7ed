"""Admin: the admin port of a server, from before its store is opened until after it is closed."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from signaling.config import ServerConfig, read_admin_token
from signaling.http.readings import Health, Reading, SpaceReading, Spaces
from signaling.media import Rooms
from signaling.server.actor import SpaceActor
from signaling.server.directory import Directory
from signaling.server.listening import Listening
from signaling.server.readiness import Readiness
from spacecore import __version__

if TYPE_CHECKING:
    from signaling.http.door import HttpDoor

__all__ = ["Admin", "spaces_of"]


class Admin:
    """`open` and `close` do nothing where no port is configured. It reads the server when somebody asks.

    statistics: `Server.statistics`, which is asked from `show` on.
    """

    def __init__(
        self, config: ServerConfig, readiness: Readiness, statistics: Callable[[], Mapping[str, int | float]]
    ) -> None:
        self._config = config
        self._readiness = readiness
        self._statistics = statistics
        self._made_s = time.monotonic()
        self._door: HttpDoor | None = None
        self._shown: tuple[Listening, Directory, str] | None = None

    @property
    def url(self) -> str | None:
        """Where it listens, None where it does not."""
        return None if self._door is None or self._door.port is None else self._door.url

    async def open(self) -> None:
        """Answer from now on. Raises ConfigError: admin_token, port_unusable."""
        if self._config.admin.port is None:
            return
        # Only who listens needs a web server in memory.
        from signaling.http.admin import admin_app  # noqa: PLC0415
        from signaling.http.door import HttpDoor  # noqa: PLC0415

        app = admin_app(self.health, self.reading, token=read_admin_token(self._config))
        self._door = HttpDoor(app, self._config.admin)
        await self._door.start()

    def show(self, listening: Listening, directory: Directory, address: str) -> None:
        """The server listens: it can be read from now on."""
        self._shown = (listening, directory, address)

    async def close(self) -> None:
        """Answer no more. Closing twice does nothing."""
        if self._door is not None:
            await self._door.stop()

    def health(self) -> Health:
        """How the server is; at next to no cost."""
        fault = "" if self._shown is None else self._shown[0].fault()
        return Health(fault, "; ".join(filter(None, (fault, self._readiness.why))))

    def reading(self) -> Reading:
        """All of it. Costs what `Server.statistics` does, and some for each Space that is listed."""
        now_s = time.monotonic()
        began = Reading(__version__, os.getpid(), now_s, now_s - self._made_s, self.health())
        if self._shown is None:
            return began
        listening, directory, address = self._shown
        return replace(
            began,
            address=address,
            plane=listening.rooms.plane,
            plane_note=listening.note,
            statistics=self._statistics(),
            tick_lateness=listening.rooms.lateness(),
            spaces=spaces_of(directory, listening.rooms, self._config.admin.spaces_listed),
        )


def spaces_of(actors: Iterable[SpaceActor], rooms: Rooms[Any], most: int) -> Spaces:
    """The `most` largest of these live Spaces by people, the one opened first before others of its size."""
    all_of_them = list(actors)
    listed = heapq.nlargest(most, all_of_them, key=lambda actor: len(actor.hall))
    named = {actor.space for actor in listed}
    others = [actor for actor in all_of_them if actor.space not in named]
    return Spaces(
        listed=tuple(_space(actor, rooms) for actor in listed),
        others=len(others),
        other_people=sum(len(actor.hall) for actor in others),
        other_on_stage=sum(len(actor.state.on_stage) for actor in others),
    )


def _space(actor: SpaceActor, rooms: Rooms[Any]) -> SpaceReading:
    state, counted = actor.state, rooms.figures_of(actor.space)
    return SpaceReading(
        space=actor.space.hex(),
        title=state.title,
        people=len(actor.hall),
        on_stage=len(state.on_stage),
        queue=len(state.asks),
        talking=len(actor.hall.room.talking),
        requests_waiting=actor.waiting,
        received=int(counted.get("reports_received", 0)),
        lost=int(counted.get("reports_lost", 0)),
        concealed=int(counted.get("reports_concealed", 0)),
        decodes=int(counted.get("decodes", 0)),
        encodes=int(counted.get("encodes", 0)),
        passed=int(counted.get("passed", 0)),
    )
