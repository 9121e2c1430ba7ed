"""Metrics: a reading of a server in the formats of Prometheus, one registry for each server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from signaling.http.metric_names import named
from signaling.http.readings import Reading, SpaceReading, Spaces, Steps

__all__ = ["BOUNDS_US", "Metrics"]

BOUNDS_US: Final = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
"""Upper ends of the histograms' buckets. The largest steps that are read lie below one of them each."""

_US_S: Final = 1_000_000
_PREFIX: Final = "spaces_"


_SPACE_GAUGES: Final[tuple[tuple[str, str, Callable[[SpaceReading], int]], ...]] = (
    (
        "space_people",
        "People inside, of the largest Spaces; `other`: in all others.",
        lambda each: each.people,
    ),
    ("space_on_stage", "People on stage.", lambda each: each.on_stage),
)
_SPACE_COUNTERS: Final[tuple[tuple[str, str, Callable[[SpaceReading], int]], ...]] = (
    ("space_heard_received", "Frames that its listeners report as received.", lambda each: each.received),
    ("space_heard_lost", "Frames that its listeners report as lost.", lambda each: each.lost),
    ("space_heard_concealed", "Frames that its listeners concealed.", lambda each: each.concealed),
    ("space_decodes", "Opus frames decoded for it.", lambda each: each.decodes),
    ("space_encodes", "Opus frames encoded for it.", lambda each: each.encodes),
    ("space_passed", "Frames passed on as they came.", lambda each: each.passed),
)
_OTHER: Final = "other"


class Metrics:
    """Makes pages of readings. Nothing is kept between two of them, and nothing is global."""

    def __init__(self) -> None:
        self._reading: Reading | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Source(lambda: self._reading))
        ProcessCollector(registry=self._registry)

    def page(self, reading: Reading, accept: str = "") -> tuple[bytes, str]:
        """The page and its Content-Type, in the newest format that `accept` names."""
        encode, content_type = choose_encoder(accept)
        self._reading = reading
        try:
            return encode(self._registry), content_type
        finally:
            self._reading = None


class _Source(Collector):
    def __init__(self, read: Callable[[], Reading | None]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        reading = self._read()
        if reading is None:
            return
        yield _gauge("ready", "1 where people may be sent to this server, else 0.", int(reading.health.ready))
        yield _gauge("uptime_seconds", "Since the server was made.", reading.uptime_s)
        info = GaugeMetricFamily(f"{_PREFIX}build_info", "Always 1.", labels=["version", "plane"])
        info.add_metric([reading.version, reading.plane], 1)
        yield info
        yield from _of_statistics(reading)
        if reading.statistics:
            yield _histogram("tick_late_seconds", "How late ticks of 20 ms were.", reading.tick_lateness)
            yield _histogram(
                "loop_lag_seconds", "How late the event loop woke when asked to.", reading.loop_lag
            )
            yield from _of_spaces(reading.spaces)


def _of_statistics(reading: Reading) -> Iterator[Metric]:
    found: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for name, value in reading.statistics.items():
        metric = named(name)
        if metric is None:
            continue
        family = found.get(metric.name)
        if family is None:
            kind = GaugeMetricFamily if metric.is_gauge else CounterMetricFamily
            family = kind(_PREFIX + metric.name, metric.help, labels=[metric.label] if metric.label else [])
            found[metric.name] = family
        family.add_metric([metric.value] if metric.label else [], value * metric.factor)
    yield from found.values()


def _of_spaces(spaces: Spaces) -> Iterator[Metric]:
    """The listed ones by their ids. Only gauges add the others up: a sum of counters from which one that grew
    large leaves would sink, and be taken for a restart."""
    yield _gauge("unlisted", "Live Spaces without series of their own.", spaces.others)
    for name, text, read in _SPACE_GAUGES:
        gauge = GaugeMetricFamily(_PREFIX + name, text, labels=["space"])
        for each in spaces.listed:
            gauge.add_metric([each.space], read(each))
        gauge.add_metric([_OTHER], spaces.other_people if name == "space_people" else spaces.other_on_stage)
        yield gauge
    for name, text, read in _SPACE_COUNTERS:
        counter = CounterMetricFamily(_PREFIX + name, text, labels=["space"])
        for each in spaces.listed:
            counter.add_metric([each.space], read(each))
        yield counter


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _histogram(name: str, text: str, steps: Steps) -> HistogramMetricFamily:
    """A step counts where it begins. So does the sum, which is low by less than a step for each."""
    buckets = [(str(bound / _US_S), sum(n for us, n in steps if us < bound)) for bound in BOUNDS_US]
    buckets.append(("+Inf", sum(n for _, n in steps)))
    total_s = sum(us * n for us, n in steps) / _US_S
    return HistogramMetricFamily(_PREFIX + name, text, buckets=buckets, sum_value=total_s)
