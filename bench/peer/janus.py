"""Janus AudioBridge: people in a room by plain RTP (an encode each), or its mix forwarded (one encode)."""

from __future__ import annotations

import base64
import json
import os
import secrets
import selectors
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench._sink import Sink
from bench.peer import rtp
from bench.peer.server import PeerError, Server, find, first_line
from bench.peer.srtp import KEY_BYTES, SALT_BYTES, Opener
from bench.peer.talker import BITRATE_BPS, Talker, speech
from spacecore import Decoder

PARTICIPANTS, FORWARD, FORWARD_SRTP = "participants", "forward RTP", "forward SRTP"
ROOM = 1
PAYLOAD_TYPE = 111
SSRC = 0x5EED
ANSWER_S = 20.0
START_ANSWER_S = 2.0
STARTS = 6
QUIET_S = 0.2
MESSAGE_BYTES = 1 << 20
# Far below the ports that the kernel hands out, so that our listeners never take one of these.
_PORTS = "20000-30000"

_PLUGINS = "duktape echotest lua nosip recordplay sip streaming textroom videocall videoroom voicemail"
_TRANSPORTS = "http mqtt nanomsg rabbitmq websockets"
_MAIN = """
general: {{
	configs_folder = "{folder}"
	debug_level = 3
	debug_colors = false
	session_timeout = 0
	admin_secret = "{secret}"
	server_name = "peer"
}}
nat: {{ ice_lite = true }}
media: {{ ipv6 = false }}
plugins: {{
	disable = "{plugins}"
}}
transports: {{
	disable = "{transports}"
}}
"""
_BRIDGE = 'general: {{\n\tevents = false\n\trtp_port_range = "{ports}"\n\tlocal_ip = "127.0.0.1"\n}}\n'
_SOCKET = 'general: {{\n\tenabled = true\n\tjson = "compact"\n\tpath = "{path}"\n}}\n'


def program() -> str:
    """Where it is installed.

    Raises:
        MissingError: it is not.
    """
    return find("Janus", "janus", package="janus")


def version() -> str:
    return first_line([program(), "--version"], "version").rpartition("(")[2].rstrip(")")


def configure(folder: Path) -> Sequence[str]:
    """Write its configuration: AudioBridge alone, spoken to over a unix socket. The command that runs it."""
    files = {
        "janus.jcfg": _MAIN.format(
            folder=folder,
            secret=secrets.token_hex(16),
            plugins=_libraries(_PLUGINS),
            transports=_libraries(_TRANSPORTS),
        ),
        "janus.plugin.audiobridge.jcfg": _BRIDGE.format(ports=_PORTS),
        "janus.transport.pfunix.jcfg": _SOCKET.format(path=folder / "api"),
    }
    for name, text in files.items():
        (folder / name).write_text(text, "ascii")
    return [program(), "-C", str(folder / "janus.jcfg"), "-F", str(folder)]


def _libraries(names: str) -> str:
    return ",".join(f"libjanus_{name}.so" for name in names.split())


def start(core: int) -> tuple[Server, Api]:
    """A running Janus, and its API.

    In 1.1.2 the unix socket's thread ends at once if it runs before the plugin's init has returned, which
    happens once in about 20 starts on one core. So a start that does not answer is tried again.

    Raises:
        PeerError: none of STARTS answers.
    """
    failure: Exception | None = None
    for _ in range(STARTS):
        server = Server(configure, core=core)
        try:
            path = server.folder / "api"
            server.wait_for(path.exists, "its API socket", START_ANSWER_S)
            return server, Api(path)
        except (OSError, PeerError) as error:
            server.close()
            failure = error
    raise PeerError(f"Janus was started {STARTS} times and never answered: {failure}") from failure


class Api:
    """Its API over a unix socket, one request after the other; events are read and dropped."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.settimeout(START_ANSWER_S)
            self._socket.connect(str(path))
            self._n_requests = 0
            self._session = self._ask({"janus": "create"})["data"]["id"]
        except BaseException:
            self._socket.close()
            raise
        self._socket.settimeout(ANSWER_S)

    def attach(self) -> int:
        """A handle of AudioBridge."""
        return int(
            self._ask({"janus": "attach", "session_id": self._session, "plugin": "janus.plugin.audiobridge"})[
                "data"
            ]["id"]
        )

    def message(self, handle: int, **body: Any) -> dict[str, Any]:
        """What the plugin answers.

        Raises:
            PeerError: it refuses, or does not answer.
        """
        answer = self._ask(
            {"janus": "message", "session_id": self._session, "handle_id": handle, "body": body}
        )
        data: dict[str, Any] = answer["plugindata"]["data"]
        if "error" in data:
            raise PeerError(f"Janus refuses {body['request']}: {data['error']}")
        return data

    def skim(self) -> None:
        """Read and drop the events that wait: Janus's media threads block on a client that does not read."""
        ready = selectors.DefaultSelector()
        ready.register(self._socket, selectors.EVENT_READ)
        with ready:
            while ready.select(QUIET_S):
                self._socket.recv(MESSAGE_BYTES)

    def close(self) -> None:
        self._socket.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._n_requests += 1
        transaction = str(self._n_requests)
        self._socket.send(json.dumps(request | {"transaction": transaction}).encode())
        while True:
            try:
                answer: dict[str, Any] = json.loads(self._socket.recv(MESSAGE_BYTES))
            except (TimeoutError, ValueError) as error:
                raise PeerError(f"Janus does not answer {request['janus']} in time") from error
            # A request to a plugin is acknowledged first; its answer is an event.
            if answer.get("transaction") == transaction and answer["janus"] != "ack":
                if answer["janus"] == "error":
                    raise PeerError(f"Janus refuses {request['janus']}: {answer['error']['reason']}")
                return answer


