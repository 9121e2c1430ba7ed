"""What the keys of guests and of hosts stand on: the app with its Space, and whom or what one chose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import App
from textual.screen import Screen

from signaling.cli.room.acts import Act, Acts
from signaling.cli.room.board import Board
from signaling.cli.room.dialogs import Choice, Choices, Prompt
from signaling.cli.room.rows import Rows
from signaling.client import PostRow, Space, StageSeat

__all__ = ["Stem"]

_NOBODY = "Nobody is chosen; choose somebody with the arrow keys"


class Stem(App[None]):
    """Part of RoomApp."""

    def __init__(self, board: Board, acts: Acts) -> None:
        super().__init__()
        self.board = board
        self.acts = acts

    @property
    def space(self) -> Space:
        """The Space one is in."""
        return self.board.space

    @property
    def base(self) -> Screen[object]:
        """The room itself, below what is open over it."""
        return self.screen_stack[0]

    def act(self, act: Act, done: str = "") -> None:
        """Have it done; `done` is said when it is."""
        self.acts.put(act, done)

    def chosen_person(self) -> str | None:
        """The user id of who is chosen; says so if nobody is."""
        user: str | None = self.base.query_one("#people", Rows).chosen
        if user is None:
            self.board.say(_NOBODY, is_error=True)
        return user

    def chosen_post(self) -> PostRow | None:
        """The post that is chosen."""
        number = self.base.query_one("#posts", Rows).chosen
        return next((post for post in self.board.posts if post.post == number), None)

    def on_stage(self, user: str) -> StageSeat | None:
        """Their place on stage."""
        return next((row for row in self.space.stage if row.user == user), None)

    def hosts_only(self, what: str) -> bool:
        """Whether I am a host; says that `what` is theirs if not. The server decides: this saves asking."""
        if not self.board.is_host:
            self.board.say(f"Only hosts {what}.", is_error=True)
        return self.board.is_host

    def ask(
        self,
        question: str,
        then: Callable[[str], None],
        *,
        value: str = "",
        most_chars: int = 0,
        may_be_empty: bool = False,
    ) -> None:
        """Ask for a line of text, and go on with it if there is one."""
        prompt = Prompt(question, value=value, most_chars=most_chars, may_be_empty=may_be_empty)
        self.push_screen(prompt, lambda text: None if text is None else then(text))

    def choose(self, question: str, choices: Sequence[Choice], then: Callable[[str], None]) -> None:
        """Ask for one of a few keys, and go on with it if there is one."""
        self.push_screen(Choices(question, choices), lambda key: None if key is None else then(key))

    def confirm(self, question: str, then: Callable[[], None]) -> None:
        """Ask whether to, and go on if so."""
        self.choose(question, [("y", "yes"), ("n", "no")], lambda key: then() if key == "y" else None)
