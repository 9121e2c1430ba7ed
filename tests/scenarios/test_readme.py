"""The README's program for the client library does what it says, against a real server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from tests.scenarios.venue import LOOPBACK, Venue, say, tell
from tests.signals import FRAME, voice

pytestmark = pytest.mark.scenario

README = Path(__file__).parents[2] / "README.md"


def program(address: str, fingerprint: str) -> Any:
    """The first python block, made to meet this server and to end with the first frame."""
    found = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    text = dedent(found[1])
    for stands, here in (
        ('"127.0.0.1:4433"', repr(address)),
        ('"sha256:…"', repr(fingerprint)),
        ("...  # frame.pcm", "return frame.pcm  # frame.pcm"),
    ):
        assert stands in text
        text = text.replace(stands, here)
    names: dict[str, Any] = {}
    exec(f"async def listen_in():\n{indent(text, '    ')}", names)  # noqa: S102 - the README is ours
    return names["listen_in"]


def test_the_program_for_the_client_library(tmp_path: Path) -> None:
    async def story(venue: Venue) -> None:
        async with await venue.enter("Hana") as hana:
            talk = await hana.open("Morning talk")
            talking = asyncio.create_task(say(talk, voice(1, 2.0)))
            host, port = venue.server.address[:2]
            pcm = await program(f"{host}:{port}", venue.server.fingerprint)()
            assert len(pcm) == FRAME
            await talking

    tell(story, tmp_path, LOOPBACK)
