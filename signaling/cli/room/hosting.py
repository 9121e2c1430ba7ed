"""What the keys of hosts do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from signaling.cli.room.stem import Stem
from signaling.cli.telling import POLICY_WORDS
from signaling.client import Role
from signaling.client.names import ORDERS, POLICIES, RemoveHow
from signaling.protocol.fields import PIN_CHARS
from signaling.protocol.terms import DEFAULT_LIMITS

__all__ = ["HostKeys"]

_STEP_PCT: Final = 10
_ORDER_WORDS: Final = ("who asked first", "who has not spoken here yet before all others")
_REMOVALS: Final[dict[str, tuple[RemoveHow, bool, str]]] = {
    "1": ("remove", True, "they may come back"),
    "2": ("ban", True, "they may not come back to this Space"),
    "3": ("block", True, "blocked: no Space of the host is open to them"),
}
# Where one needs a ticket, what they paid goes back with each of those, and not with these.
_FOR_CAUSE: Final[dict[str, tuple[RemoveHow, bool, str]]] = {
    "4": ("ban", False, "for cause: they may not come back, and their ticket is not paid back"),
    "5": ("block", False, "for cause: blocked, and their ticket is not paid back"),
}


class HostKeys(Stem):
    """Part of RoomApp: one method a key."""

    _turned: Mapping[str, tuple[int, int]] = MappingProxyType({})
    """Whom I turned last: how loud they were, and how loud I asked for, in percent."""

    def action_admit(self) -> None:
        """Enter"""
        if not self.board.is_host:  # for others Enter means nothing, and needs no answer
            return
        user = self.chosen_person()
        if user is None:
            return
        name = self.board.name_of(user)
        if any(person.user == user for person in self.space.queue):
            self.act(partial(self.space.admit, user), f"You let {name} speak.")
        else:
            self.act(partial(self.space.invite, user), f"You invited {name} to speak.")

    def action_decline(self) -> None:
        """d"""
        self._with_person("decline who asks", lambda user, name: self.act(partial(self.space.decline, user)))

    def action_uninvite(self) -> None:
        """U"""
        self._with_person(
            "take invitations back", lambda user, name: self.act(partial(self.space.uninvite, user))
        )

    def action_mute_person(self) -> None:
        """k"""
        self._with_person("mute others", lambda user, name: self.act(partial(self.space.mute, user)))

    def action_hold(self) -> None:
        """K"""

        def hold(user: str, name: str) -> None:
            row = self.on_stage(user)
            if row is not None and row.held:
                self.act(partial(self.space.unmute, user), f"{name} may unmute again.")
            else:
                self.act(partial(self.space.mute, user, hold=True), f"{name} is held muted.")

        self._with_person("hold others muted", hold)

    def action_quieter(self) -> None:
        """v"""
        self._turn(-_STEP_PCT)

    def action_louder(self) -> None:
        """V"""
        self._turn(_STEP_PCT)

    def action_remove(self) -> None:
        """x"""

        def remove(user: str, name: str) -> None:
            ways = _REMOVALS if self.space.price is None else _REMOVALS | _FOR_CAUSE

            def put_out(key: str) -> None:
                how, refund, _ = ways[key]
                self.act(partial(self.space.remove, user, how, refund=refund), f"{name} is out.")

            self.choose(f"Put {name} out?", [(key, words) for key, (_, _, words) in ways.items()], put_out)

        self._with_person("put others out", remove)

    def action_co_host(self) -> None:
        """c"""

        def switch(user: str, name: str) -> None:
            row = self.on_stage(user)
            is_one = row is not None and row.role == Role.CO_HOST
            self.act(partial(self.space.demote if is_one else self.space.promote, user))

        self._with_person("name co-hosts", switch)

    def action_hand_over(self) -> None:
        """H"""
        self._with_person(
            "hand over",
            lambda user, name: self.confirm(
                f"Make {name} the host?", lambda: self.act(partial(self.space.hand_over, user))
            ),
        )

    def action_lock(self) -> None:
        """L"""
        if self.hosts_only("lock the room"):
            self.act(partial(self.space.change, locked=not self.space.settings.locked))

    def action_pin(self) -> None:
        """i"""
        if self.hosts_only("pin"):
            self.ask(
                "Pin for all to see",
                lambda text: self.act(partial(self.space.pin, text)),
                most_chars=PIN_CHARS,
            )

    def action_unpin(self) -> None:
        """I"""
        if not self.hosts_only("take pinned items away"):
            return
        pins = self.space.pins[:9]
        if not pins:
            self.board.say("Nothing is pinned; i pins something", is_error=True)
            return
        choices = [(str(at), pin.text) for at, pin in enumerate(pins, 1)]
        self.choose(
            "Take away", choices, lambda digit: self.act(partial(self.space.unpin, pins[int(digit) - 1]))
        )

    def action_mute_all(self) -> None:
        """M"""
        if self.hosts_only("mute others"):
            self.act(self.space.mute_all, "All but the hosts are muted.")

    def action_settings(self) -> None:
        """s"""
        if not self.hosts_only("change the settings"):
            return
        now = self.space.settings
        policy = POLICY_WORDS[now.who_may_speak] if now.who_may_speak < len(POLICY_WORDS) else "?"
        order = _ORDER_WORDS[now.queue_order] if now.queue_order < len(_ORDER_WORDS) else "?"
        choices = [
            ("1", f"title: {now.title}"),
            ("2", f"topics: {', '.join(now.topics) or 'none'}"),
            ("3", f"who may speak: {policy}"),
            ("4", f"whose turn is first: {order}"),
        ]
        asks = (self._ask_title, self._ask_topics, self._ask_policy, self._ask_order)
        self.choose("Settings", choices, lambda digit: asks[int(digit) - 1]())

    def action_end(self) -> None:
        """e"""
        if self.hosts_only("end the Space"):
            self.confirm("End the Space for everybody?", lambda: self.act(self.space.end))

    def _ask_title(self) -> None:
        self.ask(
            "Title",
            lambda text: self.act(partial(self.space.change, title=text)),
            value=self.space.title,
            most_chars=DEFAULT_LIMITS["title_chars"],
        )

    def _ask_topics(self) -> None:
        self.ask(
            "Topics, with commas between them; none: empty",
            lambda text: self.act(
                partial(self.space.change, topics=[each.strip() for each in text.split(",") if each.strip()])
            ),
            value=", ".join(self.space.settings.topics),
            may_be_empty=True,
        )

    def _ask_policy(self) -> None:
        choices = [(str(at), words) for at, words in enumerate(POLICY_WORDS, 1)]
        self.choose(
            "Who may speak",
            choices,
            lambda digit: self.act(partial(self.space.change, who_may_speak=POLICIES[int(digit) - 1])),
        )

    def _ask_order(self) -> None:
        choices = [(str(at), words) for at, words in enumerate(_ORDER_WORDS, 1)]
        self.choose(
            "Whose turn is first",
            choices,
            lambda digit: self.act(partial(self.space.change, queue_order=ORDERS[int(digit) - 1])),
        )

    def _turn(self, by_pct: int) -> None:
        def turn(user: str, name: str) -> None:
            row = self.on_stage(user)
            if row is None:
                self.board.say(f"{name} is not on stage and has no volume", is_error=True)
                return
            seen_pct, asked_pct = self._turned.get(user, (row.volume_pct, row.volume_pct))
            # The stage tells a moment later: the second of two quick keys goes on from the first.
            before_pct = asked_pct if seen_pct == row.volume_pct else row.volume_pct
            volume_pct = max(0, min(100, before_pct + by_pct))
            self._turned = {user: (row.volume_pct, volume_pct)}
            self.act(partial(self.space.volume, user, volume_pct), f"{name} is at {volume_pct} %.")

        self._with_person("turn others down", turn)

    def _with_person(self, what: str, then: Callable[[str, str], Any]) -> None:
        if self.hosts_only(what) and (user := self.chosen_person()) is not None:
            then(user, self.board.name_of(user))
