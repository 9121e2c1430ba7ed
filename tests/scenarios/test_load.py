"""Small loads with real handshakes against a real server over loopback, and what goes wrong on the way in."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from signaling.load.company import Company
from signaling.load.conductor import Conductor
from signaling.load.crowd import Crowd
from signaling.load.errors import LoadError
from signaling.load.near import NearCrowd
from signaling.load.plan import LoadPlan
from signaling.load.speech import babble, encoded
from signaling.load.worker import begin_far, setting_of
from tests.scenarios.venue import UVLOOP, tell

pytestmark = pytest.mark.scenario

TRACK = encoded(babble(0.5))


def plan_for(venue, **wanted):
    host, port = venue.server.address[:2]
    return LoadPlan(host=host, port=port, fingerprint=venue.server.fingerprint, **wanted)


@asynccontextmanager
async def conducted(venue, tokens=None, **wanted):
    plan = plan_for(venue, **wanted)
    conductor = Conductor(plan, await Company.gather(plan, TRACK, tokens))
    try:
        yield conductor
    finally:
        await conductor.stop()


@pytest.mark.parametrize("plane", ["native", "aioquic"])
def test_twenty_listeners_and_two_speakers(plane, tmp_path):
    async def story(venue):
        n = 20 if plane == "native" else 6
        wanted = {"listeners": n, "speakers": 2, "duration_s": 1.5, "plane": plane, "addresses": "loopback"}
        async with conducted(venue, **wanted) as conductor:
            report = (await conductor.run()).to_json()
            addresses = await conductor.company.addresses()
        joining, listening = report["phases"]
        assert joining["joins"]["joined"] == n
        assert joining["failures"] == listening["failures"] == []
        delivery = listening["delivery"]
        assert delivery["listeners"] == n
        assert n * 50 < delivery["expected"] < n * 120
        assert delivery["received"] == delivery["expected"]
        assert (delivery["mismatched"], delivery["deaf"], delivery["malformed"]) == (0, 0, 0)
        assert 10 < listening["gap"]["ms_p50"] < 62
        network = listening["network"]
        if plane == "native":
            assert network["native"] > 0.9 * network["packets_in"]
            assert 0 < network["acks_out"] < network["packets_in"] / 4
        else:
            assert network["native"] == network["acks_out"] == 0
        assert report["samples"]
        assert len(addresses) == n + 2
        assert len({address.partition(":")[0] for address in addresses}) == n + 2
        statistics = venue.server.statistics()
        assert statistics["joins"] == n + 1
        assert statistics["spaces_ended"] == 1

    tell(story, tmp_path, UVLOOP)


def test_loss_and_delay_are_seen_by_the_listeners(tmp_path):
    async def story(venue):
        wanted = {"listeners": 5, "duration_s": 1.0, "loss_pct": 5, "delay_ms": 20, "jitter_ms": 5}
        async with conducted(venue, **wanted) as conductor:
            listening = (await conductor.run()).to_json()["phases"][1]
        assert 80 < listening["delivered_pct"] < 100
        assert listening["network"]["lost_in"] > 0
        assert listening["network"]["lost_out"] > 0
        assert listening["delivery"]["lost"] > 0
        assert listening["jitter"]["ms_p50"] > 0.5

    tell(story, tmp_path, UVLOOP)


def test_phases_step_by_step(tmp_path):
    async def story(venue):
        tokens = [venue.token(f"person-{number}", 600) for number in range(8)]
        async with conducted(venue, tokens, listeners=6, speakers=2) as conductor:
            await conductor.begin()
            await conductor.join(4, 100.0)
            silent = await conductor.end_phase("talk")
            assert silent.stats["delivery"]["expected"] == 0
            assert silent.to_json()["joins"]["joined"] == 4
            await conductor.say(True)
            await conductor.join(2, 0)
            await asyncio.sleep(0.8)
            talk = await conductor.end_phase("hush")
            assert talk.stats["delivery"]["expected"] > 0
            await conductor.say(False)
            await asyncio.sleep(0.6)
            await conductor.end_phase("silence")
            await asyncio.sleep(0.2)
            silence = await conductor.measured()
            assert silence.stats["spoken"] == 0
            with pytest.raises(LoadError, match="6 is the most"):
                await conductor.join(1, 0)
        assert [phase.name for phase in conductor.report.phases] == ["joining", "talk", "hush"]

    tell(story, tmp_path, UVLOOP)


def test_an_interrupted_load_tells_what_it_has_measured(tmp_path):
    async def story(venue):
        plan = plan_for(venue, listeners=3, duration_s=60)
        listening = asyncio.Event()

        def on_sample(sample):
            if sample["phase"] == "listening":
                listening.set()

        company = await Company.gather(plan, TRACK, None)
        conductor = Conductor(plan, company, on_sample=on_sample)
        running = asyncio.create_task(conductor.run())
        await listening.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await conductor.stop(interrupted=True)
        report = conductor.report.to_json()
        assert report["interrupted"]
        assert [phase["name"] for phase in report["phases"]] == ["joining", "listening"]
        assert report["phases"][1]["delivery"]["listeners"] == 3

    tell(story, tmp_path, UVLOOP)


def test_two_processes(tmp_path):
    async def story(venue):
        wanted = {"listeners": 5, "speakers": 1, "duration_s": 0.5, "workers": 2}
        async with conducted(venue, **wanted) as conductor:
            report = (await conductor.run()).to_json()
            assert len(await conductor.company.addresses()) == 6
        assert report["phases"][0]["joins"]["joined"] == 5
        assert report["phases"][1]["delivered_pct"] == 100

    tell(story, tmp_path, UVLOOP)


# What goes wrong


def test_nobody_is_there():
    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
            near.bind(("127.0.0.1", 0))
            port = near.getsockname()[1]
        crowd = NearCrowd(Crowd(LoadPlan(port=port, listeners=1), TRACK, lambda number: ""))
        with pytest.raises(LoadError, match=r"nothing answers at 127\.0\.0\.1.*handshake: refused") as raised:
            await crowd.open()
        assert raised.value.code == "host_failed"
        await crowd.quit()

    asyncio.run(main())


def failures_of(conductor):
    return {
        (each["at"], each["code"]): each["n"]
        for phase in conductor.report.to_json()["phases"]
        for each in phase["failures"]
    }


def test_the_wrong_certificate(tmp_path):
    async def story(venue):
        plan = plan_for(venue, listeners=1)
        wrong = LoadPlan.from_json(plan.to_json() | {"fingerprint": "sha256:" + "00" * 32})
        company = await Company.gather(wrong, TRACK, None)
        with pytest.raises(LoadError, match="pin_mismatch"):
            await company.open()
        await company.quit()

    tell(story, tmp_path, UVLOOP)


def test_a_space_that_is_not_there(tmp_path):
    async def story(venue):
        async with conducted(venue, listeners=3, speakers=0, space="ab" * 16) as conductor:
            with pytest.raises(LoadError, match="no_such_space") as raised:
                await conductor.run()
        assert raised.value.code == "nobody_joined"
        assert failures_of(conductor) == {("join", "no_such_space"): 3}
        assert any("spaces live" in hint for hint in conductor.report.to_json()["hints"])

    tell(story, tmp_path, UVLOOP)


def test_tokens_that_the_server_does_not_take(tmp_path):
    async def story(venue):
        tokens = [venue.token("host", 600), "x", "y"]
        async with conducted(venue, tokens, listeners=2) as conductor:
            with pytest.raises(LoadError, match="bad_token"):
                await conductor.run()
        assert failures_of(conductor) == {("hello", "bad_token"): 2}

    tell(story, tmp_path, UVLOOP)


def test_fewer_tokens_than_people(tmp_path):
    async def story(venue):
        async with conducted(venue, [venue.token("host", 600)], listeners=2) as conductor:
            with pytest.raises(LoadError, match="1 tokens are given"):
                await conductor.run()

    tell(story, tmp_path, UVLOOP)


def test_one_token_for_two_people(tmp_path):
    async def story(venue):
        tokens = [venue.token("host", 600), venue.token("twin", 600), venue.token("twin", 600)]
        async with conducted(venue, tokens, listeners=2, duration_s=0.3) as conductor:
            await conductor.run()
        assert failures_of(conductor) == {("inside", "replaced"): 1}
        assert any("same token" in hint for hint in conductor.report.to_json()["hints"])

    tell(story, tmp_path, UVLOOP)


def test_more_speakers_than_the_stage_has_room_for(tmp_path):
    async def story(venue):
        async with conducted(venue, listeners=0, speakers=15, timeout_s=1.5) as conductor:
            with pytest.raises(LoadError, match="stage_full") as raised:
                await conductor.begin()
        assert raised.value.code == "not_admitted"

    tell(story, tmp_path, UVLOOP)


def test_a_worker_is_made_of_plain_values():
    async def main():
        plan = LoadPlan(listeners=2)
        crowd = begin_far(setting_of(plan, TRACK, ["a", "b", "c"]))
        assert crowd.crowd.plan == plan
        await crowd.quit()

    asyncio.run(main())
