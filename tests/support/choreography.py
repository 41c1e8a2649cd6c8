"""The fleet's real application with steps that do nothing but say so: for tests of who does what when.

``celery -A tests.support.choreography worker``: the tasks, queues, leases and signals are the real ones. Each step
writes lines to ``$CHOREOGRAPHY/events`` and does what ``$CHOREOGRAPHY/<shard>.<step>`` says: a number of seconds,
``fail``, ``away``, ``bug``, ``hang`` (until the file is gone) or ``skip``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tasks import app, step
from tidemark import steps
from tidemark.errors import ReplicationFailed, StorageUnavailable
from tidemark.progress import Progress, ProgressCallback
from tidemark.results import StepResult

__all__ = ["app"]

step.RETRY_AFTER = int(os.environ.get("RETRY_AFTER", "1"))

Result = TypeVar("Result", bound=StepResult)

FOLDER = Path(os.environ["CHOREOGRAPHY"])


def _note(run: steps.Run, step: str, event: str) -> None:
    line = {"at": time.time(), "node": run.on_disk.node_id, "run": run.id, "shard": run.shard.name, "step": step}
    with (FOLDER / "events").open("a") as stream:
        stream.write(json.dumps(line | {"event": event, "pid": os.getpid()}) + "\n")


def _orders(run: steps.Run, step: str) -> Path:
    return FOLDER / f"{run.shard.name.replace('/', '_')}.{step}"


def _act(run: steps.Run, step: str, progress: ProgressCallback, guard: steps.Guard) -> str:
    """Follows the orders for this step; gives the last one."""
    guard()
    path = _orders(run, step)
    order = path.read_text() if path.exists() else "0"
    progress(Progress("acting", 1, 4, "B"))
    match order:
        case "fail":
            raise ReplicationFailed(f"{run.shard.name}: told to fail", "tell it something else")
        case "away":
            raise StorageUnavailable(f"{run.shard.name}: the store does not answer", "look at it")
        case "bug":
            raise ValueError("a mistake of ours")
        case "hang":
            done = 1
            while path.exists():
                threading.Event().wait(0.02)
                done += 1
                progress(Progress("acting", done, 10**6, "B"))
                guard()
        case "skip":
            pass
        case seconds:
            threading.Event().wait(float(seconds))
    return order


def _fake(step: str, kind: type[Result]) -> Any:
    def run(
        run: steps.Run,
        *,
        progress: ProgressCallback,
        guard: steps.Guard,
        living_runs: frozenset[str] = frozenset(),
        seen: steps.Seen | None = None,
    ) -> Result:
        if done := run.recall(kind):
            return done
        _note(run, step, "begins")
        try:
            order = _act(run, step, progress, guard)
        except BaseException as error:
            _note(run, step, f"raises {type(error).__name__}")
            raise
        facts: dict[str, Any] = {"run": run.id, "shard": run.shard.name, "seconds": 0.5}
        restored = None if step == "restore" else run.expect(steps.RestoreResult)
        if order == "skip" or (restored and restored.skipped):
            facts["skipped"] = "told to skip"
        elif step == "restore":
            facts["backup"] = 41
        elif step == "catchup":
            facts["transactions"] = 7
        elif step == "upload":
            facts |= {"number": 42, "position": "0-1-42", "finished_at": datetime.now(UTC), "bytes": 1000}
            facts |= {"stored_bytes": 10}
        result = run.record(kind(**facts))
        _note(run, step, "ends")
        return result

    return run


steps.restore.run = _fake("restore", steps.RestoreResult)
steps.catchup.run = _fake("catchup", steps.CatchupResult)
steps.stop.run = _fake("stop", steps.StopResult)
steps.upload.run = _fake("upload", steps.UploadResult)
