"""Requests of every verb, made by seeded dice: valid ones that mean something, and the same with faults."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable
from functools import cache
from typing import Any

import msgpack
import msgspec
from msgspec import inspect

from signaling.protocol import MAX_MESSAGE_BYTES
from signaling.protocol import messages as wire
from signaling.protocol.messages import REQUEST_TYPES
from signaling.protocol.terms import REACTIONS
from signaling.server.verbs import VERBS

__all__ = ["Speech"]

_LETTERS = "abcdefghij klmnop ÄÖÜß日本語🎙☕é"
_REMEMBERED = 64
_DAY_MS = 86_400_000
_SHAKING = (wire.End, wire.HandOver, wire.Leave, wire.Open, wire.Start, wire.Join, wire.Resume)
_MODEST = 0.15  # of those, that take the scene apart, so many are said where one was drawn …
_THRIFTY = 0.3  # … and of those that go to the store, which takes most of the time
_DEADLY = 0.03  # of faults, that leave no id to answer to: they end the connection
_OFTEN = 0.8  # of what a name stands for, so much is something that exists


class Speech:
    """Makes requests, from what was heard before: ids, links and names of answers come up again.

    `users` are people there are, `now_ms` is the time since the epoch.
    """

    def __init__(self, dice: random.Random, now_ms: Callable[[], int]) -> None:
        self.dice = dice
        self.users: deque[str] = deque(maxlen=12)  # those of now, mostly
        self._now_ms = now_ms
        self._heard: defaultdict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))

    def learn(self, message: msgspec.Struct) -> None:
        """Remember what an answer names."""
        for name in message.__struct_fields__:
            value = getattr(message, name) if name != "id" else None
            if isinstance(value, str | int | bytes) and value:
                self._heard[name].append(value)
                self._heard[type(value).__name__].append(value)
            elif isinstance(value, msgspec.Struct):
                self.learn(value)
            elif isinstance(value, list):
                for row in value[:4]:
                    if isinstance(row, msgspec.Struct):
                        self.learn(row)

    def valid(self, number: int, kind: type[Any] | None = None) -> Any:
        """A request of this kind (any, if none is named) that the server must understand."""
        while kind is None:
            drawn = self.dice.choice(REQUEST_TYPES)
            share = _MODEST if drawn in _SHAKING else 1.0 if drawn in VERBS else _THRIFTY
            if self.dice.random() < share:
                kind = drawn
        return kind(number, *(self._value(name, of) for name, of in _fields(kind)))

    def faulty(self, body: bytes) -> bytes:
        """The bytes of a message with one thing wrong, or some bytes that are none."""
        dice = self.dice
        if dice.random() < _DEADLY:
            return self._flipped(body) if dice.random() < 0.5 else dice.randbytes(dice.randrange(1, 200))
        items = _items(body)
        head = 1 + len(msgpack.packb(items[0])) + len(msgpack.packb(items[1]))
        ways: tuple[Callable[[bytes], bytes], ...] = (
            lambda data: data[:head] + self._flipped(data[head:]),
            lambda data: data[: dice.randrange(head, len(data) + 1)],
            lambda data: data + dice.randbytes(dice.randrange(1, 9)),
            self._retyped,
            self._retyped,
            self._longer,
            lambda data: data * dice.randrange(2, 4),
        )
        return dice.choice(ways)(body)[:MAX_MESSAGE_BYTES]

    # Values

    def _value(self, name: str, kind: inspect.Type) -> Any:  # noqa: PLR0911 - one line a type
        heard = self._heard.get(name)
        if heard and self.dice.random() < _OFTEN and not isinstance(kind, inspect.BoolType):
            value = self.dice.choice(heard)
            if _fits(value, kind):
                return value
        match kind:
            case inspect.IntType(ge=low, le=high):
                return self._integer(name, low or 0, high or 0)
            case inspect.BoolType():
                return self.dice.random() < 0.5
            case inspect.NoneType():
                return None
            case inspect.StrType(min_length=low, max_length=high):
                return self._text(name, low or 0, high or 64)
            case inspect.BytesType(min_length=low, max_length=high):
                return self._bytes(low or 0, high or 64)
            case inspect.DictType():
                return {f"key{n}": self.dice.randrange(1 << 32) for n in range(self.dice.randrange(4))}
            case inspect.ListType(item_type=item):
                return [self._value("", item) for _ in range(self.dice.randrange(4))]
            case inspect.UnionType(types=parts):
                return self._value(name, self.dice.choice(parts))
        raise TypeError(f"no way to make {kind}")

    def _integer(self, name: str, low: int, high: int) -> int:
        dice, some = self.dice, self.dice.random()
        if name.endswith("_ms") and some < 0.7:
            return min(
                high,
                self._now_ms() + dice.randrange(3 * _DAY_MS) if high > 1 << 40 else dice.randrange(_DAY_MS),
            )
        if some < 0.1:
            return dice.choice((low, high))
        if some < 0.2:
            return dice.randint(low, high)
        return dice.randint(low, min(high, low + 12))

    def _text(self, name: str, low: int, high: int) -> str:
        dice, some = self.dice, self.dice.random()
        known = {
            "token": lambda: f"{dice.choice(self.users)}/Name/86400",
            "reaction": lambda: dice.choice(REACTIONS),
            "currency": lambda: "USD",
            "method": lambda: dice.choice(("card_ok", "card_declined", "card_needs_action")),
            "handle": lambda: f"handle_{dice.randrange(99)}",
            "reason": lambda: dice.choice(("spam", "abuse", "")),
        }
        if self.users and some < _OFTEN:
            if name in known:
                return str(known[name]())[:high]
            if name in ("user", "after", "query"):
                return dice.choice(self.users)[:high]
        if not low and some > 0.9:
            return ""
        size = high if some > 0.97 else dice.randint(max(1, low), max(low, min(high, 24)))
        first = "x" if low else ""  # what must be visible begins so
        return (first + "".join(dice.choices(_LETTERS, k=size)))[: max(low, size)]

    def _bytes(self, low: int, high: int) -> bytes:
        heard = [each for each in self._heard["bytes"] if low <= len(each) <= high]
        if heard and self.dice.random() < _OFTEN:
            return bytes(self.dice.choice(heard))
        return self.dice.randbytes(self.dice.randint(low, high))

    # Faults

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data or b"\x00")
        for _ in range(self.dice.randrange(1, 4)):
            changed[self.dice.randrange(len(changed))] = self.dice.randrange(256)
        return bytes(changed)

    def _retyped(self, data: bytes) -> bytes:
        items = _items(data)
        odd = (
            None,
            True,
            -1,
            1.5,
            1 << 63,
            "",
            "\x00",
            "\u202ex",
            b"",
            b"\xff" * 40,
            [],
            [[]],
            {},
            {"a": []},
            "x" * 9_000,
        )
        items[self.dice.randrange(min(2, len(items) - 1), len(items))] = self.dice.choice(odd)
        return bytes(msgpack.packb(items))

    def _longer(self, data: bytes) -> bytes:
        items = _items(data)
        items += [self.dice.choice((None, 7, "more", [1, [2]]))] * self.dice.randrange(1, 20)
        return bytes(msgpack.packb(items))


def _items(body: bytes) -> list[Any]:
    return list(msgpack.unpackb(body, strict_map_key=False))


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, inspect.Type], ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple((field.name, field.type) for field in info.fields[1:])


def _fits(value: Any, kind: inspect.Type) -> bool:
    match kind:
        case inspect.IntType(ge=low, le=high):
            return type(value) is int and (low or 0) <= value <= (high or value)
        case inspect.StrType(min_length=low, max_length=high):
            return isinstance(value, str) and (low or 0) <= len(value) <= (high or len(value))
        case inspect.BytesType(min_length=low, max_length=high):
            return isinstance(value, bytes) and (low or 0) <= len(value) <= (high or len(value))
        case inspect.UnionType(types=parts):
            return any(_fits(value, part) for part in parts)
    return False
