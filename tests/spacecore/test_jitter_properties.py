"""The native jitter buffer agrees with the slow model over random traces, and keeps its promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore._jitter import JitterBuffer, JitterStats, Pulled, PullStatus
from tests.oracles.jitter_reference import Due, Frame, JitterModel

CAPACITY = 61
COUNTED = JitterStats._fields[: JitterStats._fields.index("accelerated_samples")]


@dataclass
class Arrival:
    at_us: int
    frame: Frame


def sent_stream(draw: st.DrawFn, n: int) -> Iterator[tuple[int, Frame]]:
    """(sending time in µs, frame) of a source with spurts, pauses with and without DTX, skipped numbers."""
    seq = draw(st.integers(0, 0xFFFF))
    timestamp = draw(st.integers(0, 0xFFFFFFFF))
    at_us = draw(st.integers(0, 10**7))
    fec = draw(st.booleans())
    bundled = draw(st.booleans())
    level = 20
    for i in range(n):
        payload = i.to_bytes(4, "big")
        what = draw(st.integers(0, 60))
        if what < 4:
            level = (20, 127, 61, 45)[what]
        if what == 4:
            payload = bytes(draw(st.integers(0, 2)))
        behind = 2 - i % 3 if bundled else 0
        has_fec = fec and what != 6
        yield at_us, Frame(seq, timestamp, payload, level, what == 5, has_fec=has_fec, n_behind=behind)
        step = 1
        if what in (4, 7):  # a pause, announced or not; 8: numbers skipped with the time
            step = draw(st.integers(1, 400))
        at_us += 20_000 * step
        timestamp = (timestamp + 960 * step) & 0xFFFFFFFF
        seq = (seq + (draw(st.integers(1, step)) if what == 8 else 1)) & 0xFFFF
        if what == 9 and draw(st.integers(0, 3)) == 0:  # a new stream
            seq = draw(st.integers(0, 0xFFFF))
            timestamp = draw(st.sampled_from([timestamp, draw(st.integers(0, 0xFFFFFFFF))]))


@st.composite
def traces(draw: st.DrawFn) -> list[Arrival]:
    """What a network makes of it: jitter, bursts, loss, duplicates, redundant copies, a few lies."""
    jitter_us = draw(st.sampled_from([0, 5_000, 30_000, 200_000]))
    loss = draw(st.sampled_from([0, 0, 10, 30]))
    arrivals = []
    freeze_us = 0
    for at_us, frame in sent_stream(draw, draw(st.integers(1, 120))):
        fate = draw(st.integers(0, 99))
        if fate == 0:
            freeze_us = at_us + draw(st.integers(0, 3_000_000))
        came_us = max(at_us + draw(st.integers(0, jitter_us)), freeze_us)
        if fate >= loss:
            arrivals.append(Arrival(came_us, frame))
        if fate % 10 == 1:
            late_us = draw(st.integers(0, 300_000))
            redundant = draw(st.booleans())
            copy = Frame(**{**vars(frame), "redundant": redundant})
            arrivals.append(Arrival(came_us + late_us, copy))
        if fate == 99:
            lie = Frame(**vars(frame))
            lie.seq = (lie.seq + draw(st.integers(-300, 300))) & 0xFFFF
            lie.timestamp = (lie.timestamp + draw(st.integers(-300_000, 300_000))) & 0xFFFFFFFF
            lie.payload = draw(st.sampled_from([b"", b"lie lie", bytes(1280), bytes(1281)]))
            lie.prime = draw(st.sampled_from([(), (b"a",), (b"ab", b"")]))
            arrivals.append(Arrival(came_us, lie))
    return sorted(arrivals, key=lambda a: a.at_us)


@st.composite
def tick_steps(draw: st.DrawFn) -> list[int]:
    """Steps of the pulling clock: 20 ms, now and then late, caught up, or twice at once."""
    steps = st.sampled_from([20_000] * 12 + [0, 40_000, 7_000, 33_000, 400_000])
    return [20_000, *draw(st.lists(steps, max_size=40))]


def run(
    arrivals: list[Arrival], steps: list[int], buffer: JitterBuffer, model: JitterModel
) -> Iterator[tuple[str, Pulled | None]]:
    """Drives both with the same trace; yields what the native one said, after comparing."""
    if not arrivals:
        return
    now_us = arrivals[0].at_us
    end_us = arrivals[-1].at_us + 300_000
    ahead = list(reversed(arrivals))
    n = 0
    while now_us <= end_us:
        while ahead and ahead[-1].at_us <= now_us:
            arrival = ahead.pop()
            f = arrival.frame
            result = buffer.put(
                f.seq, f.timestamp, f.payload, arrival.at_us, level=f.level, source_changed=f.source_changed,
                redundant=f.redundant, has_fec=f.has_fec, n_behind=f.n_behind, prime=f.prime,
            )  # fmt: skip
            assert result.name.lower() == model.put(f, arrival.at_us)
            assert len(buffer) == len(model.frames) <= CAPACITY
            yield result.name, None
        pulled = buffer.pull(now_us)
        due = model.pull(now_us)
        assert as_due(pulled) == due
        assert len(buffer) == len(model.frames)
        assert buffer.stats.target_us == (
            model.delay.target_us if model.started else max(20_000, model.least_target_us)
        )
        yield "PULL", pulled
        if pulled.scale and n % 7 == 0:  # a consumer that scales now and then
            samples = min(pulled.room_samples, 240)
            samples = samples if "STRETCH" in pulled.scale.name else -samples
            buffer.note_scaled(samples)
            model.note_scaled(samples)
        if n % 11 == 0:
            buffer.note_emptied()
            model.note_emptied()
        now_us += steps[n % len(steps)]
        n += 1


def as_due(p: Pulled) -> Due:
    return Due(
        p.status.name.lower(), p.seq, p.timestamp, p.level, p.payload, p.prime, p.source_changed, p.dtx,
        p.after_gap, p.scale.name.lower(), p.room_samples, p.standing,
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(traces(), tick_steps(), st.sampled_from([5_000, 20_000, 60_000]))
def test_agrees_with_the_model_and_keeps_its_promises(
    arrivals: list[Arrival], steps: list[int], least_target_us: int
) -> None:
    buffer = JitterBuffer(least_target_us=least_target_us)
    model = JitterModel(least_target_us)
    last_timestamp: int | None = None
    pulls = 0
    played: list[tuple[int, int]] = []
    for what, pulled in run(arrivals, steps, buffer, model):
        if what == "RESTART":
            last_timestamp = None
            played = []
        if pulled is None:
            continue
        pulls += 1
        if pulled.status is PullStatus.FRAME:
            assert last_timestamp is None or pulled.timestamp >= last_timestamp + 960
            assert (pulled.seq, pulled.timestamp) not in played
            played.append((pulled.seq, pulled.timestamp))
            last_timestamp = pulled.timestamp
    stats = buffer.stats
    assert {name: getattr(stats, name) for name in COUNTED} == {n: model.counts.get(n, 0) for n in COUNTED}
    assert pulls == stats.frames + stats.fec + stats.lost + stats.waits
    refused = stats.duplicate + stats.late + stats.too_large + stats.redundant_ignored
    dropped = stats.overflow_dropped + stats.stale_dropped + stats.restart_dropped + stats.accelerated
    assert stats.put == refused + dropped + stats.frames + len(buffer)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 1400),
            st.integers(0, (1 << 60) - 1),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_takes_any_numbers_at_any_time(calls: list[tuple[int, int, int, int, bool]]) -> None:
    buffer = JitterBuffer()
    model = JitterModel()
    for seq, timestamp, n_bytes, now_us, redundant in calls:
        frame = Frame(seq, timestamp, bytes(n_bytes), redundant=redundant)
        result = buffer.put(seq, timestamp, frame.payload, now_us, redundant=redundant)
        assert result.name.lower() == model.put(frame, now_us)
        assert as_due(buffer.pull(now_us)) == model.pull(now_us)
        assert len(buffer) == len(model.frames) <= CAPACITY


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 70), st.integers(0, 3)), min_size=1, max_size=200))
def test_numbers_close_together(jumps: list[tuple[int, int]]) -> None:
    """Dense reordering round the window's edges, where capacity and memory of numbers are at stake."""
    buffer = JitterBuffer()
    model = JitterModel()
    seq = 65_500
    for i, (jump, pulls) in enumerate(jumps):
        frame = Frame((seq + jump) & 0xFFFF, 960 * (seq + jump) & 0xFFFFFFFF, b"abc")
        seq = max(seq, seq + jump)
        now_us = 10**9 + i * 20_000
        result = buffer.put(frame.seq, frame.timestamp, frame.payload, now_us)
        assert result.name.lower() == model.put(frame, now_us)
        for _ in range(pulls):
            assert as_due(buffer.pull(now_us)) == model.pull(now_us)
        assert len(buffer) == len(model.frames) <= CAPACITY
