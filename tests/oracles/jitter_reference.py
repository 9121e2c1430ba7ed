"""A slow, readable model of the jitter buffer's control rules, to hold the native unit against.

Frames live in a dict by unwrapped number. Statuses are the native unit's words in lower case.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.oracles.delay_reference import Delay, samples_to_us

WINDOW_FRAMES = 61
FRAME_SAMPLES = 960
FRAME_US = 20_000
HORIZON_SAMPLES = 5 * 48_000
HORIZON_US = 5_000_000


def nearest(near: int, value: int, bits: int) -> int:
    """The number congruent to `value` modulo 2**bits that is nearest to `near`."""
    half = 1 << (bits - 1)
    return near + (value - near + half) % (1 << bits) - half


@dataclass
class Frame:
    seq: int
    timestamp: int
    payload: bytes = b"frame"
    level: int = 0
    source_changed: bool = False
    redundant: bool = False
    has_fec: bool = False
    n_behind: int = 0
    prime: tuple[bytes, ...] = ()

    @property
    def dtx(self) -> bool:
        return len(self.payload) <= 2

    @property
    def silent(self) -> bool:
        return self.dtx or self.level & 127 >= 60


@dataclass
class Due:
    """What a pull yields."""

    status: str
    seq: int
    timestamp: int
    level: int = 127
    payload: bytes = b""
    prime: tuple[bytes, ...] = ()
    source_changed: bool = False
    dtx: bool = False
    after_gap: bool = False
    scale: str = "none"
    room: int = 0
    standing: bool = False


@dataclass
class JitterModel:
    """The jitter buffer itself: `put` and `pull` as the native unit's."""

    least_target_us: int = 5_000
    frames: dict[int, Frame] = field(default_factory=dict)
    delay: Delay = field(init=False)
    started: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    scaled_us: int = -60_000
    tight_us: int = 0
    held_samples: int = 0
    now_us: int = 0

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + n

    # Put

    def put(self, frame: Frame, now_us: int) -> str:
        """`frame` carries the wrapped numbers of the wire."""
        self.count("put")
        if len(frame.payload) + sum(map(len, frame.prime)) > 1280:
            self.count("too_large")
            return "too_large"
        if not self.started:
            if frame.redundant:
                self.count("redundant_ignored")
                return "late"
            return self.begin_stream(frame, now_us, "ok")
        unwrapped = replace(
            frame,
            seq=nearest(self.newest_seq, frame.seq, 16),
            timestamp=nearest(self.newest_timestamp, frame.timestamp, 32),
        )
        late_us = now_us - samples_to_us(unwrapped.timestamp) - self.delay.base_us
        alien = self.is_alien(unwrapped, late_us)
        if frame.redundant:
            return self.put_redundant(unwrapped, late_us, alien)
        known = self.was_put(unwrapped.seq)
        if alien or (not known and unwrapped.seq >= self.next_seq and not self.fits(unwrapped)):
            self.count("restarts")
            self.count("restart_dropped", len(self.frames))
            return self.begin_stream(frame, now_us, "restart")
        return self.put_new(unwrapped, now_us)

    def put_new(self, frame: Frame, now_us: int) -> str:
        if self.was_put(frame.seq):
            self.count("duplicate")
            return "duplicate"
        in_order = frame.seq > self.newest_seq
        self.measure(frame, now_us)
        self.remember(frame.seq)
        if frame.seq < self.next_seq:
            self.count("late")
            return "late"
        status = "ok"
        if not in_order:
            self.count("reordered")
            status = "reordered"
        elif frame.seq >= self.next_seq + WINDOW_FRAMES:
            dropped = self.forget_before(frame.seq - WINDOW_FRAMES + 1)
            self.count("overflow_dropped", dropped)
            status = "overflow" if dropped else "ok"
        self.frames[frame.seq] = frame
        return status

    def begin_stream(self, frame: Frame, now_us: int, status: str) -> str:
        self.frames = {frame.seq: frame}
        self.started = True
        self.seen: dict[int, int] = {}
        self.remember(frame.seq)
        self.playing = False
        self.after_gap = True
        self.flag_source = False
        self.level = 127
        self.fec_seen = self.longer = False
        self.quiet = True
        self.lost_run = self.unplaced = self.starved = 0
        self.next_seq = frame.seq - 8
        self.next_timestamp = frame.timestamp - HORIZON_SAMPLES
        self.newest_seq = frame.seq
        self.newest_timestamp = frame.timestamp
        transit_us = now_us - samples_to_us(frame.timestamp)
        waited_us = frame.n_behind * FRAME_US
        self.delay = Delay(
            frame.timestamp, transit_us, now_us, waited_us=waited_us, least_us=self.least_target_us
        )
        return status

    def is_alien(self, frame: Frame, late_us: int) -> bool:
        numbers = frame.seq - self.newest_seq
        samples = frame.timestamp - self.newest_timestamp
        if samples < -HORIZON_SAMPLES:
            return True
        if numbers == 0:
            return samples != 0
        if numbers < 0:
            return samples > numbers * FRAME_SAMPLES
        return samples < numbers * FRAME_SAMPLES or abs(late_us) > HORIZON_US

    def fits(self, frame: Frame) -> bool:
        below = [(s, f.timestamp) for s, f in self.frames.items() if s < frame.seq]
        above = [(s, f.timestamp) for s, f in self.frames.items() if s > frame.seq]
        seq, timestamp = max(below, default=(self.next_seq, self.next_timestamp))
        if frame.timestamp - timestamp < (frame.seq - seq) * FRAME_SAMPLES:
            return False
        if not above:
            return True
        seq, timestamp = min(above)
        return timestamp - frame.timestamp >= (seq - frame.seq) * FRAME_SAMPLES

    def put_redundant(self, frame: Frame, late_us: int, alien: bool) -> str:
        seen = self.was_put(frame.seq)
        late = frame.seq < self.next_seq
        alien |= seen or frame.seq >= self.next_seq + WINDOW_FRAMES
        if late and not alien and frame.seq > self.newest_seq - 128:
            self.remember(frame.seq)
            self.delay.came_late(late_us)
        if late or alien or not self.fits(frame):
            self.count("redundant_ignored")
            return "duplicate" if seen else "late"
        self.delay.came_late(late_us)
        self.frames[frame.seq] = frame
        self.remember(frame.seq)
        self.count("redundant_used")
        return "ok"

    def measure(self, frame: Frame, now_us: int) -> None:
        transit_us = now_us - samples_to_us(frame.timestamp)
        if frame.seq < self.newest_seq:
            self.delay.came_late(transit_us - self.delay.base_us)
            return
        numbers = frame.seq - self.newest_seq
        samples = frame.timestamp - self.newest_timestamp
        lost = numbers > 1 and samples == numbers * FRAME_SAMPLES and not frame.source_changed
        self.newest_seq = frame.seq
        self.newest_timestamp = frame.timestamp
        self.longer |= frame.n_behind * FRAME_US >= self.delay.target_us
        self.delay.on_time(frame.timestamp, transit_us, now_us, frame.n_behind * FRAME_US)
        if frame.has_fec and not self.fec_seen:
            self.fec_seen = True
            self.delay.came_late(FRAME_US)
        if lost and frame.has_fec and not self.was_put(frame.seq - 1):
            self.delay.came_late(transit_us - self.delay.base_us + FRAME_US)

    def remember(self, seq: int) -> None:
        """The last 128 numbers are known; an old one never pushes out a newer one."""
        self.seen[seq % 128] = max(seq, self.seen.get(seq % 128, seq))

    def was_put(self, seq: int) -> bool:
        return self.seen.get(seq % 128) == seq

    def forget(self, seq: int) -> None:
        self.flag_source |= self.frames.pop(seq).source_changed

    def forget_before(self, seq: int) -> int:
        old = [s for s in self.frames if s < seq]
        for s in old:
            self.forget(s)
        if seq > self.next_seq:
            self.next_timestamp += (seq - self.next_seq) * FRAME_SAMPLES
            self.next_seq = seq
            self.playing = False
            self.lost_run = self.unplaced = 0
        return len(old)

    # Pull

    def pull(self, now_us: int) -> Due:
        self.now_us = now_us
        if not self.started:
            self.count("waits")
            return Due("wait", 0xFFF8, -HORIZON_SAMPLES)
        if self.frames:
            self.pull_something()
        elif self.playing and self.lost_run < 5:
            self.unplaced += 1
            self.lose()
        else:
            self.wait()
        return self.due

    def pull_something(self) -> None:
        keep = self.delay.target_us // FRAME_US + 1
        if len(self.frames) > keep + 49:
            stale = sorted(self.frames)[:-keep]
            self.count("stale_dropped", len(stale))
            for seq in stale:
                self.forget(seq)
            self.forget_before(min(self.frames))
        first = self.frames[min(self.frames)]
        if not self.playing:
            self.begin_spurt(first)
        elif first.seq == self.next_seq and first.timestamp == self.next_timestamp:
            self.play_in_turn(first)
        elif first.seq == self.next_seq or first.source_changed or self.flag_source:
            self.begin_spurt(first)
        else:
            self.bridge(first)

    def slack_us(self, frame: Frame) -> int:
        """How much later than the fastest packet a frame pulled now could have come."""
        return self.now_us - samples_to_us(frame.timestamp) - self.delay.base_us

    def begin_spurt(self, first: Frame) -> None:
        self.playing = self.slack_us(first) >= self.delay.target_us
        if not self.playing:
            self.wait()
        elif (first.seq, first.timestamp) == (self.next_seq, self.next_timestamp):
            self.play_in_turn(first)
        else:
            self.play(first)

    def play_in_turn(self, first: Frame) -> None:
        slack_us = self.slack_us(first)
        scale = self.wanted_scale(slack_us, last=first.dtx)
        after = self.frames.get(first.seq + 1)
        if after is not None and after.timestamp != first.timestamp + FRAME_SAMPLES:
            after = None
        plain = not first.source_changed and not first.prime
        if first.silent and scale in ("stretch", "fast_stretch"):
            self.count("stretched")
            self.scaled_us = self.now_us
            self.wait()
            self.due.scale = "stretch"
        elif first.silent and plain and after is not None and scale in ("accelerate", "fast_accelerate"):
            self.forget(first.seq)
            self.count("accelerated")
            self.scaled_us = self.now_us
            self.play(after)
        else:
            self.play(first)
            self.say_scale(scale, slack_us, joined=after is not None)

    def wanted_scale(self, slack_us: int, *, last: bool) -> str:
        spare_us = slack_us - self.delay.target_us
        if spare_us < FRAME_US:
            self.tight_us = self.now_us
        if spare_us >= 200_000:
            return "fast_accelerate"
        if not last and len(self.frames) == 1 and slack_us - FRAME_US >= self.delay.usual_us:
            return "fast_stretch"  # the next frame is overdue: a hole may have begun
        if self.now_us - self.scaled_us < 60_000:
            return "none"
        settled = self.now_us - self.tight_us >= 2_000_000
        if spare_us >= 2 * FRAME_US or (spare_us >= FRAME_US and settled):
            return "accelerate"
        return "stretch" if spare_us < 0 else "none"

    def say_scale(self, scale: str, slack_us: int, *, joined: bool) -> None:
        spare_us = slack_us - self.delay.target_us
        room = self.held_samples
        if scale in ("stretch", "fast_stretch"):
            room = FRAME_SAMPLES - room + 480  # a period may go beyond the frame that is wanted
        elif scale == "none":
            if spare_us < 0:
                return
            scale = "accelerate"  # what is held protects nothing
        elif joined:
            room += spare_us // FRAME_US * FRAME_SAMPLES
        if room >= 120:
            self.due.scale, self.due.room = scale, room

    def bridge(self, first: Frame) -> None:
        gap = first.seq - self.next_seq
        backlog_us = (max(self.frames) - first.seq + 1) * FRAME_US
        skip = min(self.unplaced, gap)
        if skip == gap:
            if first.has_fec and self.slack_us(first) < self.delay.target_us:
                skip = gap - 1
        elif self.lost_run and backlog_us > self.delay.target_us + 50_000:
            skip = gap - 1 if first.has_fec else gap
        self.skip_numbers(skip)
        self.unplaced = 0
        if self.next_seq == first.seq:
            if self.next_timestamp == first.timestamp:
                self.play(first)
            else:
                self.begin_spurt(first)
        elif self.next_seq == first.seq - 1 and first.has_fec:
            self.recover(first)
        elif self.lost_run < 5:
            self.lose()
            self.skip_numbers(1)
        else:
            self.begin_spurt(first)

    def skip_numbers(self, n: int) -> None:
        self.next_seq += n
        self.next_timestamp += n * FRAME_SAMPLES

    # What a pull yields

    def wait(self) -> None:
        self.due = Due("wait", self.next_seq & 0xFFFF, self.next_timestamp)
        if not self.frames:
            self.playing = False
        self.after_gap = True
        if not self.quiet and not self.playing:
            self.starved += 1
        self.lost_run = self.unplaced = 0
        self.count("waits")

    def lose(self) -> None:
        self.due = Due("lost", self.next_seq & 0xFFFF, self.next_timestamp, self.level)
        self.due.standing = self.unplaced > 0
        self.lost_run += 1
        self.count("lost")

    def recover(self, carrier: Frame) -> None:
        self.due = Due("fec", self.next_seq & 0xFFFF, self.next_timestamp, carrier.level, carrier.payload)
        self.count("fec")
        self.next_seq += 1
        self.next_timestamp += FRAME_SAMPLES
        self.lost_run = self.unplaced = 0

    def play(self, frame: Frame) -> None:
        del self.frames[frame.seq]
        if frame.timestamp - self.next_timestamp == (frame.seq - self.next_seq) * FRAME_SAMPLES:
            self.count("interrupted", self.starved)
            if (self.starved or self.unplaced) and not self.longer:
                self.delay.broken_us = self.now_us
        self.starved = 0
        self.longer = False
        self.due = Due(
            "frame",
            frame.seq & 0xFFFF,
            frame.timestamp,
            frame.level,
            frame.payload,
            frame.prime,
            frame.source_changed or self.flag_source,
            frame.dtx,
            self.after_gap,
        )
        self.flag_source = False
        self.level = frame.level
        self.next_seq = frame.seq + 1
        self.next_timestamp = frame.timestamp + FRAME_SAMPLES
        self.lost_run = self.unplaced = 0
        self.playing = not frame.dtx
        self.after_gap = self.quiet = frame.dtx
        self.count("frames")

    def note_scaled(self, samples: int) -> None:
        self.held_samples = (self.held_samples + samples) % FRAME_SAMPLES
        self.scaled_us = self.now_us

    def note_emptied(self) -> None:
        self.held_samples = 0