def srtp_cipher(maps: str) -> str:
    """Whose AES the libsrtp of a running program uses, which decides what SRTP costs.

    `maps` is its /proc/PID/maps; the names of the libraries that libsrtp needs stand in its file.
    """
    paths = [line.split()[-1] for line in maps.splitlines() if "/libsrtp" in line]
    if not paths:
        return "no libsrtp"
    needs = Path(paths[0]).read_bytes()
    return "NSS" if b"libnss3.so" in needs else "OpenSSL" if b"libcrypto.so" in needs else "libsrtp's own AES"


class AudioBridge:
    """A room with one talker in it; `way` (PARTICIPANTS, FORWARD…) is how its listeners get the mix."""

    name = "Janus AudioBridge"

    def __init__(self, way: str, *, most_listeners: int, core: int) -> None:
        self.mode = self._way = way
        self.sink = Sink(most_listeners, seq_at=2, seq_bytes=2)
        self._secret = os.urandom(KEY_BYTES + SALT_BYTES)
        self._n_listeners = 0
        with ExitStack() as opened:
            self.server, self._api = start(core)
            opened.callback(self.server.close)
            opened.callback(self._api.close)
            if way == FORWARD_SRTP:
                maps = Path(f"/proc/{self.server.pid}/maps").read_text("ascii", "replace")
                self.mode = f"{way}, {srtp_cipher(maps)}"
            self._desk = self._open_room()
            voice = opened.enter_context(_socket())
            where = self._join(voice, is_talker=True)
            self.talker = Talker(lambda number, frame: voice.sendto(_packet(number, frame), where))
            opened.callback(self.talker.close)
            self._opened = opened.pop_all()

    def grow(self, listeners: int) -> None:
        for _ in range(self._n_listeners, listeners):
            self._come()
        self._api.skim()

    def check(self, packet: bytes, index: int) -> None:
        try:
            if self._way == FORWARD_SRTP:
                packet = Opener(self._secret).open(packet)
            payload_type, payload = rtp.parse(packet)
        except ValueError as error:
            raise PeerError(f"listener {index} of {self.mode}: {error}") from error
        if payload_type != PAYLOAD_TYPE:
            raise PeerError(
                f"listener {index} of {self.mode}: payload type {payload_type}, not {PAYLOAD_TYPE}"
            )
        if not any(Decoder().decode(payload)):
            raise PeerError(f"listener {index} of {self.mode}: {len(payload)} bytes of silence")

    def close(self) -> None:
        self._opened.close()

    def _open_room(self) -> int:
        """The handle that did it, and now asks for what belongs to nobody in the room."""
        desk = self._api.attach()
        self._api.message(
            desk,
            request="create",
            room=ROOM,
            sampling_rate=48000,
            default_bitrate=BITRATE_BPS,
            allow_rtp_participants=True,
            audiolevel_ext=False,
        )
        return desk

    def _join(self, own: socket.socket, *, is_talker: bool = False) -> tuple[str, int]:
        """Somebody in the room, by plain RTP; where the room hears him."""
        host, port = own.getsockname()
        handle = self._api.attach()
        answer = self._api.message(
            handle,
            request="join",
            room=ROOM,
            muted=not is_talker,
            rtp={"ip": host, "port": port, "payload_type": PAYLOAD_TYPE},
        )
        return answer["rtp"]["ip"], int(answer["rtp"]["port"])

    def _come(self) -> None:
        own = self._opened.enter_context(_socket())
        self.sink.add(own.fileno())
        self._n_listeners += 1
        if self._way == PARTICIPANTS:
            # Janus sends nothing to a plain-RTP participant before it has heard a first packet from him.
            own.sendto(_packet(0, speech()[0]), self._join(own))
            return
        host, port = own.getsockname()
        secured: dict[str, Any] = {}
        if self._way == FORWARD_SRTP:
            secured = {"srtp_suite": 80, "srtp_crypto": base64.b64encode(self._secret).decode()}
        self._api.message(
            self._desk,
            request="rtp_forward",
            room=ROOM,
            ssrc=self._n_listeners,
            codec="opus",
            ptype=PAYLOAD_TYPE,
            host=host,
            port=port,
            **secured,
        )


def _packet(number: int, frame: bytes) -> bytes:
    return rtp.pack(frame, number=number, payload_type=PAYLOAD_TYPE, ssrc=SSRC)


def _socket() -> socket.socket:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("127.0.0.1", 0))
    return own
