"""What the fleet remembers of a step: its figures, what it proves, and where an error came from."""

from __future__ import annotations

import contextlib
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis

from tidemark import steps
from tidemark.errors import LeaseLost, StorageUnavailable, TidemarkError
from tidemark.fleet import counters
from tidemark.fleet.metrics import CatchupState, ProvenBackup
from tidemark.results import SourceSeen, StepResult

ROOT = Path(__file__).parents[2]
OURS = (ROOT / "tidemark", ROOT / "tasks")


def of(run: steps.Run, result: StepResult) -> dict[str, int | float | None]:
    """What ``fleet.history`` keeps of a step that has just ended well."""
    if result.skipped:
        return {}
    match result:
        case steps.RestoreResult():
            return {"restored": result.backup, "fetched_bytes": result.fetched_bytes}
        case steps.CatchupResult():
            return {
                "transactions": result.transactions,
                "lag_seconds": _lag(run, result),
                "bridge_seconds": result.bridge_seconds,
                "moves": result.moves,
            }
        case steps.UploadResult():
            return {"number": result.number, "bytes": result.bytes, "stored_bytes": result.stored_bytes}
    return {}


def proven(run: steps.Run, result: StepResult) -> ProvenBackup | None:
    """The backup that this catch-up has shown to come from the store, to start and to replicate."""
    if not isinstance(result, steps.CatchupResult):
        return None
    restored = run.recall(steps.RestoreResult)
    if restored is None or restored.backup is None or restored.kept is not None:
        return None
    return ProvenBackup(number=restored.backup, proven_at=datetime.now(UTC), finished_at=restored.backup_finished_at)


def caught(run: steps.Run, result: StepResult) -> CatchupState | None:
    """What this catch-up saw of its source; None for another step, or when it asked none."""
    if not isinstance(result, steps.CatchupResult) or not result.source:
        return None
    seen = result.model_dump(include=set(SourceSeen.model_fields))
    return CatchupState(lag_seconds=_lag(run, result), at=datetime.now(UTC), **seen)


def count(client: redis.Redis, shard: str, step: str, error: Exception) -> None:
    """Counts the troubles of a step that somebody watches over many runs. What cannot be counted is let go."""
    fields = {StorageUnavailable: f"storage_retries:{step}", LeaseLost: "lease_losses"}
    for kind, field in fields.items():
        if isinstance(error, kind):
            with contextlib.suppress(TidemarkError):
                counters.add(client, shard, field)


def place(error: BaseException) -> str:
    """Where in our own code an error passed last: ``tidemark/mysql/server/private.py:204, in start``. No values, so no
    secrets."""
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if any(Path(frame.filename).is_relative_to(folder) for folder in OURS)
    ]
    if not ours:
        return ""
    return f"{Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}, in {ours[-1].name}"


def _lag(run: steps.Run, caught: steps.CatchupResult) -> float | None:
    """Seconds from the restored position's time to the catch-up's start, as near as is known."""
    restored = run.recall(steps.RestoreResult)
    since = (restored.position_at or restored.backup_finished_at) if restored else None
    if since is None:
        return None
    return max(0.0, (datetime.now(UTC) - timedelta(seconds=caught.seconds) - since).total_seconds())
