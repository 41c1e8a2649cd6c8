"""``tasks.stop``: the stop step of a run, on the node that holds its folder."""

from __future__ import annotations

from tasks import app
from tasks.base import Value
from tasks.step import StepTask
from tidemark import steps
from tidemark.config import ShardName


@app.task(name="tasks.stop", base=StepTask, bind=True)
def stop(self: StepTask, shard: ShardName, run_id: steps.RunId) -> Value:
    """Shuts the private server down cleanly."""
    return self.perform(shard, run_id, lambda at: steps.stop.run(at.run, progress=at.progress, guard=at.guard))
