"""The words of the permission table: what a person is, may attempt, and to whom; and what a Space is."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Role(IntEnum):
    """What someone inside a Space is. The numbers are those of the wire."""

    LISTENER = 0
    SPEAKER = 1
    HOST = 2
    CO_HOST = 3


class Standing(StrEnum):
    """How the one who acts stands to a Space: one of the roles, or not inside at all.

    Whose connection was lost is OUTSIDE until they return: nobody acts without a connection. A SERVICE is
    an embedder's backend that oversees the Space; it is in no roster and hears nothing.
    """

    OUTSIDE = "outside"
    BANNED = "banned"
    LISTENER = "listener"
    SPEAKER = "speaker"
    CO_HOST = "co-host"
    HOST = "host"
    SERVICE = "service"


class Target(StrEnum):
    """Whom an act is aimed at, as seen by the one who acts.

    Whose connection was lost is aimed at as what they were: they can be removed while they are away.
    """

    NOBODY = "nobody"
    SELF = "self"
    OUTSIDE = "outside"
    BANNED = "banned"
    LISTENER = "listener"
    SPEAKER = "speaker"
    CO_HOST = "co-host"
    HOST = "host"


class Action(StrEnum):
    """Everything that is asked of `may`. HEAR and SPEAK are asked for audio, the others for messages."""

    PEEK = "peek"
    JOIN = "join"
    RESUME = "resume"
    LEAVE = "leave"
    PEOPLE = "people"
    HEAR = "hear"
    SPEAK = "speak"
    ASK = "ask"
    ADMIT = "admit"
    DECLINE = "decline"
    INVITE = "invite"
    UNINVITE = "uninvite"
    ACCEPT = "accept"
    REFUSE = "refuse"
    PROMOTE = "promote"
    DEMOTE = "demote"
    HAND_OVER = "hand_over"
    MUTE = "mute"
    HOLD = "hold"
    UNMUTE = "unmute"
    RELEASE = "release"
    MUTE_ALL = "mute_all"
    VOLUME = "volume"
    MOVE = "move"
    REMOVE = "remove"
    BAN = "ban"
    UNBAN = "unban"
    BANS = "bans"
    CHANGE = "change"
    SHARE = "share"
    SHARE_SPEAKER = "share_speaker"
    UNSHARE = "unshare"
    POST = "post"
    DELETE_POST = "delete_post"
    NOTE = "note"
    NOTES = "notes"
    REACT = "react"
    PIN = "pin"
    UNPIN = "unpin"
    REPORT = "report"
    AUDIT = "audit"
    END = "end"
    START = "start"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    REMIND = "remind"


class State(StrEnum):
    """The life of a Space: scheduled → live or cancelled; live → ended, or timed out without a host."""

    SCHEDULED = "scheduled"
    LIVE = "live"
    ENDED = "ended"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class RemoveHow(IntEnum):
    """How someone is put out. The numbers are those of the wire."""

    MAY_RETURN = 0
    BAN = 1
    BLOCK = 2
