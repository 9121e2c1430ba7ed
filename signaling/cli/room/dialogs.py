"""What opens over the room: a line to type, a few choices, the keys. Escape closes each without an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.events import Key as KeyPressed
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from signaling.cli.room.sight import one_line, safe

__all__ = ["Choice", "Choices", "Page", "Prompt"]

Choice = tuple[str, str]
"""A key of one character, and what it stands for."""

_CLOSE = Binding("escape", "dismiss(None)", "close", show=False)


class Prompt(ModalScreen[str | None]):
    """Asks for a line of text; answers with it, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [_CLOSE]

    def __init__(
        self, question: str, *, value: str = "", most_chars: int = 0, may_be_empty: bool = False
    ) -> None:
        super().__init__()
        self._question = Text(one_line(question), no_wrap=True, overflow="ellipsis")
        self._value = one_line(value)
        self._most_chars = most_chars
        self._may_be_empty = may_be_empty

    def compose(self) -> ComposeResult:
        """Of textual."""
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="question")
            yield Input(value=self._value, max_length=self._most_chars, id="typed", select_on_focus=False)
            yield Static(Text("Enter sends, Escape does not", "dim", no_wrap=True))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        text = event.value.strip()
        self.dismiss(text if text or self._may_be_empty else None)


class Choices(ModalScreen[str | None]):
    """Asks to press one of a few keys; answers with that key, or None. Other keys are passed over."""

    BINDINGS: ClassVar[list[BindingType]] = [_CLOSE]

    def __init__(self, question: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._question = Text(one_line(question), no_wrap=True, overflow="ellipsis")
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Of textual."""
        with Vertical(classes="dialog"):
            yield Static(self._question, classes="question")
            with VerticalScroll():
                for key, meaning in self._choices:
                    line = Text.assemble((key, "bold"), f"  {one_line(meaning)}")
                    line.no_wrap, line.overflow = True, "ellipsis"
                    yield Static(line)
            yield Static(Text("Escape closes", "dim", no_wrap=True))

    def on_key(self, event: KeyPressed) -> None:
        """One of the choices."""
        if event.character in [key for key, _ in self._choices]:
            event.stop()
            self.dismiss(event.character)


class Page(ModalScreen[None]):
    """Something to read; any of Escape, q, ? closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _CLOSE,
        Binding("q,question_mark,enter", "dismiss(None)", "close", show=False),
    ]

    def __init__(self, content: RenderableType) -> None:
        super().__init__()
        self._content = safe(content) if isinstance(content, Text) else content

    def compose(self) -> ComposeResult:
        """Of textual."""
        with VerticalScroll(classes="page"):
            yield Static(self._content)
