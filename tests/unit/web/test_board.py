"""Verdicts on shards, and the words for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidemark.fleet import RunFigures, ShardView
from tidemark.fleet.health import Thresholds
from tidemark.fleet.metrics import LastError, NewestBackup, ProvenBackup, RunningStep, StepProgress
from tidemark.web import board, story

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITS = Thresholds(max_age=24 * HOUR, max_proven_age=36 * HOUR)
SHARD = "commerce/-80"


def shard(age: float = 1, proven: float | None = 13, **facts: object) -> ShardView:
    """A shard whose newest backup, and newest proven one, are so many hours old."""
    newest = NewestBackup(number=7, position="0-1-7", finished_at=NOW - age * HOUR, bytes=1000, stored_bytes=10)
    proof = ProvenBackup(number=6, proven_at=NOW, finished_at=NOW - proven * HOUR) if proven is not None else None
    return ShardView.model_validate({"shard": SHARD, "newest": newest, "proven": proof} | facts)


ERROR = LastError(run="r", step="upload", message=f"{SHARD}: no room\nHINT: make some", at=NOW, place="upload.py:9")
FAILED_TWICE = "upload failed (2 times in a row): no room"


@pytest.mark.parametrize(
    ("view", "health", "why"),
    [
        (shard(), "fine", ()),
        (shard(age=24), "fine", ()),
        (shard(age=27), "late", ("newest backup 1 d 3 h old, limit 1 d",)),
        (shard(proven=48), "late", ("newest proven backup 2 d old, limit 1 d 12 h",)),
        (ShardView(shard=SHARD), "missing", ("no backup",)),
        (ShardView(shard=SHARD, failures=2, last_error=ERROR), "missing", ("no backup", FAILED_TWICE)),
        (shard(age=27, failures=2, last_error=ERROR), "late", ("newest backup 1 d 3 h old, limit 1 d", FAILED_TWICE)),
        (shard(failures=2, last_error=ERROR), "failing", (FAILED_TWICE,)),
        (shard(damaged={5: "a seal does not fit"}), "failing", ("damaged: backup 5",)),
    ],
)
def test_the_worst_that_is_known_decides(view: ShardView, health: str, why: tuple[str, ...]) -> None:
    row = board.row(view, LIMITS, NOW)

    assert (row.health, row.why) == (health, why)


def test_the_age_of_a_proven_backup_counts_from_when_it_was_made_not_from_its_proof() -> None:
    assert board.row(shard(proven=13), LIMITS, NOW).proven_from == NOW - 13 * HOUR
    unknown = shard().model_copy(update={"proven": ProvenBackup(number=6, proven_at=NOW)})
    assert board.row(unknown, LIMITS, NOW).proven_from == NOW


def test_a_row_says_when_the_shard_will_be_late() -> None:
    row = board.row(shard(age=3), LIMITS, NOW)

    assert row.late_at == NOW + 21 * HOUR
    assert (row.number, row.bytes, row.stored_bytes, row.proven) == (7, 1000, 10, 6)


def test_an_error_is_parted_into_what_happened_and_what_to_try() -> None:
    trouble = board.row(shard(failures=2, last_error=ERROR), LIMITS, NOW).trouble

    assert trouble is not None
    assert (trouble.message, trouble.hint, trouble.place) == ("no room", "make some", "upload.py:9")
    assert (trouble.step, trouble.failures) == ("upload", 2)


@pytest.mark.parametrize(("done", "total", "fraction"), [(1, 4, 0.25), (5, 4, 1.0), (5, None, None), (5, 0, None)])
def test_a_running_step_has_a_bar_only_when_the_end_is_known(
    done: int, total: int | None, fraction: float | None
) -> None:
    running = RunningStep(run="r", node="n", step="catchup", started=NOW)
    progress = StepProgress(phase="replicating", done=done, total=total, unit="B", at=NOW)

    shown = board.row(shard(running=running, progress=progress), LIMITS, NOW).running

    assert shown is not None
    assert (shown.step, shown.phase, shown.fraction) == ("catchup", "replicating", fraction)


def test_a_shard_waits_until_its_run_has_begun() -> None:
    running = RunningStep(run="r", node="n", step="restore", started=NOW)

    (idle, busy) = board.rows([shard(), shard(running=running)], LIMITS, NOW, waiting={SHARD: ""})

    assert idle.waiting == "a free node"
    assert board.row(shard(), LIMITS, NOW, waiting="2 of host db7 run").waiting == "2 of host db7 run"
    assert busy.waiting is None
    assert board.row(shard(), LIMITS, NOW).waiting is None
    assert busy.running is not None
    assert busy.running.phase == ""


def test_a_story_tells_the_runs_in_their_order() -> None:
    def run(number: int) -> RunFigures:
        at = NOW + number * HOUR
        return RunFigures(run=f"r{number}", node="n", root="t", started=at, finished=at, state="succeeded")

    told = story.tell(shard(), [run(3), run(2), run(1)], LIMITS, NOW, waiting="")

    assert [past.run for past in told.runs] == ["r1", "r2", "r3"]
    assert told.position == "0-1-7"
    assert told.row.waiting == "a free node"
    assert story.tell(ShardView(shard=SHARD), [], LIMITS, NOW).position == ""
