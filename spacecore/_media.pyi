"""Types of spacecore._media."""

from typing import Any, NamedTuple

from spacecore._plane import Connection, Plane
from spacecore._space import Space

__all__ = ["Media", "MediaStats", "Room", "RoomStats"]

class MediaStats(NamedTuple):
    rooms: int
    ticks: int
    late: int
    skipped: int
    resyncs: int
    worst_late_us: int
    late_ms_p50: float
    late_ms_p99: float
    tick_us: int
    thread_cpu_us: int
    wakes: int
    reads: int
    socket_errors: int
    uplink_frames_in: int
    uplink_not_on_stage: int
    uplink_muted: int
    uplink_flood: int
    uplink_malformed: int
    uplink_unknown_kind: int
    uplink_reports: int
    uplink_closed_room: int
    engine: dict[str, int]
    full_sent: int
    seat_sent: int
    frames: int
    bundled: int
    refused: int
    held: int
    held_dropped: int
    nobody: int
    acks_alone: int
    acks_full: int
    packets_dropped: int
    notices_dropped: int
    puts_dropped: int
    sent_dropped: int
    commands_full: int
    told: int
    copied: int

class RoomStats(NamedTuple):
    listeners: int
    by_bundle: tuple[int, int, int]
    lossy: int
    entries: int
    sent_full: int
    sent_seat: int
    frames: int
    bundled: int
    refused: int
    held: int
    held_dropped: int
    missed: int
    nobody: int
    stale: int
    outlet_dropped: int
    reports: int
    received: int
    lost: int
    concealed: int
    jitter_ms_mean: float
    jitter_ms_max: int
    delay_ms_mean: float
    expected_loss_pct: float
    told: int
    copied: int
    copying: int
    fec_pct: int

class Media:
    def __init__(
        self,
        plane: Plane,
        *,
        packets: int = 4096,
        commands: int = 16_384,
        rooms: int = 1024,
        audio_per_s: int = 0,
        forged_limit: int = ...,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def plane(self) -> Plane: ...
    def add_room(self, space: Space, *, bundle: int = 0, bundle_above: int = 200) -> Room: ...
    def step(self, now_us: int) -> int: ...
    @property
    def next_us(self) -> int: ...
    def receive(self, packet: bytes, address: tuple[Any, ...], now_us: int) -> int: ...
    def deliver(self, connection: Connection, datagram: bytes, now_us: int) -> None: ...
    def take_packets(self) -> list[tuple[bytes, tuple[Any, ...], int, bool]]: ...
    def take_sent(self) -> list[tuple[bytes, tuple[Any, ...]]]: ...
    def take_notices(self) -> list[tuple[str, int, int]]: ...
    @property
    def stats(self) -> MediaStats: ...
    def lateness(self) -> list[tuple[int, int]]: ...

class Room:
    @property
    def index(self) -> int: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def applied(self) -> int: ...
    @property
    def talking(self) -> tuple[int, ...]: ...
    @property
    def dominant(self) -> int | None: ...
    def enter(
        self, connection: Connection, *, bundle: int = 1, redundancy: int = 0, reports: bool = False
    ) -> None: ...
    def seat(self, connection: Connection, seat: int | None, *, muted: bool = False) -> None: ...
    def leave(self, connection: Connection) -> None: ...
    def clear(self) -> None: ...
    def put(self, seat: int, datagram: bytes, now_us: int) -> bool: ...
    def subscribe(self, n: int = 256) -> None: ...
    def take_frames(self) -> list[tuple[int, bytes, frozenset[int]]]: ...
    def close(self) -> None: ...
    @property
    def stats(self) -> RoomStats | None: ...
