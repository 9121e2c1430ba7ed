"""The command round the other servers: what it skips and why, its table, what it asks of bench.capacity."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from dataclasses import replace

import pytest

from bench import peers
from bench.peer import janus, own, server
from bench.peer.server import MissingError, PeerError, Server, cpu_ms, find
from bench.peer.talker import FRAME_MS, Talker, speech
from bench.peer.window import Row

ROW = Row(
    server="A",
    mode="x",
    listeners=100,
    delivered_pct=99.9,
    lost_pct=0.0,
    gap_ms_p50=20.0,
    gap_ms_p99=22.0,
    gap_ms_max=30.0,
    server_cpu_ms_per_listener_s=0.2,
    us_per_packet=4.0,
    server_core_pct=2.0,
    others_core_pct=1.0,
    load_core_pct=9.0,
    packet_bytes=80.0,
)


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """Two cores, and no program at all."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(server, "_SBIN", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _pid, _cores: None)


def test_servers_that_are_missing_are_skipped_with_the_command(bare_machine, capsys):
    assert peers.main(["--json", "--servers", "janus-participants,janus-forward-srtp,mumble"]) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    janus_line = "Janus is not installed here: sudo apt-get install -y janus"
    mumble_line = "Mumble's server is not installed here: sudo apt-get install -y mumble-server"
    assert answer["skipped"] == {
        "janus-participants": janus_line,
        "janus-forward-srtp": janus_line,
        "mumble": mumble_line,
    }
    assert (answer["rows"], answer["largest"]) == ([], {})
    assert answer["conditions"]["janus"] == answer["conditions"]["mumble-server"] == "not installed"
    assert f"mumble is skipped. {mumble_line}" in printed.err


def test_the_first_program_that_is_there_is_taken():
    assert find("A shell", "no-such-program", "sh", package="dash").endswith("/sh")
    with pytest.raises(MissingError, match="A thing is not installed here: sudo apt-get install -y thing"):
        find("A thing", "no-such-program", package="thing")


def test_the_largest_number_with_enough():
    rows = [
        ROW,
        replace(ROW, listeners=500, delivered_pct=99.0),
        replace(ROW, listeners=1000, delivered_pct=98.99),
        replace(ROW, server="B", delivered_pct=10.0),
    ]
    assert peers.largest(rows) == {"A, x": 500, "B, x": 0}


