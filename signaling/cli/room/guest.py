"""What the keys of everybody do."""

from __future__ import annotations

from functools import partial

from rich.text import Text

from signaling.cli.room.dialogs import Page
from signaling.cli.room.keys import help_table
from signaling.cli.room.lines import GLYPHS
from signaling.cli.room.stem import Stem
from signaling.client import Role
from signaling.protocol.terms import DEFAULT_LIMITS, REACTIONS
from signaling.rules.talk import REPORT_REASONS

__all__ = ["GuestKeys"]


class GuestKeys(Stem):
    """Part of RoomApp: one method a key."""

    def action_help(self) -> None:
        """?"""
        self.push_screen(Page(help_table()))

    def action_leave(self) -> None:
        """q, Ctrl-C."""
        self.exit()

    def action_mute(self) -> None:
        """m"""
        self.act(self.space.unmute if self.space.muted else self.space.mute)

    def action_talk(self) -> None:
        """Space, and again and again while it is held down."""
        if self.board.talk_key is not None:
            self.board.talk_key.press()

    def action_ask(self) -> None:
        """a"""
        if self.board.is_asking:
            self.act(self.space.withdraw, "You no longer ask to speak.")
        else:
            self.act(self._ask, "You asked to speak; the hosts decide.")

    async def _ask(self) -> None:
        await self.space.ask()
        self.board.is_asking = self.space.seat is None

    def action_accept(self) -> None:
        """y"""
        self.act(self.space.accept, "You are on stage, muted at first; m switches your voice on.")

    def action_refuse(self) -> None:
        """n"""
        self.act(self.space.refuse, "You turned the invitation down.")

    def action_react(self) -> None:
        """r"""
        choices = [(str(at), f"{GLYPHS[name]} {name}") for at, name in enumerate(REACTIONS, 1)]
        self.choose(
            "React", choices, lambda digit: self.act(partial(self.space.react, REACTIONS[int(digit) - 1]))
        )

    def action_post(self) -> None:
        """p"""
        self.ask(
            "A post for all",
            lambda text: self.act(partial(self.space.post, text)),
            most_chars=DEFAULT_LIMITS["post_chars"],
        )

    def action_reply(self) -> None:
        """P"""
        post = self.chosen_post() or next(reversed(self.board.posts), None)
        if post is None:
            self.board.say("There is no post to reply to; p writes one", is_error=True)
            return
        self.ask(
            f"Reply to {post.name}: {post.text}",
            lambda text: self.act(partial(self.space.post, text, reply_to=post)),
            most_chars=DEFAULT_LIMITS["post_chars"],
        )

    def action_delete_post(self) -> None:
        """D"""
        post = self.chosen_post()
        if post is None:
            self.board.say("No post is chosen; Tab goes to the posts, the arrow keys choose", is_error=True)
        else:
            self.act(partial(self.space.delete_post, post))

    def action_note(self) -> None:
        """N"""
        self.ask(
            "A private note to the hosts",
            lambda text: self.act(partial(self.space.note, text), "The hosts have your note."),
            most_chars=DEFAULT_LIMITS["post_chars"],
        )

    def action_listen(self) -> None:
        """l"""
        if not self.board.is_host:
            self.act(self.space.move, "You listen now.")
            return
        user = self.chosen_person()
        if user is not None:
            self.act(partial(self.space.move, user))

    def action_report(self) -> None:
        """R"""
        user = self.chosen_person()
        if user is None:
            return
        name = self.board.name_of(user)
        choices = [(str(at), reason) for at, reason in enumerate(REPORT_REASONS, 1)]

        def tell(digit: str) -> None:
            reason = REPORT_REASONS[int(digit) - 1]
            self.ask(
                f"What {name} did ({reason}); may stay empty",
                lambda text: self.act(
                    partial(self.space.report, user, reason, text),
                    f"{name} is reported to whoever runs the server.",
                ),
                most_chars=DEFAULT_LIMITS["post_chars"],
                may_be_empty=True,
            )

        self.choose(f"Report {name}: why?", choices, tell)

    def action_share(self) -> None:
        """S"""
        if self.space.role not in (Role.HOST, Role.CO_HOST):
            self.act(partial(self._show_link, False))
            return
        choices = [("1", "to listen"), ("2", "lets one person speak, once: hand it on as a secret")]
        self.choose("A link", choices, lambda key: self.act(partial(self._show_link, key == "2")))

    async def _show_link(self, speak: bool) -> None:
        link = (await self.space.share(speak=speak)).link
        self.call_later(self.push_screen, Page(Text.assemble(("spaces join ", "bold"), link)))
