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
    TimedOut,
)
from signaling.client.playout import Frame, PlayoutStats
from signaling.client.space import Pcm, Space, Who
from signaling.client.stats import ClientStats, SpaceStats
from signaling.client.talker import TalkerStats, Voice
from signaling.client.trust import TokenSource
from signaling.protocol import Retry
from signaling.protocol.messages import (
    Audience,
    Closing,
    Ended,
    Event,
    LiveSpace,
    Person,
    Queue,
    Removed,
    Stage,
    StageSeat,
    TokenExpiring,
    You,
)
from signaling.rules.roles import Role

__all__ = [
    "Audience",
    "BadAudio",
    "Client",
    "ClientStats",
    "Closing",
    "ConnectError",
    "ConnectionClosed",
    "Ended",
    "Event",
    "Frame",
    "LiveSpace",
    "Pcm",
    "Person",
    "PlayoutStats",
    "Queue",
    "Removed",
    "RequestRefused",
    "Retry",
    "Role",
    "Space",
    "SpaceOver",
    "SpaceStats",
    "SpacesError",
    "Stage",
    "StageSeat",
    "TalkerStats",
    "TimedOut",
    "TokenExpiring",
    "TokenSource",
    "Voice",
    "Who",
    "You",
    "connect",
]
