"""The words of the permission table: what a person is, may attempt, and to whom; and what a Space is."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Role(IntEnum):
    """What someone inside a Space is. The numbers are those of the wire."""

    LISTENER = 0
    SPEAKER = 1
    HOST = 2


class Standing(StrEnum):
    """How a person stands to a Space: one of the roles, or not inside at all.

    A host whose connection was lost is OUTSIDE until they return: nobody acts without a connection.
    """

    OUTSIDE = "outside"
    BANNED = "banned"
    LISTENER = "listener"
    SPEAKER = "speaker"
    HOST = "host"


class Target(StrEnum):
    """Whom an act is aimed at, as seen by the one who acts."""

    NOBODY = "nobody"
    SELF = "self"
    OUTSIDE = "outside"
    LISTENER = "listener"
    SPEAKER = "speaker"
    HOST = "host"


class Action(StrEnum):
    """Everything that is asked of `may`. HEAR and SPEAK are asked for audio, the others for messages."""

    JOIN = "join"
    LEAVE = "leave"
    PEOPLE = "people"
    HEAR = "hear"
    SPEAK = "speak"
    ASK = "ask"
    ADMIT = "admit"
    DECLINE = "decline"
    MUTE = "mute"
    UNMUTE = "unmute"
    MOVE = "move"
    REMOVE = "remove"
    END = "end"


class State(StrEnum):
    """The life of a Space."""

    LIVE = "live"
    ENDED = "ended"
