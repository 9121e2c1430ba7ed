"""Crowd: all the people of one process, their sockets, and the loop that serves them."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import spacecore
from signaling.load._swarm import Swarm
from signaling.load._tally import Board
from signaling.load.addresses import connected_socket, loopback_address, make_room_for, resolve
from signaling.load.measures import Measures
from signaling.load.person import Errand, Part, Person, Phase
from signaling.load.plan import LoadPlan
from signaling.load.speech import Track, Voice
from signaling.load.timers import Timers
from signaling.quic.certificate import Trust
from signaling.quic.configuration import client_configuration
from signaling.quic.limits import LinkLimits
from signaling.quic.link import Link
from spacecore._plane import Plane

__all__ = ["TURN_US", "Crowd", "now_us"]

TURN_US: Final = 5_000
"""How often the sockets are looked at; the kernel's time of arrival is what counts."""

_DIALS_A_TURN: Final = 2  # a handshake's first flight takes a few milliseconds, and speakers wait
_LEAST_WAIT_US: Final = 1_000
_CALM_US: Final = 5_000_000  # how often somebody is looked at with whom nothing is the matter
_QUIET_US: Final = 8_000_000  # without a packet for so long a ping keeps the connection open
_LOOK_US: Final = 250_000  # how often it is seen who takes too long
_NEVER_US: Final = 2**63 - 1
_VOICE_STEP: Final = 37  # frames of the sound between where two speakers begin


def now_us() -> int:
    """Microseconds of the monotonic clock."""
    return time.monotonic_ns() // 1000


