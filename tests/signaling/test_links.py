"""Links as text: what is written is read back, and what is no link is refused in words without its secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.links import DEFAULT_PORT, LINK_CHARS, Link, LinkError, digest_of, parse_link

SPACE = bytes(range(16))
SECRET = bytes(range(16, 32))

hosts = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ids = st.binary(min_size=16, max_size=16)


@given(hosts, st.integers(1, 65_535), ids, st.one_of(st.just(b""), ids))
def test_a_link_that_is_written_is_read_back(host: str, port: int, space: bytes, speak: bytes) -> None:
    link = Link(f"{host}:{port}", space, speak)
    assert parse_link(str(link)) == link
    assert parse_link(str(link).upper()) == link, "also from somebody who shouts"


def test_the_two_forms() -> None:
    assert (
        str(Link("tea.example:4433", SPACE)) == "spaces://tea.example:4433/000102030405060708090a0b0c0d0e0f"
    )
    assert str(Link("[::1]:9", SPACE, SECRET)) == (
        "spaces://[::1]:9/000102030405060708090a0b0c0d0e0f?speak=101112131415161718191a1b1c1d1e1f"
    )


def test_blanks_round_it_and_a_missing_port_do_no_harm() -> None:
    assert parse_link(f"  spaces://tea.example/{SPACE.hex()}/\n").address == f"tea.example:{DEFAULT_PORT}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spaces://",
        "https://tea.example/" + SPACE.hex(),
        "spaces://tea.example/" + SPACE.hex()[:-1],
        "spaces://tea.example/" + SPACE.hex() + "0",
        "spaces://tea.example:0/" + SPACE.hex(),
        "spaces://tea.example:65536/" + SPACE.hex(),
        "spaces://someone@tea.example/" + SPACE.hex(),
        "spaces://tea example/" + SPACE.hex(),
        "spaces://[::1/" + SPACE.hex(),
        "spaces://[:::]/" + SPACE.hex(),
        "spaces://tea.example/" + SPACE.hex() + "?speak=12",
        "spaces://tea.example/" + SPACE.hex() + "?other=1",
        "spaces://t\u0435a.example/" + SPACE.hex(),  # a Cyrillic letter
        "spaces://tea\u202e.example/" + SPACE.hex(),
        "spaces://\u212aiosk.example/" + SPACE.hex(),  # the Kelvin sign
        "\u017fpaces://tea.example/" + SPACE.hex(),  # a long s
        "spaces://tea.\nexample/" + SPACE.hex(),
        "spaces://" + "a" * LINK_CHARS + "/" + SPACE.hex(),
    ],
)
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(LinkError) as refused:
        parse_link(text)
    assert refused.value.code == "bad_value"
    assert ";" in str(refused.value), "a refusal ends with its remedy"


@given(st.text(max_size=500))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parse_link(text)
    except LinkError as error:
        assert str(error)


@pytest.mark.parametrize("address", ["tea.example", "tea.example:99999", "a b:1", "a" * 256 + ":1", ":1"])
def test_an_address_that_is_none_makes_no_link(address: str) -> None:
    with pytest.raises(LinkError):
        Link(address, SPACE)


@pytest.mark.parametrize(
    ("space", "speak"), [(b"", b""), (SPACE[1:], b""), (SPACE, b"1"), (SPACE, bytes(17))]
)
def test_ids_and_secrets_have_sixteen_bytes(space: bytes, speak: bytes) -> None:
    with pytest.raises(LinkError):
        Link("tea.example:1", space, speak)


def test_a_secret_is_not_shown_by_accident() -> None:
    assert SECRET.hex() not in repr(Link("tea.example:1", SPACE, SECRET))
    assert repr(SECRET) not in repr(Link("tea.example:1", SPACE, SECRET))
    with pytest.raises(LinkError) as refused:
        parse_link(f"spaces://tea.example/1?speak={SECRET.hex()}")
    assert SECRET.hex() not in str(refused.value)
    assert digest_of(SECRET) == digest_of(bytes(SECRET))
    assert len(digest_of(SECRET)) == 32
