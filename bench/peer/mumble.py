"""Mumble's server: one talker and many listeners in its root channel, voice over UDP with OCB2-AES128."""

from __future__ import annotations

import os
import pwd
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from bench._sink import Sink
from bench.peer.mumble_wire import (
    CLIENT_VERSION,
    Kind,
    WireError,
    pack_frame,
    pack_ping,
    pack_voice,
    parse_fields,
    parse_voice,
    take_frames,
)
from bench.peer.ocb2 import NONCE_BYTES, ForgedError, PacketCipher
from bench.peer.server import PeerError, Server, find, first_line
from bench.peer.talker import Talker, speech

HOST = "127.0.0.1"
ANSWER_S = 20.0
PING_S = 0.5
PINGS = 20
_ADDRESSES = 250  # of each 127.1.x.0, so that the server finds whose packet it is without trying all keys

# Off: what stands between many quiet clients and a server made for people: limits, bans, time-outs.
_INI = """\
database={folder}/murmur.sqlite
logfile=
pidfile=
uname={user}
host={host}
port={port}
users={users}
bandwidth=256000
timeout=3600
messageburst=1000
messagelimit=1000
autobanAttempts=0
opusthreshold=0
allowping=true
bonjour=false
sendversion=false
logdays=-1
welcometext=
"""


def program() -> str:
    """Where it is installed.

    Raises:
        MissingError: it is not.
    """
    return find("Mumble's server", "mumble-server", "murmurd", package="mumble-server")


def version() -> str:
    return first_line([program(), "-version"], " -- ").rpartition(" -- ")[2]


class Client:
    """One client: control over TLS, voice over UDP, both from an address of its own (127.1.x.y)."""

    def __init__(self, number: int, port: int, context: ssl.SSLContext) -> None:
        self.address = f"127.1.{number // _ADDRESSES}.{number % _ADDRESSES + 1}"
        self._server = (HOST, port)
        self._buffer = bytearray()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.udp.bind((self.address, 0))
            self.udp.connect(self._server)
            tcp = socket.create_connection(self._server, ANSWER_S, (self.address, 0))
        except BaseException:
            self.udp.close()
            raise
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context.wrap_socket(tcp)
        try:
            self._enter(f"person{number}")
        except BaseException:
            self.close()
            raise

    def ping(self) -> None:
        """Tell the server our UDP address, until it answers.

        Raises:
            PeerError: it never does.
        """
        self.udp.settimeout(PING_S)
        for number in range(1, PINGS + 1):
            self.udp.send(self.cipher.seal(pack_ping(number)))
            with suppress(TimeoutError):
                self.cipher.open(self.udp.recv(2048))
                return
        raise PeerError(f"Mumble answers none of {PINGS} pings from {self.address} by UDP")

    def say(self, number: int, frame: bytes) -> None:
        self.udp.send(self.cipher.seal(pack_voice(number, frame)))

    def close(self) -> None:
        self.tls.close()
        self.udp.close()

    def _enter(self, name: str) -> None:
        self.tls.sendall(
            pack_frame(Kind.VERSION, {1: CLIENT_VERSION, 2: "peers"})
            + pack_frame(Kind.AUTHENTICATE, {1: name, 5: 1})
        )
        until = time.monotonic() + ANSWER_S
        while time.monotonic() < until:
            read = self.tls.recv(1 << 16)
            if not read:
                break
            self._buffer += read
            for kind, body in take_frames(self._buffer):
                if kind == Kind.CRYPT_SETUP:
                    self.cipher = _cipher(parse_fields(body))
                elif kind == Kind.REJECT:
                    raise PeerError(
                        f"Mumble rejects {name}: {parse_fields(body).get(2, b'without a reason')!r}"
                    )
                elif kind == Kind.SERVER_SYNC:
                    self.session = int(parse_fields(body)[1])
                    return
        raise PeerError(f"Mumble did not let {name} in within {ANSWER_S:g} s")


def _cipher(fields: dict[int, int | bytes]) -> PacketCipher:
    key, ours, theirs = (fields.get(number) for number in (1, 2, 3))
    if not (isinstance(key, bytes) and isinstance(ours, bytes) and isinstance(theirs, bytes)):
        raise PeerError("Mumble's CryptSetup has no key and nonces")
    if {len(key), len(ours), len(theirs)} != {NONCE_BYTES}:
        raise PeerError(
            f"Mumble's CryptSetup has {len(key)}, {len(ours)} and {len(theirs)} bytes, not 16 each"
        )
    return PacketCipher(key, ours, theirs)


class Mumble:
    """A running server, a talker in its root channel, and listeners there."""

    name = "Mumble"
    mode = "UDP, OCB2-AES128"

    def __init__(self, *, most_listeners: int, core: int) -> None:
        self._port = _free_port()
        self._users = most_listeners + 2
        # The first byte of each packet is the lowest of its nonce, which counts packets to this client.
        self.sink = Sink(2 * most_listeners + 1, seq_at=0, seq_bytes=1)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # it makes its own certificate at its first start
        self._listeners: list[Client] = []
        with ExitStack() as opened:
            self.server = Server(self._configure, core=core)
            opened.callback(self.server.close)
            self.server.wait_for(self._answers, "its port")
            self._speaker = self._come(opened, 0)
            self.talker = Talker(self._speaker.say)
            opened.callback(self.talker.close)
            self._opened = opened.pop_all()

    def grow(self, listeners: int) -> None:
        while len(self._listeners) < listeners:
            client = self._come(self._opened, len(self._listeners) + 1)
            self._listeners.append(client)
            self.sink.add(client.udp.fileno())

    def check(self, packet: bytes, index: int) -> None:
        try:
            session, frame = parse_voice(self._listeners[index].cipher.open(packet))
        except (ForgedError, WireError) as error:
            raise PeerError(f"listener {index} of Mumble: {error}") from error
        if session != self._speaker.session or frame not in speech():
            raise PeerError(
                f"listener {index} of Mumble: {len(frame)} bytes of session {session} that nobody said"
            )

    def close(self) -> None:
        self._opened.close()

    def _come(self, opened: ExitStack, number: int) -> Client:
        client = Client(number, self._port, self._context)
        opened.callback(client.close)
        client.ping()
        # From here on it is told of everybody who comes; nothing of that matters, but it must be read.
        self.sink.discard(client.tls.fileno())
        return client

    def _configure(self, folder: Path) -> Sequence[str]:
        ini = folder / "murmur.ini"
        # Started by root, Debian's build would become its own user, who may not write into our folder.
        user = pwd.getpwuid(os.geteuid()).pw_name
        ini.write_text(
            _INI.format(folder=folder, user=user, host=HOST, port=self._port, users=self._users), "ascii"
        )
        return [program(), "-fg", "-ini", str(ini)]

    def _answers(self) -> bool:
        try:
            socket.create_connection((HOST, self._port), ANSWER_S).close()
        except ConnectionRefusedError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
