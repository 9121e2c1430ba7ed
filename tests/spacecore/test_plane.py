"""The data plane packet by packet, judged by a reference in plain Python and by the RFC's own vector."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore._plane import DONE, DROP, RX, SLOW, TX, Plane, crypto_library
from spacecore.errors import PlaneError
from tests.oracles import plane_reference as reference
from tests.oracles.plane_reference import Keys, datagram
from tests.spacecore.plane_peers import CLIENT, SERVER, T0_US, Peer

quick = settings(deadline=None, max_examples=80, derandomize=True)
SUITES = pytest.mark.parametrize("suite", [0, 1, 2], ids=["aes-128", "aes-256", "chacha20"])


def test_the_packet_of_rfc_9001_appendix_a_5_opens():
    connection = Plane(cid_bytes=0, connections=1).open(is_client=True)
    key = bytes.fromhex("c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8")
    iv = bytes.fromhex("e0459b3474bdd0e44a41c144")
    hp = bytes.fromhex("25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4")
    connection.set_receive_key(2, key, iv, hp, 0, bytes(32), bytes(12))
    connection.set_peer(b"", SERVER, 65535, 1200)
    connection.expected_pn = 654360564
    connection.flags = RX
    packet = bytes.fromhex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb")
    assert connection.receive(packet, SERVER, T0_US) == (DONE, [])  # it holds a PING
    assert connection.ranges() == [(654360564, 654360565)]
    assert connection.ack_due_us == T0_US


@SUITES
@quick
@given(
    payload=st.binary(max_size=1100),
    cid_bytes=st.integers(0, 20),
    prefix=st.binary(max_size=8),
    where=st.tuples(
        st.sampled_from([0, 1, 255, 256, 65535, 65536, 2**24, 2**31, 2**40]),
        st.sampled_from([CLIENT, ("2001:db8::7", 50_000, 0, 0), ("fe80::1", 9, 0, 3)]),
    ),
)
def test_what_is_sealed_can_be_read_by_the_peer(suite, payload, cid_bytes, prefix, where):
    pn, address = where
    peer = Peer(suite=suite, cid_bytes=cid_bytes, address=address)
    peer.connection.packet_number = peer.expected = pn
    peer.connection.set_prefix(prefix)
    first = peer.give(peer.packet(datagram(prefix + b"up")))
    assert first == (DONE, [b"up"])
    found = peer.read(peer.connection.seal(payload, T0_US + 800))
    assert (found.pn, found.datagrams) == (pn, [prefix + payload])
    assert found.acks == [[(0, 0)]]  # one was owed, and there was a packet to carry it
    assert found.ack_delay == 800 >> 3
    assert found.pn_bytes == (2 if pn < 2**14 - 1 else 4)
    assert peer.connection.packet_number == pn + 1


@SUITES
def test_a_packet_number_is_short_while_the_peer_acknowledges(suite):
    peer = Peer(suite=suite)
    peer.connection.packet_number = peer.expected = 100_000
    assert peer.read(peer.connection.seal(b"a", T0_US)).pn_bytes == 4
    assert peer.acknowledge([(100_000, 100_000)], T0_US) == DONE
    assert peer.read(peer.connection.seal(b"b", T0_US)).pn_bytes == 2


frames = st.lists(
    st.one_of(
        st.just(("padding", b"\0")),
        st.just(("ping", b"\x01")),
        st.binary(max_size=60).map(lambda data: ("datagram", datagram(data))),
        st.binary(min_size=1, max_size=60).map(
            lambda data: ("stream", b"\x0a\x04" + bytes([len(data)]) + data)
        ),
        st.just(("max_data", b"\x10\x40\x80")),
        st.just(("new_cid", b"\x18\x01\x00\x08" + bytes(24))),
        st.just(("unknown", b"\x2f")),
        st.integers(3, 9).map(
            lambda length: ("short ack", b"\x02" + bytes([0x41, 0x42, 0x43][: length % 3]))
        ),
        st.just(("cut datagram", b"\x31\x40\xff\x00")),
    ),
    min_size=1,
    max_size=12,
)


@quick
@given(frames, st.integers(0, 3), st.integers(0, 1))
def test_only_whole_packets_of_known_frames_are_taken(parts, reserved, spin):
    """And what is not taken has changed nothing: the other stack finds the state as it was."""
    peer = Peer()
    kinds = [kind for kind, _ in parts]
    known = {"padding", "ping", "datagram"}
    before = (peer.connection.ranges(), peer.connection.expected_pn, peer.connection.received_us)
    verdict, found = peer.give(peer.packet(*(data for _, data in parts), reserved=reserved, spin=spin))
    takes = set(kinds) <= known and set(kinds) != {"padding"} and not reserved
    if takes:
        assert verdict == DONE
        # A frame of our own: its payload begins after type and length.
        assert [datagram(data) for data in found] == [data for kind, data in parts if kind == "datagram"]
        assert peer.connection.ranges() == [(0, 1)]
        assert peer.connection.spin == bool(spin)
    else:
        assert (verdict, found) == (SLOW, [])
        assert (peer.connection.ranges(), peer.connection.expected_pn, peer.connection.received_us) == before
        assert not peer.connection.seen(0)


@SUITES
@quick
@given(st.data())
def test_bytes_that_are_not_authentic_change_nothing(suite, data):
    peer = Peer(suite=suite)
    peer.give(peer.packet(datagram(b"first")))
    packet = bytearray(peer.packet(datagram(b"second" * 8)))
    bit = data.draw(st.integers(0, 8 * len(packet) - 1))
    packet[bit // 8] ^= 1 << bit % 8
    cut = data.draw(st.integers(0, len(packet)))
    before = (peer.connection.ranges(), peer.connection.expected_pn, peer.connection.flags)
    for bad in (bytes(packet), bytes(packet[:cut]), data.draw(st.binary(max_size=80))):
        verdict, found = peer.give(bad, T0_US + 1)
        assert verdict in (DROP, SLOW)
        assert found == []
    assert (peer.connection.ranges(), peer.connection.expected_pn, peer.connection.flags) == before
    assert peer.connection.received_us == T0_US


def test_a_duplicate_is_dropped_and_so_is_what_is_too_old_to_tell():
    peer = Peer()
    packets = {pn: peer.packet(datagram(b"x"), pn=pn) for pn in (0, 5, 200)}
    assert [peer.give(packets[pn])[0] for pn in (5, 5, 0, 200)] == [DONE, DROP, DONE, DONE]
    assert peer.give(packets[0])[0] == DROP
    assert peer.connection.stats.duplicates == 2


def test_another_address_or_connection_id_is_left_to_the_other_stack():
    peer = Peer()
    packet = peer.packet(datagram(b"x"))
    assert peer.give(packet, address=("198.51.100.7", 50_001)) == (SLOW, [])
    assert peer.give(packet, address=("198.51.100.8", 50_000)) == (SLOW, [])
    other = bytes([packet[0]]) + bytes(8) + packet[9:]
    assert peer.give(other) == (SLOW, [])
    assert peer.give(packet) == (DONE, [b"x"])


def test_long_headers_and_the_fixed_bit_are_left_to_the_other_stack():
    peer = Peer()
    packet = peer.packet(datagram(b"x"))
    for mask in (0x80, 0x40):
        assert peer.give(bytes([packet[0] ^ mask]) + packet[1:]) == (SLOW, [])


def test_a_prefix_must_be_there_on_the_way_in():
    peer = Peer()
    peer.connection.set_prefix(b"\x04")
    assert peer.give(peer.packet(datagram(b"\x04abc"))) == (DONE, [b"abc"])
    assert peer.give(peer.packet(datagram(b"\x05abc"))) == (SLOW, [])
    with pytest.raises(PlaneError, match="0 to 8 bytes, not 9"):
        peer.connection.set_prefix(bytes(9))


def test_what_does_not_fit_the_packet_or_the_peers_limit_is_refused():
    peer = Peer(packet_bytes=1200)
    largest = peer.connection.largest_payload_bytes
    assert largest == 1200 - 1 - 8 - 2 - 3 - 16
    assert len(peer.connection.seal(bytes(largest), T0_US) or b"") == 1200
    assert peer.connection.seal(bytes(largest + 1), T0_US) is None
    small = Peer(frame_bytes=100)
    assert small.connection.seal(bytes(97), T0_US) is not None
    assert small.connection.seal(bytes(98), T0_US) is None
    assert small.connection.stats.too_large == 1
    assert Peer(frame_bytes=0).connection.seal(b"", T0_US) is None


def test_an_announced_frame_size_binds_the_peer():
    peer = Peer()
    peer.connection.set_own_frame_bytes(10)
    assert peer.give(peer.packet(datagram(bytes(8))))[0] == DONE
    assert peer.give(peer.packet(datagram(bytes(9))))[0] == SLOW  # the other stack closes for it


def test_nothing_is_sealed_or_opened_without_flags_or_keys():
    peer = Peer()
    packet = peer.packet(datagram(b"x"))
    peer.connection.flags = RX
    assert peer.connection.seal(b"x", T0_US) is None
    assert peer.connection.packet_number == 0
    peer.connection.flags = TX
    assert peer.give(packet) == (SLOW, [])
    peer.connection.wipe()
    peer.connection.flags = TX | RX
    assert peer.connection.seal(b"x", T0_US) is None
    assert peer.give(packet) == (SLOW, [])


# Key updates


@SUITES
def test_a_key_update_of_the_peer_is_recognised_and_old_packets_still_open(suite):
    peer = Peer(suite=suite)
    assert peer.give(peer.packet(datagram(b"0"), pn=0)) == (DONE, [b"0"])
    late = peer.packet(datagram(b"late"), pn=1)
    updated = peer.packet(datagram(b"2"), pn=2, keys=peer.up_next, phase=1)
    assert peer.give(updated) == (SLOW, [])  # the other stack updates, and then tells
    following = Keys.random(suite, peer.rng, peer.up.hp)
    peer.install_receive(peer.up_next, following, 1)
    assert peer.give(updated) == (DONE, [b"2"])
    assert peer.give(late) == (DONE, [b"late"])
    forged = peer.packet(datagram(b"3"), pn=3, keys=Keys.random(suite, peer.rng, peer.up.hp), phase=0)
    assert peer.give(forged) == (DROP, [])


@SUITES
def test_our_own_update_changes_phase_and_key_and_no_number_comes_twice(suite):
    peer = Peer(suite=suite)
    assert peer.read(peer.connection.seal(b"a", T0_US)).phase == 0
    fresh = Keys.random(suite, peer.rng, peer.down.hp)
    peer.connection.set_send_key(suite, fresh.key, fresh.iv, bytes(len(fresh.hp)), 1)
    peer.down = fresh
    found = peer.read(peer.connection.seal(b"b", T0_US))
    assert (found.phase, found.pn) == (1, 1)


@pytest.mark.parametrize(("suite", "limit"), [(0, 2**23), (1, 2**23), (2, 2**62)])
def test_a_key_asks_for_its_update_and_is_never_used_beyond_its_limit(suite, limit):
    connection = Peer(suite=suite).connection
    assert connection.seal_limit == limit
    for by_other, wants, seals in (
        (0, False, True),
        (limit // 2, True, True),
        (limit - connection.sealed - 4, True, True),
        (limit, True, False),
    ):
        connection.set_others(sealed=by_other)
        assert (connection.seal(b"x", T0_US) is not None) is seals
        assert connection.wants_key_update is wants
    connection.set_send_key(
        suite, bytes(reference.KEY_BYTES[suite]), bytes(12), bytes(reference.KEY_BYTES[suite]), 1
    )
    assert connection.seal(b"x", T0_US) is not None
    assert not connection.wants_key_update


# Tables and errors


def test_slots_are_used_again_under_another_generation():
    plane = Plane(connections=2)
    first, second = plane.open(), plane.open()
    with pytest.raises(PlaneError, match="2 connections are open and 2 is the limit"):
        plane.open()
    slot, generation = first.slot, first.generation
    first.close()
    first.close()
    assert (len(plane), first.is_open) == (1, False)
    third = plane.open()
    assert third.slot == slot
    assert third.generation == generation + 2
    assert second.generation == generation
    with pytest.raises(PlaneError, match="closed"):
        first.seal(b"x", T0_US)
    with pytest.raises(PlaneError, match="closed"):
        first.hold()  # the lock is the third's by now
    third.hold()
    third.release(T0_US)
    del third
    assert len(plane) == 1


@quick
@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 39), st.booleans()), max_size=200))
def test_the_table_finds_who_is_in_it_and_nobody_else(cid_bytes, acts):
    plane = Plane(cid_bytes=cid_bytes, connections=40)
    rng = random.Random(cid_bytes)
    ids = [bytes([number]) + rng.randbytes(cid_bytes - 1) for number in range(40)]
    open_now: dict = {}
    for number, comes in acts:
        if comes and number not in open_now:
            open_now[number] = plane.open()
            open_now[number].set_own_cid(ids[number])
        elif not comes and number in open_now:
            open_now.pop(number).close()
        for other in range(40):
            found = plane.find(b"\x40" + ids[other] + bytes(20))
            held = open_now.get(other)
            assert found == (None if held is None else (held.slot, held.generation))


def test_ids_belong_to_one_connection():
    plane = Plane(connections=4)
    first, second = plane.open(), plane.open()
    first.set_own_cid(b"12345678")
    with pytest.raises(PlaneError) as error:
        second.set_own_cid(b"12345678")
    assert error.value.code == "cid_taken"
    first.set_own_cid(b"abcdefgh")
    second.set_own_cid(b"12345678")
    assert plane.find(b"\x4012345678xxxx") == (second.slot, second.generation)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda c: c.set_send_key(0, bytes(15), bytes(12), bytes(16), 0), "bad_key"),
        (lambda c: c.set_send_key(3, bytes(16), bytes(12), bytes(16), 0), "bad_key"),
        (lambda c: c.set_receive_key(1, bytes(32), bytes(12), bytes(32), 0, bytes(32), bytes(11)), "bad_key"),
        (lambda c: c.set_peer(bytes(21), CLIENT, 1, 1), "bad_cid"),
        (lambda c: c.set_peer(b"", ("localhost", 1), 1, 1), "bad_address"),
        (lambda c: c.set_peer(b"", ("127.0.0.1", 65536), 1, 1), "bad_address"),
        (lambda c: c.set_peer(b"", (), 1, 1), "bad_address"),
        (lambda c: c.set_own_cid(bytes(21)), "bad_cid"),
        (lambda c: setattr(c, "packet_number", 4), "went_back"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_code(call, code):
    connection = Plane(connections=1).open()
    connection.packet_number = 5
    with pytest.raises(PlaneError) as error:
        call(connection)
    assert error.value.code == code
    assert connection.packet_number == 5


def test_the_library_says_what_it_is():
    found = crypto_library()
    assert "crypto" in found.path
    assert found.version.startswith("OpenSSL 3")


def test_a_file_that_is_named_and_unusable_is_an_error(tmp_path):
    named = tmp_path / "no.so"
    named.write_bytes(b"no library")
    script = (
        "from spacecore._plane import Plane\nfrom spacecore.errors import PlaneError\n"
        "try:\n    Plane()\nexcept PlaneError as error:\n    print(error.code, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SPACECORE_LIBCRYPTO": str(named)},
    )
    assert done.stdout.startswith("no_libcrypto no usable libcrypto: ")
    assert "correct or unset SPACECORE_LIBCRYPTO" in done.stdout


def test_a_plane_lives_as_long_as_a_connection_of_it():
    connection = Plane(connections=1).open()
    gc.collect()
    assert len(connection.plane) == 1
    connection.set_own_cid(b"12345678")
    assert connection.plane.find(b"\x4012345678xxxx") == (connection.slot, connection.generation)
