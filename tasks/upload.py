"""``tasks.upload``: the last step of a run; its result is the run's result."""

from __future__ import annotations

from tasks import app
from tasks.base import Value
from tasks.step import StepTask
from tidemark import steps
from tidemark.config import ShardName


@app.task(name="tasks.upload", base=StepTask, bind=True)
def upload(self: StepTask, shard: ShardName, run_id: steps.RunId) -> Value:
    """Stores the new full backup, commits it, prunes, and clears the node."""
    return self.perform(
        shard,
        run_id,
        lambda at: steps.upload.run(at.run, progress=at.progress, guard=at.guard, living_runs=at.living_runs),
    )
