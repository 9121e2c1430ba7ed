"""The Python client of a Spaces server: connect, open or join a Space, speak, listen, follow what happens.

```python
async with await connect("127.0.0.1:4433", name="Ada", fingerprint="sha256:…") as client:
    space = await client.open("Morning talk")
    async for event in space.events():
        match event:
            case Queue(queue=[person, *_]):
                await space.admit(person)
```
"""

from __future__ import annotations

from signaling.client.client import Client, connect
from signaling.client.errors import (
    BadAudio,
    ConnectError,
    ConnectionClosed,
    RequestRefused,
    SpaceOver,
    SpacesError,
    TicketRequired,
    TimedOut,
)
from signaling.client.names import QueueOrder, RemoveHow, Where, WhichPeople, Who, WhoMaySpeak
from signaling.client.playout import Frame, PlayoutStats
from signaling.client.reception import TicketEvent
from signaling.client.space import Pcm, Space, SpaceEvent
from signaling.client.states import ConnectionState, Reconnected, Reconnecting
from signaling.client.stats import ClientStats, SpaceStats
from signaling.client.talker import TalkerStats, Voice
from signaling.client.ticket_states import AccountState, BoughtState, PayoutState, TicketState
from signaling.client.ticket_verbs import Hold, Ticket
from signaling.client.timeline import Timeline
from signaling.client.trust import TokenSource
from signaling.protocol import Retry
from signaling.protocol.messages import (
    Answered,
    Audience,
    AuditRow,
    Bought,
    Bubble,
    Closing,
    Ended,
    Event,
    Invited,
    LiveSpace,
    Noted,
    NoteRow,
    Notice,
    PayoutAccount,
    PayoutRow,
    Payouts,
    Peeked,
    Person,
    PinRow,
    Pins,
    PlannedSpace,
    PostAdded,
    PostDeleted,
    PostRow,
    PriceRow,
    Profile,
    Queue,
    Reactions,
    Refunded,
    Removed,
    Reserved,
    SaleTerms,
    SeatOffered,
    Settings,
    Shared,
    SpaceSettings,
    Stage,
    StageSeat,
    Statement,
    TalkerRow,
    Talkers,
    Talking,
    TermsRow,
    TicketChanged,
    TicketRow,
    TokenExpiring,
    Waiting,
    You,
)
from signaling.rules.roles import Role

__all__ = [
    "AccountState",
    "Answered",
    "Audience",
    "AuditRow",
    "BadAudio",
    "Bought",
    "BoughtState",
    "Bubble",
    "Client",
    "ClientStats",
    "Closing",
    "ConnectError",
    "ConnectionClosed",
    "ConnectionState",
    "Ended",
    "Event",
    "Frame",
    "Hold",
    "Invited",
    "LiveSpace",
    "NoteRow",
    "Noted",
    "Notice",
    "PayoutAccount",
    "PayoutRow",
    "PayoutState",
    "Payouts",
    "Pcm",
    "Peeked",
    "Person",
    "PinRow",
    "Pins",
    "PlannedSpace",
    "PlayoutStats",
    "PostAdded",
    "PostDeleted",
    "PostRow",
    "PriceRow",
    "Profile",
    "Queue",
    "QueueOrder",
    "Reactions",
    "Reconnected",
    "Reconnecting",
    "Refunded",
    "RemoveHow",
    "Removed",
    "RequestRefused",
    "Reserved",
    "Retry",
    "Role",
    "SaleTerms",
    "SeatOffered",
    "Settings",
    "Shared",
    "Space",
    "SpaceEvent",
    "SpaceOver",
    "SpaceSettings",
    "SpaceStats",
    "SpacesError",
    "Stage",
    "StageSeat",
    "Statement",
    "TalkerRow",
    "TalkerStats",
    "Talkers",
    "Talking",
    "TermsRow",
    "Ticket",
    "TicketChanged",
    "TicketEvent",
    "TicketRequired",
    "TicketRow",
    "TicketState",
    "TimedOut",
    "Timeline",
    "TokenExpiring",
    "TokenSource",
    "Voice",
    "Waiting",
    "Where",
    "WhichPeople",
    "Who",
    "WhoMaySpeak",
    "You",
    "connect",
]
