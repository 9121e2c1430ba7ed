"""How loud a volume in percent is."""

from __future__ import annotations

from math import log10

__all__ = ["SILENT_PCT", "gain_db"]

SILENT_PCT = 0
_FLOOR_DB = -60.0  # the least that the engine takes


def gain_db(volume_pct: int) -> float:
    """The gain of a volume of 1 to 100 percent: 40·log10(volume_pct / 100) dB, and not below -60.

    So 100 is 0 dB, 50 is -12 dB, 10 is -40 dB: even steps of the number are about even steps to the ear, as
    with the taper of a fader. 0 is silence, which is no gain: ValueError, as for anything else.
    """
    if not 0 < volume_pct <= 100:
        raise ValueError(f"a volume with a gain is 1 to 100 percent, not {volume_pct}")
    return max(_FLOOR_DB, 40.0 * log10(volume_pct / 100))
