"""docs/protocol.md against the code: golden bytes in both directions, field tables, codes, bounds, terms."""

from __future__ import annotations

import re
from typing import Any

import msgpack
import pytest

from signaling.protocol import Framer, bounds, decode_from_server, decode_request, encode
from signaling.protocol.codes import CLOSE_RETRY, ERROR_RETRY, CloseCode, ErrorCode
from signaling.protocol.messages import EVENT_TYPES, MESSAGE_NAMES, REPLY_TYPES, REQUEST_TYPES
from signaling.protocol.terms import (
    ABSENT_CAPABILITIES,
    DEFAULT_LIMITS,
    MAX_BUNDLE,
    REACTIONS,
    SERVER_CAPABILITIES,
    most_frames,
)
from signaling.rules.rates import RATES, RateKind
from signaling.rules.talk import REPORT_REASONS
from spacecore import _packet
from tests.oracles import packet_reference as reference
from tests.signaling.page_tables import PAGE, Golden, fields_of, goldens, plain, table_under

DATAGRAMS = ("audio", "receiver_report")
GOLDENS = goldens()
MESSAGES = [golden for golden in GOLDENS if golden.name not in DATAGRAMS]
AUDIO = [golden for golden in GOLDENS if golden.name == "audio"]
REPORTS = [golden for golden in GOLDENS if golden.name == "receiver_report"]
DOWN_TYPES = (*REPLY_TYPES, *EVENT_TYPES)


def direction(kind: type) -> str:
    return "c2s" if kind in REQUEST_TYPES else "s2c"


def audio_value(golden: Golden) -> reference.Audio:
    frames = {
        key: tuple(map(bytes.fromhex, golden.value.get(key, ()))) for key in ("new", "redundant", "prime")
    }
    seats = golden.value.get("seats")
    return reference.Audio(**golden.value | frames | {"seats": None if seats is None else tuple(seats)})


# --- messages ----------------------------------------------------------------------------------------------


def test_every_message_has_golden_bytes() -> None:
    expected = {(MESSAGE_NAMES[kind], direction(kind)) for kind in (*REQUEST_TYPES, *DOWN_TYPES)}
    assert {(golden.name, golden.dir) for golden in MESSAGES} == expected


@pytest.mark.parametrize("golden", MESSAGES, ids=str)
def test_golden_messages_in_both_directions(golden: Golden) -> None:
    [body] = Framer().feed(golden.data)
    message = decode_request(body) if golden.dir == "c2s" else decode_from_server(body)
    assert MESSAGE_NAMES[type(message)] == golden.name
    assert encode(message) == golden.data
    assert msgpack.unpackb(body) == plain(golden.value)
    assert msgpack.packb(plain(golden.value)) == body


@pytest.mark.parametrize("kind", (*REQUEST_TYPES, *DOWN_TYPES), ids=lambda kind: kind.__name__)
def test_field_tables_are_those_of_the_structs(kind: Any) -> None:
    rows = table_under(f"{kind.__struct_config__.tag} {MESSAGE_NAMES[kind]}")
    assert [tuple(row[1:5]) for row in rows] == fields_of(kind)
    assert [row[0] for row in rows] == [str(item) for item in range(1, len(rows) + 1)]
    assert all(row[5] for row in rows)


def test_sections_name_only_errors_that_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    sections = re.findall(r"^### \d+ (\w+)\n\n(.*?)\n\n", text, re.M | re.S)
    assert len(sections) == len(REQUEST_TYPES) + len(DOWN_TYPES)
    for _, intro in sections:
        for errors in re.findall(r"Errors: (.*?)\.(?:\s|$)", intro, re.S):
            named = re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", errors, flags=re.S))
            assert named
            assert set(named) <= set(ErrorCode.__members__)


# --- datagrams ---------------------------------------------------------------------------------------------


def test_the_page_shows_audio_both_ways_and_reports() -> None:
    assert {golden.dir for golden in AUDIO} == {golden.dir for golden in REPORTS} == {"c2s", "s2c"}


@pytest.mark.parametrize("golden", AUDIO, ids=str)
def test_golden_audio_against_the_reference(golden: Golden) -> None:
    value = audio_value(golden)
    assert reference.parse_audio(golden.data, golden.dir == "s2c") == value
    assert reference.pack_audio(value) == golden.data


@pytest.mark.parametrize("golden", AUDIO, ids=str)
def test_golden_audio_against_the_engine(golden: Golden) -> None:
    value = audio_value(golden)
    parsed = _packet.parse_audio(golden.data, golden.dir == "s2c")
    expected: dict[str, Any] = {
        "seq": value.seq,
        "timestamp": value.timestamp,
        "level": value.voice << 7 | value.level,
        "gain": value.gain_quarter_db,
        "redundant": value.redundant,
        "prime": value.prime,
        "distance": 2 if value.distance_2 else 1,
        "source_changed": value.source_changed,
        "stereo": value.stereo,
        "seats": value.seats,
    }
    assert parsed._asdict() == expected | {"frames": value.new}
    assert _packet.pack_audio(value.new, **expected) == golden.data


