"""``tasks.catchup``: the catchup step of a run, on the node that holds its folder."""

from __future__ import annotations

from tasks import app
from tasks.base import Value
from tasks.step import StepTask
from tidemark import steps
from tidemark.config import ShardName


@app.task(name="tasks.catchup", base=StepTask, bind=True)
def catchup(self: StepTask, shard: ShardName, run_id: steps.RunId) -> Value:
    """Starts the private server and replicates to the checkpoint."""
    return self.perform(shard, run_id, lambda at: steps.catchup.run(at.run, progress=at.progress, guard=at.guard))
