"""Who hears whom while one talks, then two, then the other: passed on, mixed, passed on; on both planes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.scenarios.venue import AIOQUIC, NATIVE, VIRTUAL, Ear, Venue, likeness, on_stage, say, tell
from tests.signals import voice

pytestmark = pytest.mark.scenario


@pytest.mark.parametrize("plane", [NATIVE, AIOQUIC])
def test_one_talks_then_two_then_the_other(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Bo") as bo,
            await venue.enter("Ann") as ann,
        ):
            talk = await hana.open("Turns")
            at_bo, at_ann = await bo.join(talk.id), await ann.join(talk.id)
            await on_stage(talk, at_bo)
            ears = {"hana": Ear(talk), "bo": Ear(at_bo), "ann": Ear(at_ann)}
            alone, first, second = (voice(seed, 1.0) for seed in (41, 42, 43))
            last = voice(44, 3.0)  # going over from the mix waits up to 1 s for a moment that nobody hears
            await say(talk, alone)
            await asyncio.gather(say(talk, first), say(at_bo, second))
            await say(at_bo, last)
            await asyncio.sleep(0.6)
            statistics = venue.server.statistics()
            assert statistics["passed"] > 60
            assert statistics["source_switches"] >= 3
            for sound in (alone, first, second, last):
                assert likeness(ears["ann"].sound, sound) > 0.4
            for sound, own in ((alone, False), (first, False), (second, True), (last, True)):
                assert (likeness(ears["hana"].sound, sound) > 0.4) == own
                assert (likeness(ears["bo"].sound, sound) > 0.4) != own

    tell(story, tmp_path, VIRTUAL, plane=plane)
