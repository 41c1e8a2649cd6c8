"""What the exporter makes of what Redis holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tidemark.exporter import FAMILIES
from tidemark.exporter.collector import Samples, add_snapshot
from tidemark.fleet.counters import Counts, Histogram
from tidemark.fleet.metrics import (
    CatchupState,
    NewestBackup,
    ProvenBackup,
    RunningStep,
    ShardView,
    StepFigures,
    StepProgress,
)
from tidemark.fleet.snapshot import Snapshot
from tidemark.results import MirrorLevel

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
SHARD = {"keyspace": "commerce", "shard": "-80"}
FULL = ShardView(
    shard="commerce/-80",
    newest=NewestBackup(number=42, position="0-1-9", finished_at=NOW - timedelta(hours=3), bytes=10**9, stored_bytes=5),
    proven=ProvenBackup(number=41, proven_at=NOW - timedelta(hours=3), finished_at=NOW - timedelta(hours=15)),
    damaged={40: "a block is spoilt"},
    mirrors=(MirrorLevel(url="gs://b/x", newest=41, missing=1), MirrorLevel(url="s3://b/x", error="no answer")),
    steps={"restore": StepFigures(seconds=12.5, bytes=7, finished_at=NOW)},
    transactions=77,
    caught=CatchupState(
        source="h:1", lag_seconds=60, bridge_seconds=-5.0, bridge_bytes=0, bridge_warning="soon", at=NOW
    ),
    last_success=NOW,
    failures=2,
    running=RunningStep(run="r", node="node1@a", step="catchup", started=NOW - timedelta(seconds=30)),
    progress=StepProgress(phase="replicating", done=25, total=100, unit="transactions", eta=90.0, at=NOW),
)


class _Fixed(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Any:
        samples = Samples()
        add_snapshot(samples, self._snapshot)
        return samples


def _values(**changes: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    facts: dict[str, Any] = {
        "at": NOW,
        "shards": (FULL, ShardView(shard="commerce/80-")),
        "counts": {"commerce/-80": Counts(runs={"failed": 3}, failures={"stop": 3}, read_bytes=2**53, lease_losses=1)},
        "histograms": {"commerce": {"restore": Histogram(count=3, sum=99.0, buckets={1.0: 1, 15.0: 1})}},
        "nodes": {"node1@a": NOW - timedelta(minutes=1)},
        "queues": {"backup": 3, "node.node1@a": 0},
        "open_runs": 1,
        "beat": False,
    }
    registry = CollectorRegistry()
    registry.register(_Fixed(Snapshot(**(facts | changes))))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def _one(values: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return values[f"tidemark_{name}", frozenset(labels.items())]


def test_a_shard_is_told_whole() -> None:
    values = _values()

    assert _one(values, "backup_exists", **SHARD) == 1
    assert _one(values, "backup_age_seconds", **SHARD) == 3 * 3600
    assert _one(values, "proven_backup_age_seconds", **SHARD) == 15 * 3600
    assert _one(values, "damaged_backups", **SHARD) == 1
    assert _one(values, "mirror_missing_backups", **SHARD, mirror="gs://b/x") == 1
    assert _one(values, "mirror_failing", **SHARD, mirror="s3://b/x") == 1
    assert _one(values, "consecutive_failures", **SHARD) == 2
    assert _one(values, "running_step_seconds", **SHARD, step="catchup", node="node1@a") == 30
    assert _one(values, "running_step_progress_ratio", **SHARD, step="catchup") == 0.25
    assert _one(values, "catchup_missing_transactions", **SHARD) == 75
    assert _one(values, "catchup_lag_seconds", **SHARD) == 60
    assert _one(values, "binlog_bridge_seconds", **SHARD) == -5
    assert _one(values, "binlog_bridge_warning", **SHARD) == 1
    assert _one(values, "runs_total", **SHARD, outcome="failed") == 3
    assert _one(values, "run_failures_total", **SHARD, step="stop") == 3
    assert _one(values, "read_bytes_total", **SHARD) == 2**53
    assert _one(values, "lease_losses_total", **SHARD) == 1
    assert _one(values, "queue_length", queue="backup") == 3
    assert _one(values, "node_uptime_seconds", node="node1@a") == 60
    assert _one(values, "beat_up") == 0


def test_what_is_not_known_is_not_told_but_counters_begin_at_nought() -> None:
    other = {"keyspace": "commerce", "shard": "80-"}
    told = {name for name, labels in _values() if dict(labels).get("shard") == "80-"}

    assert _one(_values(), "backup_exists", **other) == 0
    assert _one(_values(), "runs_total", **other, outcome="lost") == 0
    assert not told & {
        f"tidemark_{name}" for name in ("backup_age_seconds", "running_step_seconds", "source_lag_seconds")
    }


def test_a_histogram_is_cumulative() -> None:
    labels = {"keyspace": "commerce", "step": "restore"}

    assert _one(_values(), "step_duration_seconds_bucket", **labels, le="1.0") == 1
    assert _one(_values(), "step_duration_seconds_bucket", **labels, le="60.0") == 2
    assert _one(_values(), "step_duration_seconds_bucket", **labels, le="+Inf") == 3
    assert _one(_values(), "step_duration_seconds_sum", **labels) == 99


def test_a_clock_that_is_ahead_makes_no_age_negative() -> None:
    assert _one(_values(at=NOW - timedelta(days=1)), "backup_age_seconds", **SHARD) == 0


def test_names_are_those_of_the_ecosystem() -> None:
    for family in FAMILIES.values():
        assert family.name.startswith("tidemark_")
        assert (family.kind == "counter") == family.name.endswith("_total"), family.name
        assert family.help.endswith("."), family.name
        assert not set(family.labels) & {"le", "job", "instance"}
