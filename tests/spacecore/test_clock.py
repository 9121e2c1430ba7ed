"""The engine's clock is an argument: a time that no clock shows is refused before it is reckoned with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spacecore import Receiver, Space, pack_audio

DATAGRAM = pack_audio([b"\x78abc"], seq=1, timestamp=1 << 31, level=10)


def calls() -> dict[str, Callable[[int], object]]:
    room, ear = Space(complexity=0), Receiver(down=False)
    room.add_seat(1)
    return {
        "Space.put": lambda now_us: room.put(1, DATAGRAM, now_us),
        "Space.tick": room.tick,
        "Receiver.put": lambda now_us: ear.put(DATAGRAM, now_us),
        "Receiver.pull": ear.pull,
    }


@pytest.mark.parametrize("name", calls())
def test_times_beyond_any_clock_are_refused(name: str) -> None:
    call = calls()[name]
    for now_us in (1 << 60, -(1 << 60), (1 << 63) - 1, -(1 << 63)):
        with pytest.raises(ValueError, match="microseconds"):
            call(now_us)
    call(-(1 << 60) + 1)
    call((1 << 60) - 1)
