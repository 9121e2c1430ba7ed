"""Stories of bad networks: what speakers are told and do about it, and what listeners are sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from spacecore import parse_audio
from tests.scenarios.venue import AIOQUIC, NATIVE, SERVER, VIRTUAL, Venue, say, tell
from tests.signals import voice
from tests.virtual.network import Burst, Impairment

pytestmark = pytest.mark.scenario

LOSSY = Impairment(loss=0.1)
BURSTY = Impairment(burst=Burst(begin=0.04, end=0.4))
FIRST, SECOND = "10.0.1.1", "10.0.1.2"
REPORT = 2


@pytest.mark.parametrize("plane", [NATIVE, AIOQUIC])
def test_a_speaker_on_a_bad_network_is_repaired_and_a_listener_too(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        assert venue.network is not None
        async with await venue.enter("Hana") as hana, await venue.enter("Ann") as ann:
            talk = await hana.open("Bad weather")
            heard: list[bytes] = []
            ann.on_datagram = heard.append
            await ann.join(talk.id)
            await say(talk, voice(3, 2.0))
            talker = talk.stats.talker
            assert (talker.fec_pct, talker.copies) == (0, 0)
            assert talker.reports > 0 and talker.reported_lost == 0
            assert not any(parse_audio(each, True).redundant for each in heard if each[1] != REPORT)
            venue.network.impair(FIRST, SERVER[0], LOSSY)
            venue.network.impair(SERVER[0], SECOND, BURSTY)
            speech = asyncio.ensure_future(say(talk, voice(4, 11.0)))
            await asyncio.sleep(3.0)
            talker = talk.stats.talker
            assert talker.fec_pct >= 10 and talker.reported_lost > 0
            await speech
            talker = talk.stats.talker
            assert talker.copied > 60 and talker.bitrate_bps < 48_000
            copied = [each for each in heard if each[1] != REPORT and parse_audio(each, True).redundant]
            assert len(copied) > 50

    tell(story, tmp_path, VIRTUAL, plane=plane)
