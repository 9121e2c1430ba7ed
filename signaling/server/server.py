"""Server: a whole Spaces server inside an application's own event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from signaling.config import ServerConfig, prepare_data_dir
from signaling.protocol import CloseCode
from signaling.protocol.messages import Closing
from signaling.quic.certificate import ServerCertificate, development_certificate, load_certificate
from signaling.quic.handle import LinkHandle, LinkHandler
from signaling.quic.limits import Address
from signaling.server.admin import Admin
from signaling.server.authority import Authority
from signaling.server.census import Census
from signaling.server.connection import Connection
from signaling.server.counts import Counts
from signaling.server.desk import FrontDesk
from signaling.server.directory import Directory
from signaling.server.feed import OnEvent
from signaling.server.halls import halls
from signaling.server.listening import Bind, Listening
from signaling.server.lists import Lists
from signaling.server.parts import Parts
from signaling.server.paying import Paying
from signaling.server.people import PeopleGraph, SqlGraph
from signaling.server.places import Locate
from signaling.server.readiness import Readiness
from signaling.server.records import StoreRecords
from signaling.server.relations import Relations
from signaling.server.session import Session
from signaling.server.statistics import Statistics, collect
from signaling.server.surroundings import Surroundings, rates_of
from signaling.server.talking import TalkBook
from signaling.server.telling import Telling
from signaling.server.turns import Turns
from signaling.server.uplink import NativeUplink
from signaling.store import Store

__all__ = ["Bind", "Server"]

log = logging.getLogger(__name__)

_SECOND_US = 1_000_000
_RECONNECT_MS = 2_000


class Server:
    """Listens, mixes and answers between `start` and `stop`. For one event loop; set no signal handlers here.

    graph       who follows and blocks whom, in place of the store's own
    clock       seconds of a monotonic clock, CLOCK_MONOTONIC's where nothing is bound (with `bind` the loop's
                virtual one, say); wall_clock: since the epoch
    bind        gives the server its socket in place of a real one; then no thread is started, and the loop
                does the ticks on either plane
    random_bytes  makes ids
    on_event    is called with each `Happening`, plain or async, one after the other; what it raises is
                counted and logged, and a plain one must return at once: docs/embedding-server.md

    locate      says which server (`host:port`) has a Space that is not here, or None: who comes to it is sent
                there

    A server that was stopped is not started again; make another.
    """

    def __init__(
        self,
        config: ServerConfig,
        *,
        graph: PeopleGraph | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        bind: Bind | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        on_event: OnEvent | None = None,
        locate: Locate | None = None,
    ) -> None:
        self.config = config
        self._graph = graph
        self._locate = locate
        self.store = Store(config.store.database_url, shared=config.store.shared)
        self.certificate: ServerCertificate | None = None
        """What clients are shown, from `start` on; its `fingerprint` can be pinned."""
        self.plane_note = ""
        """Why audio goes another way than the configuration says, and what to do about it; usually empty."""
        self.readiness = Readiness()
        """Whether people may be sent here, and why not."""
        self._admin = Admin(config, self.readiness, self.statistics)
        self._clock = clock
        self._wall_clock = wall_clock
        self._bind = bind
        self._random_bytes = random_bytes
        self._counts = Counts()
        self._turns = Turns(clock, self._counts)
        self._directory = Directory(config.limits.spaces)
        self._turn_us = 0
        self._connections: dict[int, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: Listening | None = None
        self._telling: Telling | None = None
        self._on_event = on_event
        self._desk: FrontDesk | None = None
        self._parts: Parts | None = None
        self._paying: Paying | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    # For the application

    async def start(self) -> None:
        """Check the files, open the store, listen, and begin to tick.

        Raises ConfigError, CertificateError, StoreError and ListenError, each with a stable `code`; then
        nothing stays open. With `pay.provider = "stripe"` Stripe is asked whether key and currency agree.
        """
        if self._loop is not None:
            raise RuntimeError("this server was started before; make another")
        self._loop = asyncio.get_running_loop()
        await self._admin.open()
        try:
            await self._start(self.config)
        except BaseException:
            await self._admin.close()
            raise

    async def _start(self, config: ServerConfig) -> None:
        data_dir = prepare_data_dir(config)
        authority = Authority(config, self._wall_clock)
        now = datetime.fromtimestamp(self._wall_clock(), UTC)
        if config.tls.certificate is not None and config.tls.key is not None:
            self.certificate = load_certificate(config.tls.certificate, config.tls.key, now)
        else:
            self.certificate, _ = development_certificate(data_dir, now)
        await self.store.open()
        self.readiness.stands("store")
        try:
            self._paying = await Paying.open(config, self._wall_clock)
            await self._open(authority, self.certificate, self._paying)
        except BaseException:
            if self._listening is not None:
                self._listening.close(CloseCode.internal, "the server could not start")
            self._turns.end()
            if self._telling is not None:
                await self._telling.close(0)
            if self._paying is not None:
                await self._paying.close()
            await self.store.close()
            raise

    async def stop(self) -> None:
        """Tell everybody, end every Space, close every connection, and close the store.

        Takes at most `limits.stop_ms` and what the store needs. Stopping twice does nothing.
        """
        if self._stopping or self._listening is None or not self._listening.is_open:
            return
        self._stopping = True
        self.readiness.not_ready("the server is stopping")
        reason = CloseCode.server_stopping.name
        self._listening.listener.stop_accepting()
        self._directory.is_open = False
        sessions = [each.session for each in self._connections.values() if each.session is not None]
        for session in sessions:
            session.send(Closing(0, reason, _RECONNECT_MS))
        for actor in self._directory:
            actor.close(reason)
        if self._parts is not None:
            self._parts.box_office.close()
        deadline_s = self._clock() + self.config.limits.stop_ms / 1_000
        try:
            await self._finish_tasks(deadline_s)
        finally:  # also where whoever stops it is cancelled: nothing stays open
            for session in sessions:
                session.close(CloseCode.server_stopping, "the server is stopping")
            self._listening.close(CloseCode.server_stopping, "the server is stopping")
            self._turns.end()
            if self._telling is not None:
                await self._telling.close(max(0.0, deadline_s - self._clock()))
            await asyncio.sleep(0)  # the socket reports its end in the loop's next turn
            if self._paying is not None:
                await self._paying.close()
            await self.store.close()
            await self._admin.close()

    @property
    def admin_url(self) -> str | None:
        """Where `/status` and the rest of `[admin]` are answered, None where they are not."""
        return self._admin.url

    @property
    def address(self) -> Address:
        """Where it listens, (host, port, …). RuntimeError before `start`."""
        return self._opened().listener.address

    @property
    def fingerprint(self) -> str:
        """`sha256:…` of the certificate, which clients can pin. RuntimeError before `start`."""
        if self.certificate is None:
            raise RuntimeError("the server has no certificate yet; await start() first")
        return self.certificate.fingerprint

    @property
    def plane(self) -> str:
        """What carries audio, from `start` on: "native", or "aioquic", also where libcrypto is missing."""
        return self._opened().rooms.plane

    def statistics(self) -> Statistics:
        """All counters since the start, and gauges named `now_…`. RuntimeError before `start`."""
        listening = self._opened()
        found = collect(
            counts=self._counts,
            rooms=listening.rooms.figures(),
            driver=listening.listener.stats,
            inbox=listening.inbox,
            gate=listening.listener.gate.stats,
            links=[connection.handle.stats for connection in self._connections.values()],
            store_refused=self.store.refused,
        )
        found["now_connections"] = len(self._connections)
        found["now_half_open"] = listening.listener.gate.half_open
        found["now_spaces"] = len(self._directory)
        found["now_people"] = self._people()
        if self._parts is not None:
            found.update(self._parts.gauges())
        found["now_store_operations"] = self.store.in_progress
        return found

    def lateness(self) -> list[tuple[int, int]]:
        """[(µs, ticks), …]: how many ticks since the start were so late, or up to the next step later."""
        return self._opened().rooms.lateness()

    # Starting and stopping

    async def _open(self, authority: Authority, certificate: ServerCertificate, paying: Paying) -> None:
        self._telling = Telling(
            self.config,
            self.store,
            self._counts,
            wall_clock=self._wall_clock,
            random_bytes=self._random_bytes,
            on_event=self._on_event,
        )
        self._telling.start()
        records = StoreRecords(self.store, self._wall_us, self._telling.announcer)
        is_shared = self.config.store.shared
        leftovers = 0 if is_shared else await records.end_leftovers()
        if leftovers:
            log.warning("ended %d Spaces that an earlier run left live", leftovers)
        own = SqlGraph(self.store, self.config.people.cached)
        relations = Relations(own, self._graph, self.config.people, self._counts)
        around = self._surroundings(records, relations)
        parts = self._parts = Parts(
            self.config,
            self.store,
            self._directory,
            around,
            relations,
            make_hall=halls(self.config, lambda: self._opened().rooms, self._counts),
            announcer=self._telling.announcer,
            locate=self._locate,
            provider=paying.provider,
        )
        if not is_shared:
            await parts.planning.restore()
        await parts.box_office.open(is_shared=is_shared)
        await paying.listen(parts.box_office.on_provider_event, self._counts)
        self._desk = FrontDesk(
            authority,
            self._directory,
            around,
            records,
            parts=parts.table,
            attendants=parts.attendants,
            places=parts.places,
        )
        self._listening = Listening(
            self.config,
            certificate,
            self._on_link,
            clock=self._clock,
            on_room_failure=self._on_room_failure,
            wall_clock=self._wall_clock,
            random_bytes=self._random_bytes,
        )
        await self._listening.open(self._bind)
        self.readiness.stands("sockets")
        self.plane_note, self._turn_us = self._listening.note, self._turns.now_us()
        self._listening.start()
        self.readiness.stands("media thread")
        self._admin.show(self._listening, self._directory, self._public_address())
        self._turns.begin(self._on_turn)
        count_ms = self.config.webhooks.count_ms
        Census(self._directory, self._telling.announcer, self.store, around, count_ms).start()

    async def _finish_tasks(self, deadline_s: float) -> None:
        """Let Spaces end and the store be written, for as long as the limit allows."""
        while self._tasks and self._clock() < deadline_s:
            await asyncio.wait(set(self._tasks), timeout=deadline_s - self._clock())
        left = list(self._tasks)
        if left:
            log.error("%d tasks did not end within %d ms", len(left), self.config.limits.stop_ms)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside us; an exception is counted and logged, and ends that task only."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._counts.errors_caught += 1
            log.error("a task failed", exc_info=task.exception())

    # Connections and rooms

    def _on_link(self, handle: LinkHandle) -> LinkHandler:
        if self._loop is None or self._desk is None or self._listening is None:
            raise RuntimeError("a link came before the server was open")
        connection = Connection(handle, self._loop, self._counts, self._on_gone)
        uplink, media = None, self._listening.media
        if media is not None and handle.connection is not None:
            uplink = NativeUplink(media, handle.connection)
        connection.session = Session(
            handle.number,
            connection,
            self._desk,
            self.config.limits,
            self._counts,
            uplink=uplink,
            address=_host_of(handle),
        )
        self._connections[handle.number] = connection
        return connection

    def _on_gone(self, connection: Connection) -> None:
        self._connections.pop(connection.number, None)

    def _surroundings(self, records: StoreRecords, relations: Relations) -> Surroundings:
        talk_book = TalkBook()
        return Surroundings(
            clock_us=self._turns.now_us,
            wall_us=self._wall_us,
            alarms=self._turns.alarms,
            records=records,
            lists=Lists(records, self._counts, talk_book, self._turns.now_us),
            bonds=relations,
            counts=self._counts,
            limits=self.config.limits,
            spawn=self._spawn,
            random_bytes=self._random_bytes,
            address=self._public_address,
            talk=self.config.talk,
            rates=rates_of(self.config.talk),
            talk_book=talk_book,
        )

    def _public_address(self) -> str:
        """Where links say that this server is."""
        host, port = self.address[:2]
        return self.config.listen.public or (f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}")

    def _wall_us(self) -> int:
        return int(self._wall_clock() * _SECOND_US)

    def _people(self) -> int:
        return sum(len(actor.hall) for actor in self._directory)

    def _on_room_failure(self, space: bytes) -> None:
        """Within the `except` of one room's work: the clock of all others goes on."""
        self._counts.errors_caught += 1
        log.exception("the room of Space %s failed and is closed", space.hex())
        actor = self._directory.get(space)
        if actor is not None:
            actor.close("internal")

    def _on_turn(self, now_us: int) -> int:
        self._counts.listened_us += self._people() * (now_us - self._turn_us)
        self._turn_us = now_us
        return self._opened().on_turn(now_us)

    def _opened(self) -> Listening:
        if self._listening is None or not self._listening.was_opened:
            raise RuntimeError("the server does not listen yet; await start() first")
        return self._listening


def _host_of(handle: LinkHandle) -> str:
    """The address that a link comes from, "" where it is not known."""
    address = handle.peer_address
    return str(address[0]) if address else ""
