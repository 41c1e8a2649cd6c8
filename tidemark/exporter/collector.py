"""From what Redis holds to samples; at each scrape anew."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tidemark import __version__, fleet
from tidemark.config import Settings
from tidemark.errors import ConfigError, FleetError
from tidemark.exporter.families import FAMILIES
from tidemark.fleet.counters import BUCKETS, Counts, Histogram
from tidemark.fleet.metrics import ShardView
from tidemark.fleet.snapshot import Snapshot
from tidemark.results import STEPS
from tidemark.shards import topology

log = logging.getLogger(__name__)


class Samples:
    """Families that fill up. A value of None is no sample: what is not known is not told."""

    def __init__(self) -> None:
        self._families: dict[str, Any] = {}

    def add(self, name: str, value: float | bool | None, *labels: str) -> None:
        """One sample of ``tidemark_<name>``."""
        if value is not None:
            self._family(name).add_metric(labels, float(value))

    def histogram(self, name: str, value: Histogram, *labels: str) -> None:
        """One histogram; Prometheus wants its buckets cumulative."""
        upto = accumulate(value.buckets.get(bound, 0) for bound in BUCKETS)
        buckets = [(str(bound), count) for bound, count in zip(BUCKETS, upto, strict=True)]
        self._family(name).add_metric(labels, buckets=[*buckets, ("+Inf", value.count)], sum_value=value.sum)

    def __iter__(self) -> Iterator[Metric]:
        return iter(self._families.values())

    def _family(self, name: str) -> Any:
        if name not in self._families:
            family = FAMILIES[f"tidemark_{name}"]
            kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}
            self._families[name] = kinds[family.kind](family.name, family.help, labels=family.labels)
        return self._families[name]


class FleetCollector(Collector):
    """Reads the configuration and Redis at each scrape. A Redis that does not answer is a sample (``tidemark_up`` 0),
    not an error of the scrape. May be collected by several threads."""

    def __init__(self, load: Callable[[], Settings]) -> None:
        """``load`` gives the configuration as it is now, or raises ``ConfigError``; it must work the first time."""
        self._load = load
        self._settings = load()
        self._failures = 0
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """Everything, in the order of ``FAMILIES``."""
        samples = Samples()
        samples.add("build_info", 1, __version__)
        samples.add("config_valid", self._refresh())
        settings = self._settings
        _configuration(samples, settings)
        began = time.monotonic()
        try:
            with fleet.connect(settings.redis, hurried=True) as client:
                snapshot = fleet.snapshot.take(client, topology(settings).names())
        except FleetError as error:
            log.warning("%s", error.message)
            snapshot = None
            with self._lock:
                self._failures += 1
        samples.add("up", snapshot is not None)
        samples.add("scrape_seconds", time.monotonic() - began)
        samples.add("scrape_failures_total", self._failures)
        if snapshot is not None:
            add_snapshot(samples, snapshot)
        return samples

    def _refresh(self) -> bool:
        try:
            self._settings = self._load()
        except ConfigError as error:
            log.warning("the configuration as it was before still counts: %s", error.message)
            return False
        return True


def add_snapshot(samples: Samples, snapshot: Snapshot) -> None:
    """All that Redis told."""
    for view in snapshot.shards:
        labels = tuple(view.shard.split("/"))
        _safety(samples, view, snapshot.at, labels)
        _runs(samples, view, snapshot.at, labels)
        _primary(samples, view, labels)
        _counts(samples, snapshot.counts.get(view.shard, Counts()), labels)
    for keyspace, steps in snapshot.histograms.items():
        for step, histogram in steps.items():
            samples.histogram("step_duration_seconds", histogram, keyspace, step)
    samples.add("open_runs", snapshot.open_runs)
    samples.add("nodes", len(snapshot.nodes))
    samples.add("beat_up", snapshot.beat)
    for node, since in snapshot.nodes.items():
        samples.add("node_uptime_seconds", _age(since, snapshot.at), node)
    for queue, length in snapshot.queues.items():
        samples.add("queue_length", length, queue)


def _configuration(samples: Samples, settings: Settings) -> None:
    names = [shard.keyspace for shard in topology(settings).shards()]
    for keyspace in sorted(set(names)):
        samples.add("shards", names.count(keyspace), keyspace)
    samples.add("cycle_seconds", settings.cycle.every.total_seconds())
    samples.add("backup_age_limit_seconds", settings.max_age.total_seconds())
    samples.add("proven_backup_age_limit_seconds", settings.max_proven_age.total_seconds())


def _safety(samples: Samples, view: ShardView, now: datetime, labels: tuple[str, ...]) -> None:
    samples.add("backup_exists", view.newest is not None, *labels)
    if newest := view.newest:
        samples.add("backup_age_seconds", fleet.health.age(view, now), *labels)
        samples.add("backup_number", newest.number, *labels)
        samples.add("backup_size_bytes", newest.bytes, *labels)
        samples.add("backup_stored_bytes", newest.stored_bytes, *labels)
    samples.add("proven_backup_age_seconds", fleet.health.proven_age(view, now), *labels)
    samples.add("damaged_backups", len(view.damaged), *labels)
    for mirror in view.mirrors:
        samples.add("mirror_missing_backups", mirror.missing, *labels, mirror.url)
        samples.add("mirror_failing", bool(mirror.error), *labels, mirror.url)


def _runs(samples: Samples, view: ShardView, now: datetime, labels: tuple[str, ...]) -> None:
    samples.add("consecutive_failures", view.failures, *labels)
    if view.last_success:
        samples.add("last_success_timestamp_seconds", view.last_success.timestamp(), *labels)
    for step, figures in view.steps.items():
        samples.add("last_step_duration_seconds", figures.seconds, *labels, step)
    if running := view.running:
        samples.add("running_step_seconds", _age(running.started, now), *labels, running.step, running.node)
        if progress := view.progress:
            ratio = min(1.0, progress.done / progress.total) if progress.total else None
            samples.add("running_step_progress_ratio", ratio, *labels, running.step)
            samples.add("running_step_left_seconds", progress.eta, *labels, running.step)


def _primary(samples: Samples, view: ShardView, labels: tuple[str, ...]) -> None:
    samples.add("last_catchup_transactions", view.transactions, *labels)
    if view.running and view.running.step == "catchup" and view.progress and view.progress.unit == "transactions":
        missing = (view.progress.total or view.progress.done) - view.progress.done
        samples.add("catchup_missing_transactions", max(0, missing), *labels)
    if caught := view.caught:
        samples.add("catchup_lag_seconds", caught.lag_seconds, *labels)
        samples.add("source_lag_seconds", caught.source_lag_seconds, *labels)
        samples.add("binlog_bridge_seconds", caught.bridge_seconds, *labels)
        samples.add("binlog_bridge_bytes", caught.bridge_bytes, *labels)
        samples.add("binlog_bridge_warning", bool(caught.bridge_warning), *labels)
        samples.add("binlog_retention_seconds", caught.binlog_retention_seconds, *labels)
        samples.add("binlog_size_bytes", caught.binlog_bytes, *labels)


OUTCOMES = ("succeeded", "skipped", "failed", "revoked", "lost")


def _counts(samples: Samples, counts: Counts, labels: tuple[str, ...]) -> None:
    """Counters are there from the start with 0: an increase from nothing to 1 would be no increase to Prometheus."""
    _each(samples, "runs_total", counts.runs, OUTCOMES, labels)
    _each(samples, "run_failures_total", counts.failures, ("backup", *STEPS), labels)
    _each(samples, "storage_retries_total", counts.storage_retries, ("restore", "upload"), labels)
    samples.add("lease_losses_total", counts.lease_losses, *labels)
    samples.add("read_bytes_total", counts.read_bytes, *labels)
    samples.add("stored_bytes_total", counts.stored_bytes, *labels)
    samples.add("fetched_bytes_total", counts.fetched_bytes, *labels)
    samples.add("replicated_transactions_total", counts.transactions, *labels)
    samples.add("source_failovers_total", counts.failovers, *labels)


def _each(
    samples: Samples, name: str, counted: Mapping[str, int], known: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    for part in dict.fromkeys((*known, *counted)):
        samples.add(name, counted.get(part, 0), *labels, part)


def _age(moment: datetime, now: datetime) -> float:
    """Seconds; a clock that is ahead makes nothing negative."""
    return max(0.0, (now - moment).total_seconds())
