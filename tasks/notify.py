"""``tasks.notify``: each minute, and as soon as a run has failed, on the control queue: tells people what is wrong with
which shard, and that it is over."""

from __future__ import annotations

import logging

from tasks import app
from tasks.base import FleetTask, Value
from tidemark import alerts

log = logging.getLogger(__name__)


# The webhook's own timeouts are shorter; the limits are for a receiver that answers a byte at a time.
@app.task(name="tasks.notify", base=FleetTask, bind=True, soft_time_limit=60, time_limit=90)
def notify(self: FleetTask) -> Value:
    """Looks at all shards. What could not be delivered is told by a later look."""
    outcome = alerts.check(self.settings(), self.redis())
    return {"told": [event.text for event in outcome.told], "error": outcome.error, "waiting": outcome.waiting}
