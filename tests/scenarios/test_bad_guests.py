"""People who do what they may not, and bytes that are no message: answered or counted, nobody disturbed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgpack
import pytest

from signaling import tokens
from signaling.client import Client, ConnectionClosed, RequestRefused, Space
from signaling.protocol import frame
from spacecore import pack_audio
from tests.scenarios.venue import LOOPBACK, VIRTUAL, Ear, Venue, likeness, on_both_planes, say, tell
from tests.signals import voice

pytestmark = pytest.mark.scenario

both = pytest.mark.parametrize("place", [VIRTUAL, LOOPBACK])


async def refusal(call: object) -> str:
    """The code with which a request is refused."""
    with pytest.raises((RequestRefused, ConnectionClosed)) as caught:
        await call  # type: ignore[misc]
    assert len(str(caught.value)) > 20, "a refusal says what and why"
    return caught.value.code


async def undisturbed(venue: Venue, talk: Space, listener: Space) -> None:
    """The room goes on: what the host says reaches the listener whole."""
    ear, sound = Ear(listener), voice(21, 1.0)
    await say(talk, sound)
    await asyncio.sleep(0.5)
    assert likeness(ear.sound, sound) > 0.6
    assert venue.server.statistics()["errors_caught"] == 0


def raw_control(client: Client, data: bytes) -> None:
    """Send bytes on the control stream past the library's own checks."""
    assert client._live.link.send_stream(data)


def raw_audio(client: Client, datagram: bytes) -> None:
    """Send a datagram past the library's own checks."""
    client._live.link.send_audio(datagram)


