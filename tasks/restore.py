"""``tasks.restore``: the restore step of a run, on the node that holds its folder."""

from __future__ import annotations

from tasks import app
from tasks.base import StepTask, Value
from tidemark import fleet, steps
from tidemark.fleet import metrics


@app.task(name="tasks.restore", base=StepTask, bind=True)
def restore(self: StepTask, shard: str, run_id: str) -> Value:
    """Brings the newest backup back into the run's folder, or makes the first data folder."""
    newest = fleet.persist(lambda: metrics.views(self.redis(), [shard]))[0].newest
    seen = steps.Seen(newest.number, newest.digest) if newest else None
    return self.perform(
        shard, run_id, lambda at: steps.restore.run(at.run, progress=at.progress, guard=at.guard, seen=seen)
    )
