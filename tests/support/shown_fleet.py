"""Fleets to look at: states of shards, written into Redis by the fleet's own functions. Nothing runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import redis

from tidemark.fleet import RunFigures, history, leases, metrics, nodes
from tidemark.fleet.metrics import NewestBackup, ProvenBackup, RunningStep, StepProgress
from tidemark.results import STEPS, Failure

HOUR = timedelta(hours=1)
ERROR = (
    "{shard}: the primary 10.0.0.7:3306 has purged 0-1-4410, the newest backup ends at 0-1-4021\n"
    "HINT: raise binlog_expire_logs_seconds, or take a first copy again with --first-backup=clone"
)


def back_up(client: redis.Redis, shard: str, *, age: timedelta, runs: int = 1, size: int = 161_000_000_000) -> None:
    """A shard whose newest of ``runs`` backups is of ``age``, each proven by the next."""
    end = datetime.now(UTC) - age
    figures = [_figures(shard, i, end - (runs - 1 - i) * 12 * HOUR, size) for i in range(runs)]
    for one in figures:
        history.add(client, shard, one)
    newest = figures[-1]
    metrics.set_newest(
        client,
        shard,
        NewestBackup(
            number=runs,
            position=f"0-1-{4021 + 977 * runs}",
            finished_at=end,
            bytes=newest.bytes or 0,
            stored_bytes=newest.stored_bytes or 0,
        ),
    )
    if runs > 1:
        proven = ProvenBackup(number=runs - 1, proven_at=end - HOUR, finished_at=end - 12 * HOUR)
        metrics.set_proven(client, shard, proven)


def _figures(shard: str, i: int, finished: datetime, size: int) -> RunFigures:
    """Plausible figures: a shard that grows, weekly tides, the first backup stored as a whole."""
    seed = sum(map(ord, shard))
    tide = 1 + 0.35 * math.sin((i + seed) * 2 * math.pi / 14) + 0.08 * math.sin(i * 12.9898 + seed)
    grown = int(size * (1 + 0.012 * i))
    scale = size / 161e9
    seconds = {
        "restore": round(840 * scale * (1 + 0.012 * i), 1) + 2,
        "catchup": round(410 * scale * tide, 1) + 3,
        "stop": 22.0 + (seed + i) % 7,
        "upload": round(560 * scale * (0.7 + 0.3 * tide), 1) + 2,
    }
    took = timedelta(seconds=sum(seconds.values()))
    return RunFigures(
        run=f"run-{seed}-{i}",
        node=f"node{(seed + i) % 4 + 1}@backup",
        root=f"root-{seed}-{i}",
        started=finished - took,
        finished=finished,
        state="succeeded",
        seconds=seconds,
        bytes=grown,
        stored_bytes=int(grown * 0.41) if i == 0 else int(grown * 0.031 * tide),
        fetched_bytes=int(grown * 0.41),
        transactions=None if i == 0 else int(1_400_000 * scale * tide),
        lag_seconds=None if i == 0 else 43_200 * (0.97 + 0.03 * tide),
        number=i + 1,
        restored=i or None,
        step="upload",
    )


def run(
    client: redis.Redis, shard: str, step: str, *, fraction: float | None = 0.4, node: str = "node1@backup"
) -> None:
    """A run that is at ``step``."""
    leases.take(client, shard, leases.Owner(f"run-{shard}", node, step), ttl=3600)
    started = datetime.now(UTC) - timedelta(minutes=4)
    metrics.begin_step(client, shard, RunningStep(run=f"run-{shard}", node=node, step=step, started=started))
    total, unit = (1_400_000, "transactions") if step == "catchup" else (161_000_000_000, "B")
    rate = 5_200.0 if step == "catchup" else 212e6
    done = int(total * (fraction or 0))
    metrics.show_progress(
        client,
        shard,
        StepProgress(
            phase={"restore": "restoring", "catchup": "replicating", "stop": "flushing"}.get(step, "uploading"),
            done=done,
            total=None if fraction is None else total,
            unit=unit,
            rate=None if fraction is None else rate,
            eta=None if fraction is None else (total - done) / rate,
            detail="5 h behind" if step == "catchup" else "",
            at=datetime.now(UTC),
        ),
    )


def fail(client: redis.Redis, shard: str, *, times: int = 1, step: str = "catchup") -> None:
    """A shard whose last runs have failed."""
    message, hint = ERROR.format(shard=shard).split("\nHINT: ")
    failure = Failure(message=message, hint=hint, place="mysql/replication.py:88")
    told = failure.on_one_line()
    for i in range(times):
        at = datetime.now(UTC) - (times - 1 - i) * 12 * HOUR
        figures = _figures(shard, i + 30, at, 10**9).model_copy(
            update={
                "state": "failed",
                "step": step,
                "seconds": {"restore": 640.0},
                "error": told.message,
                "hint": told.hint,
                "bytes": None,
                "stored_bytes": None,
                "number": None,
                "transactions": None,
                "lag_seconds": None,
            }
        )
        history.add(client, shard, figures)
        metrics.fail(client, shard, failure, run=f"run-{shard}", step=step)


def busy(client: redis.Redis, shards: Sequence[str]) -> None:
    """Four shards or more: two at work, one waiting for nothing, one fine; six nodes."""
    for i, shard in enumerate(shards):
        back_up(client, shard, age=(2 + 3 * (i % 4)) * HOUR, runs=24, size=(40 + 37 * (i % 6)) * 10**9)
    run(client, shards[0], "catchup", fraction=0.63)
    run(client, shards[1], "upload", fraction=0.27, node="node2@backup")
    if len(shards) > 4:
        run(client, shards[2], "restore", fraction=0.81, node="node3@backup")
        run(client, shards[3], "stop", fraction=None, node="node4@backup")
    attend(client, 6)


def failing(client: redis.Redis, shards: Sequence[str]) -> None:
    """Six shards or more: one too old and failing, one failing, one without a backup, a damaged one, others fine."""
    for i, shard in enumerate(shards):
        if i != 2:
            back_up(client, shard, age=(3 + 2 * i) * HOUR if i else 51 * HOUR, runs=24, size=(60 + 25 * i) * 10**9)
    fail(client, shards[0], times=4)
    fail(client, shards[1], step="upload")
    metrics.set_damaged(client, shards[3], {22: "pack 3 frame 17: the seal does not fit"})
    attend(client, 2)


def large(client: redis.Redis, shards: Sequence[str]) -> None:
    """Hundreds: nearly all fine, some of everything."""
    for i, shard in enumerate(shards):
        if i % 171 != 40:
            age = timedelta(hours=31) if i % 97 == 13 else timedelta(minutes=17 + (i * 37) % 690)
            back_up(client, shard, age=age, runs=2, size=(120 + (i * 53) % 90) * 10**9)
        if i % 61 == 7:
            fail(client, shard, step=STEPS[i % 4])
        if i % 23 == 5:
            run(client, shard, STEPS[i % 4], fraction=(i * 7 % 100) / 100, node=f"node{i % 32 + 1}@backup")
    attend(client, 32)


def attend(client: redis.Redis, count: int) -> None:
    """So many nodes are there for a minute."""
    for i in range(count):
        nodes.beat(client, nodes.Node(name=f"node{i + 1}@backup", since=datetime.now(UTC)))
