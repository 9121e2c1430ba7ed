"""Stories of the native plane: bundles, and audio that goes on while the interpreter does not."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import sys
import time
from pathlib import Path

import pytest

from signaling.config import MediaConfig
from tests.scenarios.venue import (
    AIOQUIC,
    LOOPBACK,
    NATIVE,
    UVLOOP,
    VIRTUAL,
    Ear,
    Venue,
    likeness,
    say,
    tell,
)
from tests.signals import voice

pytestmark = pytest.mark.scenario

everywhere = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK, UVLOOP])

FRAMES = 100


def sent(venue: Venue) -> tuple[int, int]:
    """Datagrams with the full mix, and frames in them that came with others."""
    statistics = venue.server.statistics()
    return int(statistics["datagrams_out_full"]), int(statistics["frames_out_bundled"])


@everywhere
@pytest.mark.parametrize("bundle", [2, 3])
def test_who_takes_bundles_hears_the_same_in_fewer_packets(place: str, bundle: int, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ann", bundle=bundle) as ann,
            await venue.enter("Bo", bundle=1) as bo,
        ):
            talk = await hana.open("Bundles")
            ears = [Ear(await ann.join(talk.id)), Ear(await bo.join(talk.id))]
            before, _ = sent(venue)
            sound = voice(31, FRAMES * 0.02)
            await say(talk, sound)
            await asyncio.sleep(0.5)
            assert [likeness(ear.sound, sound) > 0.5 for ear in ears] == [True, True]
            after, bundled = sent(venue)
            # Bo gets each frame alone, Ann a part of them in bundles: the pause at the end is not waited for.
            fewer = FRAMES * (1 - 1 / bundle)
            assert after - before < 2 * FRAMES + 30 - 0.8 * fewer
            assert bundled > 0.8 * FRAMES
            statistics = venue.server.statistics()
            assert statistics["plane_sealed"] >= after - before, "it is the plane that sends"
            # All but the first moments, before the handshake was confirmed, also came in by it.
            assert statistics["frames_in"] == statistics["engine"] >= FRAMES
            assert statistics["plane_done"] >= FRAMES

    tell(story, tmp_path, place, media=MediaConfig(bundle=3))


@everywhere
def test_auto_bundles_for_listeners_of_a_large_room_only(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ann") as ann,
            await venue.enter("Bo") as bo,
            await venue.enter("Cleo") as cleo,
        ):
            talk = await hana.open("Growing")
            ears = [Ear(await each.join(talk.id)) for each in (ann, bo)]
            small = voice(32, 1.0)
            await say(talk, small)
            await asyncio.sleep(0.4)
            assert sent(venue)[1] == 0, "two listeners are not above two"
            ears.append(Ear(await cleo.join(talk.id)))
            large = voice(33, 1.0)
            await say(talk, large)
            await asyncio.sleep(0.4)
            assert sent(venue)[1] > 40
            assert all(likeness(ear.sound, large) > 0.5 for ear in ears)
            assert all(likeness(ear.sound, small) > 0.5 for ear in ears[:2])

    tell(story, tmp_path, place, media=MediaConfig(bundle="auto", bundle_above=2))


@everywhere
def test_on_aioquic_nothing_is_bundled(place: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ann") as ann:
            talk = await hana.open("As it was")
            ear, sound = Ear(await ann.join(talk.id)), voice(34, 1.0)
            await say(talk, sound)
            await asyncio.sleep(0.4)
            assert sent(venue)[1] == 0
            assert likeness(ear.sound, sound) > 0.5

    tell(story, tmp_path, place, media=MediaConfig(bundle=3), plane=AIOQUIC)


@pytest.mark.parametrize("place", [LOOPBACK, UVLOOP])
def test_audio_goes_on_while_the_interpreter_is_held(place: str, tmp_path: Path) -> None:
    """The people are in another process; the kernel tells when each packet reached the listener."""

    async def story(venue: Venue) -> None:
        guests = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.scenarios.guests", venue.address, venue.server.fingerprint),
            stdout=asyncio.subprocess.PIPE,
        )
        assert guests.stdout is not None
        assert (await guests.stdout.readline()).strip() == b"talking"
        await asyncio.sleep(0.5)
        held_from = time.monotonic()
        hold(0.2)
        held_to = time.monotonic()
        arrivals = json.loads((await guests.stdout.read()).decode())
        assert await guests.wait() == 0
        assert held_to - held_from >= 0.2
        around = [at for at in arrivals if held_from - 0.2 < at < held_to + 0.2]
        longest_ms = 1000 * max(b - a for a, b in itertools.pairwise(around))
        assert longest_ms <= 60, f"nothing came for {longest_ms:.0f} ms while Python was held"
        during = [at for at in arrivals if held_from < at < held_to]
        assert len(during) >= 8, during

    tell(story, tmp_path, place, plane=NATIVE)


def hold(seconds: float) -> None:
    """Keep the interpreter and the loop busy, as a slow handler and a long collection would."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        gc.collect()
