"""``tasks.restore``: the restore step of a run, on the node that holds its folder."""

from __future__ import annotations

from tasks import app
from tasks.base import Value
from tasks.step import StepTask
from tidemark import fleet, steps
from tidemark.config import ShardName
from tidemark.fleet import metrics


@app.task(name="tasks.restore", base=StepTask, bind=True)
def restore(self: StepTask, shard: ShardName, run_id: steps.RunId) -> Value:
    """Brings the newest backup back into the run's folder, or makes the first data folder."""
    return self.perform(
        shard,
        run_id,
        lambda at: steps.restore.run(at.run, progress=at.progress, guard=at.guard, seen=_seen(self, shard)),
    )


def _seen(task: StepTask, shard: str) -> steps.Seen | None:
    """The newest backup as far as the fleet remembers."""
    newest = fleet.persist(lambda: metrics.views(task.redis(), [shard]))[0].newest
    return steps.Seen(newest.number, newest.digest) if newest else None
