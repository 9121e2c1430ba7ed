"""A room on a screen that is not there: the app, its pilot, and a scripted server, in virtual time."""

from __future__ import annotations

import io
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from textual.pilot import Pilot

from signaling.cli.room.command import Visit
from signaling.cli.room.rows import Rows
from signaling.cli.room.sound import Source
from signaling.protocol import messages as wire
from signaling.protocol.messages import Event, Person, PinRow, PostRow, Request, SpaceSettings, StageSeat
from tests.signaling.scripted_server import Answer, Script, Session, Stage, joined, tell, usual

__all__ = ["Room", "in_room", "screen_text", "script_of"]

SIZE = (80, 24)
TRIES = 1500

# I am ada, as the scripted server says.
HANA = StageSeat(0, "hana", "Hana", 2, False)
GUEST_STAGE = [HANA, StageSeat(1, "bo", "Bo", 1, False), StageSeat(2, "cy", "Cy", 1, True, True)]
HOST_STAGE = [
    StageSeat(0, "ada", "Ada", 2, False),
    StageSeat(1, "bo", "Bo", 1, False),
    StageSeat(2, "cy", "Cy", 3, True, True, 50),
]
QUEUE = [Person("dan", "Dan"), Person("eve", "Eve")]
LISTENERS = [*(Person(row.user, row.name) for row in HOST_STAGE), *QUEUE, Person("fay", "Fay")]
SETTINGS = SpaceSettings("Tea & trains", ["tea", "trains"])
PINS = [PinRow(4, "Timetable: example.org", "hana", 5)]
POSTS = [PostRow(8, "fay", "Fay", "Which line?", 9, 7), PostRow(7, "bo", "Bo", "The old one runs again", 8)]
NOTES = [wire.NoteRow(3, "fay", "Fay", "Bo is too loud", 6)]


def script_of(role: int, **changes: Any) -> Script:
    """A friendly server with one Space in which something is going on, where I have this role.

    `posts`, `notes` and `people` are what it answers who asks for them; all else is of `joined`.
    """
    is_host = role in (2, 3)
    fields: dict[str, Any] = {
        "role": role,
        "seat": 0 if is_host else None,
        "stage": HOST_STAGE if is_host else GUEST_STAGE,
        "queue": QUEUE,
        "waiting": 2,
        "audience": 3,
        "settings": SETTINGS,
        "pins": PINS,
    } | changes
    posts, notes = fields.pop("posts", POSTS), fields.pop("notes", NOTES)
    people = fields.pop("people", LISTENERS)
    found: dict[type[Request], Callable[[int], Answer]] = {
        wire.Join: lambda number: joined(number, **fields),
        wire.ListPosts: lambda number: wire.Posts(number, posts),
        wire.ListNotes: lambda number: wire.Notes(number, notes),
        wire.ListPeople: lambda number: wire.People(number, people),
    }

    def script(session: Session, request: Request) -> Answer:
        answer = found.get(type(request))
        return answer(request.id) if answer else usual(session, request)

    return script


@dataclass
class Room:
    """What a story has in its hands."""

    pilot: Pilot[None]
    visit: Visit
    stage: Stage | None
    """None where the server is the real one."""

    @property
    def session(self) -> Session:
        """The server's end."""
        assert self.stage is not None
        return self.stage.session

    @property
    def text(self) -> str:
        """What is on the screen."""
        return screen_text(self.visit.app)

    @property
    def chosen(self) -> Any:
        """Who is chosen."""
        return self.visit.app.base.query_one("#people", Rows).chosen

    def tell(self, *events: Event) -> None:
        """The server says this."""
        self.session.tell(*events)

    async def press(self, *keys: str) -> None:
        """Press these, one after the other."""
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type this and send it."""
        await self.pilot.press(*("space" if char == " " else char for char in text), "enter")

    async def choose(self, user: str) -> None:
        """Go there with the arrow keys."""
        await self.press("home")
        for _ in range(20):
            if self.chosen == user:
                return
            await self.press("down")
        raise AssertionError(f"{user} cannot be chosen:\n{self.text}")

    async def until(self, holds: Callable[[], object]) -> None:
        """Let the room go on until something holds."""
        for _ in range(TRIES):
            if holds():
                return
            await self.pilot.pause(0.02)
        heard = self.session.requests if self.stage else "not known"
        raise AssertionError(f"it did not come to pass; the server heard {heard}:\n{self.text}")

    async def shows(self, *words: str) -> None:
        """Wait until all of this is on the screen."""
        await self.until(lambda: all(word in self.text for word in words))

    async def asked(self, wanted: Request) -> None:
        """Wait until the server was asked for this; its id does not count."""
        await self.until(lambda: wanted in [same(each) for each in self.session.requests])


def same(request: Request) -> Request:
    """As if it were the first."""
    return type(request)(1, *(getattr(request, name) for name in request.__struct_fields__[1:]))


def screen_text(app: Any) -> str:
    """Every line of the screen, without styles, as `export_screenshot` sees it."""
    width, height = app.size
    console = Console(width=width, height=height, file=io.StringIO(), record=True, legacy_windows=False)
    console.print(app.screen._compositor.render_update(full=True, screen_stack=app._background_screens))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def in_room(
    story: Callable[[Room], Coroutine[Any, Any, None]],
    *,
    script: Script | None = None,
    role: int = 0,
    size: tuple[int, int] = SIZE,
    source: Callable[[], Source] = lambda: None,
    **changes: Any,
) -> Visit:
    """Tell a story in a room; what goes wrong in the app or beside it fails it. Afterwards one has left."""
    visits: list[Visit] = []

    async def whole(stage: Stage) -> None:
        await stage.serve(script or script_of(role, **changes))
        client = await stage.connect()
        space = await client.join(joined(1).space)
        visit = Visit(space, source())
        visits.append(visit)
        visit.begin()
        try:
            async with visit.app.run_test(size=size) as pilot:
                room = Room(pilot, visit, stage)
                await room.until(lambda: visit.board.fetched)
                await story(room)
        finally:
            await visit.end()
        assert space.over is not None

    tell(whole)
    return visits[0]
