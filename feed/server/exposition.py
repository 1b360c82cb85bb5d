"""The metrics of a process as Prometheus reads them; docs/OPERATING.md says what each is for.

Nothing is kept twice: a scrape reads the counters, the sessions, the streams and the sources as
they are at that moment. A symbol is never a label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import feed
from feed.metrics import SECONDS, Histogram
from feed.recorder import Recorder
from feed.sessions.registry import Registry
from feed.sources.base import Source
from feed.ticks import CHANNELS

Sources = Callable[[], Iterable[Source]]
Values = float | Mapping[str, float]
"""One number, or one for each value of the label."""


class Exposition(Collector):
    """Answers scrapes."""

    def __init__(
        self, registry: Registry, sources: Sources, recorder: Recorder | None = None
    ) -> None:
        self._registry = registry
        self._sources = sources
        self._recorder = recorder
        self._collectors = CollectorRegistry(auto_describe=False)
        self._collectors.register(self)
        ProcessCollector(registry=self._collectors)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Give the page and its type: OpenMetrics where that is accepted, else the old format."""
        encode, content_type = choose_encoder(accept)
        return encode(self._collectors), content_type

    def collect(self) -> Iterator[Metric]:
        """Read everything once, for `prometheus_client`."""
        yield from self._of_ticks()
        yield from self._of_sessions()
        yield from self._of_sources()
        if self._recorder is not None:
            yield from _of_recorder(self._recorder)
        yield from self._of_time()

    def _of_ticks(self) -> Iterator[Metric]:
        hub, metrics = self._registry.hub, self._registry.hub.metrics
        ticks = Counter(dict.fromkeys(CHANNELS, 0))
        streams = ticks.copy()
        for stream in hub.index.streams():
            ticks[stream.channel] += stream.seq
            streams[stream.channel] += 1
        yield _counter("ticks_in", "ticks numbered", ticks, "channel")
        handed = dict.fromkeys(CHANNELS, 0) | metrics.ticks_out
        yield _counter("ticks_out", "ticks handed to sessions", handed, "channel")
        yield _counter("ticks_encoded", "ticks encoded, as somebody listened", metrics.encodings)
        yield _counter("ticks_conflated", "ticks that skipped notices told", metrics.conflated)
        yield _counter("bytes_out", "bytes that sockets of sessions took", metrics.bytes_out)
        yield _gauge("streams", "streams, each a channel of a symbol", streams, "channel")
        yield _gauge("journal_bytes", "memory of the ticks kept", hub.journal.held_bytes)

    def _of_sessions(self) -> Iterator[Metric]:
        registry, metrics = self._registry, self._registry.hub.metrics
        cohorts = list(registry.hub.index.cohorts)
        held = sum(own.members * len(own.subscriptions) for own in cohorts)
        behind = [own.delivery.queued_bytes for own in registry if own.delivery.outbox]
        closes = {str(int(code)): count for code, count in metrics.sessions_closed.items()}
        yield _gauge("sessions", "sessions that are open", len(registry))
        yield _gauge("sessions_behind", "sessions with an outbox", len(behind))
        yield _gauge("outbox_bytes", "unsent bytes of all sessions", sum(behind))
        yield _gauge("subscriptions", "channel and pattern pairs of all sessions", held)
        yield _gauge("cohorts", "sets of equal subscriptions", len(cohorts))
        yield _counter("sessions_opened", "sessions ever opened", metrics.sessions_opened)
        yield _counter("session_closes", "sessions closed", closes, "code")
        yield _counter("errors_told", "commands answered with an error", metrics.errors_told)
        yield _counter("refusals", "what was refused", metrics.refusals, "code")
        failures = metrics.reload_failures
        yield _counter("reload_failures", "files that could not be read anew", failures, "what")

    def _of_sources(self) -> Iterator[Metric]:
        sources = list(self._sources())
        live = {own.name: float(own.state == "live") for own in sources}
        at = {own.name: own.position for own in sources}
        ticks = {name: own.ticks for name, own in at.items()}
        lag = {name: own.lag_s for name, own in at.items()}
        times = {name: own.ts_event / 1e9 for name, own in at.items() if own.ts_event is not None}
        yield _gauge("source_live", "1 while the source is live", live, "source")
        yield _counter("source_ticks", "ticks the source published", ticks, "source")
        yield _gauge("source_lag_seconds", "how far behind its own pace", lag, "source")
        yield _gauge("source_ts_event_seconds", "time of its newest tick", times, "source")

    def _of_time(self) -> Iterator[Metric]:
        metrics, registry = self._registry.hub.metrics, self._registry
        requests = {str(status): count for status, count in metrics.requests.items()}
        yield _histogram("fan_out_seconds", "taking one burst", metrics.fan_out)
        yield _histogram("flush_seconds", "sending what one turn owes", metrics.flush)
        yield _histogram("loop_lag_seconds", "how late the event loop is", metrics.loop_lag)
        yield _histogram("http_request_seconds", "answering a request", metrics.request)
        yield _counter("http_requests", "HTTP requests answered", requests, "status")
        labels = {feed.__version__: 1.0}
        yield _gauge("info", "the version that runs", labels, "version")
        yield _gauge("draining", "1 while sessions are sent home", float(registry.draining))


def _of_recorder(recorder: Recorder) -> Iterator[Metric]:
    done = recorder.done
    yield _gauge("recorder_queue_ticks", "ticks that wait to be written", recorder.queued)
    yield _gauge("recorder_stopped", "1 while the disk takes nothing", float(done.stopped))
    yield _counter("recorder_ticks", "ticks written", done.ticks)
    yield _counter("recorder_missing_ticks", "ticks left out", done.missing)
    yield _counter("recorder_bytes", "bytes written as segments grow", done.bytes)


def _counter(name: str, told: str, values: Values, label: str = "") -> Metric:
    return _filled(CounterMetricFamily(f"feed_{name}", told, labels=_labels(label)), values)


def _gauge(name: str, told: str, values: Values, label: str = "") -> Metric:
    return _filled(GaugeMetricFamily(f"feed_{name}", told, labels=_labels(label)), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: Values) -> Metric:
    if isinstance(values, Mapping):
        for value, number in values.items():
            family.add_metric([value], number)
    else:
        family.add_metric([], values)
    return family


def _histogram(name: str, told: str, values: Histogram) -> Metric:
    family = HistogramMetricFamily(f"feed_{name}", told)
    below = accumulate(values.counts)
    bounds = [*map(str, SECONDS), "+Inf"]
    family.add_metric([], list(zip(bounds, below, strict=True)), values.sum_s)
    return family


def _labels(label: str) -> list[str]:
    return [label] if label else []