@pytest.mark.parametrize("golden", REPORTS, ids=str)
def test_golden_reports(golden: Golden) -> None:
    assert reference.parse_report(golden.data) == reference.Report(**golden.value)
    assert reference.pack_report(reference.Report(**golden.value)) == golden.data
    value = dict(golden.value)
    if "expect_pct" in value:
        distance = 2 if value.pop("distance_2") else 1
        advice = (value.pop("expect_pct"), value.pop("most_kbps"), value.pop("copies"), distance)
        value["advice"] = _packet.Advice(*advice)
    assert _packet.parse_report(golden.data) == _packet.Report(**value)
    assert _packet.pack_report(_packet.Report(**value)) == golden.data


def test_the_numbers_of_redundant_frames_are_as_the_page_says() -> None:
    two = reference.Audio(1, 0, 0, (b"n", b"m"), redundant=(b"a", b"b"))
    assert two.redundant_seqs() == [0xFFFF, 0]
    assert two.new_seqs() == [1, 2]
    far = reference.Audio(1, 0, 0, (b"n",), redundant=(b"a", b"b"), distance_2=True)
    assert far.redundant_seqs() == [0xFFFE, 0xFFFF]


# --- codes, bounds, terms ----------------------------------------------------------------------------------


def test_error_codes_are_those_of_the_page() -> None:
    rows = [(int(row[0]), row[1], row[2]) for row in table_under("Error codes")]
    assert rows == [(code.value, code.name, ERROR_RETRY[code].value) for code in ErrorCode]


def test_close_codes_are_those_of_the_page() -> None:
    rows = [(int(row[0], 16), row[1], row[2]) for row in table_under("Close codes")]
    assert rows == [(code.value, code.name, CLOSE_RETRY[code].value) for code in CloseCode]


def test_bounds_are_those_of_the_page() -> None:
    assert [row[1] for row in table_under("Messages")] == [
        str(bounds.MAX_DEPTH),
        str(bounds.MAX_VALUES),
        str(bounds.MAX_ANSWER_VALUES),
        str(bounds.MAX_ARRAY_ITEMS),
        str(bounds.MAX_MAP_ENTRIES),
        str(bounds.MAX_STR_BYTES),
        str(bounds.MAX_BIN_BYTES),
        "none",
    ]


def test_capabilities_and_limits_are_those_of_the_page() -> None:
    rows = table_under("Capabilities and limits")
    assert {row[0]: int(row[1]) for row in rows if row[1] != "–"} == SERVER_CAPABILITIES
    assert {row[0]: int(row[3]) for row in rows} == ABSENT_CAPABILITIES
    limits = table_under("Limits")
    assert {row[0]: int(row[1]) for row in limits} == DEFAULT_LIMITS
    welcomes = [golden.value for golden in MESSAGES if golden.name == "welcome"]
    assert all(value[6:] == [dict(DEFAULT_LIMITS), dict(SERVER_CAPABILITIES)] for value in welcomes)


def test_rates_are_those_of_the_page() -> None:
    rows = [(int(row[1]), float(row[2].removesuffix(" s"))) for row in table_under("Rates")]
    assert rows == [(RATES[kind].burst, RATES[kind].every_us / 1_000_000) for kind in RateKind]


def test_the_page_names_every_reason_to_report() -> None:
    [meaning] = [row[5] for row in table_under("45 report") if row[1] == "reason"]
    assert tuple(re.findall(r"`([\w-]+)`", meaning)) == REPORT_REASONS


def test_the_page_names_every_reaction() -> None:
    [meaning] = [row[5] for row in table_under("52 react") if row[1] == "reaction"]
    assert tuple(re.findall(r"`(\w+)`", meaning)) == REACTIONS


def test_every_request_is_in_the_overview_once() -> None:
    linked = re.findall(r"\]\(#(\d+-\w+)\)", " ".join(row[1] for row in table_under("Requests")))
    assert sorted(linked) == sorted(
        f"{kind.__struct_config__.tag}-{MESSAGE_NAMES[kind]}" for kind in REQUEST_TYPES
    )


def test_the_page_shows_bundles_of_every_size() -> None:
    assert {len(golden.value["new"]) for golden in AUDIO if golden.dir == "s2c"} == {1, 2, 3}


@pytest.mark.parametrize(
    ("capabilities", "most"),
    [
        ({}, 1),
        ({"bundle": 1, "bundle_delay_ms": 400}, 1),
        ({"bundle": 2}, 2),
        ({"bundle": 3}, 3),
        ({"bundle": 3, "bundle_delay_ms": 40}, 3),
        ({"bundle": 3, "bundle_delay_ms": 39}, 2),
        ({"bundle": 3, "bundle_delay_ms": 20}, 2),
        ({"bundle": 3, "bundle_delay_ms": 19}, 1),
        ({"bundle": 3, "bundle_delay_ms": 0}, 1),
        ({"bundle": 0}, 1),
        ({"bundle": 2**32 - 1, "bundle_delay_ms": 2**32 - 1}, MAX_BUNDLE),
        ({"bundle_delay_ms": 40}, 1),
    ],
)
def test_most_frames_of_a_datagram(capabilities: dict[str, int], most: int) -> None:
    assert most_frames(capabilities) == most


def test_links_within_the_page_lead_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= anchors
