"""Draws docs/room.svg, a host's room.  python -m tests.signaling.room_picture docs/room.svg"""

from __future__ import annotations

import sys
from pathlib import Path

from signaling.cli.demo.show import own_fonts
from signaling.protocol import messages as wire
from signaling.protocol.messages import Person, PinRow, PostRow, Reactions, SpaceSettings, StageSeat
from tests.signaling.room_world import Room, in_room

__all__ = ["draw"]

STAGE = [
    StageSeat(0, "ada", "Ada", 2, False),
    StageSeat(1, "grace", "Grace", 3, False),
    StageSeat(2, "edsger", "Edsger", 1, False, volume_pct=70),
    StageSeat(3, "barbara", "Barbara", 1, True),
    StageSeat(4, "tony", "Tony", 1, True, True),
]
QUEUE = [Person("leslie", "Leslie"), Person("margaret", "Margaret")]
POSTS = [
    PostRow(1, "donald", "Donald", "Is the talk recorded?", 1),
    PostRow(2, "grace", "Grace", "Yes, from the first minute.", 2, 1),
    PostRow(3, "frances", "Frances", "Hello from Lyon 👋 the sound is very clear here", 3),
    PostRow(4, "leslie", "Leslie", "A question about clocks, if there is time", 4),
]
TALKING = ((0, 18), (1, 30), (2, 44))  # seat, level in −dBov


def draw(path: Path) -> None:
    """Write the picture."""

    async def story(room: Room) -> None:
        room.visit.board.said.clear()
        for number, post in enumerate(POSTS, 11):
            room.tell(wire.PostAdded(number, post))
        room.tell(wire.Noted(14, wire.NoteRow(1, "donald", "Donald", "Edsger is a little loud", 5)))
        room.tell(wire.Queue(15, QUEUE, 2), Reactions(16, {"heart": 12, "clap": 7, "fire": 3}))
        for seat, level in TALKING:
            room.visit.sound.levels.put(seat, 0)
            room.visit.sound.levels.hear(level, (seat,), ())
        await room.choose("leslie")
        await room.shows("Leslie asks to speak", "12/s", "very clear", "a little loud")
        drawn.append(own_fonts(room.visit.app.export_screenshot(title="spaces room")))

    drawn: list[str] = []
    in_room(
        story,
        role=2,
        stage=STAGE,
        queue=[],
        waiting=0,
        audience=214,
        settings=SpaceSettings("Old machines, new tricks", ["computing", "history"]),
        pins=[PinRow(1, "Slides: spaces.example/old-machines", "ada", 1)],
        posts=[],
        notes=[],
        people=[Person("donald", "Donald"), Person("frances", "Frances"), *QUEUE],
        size=(92, 26),
    )
    path.write_text(drawn[0], encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
