"""Numbers and words of `spaces/1`: messages, error codes, close codes."""

from __future__ import annotations

from enum import IntEnum


class Request(IntEnum):
    """Numbers of messages up."""

    HELLO = 1
    RENEW = 2
    OPEN = 3
    LIST = 4
    JOIN = 5
    LEAVE = 6
    ASK = 7
    ADMIT = 8
    DECLINE = 9
    MUTE = 10
    UNMUTE = 11
    MOVE = 12
    REMOVE = 13
    END = 14
    PEOPLE = 15
    RESUME = 16
    FOLLOW = 17
    UNFOLLOW = 18
    BLOCK = 19
    UNBLOCK = 20
    LIST_FOLLOWS = 21
    GET_PROFILE = 22
    SET_PROFILE = 23
    TIMELINE = 24
    PEEK = 25
    SCHEDULE = 26
    RESCHEDULE = 27
    CANCEL = 28
    LIST_PLANNED = 29
    START = 30
    REMIND = 31
    SHARE = 32
    UNSHARE = 33
    CHANGE = 34
    INVITE = 35
    UNINVITE = 36
    ACCEPT = 37
    REFUSE = 38
    PROMOTE = 39
    DEMOTE = 40
    HAND_OVER = 41
    MUTE_ALL = 42
    VOLUME = 43
    UNBAN = 44
    REPORT = 45
    LIST_AUDIT = 46
    POST = 47
    DELETE_POST = 48
    LIST_POSTS = 49
    NOTE = 50
    LIST_NOTES = 51
    REACT = 52
    PIN = 53
    UNPIN = 54
    OVERSEE = 55
    CREATE = 56
    LIST_BANS = 57
    SELL = 58
    GET_TERMS = 59
    RESERVE = 60
    BUY = 61
    RELEASE = 62
    LIST_TICKETS = 63
    REFUND = 128
    GET_STATEMENT = 129
    LIST_PAYOUTS = 130
    PAY_OUT = 131
    GET_PAYOUT_ACCOUNT = 132
    WAIT = 133
    STOP_WAITING = 134
    LIST_TALKERS = 135


class Reply(IntEnum):
    """Numbers of answers."""

    WELCOME = 64
    OK = 65
    JOINED = 66
    SPACES = 67
    ELSEWHERE = 68
    PEOPLE = 69
    RESUMED = 70
    PROFILE = 71
    BUBBLES = 72
    PEEKED = 73
    PLANNED = 74
    PLANS = 75
    SHARED = 76
    AUDIT = 77
    POSTED = 78
    POSTS = 79
    NOTES = 80
    CREATED = 81
    TICKET_REQUIRED = 82
    SALE_TERMS = 83
    RESERVED = 84
    WAITING = 85
    BOUGHT = 86
    TICKETS = 87
    REFUNDED = 88
    STATEMENT = 89
    PAYOUTS = 90
    PAYOUT = 91
    PAYOUT_ACCOUNT = 92
    TALKERS = 93
    ERROR = 127


class Event(IntEnum):
    """Numbers of events."""

    STAGE = 96
    QUEUE = 97
    AUDIENCE = 98
    YOU = 99
    REMOVED = 100
    ENDED = 101
    SETTINGS = 102
    POST_ADDED = 103
    POST_DELETED = 104
    NOTED = 105
    REACTIONS = 106
    PINS = 107
    INVITED = 108
    ANSWERED = 109
    TOKEN_EXPIRING = 112
    CLOSING = 113
    BUBBLE_CHANGED = 114
    BUBBLE_GONE = 115
    NOTICE = 116
    SEAT_OFFERED = 117
    TICKET_CHANGED = 118
    TALKING = 119


class ErrorCode(IntEnum):
    """Codes of `error`."""

    MALFORMED = 1
    TOO_LARGE = 2
    UNKNOWN_MESSAGE = 3
    NOT_AUTHENTICATED = 4
    BAD_TOKEN = 5
    TOKEN_EXPIRED = 6
    NOT_PERMITTED = 7
    NO_SUCH_SPACE = 8
    ALREADY_IN_SPACE = 9
    NOT_IN_SPACE = 10
    NO_SUCH_PERSON = 11
    STAGE_FULL = 12
    QUEUE_FULL = 13
    BAD_VALUE = 14
    SPACE_ENDED = 15
    BUSY = 16
    REMOVED = 17
    ALREADY_ASKED = 18
    NOT_ASKED = 19
    WRONG_SUBJECT = 20
    INTERNAL = 21
    TOO_MANY_SPACES = 22
    ALREADY_HOSTING = 23
    TOO_FEW_FOLLOWERS = 24
    ACCOUNT_TOO_YOUNG = 25
    NOT_LISTED = 26
    SPACE_LOCKED = 27
    NOT_INVITED = 28
    INVITE_LAPSED = 29
    TOO_OFTEN = 30
    HELD_MUTED = 31
    NO_SUCH_POST = 32
    TOO_MANY_PLANNED = 33
    BAD_TIME = 34
    HANDLE_TAKEN = 35
    NOT_PLANNED = 36
    RESUME_LAPSED = 37
    TOO_MANY_PINS = 38
    TOO_MANY_COHOSTS = 39
    NO_SUCH_PIN = 40
    TOO_MANY_FOLLOWS = 41
    ALREADY_ON_STAGE = 42
    TOO_MANY_SUBSCRIBERS = 43
    TICKET_REQUIRED = 44
    NO_SUCH_TICKET = 45
    NO_SUCH_HOLD = 46
    HOLD_LAPSED = 47
    SOLD_OUT = 48
    HAS_TICKET = 49
    HOLD_OPEN = 50
    HOLD_TOO_SOON = 51
    SALE_CLOSED = 52
    BAD_PRICE = 53
    NOT_ELIGIBLE_TO_SELL = 54
    CARD_DECLINED = 55
    PAYMENT_UNKNOWN = 56
    KEY_REUSED = 57
    REFUND_TOO_LARGE = 58
    PAYOUT_ACCOUNT_MISSING = 59
    PAYOUT_TOO_SMALL = 60
    NOT_FOR_SALE = 61
    SELLING_OFF = 62


class CloseCode(IntEnum):
    """Codes of the application's CONNECTION_CLOSE."""

    DONE = 0x0
    PROTOCOL_ERROR = 0x1
    HELLO_TIMEOUT = 0x2
    BAD_TOKEN = 0x3
    TOKEN_EXPIRED = 0x4
    REMOVED = 0x5
    REPLACED = 0x6
    SERVER_STOPPING = 0x7
    OVERLOADED = 0x8
    TOO_SLOW = 0x9
    INTERNAL = 0xA
