"""The foreign client's wire against the golden blocks and tables of docs/protocol.md, and its audio rules."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from tests.foreign.audio import EMPTY_FRAME, Downlink, Uplink, level_of
from tests.foreign.numbers import CloseCode, ErrorCode, Event, Reply, Request
from tests.foreign.opus import FRAME_SAMPLES, RATE, Decoder, Encoder, Samples, lasts_20_ms
from tests.foreign.room import Room
from tests.foreign.wire import (
    MAX_MESSAGE_BYTES,
    Audio,
    Report,
    Unframer,
    WireError,
    enframe,
    parse_datagram,
    unpack,
)

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")

Golden = tuple[str, str, bytes, Any]


def _with_binary(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$bin"}:
            return bytes.fromhex(value["$bin"])
        return {key: _with_binary(entry) for key, entry in value.items()}
    return [_with_binary(entry) for entry in value] if isinstance(value, list) else value


def _golden() -> Iterator[Golden]:
    for name, way, block in re.findall(r"^```golden name=(\w+) dir=(\w+)\n(.*?)^```$", PAGE, re.M | re.S):
        lines = block.splitlines()
        octets = "".join(line.split("#")[0] for line in lines if not line.startswith("="))
        value = " ".join(line[2:] for line in lines if line.startswith("= "))
        yield name, way, bytes.fromhex(octets), _with_binary(json.loads(value))


GOLDEN = list(_golden())
MESSAGES = [golden for golden in GOLDEN if golden[0] not in ("audio", "receiver_report")]
DATAGRAMS = [golden for golden in GOLDEN if golden[0] in ("audio", "receiver_report")]


def test_the_page_shows_every_message_this_client_knows() -> None:
    shown = {(name.upper(), way) for name, way, _, _ in MESSAGES}
    assert {(member.name, "c2s") for member in Request} <= shown
    assert {(member.name, "s2c") for kind in (Reply, Event) for member in kind} <= shown


@pytest.mark.parametrize(("name", "way", "octets", "value"), MESSAGES)
def test_messages_are_the_golden_bytes(name: str, way: str, octets: bytes, value: Any) -> None:
    kinds: list[Any] = [Request] if way == "c2s" else [Reply, Event]
    assert value[0] in [kind[name.upper()] for kind in kinds if name.upper() in kind.__members__]
    assert [unpack(body) for body in Unframer().feed(octets)] == [value]
    assert enframe(value) == octets


def _fields(packet: Audio | Report) -> dict[str, Any]:
    """A datagram as the golden blocks write it: what is zero, false or empty may be left out."""
    fields = {key: value for key, value in vars(packet).items() if value not in (0, (), None)}
    for key in ("new", "redundant", "prime"):
        if key in fields:
            fields[key] = [frame.hex() for frame in fields[key]]
    if isinstance(packet, Audio):
        fields |= {"voice": packet.voice, "level": packet.level, "seq": packet.seq}
        if packet.seats is not None:
            fields["seats"] = list(packet.seats)
    return fields


@pytest.mark.parametrize(("name", "way", "octets", "value"), DATAGRAMS)
def test_datagrams_are_the_golden_bytes(name: str, way: str, octets: bytes, value: Any) -> None:
    packet = parse_datagram(octets, down=way == "s2c")
    assert isinstance(packet, Audio) == (name == "audio")
    assert _fields(packet) == {
        key: entry for key, entry in value.items() if entry != 0 or key in _fields(packet)
    }
    assert packet.pack() == octets


def _table(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line[:1] == "|"
    ][2:]


def test_codes_are_those_of_the_page() -> None:
    assert [(row[0], row[1]) for row in _table("Error codes")] == [
        (str(int(code)), code.name.lower()) for code in ErrorCode
    ]
    assert [(row[0], row[1]) for row in _table("Close codes")] == [
        (f"0x{int(code):x}", code.name.lower()) for code in CloseCode
    ]


def test_a_stream_may_be_cut_anywhere() -> None:
    whole = b"".join(octets for _, way, octets, _ in MESSAGES if way == "s2c")
    unframer = Unframer()
    one_by_one = [body for at in range(len(whole)) for body in unframer.feed(whole[at : at + 1])]
    assert one_by_one == Unframer().feed(whole)


@pytest.mark.parametrize("head", [b"\x00\x00", (MAX_MESSAGE_BYTES + 1).to_bytes(2, "big")])
def test_a_length_out_of_bounds_ends_the_stream(head: bytes) -> None:
    with pytest.raises(WireError, match="length"):
        Unframer().feed(head)


@pytest.mark.parametrize(
    "value",
    [
        {},
        7,
        [1],
        [96, 1, "x" * 8193],
        [96, 1, list(range(129))],
        [96, 1, msgpack.ExtType(1, b"x")],
        [96, 1, {1: 1}],
    ],
)
def test_messages_beyond_the_bounds_are_refused(value: Any) -> None:
    with pytest.raises(WireError):
        unpack(msgpack.packb(value))


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "00",
        "0101000112340000000094007807",
        "0003",
        "00010001123400000000940078"[:22],
        "000100001234000f4240940078",
        "0001000d1234000f4240940078",
        "000100311234000f4240940078",
        "000100011234000f42409400",
        "000100021234000f4240940000",
        "000100021234000f42409400000378",
        "00021266003100010000000e00",
    ],
)
def test_datagrams_that_are_too_short_or_wrong_are_refused(octets: str) -> None:
    with pytest.raises(WireError):
        parse_datagram(bytes.fromhex(octets), down=False)


def _sound(seconds: float, hertz: float = 220) -> Samples:
    t = np.arange(int(RATE * seconds)) / RATE
    return (0.3 * np.sin(2 * np.pi * hertz * t) + 0.1 * np.sin(2 * np.pi * 3 * hertz * t)).astype(np.float32)


def _sent(pcm: Samples, *, redundancy: int = 0, timestamp: int = 2**32 - 4800) -> list[Audio]:
    uplink = Uplink(Encoder(), redundancy=redundancy)
    datagrams = [uplink.capture(pcm[at : at + 960], timestamp + at) for at in range(0, len(pcm) - 959, 960)]
    datagrams.append(uplink.hush(timestamp + len(pcm) // 960 * 960))
    return [
        packet
        for datagram in datagrams
        if datagram is not None and isinstance(packet := parse_datagram(datagram, down=False), Audio)
    ]


def test_dtx_stops_the_numbers_and_not_the_clock() -> None:
    talk = np.concatenate([_sound(0.5), np.zeros(RATE * 2, np.float32), _sound(0.5)])
    sent = _sent(talk)
    assert len(sent) < 90
    assert [(packet.seq - sent[0].seq) % 65536 for packet in sent] == list(range(len(sent)))
    times = [(packet.timestamp - sent[0].timestamp) % 2**32 for packet in sent]
    assert all(time % FRAME_SAMPLES == 0 for time in times)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    before_gaps = [packet for packet, gap in zip(sent, gaps, strict=False) if gap > FRAME_SAMPLES]
    assert before_gaps and all(len(packet.new[0]) <= 2 for packet in before_gaps)
    assert times[-1] > len(talk) - 2 * FRAME_SAMPLES


def test_levels_are_minus_dbov() -> None:
    assert level_of(np.zeros(960, np.float32)) == 127
    assert level_of(np.ones(960, np.float32)) == 0
    assert level_of(np.full(960, 0.1, np.float32)) == 20


def _play(sent: list[Audio], lost: set[int], seconds: float) -> tuple[Samples, Downlink]:
    """Send each packet when it is due and play 20 ms each 20 ms."""
    downlink, heard = Downlink(), []
    for tick in range(int(seconds * 50)):
        for k, packet in enumerate(sent):
            if (packet.timestamp - sent[0].timestamp) % 2**32 == tick * FRAME_SAMPLES and k not in lost:
                downlink.put(packet, tick / 50)
        heard.append(downlink.play())
    return np.concatenate(heard), downlink


def _likeness(heard: Samples, source: Samples) -> float:
    """The largest normalised correlation over lags up to 100 ms."""
    best = 0.0
    for lag in range(0, 4800, 8):
        part = heard[lag : lag + len(source)]
        norm = float(np.linalg.norm(part) * np.linalg.norm(source[: len(part)]))
        best = max(best, float(part @ source[: len(part)]) / norm if norm else 0.0)
    return best


def test_a_stream_is_heard_as_it_was_sent_across_wrapping_numbers() -> None:
    talk = np.concatenate([_sound(0.6), np.zeros(RATE, np.float32), _sound(0.6)])
    heard, downlink = _play(_sent(talk), set(), 2.4)
    first, second = int(0.6 * RATE), int(1.6 * RATE)
    assert _likeness(heard, talk[:first]) > 0.9
    assert _likeness(heard[second:], talk[second:]) > 0.9
    report = downlink.report()
    assert (downlink.concealed, downlink.repaired, downlink.late, downlink.numberings) == (0, 0, 0, 0)
    assert report is not None and report.lost == 0 and report.received > 40
    assert downlink.report() is None


@pytest.mark.parametrize("redundancy", [0, 1])
def test_single_losses_are_repaired(redundancy: int) -> None:
    talk = _sound(1)
    heard, downlink = _play(_sent(talk, redundancy=redundancy), {10, 20, 30}, 1.1)
    assert _likeness(heard, talk) > 0.85
    assert downlink.repaired == (0 if redundancy else 3)
    report = downlink.report()
    assert report is not None and report.lost == 3


def _bundled(sent: list[Audio], sizes: tuple[int, ...]) -> list[tuple[int, Audio]]:
    """The packets of a talk without a gap, joined: when the last frame of each is there, and the bundle."""
    joined: list[tuple[int, Audio]] = []
    at = 0
    while at < len(sent):
        parts = sent[at : at + sizes[len(joined) % len(sizes)]]
        at += len(parts)
        new = tuple(part.new[0] for part in parts)
        octets = Audio(parts[0].seq, parts[0].timestamp, new, voice=True, level=30, seats=(3,)).pack()
        packet = parse_datagram(octets, down=True)
        assert isinstance(packet, Audio)
        joined.append((at - 1, packet))
    return joined


@pytest.mark.parametrize("sizes", [(2,), (3,), (1, 2, 3)])
def test_bundles_of_any_number_are_heard_without_a_hole(sizes: tuple[int, ...]) -> None:
    talk = _sound(1)
    downlink, heard = Downlink(), []
    for number, packet in _bundled(_sent(talk)[:50], sizes):
        while len(heard) <= number:
            heard.append(downlink.play())
        downlink.put(packet, number / 50)
    heard += [downlink.play() for _ in range(8)]
    assert _likeness(np.concatenate(heard), talk) > 0.9
    assert (downlink.late, downlink.dropped, downlink.repaired) == (0, 0, 0)
    assert downlink.concealed <= 5  # the talk ended without saying so
    report = downlink.report()
    assert report is not None
    assert (report.received, report.lost, report.jitter_ms) == (50, 0, 0)


def test_a_lost_bundle_is_counted_by_its_frames() -> None:
    downlink = Downlink()
    for number, packet in _bundled(_sent(_sound(2))[:99], (3,)):
        if number not in (29, 59):
            downlink.put(packet, number / 50)
    assert downlink.loses()
    report = downlink.report()
    assert report is not None
    assert (report.received, report.lost) == (93, 6)
    assert not downlink.loses()


def test_a_long_loss_is_concealed_for_five_frames_and_then_silent() -> None:
    heard, downlink = _play(_sent(_sound(1)), set(range(10, 30)), 0.8)
    assert downlink.concealed == 5
    assert not heard[22 * FRAME_SAMPLES : 28 * FRAME_SAMPLES].any()
    assert heard[36 * FRAME_SAMPLES :].any()


def _steady(seq: int, timestamp: int, **fields: Any) -> Audio:
    return Audio(seq % 65536, timestamp % 2**32, (EMPTY_FRAME + b"\x01\x02\x03",), **fields)


def test_a_gap_of_numbers_before_source_changed_is_no_loss() -> None:
    downlink = Downlink()
    for k in range(5):
        downlink.put(_steady(k, k * 960), k / 50)
    prime = (EMPTY_FRAME + b"\x04", EMPTY_FRAME + b"\x05")
    downlink.put(_steady(9, 9 * 960, source_changed=True, prime=prime), 0.18)
    for _ in range(12):
        downlink.play()
    assert (downlink.concealed, downlink.repaired) == (0, 0)
    report = downlink.report()
    assert report is not None and (report.highest_seq, report.received, report.lost) == (9, 6, 0)


def test_duplicates_and_late_frames_are_dropped_and_a_new_numbering_begins_anew() -> None:
    downlink = Downlink()
    for k in (0, 1, 1, 0):
        downlink.put(_steady(k, k * 960), 0)
    for _ in range(6):
        downlink.play()
    report = downlink.report()
    assert report is not None and report.received == 2
    downlink.put(_steady(1, 960), 0.1)
    assert downlink.numberings == 0
    downlink.put(_steady(0, 20 * 960), 0.4)
    downlink.put(_steady(1, 20 * 960 + 10 * RATE), 10.4)
    assert downlink.numberings == 1
    downlink.put(_steady(2, 20 * 960 + 20 * RATE), 10.5)
    assert downlink.numberings == 2


def test_gain_is_signed_quarters_of_a_decibel() -> None:
    heard = {}
    for gain in (0, -24):
        downlink, encoder = Downlink(), Encoder()
        for k, at in enumerate(range(0, RATE // 2, 960)):
            downlink.put(
                Audio(k, at, (encoder.encode(_sound(1)[at : at + 960]),), gain_quarter_db=gain), k / 50
            )
        heard[gain] = np.concatenate([downlink.play() for _ in range(20)])[5000:]
    assert np.allclose(heard[-24], heard[0] * 10 ** (-6 / 20), atol=1e-5)


def test_opus_packets_of_another_length_are_not_decoded() -> None:
    assert lasts_20_ms(EMPTY_FRAME)
    assert not any(lasts_20_ms(packet) for packet in (b"", b"\x79\x01\x01", b"\x70", b"\x18", bytes(1276)))
    assert not Decoder().decode(None).any()


def test_a_room_applies_events_in_order_and_tells_what_it_missed() -> None:
    joined = next(value for name, _, _, value in GOLDEN if name == "joined")
    room = Room.of(joined)
    assert room.apply([Event.AUDIENCE, 41, 7]) and room.audience == 212
    assert room.apply([Event.AUDIENCE, 42, 7]) and room.audience == 7
    assert not room.apply([Event.QUEUE, 44, [["bo", "Bo"]]])
    assert (room.serial, room.users_asking(), room.waiting) == (44, ["bo"], 1)


def test_this_package_imports_nothing_of_the_project() -> None:
    allowed = {"aioquic", "cryptography", "msgpack", "numpy", "pytest", "tests"}
    for path in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top not in ("signaling", "spacecore"), f"{path.name} imports {name}"
                assert top != "tests" or name.startswith("tests.foreign"), f"{path.name} imports {name}"
                assert top in allowed or top in __import__("sys").stdlib_module_names, f"{path.name}: {name}"