class Crowd:
    """The people of one process. `dial` wants more of them; `turn` does everything that is due.

    `changed` is called when anybody came further. Tokens are by a person's number, "" for a development
    server. Nothing here waits: the owner calls `turn` at least every `TURN_US`, and looks at `next_us`.
    """

    def __init__(self, plan: LoadPlan, track: Track | None, token: Callable[[int], str]) -> None:
        self.plan = plan
        self.changed: Callable[[Person], None] = lambda person: None
        self.people: list[Person] = []
        self.under_way: set[int] = set()
        """Those who are neither in nor out yet."""
        self._token = token
        self._track = track
        self._family, self._remote = resolve(plan.host, plan.port)
        most = max(1, plan.people)
        make_room_for(most)
        self.board = Board(max(1, plan.listeners), check_bytes=plan.check_bytes)
        self.swarm = Swarm(
            most,
            self.board,
            loss_pct=plan.loss_pct,
            delay_us=round(plan.delay_ms * 1000),
            jitter_us=round(plan.jitter_ms * 1000),
            seed=plan.seed,
        )
        self.measures = Measures(self.board, self.swarm)
        self._sockets: list[socket.socket] = []
        self._ears: dict[int, int] = {}
        self._voices: dict[int, Voice] = {}
        self._talking = False
        self._report_us: dict[int, int] = {}
        self._heard_us: dict[int, int] = {}
        self._timers = Timers()
        self._wanted: deque[Part] = deque()
        self._rate = 0.0
        self._rate_from_us = 0
        self._dialled = 0
        self._looked_us = 0
        self._plane = Plane(connections=most) if plan.plane == "native" else None
        self._limits = LinkLimits()
        trust = Trust(pin=plan.fingerprint, cafile=None if plan.cafile is None else Path(plan.cafile))
        self._configuration = client_configuration(plan.host, trust, self._limits)
        self.errand = Errand(
            trust,
            f"spaces-load/{spacecore.__version__}",
            {"bundle": plan.bundle, "redundancy": 2, "bundle_delay_ms": plan.bundle_delay_ms},
            plan.title,
            bytes.fromhex(plan.space),
        )

    # What is wanted

    def dial(self, part: Part, n: int, *, rate: float = 0.0) -> None:
        """Let n more come; `rate` is a second, 0 as fast as they get in."""
        self._wanted.extend([part] * n)
        self._rate, self._rate_from_us, self._dialled = rate, now_us(), 0

    def enter(self, space: str) -> None:
        """This is the Space that they come into: its id in hex."""
        self.errand = replace(self.errand, space=bytes.fromhex(space))

    def forget_wanted(self) -> None:
        """Nobody else shall come."""
        self._wanted.clear()

    @property
    def waiting(self) -> int:
        """Those who have not begun to come yet."""
        return len(self._wanted)

    def talk(self) -> None:
        """All who are on stage speak from now on, and who comes there."""
        self._talking = True
        for voice in self._voices.values():
            voice.talk(now_us())

    def hush(self) -> None:
        """Nobody speaks any more; each says so."""
        self._talking = False
        for index, voice in self._voices.items():
            datagram = voice.hush(now_us())
            if datagram is not None:
                self._say(index, [datagram])

    def leave(self) -> None:
        """All go: the listeners' connections are closed, then the host ends the Space."""
        self.forget_wanted()
        self.hush()
        for index, person in reversed(list(enumerate(self.people))):
            if person.phase is not Phase.OVER:
                person.leave()
                self._serve(index, now_us())

    def address(self, index: int) -> str:
        """Where this person sends from."""
        name = self._sockets[index].getsockname() if self._sockets[index].fileno() >= 0 else ("closed", 0)
        return f"{name[0]}:{name[1]}"

    def listener_address(self, ear: int) -> str:
        """As `address`, by the listener's number on the board."""
        index = next((index for index, of in self._ears.items() if of == ear), None)
        return "" if index is None else self.address(index)

    def close(self) -> None:
        """Close all sockets."""
        for index, each in enumerate(self._sockets):
            self.swarm.drop(index)
            self.people[index].link.forget()
            each.close()

    # What is due

    @property
    def next_us(self) -> int:
        """When `turn` has something to do for certain; before that whenever a packet comes."""
        due = [voice.next_us for voice in self._voices.values() if voice.next_us is not None]
        due += [at_us for at_us in (self._timers.next_us, self.swarm.due_us) if at_us is not None]
        if self._wanted and not self._rate and len(self.under_way) < self.plan.at_once:
            due.append(0)
        return min(due, default=now_us() + TURN_US)

    def turn(self) -> None:
        """Serve sockets, links, timers and speakers; begin more handshakes."""
        began_us = now_us()
        clock_offset_us = began_us - time.time_ns() // 1000
        touched: dict[int, None] = {}
        self._speak(began_us)
        for index, packet, arrived_us in self.swarm.pump(began_us, clock_offset_us):
            self._receive(index, packet, arrived_us)
            touched[index] = None
            self._speak(now_us())  # handshakes may take longer than a frame
        for index in touched:
            self._serve(index, now_us())
            self._speak(now_us())
        self._run_timers(now_us())
        self._begin(now_us())
        self._look(now_us())
        self.measures.turns.put(now_us() - began_us)

    def _receive(self, index: int, packet: bytes, arrived_us: int) -> None:
        person = self.people[index]
        self._heard_us[index] = arrived_us
        seen = self._plane is not None and person.link.connection is not None
        person.link.receive(packet, self._remote, arrived_us / 1_000_000, native_first=not seen)
        self._report(index, arrived_us)

    def _report(self, index: int, at_us: int) -> None:
        """Tell the person what the link tells, and the board what is heard."""
        person = self.people[index]
        audio = person.take(person.link.take_events(), at_us)
        ear = self._ears.get(index)
        if ear is not None:
            for datagram in audio:
                self.board.hear(ear, datagram, at_us)

    def _serve(self, index: int, at_us: int) -> None:
        """Send what a link has, and set its timer."""
        person = self.people[index]
        link = person.link
        for packet, _ in link.take_datagrams(at_us / 1_000_000):
            self.swarm.send(index, packet, at_us)
        self._report(index, at_us)
        if link.terminated or (link.closed is not None and link.closed.by_peer):
            self._forget(index)
            return
        if link.connection is not None:
            self.swarm.attach(index, link.connection)
        self._arm(index, at_us)

    def _forget(self, index: int) -> None:
        self._timers.forget(index)
        self.swarm.drop(index)
        self.people[index].link.forget()
        self._sockets[index].close()
        self._voices.pop(index, None)

    # Timers

    def _arm(self, index: int, at_us: int) -> None:
        person = self.people[index]
        at_s = person.link.timer()
        due_us = at_us + _CALM_US
        if at_s is not None:
            # Not before its time by a rounding, and never again in this turn, whatever the link says.
            due_us = min(due_us, max(at_us + _LEAST_WAIT_US, int(at_s * 1_000_000) + 1))
        if person.is_settled and person.link.connection is not None and not person.link.control_backlog_bytes:
            due_us = at_us + _CALM_US  # it is for an acknowledgement, and the swarm sends those
        self._timers.ask(index, due_us)

    def _run_timers(self, at_us: int) -> None:
        for index in self._timers.due(at_us):
            link = self.people[index].link
            at_s = link.timer()
            is_due = at_s is not None and at_s * 1_000_000 <= at_us
            if is_due:
                link.on_timer(at_us / 1_000_000)
            if self._keep_up(index, at_us) or is_due:
                self._serve(index, at_us)
            else:
                self._arm(index, at_us)  # of thousands who just listen a link need not be asked

    def _keep_up(self, index: int, at_us: int) -> bool:
        """What a client owes now and then: a sign of life, and without a plane its receiver report."""
        person = self.people[index]
        connection = person.link.connection
        heard_us = self._heard_us.get(index, at_us)
        if connection is not None:
            heard_us = max(heard_us, connection.received_us)
        is_quiet = at_us - heard_us > _QUIET_US
        if is_quiet:
            person.link.ping()
        ear = self._ears.get(index)
        if connection is None and ear is not None and at_us >= self._report_us.get(ear, at_us):
            self._report_us[ear] = at_us + _CALM_US
            report = self.board.report(ear)
            is_told = report is not None and person.link.send_audio(report)
            return is_quiet or is_told
        return is_quiet

    # Coming in

    def _begin(self, at_us: int) -> None:
        """Let those begin whose time has come."""
        for _ in range(_DIALS_A_TURN):
            if not self._wanted or len(self.under_way) >= self.plan.at_once:
                return
            if self._rate and self._dialled >= (at_us - self._rate_from_us) * self._rate / 1_000_000:
                return
            self._dialled += 1
            self._speak(now_us())
            self._dial(self._wanted.popleft(), at_us)

    def _dial(self, part: Part, at_us: int) -> None:
        index = len(self.people)
        is_own = self.plan.addresses == "loopback"
        local = loopback_address(self.plan.worker, index) if is_own else None
        own = connected_socket(self._family, self._remote, local)
        link = Link.dial(
            self._configuration,
            self._limits,
            remote=self._remote,
            now_s=at_us / 1_000_000,
            plane=self._plane,
        )
        if link.connection is not None:
            link.connection.set_ack_policy(self.plan.ack_every, self.plan.ack_delay_ms)
        number = self.plan.first_number + index
        person = Person(
            link,
            part,
            self.errand,
            number=number,
            token=self._token,
            started_us=at_us,
            changed=lambda person: self._moved(index, person),
        )
        self._sockets.append(own)
        self.people.append(person)
        self.swarm.add(own.fileno())
        self.under_way.add(index)
        self._serve(index, at_us)

    def _moved(self, index: int, person: Person) -> None:
        """Somebody came further."""
        joined_us = person.joined_us
        if person.phase is Phase.OVER:
            self.under_way.discard(index)
            if person.failed is not None:
                self.measures.fail(person.failed)
        elif person.part is Part.LISTENER and person.phase is Phase.INSIDE and joined_us is not None:
            self.under_way.discard(index)
            self._ears[index] = ear = len(self._ears)
            self.board.listen(ear, joined_us)
            reports = self.plan.reports and person.takes_reports
            is_native = person.link.connection is not None
            self._report_us[ear] = joined_us + _CALM_US if reports else _NEVER_US
            self.swarm.hear(index, ear, joined_us, reports=reports and is_native)
            self.measures.join(person.started_us, person.established_us or joined_us, joined_us)
        elif person.phase is Phase.ON_STAGE:
            self.under_way.discard(index)
            if self._track is not None and index not in self._voices:
                voice = Voice(self._track, offset=_VOICE_STEP * len(self._voices), seq=1000 * index)
                self._voices[index] = voice
                if self._talking:
                    voice.talk(now_us())
        self.changed(person)

    def _look(self, at_us: int) -> None:
        """Give up those who take too long."""
        if at_us - self._looked_us < _LOOK_US:
            return
        self._looked_us = at_us
        for index in list(self.under_way):
            person = self.people[index]
            waited_s = (at_us - person.started_us) / 1_000_000
            if self.swarm.was_refused(index) and person.phase is Phase.DIALLING:
                person.give_up(
                    "refused", f"nothing answers at {self.plan.server}; is the server running there?"
                )
            elif waited_s > self.plan.timeout_s:
                person.give_up("timeout", f"not done after {waited_s:.3g} s")
            else:
                continue
            self._serve(index, at_us)

    # Speaking

    def _speak(self, at_us: int) -> None:
        for index, voice in list(self._voices.items()):
            if voice.next_us is not None and voice.next_us <= at_us:
                self._say(index, voice.say(at_us))
                self.measures.talk_late_us = max(self.measures.talk_late_us, voice.late_us)
                voice.late_us = 0

    def _say(self, index: int, datagrams: list[bytes]) -> None:
        link = self.people[index].link
        for datagram in datagrams:
            if link.send_audio(datagram):
                self.measures.spoken += 1
        self._serve(index, now_us())