@both
@on_both_planes
def test_a_wrong_token_is_refused_by_code(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        stranger = tokens.new_private_key()
        now_s = int(venue.wall_clock())
        forged = tokens.mint(
            stranger,
            tokens.key_id(stranger.public_key()),
            subject="eve",
            name="Eve",
            issuer="spacecore",
            audience="spaces",
            lifetime_s=60,
            now_s=now_s,
        )
        for token, code in (("not a token", "bad_token"), (forged, "bad_token"), ("a.b.c", "bad_token")):
            assert await refusal(venue.enter("", token=token)) == code
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Open to the known")
            await undisturbed(venue, talk, await ada.join(talk.id))

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_what_a_listener_may_not_do(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with (
            await venue.enter("Hana") as hana,
            await venue.enter("Ada") as ada,
            await venue.enter("Lio") as lio,
        ):
            talk = await hana.open("Roles")
            at_ada, at_lio = await ada.join(talk.id), await lio.join(talk.id)
            assert await refusal(at_ada.admit(at_lio.me)) == "not_permitted"
            assert await refusal(at_ada.remove(talk.me)) == "not_permitted"
            assert await refusal(at_ada.mute(talk.me)) == "not_permitted"
            assert await refusal(at_ada.end()) == "not_permitted"
            assert await refusal(talk.admit(at_ada.me)) == "not_asked"
            assert await refusal(talk.admit("nobody-of-that-name")) == "no_such_person"
            await at_ada.ask()
            assert await refusal(at_ada.ask()) == "already_asked"
            assert await refusal(lio.open("Another")) == "already_in_space"
            await at_ada.leave()
            assert await refusal(ada.join(os.urandom(16))) == "no_such_space"
            await undisturbed(venue, talk, at_lio)

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_a_listener_who_sends_audio_is_not_heard_and_counted(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Eve") as eve:
            talk = await hana.open("No hecklers")
            at_eve = await eve.join(talk.id)
            ear = Ear(talk)
            for seq in range(50):
                raw_audio(
                    eve, pack_audio([bytes([0x78, *range(60)])], seq=seq, timestamp=960 * seq, level=20)
                )
                await asyncio.sleep(0.02)
            assert not ear.sound.any()
            assert venue.server.statistics()["dropped_not_on_stage"] == 50
            await undisturbed(venue, talk, at_eve)

    tell(story, tmp_path, place, plane=plane)


@both
@on_both_planes
def test_datagrams_that_are_none_are_counted(place: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Noise on the line")
            space = await ada.join(talk.id)
            claims_120_ms = pack_audio([bytes([0x0B, 6, *bytes(60)])], seq=0, timestamp=0, level=10)
            bad = [b"", b"\x00", b"\x07\x01" + bytes(20), b"\x00\x63abc", b"\x00\x01\x00\x01", claims_120_ms]
            for datagram in bad:
                raw_audio(hana, datagram)
            oversized = bytes(2000)
            assert hana._live.link.send_audio(oversized) is False, "it would block all audio behind it"
            await undisturbed(venue, talk, space)
            counted = venue.server.statistics()
            expected = {
                "dropped_malformed": 3,
                "dropped_unknown_kind": 1,
                "engine_truncated": 1,
                "engine_bad_duration": 1,
            }
            assert {name: counted[name] for name in expected} == expected
            assert sum(expected.values()) == len(bad)

    tell(story, tmp_path, place, plane=plane)


BOMBS = {
    "nested arrays": b"\x91" * 10_000 + b"\x90",
    "an array that claims four thousand million entries": b"\xdd\xff\xff\xff\xff",
    "a map that claims as many": b"\xdf\xff\xff\xff\xff",
    "a string longer than the message": b"\x92\x01\xdb\x7f\xff\xff\xff",
    "no array": msgpack.packb({"a": 1}),
    "an unknown message": msgpack.packb([9_999, 7]),
    "a message of the wrong shape": msgpack.packb([3, 8, ["a", "list"]]),
    "a title of 101 characters": msgpack.packb([3, 9, "x" * 101]),
    "a title that turns the writing round": msgpack.packb([3, 10, "a\u202eb"]),
    "not msgpack": b"\xc1\xc1\xc1",
}


@pytest.mark.parametrize("name", BOMBS)
@on_both_planes
def test_a_bad_message_is_answered_or_closes_its_connection(name: str, plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Ada") as ada:
            talk = await hana.open("Steady")
            space = await ada.join(talk.id)
            eve = await venue.enter("Eve")
            raw_control(eve, frame(BOMBS[name]))
            await asyncio.sleep(0.5)
            if eve.closed:
                assert (await eve.wait_closed()).code == "protocol_error"
            else:
                assert await eve.live(), "the connection goes on"
            await eve.close()
            assert venue.server.statistics()["messages_malformed"] >= 1
            await undisturbed(venue, talk, space)

    tell(story, tmp_path, VIRTUAL, plane=plane)


@on_both_planes
def test_a_frame_of_no_or_too_many_bytes_closes_the_connection(plane: str, tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        for data in (b"\x00\x00", b"\x40\x01" + bytes(100)):
            eve = await venue.enter("Eve")
            raw_control(eve, data)
            assert (await eve.wait_closed()).code == "protocol_error"
            await eve.close()

    tell(story, tmp_path, VIRTUAL, plane=plane)


@on_both_planes
def test_requests_without_end_are_slowed_down(plane: str, tmp_path: Path) -> None:
    """A client that asks faster than the limit is told when to try again, and others are served meanwhile."""

    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana, await venue.enter("Eve") as eve:
            talk = await hana.open("Busy")
            space = await eve.join(talk.id)
            results = await asyncio.gather(*(space.people() for _ in range(200)), return_exceptions=True)
            refused = [each for each in results if isinstance(each, RequestRefused)]
            assert refused
            assert {each.code for each in refused} == {"busy"}
            by_server = [each for each in refused if each.retry_after_ms > 0]
            assert by_server, "the server says when to try again"
            await space.leave()
            assert [each.user for each in await talk.people()] == [talk.me]
            space = await eve.join(talk.id)
            await undisturbed(venue, talk, space)

    tell(story, tmp_path, VIRTUAL, plane=plane)
