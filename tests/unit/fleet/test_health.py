"""When a shard counts as safe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidemark.fleet import health
from tidemark.fleet.health import Thresholds
from tidemark.fleet.metrics import LastError, NewestBackup, ProvenBackup, RunningStep, ShardView
from tidemark.results import MirrorLevel

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
LIMITS = Thresholds(max_age=timedelta(hours=24), max_proven_age=timedelta(hours=36))


def a_shard(hours: float | None = 3, proven: float | None = 15, number: int = 2, **more: object) -> ShardView:
    values: dict[str, object] = {"shard": "commerce/-80"}
    if hours is not None:
        made = NOW - timedelta(hours=hours)
        values["newest"] = NewestBackup(number=number, position="0-1-7", finished_at=made, bytes=1, stored_bytes=1)
    if proven is not None:
        made = NOW - timedelta(hours=proven)
        values["proven"] = ProvenBackup(number=number - 1, proven_at=NOW, finished_at=made)
    return ShardView.model_validate(values | more)


ERROR = LastError(run="r", step="catchup", message="commerce/-80: no\n way\nHINT: try", at=NOW)


@pytest.mark.parametrize(
    ("view", "kinds"),
    [
        (a_shard(), []),
        (a_shard(hours=None, proven=None), ["no-backup"]),
        (a_shard(hours=24.1), ["age"]),
        (a_shard(hours=23.9, proven=36.1), ["proven-age"]),
        (a_shard(hours=30, proven=42), ["age", "proven-age"]),
        (a_shard(proven=None, number=1), []),
        (a_shard(hours=25, proven=None, number=1), ["age"]),
        (a_shard(proven=None, number=2), ["proven-age"]),
        (a_shard(failures=1, last_error=ERROR), ["failed"]),
        (a_shard(hours=25, failures=2, last_error=ERROR), ["age", "failed"]),
        (a_shard(damaged={7: "rotten"}), ["damaged"]),
        (a_shard(mirrors=[MirrorLevel(url="s3://b", error="no answer"), MirrorLevel(url="s3://c")]), ["mirror"]),
    ],
)
def test_what_is_wrong_with_a_shard(view: ShardView, kinds: list[str]) -> None:
    found = health.troubles(view, LIMITS, NOW)

    assert [trouble.kind for trouble in found] == kinds
    assert [trouble.kind for trouble in health.over(view, LIMITS, NOW)] == [k for k in kinds if k in health.OVER]


def test_a_trouble_says_what_was_seen_and_what_the_limit_is() -> None:
    late, failed = health.troubles(a_shard(hours=27.25, failures=2, last_error=ERROR), LIMITS, NOW)

    assert late.message == "newest backup 1 d 3 h old, limit 1 d"
    assert failed.message == "catchup failed (2 times in a row): no way"


def test_a_proven_backup_is_as_old_as_its_data() -> None:
    assert health.proven_age(a_shard(proven=15), NOW) == 15 * 3600
    untold = ShardView(shard="a/b", proven=ProvenBackup(number=1, proven_at=NOW - timedelta(hours=1)))
    assert health.proven_age(untold, NOW) == 3600


def test_a_shard_in_one_word() -> None:
    running = RunningStep(run="r", node="n", step="upload", started=NOW)

    assert health.state(a_shard(), LIMITS, NOW) == "idle"
    assert health.state(a_shard(hours=25), LIMITS, NOW) == "late"
    assert health.state(a_shard(failures=1, last_error=ERROR), LIMITS, NOW) == "failed"
    assert health.state(a_shard(hours=25, running=running), LIMITS, NOW) == "running"
    both = a_shard(hours=25, running=running, failures=1, last_error=ERROR)
    assert health.states(both, LIMITS, NOW) == {"running", "late", "failed"}
    assert health.states(a_shard(), LIMITS, NOW) == {"idle"}