def test_the_table_is_aligned_and_shows_what_is_not_known():
    lines = peers.table(
        [ROW, replace(ROW, server="Longer", lost_pct=None, packet_bytes=None, load_core_pct=None)]
    )
    first, *rows = lines.split("\n\n")[0].splitlines()
    assert first.split()[:3] == ["server", "mode", "N"]
    assert [line.split()[2] for line in rows] == ["100", "100"]
    assert rows[1].endswith("–")
    assert "Largest N tried with at least 99 % delivered:\n  A, x: 100\n  Longer, x: 100" in lines


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listeners", "0"],
        ["--listeners", "ten"],
        ["--listeners", "20001"],
        ["--servers", "teamspeak"],
        ["--seconds", "0.5"],
        ["--server-core", "0"],
        ["--load-core", "77"],
    ],
)
def test_nonsense_is_refused(bare_machine, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        peers.main(arguments)
    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err


def test_numbers_rise_once_each():
    assert peers.numbers_of("500,100,500") == [100, 500]


def test_a_ladder_ends_where_too_little_arrives(monkeypatch):
    delivered = {10: 100.0, 20: 98.0}
    closed = []

    class Fake:
        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(
        peers, "measure", lambda _peer, n, **_kw: replace(ROW, listeners=n, delivered_pct=delivered[n])
    )
    chosen = peers.argparse.Namespace(server_core=1, load_core=0, seconds=1, warm_up=0)
    assert [row.listeners for row in peers.ladder(Fake, [10, 20, 30], chosen)] == [10, 20]
    assert closed == [True]


def test_rows_of_capacity_are_put_into_the_table():
    measured = {
        "plane": "native",
        "listeners": 1000,
        "bundle": 2,
        "ack_every": 10,
        "delivered_pct": 100.0,
        "gap_ms_p50": 40.0,
        "gap_ms_p99": 44.0,
        "gap_ms_max": 60.0,
        "server_cpu_ms_per_listener_s": 0.12,
        "us_per_packet": 4.8,
        "ratio_to_raw": 1.3,
    }
    row = own.row(measured)
    assert (row.name, row.listeners, row.server_core_pct) == (
        "spacecore, native, bundle 2, ACK every 10",
        1000,
        12.0,
    )
    assert row.is_enough


def test_a_tree_without_capacity_says_so(monkeypatch):
    monkeypatch.setattr(own, "CAPACITY", "bench.no_such_module")
    with pytest.raises(MissingError, match=r"no bench\.no_such_module"):
        own.measure([100], seconds=1)


def test_a_failing_capacity_shows_its_words(monkeypatch):
    monkeypatch.setattr(own, "CAPACITY", "bench.compare")  # it does not know these arguments
    with pytest.raises(PeerError, match="ended with 2: usage"):
        own.measure([100], seconds=1)


def test_a_server_that_ends_early_shows_its_log():
    core = min(os.sched_getaffinity(0))
    line = [sys.executable, "-S", "-c", "print('no licence')"]
    with Server(lambda _folder: line, core=core) as failing, pytest.raises(PeerError, match="no licence"):
        failing.wait_for(lambda: False, "its port")
    assert not failing.folder.exists()


def test_a_server_runs_on_its_core_and_its_clock_is_read():
    mine = os.sched_getaffinity(0)
    program = "import os; print(os.sched_getaffinity(0), flush=True)\nwhile True: sum(range(10000))"
    with Server(lambda _folder: [sys.executable, "-S", "-c", program], core=max(mine)) as busy:
        busy.wait_for(lambda: busy.tail() == str({max(mine)}), "its first word")
        first = busy.cpu_ms()
        busy.wait_for(lambda: busy.cpu_ms() > first + 5, "work")
    assert os.sched_getaffinity(0) == mine
    with pytest.raises(OSError, match="Invalid argument"):
        busy.cpu_ms()


def test_the_clock_of_this_program():
    assert cpu_ms(os.getpid()) == pytest.approx(time.process_time() * 1000, abs=50)


def test_a_talker_counts_frames_and_stops_when_it_cannot_send():
    said: list[tuple[int, bytes]] = []
    enough = threading.Event()

    def send(number: int, frame: bytes) -> None:
        if number == 3:
            enough.set()
            raise ConnectionRefusedError("gone")
        said.append((number, frame))

    talker = Talker(send)
    assert enough.wait(100 * FRAME_MS / 1000)
    talker.close()
    assert said == list(enumerate(speech()[:3]))
    assert str(talker.failure) == "gone"


def test_janus_answers_are_found_among_events(tmp_path):
    """A session, then a request that is acknowledged, and answered after an event that nobody asked for."""
    answers = [
        [{"janus": "success", "data": {"id": 5}}],
        [{"janus": "success", "data": {"id": 6}}],
        [{"janus": "ack"}, {"janus": "event", "transaction": "other"}, _event({"audiobridge": "joined"})],
        [_event({"error": "No such room"})],
        [{"janus": "error", "error": {"reason": "No such handle"}}],
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(tmp_path / "api"))
        listening.listen()
        serving = threading.Thread(target=_serve, args=(listening, answers))
        serving.start()
        api = janus.Api(tmp_path / "api")
        try:
            handle = api.attach()
            assert handle == 6
            assert api.message(handle, request="join") == {"audiobridge": "joined"}
            with pytest.raises(PeerError, match="Janus refuses join: No such room"):
                api.message(handle, request="join")
            with pytest.raises(PeerError, match="Janus refuses message: No such handle"):
                api.message(handle, request="join")
        finally:
            api.close()
            serving.join()


@pytest.mark.parametrize(
    ("needs", "cipher"),
    [(b"\0libnss3.so\0", "NSS"), (b"\0libcrypto.so.3\0", "OpenSSL"), (b"\0libc.so.6\0", "libsrtp's own AES")],
)
def test_whose_aes_encrypts_srtp(tmp_path, needs, cipher):
    library = tmp_path / "libsrtp2.so.1"
    library.write_bytes(b"\x7fELF" + needs)
    other = "7f00-7f01 r--p 00000000 00:00 0 /lib/libnss3.so\n7f02-7f03 rw-p 00000000 00:00 0\n"
    assert janus.srtp_cipher(other) == "no libsrtp"
    assert janus.srtp_cipher(f"{other}7f04-7f05 r-xp 00000000 fd:00 12 {library}\n") == cipher


def test_janus_is_given_what_its_library_names_say(tmp_path, monkeypatch):
    monkeypatch.setattr(janus, "program", lambda: "/usr/bin/janus")
    assert janus.configure(tmp_path)[:2] == ["/usr/bin/janus", "-C"]
    text = (tmp_path / "janus.jcfg").read_text()
    assert '"libjanus_duktape.so,' in text
    assert "audiobridge" not in text
    assert f'path = "{tmp_path}/api"' in (tmp_path / "janus.transport.pfunix.jcfg").read_text()


def test_the_command_explains_itself(capsys):
    with pytest.raises(SystemExit) as ended:
        peers.main(["--help"])
    assert ended.value.code == 0
    assert "nothing is installed here" in " ".join(capsys.readouterr().out.split())


def _event(data: dict[str, str]) -> dict[str, object]:
    return {"janus": "event", "plugindata": {"data": data}}


def _serve(listening: socket.socket, answers: list[list[dict[str, object]]]) -> None:
    """For each request its answers, with its transaction where they have none of their own."""
    with listening.accept()[0] as connection:
        for several in answers:
            transaction = json.loads(connection.recv(10_000))["transaction"]
            for answer in several:
                connection.send(json.dumps({"transaction": transaction} | answer).encode())
